-- Boosted trees beside XGBoost's (`hist`) and scikit-learn's
-- (HistGradientBoosting): the same rounds, rate, depth, bins and threads, wall
-- times of one run.  Ours are the median of three fits, before and after the
-- peers', the least of five predictions of the test part (the peers' too), and
-- for single rows the mean over up to 2,000 different ones.  The rate is 0.1: at
-- 0.3 scikit-learn's softmax diverges on letter (accuracy 0.30 after 20 rounds,
-- 0.91 at 0.1).
--   make program && build/moe bench/gbt.lua [threads] [folder of letter.csv and kin8nm.csv]

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"

local THREADS, DATA = tonumber(arg[1]) or 2, arg[2]
local ROUNDS, RATE, DEPTH = 100, 0.1, 6

local function was_written(folder, name)
  local file = io.open(("%s/%s_train.csv"):format(folder, name))
  if file then file:close() end
  return file ~= nil
end

local function compare(folder, name)
  local X, y = support.read(folder, name, "train"):xy()
  local Xt, yt = support.read(folder, name, "test"):xy()
  local numbers = type(y[1]) == "number"
  local model = moe.experts.gbt {
    rounds = ROUNDS, learning_rate = RATE, max_depth = DEPTH,
    task = numbers and "regression" or "classification",
  }
  local seconds = { support.time_fit(model, X, y) }
  local peers = support.peer("gbt.py", "fit", folder, name, ROUNDS, RATE, DEPTH, THREADS)
  for turn = 2, 3 do seconds[turn] = support.time_fit(model, X, y) end
  local fit, predict = support.median(seconds), support.time_predict(model, Xt)
  local measure = numbers and "RMSE" or "accuracy"
  local score = numbers and moe.metrics.rmse(yt, model:predict(Xt)) or model:score(Xt, yt)
  print(("%s, %d × %d, %d rounds, depth %d, %d threads"):format(
    name, X.shape[1], X.shape[2], ROUNDS, DEPTH, THREADS))
  print(("  gbt      fit %7.3f s, predict %7.2f µs a row, %s %.4f, one row %.2f µs"):format(
    fit, predict / #yt * 1e6, measure, score, support.time_predict_one(model, Xt) * 1e6))
  for _, line in ipairs(peers) do
    local peer, fitted, predicted, its = table.unpack(line)
    print(("  %-8s fit %7.3f s, predict %7.2f µs a row, %s %.4f; "):format(
      peer, fitted, predicted / #yt * 1e6, measure, its)
      .. ("%.1f and %.1f times as long"):format(fitted / fit, predicted / predict))
  end
end

moe.set_threads(THREADS)
support.with_folder(function(folder)
  support.peer("gbt.py", "make", folder, DATA)
  for _, name in ipairs { "kin8nm", "letter", "synthetic" } do
    if was_written(folder, name) then
      compare(folder, name)
    else
      print(("%s: skipped, for the folder of %s.csv was not given"):format(name, name))
    end
  end
end)
