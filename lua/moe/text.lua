--- Printing for people: values, aligned columns, tables of figures.
-- @module moe.text

local text = {}

--- A value as a string: numbers to 6 digits, arrays with their items, tables that
-- print as they do.
function text.value(v)
  if type(v) == "number" then return (("%.6g"):format(v)) end
  if type(v) == "table" and not (getmetatable(v) or {}).__tostring then
    local parts = {}
    for i, item in ipairs(v) do parts[i] = text.value(item) end
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  return tostring(v)
end

--- How many characters of UTF-8 a string has.
function text.width(s)
  local _, continued = s:gsub("[\128-\191]", "")
  return #s - continued
end

--- Arrays of strings, one a row, as left-aligned columns, two spaces between them.
function text.columns(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for k, cell in ipairs(row) do widths[k] = math.max(widths[k] or 0, text.width(cell)) end
  end
  for i, row in ipairs(rows) do
    local cells = {}
    for k, cell in ipairs(row) do
      cells[k] = k == #row and cell or cell .. (" "):rep(widths[k] - text.width(cell))
    end
    lines[i] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- Words in lines of at most 78 characters, the first behind `first`, the others
-- behind as many spaces, and `more` of them.
function text.wrap(words, first, more)
  local lines, line, empty = {}, first or "", true
  for word in words:gmatch "%S+" do
    if not empty and text.width(line) + 1 + text.width(word) > 78 then
      lines[#lines + 1], empty = line, true
      line = (" "):rep(text.width(first or "") + (more or 0))
    end
    line, empty = line .. (empty and "" or " ") .. word, false
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

-- What the names of this library's files begin with, in messages.
local here = debug.getinfo(1, "S").short_src:match "^(.*)text%.lua"

--- A message without the place in this library where it was raised.
function text.reason(message)
  if type(message) ~= "string" or not here or message:sub(1, #here) ~= here then return message end
  return (message:sub(#here + 1):gsub("^[%w_/]+%.lua:%d+: ", ""))
end

--- The keys of a table, in the order of their texts.
function text.names(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

local function inline(v)
  if type(v) ~= "table" then return text.value(v) end
  if #v > 0 or next(v) == nil or getmetatable(v) then return text.value(v) end
  local parts = {}
  for i, name in ipairs(text.names(v)) do
    parts[i] = tostring(name) .. " = " .. inline(v[name])
  end
  return table.concat(parts, ", ")
end

--- A metatable for tables of figures: one line a name, in order.
text.printed = {
  __tostring = function(t)
    local rows = {}
    for i, name in ipairs(text.names(t)) do rows[i] = { tostring(name), inline(t[name]) } end
    return text.columns(rows)
  end,
}

return text
