-- m:explain(x): who answered, and which features moved whom.
local moe = require "moe"
local data = require "spec.support.data"
local near = require "spec.support.near"

local E, G = moe.experts, moe.gates
local number = near.within(1e-6)

-- y is 3 x1 where x2 > 0 and −2 x3 elsewhere.
local function world(n)
  local uniform, X, y, subsets = data.uniform(5), {}, {}, {}
  for i = 1, n do
    X[i] = { 2 * uniform() - 1, 2 * uniform() - 1, 2 * uniform() - 1 }
    local first = X[i][2] > 0
    y[i] = first and 3 * X[i][1] or -2 * X[i][3]
    subsets[i] = first and "first" or "second"
  end
  return X, y, subsets
end

local function mixture(options)
  local X, y, subsets = world(200)
  local all = {
    experts = { first = E.linear {}, second = E.linear {} }, gate = G.softmax { l2 = 0.1 },
  }
  for name, value in pairs(options or {}) do all[name] = value end
  local m = moe.mixture(all)
  return m:fit(X, y, { subsets = subsets }), X, y
end

describe("explain", function()
  it("names the features that moved the gate and the chosen experts", function()
    local m = mixture { top_k = 1 }
    local x = { 0.5, 0.9, -0.25 }
    local e = m:explain(x)
    local chosen, other = e.experts[1], e.experts[2]
    assert.equal("first", chosen.name)
    assert.equal(1, chosen.features[1].name)
    number(1.5, chosen.features[1].value, 1e-3) -- 3 x1
    assert.equal(2, chosen.gate_features[1].name)
    assert.is_true(chosen.gate_features[1].value > 0)
    number(-chosen.gate_features[1].value, other.gate_features[1].value)
    assert.is_nil(other.features) -- it was not asked
    e = m:explain { 0.5, -0.9, -0.25 }
    assert.equal("second", e.experts[1].name)
    assert.equal(3, e.experts[1].features[1].name)
    number(0.5, e.experts[1].features[1].value, 1e-3)
  end)

  it("tells no more features than asked for, the largest first", function()
    local m = mixture()
    local x = { 0.5, 0.1, -0.25 }
    for n = 0, 3 do
      local e = m:explain(x, { features = n })
      assert.equal(n, #e.experts[1].features)
      assert.equal(n, #e.experts[1].gate_features)
      for k = 2, n do
        local list = e.experts[1].gate_features
        assert.is_true(math.abs(list[k - 1].value) >= math.abs(list[k].value))
      end
    end
    assert.has_error(function() m:explain(x, { features = -1 }) end)
    assert.has_error(function() m:explain(x, { feature = 1 }) end)
  end)

  it("takes of a classifier what speaks for the class that it answers", function()
    local X, y = world(150)
    for i = 1, #y do y[i] = y[i] > 0 and "up" or "down" end
    local m = moe.mixture { experts = { a = E.tree { max_depth = 4 }, b = E.logistic {} } }
    m:fit(X, y)
    local e = m:explain(X[4], { features = 3 })
    for _, one in ipairs(e.experts) do
      local found = m:expert(one.name):contributions(X[4])[one.prediction]
      for _, feature in ipairs(one.features) do
        number(found[feature.name], feature.value)
      end
    end
  end)

  it("goes without where the gate or an expert cannot tell", function()
    local X, y = world(100)
    local m = moe.mixture { experts = { a = E.knn {}, b = E.linear {} }, gate = G.uniform {} }
    m:fit(X, y)
    local e = m:explain(X[1])
    for _, one in ipairs(e.experts) do
      assert.is_nil(one.gate_features)
      if one.name == "a" then assert.is_nil(one.features) end
      if one.name == "b" then assert.is_table(one.features) end
    end
    assert.truthy(tostring(e):find("moved by", 1, true))
    assert.is_nil(tostring(e):find("gate moved by", 1, true))
  end)

  it("prints a line an expert, with columns by name where they have names", function()
    local X, y = world(100)
    local named = moe.tensor(X)
    named.names = { "age", "size", "colour" }
    local m = moe.mixture { experts = { a = E.linear {}, b = E.constant {} } }
    m:fit(named, y)
    local printed = tostring(m:explain { age = 1, size = 0.5, colour = -1 })
    assert.truthy(printed:find "prediction: ")
    assert.truthy(printed:find "gate moved by")
    assert.truthy(printed:find "colour [+-]%d")
    assert.truthy(tostring(mixture():explain { 1, 1, 1 }):find("x[1] +", 1, true))
  end)
end)
