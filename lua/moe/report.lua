--- m:report(X, y): how a mixture compares with its parts.
-- @module moe.report

local core = require "moe.core"
local baselines = require "moe.baselines"
local check_options = require("moe.options").check
local learner = require "moe.learner"
local metrics = require "moe.metrics"
local parts = require "moe.parts"
local text = require "moe.text"

local Learner = core.methods "Learner"

local argmax = baselines.argmax

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

-- (X, y) from { X = …, y = … }, or from a table that knows its target.
local function rows_of(given)
  if type(given) == "table" then return learner.rows_and_targets(given.X, given.y) end
  return learner.rows_and_targets(given)
end

-- What stands in the place of y where a table is given alone.
local function is_options(y)
  return type(y) == "table" and y[1] == nil and next(y) ~= nil
end

local function add_baselines(m, report, answers, X, y, score, options)
  report.vote = score(y, baselines.vote(answers.classes, answers.predictions, #y))
  if not options.valid then return end
  local known = {}
  known.X, known.y = rows_of(options.valid)
  known.predictions = {}
  for e, name in ipairs(report.names) do known.predictions[e] = m:expert(name):predict(known.X) end
  local said =
    baselines.by_merit(answers.classes, known, X, answers.predictions, #y, options.k)
  for name, predicted in pairs(said) do report[name] = score(y, predicted) end
end

-- ------------------------------------------------------------------- printing

local function figure(value) return value and ("%.4f"):format(value) or "-" end

local LINES = {
  { "mixture", "mixture" }, { "oracle", "oracle (always the best expert)" },
  { "best_single", "best single: " }, { "uniform", "uniform average" },
  { "vote", "majority vote", "median" }, { "weighted", "weighted by merit" },
  { "knora_e", "KNORA-E" }, { "knora_u", "KNORA-U" },
  { "nearest_best", "best on the nearest" }, { "nearest_weighted", "weighted by the nearest" },
  { "gate_accuracy", "gate = best expert" }, { "macro_f1", "macro-F1 of the mixture" },
}

local function summary_text(r)
  local rows = { { "", r.measure } }
  for _, line in ipairs(LINES) do
    local label = not r.labels and line[3] or line[2]
    if line[1] == "best_single" then label = label .. r.best_expert end
    if r[line[1]] then rows[#rows + 1] = { label, figure(r[line[1]]) } end
  end
  return text.columns(rows)
end

local function parts_text(r)
  local rows = { { "expert", "alone", "rows", "on its rows", "lost without it" } }
  for _, name in ipairs(r.names) do
    local loss = r.losses[name]
    rows[#rows + 1] = {
      name, figure(r.experts[name]), ("%.1f %%"):format(100 * r.shares[name]),
      figure(r.own_scores[name]), loss and ("%+.4f"):format(loss) or "-",
    }
  end
  return text.columns(rows)
end

local function classes_text(r)
  local rows = { { "class", "rows", "precision", "recall", "F1" } }
  for _, label in ipairs(r.labels) do
    local c = r.classes[label]
    rows[#rows + 1] = {
      tostring(label), ("%d"):format(c.support), ("%.3f"):format(c.precision),
      ("%.3f"):format(c.recall), ("%.3f"):format(c.f1),
    }
  end
  return text.columns(rows)
end

local function to_text(r)
  local tables = { summary_text(r), parts_text(r), r.classes and classes_text(r) }
  return table.concat(tables, "\n\n")
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

local function add_classes(report, y, predicted, labels)
  report.macro_f1 = metrics.macro_f1(y, predicted)
  report.classes, report.labels = metrics.per_class(y, predicted), labels
  for _, label in ipairs(labels) do
    report.classes[label] = report.classes[label]
      or { support = 0, predicted = 0, right = 0, precision = 0, recall = 0, f1 = 0 }
  end
end

--- Compares the mixture with its parts on (X, y) or a table.
-- @param X rows as `predict` takes them, or a table that knows its target
-- @param[opt] y one label or number a row
-- @param[opt] options { valid, k }: valid, { X, y } or a table, are rows that neither the experts
-- nor the gate were trained on, other ones than X, for the baselines that weigh the
-- experts by what they are worth there; k, 7 unless given, how many of them are near
-- @return a table that prints: mixture, oracle (the best expert of each row),
-- best_single, best_expert, uniform (their plain average), vote (their majority, or
-- their median), experts (name → score), gate_accuracy (share of rows where the gate's
-- first choice is the best expert), names; by expert shares (of the rows: those where
-- it has the first say), own_scores (its score on those; nil where there are none) and
-- losses (what the mixture's score would fall by without it, the others' shares of the
-- gate growing in proportion).  With valid also weighted and, for classes, knora_e and
-- knora_u, for numbers nearest_best and nearest_weighted (`moe.baselines` says what
-- they are).  For classes also macro_f1, labels and classes (label → precision, recall,
-- f1, support).  Scores are accuracy, or R² in regression.
-- @raise if this is no mixture, there are no rows, or not as many targets as rows; with
-- valid, if numbers are missing in X
function Learner:report(X, y, options)
  if options == nil and is_options(y) then y, options = nil, y end
  X, y = learner.rows_and_targets(X, y)
  if self:info().type == "pipeline" then
    local own = {}
    for name, value in pairs(options or {}) do own[name] = value end
    if own.valid then
      local seen, truth = rows_of(own.valid)
      own.valid = { X = self:transform(seen), y = truth }
    end
    return self:get_params("model"):report(self:transform(X), y, own)
  end
  if self:info().type ~= "mixture" then
    error(("report: %s is not a mixture"):format(self:info().type), 2)
  end
  options = check_options("report", options, {
    valid = {}, k = { "integer", min = 1, default = 7 },
  })
  local labels = self:classes()
  local score = labels and metrics.accuracy or metrics.r2
  local routing = self:route(X)
  local answers = parts.collect(self, X, routing.names, labels)
  local merit = merits(answers.experts, X, y, labels ~= nil)
  local predicted, predictions = self:predict(X), answers.predictions
  local report = {
    measure = labels and "accuracy" or "R²",
    names = routing.names,
    mixture = score(y, predicted),
    oracle = score(y, oracle(predictions, merit, y, labels ~= nil)),
    uniform = score(y, labels and mean_labels(labels, answers.experts, X, #y)
      or mean_numbers(predictions, #y)),
    gate_accuracy = share_agreeing(routing, merit, #y),
  }
  score_experts(report, predictions, y, score)
  parts.judge(self, report, answers, routing, y, score)
  add_baselines(self, report, answers, X, y, score, options)
  if labels then add_classes(report, y, predicted, labels) end
  return setmetatable(report, { __tostring = to_text })
end
