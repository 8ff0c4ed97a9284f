--- m:report(X, y): how a mixture compares with its parts.
-- @module moe.report

local core = require "moe.core"
local metrics = require "moe.metrics"
local learner = require "moe.learner"
local text = require "moe.text"

local Learner = core.methods "Learner"

-- Of 1 … n the first with the largest value.
local function argmax(n, value)
  local best, most = 1, value(1)
  for i = 2, n do
    local v = value(i)
    if v > most then best, most = i, v end
  end
  return best
end

-- merit[e][i]: the probability of the truth (or minus the squared error) by
-- expert e for row i, which is what "best expert" means.
local function merits(experts, X, y, classification)
  local merit = {}
  for e, expert in ipairs(experts) do
    local row = {}
    if classification then
      local proba, column = expert:predict_proba(X), {}
      for k, label in ipairs(expert:classes()) do column[label] = k end
      for i = 1, #y do row[i] = column[y[i]] and proba:get(i, column[y[i]]) or 0 end
    else
      local predicted = expert:predict(X)
      for i = 1, #y do row[i] = -(y[i] - predicted[i]) ^ 2 end
    end
    merit[e] = row
  end
  return merit
end

local function best_of(merit, i)
  return argmax(#merit, function(e) return merit[e][i] end)
end

local function top_gate(probs, i)
  return argmax(probs.shape[2], function(e) return probs:get(i, e) end)
end

local function mean_numbers(predictions, n)
  local mean = {}
  for i = 1, n do mean[i] = 0 end
  for _, predicted in ipairs(predictions) do
    for i = 1, n do mean[i] = mean[i] + predicted[i] / #predictions end
  end
  return mean
end

-- The classes with the largest sums of the experts' probabilities.
local function mean_labels(classes, experts, X, n)
  local column, sums, out = {}, {}, {}
  for k, label in ipairs(classes) do column[label] = k end
  for i = 1, n do
    sums[i] = {}
    for k = 1, #classes do sums[i][k] = 0 end
  end
  for _, expert in ipairs(experts) do
    local proba, own = expert:predict_proba(X), expert:classes()
    for k, label in ipairs(own) do
      local at = column[label]
      for i = 1, n do sums[i][at] = sums[i][at] + proba:get(i, k) end
    end
  end
  for i = 1, n do
    out[i] = classes[argmax(#classes, function(k) return sums[i][k] end)]
  end
  return out
end

-- What a gate that always chose the best expert would answer; an expert that is
-- right is the best, though another's probability of the truth be larger.
local function oracle(predictions, merit, y, classification)
  local out = {}
  for i = 1, #y do
    out[i] = predictions[best_of(merit, i)][i]
    for e = 1, classification and #predictions or 0 do
      if predictions[e][i] == y[i] then out[i] = y[i] end
    end
  end
  return out
end

local function share_agreeing(routing, merit, n)
  local right = 0
  for i = 1, n do
    if top_gate(routing.probs, i) == best_of(merit, i) then right = right + 1 end
  end
  return right / n
end

local function to_text(r)
  local rows = { { "", r.measure } }
  local function add(name, value) rows[#rows + 1] = { name, ("%.4f"):format(value) } end
  add("mixture", r.mixture)
  add("oracle (always the best expert)", r.oracle)
  add("best single: " .. r.best_expert, r.best_single)
  add("uniform average", r.uniform)
  for _, name in ipairs(r.names) do add("  " .. name .. " alone", r.experts[name]) end
  add("gate = best expert", r.gate_accuracy)
  if r.macro_f1 then add("macro-F1 of the mixture", r.macro_f1) end
  local out = text.columns(rows)
  if not r.classes then return out end
  rows = { { "class", "rows", "precision", "recall", "F1" } }
  for _, label in ipairs(r.labels) do
    local c = r.classes[label]
    rows[#rows + 1] = {
      tostring(label), ("%d"):format(c.support), ("%.3f"):format(c.precision),
      ("%.3f"):format(c.recall), ("%.3f"):format(c.f1),
    }
  end
  return out .. "\n\n" .. text.columns(rows)
end

local function score_experts(report, predictions, y, score)
  report.experts = {}
  for e, name in ipairs(report.names) do
    local value = score(y, predictions[e])
    report.experts[name] = value
    if not report.best_single or value > report.best_single then
      report.best_single, report.best_expert = value, name
    end
  end
end

--- Compares the mixture with its parts on (X, y) or a table.
-- @param X rows as `predict` takes them, or a table that knows its target
-- @param[opt] y one label or number a row
-- @return a table that prints: mixture, oracle (the best expert of each row),
-- best_single, best_expert, uniform (their plain average), experts (name →
-- score), gate_accuracy (share of rows where the gate's first choice is the best
-- expert), names; for classes also macro_f1, labels and classes (label →
-- precision, recall, f1, support).  Scores are accuracy, or R² in regression.
-- @raise if this is no mixture, there are no rows, or not as many targets as rows
function Learner:report(X, y)
  X, y = learner.rows_and_targets(X, y)
  if self:info().type == "pipeline" then
    return self:get_params("model"):report(self:transform(X), y)
  end
  local labels = self:classes()
  local classification = labels ~= nil
  local score = classification and metrics.accuracy or metrics.r2
  local routing, experts, predictions = self:route(X), {}, {}
  for e, name in ipairs(routing.names) do
    experts[e] = self:expert(name)
    predictions[e] = experts[e]:predict(X)
  end
  local merit = merits(experts, X, y, classification)
  local predicted = self:predict(X)
  local report = {
    measure = classification and "accuracy" or "R²",
    names = routing.names,
    mixture = score(y, predicted),
    oracle = score(y, oracle(predictions, merit, y, classification)),
    uniform = score(y, labels and mean_labels(labels, experts, X, #y)
      or mean_numbers(predictions, #y)),
    gate_accuracy = share_agreeing(routing, merit, #y),
  }
  score_experts(report, predictions, y, score)
  if classification then
    report.macro_f1 = metrics.macro_f1(y, predicted)
    report.classes, report.labels = metrics.per_class(y, predicted), labels
    for _, label in ipairs(labels) do
      report.classes[label] = report.classes[label]
        or { support = 0, predicted = 0, right = 0, precision = 0, recall = 0, f1 = 0 }
    end
  end
  return setmetatable(report, { __tostring = to_text })
end
