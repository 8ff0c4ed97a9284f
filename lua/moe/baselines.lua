--- What the experts of a mixture would answer together without its gate: the usual
-- static and dynamic selections, to compare it with.
-- @module moe.baselines

local core = require "moe.core"

local baselines = {}

-- Of 1 … n the first with the largest value.
function baselines.argmax(n, value)
  local best, most = 1, value(1)
  for i = 2, n do
    local v = value(i)
    if v > most then best, most = i, v end
  end
  return best
end

-- The class with the largest sum of its voters' weights, the first of equals.
local function winner(classes, predictions, i, weight)
  local votes = {}
  for e, predicted in ipairs(predictions) do
    votes[predicted[i]] = (votes[predicted[i]] or 0) + weight(e, i)
  end
  return classes[baselines.argmax(#classes, function(k) return votes[classes[k]] or 0 end)]
end

local function average(predictions, i, weight)
  local sum, total = 0, 0
  for e, predicted in ipairs(predictions) do
    local w = weight(e, i)
    sum, total = sum + w * predicted[i], total + w
  end
  return sum / total
end

-- The answers that weights (of expert e for row i) make of the experts'.
local function combine(classes, predictions, n, weight)
  local out = {}
  for i = 1, n do
    out[i] = classes and winner(classes, predictions, i, weight)
      or average(predictions, i, weight)
  end
  return out
end

local function median(predictions, i)
  local values = {}
  for e, predicted in ipairs(predictions) do values[e] = predicted[i] end
  table.sort(values)
  local middle = (#values + 1) / 2
  return (values[math.floor(middle)] + values[math.ceil(middle)]) / 2
end

--- The experts' vote without any weights: the majority, or the median of numbers.
function baselines.vote(classes, predictions, n)
  if classes then return combine(classes, predictions, n, function() return 1 end) end
  local out = {}
  for i = 1, n do out[i] = median(predictions, i) end
  return out
end

-- merit[i][e] on rows of known answers: 1 where expert e is right, else 0; of numbers
-- its squared error.
local function merits(classes, predictions, y)
  local out = {}
  for i = 1, #y do
    out[i] = {}
    for e, predicted in ipairs(predictions) do
      if classes then
        out[i][e] = predicted[i] == y[i] and 1 or 0
      else
        out[i][e] = (predicted[i] - y[i]) ^ 2
      end
    end
  end
  return out
end

-- The weight of a squared error; one that is 0 is worth all the others.
local function trust(err) return 1 / math.max(err, 1e-300) end

-- The mean merit of each expert among the k nearest rows, for each row of X.
local function nearest(valid, merit, X, k)
  local knn = core.new("learner", "knn", {
    k = math.min(k, #merit), standardize = true, task = "regression",
  })
  return knn:fit(valid, core.tensor(merit)):predict(X):totable()
end

-- KNORA-Eliminate: the experts that are right on all of the k nearest rows; where
-- there are none, on fewer; where none is right on the nearest one, all of them.
local function eliminate(valid, merit, X, k)
  local kept, n = {}, #merit[1]
  for size = math.min(k, #merit), 1, -1 do
    for i, shares in ipairs(nearest(valid, merit, X, size)) do
      for e = 1, kept[i] and 0 or n do
        if shares[e] == 1 then
          kept[i] = shares
          break
        end
      end
    end
  end
  return function(e, i) return (not kept[i] or kept[i][e] == 1) and 1 or 0 end
end

local function dynamic_classes(classes, predictions, merit, valid, X, n, k)
  local shares = nearest(valid, merit, X, k)
  return {
    knora_e = combine(classes, predictions, n, eliminate(valid, merit, X, k)),
    knora_u = combine(classes, predictions, n, function(e, i) return shares[i][e] end),
  }
end

local function dynamic_numbers(predictions, merit, valid, X, n, k)
  local errors, selected = nearest(valid, merit, X, k), {}
  for i = 1, n do
    local best = baselines.argmax(#predictions, function(e) return -errors[i][e] end)
    selected[i] = predictions[best][i]
  end
  return {
    nearest_best = selected,
    nearest_weighted = combine(nil, predictions, n, function(e, i) return trust(errors[i][e]) end),
  }
end

--- What experts answer by their merits on rows that nobody was trained on.
-- @param classes of the answers, in order; nil where they are numbers
-- @param known { X, y, predictions }: those rows, their targets, the experts' answers
-- @param X the rows to answer, `predictions` the experts' answers for them, n how many
-- @param k how many of the known rows are a row's neighbourhood
-- @return name → answers: weighted (each expert by its accuracy, or by one over its mean
-- squared error, on all known rows); for classes knora_e and knora_u (Ko, Sabourin &
-- Britto 2008, doi 10.1016/j.patcog.2007.10.015): the majority of the experts that are
-- right on all neighbours, and with as many votes as they are right on; for numbers
-- nearest_best and nearest_weighted: of the least error among the neighbours, and
-- weighted by one over it
function baselines.by_merit(classes, known, X, predictions, n, k)
  local merit, total = merits(classes, known.predictions, known.y), {}
  for _, row in ipairs(merit) do
    for e, value in ipairs(row) do total[e] = (total[e] or 0) + value / #merit end
  end
  local out = #predictions < 2 and {}
    or classes and dynamic_classes(classes, predictions, merit, known.X, X, n, k)
    or dynamic_numbers(predictions, merit, known.X, X, n, k)
  out.weighted = combine(classes, predictions, n, function(e)
    return classes and total[e] or trust(total[e])
  end)
  return out
end

return baselines
