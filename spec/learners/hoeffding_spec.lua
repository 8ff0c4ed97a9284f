-- Hoeffding trees: where the bound puts the first split, what leaves answer, and
-- what a stream may bring.  The bound is ε = R √(ln(1/δ) / 2n); ln 1e7 = 16.118.
local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-9)

local E = moe.experts

-- The number of samples after which the tree first has two leaves; `sample`
-- gives the i-th.
local function first_split(model, sample, most)
  for i = 1, most do
    model:learn_one(sample(i))
    if model:info().leaves > 1 then return i end
  end
end

-- Two classes (or values) that the first column tells apart, the second does not.
local function apart(i) return { i % 2, 7 }, i % 2 == 0 and "a" or "b" end

local function train(model, stream, n)
  for i = 1, n do model:learn_one(stream(i)) end
  return model
end

-- The share of samples that are predicted before they are learned from.
local function prequential(model, stream, from, to)
  local right = 0
  for i = from, to do
    local x, y = stream(i)
    if i > 1 and model:predict_one(x) == y then right = right + 1 end
    model:learn_one(x, y)
  end
  return right / (to - from + 1)
end

-- A tree without noise over two numbers: no threshold is a multiple of 1/11.
local function known_tree(seed)
  local u = data.uniform(seed)
  return function()
    local x = { u(), u(), u() }
    if x[1] < 0.4 then return x, x[2] < 0.7 and "a" or "b" end
    return x, x[3] < 0.3 and "c" or "a"
  end
end

