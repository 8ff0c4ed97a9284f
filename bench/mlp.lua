-- mlp beside scikit-learn's MLPClassifier and MLPRegressor: the same layer,
-- batches, epochs and first step of Adam, float32, one thread; CPU times, one
-- after the other.  Ours lets the step fall along a cosine, which theirs cannot.
--   make program && build/moe bench/mlp.lua FOLDER_OF_CSV [epochs, 50]

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"
local proofs = require "proofs.support"

local epochs = tonumber(arg[2]) or 50
local HIDDEN, BATCH = 64, 32
local problems = {
  { "digits", "digit", "classification", "accuracy" },
  { "kin8nm", "y", "regression", "RMSE" },
}

local function theirs(kind, train, test, columns)
  local line = support.peer("mlp.py", kind, train, test, columns, HIDDEN, BATCH, epochs)[1]
  return table.unpack(line or {})
end

local function score(kind, model, X, y)
  if kind == "classification" then return model:score(X, y) end
  return moe.metrics.rmse(y, model:predict(X))
end

local function compare(name, target, kind, measure)
  local t = proofs.read(name .. ".csv", target)
  if not t then return end
  local train, test = t:split(0.9, { seed = 1 })
  local X, y = train:xy()
  local Xt, yt = test:xy()
  local model = moe.experts.mlp {
    hidden = { HIDDEN }, batch = BATCH, epochs = epochs, task = kind,
  }
  local fit = support.mean(os.clock, 1, function() model:fit(X, y) end)
  local predict = support.mean(os.clock, 1, function() model:predict(Xt) end)
  local first = support.write_rows(X:totable(), y)
  local second = support.write_rows(Xt:totable(), yt)
  local fit2, score2, predict2 = theirs(kind, first, second, X.shape[2])
  os.remove(first)
  os.remove(second)
  print(("%-8s fit %7.3f s, %s %.4f"):format(name, fit, measure, score(kind, model, Xt, yt)))
  if fit2 then
    print(("  scikit-learn %7.3f s, %s %.4f: %.1f times as long; predict %.1f times"):format(
      fit2, measure, score2, fit2 / fit, predict2 / predict))
  end
end

moe.set_threads(1)
for _, problem in ipairs(problems) do compare(table.unpack(problem)) end
