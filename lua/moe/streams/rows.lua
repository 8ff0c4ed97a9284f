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

-- Rows in Lua are given as they are.
local function reader_of(X)
  local kind = rows.kind_of(X)
  if kind then return readers[kind](X) end
  return function(_, i) return X[i] end
end

local function features_of(X, names)
  if names then return names end
  local list, kind = {}, rows.kind_of(X)
  local d = kind and X.shape[2] or type(X[1]) == "table" and #X[1] or 0
  for j = 1, d do list[j] = "x" .. j end
  return list
end

--- The rows of a tensor, a sparse matrix, a table or an array, in their order.
-- @function rows
-- @param X rows as `fit` takes them, or a table that knows its target
-- @param[opt] y one label or number a row; nil and false in an array: unknown
-- @param[opt] options { task = "classification" or "regression"; by what y holds unless
-- given, name }
-- @return a Stream
-- @raise if there are not as many targets as rows, or an option is unknown
return function(X, y, given)
  local d, o = rows.read("rows", X, y, given)
  o = options.check("rows", o, known)
  local read, names = reader_of(d.X)
  local targets = type(d.y) == "userdata" and d.y:totable() or d.y
  local task = o.task or (type(targets[1]) == "number" and "regression" or "classification")
  return stream.new {
    name = o.name or "rows", n = d.n, task = task, features = features_of(d.X, names),
    open = function()
      local x, i = names and stream.named(names) or {}, 0
      return function()
        i = i + 1
        if i > d.n then return nil end
        return read(x, i), targets[i]
      end
    end,
  }
end
