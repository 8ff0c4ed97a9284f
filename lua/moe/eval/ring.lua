-- The samples of a stream whose labels are still to come, and a chunk of new ones: in a
-- ring, since those of a stream are one table, which the next one overwrites.

local stream = require "moe.streams.stream"

local Ring = {}
Ring.__index = Ring

-- A sample kept in a table that held another.  Those of a stream are one table, which
-- may tell the columns' names: it is asked once.
local function keep(slot, x, y)
  local own = slot.x
  if x[1] == nil then
    for name in pairs(own) do own[name] = nil end
    for name, value in pairs(x) do own[name] = value end
  else
    local n = #x
    for j = 1, n do own[j] = x[j] end
    for j = #own, n + 1, -1 do own[j] = nil end
  end
  slot.y = type(y) == "table" and stream.copy(y) or y
  if slot.of ~= x then
    setmetatable(own, stream.names_of(x) and getmetatable(x))
    slot.of = x
  end
end

local function refuse_sample(n, what, allowed, got)
  error(("prequential: sample %d: %s must be %s, got %s"):format(n, what, allowed, got), 0)
end

-- A target that is NaN is not known.
local function check_target(y, kind, n)
  if y ~= y then return nil end
  if kind == "number" and y ~= nil and (type(y) ~= "number" or y - y ~= 0) then
    refuse_sample(n, "y", "a finite number", type(y) == "number" and y or "a " .. type(y))
  end
  return y
end

--- At most n more; fewer at the end of the stream.
-- @return nothing, or why the stream is broken: message, code
function Ring:fill(n)
  for _ = 1, n do
    local x, y, code = self.source()
    if x == nil then return y, code end
    if type(x) ~= "table" and type(x) ~= "userdata" then
      refuse_sample(self.read + 1, "x", "a table of values", "a " .. type(x))
    end
    keep(self[self.read % self.size + 1], x, check_target(y, self.targets, self.read + 1))
    self.read = self.read + 1
  end
end

--- Reads to the first label, but not beyond `most` samples: what it is tells how to judge.
-- @return it, or nil; or nil, message, code
function Ring:first_target(most)
  for n = 1, most do
    local message, code = self:fill(1)
    if code then return nil, message, code end
    if self.read < n then return nil end
    if self[n].y ~= nil then return self[n].y end
  end
end

--- @param source a function or stream that gives x, y, at last nil
-- @param size how many samples it keeps: sample t is at place (t − 1) % size + 1
-- @return { size, read = how many samples there were, targets = "number" where each of them
-- has to be one, … = { x, y } }
return function(source, size)
  local ring = setmetatable({ source = source, size = size, read = 0 }, Ring)
  for i = 1, size do ring[i] = { x = {} } end
  return ring
end
