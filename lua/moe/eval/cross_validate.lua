--- Cross-validation: a model is trained on all folds but one and judged on that
-- one, for each of them.
-- @module moe.eval

local core = require "moe.core"
local data = require "moe.data"
local options = require "moe.options"
local processes = require "moe.processes"
local rows = require "moe.eval.rows"
local score = require "moe.eval.score"
local text = require "moe.text"

local folding = {}

-- Options that say how rows are divided.
folding.options = {
  folds = { "integer", min = 2, default = 5 },
  repeats = { "integer", min = 1, default = 1 },
  stratify = { "boolean" },
  groups = {},
  seed = { "integer", min = 0, default = 0 },
  fit = { "table" },
  processes = { "integer", min = 1 },
  progress = { "function" },
}

local function plain(answers)
  return type(answers) == "userdata" and answers:totable() or answers
end

local function is_labelled(y)
  return type(y) == "table" and (type(y[1]) == "string" or type(y[1]) == "boolean")
end

local traits = {} -- by the type of a learner
for _, entry in ipairs(core.types()) do
  if entry.family == "learner" then traits[entry.name] = entry.traits end
end

-- Whether a model takes numbers for labels: by its task, or as it does nothing
-- else; a model written in Lua, as it tells probabilities.
local function classifies(model)
  if type(model) ~= "userdata" then return model.predict_proba ~= nil end
  local params, can = model:get_params(), traits[model:info().type]
  if params.model then return classifies(params.model) end
  if params.task == "regression" then return false end
  return params.task == "classification" or not can.regresses or model:classes() ~= nil
end

local function groups_of(d, o, what)
  local groups = o.groups
  if not groups then return end
  if type(groups) == "string" and rows.kind_of(d.X) == "Table" then groups = d.X:column(groups) end
  if type(groups) ~= "table" or #groups ~= d.n then
    error(what .. ": 'groups' must be an array with a label for each row, or a column", 0)
  end
  return groups
end

