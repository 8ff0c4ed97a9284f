-- How sure the difference between two models is.
local moe = require "moe"
local near = require "spec.support.near"
local random = require "spec.support.data"
local E, eval = moe.experts, moe.eval

local close = near.within(1e-6)

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

describe("compare", function()
  -- n pairs in which a is right with probability 0.8 and b with 0.7, apart.
  local function answers(n, seed)
    local u, X, y, a, b = random.uniform(seed), {}, {}, {}, {}
    for i = 1, n do
      X[i], y[i] = { i }, "t"
      a[i], b[i] = u() < 0.8 and "t" or "f", u() < 0.7 and "t" or "f"
    end
    return X, y, a, b
  end

  -- Of paired proportions the deviation of the difference is that of the mean of
  -- (1 right) − (1 right): the normal interval, to the noise of 1000 resamples.
  it("gives the interval that the normal theory gives for large samples", function()
    local X, y, a, b = answers(300, 3)
    local sum, squares = 0, 0
    for i = 1, 300 do
      local d = (a[i] == "t" and 1 or 0) - (b[i] == "t" and 1 or 0)
      sum, squares = sum + d, squares + d * d
    end
    local mean = sum / 300
    local half = 1.959964 * math.sqrt((squares / 300 - mean ^ 2) / 300)
    for _, method in ipairs { "percentile", "bca" } do
      local r = eval.compare(a, b, X, y, { metric = "accuracy", method = method, resamples = 1000 })
      close(mean, r.difference)
      close(mean - half, r.low, 0.012)
      close(mean + half, r.high, 0.012)
    end
  end)

  -- scipy 1.10.1, stats.bootstrap with 20000 resamples and method "BCa" of the
  -- mean of e^z, z the normal quantiles at (i − 0.5) / 40, of two seeds: 1.185 and
  -- 1.176 to 2.377 and 2.368; the percentiles 1.107 and 1.104 to 2.217 and 2.202.
  it("corrects for skewness with bca", function()
    local quantiles = {
      -2.241403, -1.780464, -1.534121, -1.356312, -1.213340, -1.091620, -0.984235, -0.887147,
      -0.797777, -0.714367, -0.635657, -0.560703, -0.488776, -0.419295, -0.351784, -0.285841,
      -0.221119, -0.157311, -0.094137, -0.031338,
    }
    local X, y, a, b = {}, {}, {}, {}
    for i = 1, 40 do
      local z = i <= 20 and quantiles[i] or -quantiles[41 - i]
      X[i], y[i], a[i], b[i] = { i }, 0, math.exp(z), 0
    end
    local function run(method)
      return eval.compare(a, b, X, y, { metric = "mae", method = method, resamples = 3000 })
    end
    local plain, bca = run "percentile", run "bca"
    near.within(0.02)(1.1055, plain.low)
    near.within(0.02)(2.21, plain.high)
    near.within(0.02)(1.18, bca.low)
    near.within(0.02)(2.372, bca.high)
  end)

  -- Ten rows, one of which tells the models apart: the share of resamples without it
  -- is (9/10)^10 = 0.35, that with it at most twice 0.93, at most three times 0.987.
  it("draws every row of a few", function()
    local X, y, a, b = {}, {}, {}, {}
    for i = 1, 10 do X[i], y[i], a[i], b[i] = { i }, 0, i == 10 and 1 or 0, 0 end
    local r = eval.compare(a, b, X, y, { metric = "mae" })
    assert.same({ 0, 0.1, 0.3 }, { r.low, r.difference, r.high })
    local bca = eval.compare(a, b, X, y, { metric = "mae", method = "bca" })
    assert.is_true(bca.high >= 0.3 and bca.low >= 0)
    assert.truthy(message(eval.compare, { 1 }, { 1 }, { { 1 } }, { 1 }, { metric = "mae" })
      :find("two rows", 1, true))
  end)

  it("is the same for any number of processes, and another for another seed", function()
    local X, y, a, b = answers(40, 4)
    local function run(n, seed)
      return tostring(eval.compare(a, b, X, y, {
        metric = "accuracy", processes = n, seed = seed, resamples = 300, method = "bca",
      }))
    end
    assert.equal(run(1, 1), run(2, 1))
    assert.not_equal(run(1, 1), run(1, 2))
  end)

  it("judges fitted models by figures of labels or of probabilities", function()
    local t = moe.data.make_classification { rows = 200, features = 5, informative = 4,
      redundant = 0, seed = 3 }
    local train, test = t:split(0.5, { seed = 1 })
    local good, bad = E.forest({ trees = 20 }):fit(train), E.constant({}):fit(train)
    for _, metric in ipairs { "accuracy", "roc_auc" } do
      local r = eval.compare(good, bad, test, { metric = metric, resamples = 200 })
      assert.is_true(r.low > 0 and r.low < r.difference and r.difference < r.high)
      assert.truthy(tostring(r):find(metric .. ": 0.", 1, true))
      assert.truthy(tostring(r):find("95 % interval", 1, true))
    end
    local same = eval.compare(good, good, test, { resamples = 100 })
    assert.same({ 0, 0, 0 }, { same.low, same.difference, same.high })
  end)

  it("refuses what it cannot do, naming it", function()
    local X, y, a, b = answers(30, 5)
    assert.truthy(message(eval.compare, a, b, X, y):find("need a 'metric'", 1, true))
    assert.truthy(message(eval.compare, a, b, X, y, { resamples = 5 }):find("'resamples'", 1, true))
    assert.truthy(message(eval.compare, a, b, X, y, { metric = { f = print } })
      :find("one of moe.metrics", 1, true))
  end)
end)
