--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

local function first(x) return math.sin(x) end
local function second(x) return 0.5 + 0.3 * math.sin(3 * math.pi * x) end
local curves = { first, first, second, second }

--- A curve in the unit square (Gama et al. 2004, doi 10.1007/978-3-540-28645-5_29): "yes"
-- where x2 lies below sin x1 (variant 1) or 0.5 + 0.3 sin 3π x1 (variant 3); the labels
-- of 2 and 4 are those of 1 and 3 turned round.
-- @function sine
-- @param[opt] options a table of
--   variant = 1: of the four
--   irrelevant = false: two more numbers that do not matter
--   noise = 0: the share of labels that are turned round
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "sine", task = "classification", classes = { "no", "yes" },
  features = function(o) return o.irrelevant and 4 or 2 end,
  options = {
    variant = { "integer", min = 1, max = 4, default = 1 },
    irrelevant = { "boolean", default = false },
    noise = { "number", min = 0, max = 1, default = 0 },
  },
  start = function(o, random)
    local r, noise, curve = random "rows", random "noise", curves[o.variant]
    local turned, d = o.variant % 2 == 0, o.irrelevant and 4 or 2
    return function(x)
      r.fill(x, d)
      local yes = (x[2] < curve(x[1])) ~= turned
      if noise.unit() < o.noise then yes = not yes end
      return yes and "yes" or "no"
    end
  end,
}
