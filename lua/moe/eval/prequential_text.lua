-- The result of a prequential evaluation as lines, and as a table.

local data = require "moe.data"
local text = require "moe.text"

local show = {}

local BLOCKS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
local WIDTH = 24 -- of a line of blocks

local function is_finite(v) return v == v and v > -math.huge and v < math.huge end

-- The least and the largest of the lists.
local function range(lists)
  local low, high = math.huge, -math.huge
  for _, list in ipairs(lists) do
    for _, v in ipairs(list) do
      if is_finite(v) then low, high = math.min(low, v), math.max(high, v) end
    end
  end
  return low, high
end

-- The means of at most WIDTH parts of a list, from low to high.
local function line(list, low, high)
  local parts, n = {}, math.min(#list, WIDTH)
  for k = 1, n do
    local sum, count = 0, 0
    for i = math.floor((k - 1) * #list / n) + 1, math.floor(k * #list / n) do
      if is_finite(list[i]) then sum, count = sum + list[i], count + 1 end
    end
    local share = count > 0 and high > low and (sum / count - low) / (high - low) or 0
    parts[k] = count > 0 and BLOCKS[math.min(8, 1 + math.floor(share * 8))] or " "
  end
  return table.concat(parts)
end

local function figure(v)
  if v == nil or v ~= v then return "-" end
  return math.abs(v) < 100 and ("%.4f"):format(v) or ("%.5g"):format(v)
end

local function size(bytes)
  if not bytes then return "-" end
  return bytes < 2 ^ 20 and ("%.1f KB"):format(bytes / 1024) or ("%.1f MB"):format(bytes / 2 ^ 20)
end

local function head(result)
  local o, first = result.options, result.metrics[1].name
  local cells = { "" }
  for _, metric in ipairs(result.metrics) do cells[#cells + 1] = metric.name end
  if o.after then cells[#cells + 1] = ("after %d"):format(o.after) end
  cells[#cells + 1] = ("last %d"):format(o.window)
  cells[#cells + 1] = "faded"
  cells[#cells + 1] = "µs"
  cells[#cells + 1] = "memory"
  cells[#cells + 1] = #result.history.rows > 1 and first .. " over time" or nil
  return cells
end

local function row(result, name, low, high)
  local m, first, cells = result.models[name], result.metrics[1].name, { name }
  for _, metric in ipairs(result.metrics) do
    cells[#cells + 1] = figure(m.total[metric.name] or m.window[metric.name])
  end
  if m.after then cells[#cells + 1] = figure(m.after[first]) end
  cells[#cells + 1] = figure(m.window[first])
  cells[#cells + 1] = figure(m.fading[first])
  cells[#cells + 1] = ("%.2f"):format(m.microseconds)
  cells[#cells + 1] = size(m.bytes)
  if #result.history.rows > 1 then
    cells[#cells + 1] = line(result.history[name][first], low, high)
  end
  return cells
end

--- What print shows.
function show.result(result)
  local lists, rows, first = {}, { head(result) }, result.metrics[1].name
  for i, name in ipairs(result.names) do lists[i] = result.history[name][first] end
  local low, high = range(lists)
  for i, name in ipairs(result.names) do rows[i + 1] = row(result, name, low, high) end
  local title = ("%s: %d samples in %.3g s"):format(result.name, result.rows, result.seconds)
  local o = result.options
  if o.delay > 0 then title = title .. (", labels %d samples late"):format(o.delay) end
  if o.warmup > 0 then title = title .. (", the first %d not judged"):format(o.warmup) end
  return title .. "\n" .. text.columns(rows)
end

--- The history as a Table.
function show.table(result)
  local names = { "rows", "model" }
  for _, metric in ipairs(result.metrics) do names[#names + 1] = metric.name end
  names[#names + 1], names[#names + 2] = "microseconds", "bytes"
  local columns = {}
  for _, name in ipairs(names) do columns[name] = {} end
  for i, rows in ipairs(result.history.rows) do
    for _, model in ipairs(result.names) do
      table.insert(columns.rows, rows)
      table.insert(columns.model, model)
      for j = 3, #names do table.insert(columns[names[j]], result.history[model][names[j]][i]) end
    end
  end
  return data.table { columns = columns, names = names }
end

--- That of one metric: a column for each model.
function show.table_of(result, metric)
  local columns, names = { rows = result.history.rows }, { "rows" }
  for _, model in ipairs(result.names) do
    columns[model], names[#names + 1] = result.history[model][metric], model
  end
  return data.table { columns = columns, names = names }
end

return show
