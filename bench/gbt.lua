-- Boosted trees beside XGBoost's (`hist`) and scikit-learn's
-- (HistGradientBoosting): the same rounds, rate, depth, bins and threads, wall
-- times of one run.  Ours are the median of three fits, before and after the
-- peers', the least of five predictions of the test part (the peers' too), and
-- for single rows the mean over up to 2,000 different ones.  The rate is 0.1: at
-- 0.3 scikit-learn's softmax diverges on letter (accuracy 0.30 after 20 rounds,
-- 0.91 at 0.1).
--   make program && build/moe bench/gbt.lua [threads] [folder of letter.csv and kin8nm.csv]

local moe = require "moe"

local THREADS, DATA = tonumber(arg and arg[1]) or 2, arg and arg[2]
local ROUNDS, RATE, DEPTH = 100, 0.1, 6
local SCRIPT = (arg and arg[0] or "bench/gbt.lua"):gsub("lua$", "py")

local function python(command, ...)
  local line = ("env -u OPENBLAS_CORETYPE /usr/bin/python3 -I %s %s %s"):format(
    SCRIPT, command, table.concat({ ... }, " "))
  local pipe = io.popen(line)
  local out = pipe:read "*a"
  pipe:close()
  return out
end

local function path_of(folder, name, part) return ("%s/%s_%s.csv"):format(folder, name, part) end

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local function read(folder, name, part)
  return assert(moe.data.read_csv(path_of(folder, name, part), { target = "target" })):xy()
end

-- Wall time, which plain Lua does not tell.
local function now()
  local pipe = io.popen "date +%s.%N"
  local seconds = pipe:read "*n"
  pipe:close()
  return seconds
end

-- The least of five means, each over so many visits that the clock is exact.
local function least(clock, visits, visit)
  local best = math.huge
  for _ = 1, 5 do
    local start = clock()
    for i = 1, visits do visit(i) end
    best = math.min(best, (clock() - start) / visits)
  end
  return best
end

local function fit(model, X, y, seconds)
  local _, history = model:fit(X, y)
  seconds[#seconds + 1] = history.seconds
  table.sort(seconds)
end

local function time_one_row(model, X)
  local rows = X:totable()
  return least(os.clock, math.min(#rows, 2000), function(i) model:predict_one(rows[i]) end)
end

local function rmse(y, answers)
  local sum = 0
  for i = 1, #y do sum = sum + (y[i] - answers[i]) ^ 2 end
  return math.sqrt(sum / #y)
end

local function compare(folder, name)
  local X, y = read(folder, name, "train")
  local Xt, yt = read(folder, name, "test")
  local numbers = type(y[1]) == "number"
  local model, seconds = moe.experts.gbt {
    rounds = ROUNDS, learning_rate = RATE, max_depth = DEPTH,
    task = numbers and "regression" or "classification",
  }, {}
  fit(model, X, y, seconds)
  local peers = python("fit", folder, name, ROUNDS, RATE, DEPTH, THREADS)
  for _ = 1, 2 do fit(model, X, y, seconds) end
  local predict = least(now, math.ceil(20000 / #yt), function() model:predict(Xt) end)
  local measure = numbers and "RMSE" or "accuracy"
  local score = numbers and rmse(yt, model:predict(Xt)) or model:score(Xt, yt)
  print(("%s, %d × %d, %d rounds, depth %d, %d threads"):format(
    name, X.shape[1], X.shape[2], ROUNDS, DEPTH, THREADS))
  print(("  gbt      fit %7.3f s, predict %7.2f µs a row, %s %.4f, one row %.2f µs"):format(
    seconds[2], predict / #yt * 1e6, measure, score,
    time_one_row(model, Xt) * 1e6))
  for peer, fitted, predicted, its in peers:gmatch "(%a+) (%S+) (%S+) (%S+)" do
    print(("  %-8s fit %7.3f s, predict %7.2f µs a row, %s %.4f; "):format(
      peer, fitted, predicted / #yt * 1e6, measure, its)
      .. ("%.1f and %.1f times as long"):format(fitted / seconds[2], predicted / predict))
  end
end

moe.set_threads(THREADS)
local folder = os.tmpname()
os.remove(folder)
assert(os.execute("mkdir " .. folder))
python("make", folder, DATA or "")
for _, name in ipairs { "kin8nm", "letter", "synthetic" } do
  if exists(path_of(folder, name, "train")) then
    compare(folder, name)
  else
    print(("%s: skipped, for the folder of %s.csv was not given"):format(name, name))
  end
end
os.execute("rm -r " .. folder)
