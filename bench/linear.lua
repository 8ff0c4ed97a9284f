-- Linear and logistic regression beside scikit-learn's, in one thread, on the
-- same 100,000 × 50 float32 numbers: CPU times, the least of five, in one run.
-- Then learn_one, whose peer is partial_fit of one sample.
--   make program && build/moe bench/linear.lua [rows]

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"

local ROWS, COLUMNS = tonumber(arg[1]) or 100000, 50
local STREAM = math.min(ROWS, 20000)

math.randomseed(1)

-- Ten columns matter, for a number and for a class.
local function generate()
  local rows, numbers, classes = {}, {}, {}
  for i = 1, ROWS do
    local row, sum = {}, 0
    for j = 1, COLUMNS do
      row[j] = support.number()
      if j % 5 == 0 then sum = sum + j / 25 * row[j] end
    end
    rows[i], numbers[i] = row, sum + support.number()
    classes[i] = sum + support.number() > 0 and 1 or 0
  end
  return rows, numbers, classes
end

local function read_theirs(path)
  local times = {}
  for _, line in ipairs(support.peer("linear.py", path, COLUMNS, support.TIMES, STREAM)) do
    times[line[1]] = line[2]
  end
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
local path = support.write_rows(rows, numbers, classes)
local theirs = read_theirs(path)
os.remove(path)

local X, y = moe.tensor(rows), moe.tensor(classes)
local targets = moe.tensor(numbers)
for _, case in ipairs {
  { "linear", function() moe.experts.linear():fit(X, targets) end },
  { "ridge", function() moe.experts.linear({ l2 = 1 }):fit(X, targets) end },
  { "logistic", function() moe.experts.logistic():fit(X, y) end },
} do
  report(case[1], support.least(os.clock, 1, case[2]), theirs[case[1]], "s", 1)
end
for _, name in ipairs { "linear", "logistic" } do
  local all = name == "linear" and numbers or classes
  local seconds = support.least(os.clock, 1, function()
    local model = moe.experts[name]()
    for i = 1, STREAM do model:learn_one(rows[i], all[i]) end
  end)
  report(name .. " learn_one", seconds / STREAM, theirs[name .. "_one"], "us", 1e6)
end
