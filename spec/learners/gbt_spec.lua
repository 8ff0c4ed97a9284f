-- Boosted trees: leaves and losses against closed forms, sums of trees against
-- another library and against a boosting written here without bins.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local data = require "spec.support.data"
local near = require "spec.support.near"

local E = moe.experts
local same, all_same = near.within(1e-9)
local nan = 0 / 0

local function fitted(X, y, options, fit_options)
  options.task = options.task or type(y[1]) == "number" and "regression" or nil
  local model = E.gbt(options)
  model:fit(X, y, fit_options)
  return model
end

local function predictions(X, y, options, fit_options)
  return fitted(X, y, options, fit_options):predict(X)
end

-- One column, 1 for the first n of these targets and 2 for the others.
local function two_groups(first, second)
  local X, y = {}, {}
  for _, v in ipairs(first) do X[#X + 1], y[#y + 1] = { 1 }, v end
  for _, v in ipairs(second) do X[#X + 1], y[#y + 1] = { 2 }, v end
  return X, y
end

-- Friedman 1991, his first function, with noise: five of seven columns matter.
local function friedman(n, seed)
  local u, X, y = data.uniform(seed), {}, {}
  for i = 1, n do
    local x = {}
    for j = 1, 7 do x[j] = math.floor(40 * u()) / 40 end
    X[i] = x
    y[i] = 10 * math.sin(math.pi * x[1] * x[2]) + 20 * (x[3] - 0.5) ^ 2 + 10 * x[4] + 5 * x[5]
      + 6 * (u() - 0.5)
  end
  return X, y
end

local function labels(y)
  local out = {}
  for i, v in ipairs(y) do out[i] = v > 16 and "high" or v > 12 and "middle" or "low" end
  return out
end

local function rmse(y, answers)
  local sum = 0
  for i = 1, #y do sum = sum + (y[i] - answers[i]) ^ 2 end
  return math.sqrt(sum / #y)
end

describe("one boosted stump", function()
  local X, y = two_groups({ 1, 2, 6 }, { 10, 11, 12, 15 })
  local one = { rounds = 1, learning_rate = 1, max_depth = 1 }
  local function with(options)
    for name, value in pairs(one) do options[name] = options[name] or value end
    return options
  end

  it("answers with the means of its leaves where nothing shrinks them", function()
    all_same({ 3, 3, 3, 12, 12, 12, 12 }, predictions(X, y, with { l2 = 0 }))
  end)

  it("shrinks a leaf's step by l2 and by the learning rate", function()
    -- mean 57/7; Σ residuals / (n + l2) on both sides, times the rate
    local mean, left, right = 57 / 7, 9 - 3 * 57 / 7, 48 - 4 * 57 / 7
    local a, b = mean + 0.5 * left / (3 + 2), mean + 0.5 * right / (4 + 2)
    all_same({ a, a, a, b, b, b, b }, predictions(X, y, with { l2 = 2, learning_rate = 0.5 }))
  end)

  it("has medians in its leaves for absolute errors, between the middle two of an even number",
    function()
      all_same({ 2, 2, 2, 11.5, 11.5, 11.5, 11.5 },
        predictions(X, y, with { loss = "absolute" }))
    end)

  it("has quantiles in its leaves", function()
    local a, b = two_groups({ 4, 1, 3, 2, 10 }, { 35, 21, 30, 24, 27 })
    -- a quarter of five is passed by the second least, 0.9 by the fifth
    all_same({ 2, 2, 2, 2, 2, 24, 24, 24, 24, 24 },
      predictions(a, b, with { loss = "quantile", quantile = 0.25 }))
    all_same({ 10, 10, 10, 10, 10, 35, 35, 35, 35, 35 },
      predictions(a, b, with { loss = "quantile", quantile = 0.9 }))
  end)

  it("counts weights in them", function()
    local a, b = two_groups({ 4, 1, 3, 2, 10 }, { 35, 21, 30, 24, 27 })
    -- 9 of 13 weigh what is at most 2
    local weights = { 1, 3, 1, 6, 2, 1, 1, 1, 1, 1 }
    local answers = predictions(a, b, with { loss = "absolute" }, { weights = weights })
    same(2, answers[1])
    same(27, answers[6])
  end)

  it("has Friedman's step from the median in its leaves for Huber's loss", function()
    local a, b = two_groups({ 0, 2.5, 3, 4, 100 }, { 200, 201, 203, 204, 300 })
    -- the mean distance from the median, each within ±2: (−2 − 0.5 + 0 + 1 + 2) / 5
    -- and (−2 − 2 + 0 + 1 + 2) / 5
    local answers = predictions(a, b, with { loss = "huber", delta = 2 })
    same(3.1, answers[1])
    same(202.8, answers[6])
  end)

  it("refuses splits that leave less than min_samples_leaf or min_child_weight", function()
    same(57 / 7, predictions(X, y, with { min_samples_leaf = 4 })[1])
    same(57 / 7, predictions(X, y, with { min_child_weight = 3.5 })[1])
    assert.is_true(predictions(X, y, with { min_samples_leaf = 3, min_child_weight = 3 })[1] < 8)
  end)
end)

describe("boosting", function()
  it("takes Newton's steps on the log loss", function()
    local X, y = { { 0 }, { 0 }, { 1 }, { 1 } }, { "a", "b", "b", "b" }
    local options = { rounds = 2, learning_rate = 1, max_depth = 1, min_child_weight = 0 }
    local model = fitted(X, y, options)
    local left, right = math.log(3), math.log(3)
    for _ = 1, 2 do
      local p, q = 1 / (1 + math.exp(-left)), 1 / (1 + math.exp(-right))
      left = left - (2 * p - 1) / (2 * p * (1 - p) + 1)
      right = right - (2 * q - 2) / (2 * q * (1 - q) + 1)
    end
    local p = model:predict_proba(X):totable()
    same(1 / (1 + math.exp(-left)), p[1][2], 1e-7)
    same(1 / (1 + math.exp(-right)), p[3][2], 1e-7)
    same(1, p[1][1] + p[1][2], 1e-7)
  end)

  -- Newton boosting without bins, kept sums or missing values: every split of
  -- every column is summed up anew.
  local function boost(X, y, rounds, rate, depth, l2)
    local F, mean = {}, 0
    for i = 1, #y do mean = mean + y[i] / #y end
    for i = 1, #y do F[i] = mean end
    local function worth(rows)
      local g = 0
      for _, i in ipairs(rows) do g = g + F[i] - y[i] end
      return g * g / (#rows + l2), -g / (#rows + l2)
    end
    local function cut(rows, column, at)
      local left, right = {}, {}
      for _, i in ipairs(rows) do
        local side = X[i][column] <= at and left or right
        side[#side + 1] = i
      end
      return left, right
    end
    local function grow(rows, level, steps)
      local best, answer = worth(rows)
      local l, r
      best = best * (1 + 1e-9)
      for column = 1, level < depth and #X[1] or 0 do
        for _, i in ipairs(rows) do
          local left, right = cut(rows, column, X[i][column])
          local score = #right > 0 and worth(left) + worth(right) or 0
          if score > best then best, l, r = score, left, right end
        end
      end
      if l then
        grow(l, level + 1, steps)
        grow(r, level + 1, steps)
      else
        for _, i in ipairs(rows) do steps[i] = rate * answer end
      end
    end
    for _ = 1, rounds do
      local rows, steps = {}, {}
      for i = 1, #y do rows[i] = i end
      grow(rows, 0, steps)
      for i = 1, #y do F[i] = F[i] + steps[i] end
    end
    return F
  end

  it("adds up what one without bins and kept sums does", function()
    local X, y = friedman(70, 5)
    for i = 1, #X do X[i] = { X[i][1], X[i][3], X[i][4] } end
    for depth = 1, 5, 2 do
      all_same(boost(X, y, 3, 0.4, depth, 0.5),
        predictions(X, y, { rounds = 3, learning_rate = 0.4, max_depth = depth, l2 = 0.5 }))
    end
  end)
end)

-- XGBoost 1.7.4: 5 rounds, tree_method "exact", max_depth 3, eta 0.3, lambda 1,
-- and base_score the mean (logistic: the share of the class; softmax: a
-- base_margin of the logarithms of the shares); float32 predictions.
describe("another library", function()
  local X, missing = {}, {}
  for i = 0, 23 do
    X[i + 1] = { (i * 7) % 24, (i * 5) % 11, (i * i) % 13 }
    missing[i + 1] = { i % 5 == 0 and nan or X[i + 1][1], i % 7 == 3 and nan or X[i + 1][2],
      X[i + 1][3] }
  end
  local y = { 0, 2.752, 0.148, -4.377, 3.924, -1.255, -2.933, -1.258, 2.328, -2.315, -1.917, 2.047,
    0.223, -0.998, 1.238, 3.534, -4.07, -0.125, 0.592, -0.325, -4.877, 1.645, 1.195, -4.485 }
  local options = { rounds = 5, learning_rate = 0.3, max_depth = 3 }
  local function with(extra)
    for name, value in pairs(options) do extra[name] = value end
    return extra
  end
  local _, close = near.within(2e-5)

  it("agrees on squared errors", function()
    close({ 0.16398, 1.86225, -0.02384, -3.33178, 2.15254, -0.68839, -2.37847, -0.5878, 1.59147,
      -1.92907, -1.56498, 1.10268, 0.04967, -0.93909, 1.10268, 2.15254, -3.33178, -0.27039, 0.3509,
      -0.07542, -3.33178, 1.59147, 0.78396, -3.33178 }, predictions(X, y, with {}))
  end)

  it("agrees where numbers are missing", function()
    close({ 0.11577, 2.03191, -0.05673, -3.12215, 2.03191, -1.11908, -2.81589, -1.11707, 1.65094,
      -1.65205, -2.0967, 1.00077, -0.05673, -0.89458, 1.36856, 1.84839, -3.12215, -0.24928, 0.39524,
      -0.19061, -2.73284, 1.65094, 0.98202, -3.12215 }, predictions(missing, y, with {}))
  end)

  it("agrees on two classes", function()
    local class, p = {}, {}
    for i = 1, #y do class[i] = y[i] > 1 and 1 or 0 end
    local model = fitted(X, class, with { min_child_weight = 0.1, task = "classification" })
    for i, row in ipairs(model:predict_proba(X):totable()) do p[i] = row[2] end
    close({ 0.25046, 0.74142, 0.11642, 0.11642, 0.74142, 0.11642, 0.11642, 0.20468, 0.68841,
      0.11642, 0.11642, 0.65097, 0.11642, 0.11642, 0.74142, 0.74142, 0.11642, 0.11642, 0.52537,
      0.11642, 0.11642, 0.68841, 0.65097, 0.11642 }, p)
  end)

  it("agrees on three classes", function()
    local class, p = {}, {}
    for i = 1, #y do class[i] = y[i] < 0 and "a" or y[i] < 2 and "b" or "c" end
    local model = fitted(X, class, with { min_child_weight = 0.1 })
    for i, row in ipairs(model:predict_proba(X):totable()) do
      for k = 1, i <= 8 and 3 or 0 do p[#p + 1] = row[k] end
    end
    close({ 0.25096, 0.62707, 0.12197, 0.12064, 0.37429, 0.50507, 0.27216, 0.60524, 0.1226, 0.83454,
      0.09648, 0.06898, 0.1652, 0.14319, 0.69162, 0.64599, 0.27143, 0.08258, 0.83454, 0.09648,
      0.06898, 0.57462, 0.31925, 0.10613 }, p)
  end)
end)

describe("gbt", function()
  it("sends missing numbers where they lower the loss", function()
    for _, level in ipairs { 0, 9 } do
      local X, y = {}, {}
      for i = 1, 20 do
        X[i], y[i] = { i % 4 == 0 and nan or i }, i % 4 == 0 and level or i > 10 and 9 or 0
      end
      local answers = predictions(X, y, { rounds = 60, learning_rate = 0.5, l2 = 0, max_depth = 2 })
      all_same(y, answers, 1e-6)
    end
  end)

  it("takes a weight for so many rows", function()
    local X, y = friedman(120, 3)
    local manyX, many, weights = {}, {}, {}
    for i = 1, #X do
      weights[i] = i % 3
      for _ = 1, weights[i] do manyX[#manyX + 1], many[#many + 1] = X[i], y[i] end
    end
    for _, loss in ipairs { "squared", "absolute", "huber", "quantile" } do
      local options = { rounds = 10, max_depth = 4, loss = loss, quantile = 0.3 }
      local a = fitted(X, y, options, { weights = weights })
      local b = fitted(manyX, many, options)
      all_same(b:predict(X), a:predict(X), 1e-7)
    end
  end)

  it("goes back to the round after which held-out rows were predicted best", function()
    local X, y = friedman(300, 7)
    local options = { rounds = 300, learning_rate = 0.4, early_stopping = 5, validation = 0.3 }
    local stopped, history = E.gbt(options):set_params { task = "regression" }:fit(X, y)
    local best = stopped:info().n_rounds
    assert.is_true(best > 3 and best < 300)
    assert.is_truthy(table.concat(history.notes, "\n"):find("best was round " .. best, 1, true))
    options.rounds = best
    local exact = fitted(X, y, options)
    assert.same(stopped:predict(X), exact:predict(X))
    same(exact:info().validation_loss, stopped:info().validation_loss, 0)
    for more = 1, 5 do
      options.rounds = best + more
      same(best, fitted(X, y, options):info().n_rounds, 0)
    end
  end)

  it("says which rounds it kept, and the loss after each", function()
    local X, y = friedman(200, 7)
    local model = E.gbt {
      task = "regression", rounds = 60, learning_rate = 0.4, early_stopping = 60, validation = 0.3,
    }
    local _, history = model:fit(X, y)
    local best, losses = model:info().n_rounds, history.validation_loss
    same(60, #losses, 0)
    for _, loss in ipairs(losses) do assert.is_true(losses[best] <= loss) end
    same(losses[best], model:info().validation_loss, 0)
    assert.is_true(best < 60)
    local note = ("of 60 rounds the best was round %d;"):format(best)
    assert.is_truthy(history.notes[1]:find(note, 1, true))
  end)

  it("tells the loss of the rounds that a model has, finished or not", function()
    local X, y = friedman(200, 7)
    local options = { rounds = 60, learning_rate = 0.5, early_stopping = 40, validation = 0.3 }
    local model = E.gbt(options):set_params { task = "regression" }
    local job = model:start_fit(X, y)
    local told = {}
    repeat
      local done = job:step { budget_ms = 1e-6 }
      if not done and pcall(job.commit, job) then
        told[model:info().n_rounds] = model:info().validation_loss
      end
    until done
    local _, history = E.gbt(options):set_params { task = "regression" }:fit(X, y)
    for round, loss in ipairs(history.validation_loss) do
      if told[round] then same(loss, told[round], 0) end
    end
    assert.is_truthy(told[2] and told[30])
  end)

  it("holds groups out as a whole", function()
    -- the column tells the group alone, which teaches nothing about other groups
    local X, y, groups, levels = {}, {}, {}, {}
    local noise = data.uniform(4)
    for g = 1, 20 do levels[g] = noise() end
    for i = 1, 200 do
      local g = i % 20 + 1
      X[i], y[i], groups[i] = { g }, levels[g] + 0.01 * noise(), "g" .. g
    end
    local options = { rounds = 100, early_stopping = 2, validation = 0.4 }
    assert.is_true(fitted(X, y, options):info().n_rounds > 20)
    assert.is_true(fitted(X, y, options, { groups = groups }):info().n_rounds <= 3)
  end)

  it("is the same to the bit for any threads and any pauses", function()
    local X, y = friedman(3000, 9)
    local class = labels(y)
    for _, case in ipairs {
      { y, { rounds = 4, row_sample = 0.7, column_sample = 0.6 } },
      { y, { rounds = 4, loss = "absolute", early_stopping = 2 } },
      { class, { rounds = 3, max_leaves = 9, row_sample = 0.9 } },
    } do
      local options, dumps = case[2], {}
      options.task = case[1] == y and "regression" or nil
      for threads = 1, 2 do
        moe.set_threads(threads)
        dumps[#dumps + 1] = fitted(X, case[1], options):dump()
        local model = E.gbt(options)
        local job = model:start_fit(X, case[1])
        while not job:step { budget_ms = 1e-6 } do end
        job:commit()
        dumps[#dumps + 1] = model:dump()
      end
      moe.set_threads(1)
      for k = 2, #dumps do assert.is_true(dumps[1] == dumps[k]) end
    end
  end)

  it("is usable after its first round", function()
    local X, y = friedman(200, 2)
    local model = E.gbt { task = "regression", rounds = 50 }
    local job = model:start_fit(X, y)
    for _ = 1, 30 do job:step { budget_ms = 1e-6 } end
    job:commit()
    local rounds = model:info().n_rounds
    assert.is_true(rounds >= 1 and rounds < 50)
    assert.same(predictions(X, y, { rounds = rounds }), model:predict(X))
  end)

  it("makes the most valuable splits first where leaves are counted", function()
    local X, y = friedman(200, 6)
    local previous = math.huge
    for _, leaves in ipairs { 2, 3, 5, 9, 17 } do
      local model = fitted(X, y, { rounds = 1, max_leaves = leaves, learning_rate = 1, l2 = 0 })
      same(2 * leaves - 1, model:info().n_nodes, 0)
      local error = rmse(y, model:predict(X))
      assert.is_true(error < previous)
      previous = error
    end
    -- the limit of six splits in a row is above that of 64 leaves
    local deep = { rounds = 3, max_leaves = 64 }
    assert.same(predictions(X, y, { rounds = 3 }), predictions(X, y, deep))
  end)

  it("counts leaves at no cost of its own", function()
    local u, X, y = data.uniform(1), {}, {}
    for i = 1, 40000 do X[i], y[i] = { u(), u(), u() }, u() end
    X = moe.tensor(X)
    local function time(leaves)
      local start = os.clock()
      local model = fitted(X, y, {
        rounds = 1, max_depth = 1000, min_child_weight = 0, max_leaves = leaves,
      })
      return os.clock() - start, model:info().n_nodes
    end
    local free, nodes = time()
    local counted, as_many = time(1e6)
    same(nodes, as_many, 0)
    assert.is_true(nodes > 20000 and counted < 4 * free + 0.1)
  end)

  it("finds medians as soon in any order of the rows", function()
    local X, y, orders = {}, {}, {}
    for i = 1, 60000 do X[i], y[i] = { i % 2 }, (i - 30000) ^ 2 end
    X = moe.tensor(X)
    orders.parabola, orders.shuffled = y, {}
    for i = 1, #y do orders.shuffled[i] = y[(i * 7919) % #y + 1] end
    local function time(targets)
      local start = os.clock()
      fitted(X, targets, { rounds = 1, loss = "absolute" })
      return os.clock() - start
    end
    assert.is_true(time(orders.parabola) < 4 * time(orders.shuffled) + 0.1)
  end)

  it("splits by the columns that matter, and tells which", function()
    local X, y = friedman(400, 8)
    local model = fitted(X, y, { rounds = 30 })
    local share = model:info().importances
    for j = 1, 5 do assert.is_true(share[j] > share[6] and share[j] > share[7]) end
    local sum = 0
    for j = 1, 7 do sum = sum + share[j] end
    same(1, sum)
  end)

  it("predicts several outputs as it would each by itself", function()
    local X, y = friedman(100, 4)
    local both, negative = {}, {}
    for i = 1, #y do
      negative[i] = -2 * y[i]
      both[i] = { y[i], negative[i] }
    end
    local options = { rounds = 5, task = "regression" }
    local model = fitted(X, moe.tensor(both), options)
    local a, b = predictions(X, y, options), predictions(X, negative, options)
    for i, row in ipairs(model:predict(X):totable()) do
      same(a[i], row[1], 1e-5)
      same(b[i], row[2], 1e-5)
    end
  end)

  it("is better than one tree and than few rounds", function()
    local X, y = friedman(400, 11)
    local Xt, yt = friedman(400, 12)
    local few = rmse(yt, fitted(X, y, { rounds = 5 }):predict(Xt))
    local many = rmse(yt, fitted(X, y, { rounds = 80 }):predict(Xt))
    local tree = E.tree { task = "regression" }
    tree:fit(X, y)
    assert.is_true(many < 0.8 * few and many < 0.8 * rmse(yt, tree:predict(Xt)))
    local model = fitted(X, labels(y), { rounds = 30 })
    local forest = E.forest { trees = 30 }
    forest:fit(X, labels(y))
    assert.is_true(model:score(Xt, labels(yt)) > forest:score(Xt, labels(yt)) - 0.02)
  end)

  it("refuses losses that are not for its task, naming them", function()
    local X, y = friedman(30, 1)
    assert.has_error(function() fitted(X, y, { loss = "softmax" }) end)
    assert.has_error(function() fitted(X, labels(y), { loss = "squared" }) end)
    local _, message = pcall(fitted, X, labels(y), { loss = "logistic" })
    assert.is_truthy(tostring(message):find("two classes", 1, true))
  end)
end)

describe("a warm gbt", function()
  local X, y = friedman(300, 13)
  local class, weights = labels(y), {}
  for i = 1, #y do weights[i] = i % 4 end

  local function with(options, rounds)
    local all = { rounds = rounds, learning_rate = 0.5 }
    for name, value in pairs(options) do all[name] = value end
    return all
  end

  -- In pieces as small as there are.
  local function go_on(model, targets, options, ...)
    local job = model:start_fit(X, targets, options, ...)
    while not job:step { budget_ms = 1e-6 } do end
    return job:commit()
  end

  it("is one fit of all the rounds, to the bit", function()
    for _, case in ipairs {
      { y, { task = "regression" } },
      { y, { task = "regression", loss = "absolute", row_sample = 0.7, column_sample = 0.6 } },
      { y, { task = "regression", early_stopping = 3 } },
      { class, { max_leaves = 5 } },
      { class, { early_stopping = 3 } },
    } do
      local targets, options = case[1], case[2]
      local whole = E.gbt(with(options, 20))
      whole:fit(X, targets, { weights = weights })
      for _, rounds in ipairs { 1, 7, 20 } do
        local model = E.gbt(with(options, rounds))
        model:fit(X, targets, { weights = weights })
        local first = model:info().n_rounds
        model = assert(moe.undump(model:dump())):set_params { rounds = 20 }
        local _, history = go_on(model, targets, { weights = weights, warm = true })
        assert.is_truthy(history.notes[1]:find("went on after round " .. first, 1, true))
        assert.is_true(whole:dump() == model:dump())
      end
    end
  end)

  it("begins anew, and says so, where that would be something else", function()
    local other = {}
    for i = 1, #y do other[i] = y[i] + (i == 17 and 1e-9 or 0) end
    local few = with({ task = "regression" }, 9)
    for _, case in ipairs {
      { other, {} }, { y, {}, weights }, { y, { l2 = 2 } }, { y, { rounds = 5 } },
      { y, { early_stopping = 5 } }, { y, { seed = 4 } },
    } do
      local model = E.gbt(few)
      model:fit(X, y)
      model:set_params(case[2])
      local _, history = go_on(model, case[1], { weights = case[3], warm = true })
      assert.is_truthy(history.notes[1]:find("began anew", 1, true))
      local fresh = E.gbt(few):set_params(case[2])
      fresh:fit(X, case[1], { weights = case[3] })
      assert.is_true(fresh:dump() == model:dump())
    end
  end)

  it("gives all memory back, whichever allocation fails", function()
    local model = E.gbt(with({ early_stopping = 2 }, 2))
    model:fit(X, class)
    local bytes = model:dump()
    allocations.fail(function()
      local again = assert(moe.undump(bytes)):set_params { rounds = 4 }
      again:fit(X, class, { warm = true })
    end)
  end)
end)
