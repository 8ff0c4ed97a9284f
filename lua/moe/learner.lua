-- Methods of learners that are made of other methods.

local core = require "moe.core"
local metrics = require "moe.metrics"

local Learner = core.methods "Learner"

--- Splits (X, y) or a table alone into rows and targets.
local function rows_and_targets(X, y)
  if y == nil then return X, X:column(X.target) end
  return X, y
end

--- Accuracy of a classifier, R² of a regressor, on (X, y) or a table.
function Learner:score(X, y)
  X, y = rows_and_targets(X, y)
  local predicted = self:predict(X)
  if self:classes() then return metrics.accuracy(y, predicted) end
  return metrics.r2(y, predicted)
end

--- One sample of a stream: its prediction, made before learning from it.
function Learner:test_then_learn(x, y, weight)
  local prediction = self:predict_one(x)
  self:learn_one(x, y, weight)
  return prediction
end

return { rows_and_targets = rows_and_targets }
