--- Tables of named columns: read, made, looked at.
--
-- A table never changes: what selects from it gives another one that shares
-- its columns.  Missing numbers are NaN, missing strings are false.
-- @module moe.data

local core = require "moe.core"
local text = require "moe.text"

local data = {}
for name, f in pairs(core.data) do
  data[name] = f
end

data.loader = require "moe.loader"

local Table = core.methods "Table"

local function is_missing(value)
  return value == false or value ~= value
end

local function rows_equal_to(t, wanted)
  local kept = {}
  for i = 1, #t do
    kept[i] = true
  end
  for name, value in pairs(wanted) do
    for i, cell in ipairs(t:column(name)) do
      kept[i] = kept[i] and (cell == value or is_missing(cell) and is_missing(value))
    end
  end
  return function(i)
    return kept[i]
  end
end

--- Some of the rows, in their order.
-- @param condition a function of the row (name → value) that is true for those
-- wanted, or a table (name → value) that their cells equal; a missing value (NaN
-- or false) equals missing cells
-- @return a table
-- @raise if the condition is neither, or names an unknown column
-- @usage t:where{ country = "se" }
-- t:where(function(row) return row.age < 30 end)
function Table:where(condition)
  local is_kept
  if type(condition) == "table" then
    is_kept = rows_equal_to(self, condition)
  elseif type(condition) == "function" then
    is_kept = function(i)
      return condition(self:row(i))
    end
  else
    error("where: a function or a table, name to value, expected; got a " .. type(condition), 2)
  end
  local rows = {}
  for i = 1, #self do
    if is_kept(i) then rows[#rows + 1] = i end
  end
  return self:pick(rows)
end

local NAN = 0 / 0

local function describe_numbers(values)
  local n, mean, squares, min, max = 0, 0, 0, math.huge, -math.huge
  for _, x in ipairs(values) do
    if x == x then
      local step = x - mean
      n = n + 1
      mean = mean + step / n
      squares = squares + step * (x - mean)
      min, max = math.min(min, x), math.max(max, x)
    end
  end
  if n == 0 then return { missing = #values } end
  return {
    missing = #values - n,
    mean = mean,
    sd = n > 1 and math.sqrt(squares / (n - 1)) or NAN,
    min = min,
    max = max,
  }
end

local function describe_strings(values)
  local counts, levels, missing, most = {}, 0, 0, false
  for _, s in ipairs(values) do
    if s then
      if not counts[s] then levels = levels + 1 end
      counts[s] = (counts[s] or 0) + 1
      if not most or counts[s] > counts[most] then most = s end
    else
      missing = missing + 1
    end
  end
  return { missing = missing, levels = levels, most = most }
end

--- A table with one row a column: what it holds, how much is missing, and the
-- figures of numbers (mean, sd, min, max) or strings (how many levels, and the
-- most frequent).
-- @return a table of the columns column, kind, missing, mean, sd, min, max,
-- levels and most; sd is that of a sample, and what does not apply is missing
function Table:describe()
  local names = { "column", "kind", "missing", "mean", "sd", "min", "max", "levels", "most" }
  local columns = {}
  for _, name in ipairs(names) do
    columns[name] = {}
  end
  for i, name in ipairs(self.names) do
    local kind = self:kind(name)
    local describe = kind == "number" and describe_numbers or describe_strings
    local figures = describe(self:column(name))
    figures.column, figures.kind = name, kind
    for _, what in ipairs(names) do
      columns[what][i] = figures[what]
      if figures[what] == nil then columns[what][i] = what ~= "most" and NAN end
    end
  end
  return data.table { columns = columns, names = names }
end

local WIDTH, HEIGHT, CELL = 78, 10, 24 -- of a preview: characters, rows, characters

-- A cell on one line, not longer than CELL characters of UTF-8.
local function clip(s)
  s = s:gsub("%c", " ")
  if text.width(s) <= CELL then return s end
  local characters = {}
  for character in s:gmatch "[^\128-\191][\128-\191]*" do
    if #characters == CELL - 1 then break end
    characters[#characters + 1] = character
  end
  return table.concat(characters) .. "…"
end

local function show(value)
  if is_missing(value) then return "-" end
  return clip(text.value(value))
end

local function widest(column)
  local most = 0
  for _, cell in ipairs(column) do
    most = math.max(most, text.width(cell))
  end
  return most
end

-- The lines of as many columns as fit beside each other, and how many do.
local function draw(columns)
  local rows, used, drawn = {}, 0, 0
  for j, column in ipairs(columns) do
    used = used + widest(column)
    if j > 1 and used > WIDTH then break end
    used, drawn = used + 2, j
    for i, cell in ipairs(column) do
      rows[i] = rows[i] or {}
      rows[i][j] = cell
    end
  end
  return text.columns(rows), drawn
end

--- The first rows and columns, aligned; what tostring gives.
-- @return a string of at most 10 rows, and lines of about 78 characters
function Table:preview()
  local names, rows = self.names, {}
  local head = ("Table: %d rows × %d columns"):format(#self, #names)
  if self.target then head = head .. ", target " .. self.target end
  for i = 1, math.min(#self, HEIGHT) do
    rows[i] = self:row(i)
  end
  local columns = {}
  for j = 1, math.min(#names, WIDTH) do
    columns[j] = { clip(names[j]), self:kind(names[j]) }
    for i, row in ipairs(rows) do
      columns[j][i + 2] = show(row[names[j]])
    end
  end
  if #columns == 0 then return head end
  local lines, drawn = draw(columns)
  local more = {}
  if #self > #rows then more[1] = ("%d more rows"):format(#self - #rows) end
  if #names > drawn then more[#more + 1] = ("%d more columns"):format(#names - drawn) end
  lines = head .. "\n" .. lines
  return #more > 0 and lines .. "\n… " .. table.concat(more, ", ") or lines
end

return data
