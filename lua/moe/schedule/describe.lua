--- Options as text: for people, and as the mark by which a run is known again.
-- @module moe.schedule.describe

local text = require "moe.text"

local describe = {}

local MOST_ITEMS = 8 -- of an array; of a longer one its length and a sum

-- A sum of 32 bits in which the order counts.
local function checksum(s, sum)
  for i = 1, #s do sum = (sum * 31 + s:byte(i)) % 4294967296 end
  return sum
end

local function exactly(v)
  return type(v) == "number" and ("%.17g"):format(v) or tostring(v)
end

local function long_array(v)
  local sum = 0
  for i = 1, #v do sum = checksum(exactly(v[i]) .. ";", sum) end
  return ("{%d items, sum %08x}"):format(#v, sum)
end

local function is_array(v)
  local n = 0
  for _ in pairs(v) do n = n + 1 end
  return n > 0 and n == #v
end

local function prints(v)
  local meta = type(v) == "table" and getmetatable(v)
  return type(v) == "userdata" or type(meta) == "table" and meta.__tostring ~= nil
end

--- A value in one line: long arrays by length and checksum, a function as the
-- word, an object as the first line of what it prints.
function describe.value(v)
  if prints(v) then return (tostring(v):match "^[^\n]*") end
  if type(v) == "number" then return exactly(v) end
  if type(v) ~= "table" then return type(v) == "function" and "function" or tostring(v) end
  if is_array(v) and #v > MOST_ITEMS then return long_array(v) end
  return "{" .. describe.options(v) .. "}"
end

--- The fields of a table, in order: items first, then `name = value`.
function describe.options(options)
  local parts, names = {}, {}
  for i, item in ipairs(options) do parts[i] = describe.value(item) end
  for name in pairs(options) do
    if type(name) ~= "number" then names[#names + 1] = name end
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, name in ipairs(names) do
    parts[#parts + 1] = tostring(name) .. " = " .. describe.value(options[name])
  end
  return table.concat(parts, ", ")
end

-- The lines of stages, those within a stage further in.
local function add_stages(rows, stages, indent, number)
  for i, stage in ipairs(stages) do
    local place = number .. i
    rows[#rows + 1] = { indent .. place, stage.name, describe.options(stage.options) }
    if stage.stages then add_stages(rows, stage.stages, indent .. "  ", place .. ".") end
  end
  return rows
end

--- All stages, a line each.
function describe.stages(stages) return text.columns(add_stages({}, stages, "  ", "")) end

return describe