describe("a Hoeffding tree of classes", function()
  it("splits at the first look where the best column leads by the bound", function()
    -- gain 1 bit of at most 1, the other column gains 0: n > 16.118 / 2 = 8.06
    assert.equal(200, first_split(E.hoeffding_tree {}, apart, 300))
    assert.equal(20, first_split(E.hoeffding_tree { grace_period = 20 }, apart, 300))
    assert.equal(12, first_split(E.hoeffding_tree { grace_period = 6 }, apart, 300))
    -- of 9 samples 5 and 4: 0.991 bits > 0.9463
    assert.equal(9, first_split(E.hoeffding_tree { grace_period = 1 }, apart, 300))
    -- ln(1/δ) = 2 ln 10: n > 2.303; 2 and 2 are 1 bit, ε(3) = 0.876 < 0.918
    assert.equal(3, first_split(E.hoeffding_tree { grace_period = 1, delta = 0.01 }, apart, 300))
  end)

  it("judges splits by Gini's impurity and by Hellinger's distance", function()
    local function tree(criterion)
      return E.hoeffding_tree { grace_period = 1, criterion = criterion }
    end
    -- 17 of 33: 1 - (17² + 16²) / 33² = 0.49954 > ε(33) = 0.49418; ε(32) = 0.50184
    assert.equal(33, first_split(tree "gini", apart, 300))
    -- √2 of at most √2
    assert.equal(9, first_split(tree "hellinger", apart, 300))
  end)

  it("puts the threshold at the lowest of the best candidates", function()
    local model = train(E.hoeffding_tree { leaf = "constant" }, apart, 200)
    -- ten candidates between 0 and 1, all as good as the first: 1/11
    assert.equal("a", model:predict_one { 1 / 11 - 1e-9, 7 })
    assert.equal("b", model:predict_one { 1 / 11, 7 })
    assert.same({ a = 1, b = 0 }, model:predict_proba_one { 0, 7 })
  end)

  it("takes either of two equal columns once the bound is below tau", function()
    local function twins(i) return { i % 2, i % 2 }, i % 2 == 0 and "a" or "b" end
    -- 0.05² = 16.118 / 2n at n = 3223.6
    assert.equal(3400, first_split(E.hoeffding_tree {}, twins, 4000))
    -- 0.1² at 805.9
    assert.equal(1000, first_split(E.hoeffding_tree { tau = 0.1 }, twins, 4000))
  end)

  it("splits a nominal column by one level against the others", function()
    -- three levels; of class a 3/4 have "p", of b 3/4 have another: the gain of
    -- "p" is 1 - H(1/4) = 0.18872 bits: n > 16.118 / (2 · 0.18872²) = 226.3, and
    -- every 8 samples are alike
    local levels = { "p", "p", "p", "q", "q", "r", "q", "p" }
    local function sample(i)
      local k = (i - 1) % 8 + 1
      return { levels[k], 1 }, k <= 4 and "a" or "b"
    end
    local model = E.hoeffding_tree { grace_period = 8, leaf = "constant" }
    assert.equal(232, first_split(model, sample, 300))
    near(0.75, model:predict_proba_one({ "p", 1 }).a)
    near(0.25, model:predict_proba_one({ "q", 1 }).a)
    near(0.25, model:predict_proba_one({ "r", 1 }).a)
  end)

  it("meets more levels as they come", function()
    local function sample(i)
      return { "level " .. i % 37, i % 2 }, i % 37 < 5 and "few" or "many"
    end
    local model = train(E.hoeffding_tree { leaf = "model" }, sample, 2000)
    for i = 0, 36 do
      local x, y = sample(i)
      assert.equal(y, model:predict_one(x))
    end
  end)

  it("answers as naive Bayes before it is split", function()
    -- 12 samples by hand: frequencies 1/3 and 2/3; moments of each class, each
    -- variance v as (n v + V) / (n + 1) with V that of all values in the leaf
    local a, b = { 1, 2, 4, 5 }, { 3, 6, 7, 8, 9, 9, 10, 12 }
    local model = E.hoeffding_tree { leaf = "model" }
    for _, x in ipairs(a) do model:learn_one({ x }, "a") end
    for _, x in ipairs(b) do model:learn_one({ x }, "b") end
    local function moments(...)
      local sum, squares, n = 0, 0, 0
      for _, list in ipairs { ... } do
        for _, x in ipairs(list) do
          sum, squares, n = sum + x, squares + x * x, n + 1
        end
      end
      return n, sum / n, squares / n - (sum / n) ^ 2
    end
    local _, _, all = moments(a, b)
    local function score(list, x)
      local n, mean, variance = moments(list)
      variance = (n * variance + all) / (n + 1)
      return n * math.exp(-(x - mean) ^ 2 / (2 * variance)) / math.sqrt(variance)
    end
    for _, x in ipairs { -1, 2, 5.5, 8, 20 } do
      local p = score(a, x) / (score(a, x) + score(b, x))
      near(p, model:predict_proba_one({ x }).a)
    end
  end)

  it("answers by frequencies where naive Bayes did worse", function()
    -- a quarter lies between the others: Bayes is right about it
    local u = data.uniform(3)
    local function sample(i)
      local rare = i % 4 == 0
      return { rare and u() or u() + (u() < 0.5 and -9 or 9) }, rare and "in" or "out"
    end
    local simple = train(E.hoeffding_tree { leaf = "constant", max_depth = 0 }, sample, 400)
    near(0.75, simple:predict_proba_one({ 0.5 }).out)
    local adaptive = train(E.hoeffding_tree { max_depth = 0 }, sample, 400)
    assert.equal("in", adaptive:predict_one { 0.5 })
    -- a quarter lies at 0, and 6 in 10 of the others: to Bayes, who holds those
    -- to be Gaussian, all at 0 is "in", and 0.25 + 0.3 of his answers are right
    local function misleading(i)
      if i % 4 == 0 then return { 0 }, "in" end
      local k = i % 10
      return { k < 6 and 0 or k < 8 and -9 or 9 }, "out"
    end
    local bayes = train(E.hoeffding_tree { max_depth = 0, leaf = "model" }, misleading, 400)
    assert.equal("in", bayes:predict_one { 0 })
    local cautious = train(E.hoeffding_tree { max_depth = 0 }, misleading, 400)
    assert.equal("out", cautious:predict_one { 0 })
  end)

  it("learns a tree that it is shown without noise", function()
    local stream = known_tree(5)
    local model = E.hoeffding_tree { leaf = "constant", thresholds = 50 }
    prequential(model, stream, 1, 20000)
    assert.is_true(prequential(model, stream, 1, 2000) > 0.98)
  end)

  it("learns from missing values, and sends them where most went", function()
    local u = data.uniform(8)
    local function sample(i)
      local x = { i % 4 ~= 0 and 1 + u() or -1 - u(), u() }
      local y = x[1] > 0 and "right" or "left"
      if i % 10 == 0 then x[2] = 0 / 0 end
      return x, y
    end
    local model = train(E.hoeffding_tree { leaf = "constant" }, sample, 2000)
    assert.is_true(model:info().leaves > 1)
    assert.equal("right", model:predict_one { 0 / 0, 0.5 })
    assert.equal("left", model:predict_one { -1, 0 / 0 })
    for i = 1, 500 do model:learn_one({ 0 / 0, u() }, i % 3 == 0 and "left" or "right") end
    assert.equal("right", model:predict_one { 0 / 0, 0 / 0 })
  end)

  it("meets new classes in the middle of a stream", function()
    local function sample(classes)
      return function(i)
        local k = i % classes
        return { k, 1 - k }, ("zyxw"):sub(k + 1, k + 1)
      end
    end
    local model = train(E.hoeffding_tree {}, sample(2), 1000)
    assert.same({ "y", "z" }, model:classes())
    train(model, sample(4), 2000)
    assert.same({ "w", "x", "y", "z" }, model:classes())
    for i = 0, 3 do
      local x, y = sample(4)(i)
      assert.equal(y, model:predict_one(x))
    end
  end)

  it("keeps to max_leaves and max_depth, and its memory with them", function()
    local stream = known_tree(5)
    local model = train(E.hoeffding_tree { max_leaves = 3 }, stream, 6000)
    assert.equal(3, model:info().leaves)
    local bytes = model:info().bytes
    train(model, stream, 6000)
    assert.equal(3, model:info().leaves)
    assert.equal(bytes, model:info().bytes)
    assert.equal(1, train(E.hoeffding_tree { max_depth = 1 }, stream, 6000):info().depth)
    assert.equal(1, train(E.hoeffding_tree { max_depth = 0 }, stream, 6000):info().leaves)
  end)

  it("learns from a sample of weight 2 what it learns from it twice", function()
    local X, y = data.clouds(40, 3, 2)
    local twiceX, twiceY, weights = {}, {}, {}
    for i = 1, #X do
      weights[i] = 2
      for k = 0, 1 do twiceX[2 * i - k], twiceY[2 * i - k] = X[i], y[i] end
    end
    -- but for the time of splits, which are looked for once a sample, and for the
    -- choice of an adaptive leaf, which is made between the two
    for _, leaf in ipairs { "constant", "model" } do
      local a, b = E.hoeffding_tree { leaf = leaf }, E.hoeffding_tree { leaf = leaf }
      a:learn_many(X, y, { weights = weights })
      b:learn_many(twiceX, twiceY)
      for i = 1, #X do
        local p, q = a:predict_proba_one(X[i]), b:predict_proba_one(X[i])
        near(p.c1, q.c1)
      end
    end
    local model = E.hoeffding_tree { grace_period = 40 }
    X, y = {}, {}
    for i = 1, 20 do
      X[i], y[i] = apart(i)
      weights[i + 20] = nil
    end
    model:learn_many(X, y, { weights = weights })
    assert.equal(2, model:info().leaves) -- 20 samples, but the 40th unit of weight
  end)

  it("is finite whatever comes", function()
    local model = E.hoeffding_tree { grace_period = 10, delta = 0.4, tau = 1 }
    local huge = { 0, 1e308, -1e308, 1e-308, 5, 1e200, -1e-200 }
    local X, y, weights = {}, {}, {}
    for i = 1, 600 do
      X[i] = { huge[i % 7 + 1], huge[i * 3 % 5 + 1], 4 }
      y[i] = "c" .. i % 3
      weights[i] = ({ 1, 1e300, 1e-300, 3 })[i % 4 + 1]
    end
    model:learn_many(X, y, { weights = weights })
    for i = 1, 50 do
      local sum = 0
      for _, p in pairs(model:predict_proba_one(X[i])) do
        assert.is_true(p >= 0 and p <= 1)
        sum = sum + p
      end
      near(1, sum)
    end
  end)
end)

