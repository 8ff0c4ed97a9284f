-- How far off a mixture is: Σ v (σ² + (f − ŷ)²) over the experts that are chosen, with v
-- the shares of their weights, from what the experts and the routing tell.
local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-6) -- weights are told in float32
local E = moe.experts

-- 1.6448536269514722 deviations hold 90 % of a Gaussian
local DEVIATIONS = 1.6448536269514722

local function moments(model, x)
  local low, high = assert(model:predict_interval(x))
  return (low + high) / 2, ((high - low) / 2 / DEVIATIONS) ^ 2
end

-- The closed form; sigma(name, x) is an expert's variance.
local function expected(m, x, sigma)
  local routed, prediction = m:route_one(x), m:predict_one(x)
  local indices, weights = routed.indices:totable()[1], routed.weights:totable()[1]
  local total, variance = 0, 0
  for k, e in ipairs(indices) do
    local name = routed.names[e]
    local off = m:expert(name):predict_one(x) - prediction
    total = total + weights[k]
    variance = variance + weights[k] * (sigma(name, x) + off * off)
  end
  return variance / total
end

local X, y = data.plane(300, 3, 1)
local noise = require("moe.core").random(1, "noise")
for i = 1, #y do
  y[i] = (X[i][1] > 0 and y[i] or 2 - y[i]) + (X[i][1] > 0 and 0.1 or 1) * noise.normal()
end

describe("a mixture's prediction interval", function()
  it("is made of what experts say of themselves and what they disagree on", function()
    for _, top_k in ipairs { 1, 2, 3 } do
      local m = moe.mixture {
        experts = { a = E.rls {}, b = E.rls { forgetting = 0.9 }, c = E.rls { adaptive = false } },
        top_k = top_k, task = "regression",
      }
      m:learn_many(X, y)
      for i = 1, 20 do
        local mean, variance = moments(m, X[i])
        near(m:predict_one(X[i]), mean)
        near(expected(m, X[i], function(name, x)
          return select(2, moments(m:expert(name), x))
        end), variance)
      end
    end
  end)

  it("of a fit takes an expert's unseen errors, where it says nothing of itself", function()
    local m = moe.mixture {
      experts = { a = E.linear {}, b = E.tree { max_depth = 2 }, c = E.rls {} }, top_k = 2,
      task = "regression",
    }
    m:fit(X, y)
    local own = m:info().noise
    for i = 1, 20 do
      local _, variance = moments(m, X[i])
      near(expected(m, X[i], function(name, x)
        if name == "c" then return select(2, moments(m:expert "c", x)) end
        return own[name] ^ 2
      end), variance)
    end
  end)

  it("holds its share of targets that are about one of two planes", function()
    local m = moe.mixture {
      experts = { a = E.linear {}, b = E.linear {} }, gate = moe.gates.softmax {},
      training = "em", restarts = 3, task = "regression",
    }
    m:fit(X, y)
    local inside, widths = 0, { left = 0, right = 0 }
    for i = 1, #y do
      local low, high = m:predict_interval(X[i], { level = 0.9 })
      if y[i] >= low and y[i] <= high then inside = inside + 1 end
      local side = X[i][1] > 0.5 and "right" or X[i][1] < -0.5 and "left" or "middle"
      widths[side] = math.max(widths[side] or 0, high - low)
    end
    assert.is_true(math.abs(inside / #y - 0.9) < 0.06, inside / #y)
    assert.is_true(widths.left > 2 * widths.right)
  end)

  it("of several targets, and of a mixture of mixtures, is of each", function()
    local both = {}
    for i = 1, #y do both[i] = { y[i], -3 * X[i][2] } end
    local m = moe.mixture { experts = { a = E.rls {}, b = E.rls { forgetting = 0.9 } } }
    m:learn_many(X, both)
    local outer = moe.mixture {
      experts = { inner = m:clone(), alone = E.rls {} }, task = "regression",
    }
    outer:learn_many(X, both)
    for _, one in ipairs { m, outer } do
      local low, high = one:predict_interval(X[1])
      local mean = one:predict_one(X[1])
      for k = 1, 2 do
        assert.is_true(low[k] < mean[k] and mean[k] < high[k])
        near(mean[k], (low[k] + high[k]) / 2)
      end
    end
  end)

  it("is refused, with the expert, where it is not known", function()
    local function refused(m, text)
      local low, message, code = m:predict_interval(X[1])
      assert.is_nil(low)
      assert.truthy(message:find(text, 1, true), message)
      assert.equal("EUNSUPPORTED", code)
    end
    local m = moe.mixture { experts = { a = E.rls {}, line = E.linear {} }, task = "regression" }
    m:learn_many(X, y)
    refused(m, "mixture: expert 'line', of type linear, does not know how far off")
    local names = {}
    for i = 1, #y do names[i] = X[i][1] > 0 and "up" or "down" end
    m = moe.mixture { experts = { a = E.logistic {}, b = E.naive_bayes {} } }
    m:learn_many(X, names)
    refused(m, "mixture: it predicts classes")
  end)
end)
