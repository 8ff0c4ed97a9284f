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

--- What each feature contributes to what a learner or a gate answers: numbers that,
-- with a bias, sum to what it adds up.  That is the value in regression, the probability
-- of trees (`tree`, `forest`), the score before the link of boosted trees, and the logit
-- of linear models (of two classes, the log odds of each).  In trees they are Shapley
-- values over the shares of the training rows (TreeSHAP), in linear models weight times
-- value, in the softmax gate from the mean row on.  A pipeline tells its model's, if its
-- steps keep the columns.
-- @function Learner:contributions
-- @param x one sample, an array of numbers or name → value; or rows as `predict` takes
-- them
-- @return of a sample: feature → number (by name where columns have names, else by
-- place) and the bias; where there are several outputs, class (or place) → feature →
-- number, and class → bias.  Of rows: a tensor n × (features + 1), the bias last, or
-- n × outputs × (features + 1).  Or nil, message, code where what it answers is no such
-- sum
-- @raise before it is fitted, and as `predict`

--- Where the target of a sample will be, of learners that know how far off they are:
-- `rls`, a mixture of what knows it, and a mixture that was fitted, by its experts' unseen
-- errors.  The ends of an interval about what `predict_one` says.
-- @function Learner:predict_interval
-- @param x an array of numbers, or name → value
-- @param[opt] options { level = 0.9 }, the share of targets that it holds, if errors are
-- Gaussian
-- @return the lower end and the upper one: numbers, or arrays of several targets' ends; or
-- nil, message, code where the learner does not know
-- @raise before anything was learned

--- One sample of a stream: its prediction, made before learning from it.
-- @function Learner:test_then_learn
-- @param x an array of numbers, or name → value
-- @param y its label or number
-- @param[opt=1] weight from 0
-- @return what `predict_one` said of x
-- @raise if the learner does not learn one by one

--- What a learner written in Lua stands for: of `moe.experts.network` the network, whose
-- `module` is the neural one as it is now.
-- @return the table, or whatever it is; nil of other learners
function Learner:behind() return core._behind(self) end

return { rows_and_targets = rows_and_targets }
