-- Nearest neighbours and naive Bayes beside scikit-learn's: wall times of one run
-- on the same numbers with as many threads, the least of five each.  One row is
-- asked through Lua, the peer's through Python.
--   make program && build/moe bench/simple.lua [threads] [letter.csv]

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"
local E = moe.experts

local THREADS, LETTER = tonumber(arg[1]) or 2, arg[2]

local models = {
  knn = function() return E.knn { k = 5 } end,
  gaussian = function() return E.naive_bayes {} end,
  multinomial = function() return E.naive_bayes { distribution = "multinomial" } end,
}

-- As many visits as the clock is exact over.
local function least(clock, visit)
  local visits = 1
  while support.mean(clock, visits, visit) * visits < 0.05 do visits = visits * 4 end
  return support.least(clock, visits, visit)
end

local function line(what, ours, theirs, unit, scale)
  print(("  %-8s %9.3f %s  scikit-learn %9.3f %s  %6.1f times as long"):format(
    what, ours * scale, unit, theirs * scale, unit, theirs / ours))
end

local function compare(folder, name, kind)
  local X, y = support.read(folder, name, "train"):xy()
  local Xt, yt = support.read(folder, name, "test"):xy()
  local model, rows = models[kind](), Xt:rows(1, 20):totable()
  local fit = least(moe.now, function() model:fit(X, y) end)
  local predict = least(moe.now, function() model:predict_proba(Xt) end)
  local one = least(os.clock, function(i) model:predict_proba_one(rows[i % #rows + 1]) end)
  local their_fit, their_predict, their_one, score = table.unpack(
    support.peer("simple.py", folder, name, kind, THREADS)[1])
  print(("%s on %s, %d × %d, %d rows asked, %d threads; accuracy %.4f, scikit-learn %.4f"):format(
    kind, name, X.shape[1], X.shape[2], #yt, THREADS, model:score(Xt, yt), score))
  line("fit", fit, their_fit, "ms", 1e3)
  line("predict", predict, their_predict, "ms", 1e3)
  line("one row", one, their_one, "µs", 1e6)
end

moe.set_threads(THREADS)
support.with_folder(function(folder)
  support.peer("forest.py", "make", folder, LETTER)
  compare(folder, "digits", "knn")
  if LETTER then compare(folder, "letter", "knn") end
  compare(folder, "digits", "gaussian")
  compare(folder, "digits", "multinomial")
  if LETTER then compare(folder, "letter", "gaussian") end
  compare(folder, "synthetic", "gaussian")
end)
