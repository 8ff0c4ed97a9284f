-- The forest beside scikit-learn's: the same trees, depth, columns and threads,
-- wall times of one run.  Ours are the median of three fits, before and after the
-- peer's, the least of five predictions of the test part (the peer's too), and
-- for single rows the mean over up to 2,000 different ones.
--   make program && build/moe bench/forest.lua [threads] [letter.csv]

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"

local THREADS, LETTER, TREES = tonumber(arg[1]) or 2, arg[2], 100

local function compare(folder, name)
  local X, y = support.read(folder, name, "train"):xy()
  local Xt, yt = support.read(folder, name, "test"):xy()
  local forest = moe.experts.forest { trees = TREES }
  local seconds = { support.time_fit(forest, X, y) }
  local their_fit, their_predict, their_score = table.unpack(
    support.peer("forest.py", "fit", folder, name, TREES, THREADS)[1])
  for turn = 2, 3 do seconds[turn] = support.time_fit(forest, X, y) end
  local fit, predict = support.median(seconds), support.time_predict(forest, Xt)
  print(("%s, %d × %d, %d trees, %d threads"):format(
    name, X.shape[1], X.shape[2], TREES, THREADS))
  print(("  fit      %8.3f s   scikit-learn %8.3f s   %5.1f times as long"):format(
    fit, their_fit, their_fit / fit))
  print(("  predict  %8.2f µs  scikit-learn %8.2f µs  %5.1f times as long (a row of %d)"):format(
    predict / #yt * 1e6, their_predict / #yt * 1e6, their_predict / predict, #yt))
  print(("  accuracy %8.4f    scikit-learn %8.4f"):format(forest:score(Xt, yt), their_score))
  print(("  one row  %8.2f µs"):format(support.time_predict_one(forest, Xt) * 1e6))
end

moe.set_threads(THREADS)
support.with_folder(function(folder)
  support.peer("forest.py", "make", folder, LETTER)
  for _, name in ipairs { "digits", LETTER and "letter" or false, "synthetic" } do
    if name then compare(folder, name) end
  end
end)
