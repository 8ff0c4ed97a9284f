--- What all streams are: samples in order, one table for all of them.
-- @module moe.streams

local text = require "moe.text"

local Stream = {}
Stream.__index = Stream

-- A stream of o = { name, features = names, task, classes, n = rows or nil, endless, kinds, open
-- = a function that begins from the beginning and gives a function → x, y, or nothing
-- (or nil, message, code) after the last }
local function new(o) return setmetatable(o, Stream):reset() end

-- The next sample: `x, y = s()`.  After the last: nil, or nil, message, code where a file
-- ends it badly.
function Stream:__call()
  if self.at == self.n then return nil end
  local x, y, code = self.draw()
  if not x then return nil, y, code end
  self.at = self.at + 1
  return x, y
end

--- The samples that are left: `for x, y in s:iter() do`.
-- @return what `for` takes; x is one table that the next sample overwrites
-- @raise where a file ends it badly
function Stream:iter()
  return function()
    local x, y, code = self()
    if x == nil and code then error(y, 2) end
    return x, y
  end
end

--- A table for the samples of a stream: a learner that begins with one of them knows
-- its columns by these names.
local function named(names) return setmetatable({}, { names = names }) end

--- The names that a sample tells, or nil.
local function names_of(x)
  local meta = getmetatable(x)
  return type(meta) == "table" and type(meta.names) == "table" and meta.names or nil
end

local function copy(x)
  local own = {}
  for j = 1, #x do own[j] = x[j] end
  return setmetatable(own, getmetatable(x))
end

--- The next samples, copied.
-- @param n how many; fewer where the stream ends before
-- @return X, an array of rows that tell their columns' names as the samples do, and y, an
-- array: what `fit` takes; or nil, message, code
-- @raise if n is no number of samples
function Stream:take(n)
  if type(n) ~= "number" or n < 0 or n % 1 ~= 0 then
    error("take: how many samples? got " .. tostring(n), 2)
  end
  local X, y = {}, {}
  for i = 1, n do
    local row, target, code = self()
    if not row and code then return nil, target, code end
    if not row then break end
    X[i], y[i] = copy(row), target
  end
  if X[1] and names_of(X[1]) then setmetatable(X, getmetatable(X[1])) end
  return X, y
end

--- From the beginning: the same samples again.
-- @return the stream
function Stream:reset()
  self.at, self.draw = 0, self.open()
  return self
end

function Stream:__tostring()
  local rows = self.n and ("%d rows"):format(self.n) or self.endless and "endless" or "some rows"
  local what = self.task or "no target"
  if self.classes then what = ("%s of %d classes"):format(what, #self.classes) end
  local names = {}
  for j = 1, math.min(#self.features, 8) do names[j] = self.features[j] end
  if #self.features > #names then names[#names + 1] = "…" end
  return text.wrap(("Stream %s: %s, %s, %d features (%s)"):format(
    self.name, rows, what, #self.features, table.concat(names, ", ")))
end

--- Whether a value is a stream.
local function is_stream(value) return getmetatable(value) == Stream end

return { new = new, is_stream = is_stream, copy = copy, named = named, names_of = names_of }
