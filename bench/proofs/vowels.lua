-- Vowels: small mixtures of linear experts beside one network.
--
-- Peterson & Barney 1952 (pb52.csv), the four vowels i, I, ɑ (A) and ʌ (V) by the
-- first two formants, speakers 1 to 50 to train (400 rows) and the rest to test
-- (208): Jacobs, Jordan, Nowlan & Hinton 1991, table 1.  25 runs, seeds 1 to 25.
-- Always the same vowel: 0.250.
--
-- Deterding 1989 (vowel.csv), eleven vowels, speakers 0 to 7 to train (528 rows), 8
-- to 14 to test (462): Hastie, Tibshirani & Friedman, table 12.3.  10 seeds.  Always
-- the same vowel: error 0.909.
--
--   moe bench/proofs/vowels.lua [folder of pb52.csv and vowel.csv]
package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"
local E, G, T, metrics = moe.experts, moe.gates, moe.transforms, moe.metrics

-- -------------------------------------------------------------------- the gate

-- Experts that the gate asks first for at least one row in a hundred.
local function count_used(mixture, X)
  local first = mixture:route(X).indices
  local rows, counts, used = first.shape[1], {}, 0
  for i = 1, rows do
    local e = first:get(i, 1)
    counts[e] = (counts[e] or 0) + 1
  end
  for _, count in pairs(counts) do
    if count >= rows / 100 then used = used + 1 end
  end
  return used
end

local function linear_mixture(n, l2, options)
  local own = {
    experts = support.several(n, function() return E.logistic { l2 = l2 } end),
    gate = G.softmax { l2 = l2 },
  }
  for key, value in pairs(options) do own[key] = value end
  return moe.mixture(own)
end

-- ------------------------------------------------- Peterson & Barney, two formants

local RUNS, CRITERION, EPOCHS = 25, 0.3, 800

local function read_formants()
  local t = support.read("pb52.csv", "vowel")
  if not t then return end
  local four = { i = true, I = true, A = true, V = true }
  local function part(is_own)
    return support.part(t:where(function(row) return four[row.vowel] and is_own(row.speaker) end)
      :select { "f1", "f2", "vowel" })
  end
  local train = part(function(speaker) return speaker <= 50 end)
  local test = part(function(speaker) return speaker > 50 end)
  local scaler = T.standard_scaler {}
  train.X = scaler:fit_transform(train.X)
  test.X = scaler:transform(test.X)
  return train, test
end

-- The first epoch after which the mean log loss of the training rows is below the
-- criterion.
local function epochs_until(losses)
  for epoch, loss in ipairs(losses) do
    if loss < CRITERION then return epoch end
  end
  return EPOCHS
end

