-- Metrics by name, with options or as functions, of a fitted model.

local core = require "moe.core"
local elsewhere = require "moe.elsewhere"
local metrics = require "moe.metrics"
local text = require "moe.text"

local score = {}

local function unknown(what, metric)
  local name = tostring(metric)
  local hint, near = elsewhere.hint(name), core.nearest(name, text.names(metrics.types()))
  if hint == "" and near then hint = ("; did you mean '%s'?"):format(near) end
  error(("%s: there is no metric '%s'%s"):format(what, name, hint), 0)
end

local function entry(what, name, given)
  if type(given) == "function" then return { name = name, call = given, greater = true } end
  local metric, own = given, {}
  if type(given) == "table" then
    metric = given[1]
    for key, value in pairs(given) do
      if key ~= 1 then own[key] = value end
    end
  end
  local type_of = metrics.types()[metric]
  if not type_of then unknown(what, metric) end
  return { name = name or metric, type = type_of, options = own, greater = type_of.greater }
end

-- Figures are told by name: of two with one name only one could be.
local function check_each(what, list)
  local seen = {}
  for _, metric in ipairs(list) do
    if seen[metric.name] then
      error(("%s: two metrics are called '%s'; names of their own keep them apart, as in "
        .. "{ one = { \"%s\", … } }"):format(what, metric.name, metric.name), 0)
    end
    seen[metric.name] = true
  end
end

--- Reads a list of metrics: names, { name, option = value }, and by a name of
-- one's own any of these or a function (y, predicted, model, X) → number.
-- @param given that list, or one name, or nil: accuracy of classes, else R²
-- @return { { name, greater, … }, … }, or nil for the default
function score.read(what, given)
  if given == nil or given == false then return end
  if type(given) ~= "table" then given = { given } end
  local list, named = {}, {}
  for i, one in ipairs(given) do
    if type(one) == "function" then
      error(what .. ": a metric that is a function needs a name: { name = function … }", 0)
    end
    list[i] = entry(what, nil, one)
  end
  for name in pairs(given) do
    if type(name) == "string" then named[#named + 1] = name end
  end
  table.sort(named)
  for _, name in ipairs(named) do list[#list + 1] = entry(what, name, given[name]) end
  if #list == 0 then error(what .. ": 'metrics' is empty", 0) end
  check_each(what, list)
  return list
end

local by_default = {
  classes = score.read("score", "accuracy"),
  numbers = score.read("score", "r2"),
}

--- What a list of metrics is for a fitted model: the default where it is nil.
function score.list(list, model)
  return list or (model:classes() and by_default.classes or by_default.numbers)
end

--- The figure of one metric of moe.metrics.
-- @param answers { predicted }, or for figures of probabilities { proba, classes }
-- @param[opt] weights one number a row
function score.figure(metric, y, answers, weights)
  local own = { weights = weights }
  for name, value in pairs(metric.options) do own[name] = value end
  local of = metrics[metric.type.name]
  if metric.type.kind ~= "probability" or not answers.proba then
    return of(y, answers.predicted, own)
  end
  return of(y, answers.proba, answers.classes, own)
end

local function by_label(row, classes)
  local out = {}
  for k, label in ipairs(classes) do out[label] = row[k] end
  return out
end

--- The figure of each row by itself.
function score.figures(metric, y, answers)
  local one, out = metrics.updatable(metric.type.name, metric.options), {}
  local predicted = answers.predicted
  if metric.type.kind == "probability" and answers.proba then
    predicted = answers.proba:totable()
    for i, row in ipairs(predicted) do predicted[i] = by_label(row, answers.classes) end
  end
  for i = 1, #y do out[i] = one:reset():update(y[i], predicted[i]):get() end
  return out
end

local function figure(metric, model, X, y, answers)
  if metric.call then return metric.call(y, answers.predicted, model, X) end
  if metric.type.kind == "probability" and not answers.proba then
    answers.proba, answers.classes = model:predict_proba(X), model:classes()
  end
  return score.figure(metric, y, answers)
end

--- The figures of a fitted model on (X, y), by name.
-- @param[opt] predicted what it predicts, where that is known
function score.evaluate(list, model, X, y, predicted)
  local answers, out = { predicted = predicted or model:predict(X) }, {}
  for _, metric in ipairs(score.list(list, model)) do
    local value = figure(metric, model, X, y, answers)
    if type(value) ~= "number" then
      error(("the metric '%s' gives a %s, not a number"):format(metric.name, type(value)), 0)
    end
    out[metric.name] = value
  end
  return out
end

--- Names in order.
function score.names(list)
  local names = {}
  for i, metric in ipairs(list) do names[i] = metric.name end
  return names
end

--- Mean and standard deviation (of the sample; 0 of one).
function score.spread(values)
  local sum, square = 0, 0
  for _, v in ipairs(values) do sum = sum + v end
  local mean = sum / #values
  for _, v in ipairs(values) do square = square + (v - mean) ^ 2 end
  return mean, #values > 1 and math.sqrt(square / (#values - 1)) or 0
end

return score
