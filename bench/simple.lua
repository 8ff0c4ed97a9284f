-- Nearest neighbours and naive Bayes beside scikit-learn's: wall times of one run
-- on the same numbers with as many threads, the least of five each.  One row is
-- asked through Lua, the peer's through Python.
--   make program && build/moe bench/simple.lua [threads] [letter.csv]

local moe = require "moe"
local E = moe.experts

local THREADS, LETTER = tonumber(arg and arg[1]) or 2, arg and arg[2]
local FOLDER = (arg and arg[0] or "bench/simple.lua"):match "^(.*/)" or ""

local models = {
  knn = function() return E.knn { k = 5 } end,
  gaussian = function() return E.naive_bayes {} end,
  multinomial = function() return E.naive_bayes { distribution = "multinomial" } end,
}

local function python(script, ...)
  local line = ("env -u OPENBLAS_CORETYPE /usr/bin/python3 -I %s%s %s"):format(
    FOLDER, script, table.concat({ ... }, " "))
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
local function mean(clock, visits, visit)
  local start = clock()
  for i = 1, visits do visit(i) end
  return (clock() - start) / visits
end

local function least(clock, visit)
  local visits, best = 1, mean(clock, 1, visit)
  while best * visits < 0.05 do
    visits = visits * 4
    best = mean(clock, visits, visit)
  end
  for _ = 1, 4 do best = math.min(best, mean(clock, visits, visit)) end
  return best
end

local function line(what, ours, theirs, unit, scale)
  print(("  %-8s %9.3f %s  scikit-learn %9.3f %s  %6.1f times as long"):format(
    what, ours * scale, unit, theirs * scale, unit, theirs / ours))
end

local function compare(folder, name, kind)
  local X, y = read(folder, name, "train")
  local Xt, yt = read(folder, name, "test")
  local model, rows = models[kind](), Xt:rows(1, 20):totable()
  local fit = least(now, function() model:fit(X, y) end)
  local predict = least(now, function() model:predict_proba(Xt) end)
  local one = least(os.clock, function(i) model:predict_proba_one(rows[i % #rows + 1]) end)
  local peer = python("simple.py", folder, name, kind, THREADS)
  local their_fit, their_predict, their_one, score = peer:match "(%S+) (%S+) (%S+) (%S+)"
  print(("%s on %s, %d × %d, %d rows asked, %d threads; accuracy %.4f, scikit-learn %.4f"):format(
    kind, name, X.shape[1], X.shape[2], #yt, THREADS, model:score(Xt, yt), score))
  line("fit", fit, tonumber(their_fit), "ms", 1e3)
  line("predict", predict, tonumber(their_predict), "ms", 1e3)
  line("one row", one, tonumber(their_one), "µs", 1e6)
end

moe.set_threads(THREADS)
local folder = os.tmpname()
os.remove(folder)
assert(os.execute("mkdir " .. folder))
python("forest.py", "make", folder, LETTER or "")
compare(folder, "digits", "knn")
if LETTER then compare(folder, "letter", "knn") end
compare(folder, "digits", "gaussian")
compare(folder, "digits", "multinomial")
if LETTER then compare(folder, "letter", "gaussian") end
compare(folder, "synthetic", "gaussian")
os.execute("rm -r " .. folder)