-- The items in an order of that seed.
local function shuffle(items, seed)
  local keys, order, out = moe.randn(#items, { seed = seed }), {}, {}
  for i = 1, #items do order[i] = i end
  table.sort(order, function(a, b) return keys[a] < keys[b] end)
  for i = 1, #items do out[i] = items[order[i]] end
  return out
end

-- Weights at random: fitted to labels and shares that have nothing to do with the
-- rows.  A fit from nothing would begin with experts that are fitted already.
local function random_start(n, train, seed)
  local m = linear_mixture(n, 1, { seed = seed, batch_size = 512, validation = 0 })
  local subsets = {}
  for i = 1, #train.y do subsets[i] = tostring(i % n + 1) end
  m:fit(train.X, shuffle(train.y, seed),
    { method = "em", rounds = 1, subsets = shuffle(subsets, seed + 1000) })
  return m
end

local function by_gradient(n)
  return function(train, seed, epochs)
    local m = random_start(n, train, seed)
    local _, history = m:fit(train.X, train.y,
      { method = "gradient", rounds = epochs or EPOCHS, warm = true })
    return m, history.loss
  end
end

local function by_em(n)
  return function(train, seed)
    local m = linear_mixture(n, 0.01, { training = "em", seed = seed })
    local _, history = m:fit(train.X, train.y)
    return m, nil, #history.log_likelihood
  end
end

local function network(hidden)
  return function(train, seed, epochs)
    local m = E.mlp { hidden = { hidden }, activation = "tanh", batch = 512, weight_decay = 0,
      schedule = "constant", standardize = false, epochs = epochs or EPOCHS, seed = seed }
    local _, history = m:fit(train.X, train.y)
    return m, history.loss
  end
end

local formant_rows = {
  { "network, 6 hidden units", "0.90, 2209 ± 83", network(6) },
  { "network, 12 hidden units", "0.90, 2435 ± 124", network(12) },
  { "4 linear experts, gradient", "0.90, 1124 ± 23", by_gradient(4), gated = true },
  { "8 linear experts, gradient", "0.90, 1083 ± 12", by_gradient(8), gated = true },
  { "4 linear experts, EM", nil, by_em(4), gated = true },
  { "8 linear experts, EM", nil, by_em(8), gated = true },
}

local function run_formants(row, train, test)
  local scores, epochs, used = {}, {}, {}
  for seed = 1, RUNS do
    local fit = row[3]
    local m, losses, rounds = fit(train, seed)
    epochs[seed] = rounds or epochs_until(losses)
    if losses then m = fit(train, seed, epochs[seed]) end
    scores[seed] = m:score(test.X, test.y)
    used[seed] = row.gated and count_used(m, test.X) or nil
  end
  return support.spread(scores), support.spread(epochs, "%.0f"),
    row.gated and support.spread(used, "%.1f") or nil
end

local train, test = read_formants()
if train then
  local shown = support.figures { "", "published: accuracy, epochs", "ours: accuracy", "epochs",
    "experts in use" }
  local line = E.logistic { l2 = 0.01 }:fit(train.X, train.y)
  shown.add("one logistic regression", nil, support.spread { line:score(test.X, test.y) })
  for _, row in ipairs(formant_rows) do
    shown.add(row[1], row[2], run_formants(row, train, test))
  end
  shown.print("Peterson & Barney, 4 vowels by 2 formants, " .. RUNS .. " runs. Ours: Adam on all\n"
    .. "rows at once from weights at random, until the mean log loss is below " .. CRITERION
    .. ";\nof EM, rounds to convergence. The paper: steepest descent on another error, and\n"
    .. "2 to 3 experts in use.")
end

-- ------------------------------------------------------------ Deterding, 11 vowels

local SEEDS = 10

local function read_deterding()
  local t = support.read("vowel.csv", "vowel")
  if not t then return end
  local function part(is_own)
    local rows = t:where(function(row) return is_own(row.speaker) end)
    local out = support.part(rows:drop { "speaker" })
    out.speaker = rows:column "speaker"
    return out
  end
  return part(function(speaker) return speaker <= 7 end),
    part(function(speaker) return speaker > 7 end)
end

-- Discriminant analysis as a mixture: an expert for each class that knows nothing
-- else, and a gate that knows the classes' distributions.
local function discriminant(covariance)
  return function(_, labels)
    local experts = {}
    for _, label in ipairs(labels) do experts[label] = E.constant {} end
    return moe.mixture { experts = experts, calibrate = false,
      gate = G.gaussian { covariance = covariance, prior = 0 } }, true
  end
end

local function linear_experts(n, training)
  return function(seed)
    return support.scaled(linear_mixture(n, 0.1, { training = training, seed = seed }))
  end
end

local function mixed(seed)
  return moe.mixture { seed = seed, experts = {
    mlp = E.mlp { hidden = { 88 } }, knn = E.knn { k = 1 }, forest = E.forest {} } }
end

local deterding_rows = {
  { "linear discriminant analysis", "0.56", discriminant "tied", once = true },
  { "quadratic discriminant analysis", "0.53", discriminant "full", once = true },
  { "softmax regression", "0.67", function() return E.logistic { l2 = 0 } end, once = true },
  { "tree", "0.56", function() return E.tree {} end, once = true },
  { "nearest neighbour", "0.44", function() return E.knn { k = 1 } end, once = true },
  { "network, 88 hidden units", "0.49",
    function(seed) return E.mlp { hidden = { 88 }, seed = seed } end },
  { "FDA/MARS, degree 2, reduced", "0.39" },
  { "4 linear experts, EM", nil, linear_experts(4, "em") },
  { "8 linear experts, EM", nil, linear_experts(8, "em") },
  { "4 linear experts, gradient", nil, linear_experts(4, "gradient") },
  { "8 linear experts, gradient", nil, linear_experts(8, "gradient") },
  { "forest", nil, function(seed) return E.forest { seed = seed } end },
  { "mixture: network, neighbour, forest", nil, mixed },
  { "the same, speakers kept together", nil, mixed, together = true },
}

-- Test errors; the experts of a discriminant have a label each.
local function run_deterding(row, own, other)
  local _, labels = nil, E.constant {}:fit(own.X, own.y):classes()
  local errors = {}
  for seed = 1, row.once and 1 or SEEDS do
    local model, by_label = row[3](seed, labels)
    model:fit(own.X, own.y,
      { subsets = by_label and own.y or nil, groups = row.together and own.speaker or nil })
    errors[seed] = 1 - metrics.accuracy(other.y, model:predict(other.X))
  end
  return support.spread(errors)
end

local own, other = read_deterding()
if own then
  local shown = support.figures { "", "published: test error", "ours" }
  for _, row in ipairs(deterding_rows) do
    shown.add(row[1], row[2], row[3] and run_deterding(row, own, other))
  end
  shown.print(("Deterding, 11 vowels by %d columns (the published figures: by 10), %d seeds")
    :format(own.X.shape[2], SEEDS))
end
