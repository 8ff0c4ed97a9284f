--- Streams.
-- @module moe.streams

local core = require "moe.core"
local options = require "moe.options"
local stream = require "moe.streams.stream"

local compose = {}

local function places_of(names)
  local places = {}
  for j, name in ipairs(names) do places[name] = j end
  return places
end

-- Where the columns of the first stream are in another.
local function order_of(what, i, first, part)
  local places, known, order = places_of(part.features), places_of(first.features), {}
  local function refuse(has, name)
    error(("%s: stream %d has %s column '%s', unlike stream 1"):format(what, i, has, name), 4)
  end
  for _, name in ipairs(part.features) do
    if not known[name] then refuse("a", name) end
  end
  for j, name in ipairs(first.features) do
    order[j] = places[name] or refuse("no", name)
    local kind = part.kinds and part.kinds[order[j]]
    if kind and first.kinds and first.kinds[j] ~= kind then refuse(kind .. "s in", name) end
  end
  return order
end

-- A stream with its columns in the order that the first one has.
local function like(what, i, first, part)
  local order = order_of(what, i, first, part)
  local moved = false
  for j, from in ipairs(order) do moved = moved or from ~= j end
  if not moved then return part end
  return stream.new {
    name = part.name, n = part.n, endless = part.endless, task = part.task,
    classes = part.classes, features = first.features, kinds = first.kinds,
    open = function()
      local own = stream.named(first.features)
      part:reset()
      return function()
        local x, y, code = part()
        if not x then return nil, y, code end
        for j, from in ipairs(order) do own[j] = x[from] end
        return own, y
      end
    end,
  }
end

-- The streams of a list, which must fit to each other, and the options beside them.
local function read(what, given, known)
  local named, parts = {}, {}
  if type(given) ~= "table" or stream.is_stream(given) then
    error(what .. ": a table of streams expected", 3)
  end
  for key, value in pairs(given) do
    if type(key) == "number" then parts[key] = value else named[key] = value end
  end
  for i, part in ipairs(parts) do
    if not stream.is_stream(part) then
      error(("%s: item %d must be a stream, got a %s"):format(what, i, type(part)), 3)
    end
    if part.task ~= parts[1].task then
      error(("%s: the task of stream %d is %s, of stream 1 %s"):format(what, i,
        part.task or "not known", parts[1].task or "not known"), 3)
    end
    parts[i] = like(what, i, parts[1], part)
  end
  if #parts == 0 then error(what .. ": there is no stream", 3) end
  return parts, options.check(what, named, known, 3)
end