-- What a fold's model is trained on, and what it is judged on.
local function divide(fold_of, fold)
  local train, test = {}, {}
  for i, k in ipairs(fold_of) do
    local side = k == fold and test or train
    side[#side + 1] = i
  end
  return train, test
end

-- The parts to train and judge on: { { round, fold, train, test }, … }, folds
-- times repeats of them; and the options of fit.
function folding.parts(what, model, d, o)
  local groups = groups_of(d, o, what)
  local stratify = o.stratify
  if stratify == nil then stratify = is_labelled(d.y) or classifies(model) end
  local parts = {}
  for round = 1, o.repeats do
    local fold_of = data.folds(d.n, o.folds, {
      seed = o.seed + round - 1,
      strata = stratify and plain(d.y) or nil,
      groups = groups,
    })
    for fold = 1, o.folds do
      local train, test = divide(fold_of, fold)
      parts[#parts + 1] = { round = round, fold = fold, train = train, test = test }
    end
  end
  local fit = {}
  for name, value in pairs(o.fit or {}) do fit[name] = value end
  fit.groups = fit.groups or groups
  return parts, fit
end

-- One fold, in whatever process: plain values only.
function folding.judge(model, d, part, list, fit, o)
  local own = model:clone():reset()
  local start = core.now()
  d:fit(own, part.train, fit)
  local fitted = core.now()
  local test = d:pick(part.test)
  local predicted = own:predict(test.X)
  local out = { fit_seconds = fitted - start, predict_seconds = core.now() - fitted }
  out.names = score.names(score.list(list, own))
  out.scores = score.evaluate(list, own, test.X, test.y, predicted)
  out.predicted = plain(predicted)
  if o.train_scores then
    local train = d:pick(part.train)
    out.train_scores = score.evaluate(list, own, train.X, train.y)
  end
  if o.probabilities then
    out.classes = own:classes()
    out.proba = plain(own:predict_proba(test.X))
  end
  return out
end

local function summarise(folds, names, field)
  local mean, sd = {}, {}
  for _, name in ipairs(names) do
    local values = {}
    for i, fold in ipairs(folds) do values[i] = fold[field][name] end
    mean[name], sd[name] = score.spread(values)
  end
  return mean, sd
end

-- Every row's prediction by the model that had not seen it, of each round; of
-- probabilities as label → probability.
local function out_of_fold(parts, results, o)
  local predictions, probabilities = {}, {}
  for p, part in ipairs(parts) do
    local result = results[p]
    predictions[part.round] = predictions[part.round] or {}
    probabilities[part.round] = probabilities[part.round] or {}
    for k, i in ipairs(part.test) do
      predictions[part.round][i] = result.predicted[k]
      if o.probabilities then
        local by_label = {}
        for c, label in ipairs(result.classes) do by_label[label] = result.proba[k][c] end
        probabilities[part.round][i] = by_label
      end
    end
  end
  return predictions, o.probabilities and probabilities or nil
end

local Result = {}
Result.__index = Result

function Result:__tostring()
  local rows_of = { { "", "mean ± sd" } }
  if self.train_mean then rows_of[1][3] = "on the training rows" end
  for _, name in ipairs(self.names) do
    local row = { name, ("%.4f ± %.4f"):format(self.mean[name], self.sd[name]) }
    if self.train_mean then
      row[3] = ("%.4f ± %.4f"):format(self.train_mean[name], self.train_sd[name])
    end
    rows_of[#rows_of + 1] = row
  end
  rows_of[#rows_of + 1] = { "seconds to fit", ("%.3g"):format(self.fit_seconds) }
  rows_of[#rows_of + 1] = { "seconds to predict", ("%.3g"):format(self.predict_seconds) }
  local head = ("%d rows in %d folds"):format(self.rows, self.fold_count)
  if self.repeats > 1 then head = ("%s, %d times"):format(head, self.repeats) end
  return head .. "\n" .. text.columns(rows_of)
end

local function collect(parts, results, d, o)
  local result = { names = results[1].names, folds = {}, rows = d.n }
  result.fold_count, result.repeats = o.folds, o.repeats
  result.fit_seconds, result.predict_seconds = 0, 0
  for p, part in ipairs(parts) do
    local r = results[p]
    result.folds[p] = {
      round = part.round, fold = part.fold, rows = #part.test,
      scores = r.scores, train_scores = r.train_scores,
      fit_seconds = r.fit_seconds, predict_seconds = r.predict_seconds,
    }
    result.fit_seconds = result.fit_seconds + r.fit_seconds / #parts
    result.predict_seconds = result.predict_seconds + r.predict_seconds / #parts
  end
  result.mean, result.sd = summarise(result.folds, result.names, "scores")
  if o.train_scores then
    result.train_mean, result.train_sd = summarise(result.folds, result.names, "train_scores")
  end
  result.predictions, result.probabilities = out_of_fold(parts, results, o)
  return setmetatable(result, Result)
end

local function known()
  local out = { metrics = {}, train_scores = { "boolean" }, probabilities = { "boolean" } }
  for name, rule in pairs(folding.options) do out[name] = rule end
  return out
end

--- Trains clones of a model on folds of the data and judges each on the rows
-- that it has not seen.  The model itself stays as it is.
-- @param model any learner
-- @param X rows as `fit` takes them, or a table that knows its target
-- @param[opt] y one label or number a row
-- @param[opt] options a table of
--   folds = 5: how many
--   repeats = 1: how many times, each with other folds
--   seed = 0: of the folds
--   stratify: whether each fold has its share of every label; true of labels that are
--     strings or booleans, and where the model classifies, unless given
--   groups: an array, or a table's column: rows of one group are never divided
--   metrics: a name, or a list of names, of { name, option = value }, and of functions
--     (y, predicted, model, X) by a name of your own; accuracy or R² unless given
--   fit: options of `fit`; of arrays with an item a row each fold gets its own
--   train_scores: whether the training rows are judged too
--   probabilities: whether they are kept
--   processes, progress: as for moe.processes.map
-- @return { names, mean, sd (name → number), folds = { { round, fold, rows, scores,
-- fit_seconds, predict_seconds }, … }, fit_seconds, predict_seconds (means),
-- predictions (of each round an array: what was said of each row by the model that
-- had not seen it), probabilities (the same, label → probability) }; prints
-- @raise if an option is unknown, or with what fit or predict raises
-- @usage print(moe.eval.cross_validate(E.forest {}, t, { metrics = { "accuracy", "f1" } }))
function folding.cross_validate(model, X, y, given)
  local d
  rows.check_model("cross_validate", model)
  d, given = rows.read("cross_validate", X, y, given)
  local o = options.check("cross_validate", given, known())
  local list = score.read("cross_validate", o.metrics)
  local parts, fit = folding.parts("cross_validate", model, d, o)
  local results = processes.map(parts, function(part)
    return folding.judge(model, d, part, list, fit, o)
  end, { processes = o.processes, progress = o.progress })
  return collect(parts, results, d, o)
end

return folding
