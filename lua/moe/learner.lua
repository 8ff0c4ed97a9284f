--- Methods of learners that are made of other methods.
-- @module moe.learner

local core = require "moe.core"
local metrics = require "moe.metrics"

local Learner = core.methods "Learner"

-- Splits (X, y) or a table alone into rows and targets.
local function rows_and_targets(X, y)
  if y ~= nil then return X, y end
  local is_table = type(X) == "userdata" and tostring(X):find "^Table"
  if not is_table or not X.target then
    error("y is nil: give the targets, or a table that knows its target", 3)
  end
  return X, X:column(X.target)
end

--- Accuracy of a classifier, R² of a regressor, on (X, y) or a table.
-- @param X rows as `predict` takes them, or a table that knows its target
-- @param[opt] y one label or number a row
-- @return accuracy in [0, 1], or R², at most 1
-- @raise if there are no rows, or not as many targets as rows
function Learner:score(X, y)
  X, y = rows_and_targets(X, y)
  local predicted = self:predict(X)
  if self:classes() then return metrics.accuracy(y, predicted) end
  return metrics.r2(y, predicted)
end

--- One sample of a stream: its prediction, made before learning from it.
-- @param x an array of numbers, or name → value
-- @param y its label or number
-- @param[opt=1] weight from 0
-- @return what `predict_one` said of x
-- @raise if the learner does not learn one by one
function Learner:test_then_learn(x, y, weight)
  local prediction = self:predict_one(x)
  self:learn_one(x, y, weight)
  return prediction
end

return { rows_and_targets = rows_and_targets }
