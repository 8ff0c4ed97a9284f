-- Streams that are made: a definition, its options with their defaults, a seed.

local core = require "moe.core"
local options = require "moe.options"
local stream = require "moe.streams.stream"

local shared = {
  seed = { "integer", min = 0, max = 2 ^ 53, default = 0 },
  rows = { "integer", min = 1 },
}

--- "x1", "x2", …
local function numbered(n, prefix)
  local names = {}
  for j = 1, n do names[j] = (prefix or "x") .. j end
  return names
end

local function value_of(given, o)
  if type(given) == "function" then return given(o) end
  return given
end

--- The constructor of a kind of stream.
-- @param definition { name, task, options, features, classes, kinds, fault, start }: features
-- are names or how many x1, x2, … there are; these, task, classes and kinds may be
-- functions of the options; fault(o) gives what is wrong with options together, if
-- anything; start(o, random) begins a stream: random(name) is a generator of its own for
-- each name, and what is returned fills x and gives y
-- @return function(options) → a Stream
local function generator(definition)
  local known = {}
  for _, rules in ipairs { shared, definition.options or {} } do
    for name, rule in pairs(rules) do known[name] = rule end
  end
  return function(given)
    local o = options.check(definition.name, given, known)
    local fault = definition.fault and definition.fault(o)
    if fault then error(fault, 2) end
    local function random(name) return core.random(o.seed, name) end
    local features = value_of(definition.features, o)
    if type(features) == "number" then features = numbered(features) end
    return stream.new {
      name = definition.name, n = o.rows or nil, endless = not o.rows,
      task = value_of(definition.task, o),
      features = features, classes = value_of(definition.classes, o),
      kinds = value_of(definition.kinds, o),
      open = function()
        local x, draw = stream.named(features), definition.start(o, random)
        for j = 1, #features do x[j] = 0 end
        return function() return x, draw(x) end
      end,
    }
  end
end

return { new = generator, numbered = numbered }
