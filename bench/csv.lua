-- read_csv beside pandas' C reader, in one thread: 100,000 × 50 numbers of 6
-- digits (pandas' default, not exact) and of 17 (its round_trip, exact).  CPU
-- times, the least of five, in one run.
--   make program && build/moe bench/csv.lua [rows]

local moe = require "moe"

local ROWS, COLUMNS, TIMES = tonumber(arg and arg[1]) or 100000, 50, 5
local files = {
  { digits = 6, format = "%.6f", precision = "", name = "default" },
  { digits = 17, format = "%.17g", precision = "round_trip", name = "round_trip" },
}

-- Normal enough: sums of four uniform numbers.
local function number()
  return math.random() + math.random() - math.random() - math.random()
end

local function generate(path, format)
  local file = assert(io.open(path, "w"))
  local row = {}
  for j = 1, COLUMNS do row[j] = "x" .. j end
  file:write(table.concat(row, ","), "\n")
  for _ = 1, ROWS do
    for j = 1, COLUMNS do row[j] = format:format(number()) end
    file:write(table.concat(row, ","), "\n")
  end
  file:close()
end

local function read(path)
  local best = math.huge
  for _ = 1, TIMES do
    local start = os.clock()
    local t = assert(moe.data.read_csv(path))
    best = math.min(best, os.clock() - start)
    t:close()
  end
  return best
end

-- For each file the least time, or none.
local function read_by_pandas()
  local arguments, times = {}, {}
  for i, file in ipairs(files) do
    arguments[i] = ("%s '%s'"):format(file.path, file.precision)
  end
  local script = (arg and arg[0] or "bench/csv.lua"):gsub("lua$", "py")
  local pipe = io.popen(("/usr/bin/python3 -I %s %d %s"):format(
    script, TIMES, table.concat(arguments, " ")))
  for line in pipe:lines() do times[#times + 1] = tonumber(line:match "^%S+") end
  pipe:close()
  return times
end

moe.set_threads(1)
for _, file in ipairs(files) do
  file.path = os.tmpname()
  generate(file.path, file.format)
  file.time = read(file.path)
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
