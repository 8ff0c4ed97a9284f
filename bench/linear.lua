-- Linear and logistic regression beside scikit-learn's, in one thread, on the
-- same 100,000 × 50 float32 numbers: CPU times, the least of five, in one run.
-- Then learn_one, whose peer is partial_fit of one sample.
--   make program && build/moe bench/linear.lua [rows]

local moe = require "moe"

local ROWS, COLUMNS, TIMES, STREAM = tonumber(arg and arg[1]) or 100000, 50, 5, 20000

math.randomseed(1)
local function number()
  return math.random() + math.random() - math.random() - math.random()
end

-- Ten columns matter, for a number and for a class.
local function generate()
  local rows, numbers, classes = {}, {}, {}
  for i = 1, ROWS do
    local row, sum = {}, 0
    for j = 1, COLUMNS do
      row[j] = number()
      if j % 5 == 0 then sum = sum + j / 25 * row[j] end
    end
    rows[i], numbers[i] = row, sum + number()
    classes[i] = sum + number() > 0 and 1 or 0
  end
  return rows, numbers, classes
end

-- Rows of float32, each with its number and its class behind it.
local function write(path, rows, numbers, classes)
  local file = assert(io.open(path, "wb"))
  local format = "<" .. ("f"):rep(COLUMNS + 2)
  for i, row in ipairs(rows) do
    row[COLUMNS + 1], row[COLUMNS + 2] = numbers[i], classes[i]
    file:write(format:pack(table.unpack(row)))
    row[COLUMNS + 1], row[COLUMNS + 2] = nil, nil
  end
  file:close()
end

local function least(run)
  local best = math.huge
  for _ = 1, TIMES do
    local start = os.clock()
    run()
    best = math.min(best, os.clock() - start)
  end
  return best
end

local function read_theirs(path)
  local script = (arg and arg[0] or "bench/linear.lua"):gsub("lua$", "py")
  local pipe = io.popen(("/usr/bin/python3 -I %s %s %d %d %d"):format(
    script, path, COLUMNS, TIMES, STREAM))
  local times = {}
  for line in pipe:lines() do
    local name, seconds = line:match "^(%S+) (%S+)"
    times[name] = tonumber(seconds)
  end
  pipe:close()
  return times
end

local function report(name, ours, theirs, unit, factor)
  local line = ("%-18s %8.3f %s"):format(name, ours * factor, unit)
  if theirs then
    line = line .. ("; scikit-learn %8.3f %s, %.2f times as long"):format(
      theirs * factor, unit, theirs / ours)
  end
  print(line)
end

moe.set_threads(1)
local rows, numbers, classes = generate()
local path = os.tmpname()
write(path, rows, numbers, classes)
local theirs = read_theirs(path)
os.remove(path)

local X, y = moe.tensor(rows), moe.tensor(classes)
local targets = moe.tensor(numbers)
for _, case in ipairs {
  { "linear", function() moe.experts.linear():fit(X, targets) end },
  { "ridge", function() moe.experts.linear({ l2 = 1 }):fit(X, targets) end },
  { "logistic", function() moe.experts.logistic():fit(X, y) end },
} do
  report(case[1], least(case[2]), theirs[case[1]], "s", 1)
end
for _, name in ipairs { "linear", "logistic" } do
  local all = name == "linear" and numbers or classes
  local seconds = least(function()
    local model = moe.experts[name]()
    for i = 1, STREAM do model:learn_one(rows[i], all[i]) end
  end)
  report(name .. " learn_one", seconds / STREAM, theirs[name .. "_one"], "us", 1e6)
end
