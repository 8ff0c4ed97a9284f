-- What a model loses without a feature, and a mixture without an expert.
local moe = require "moe"
local near = require "spec.support.near"
local random = require "spec.support.data"
local E, G, T, eval = moe.experts, moe.gates, moe.transforms, moe.eval

local close = near.within(1e-6)

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

describe("importance", function()
  -- Of y = 2a + b + 0c with independent features of variance v the squared error
  -- grows by 2·coefficient²·v when a feature is permuted: 8v, 2v, 0; v = 1/12.
  local function plane()
    local u, X, y = random.uniform(5), {}, {}
    for i = 1, 1500 do
      X[i] = { u(), u(), u() }
      y[i] = 2 * X[i][1] + X[i][2]
    end
    return X, y
  end

  it("is what the closed form says of a linear model", function()
    local X, y = plane()
    local model = E.linear({}):fit(X, y)
    local found = eval.importance(model, X, y, { metrics = "mse", repeats = 6 })
    close(0, found.baseline, 1e-3)
    close(8 / 12, found.features[1].mean, 0.04)
    close(2 / 12, found.features[2].mean, 0.02)
    close(0, found.features[3].mean, 1e-3)
    assert.equal("x1", found.ranked[1].name)
    assert.equal(6, #found.features[1].losses)
    assert.truthy(tostring(found):find("feature  loss of mse\nx1", 1, true))
  end)

  it("is the same of a table, a tensor and an array, in any number of processes", function()
    local t = moe.data.make_classification { rows = 80, features = 5, informative = 3,
      redundant = 0, seed = 2 }
    local X, y = t:xy()
    local model = E.forest({ trees = 5 }):fit(X, y)
    local expected = eval.importance(model, t, { processes = 1 })
    for n = 1, 2 do
      assert.same(expected.features, eval.importance(model, t, { processes = n }).features)
      assert.same(expected.features, eval.importance(model, X, y, { processes = n }).features)
    end
    local bare = eval.importance(model, X:totable(), y)
    for j = 1, 5 do assert.same(expected.features[j].losses, bare.features[j].losses) end
  end)

  it("takes tables with words, and only the features asked for", function()
    local a, b, y = {}, {}, {}
    for i = 1, 90 do
      a[i], b[i] = i % 3 == 0 and "x" or "y", i % 2
      y[i] = a[i] == "x" and "yes" or "no"
    end
    local t = moe.data.table { columns = { a = a, b = b, y = y }, target = "y" }
    local p = moe.pipeline { T.one_hot {}, E.tree {} }
    p:fit(t)
    local found = eval.importance(p, t, { features = { "a" } })
    assert.equal(1, #found.features)
    assert.is_true(found.features[1].mean > 0.3)
    assert.equal(0, eval.importance(p, t, { features = { "b" } }).features[1].mean)
    assert.truthy(message(eval.importance, p, t, { features = { "c" } }):find("'c'", 1, true))
  end)

  it("leaves the rows as they were, and refuses a sparse matrix", function()
    local X, y = plane()
    local tensor = moe.tensor(X)
    local before = tensor:totable()
    local model = E.linear({}):fit(tensor, y)
    eval.importance(model, tensor, y, { repeats = 1 })
    assert.same(before, tensor:totable())
    local sparse = moe.sparse { { 1 }, { 2 }, columns = 3 }
    assert.truthy(message(eval.importance, model, sparse, { 1, 2 }):find("sparse", 1, true))
  end)
end)

describe("expert_importance", function()
  local function two_laws(n)
    local u, X, y, region = random.uniform(9), {}, {}, {}
    for i = 1, n do
      local a, b = 2 * u() - 1, 2 * u() - 1
      X[i], region[i] = { a, b }, a < 0 and "left" or "right"
      y[i] = a < 0 and 2 * b - 1 or -3 * b + 4
    end
    return X, y, region
  end

  it("is what the others would lose who answer in its place", function()
    local X, y, region = two_laws(200)
    local m = moe.mixture {
      experts = { left = E.linear {}, right = E.linear {} },
      gate = G.softmax {}, top_k = 1,
    }
    m:fit(X, y, { subsets = region })
    local found = eval.expert_importance(m, X, y, { metrics = "mse" })
    close(moe.metrics.mse(y, m:predict(X)), found.baseline)
    for e, name in ipairs { "left", "right" } do
      local other = m:expert(e == 1 and "right" or "left"):predict(X)
      close(moe.metrics.mse(y, other) - found.baseline, found.experts[e].mean)
      assert.equal(name, found.experts[e].name)
      close(m:stats(X).load[name], found.experts[e].share)
    end
    assert.truthy(tostring(found):find("expert  loss of mse", 1, true))
  end)

  it("starts from what the mixture answers, whatever its routing", function()
    local t = moe.data.make_classification { rows = 150, features = 6, informative = 4,
      redundant = 0, classes = 3, seed = 3 }
    local X, y = t:xy()
    for k = 1, 3 do
      local m = moe.mixture {
        experts = { a = E.tree { max_depth = 3 }, b = E.logistic {}, c = E.constant {} },
        top_k = k, folds = 3,
      }
      m:fit(X, y)
      local found = eval.expert_importance(m, X, y, { metrics = "log_loss" })
      close(moe.metrics.log_loss(y, m:predict_proba(X), m:classes()), found.baseline)
      assert.equal(3, #found.ranked)
    end
  end)

  it("looks behind a pipeline, and refuses what has no experts to spare", function()
    local X, y, region = two_laws(60)
    local m = moe.mixture { experts = { left = E.linear {}, right = E.linear {} } }
    local p = moe.pipeline { T.standard_scaler {}, m }
    p:fit(X, y, { subsets = region })
    local found = eval.expert_importance(p, X, y)
    close(p:score(X, y), found.baseline)
    local alone = moe.mixture { experts = { E.linear {} } }
    alone:fit(X, y)
    assert.truthy(message(eval.expert_importance, alone, X, y):find("one expert alone", 1, true))
  end)
end)