describe("a Hoeffding tree of values", function()
  it("answers with the mean of a leaf's targets", function()
    local model = E.hoeffding_tree { leaf = "constant" }
    for i, y in ipairs { 2, 4, 9 } do model:learn_one({ i }, y) end
    near(5, model:predict_one { 100 })
  end)

  it("takes the first steps of its linear function as by hand", function()
    local model = E.hoeffding_tree { leaf = "model" }
    for _, x in ipairs { 1, 3, 4 } do model:learn_one({ x }, 2 * x) end
    -- after two samples x̄ = 2, s = 1; ȳ = 4, s = 2; nothing is learned yet.  The
    -- third: z = 2, e = (8 - 4) / 2 = 2, a step of 0.1 · 2 / (1 + 2²) = 0.04.
    -- Then x̄ = 8/3, variance 14/9; ȳ = 16/3, variance 56/9
    local z = (2 - 8 / 3) / math.sqrt(14 / 9)
    near(16 / 3 + math.sqrt(56 / 9) * (0.04 + 0.08 * z), model:predict_one { 2 })
  end)

  it("splits where the deviation falls most, midway between what it met", function()
    local function sample(i) return { i % 2, 7 }, i % 2 end
    -- the ratio of the two best columns is 0: 1 > ε(n) from n = 9 on
    local model = E.hoeffding_tree { leaf = "constant", grace_period = 1 }
    assert.equal(9, first_split(model, sample, 300))
    assert.equal(200, first_split(E.hoeffding_tree {}, sample, 300))
    -- bins are 1/32 wide, so that 64 reach from 0 to 1: the gap is 1/32 to 1
    near(0, model:predict_one { 33 / 64 - 1e-9, 7 })
    near(1, model:predict_one { 33 / 64, 7 })
  end)

  it("waits where two columns are as good as each other", function()
    local function twins(i) return { i % 2, 1 - i % 2 }, i % 2 end
    assert.equal(3400, first_split(E.hoeffding_tree {}, twins, 4000))
  end)

  it("splits by levels", function()
    local names = { "low", "high", "middle" }
    local function sample(i) return { names[i % 3 + 1], 1 }, ({ 0, 10, 5 })[i % 3 + 1] end
    local model = train(E.hoeffding_tree { leaf = "constant" }, sample, 8000)
    assert.equal(3, model:info().leaves)
    near(0, model:predict_one { "low", 1 })
    near(5, model:predict_one { "middle", 1 })
    near(10, model:predict_one { "high", 1 })
  end)

  -- Root mean squared error over the second half of n samples.
  local function error_of(model, stream, n)
    local sum = 0
    for i = 1, n do
      local x, y = stream()
      if i > n / 2 then sum = sum + (model:predict_one(x) - y) ^ 2 end
      model:learn_one(x, y)
    end
    return math.sqrt(sum / (n / 2))
  end

  it("finds lines by its linear leaves, steps by its splits", function()
    local function plane()
      local u = data.uniform(4)
      return function()
        local x = { u(), u(), u() }
        return x, 3 * x[1] - 2 * x[2] + 5
      end
    end
    local function steps()
      local u = data.uniform(4)
      return function()
        local x = { u(), u() }
        return x, (x[1] < 0.3 and 1 or x[2] < 0.6 and 4 or -2) + 0.1 * (u() - 0.5)
      end
    end
    local line = E.hoeffding_tree { max_depth = 0 }
    assert.is_true(error_of(line, plane(), 2000) < 0.05)
    local mean = E.hoeffding_tree { max_depth = 0, leaf = "constant" }
    assert.is_true(error_of(mean, plane(), 2000) > 0.9)
    assert.is_true(error_of(E.hoeffding_tree {}, steps(), 8000) < 0.5)
    assert.is_true(error_of(line:clone():reset(), steps(), 8000) > 1.5)
  end)

  it("is finite whatever comes", function()
    local model = E.hoeffding_tree { grace_period = 10, delta = 0.4, tau = 1, learning_rate = 1 }
    local huge = { 0, 1e308, -1e308, 1e-308, 5, 1e200, -1e-200 }
    local X, y, weights = {}, {}, {}
    for i = 1, 600 do
      X[i] = { huge[i % 7 + 1], huge[i * 3 % 5 + 1], 4 }
      y[i] = huge[i * 5 % 7 + 1]
      weights[i] = ({ 1, 1e300, 1e-300, 3 })[i % 4 + 1]
    end
    model:learn_many(X, y, { weights = weights })
    for i = 1, 50 do
      local p = model:predict_one(X[i])
      assert.is_true(p == p and math.abs(p) < math.huge)
    end
  end)
end)

