-- What a mixture makes of the routing core: options of a call, and the bias.
local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-6)

local E, G = moe.experts, moe.gates

-- Three classes; the first expert knows two thirds of the rows best.
local function mixture(options)
  local uniform, X, y, subsets = data.uniform(9), {}, {}, {}
  for i = 1, 240 do
    local x = uniform()
    X[i] = { x, uniform() }
    y[i] = X[i][2] > 0.5 and "up" or "down"
    subsets[i] = x < 0.66 and "a" or x < 0.9 and "b" or "c"
    if subsets[i] ~= "a" then y[i] = y[i] == "up" and "down" or "up" end
    if subsets[i] == "c" then y[i] = "never" end
  end
  local all = {
    experts = {
      a = E.tree { max_depth = 3 }, b = E.tree { max_depth = 3 }, c = E.tree { max_depth = 3 },
    },
    gate = G.softmax { l2 = 0.01 },
    top_k = 1,
    objective = "best_expert",
  }
  for name, value in pairs(options or {}) do all[name] = value end
  local m = moe.mixture(all)
  m:fit(X, y, { subsets = subsets })
  return m, X
end

describe("m:route with options", function()
  local m, X = mixture()

  it("takes what is not given from the mixture", function()
    local r = m:route(X)
    assert.same({ 240, 1 }, r.indices.shape)
    assert.same({ "a", "b", "c" }, r.names)
    r = m:route(X, { top_k = 2, renormalize = false })
    assert.same({ 240, 2 }, r.indices.shape)
    near(r.probs:get(1, r.indices:get(1, 2)), r.weights:get(1, 2))
    assert.has_error(function() m:route(X, { topk = 2 }) end)
    assert.has_error(function() m:route(X, { top_k = 4 }) end)
  end)

  it("limits the capacity when asked to, and no prediction by it", function()
    local before = m:predict(X)
    local r = m:route(X, { eval_capacity_factor = 1 })
    for e = 1, 3 do assert.is_true(r.counts:get(e) <= 80) end
    assert.is_true(r.dropped > 0)
    assert.equal(0, m:route(X).dropped)
    assert.same(before, m:predict(X))
  end)

  it("has the methods of a routing", function()
    local stats, given = m:route(X):stats(), m:stats(X)
    near(given.maxvio, stats.maxvio)
    near(given.load.a, stats.load[1])
    assert.is_true(m:route(X):loss "switch" > 1)
  end)
end)

describe("a mixture with balance = bias", function()
  local plain = mixture()
  local m, X = mixture { balance = "bias" }

  it("shares its training rows evenly, one by one or together", function()
    local before, after = plain:stats(X).load, m:stats(X).load
    assert.is_true(before.a > 0.5)
    for _, load in pairs(after) do near(1 / 3, load, 0.05) end
    near(after.a, m:info().load.a)
    local bias = m:info().bias
    near(0, bias.a + bias.b + bias.c)
    for i = 1, 240, 40 do
      assert.equal(m:route(X).indices:get(i, 1), m:route_one(X[i]).indices:get(1, 1))
    end
  end)

  it("keeps its bias in files, and probabilities and weights without it", function()
    local again = moe.undump(m:dump())
    assert.same(m:route(X).indices:totable(), again:route(X).indices:totable())
    assert.same(m:predict(X), again:predict(X))
    assert.same(plain:route(X).probs:totable(), m:route(X).probs:totable())
  end)

  it("is as if there were none once that is taken back, or all experts answer", function()
    local copy = m:clone()
    copy:set_params { balance = "none" }
    assert.same(plain:predict(X), copy:predict(X))
    local all, biased = mixture { top_k = 3 }, mixture { top_k = 3, balance = "bias" }
    assert.same(all:predict_proba(X):totable(), biased:predict_proba(X):totable())
  end)

  it("survives the failure of any allocation", function()
    local rows, labels = { { 0, 1 }, { 1, 0 }, { 1, 1 }, { 0, 0 } }, { "x", "y", "x", "y" }
    require("spec.support.allocations").fail(function()
      local small = moe.mixture {
        experts = { a = E.constant {}, b = E.constant {} },
        gate = G.uniform {}, top_k = 1, balance = "bias", folds = 2,
      }
      small:fit(rows, labels)
      small:route(rows, { eval_capacity_factor = 1, overflow = "next_best" })
    end)
  end)
end)
