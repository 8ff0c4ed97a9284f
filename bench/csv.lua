-- read_csv beside pandas' C reader, in one thread: 100,000 × 50 numbers of 6
-- digits (pandas' default, not exact) and of 17 (its round_trip, exact).  CPU
-- times, the least of five, in one run.
--   make program && build/moe bench/csv.lua [rows]

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"

local ROWS, COLUMNS = tonumber(arg[1]) or 100000, 50
local files = {
  { digits = 6, format = "%.6f", precision = "", name = "default" },
  { digits = 17, format = "%.17g", precision = "round_trip", name = "round_trip" },
}

local function generate(path, format)
  local file = assert(io.open(path, "w"))
  local row = {}
  for j = 1, COLUMNS do row[j] = "x" .. j end
  file:write(table.concat(row, ","), "\n")
  for _ = 1, ROWS do
    for j = 1, COLUMNS do row[j] = format:format(support.number()) end
    file:write(table.concat(row, ","), "\n")
  end
  file:close()
end

-- For each file the least time, or none.
local function read_by_pandas()
  local arguments, times = {}, {}
  for _, file in ipairs(files) do
    table.insert(arguments, file.path)
    table.insert(arguments, file.precision)
  end
  local lines = support.peer("csv.py", support.TIMES, table.unpack(arguments))
  for i, line in ipairs(lines) do times[i] = line[1] end
  return times
end

moe.set_threads(1)
for _, file in ipairs(files) do
  file.path = os.tmpname()
  generate(file.path, file.format)
  file.time = support.least(os.clock, 1, function()
    assert(moe.data.read_csv(file.path)):close()
  end)
end
local theirs = read_by_pandas()
for i, file in ipairs(files) do
  local line = ("%2d digits, %d × %d: %.3f s"):format(file.digits, ROWS, COLUMNS, file.time)
  if theirs[i] then
    line = line .. ("; pandas (%s): %.3f s, %.1f times as long"):format(
      file.name, theirs[i], theirs[i] / file.time)
  end
  print(line)
  os.remove(file.path)
end