describe("a Hoeffding tree that was saved in mid-stream", function()
  it("comes back whatever the size of a column", function()
    for exponent = -308, 308 do
      local tree = E.hoeffding_tree {}
      for i = 1, 3 do tree:learn_one({ 10 ^ exponent, -(i / 3) * 10 ^ exponent }, i) end
      assert(moe.undump(tree:dump()))
    end
  end)

  -- Levels, classes and splits to come; a number where `task` is regression.
  local function mixed(task)
    local u = data.uniform(12)
    return function(i)
      local x = { u(), u() < 0.1 and 0 / 0 or 5 * u(), "l" .. math.floor(i ^ 0.3 * u()) }
      local z = x[1] + (x[3] == "l2" and 1 or 0)
      return x, task == "regression" and z or z > 0.9 and "c" .. math.floor(i / 1000) or "low"
    end
  end

  for _, task in ipairs { "classification", "regression" } do
    it("goes on to the same bits, " .. task, function()
      local stream = mixed(task)
      local whole = E.hoeffding_tree { grace_period = 20, delta = 0.4, tau = 0.5 }
      train(whole, stream, 1500)
      local again, copy = assert(moe.undump(whole:dump())), whole:clone()
      for i = 1501, 3000 do
        local x, y = stream(i)
        for _, model in ipairs { whole, again, copy } do model:learn_one(x, y) end
      end
      assert.is_true(whole:info().leaves > 5)
      assert.is_true(whole:dump() == again:dump())
      assert.is_true(whole:dump() == copy:dump())
    end)
  end
end)