local function union(parts)
  local seen, list = {}, {}
  for _, part in ipairs(parts) do
    if not part.classes then return nil end
    for _, class in ipairs(part.classes) do
      if not seen[class] then list[#list + 1] = class end
      seen[class] = true
    end
  end
  return list
end

-- Endless if what it ends with is.
local function new(name, parts, rows, last, open)
  return stream.new {
    name = name, n = rows, endless = not rows and last.endless,
    task = parts[1].task, features = parts[1].features, kinds = parts[1].kinds,
    classes = union(parts),
    open = function()
      for _, part in ipairs(parts) do part:reset() end
      return open()
    end,
  }
end

local function names_of(what, parts)
  local names = {}
  for i, part in ipairs(parts) do names[i] = part.name end
  return ("%s(%s)"):format(what, table.concat(names, ", "))
end

-- One that ends, if there is.
local function shortest(parts)
  for _, part in ipairs(parts) do
    if not part.endless then return part end
  end
  return parts[1]
end

local shared = {
  rows = { "integer", min = 1 }, seed = { "integer", min = 0, max = 2 ^ 53, default = 0 },
}

local function with(known)
  local all = {}
  for _, rules in ipairs { shared, known } do
    for name, rule in pairs(rules) do all[name] = rule end
  end
  return all
end

-- Where each change is: one number, an array of them, or at equal distances.
local function places(what, at, n)
  local list = {}
  for i = 1, n do list[i] = type(at) == "table" and at[i] or at and at * i end
  for i = 1, n do
    local place = list[i]
    if type(place) ~= "number" or place < 0 or i > 1 and place <= list[i - 1] then
      local many = n > 1 and ("a number, or %d rising numbers,"):format(n) or "a number"
      error(("%s: 'at' must be %s of samples"):format(what, many), 3)
    end
  end
  return list
end

-- What ends before its turn does would end all.
local function check_turns(list, at)
  for i, place in ipairs(at) do
    local turn = place - (at[i - 1] or 0)
    if list[i].n and list[i].n < turn then
      error(("sudden: stream %d is to give %g samples, and has %d"):format(i, turn, list[i].n), 3)
    end
  end
end

--- One stream after the other: a sudden drift.
-- @param parts streams in order, with the same columns, and
--   at: after how many samples the next one comes, a list where there are more than
--     two; a number alone is the length of each
--   rows: how many in all; as long as the last one unless given
-- @return a Stream, which draws from those that it is made of
-- @usage moe.streams.sudden { moe.streams.sea { variant = 1 }, moe.streams.sea { variant = 3 },
--   at = 5000 }
function compose.sudden(parts)
  local list, o = read("sudden", parts, with { at = {} })
  local at = places("sudden", o.at, #list - 1)
  check_turns(list, at)
  return new(names_of("sudden", list), list, o.rows or nil, list[#list], function()
    local t, current = 0, 1
    return function()
      while at[current] and t >= at[current] do current = current + 1 end
      t = t + 1
      return list[current]()
    end
  end)
end

--- From one stream to another, slowly: the probability that a sample is of the second is
-- 1 / (1 + exp(−4 (t − at) / width)), as in MOA (Bifet et al. 2010).
-- @param parts two streams with the same columns, and
--   at: where the two are as probable
--   width = 1000: about as many samples as the change takes
--   seed = 0, rows: how many in all; as long as they last unless given
-- @return a Stream, which draws from those that it is made of
function compose.gradual(parts)
  local list, o = read("gradual", parts, with {
    at = { "number", min = 0, needed = true }, width = { "number", min = 0, default = 1000 },
  })
  if #list ~= 2 then error("gradual: two streams expected, got " .. #list, 2) end
  return new(names_of("gradual", list), list, o.rows or nil, list[2], function()
    local r, t = core.random(o.seed, "gradual"), 0
    return function()
      local share = 1 / (1 + math.exp(-4 * (t - o.at) / math.max(o.width, 1e-9)))
      t = t + 1
      return list[r.unit() < share and 2 or 1]()
    end
  end)
end

--- Streams that take turns and come again.
-- @param parts streams in order, with the same columns, and
--   every: samples of a turn
--   rows: how many in all; endless, or to the end of one of them, unless given
-- @return a Stream, which draws from those that it is made of
function compose.recurring(parts)
  local list, o = read("recurring", parts, with { every = { "integer", min = 1, default = 1000 } })
  return new(names_of("recurring", list), list, o.rows or nil, shortest(list), function()
    local t = 0
    return function()
      local part = list[math.floor(t / o.every) % #list + 1]
      t = t + 1
      return part()
    end
  end)
end

--- A stream whose samples change places: each is drawn from a buffer that holds some.
-- @param parts a stream, and
--   buffer = 1000: how many samples wait in it
--   seed = 0, rows: how many in all; all of them unless given
-- @return a Stream, which draws from the one that it is made of
function compose.shuffle(parts)
  local list, o = read("shuffle", parts, with { buffer = { "integer", min = 1, default = 1000 } })
  local part = list[1]
  if #list ~= 1 then error("shuffle: one stream expected", 2) end
  return new(names_of("shuffle", list), list, o.rows or part.n, part, function()
    local r, held, n, failed = core.random(o.seed, "shuffle"), {}, 0, nil
    local function take(place)
      local x, y, code = part()
      if not x then
        failed = code and { y, code } or failed
        return false
      end
      held[place] = { stream.copy(x), y }
      return true
    end
    return function()
      while n < o.buffer and take(n + 1) do n = n + 1 end
      if n == 0 then return nil, failed and failed[1], failed and failed[2] end
      local k = r.below(n)
      local chosen = held[k]
      held[k], held[n] = held[n], nil
      n = n - 1
      return chosen[1], chosen[2]
    end
  end)
end

return compose
