-- m:report(X, y): how a mixture compares with its parts.

local core = require "moe.core"
local metrics = require "moe.metrics"
local learner = require "moe.learner"
local text = require "moe.text"

local Learner = core.methods "Learner"

-- Truth's probability (or minus the squared error) by each expert for each row:
-- what "best expert" means.
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
  local best = 1
  for e = 2, #merit do
    if merit[e][i] > merit[best][i] then best = e end
  end
  return best
end

local function top_gate(probs, i)
  local best = 1
  for e = 2, probs.shape[2] do
    if probs:get(i, e) > probs:get(i, best) then best = e end
  end
  return best
end

-- The plain average of all experts.
local function uniform(mixture, experts, X, n)
  if not mixture:classes() then
    local mean = {}
    for i = 1, n do mean[i] = 0 end
    for _, expert in ipairs(experts) do
      local predicted = expert:predict(X)
      for i = 1, n do mean[i] = mean[i] + predicted[i] / #experts end
    end
    return mean
  end
  local classes, column, sums, out = mixture:classes(), {}, {}, {}
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
    local best = 1
    for k = 2, #classes do
      if sums[i][k] > sums[i][best] then best = k end
    end
    out[i] = classes[best]
  end
  return out
end

-- What a gate that always chose the best expert would answer.
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
-- @return a table that prints: mixture, oracle (the best expert of each row),
-- best_single, best_expert, uniform (their plain average), experts (name →
-- score), gate_accuracy (share of rows where the gate's first choice is the best
-- expert); for classes also macro_f1 and classes (label → precision, recall, f1,
-- support).  Scores are accuracy, or R² in regression.
function Learner:report(X, y)
  X, y = learner.rows_and_targets(X, y)
  if self:info().type == "pipeline" then
    return self:get_params("model"):report(self:transform(X), y)
  end
  local classification = self:classes() ~= nil
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
    uniform = score(y, uniform(self, experts, X, #y)),
    gate_accuracy = share_agreeing(routing, merit, #y),
  }
  score_experts(report, predictions, y, score)
  if classification then
    report.macro_f1 = metrics.macro_f1(y, predicted)
    report.classes, report.labels = metrics.per_class(y, predicted), self:classes()
    for _, label in ipairs(report.labels) do
      report.classes[label] = report.classes[label]
        or { support = 0, predicted = 0, right = 0, precision = 0, recall = 0, f1 = 0 }
    end
  end
  return setmetatable(report, { __tostring = to_text })
end
