--- What a fitted model would lose without a feature, or a mixture without an
-- expert.
-- @module moe.eval

local data = require "moe.data"
local options = require "moe.options"
local processes = require "moe.processes"
local random = require "moe.random"
local rows = require "moe.eval.rows"
local score = require "moe.eval.score"
local text = require "moe.text"

local importance = {}

local Result = {}
Result.__index = Result

function Result:__tostring()
  local lines = { { self.of, ("loss of %s"):format(self.metric) } }
  for _, one in ipairs(self.ranked) do
    local loss = ("%.4f"):format(one.mean)
    lines[#lines + 1] = { one.name, one.sd and ("%s ± %.4f"):format(loss, one.sd) or loss }
  end
  return ("%s of all: %.4f\n%s"):format(self.metric, self.baseline, text.columns(lines))
end

-- The largest loss first; of equals the one that came first.
local function rank(list)
  local ranked = {}
  for i, one in ipairs(list) do
    ranked[i], one.place = one, i
  end
  table.sort(ranked, function(a, b)
    if a.mean ~= b.mean then return a.mean > b.mean end
    return a.place < b.place
  end)
  for _, one in ipairs(list) do one.place = nil end
  return ranked
end

local function loss_of(metric, before, after)
  return metric.greater and before - after or not metric.greater and after - before
end

-- ------------------------------------------------------------------ features

-- X with column j in another order of the rows.
local shuffles = {}

function shuffles.Tensor(X, j, order)
  local out = X:clone()
  for i, from in ipairs(order) do out:set(i, j, X:get(from, j)) end
  return out
end

function shuffles.array(X, j, order)
  local out = {}
  for i, from in ipairs(order) do
    out[i] = {}
    for k, x in ipairs(X[i]) do out[i][k] = x end
    out[i][j] = X[from][j]
  end
  return out
end

function shuffles.Table(X, j, order)
  local columns, names = {}, X.names
  for _, name in ipairs(names) do columns[name] = X:column(name) end
  local name, shuffled = X.features[j], {}
  for i, from in ipairs(order) do shuffled[i] = columns[name][from] end
  columns[name] = shuffled
  return data.table { columns = columns, names = names, target = X.target }
end

local function feature_names(X)
  local kind = rows.kind_of(X)
  if kind == "Table" then return X.features end
  local names, given = {}, kind and X.names
  for j = 1, kind and X.shape[2] or #X[1] do names[j] = given and given[j] or "x" .. j end
  return names
end

-- The places of the features asked for.
local function choose(names, wanted)
  local places, out = {}, {}
  for j, name in ipairs(names) do
    places[name], places[j] = j, j
  end
  for k, name in ipairs(wanted or names) do
    if not places[name] then
      error(("importance: there is no feature '%s'"):format(tostring(name)), 0)
    end
    out[k] = places[name]
  end
  return out
end

local function judge_feature(model, d, list, j, o)
  local shuffle = shuffles[rows.kind_of(d.X) or "array"]
  local values = {}
  for k = 1, o.repeats do
    local order = random(o.seed, (j - 1) * o.repeats + k):permutation(d.n)
    local scores = score.evaluate(list, model, shuffle(d.X, j, order), d.y)
    values[k] = scores[list[1].name]
  end
  return values
end

--- Permutation importance: what a fitted model's figure loses when the values of a
-- feature change places between the rows (Breiman 2001).  Features that tell the
-- same hide each other: each alone is little loss.
-- @param model a fitted learner
-- @param X rows, best those that it was not trained on
-- @param[opt] y one label or number a row
-- @param[opt] options a table of
--   metrics: as in cross_validate, of which the first counts
--   repeats = 5: how many times a feature is shuffled
--   features: names or places; all unless given
--   seed = 0: of the shuffles
--   processes, progress: as for moe.processes.map
-- @return { baseline, metric, features = { { name, mean, sd, losses }, … } in the
-- order of the columns, ranked = the same, the largest loss first }, which prints
-- @usage print(moe.eval.importance(forest, test))
function importance.importance(model, X, y, given)
  local d
  rows.check_model("importance", model)
  d, given = rows.read("importance", X, y, given)
  local o = options.check("importance", given, {
    metrics = {}, repeats = { "integer", min = 1, default = 5 }, features = { "table" },
    seed = { "integer", min = 0, default = 0 },
    processes = { "integer", min = 1 }, progress = { "function" },
  })
  if not shuffles[rows.kind_of(d.X) or "array"] then
    error("importance: X must be a tensor, a table or an array of rows, not a sparse matrix", 2)
  end
  local list = { score.list(score.read("importance", o.metrics), model)[1] }
  local baseline = score.evaluate(list, model, d.X, d.y)[list[1].name]
  local names = feature_names(d.X)
  local places = choose(names, o.features)
  local judged = processes.map(places, function(j)
    return judge_feature(model, d, list, j, o)
  end, { processes = o.processes, progress = o.progress })
  local features = {}
  for k, j in ipairs(places) do
    local losses = {}
    for r, value in ipairs(judged[k]) do losses[r] = loss_of(list[1], baseline, value) end
    features[k] = { name = names[j], losses = losses }
    features[k].mean, features[k].sd = score.spread(losses)
  end
  return setmetatable({
    of = "feature", metric = list[1].name, baseline = baseline,
    features = features, ranked = rank(features),
  }, Result)
end

-- ------------------------------------------------------------------- experts

-- A row of probabilities in the order of the mixture's classes, sharpened by the
-- power that the mixture has found for the expert.
local function spread_row(row, place, classes, power)
  local out, top, sum = {}, 0, 0
  for k, label in ipairs(classes) do
    out[k] = place[label] and row[place[label]] or 0
    top = math.max(top, out[k])
  end
  if power == 1 or top == 0 then return out end
  for k in ipairs(out) do
    out[k] = (out[k] / top) ^ power
    sum = sum + out[k]
  end
  for k in ipairs(out) do out[k] = out[k] / sum end
  return out
end

-- An expert's answers as rows.
local function answers_of(expert, classes, power, X)
  local out, labels, place = {}, expert:classes(), {}
  if not labels then
    local values = expert:predict(X)
    for i = 1, #values do
      out[i] = type(values[i]) == "number" and { values[i] } or values[i]:totable()
    end
    return out
  end
  for k, label in ipairs(labels) do place[label] = k end
  for i, row in ipairs(expert:predict_proba(X):totable()) do
    out[i] = spread_row(row, place, classes, power)
  end
  return out
end

local function all_answers(m, names, X)
  local out, sharpness = {}, m:info().sharpness or {}
  for e, name in ipairs(names) do
    local power = sharpness[name] or sharpness[tonumber(name)] or 1
    out[e] = answers_of(m:expert(name), m:classes(), power, X)
  end
  return out
end

-- How many experts answer a row.
local function chosen(routing, i)
  local n = 0
  for k = 1, routing.indices.shape[2] do
    if routing.indices:get(i, k) > 0 then n = n + 1 end
  end
  return n
end

-- The weights of row i when one expert is not there: as many of the others as
-- answered it, the most probable ones, by their probabilities.
local function weights_without(routing, i, absent)
  local order, sum, weights = {}, 0, {}
  for e = 1, routing.probs.shape[2] do
    if e ~= absent then order[#order + 1] = { e = e, p = routing.probs:get(i, e) } end
  end
  table.sort(order, function(a, b)
    if a.p ~= b.p then return a.p > b.p end
    return a.e < b.e
  end)
  local count = math.min(chosen(routing, i), #order)
  for k = 1, count do sum = sum + order[k].p end
  for k = 1, count do weights[order[k].e] = sum > 0 and order[k].p / sum or 1 / count end
  return weights
end

local function weights_of(routing, i)
  local weights = {}
  for k = 1, routing.indices.shape[2] do
    local e = routing.indices:get(i, k)
    if e > 0 then weights[e] = (weights[e] or 0) + routing.weights:get(i, k) end
  end
  return weights
end

local function blend(answers, i, weights)
  local out = {}
  for k = 1, #answers[1][i] do
    local sum = 0
    for e = 1, #answers do sum = sum + (weights[e] or 0) * answers[e][i][k] end
    out[k] = sum
  end
  return out
end

-- The model that a mixture is without an expert, on these rows alone.
local function stand_in(m, routing, answers, n, absent)
  local classes, proba, predicted = m:classes(), {}, {}
  for i = 1, n do
    local weights = absent and weights_without(routing, i, absent) or weights_of(routing, i)
    local row = blend(answers, i, weights)
    local best = 1
    for k = 2, #row do
      if row[k] > row[best] then best = k end
    end
    proba[i], predicted[i] = row, classes and classes[best] or #row > 1 and row or row[1]
  end
  return {
    classes = function() return classes end,
    predict = function() return predicted end,
    predict_proba = function() return proba end,
  }
end

--- What a fitted mixture's figure loses when an expert is taken out of the routing:
-- each row is then answered by as many of the other experts as answered it, those
-- that the gate holds most probable, weighted by their probabilities.  Nothing is
-- trained again; an expert that another can stand in for loses little.
-- @param m a fitted mixture of two experts or more, or a pipeline with one behind it
-- @param X rows, best those that it was not trained on
-- @param[opt] y one label or number a row
-- @param[opt] options { metrics }: as in cross_validate, of which the first counts
-- @return { baseline, metric, experts = { { name, mean = the loss, share = of the rows
-- that it answers }, … }, ranked = the same, the largest loss first }, which prints
function importance.expert_importance(m, X, y, given)
  local d
  d, given = rows.read("expert_importance", X, y, given)
  local o = options.check("expert_importance", given, { metrics = {} })
  local inputs = d.X
  if m:info().type == "pipeline" then
    m, inputs = m:get_params "model", m:transform(d.X)
  end
  local list = { score.list(score.read("expert_importance", o.metrics), m)[1] }
  local routing = m:route(inputs)
  if #routing.names < 2 then error("expert_importance: there is one expert alone", 2) end
  local answers = all_answers(m, routing.names, inputs)
  local function judge(absent)
    local model = stand_in(m, routing, answers, d.n, absent)
    return score.evaluate(list, model, inputs, d.y)[list[1].name]
  end
  local baseline, load = judge(), m:stats(inputs).load
  local experts = {}
  for e, name in ipairs(routing.names) do
    experts[e] = { name = name, mean = loss_of(list[1], baseline, judge(e)), share = load[name] }
  end
  return setmetatable({
    of = "expert", metric = list[1].name, baseline = baseline,
    experts = experts, ranked = rank(experts),
  }, Result)
end

return importance
