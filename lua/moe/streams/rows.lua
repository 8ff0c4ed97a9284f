--- Streams.
-- @module moe.streams

local options = require "moe.options"
local rows = require "moe.eval.rows"
local stream = require "moe.streams.stream"

local known = { task = { { "classification", "regression" } }, name = { "string" } }

-- For each kind of X a function that fills x with row i.
local readers = {}

function readers.Table(X)
  local columns = {}
  for _, name in ipairs(X.features) do columns[#columns + 1] = X:column(name) end
  return function(x, i)
    for j = 1, #columns do x[j] = columns[j][i] end
    return x
  end, X.features
end

function readers.Tensor(X)
  return function(x, i)
    local row = X:row(i):totable()
    for j = 1, #row do x[j] = row[j] end
    return x
  end, X.names
end

function readers.Sparse(X)
  return function(x, i)
    local row = X:rows(i, i):dense():totable()[1]
    for j = 1, #row do x[j] = row[j] end
    return x
  end
end

-- Rows in Lua are given as they are, unless X alone tells their columns' names.
local function read_array(X)
  local names = stream.names_of(X)
  if not names or stream.names_of(X[1]) then
    return function(_, i) return X[i] end, stream.names_of(X[1])
  end
  return function(x, i)
    for j = 1, #names do x[j] = X[i][j] end
    return x
  end, names
end

local function reader_of(X) return (readers[rows.kind_of(X)] or read_array)(X) end

local function features_of(X, names)
  if names then return names end
  local list, kind = {}, rows.kind_of(X)
  local d = kind and X.shape[2] or type(X[1]) == "table" and #X[1] or 0
  for j = 1, d do list[j] = "x" .. j end
  return list
end

-- What is known is of one type: labels that are true or false are, where one is true.
local function type_of_targets(targets, n)
  local found
  for i = 1, n do
    local y = targets[i]
    if y == true then return "boolean" end
    if y and y == y then found = found or type(y) end
  end
  return found
end

--- The rows of a tensor, a sparse matrix, a table or an array, in their order.
-- @function rows
-- @param X rows as `fit` takes them, or a table that knows its target
-- @param[opt] y one label or number a row, or several numbers: a tensor n×k, or a table
-- of k; NaN, nil, and false beside labels that are no booleans: unknown
-- @param[opt] options { task = "classification" or "regression"; by what y holds unless
-- given, name }
-- @return a Stream
-- @raise if there are not as many targets as rows, or an option is unknown
return function(X, y, given)
  local d, o = rows.read("rows", X, y, given)
  o = options.check("rows", o, known)
  local read, names = reader_of(d.X)
  local targets = type(d.y) == "userdata" and d.y:totable() or d.y
  local kind = type_of_targets(targets, d.n)
  local of_numbers = kind == "number" or kind == "table"
  local task = o.task or (of_numbers and "regression" or "classification")
  return stream.new {
    name = o.name or "rows", n = d.n, task = task, features = features_of(d.X, names),
    open = function()
      local x, i = names and stream.named(names) or {}, 0
      return function()
        i = i + 1
        if i > d.n then return nil end
        local target = targets[i]
        if target ~= target or target == false and kind ~= "boolean" then target = nil end
        return read(x, i), target
      end
    end,
  }
end
