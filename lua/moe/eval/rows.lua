-- (X, y) of any kind as rows that can be picked: a tensor, a sparse matrix, a
-- table alone or with y, an array of rows.

local core = require "moe.core"

local rows = {}

-- "Tensor", "Sparse" or "Table" of the engine's data, else nothing.
local tells = { Table = "pick", Sparse = "dense", Tensor = "reshape" } -- a method of its own

local function kind_of(X)
  if type(X) ~= "userdata" then return end
  for kind, method in pairs(tells) do
    if X[method] == core.methods(kind)[method] then return kind end
  end
end

local function count(values)
  local kind = kind_of(values)
  return (kind == "Tensor" or kind == "Sparse") and values.shape[1] or #values
end

--- The rows of that list, in its order.
function rows.pick(values, list)
  local kind = kind_of(values)
  if kind == "Table" then return values:pick(list) end
  if not kind then
    local out = {}
    for k, i in ipairs(list) do out[k] = values[i] end
    return out
  end
  local out = values:select(list)
  if kind == "Tensor" and values.ndim == 2 and values.names then out.names = values.names end
  return out
end

local Data = {}
Data.__index = Data

--- The same of some rows.
function Data:pick(list)
  return setmetatable({
    X = rows.pick(self.X, list),
    y = rows.pick(self.y, list),
    alone = self.alone,
    n = #list,
  }, Data)
end

-- Options of fit in which arrays with an item a row are those of some rows.
local function pick_options(given, list, n)
  local out = {}
  for name, value in pairs(given or {}) do
    local is_by_row = type(value) == "table" and #value == n
    out[name] = is_by_row and rows.pick(value, list) or value
  end
  return out
end

--- Fits the model to some of the rows.
-- @param given options of fit, of all rows
function Data:fit(model, list, given)
  local part = list and self:pick(list) or self
  local own = list and pick_options(given, list, self.n) or given or {}
  if self.alone then return model:fit(part.X, own) end
  return model:fit(part.X, part.y, own)
end

--- Refuses what is no model: a constructor without its options, or data.
function rows.check_model(what, model)
  if type(model) == "table" and model.predict or type(model) == "userdata" and not kind_of(model)
  then return end
  local got = type(model) == "userdata" and kind_of(model) or type(model)
  error(("%s: the model comes first, got a %s"):format(what, got), 3)
end

local function is_options(value) return type(value) == "table" and value[1] == nil end

--- Reads (X, y, options) or (table, options).
-- @return the data and the options
function rows.read(what, X, y, given)
  local kind = kind_of(X)
  if not kind and type(X) ~= "table" then
    error(("%s: X must be a tensor, a sparse matrix, a table or an array of rows, got %s"):format(
      what, tostring(X)), 3)
  end
  local alone = kind == "Table" and (y == nil or is_options(y) and given == nil)
  if alone then
    if not X.target then error(what .. ": the table has no target, and y is nil", 3) end
    y, given = X:column(X.target), y
  end
  local n = count(X)
  if y == nil then error(what .. ": y is nil", 3) end
  if count(y) ~= n then
    error(("%s: %d targets, but X has %d rows"):format(what, count(y), n), 3)
  end
  return setmetatable({ X = X, y = y, n = n, alone = alone }, Data), given
end

rows.kind_of = kind_of

return rows
