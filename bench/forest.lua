-- The forest beside scikit-learn's: the same trees, depth, columns and threads,
-- wall times of one run.  Ours are the median of three fits, before and after the
-- peer's, the least of five predictions of the test part (the peer's too), and
-- for single rows the mean over up to 2,000 different ones.
--   make program && build/moe bench/forest.lua [threads] [letter.csv]

local moe = require "moe"

local THREADS, LETTER, TREES = tonumber(arg and arg[1]) or 2, arg and arg[2], 100
local SCRIPT = (arg and arg[0] or "bench/forest.lua"):gsub("lua$", "py")

local function python(command, ...)
  local line = ("env -u OPENBLAS_CORETYPE /usr/bin/python3 -I %s %s %s"):format(
    SCRIPT, command, table.concat({ ... }, " "))
  local pipe = io.popen(line)
  local out = pipe:read "*a"
  pipe:close()
  return out
end

local function read(folder, name, part)
  local path = ("%s/%s_%s.csv"):format(folder, name, part)
  return assert(moe.data.read_csv(path, { target = "class" })):xy()
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

local function fit(forest, X, y, seconds)
  local _, history = forest:fit(X, y)
  seconds[#seconds + 1] = history.seconds
  table.sort(seconds)
end

local function time_one_row(forest, X)
  local rows = X:totable()
  return least(os.clock, math.min(#rows, 2000), function(i) forest:predict_one(rows[i]) end)
end

local function compare(folder, name)
  local X, y = read(folder, name, "train")
  local Xt, yt = read(folder, name, "test")
  local forest, seconds = moe.experts.forest { trees = TREES }, {}
  fit(forest, X, y, seconds)
  local peer = python("fit", folder, name, TREES, THREADS)
  local their_fit, their_predict, their_score = peer:match "(%S+) (%S+) (%S+)"
  for _ = 1, 2 do fit(forest, X, y, seconds) end
  local predict = least(now, math.ceil(20000 / #yt), function() forest:predict(Xt) end)
  print(("%s, %d × %d, %d trees, %d threads"):format(
    name, X.shape[1], X.shape[2], TREES, THREADS))
  print(("  fit      %8.3f s   scikit-learn %8.3f s   %5.1f times as long"):format(
    seconds[2], their_fit, their_fit / seconds[2]))
  print(("  predict  %8.2f µs  scikit-learn %8.2f µs  %5.1f times as long (a row of %d)"):format(
    predict / #yt * 1e6, their_predict / #yt * 1e6, their_predict / predict, #yt))
  print(("  accuracy %8.4f    scikit-learn %8.4f"):format(forest:score(Xt, yt), their_score))
  print(("  one row  %8.2f µs"):format(time_one_row(forest, Xt) * 1e6))
end

moe.set_threads(THREADS)
local folder = os.tmpname()
os.remove(folder)
assert(os.execute("mkdir " .. folder))
python("make", folder, LETTER or "")
for _, name in ipairs { "digits", LETTER and "letter" or false, "synthetic" } do
  if name then compare(folder, name) end
end
os.execute("rm -r " .. folder)
