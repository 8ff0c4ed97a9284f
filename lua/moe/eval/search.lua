--- Search for parameters: every combination of a grid, or random ones, judged by
-- cross-validation, on all cores.
-- @module moe.eval

local folding = require "moe.eval.cross_validate"
local options = require "moe.options"
local processes = require "moe.processes"
local rows = require "moe.eval.rows"
local score = require "moe.eval.score"
local space = require "moe.eval.space"
local text = require "moe.text"

local searching = {}

local SHOWN = 10 -- trials that are printed

local Result = {}
Result.__index = Result

function Result:__tostring()
  local head = { "rank", self.metric, "" }
  for _, path in ipairs(self.paths) do head[#head + 1] = path end
  local lines = { head }
  for i = 1, math.min(SHOWN, #self.trials) do
    local trial = self.trials[i]
    local line = { tostring(i), ("%.4f"):format(trial.mean), ("± %.4f"):format(trial.sd) }
    for _, path in ipairs(self.paths) do line[#line + 1] = text.value(trial.params[path]) end
    lines[#lines + 1] = line
  end
  local out = text.columns(lines)
  if #self.trials <= SHOWN then return out end
  return ("%s\n… %d more"):format(out, #self.trials - SHOWN)
end

local function combinations(axes, o)
  local finite, endless = space.is_finite(axes)
  local method = o.method or (finite and not o.trials and "grid" or "random")
  if method == "grid" then
    if not finite then
      error(("search: '%s' is a range, which a grid cannot exhaust"):format(endless), 0)
    end
    return space.grid(axes)
  end
  local out = {}
  for n = 1, o.trials or 20 do out[n] = space.sample(axes, o.seed, n) end
  return out
end

-- The model as each trial has it; what is no parameter is refused before any
-- work begins.
local function set_all(model, list)
  local models = {}
  for n, params in ipairs(list) do models[n] = model:clone():reset():set_params(params) end
  return models
end

local function judge_all(models, d, parts, fit, list, o)
  local items = {}
  for n in ipairs(models) do
    for _, part in ipairs(parts) do items[#items + 1] = { trial = n, part = part } end
  end
  return items, processes.map(items, function(item)
    local r = folding.judge(models[item.trial], d, item.part, list, fit, {})
    return { names = r.names, scores = r.scores }
  end, { processes = o.processes, progress = o.progress })
end

local function rank(combined, items, results, greater)
  local trials = {}
  for n, params in ipairs(combined) do trials[n] = { number = n, params = params, folds = {} } end
  for i, item in ipairs(items) do
    table.insert(trials[item.trial].folds, results[i].scores)
  end
  local name = results[1].names[1]
  for _, trial in ipairs(trials) do
    local values = {}
    for k, scores in ipairs(trial.folds) do values[k] = scores[name] end
    trial.mean, trial.sd = score.spread(values)
  end
  table.sort(trials, function(a, b)
    if a.mean ~= b.mean then return a.mean > b.mean == greater end
    return a.number < b.number
  end)
  return trials, name
end

local function known()
  local out = {
    metrics = {}, method = { { "grid", "random" } }, trials = { "integer", min = 1 },
    minimise = { "boolean" }, refit = { "boolean", default = true },
  }
  for name, rule in pairs(folding.options) do out[name] = rule end
  return out
end

local function is_greater_better(list, o)
  if o.minimise ~= nil then return not o.minimise end
  return not list or list[1].greater
end

--- Tries combinations of parameters and says which are best.
-- @param model any learner; it stays as it is
-- @param space path → what to try, a path being that of set_params, such as
-- "experts.scope.max_depth": an array of choices, or one of
--   { uniform = { low, high } }, { log_uniform = { low, high } }: numbers between
--   { int = { low, high } }, { log_int = { low, high } }: whole numbers, both included
--   { choice = { … } }: one of these
-- @param X rows as `fit` takes them, or a table that knows its target
-- @param[opt] y one label or number a row
-- @param[opt] options those of cross_validate but train_scores and probabilities, the
-- first of the metrics being the one that ranks; and
--   method: "grid" (all, in order; where there are only choices and no trials) or "random"
--   trials = 20: of a random search
--   minimise: whether less is better (as the metric has it; of a function false)
--   refit = true: whether the best is trained on all rows
-- @return { trials = { { params, mean, sd, folds, number }, … }, the best first (of
-- equals the one tried first), best_params, best_score, best = the trained model,
-- metric, paths }, which prints
-- @raise if a path or value is refused, before any training
-- @usage local found = moe.eval.search(E.forest {}, {
--   max_depth = { 4, 8, 16 }, max_features = { uniform = { 0.1, 1 } },
-- }, t, { trials = 30, seed = 1 })
-- print(found); print(found.best:score(test))
function searching.search(model, given_space, X, y, given)
  local axes = space.read(given_space)
  local d
  rows.check_model("search", model)
  d, given = rows.read("search", X, y, given)
  local o = options.check("search", given, known())
  local list = score.read("search", o.metrics)
  local combined = combinations(axes, o)
  local models = set_all(model, combined)
  local parts, fit = folding.parts("search", model, d, o)
  local items, results = judge_all(models, d, parts, fit, list, o)
  local trials, metric = rank(combined, items, results, is_greater_better(list, o))
  local best = models[trials[1].number]
  local paths = {}
  for i, axis in ipairs(axes) do paths[i] = axis.path end
  if o.refit then d:fit(best, nil, fit) end
  return setmetatable({
    trials = trials, metric = metric, paths = paths,
    best_params = trials[1].params, best_score = trials[1].mean, best = best,
  }, Result)
end

return searching
