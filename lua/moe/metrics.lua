--- Figures of merit: functions of the truth and the predictions, both Lua
-- arrays (or 1-D tensors) of one length.  All raise if that is 0, or not one.
-- @module moe.metrics

local text = require "moe.text"

local metrics = {}

local function check_lengths(targets, predictions)
  if targets == 0 then error("metrics: there is nothing to compare: y is empty", 3) end
  if targets ~= predictions then
    error(("metrics: %d targets, but %d predictions"):format(targets, predictions), 3)
  end
end

--- Share of equal pairs, in [0, 1].
function metrics.accuracy(y, predicted)
  check_lengths(#y, #predicted)
  local right = 0
  for i = 1, #y do
    if y[i] == predicted[i] then right = right + 1 end
  end
  return right / #y
end

local function mean(values)
  local sum = 0
  for i = 1, #values do sum = sum + values[i] end
  return sum / #values
end

--- Mean squared error, from 0.
function metrics.mse(y, predicted)
  check_lengths(#y, #predicted)
  local sum = 0
  for i = 1, #y do sum = sum + (y[i] - predicted[i]) ^ 2 end
  return sum / #y
end

--- Root of the mean squared error, in the unit of y.
function metrics.rmse(y, predicted)
  check_lengths(#y, #predicted)
  return math.sqrt(metrics.mse(y, predicted))
end

--- Mean absolute error.
function metrics.mae(y, predicted)
  check_lengths(#y, #predicted)
  local sum = 0
  for i = 1, #y do sum = sum + math.abs(y[i] - predicted[i]) end
  return sum / #y
end

--- Coefficient of determination: 1 − the squared error over that of the mean.
-- At most 1; of a constant y it is 1 if every prediction is exact, else 0.
function metrics.r2(y, predicted)
  check_lengths(#y, #predicted)
  local centre, total = mean(y), 0
  for i = 1, #y do total = total + (y[i] - centre) ^ 2 end
  local error_sum = metrics.mse(y, predicted) * #y
  if total == 0 then return error_sum == 0 and 1 or 0 end
  return 1 - error_sum / total
end

-- Counts for each class: { [label] = { support, predicted, right } }.
local function count_classes(y, predicted)
  local counts = {}
  local function of(label)
    counts[label] = counts[label] or { support = 0, predicted = 0, right = 0 }
    return counts[label]
  end
  for i = 1, #y do
    local truth, answer = of(y[i]), of(predicted[i])
    truth.support = truth.support + 1
    answer.predicted = answer.predicted + 1
    if y[i] == predicted[i] then truth.right = truth.right + 1 end
  end
  return counts
end

local function ratio(a, b) return b > 0 and a / b or 0 end

--- For each class that occurs in y or in the predictions: precision, recall and
-- f1, in [0, 1].  A ratio of nothing is 0.
-- @return { [label] = { precision, recall, f1, support, predicted, right } }, the
-- last three being how often the class is true, is predicted, and is both
function metrics.per_class(y, predicted)
  check_lengths(#y, #predicted)
  local counts = count_classes(y, predicted)
  for _, c in pairs(counts) do
    c.precision = ratio(c.right, c.predicted)
    c.recall = ratio(c.right, c.support)
    c.f1 = ratio(2 * c.right, c.predicted + c.support)
  end
  return counts
end

--- Mean of the classes' F1, each class that occurs in y or in the predictions
-- counting the same; in [0, 1].
function metrics.macro_f1(y, predicted)
  local classes = metrics.per_class(y, predicted)
  local names = {}
  for label in pairs(classes) do names[#names + 1] = label end
  -- summed in a fixed order, so that the figure has the same bits every time
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  local sum = 0
  for _, label in ipairs(names) do sum = sum + classes[label].f1 end
  return sum / #names
end

--- Mean of −log p(truth), from 0; p is not taken below 1e-15, and of a label
-- that is none of the classes it is 0.
-- @param y n labels
-- @param proba n×C tensor of probabilities
-- @param classes the labels of its columns
function metrics.log_loss(y, proba, classes)
  check_lengths(#y, proba.shape[1])
  local column, sum = {}, 0
  for k, label in ipairs(classes) do column[label] = k end
  for i = 1, #y do
    local k = column[y[i]]
    local p = k and proba:get(i, k) or 0
    sum = sum - math.log(math.max(p, 1e-15))
  end
  return sum / #y
end

local Summary = {}
Summary.__index = Summary

--- Collects figures that are measured several times, by name.
-- @usage local s = moe.metrics.summary()
-- s:add("forest", 0.97); s:add("forest", 0.98)
-- print(s:text "accuracy")
function metrics.summary() return setmetatable({ names = {}, values = {} }, Summary) end

--- One more measurement.
-- @param name what was measured
-- @param value a number
function Summary:add(name, value)
  if not self.values[name] then
    self.values[name] = {}
    self.names[#self.names + 1] = name
  end
  table.insert(self.values[name], value)
end

--- Mean and standard deviation (of the sample; 0 of one) of what was added.
-- @raise if nothing was added by that name
function Summary:get(name)
  local values = self.values[name]
  if not values then error(("summary: nothing is named '%s'"):format(tostring(name)), 2) end
  local centre, square = mean(values), 0
  for i = 1, #values do square = square + (values[i] - centre) ^ 2 end
  return centre, #values > 1 and math.sqrt(square / (#values - 1)) or 0
end

--- All of them as lines: mean ± standard deviation, the largest mean first.
-- @param title the first line
function Summary:text(title)
  local rows = { { title, "" } }
  table.sort(self.names, function(a, b) return self:get(a) > self:get(b) end)
  for i, name in ipairs(self.names) do
    rows[i + 1] = { "  " .. name, ("%.4f ± %.4f"):format(self:get(name)) }
  end
  return text.columns(rows)
end

return metrics
