--- The parts of a mixture on given rows: what each expert answers, and what the
-- mixture would answer without one of them.
-- @module moe.parts

local core = require "moe.core"
local argmax = require("moe.baselines").argmax

local parts = {}

local ROUTE = { "score", "top_k", "renormalize", "temperature", "threshold" }

-- The routing of rows as if expert e were not there.
local function route_without(m, answers, e, n)
  local options, rows = {}, {}
  for _, name in ipairs(ROUTE) do options[name] = m:get_params(name) end
  local experts = #answers.names
  options.top_k = options.top_k and math.min(options.top_k, experts - 1)
  for i = 1, n do
    rows[i] = {}
    for k = 1, experts do
      rows[i][k] = k == e and -1e30 or math.log(math.max(answers.gate:get(i, k), 1e-300))
    end
  end
  return core.route(rows, options)
end

-- An expert's probabilities for row i, as sharp as the mixture takes them.
local function sharpened(proba, power)
  local top, sum, out = 0, 0, {}
  for _, p in ipairs(proba) do top = math.max(top, p) end
  for k, p in ipairs(proba) do
    out[k] = (p / top) ^ power
    sum = sum + out[k]
  end
  for k = 1, #out do out[k] = out[k] / sum end
  return out
end

-- What the selected experts answer for row i together: a class, or a number.
local function answer_of(answers, routing, i)
  local sum, sums = 0, {}
  for slot = 1, routing.indices.shape[2] do
    local e, weight = routing.indices:get(i, slot), routing.weights:get(i, slot)
    if e > 0 and not answers.classes then sum = sum + weight * answers.predictions[e][i] end
    if e > 0 and answers.classes then
      for k, p in ipairs(sharpened(answers.proba[e][i], answers.sharpness[e])) do
        local label = answers.own_classes[e][k]
        sums[label] = (sums[label] or 0) + weight * p
      end
    end
  end
  local classes = answers.classes
  if not classes then return sum end
  return classes[argmax(#classes, function(k) return sums[classes[k]] or 0 end)]
end

local function answers_without(m, answers, e, n)
  local routing, out = route_without(m, answers, e, n), {}
  for i = 1, n do out[i] = answer_of(answers, routing, i) end
  return out
end

--- All that a mixture's answers are made of.
-- @param m the mixture
-- @param X rows
-- @param names of its experts, in its order
-- @param classes of its answers; nil where they are numbers
-- @return experts, predictions and (for classes) probabilities by place, and what else
-- `judge` needs
function parts.collect(m, X, names, classes)
  local answers = {
    names = names, classes = classes, gate = m:get_params("gate"):forward(X),
    experts = {}, predictions = {}, proba = {}, own_classes = {}, sharpness = {},
  }
  local sharpness = m:info().sharpness or {}
  for e, name in ipairs(names) do
    local expert = m:expert(name)
    answers.experts[e], answers.predictions[e] = expert, expert:predict(X)
    answers.sharpness[e] = sharpness[name] or 1
    if classes then
      answers.proba[e], answers.own_classes[e] = expert:predict_proba(X):totable(), expert:classes()
    end
  end
  return answers
end

--- Puts into the report, by expert: the share of rows that it has the first say in,
-- its score on them, and by how much the mixture's score is above what it were
-- without it.
function parts.judge(m, report, answers, routing, y, score)
  report.shares, report.own_scores, report.losses = {}, {}, {}
  for e, name in ipairs(report.names) do
    local own, predicted = {}, {}
    for i = 1, #y do
      if routing.indices:get(i, 1) == e then
        own[#own + 1], predicted[#predicted + 1] = y[i], answers.predictions[e][i]
      end
    end
    report.shares[name] = #own / #y
    if #own > (answers.classes and 0 or 1) then
      report.own_scores[name] = score(own, predicted)
    end
    if #report.names > 1 then
      report.losses[name] = report.mixture - score(y, answers_without(m, answers, e, #y))
    end
  end
end

return parts
