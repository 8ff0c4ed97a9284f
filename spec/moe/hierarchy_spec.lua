-- Mixtures of mixtures: one likelihood, which all levels climb together.
local moe = require "moe"
local data = require "spec.support.data"

local E, G = moe.experts, moe.gates

-- Rows of 2 numbers in 4 regions, a plane each, and noise.
local function regions(n, seed)
  local uniform, X, y = data.uniform(seed), {}, {}
  local slopes = { { 3, 1, 0 }, { -2, 2, 3 }, { 1, -3, -2 }, { 0, 2, 1 } }
  for i = 1, n do
    local a, b = 2 * uniform() - 1, 2 * uniform() - 1
    local s = slopes[1 + (a > 0 and 1 or 0) + (b > 0 and 2 or 0)]
    X[i], y[i] = { a, b }, s[1] * a + s[2] * b + s[3] + 0.3 * (uniform() - 0.5)
  end
  return X, y
end

local function pair(kind, options)
  local all = { experts = { E[kind] {}, E[kind] {} }, gate = G.softmax { l2 = 0.1 } }
  for name, value in pairs(options or {}) do all[name] = value end
  return moe.mixture(all)
end

local function two_levels(kind, options)
  local all = {
    experts = { left = pair(kind), right = pair(kind) },
    gate = G.softmax { l2 = 0.1 },
    training = "em",
    tol = 1e-10,
  }
  for name, value in pairs(options or {}) do all[name] = value end
  return moe.mixture(all)
end

local function never_falls(history)
  local list = history.log_likelihood
  for i = 2, #list do
    local text = ("round %d: %.17g after %.17g"):format(i, list[i], list[i - 1])
    assert.is_true(list[i] >= list[i - 1], text)
  end
  return list
end

describe("a hierarchy", function()
  it("never loses likelihood in em, on random problems", function()
    for seed = 1, 5 do
      local X, y = regions(160, seed)
      local _, history = two_levels("linear", { rounds = 25, seed = seed }):fit(X, y)
      assert.is_true(#never_falls(history) > 3)
    end
  end)

  it("never loses it with classes, or three levels, or experts of all kinds", function()
    local X, y = regions(160, 8)
    local labels = {}
    for i, v in ipairs(y) do labels[i] = v > 1 and "high" or v > -1 and "middle" or "low" end
    local _, history = two_levels("logistic", { rounds = 12 }):fit(X, labels)
    never_falls(history)
    local m = moe.mixture {
      experts = { deep = two_levels "linear", tree = E.tree { max_depth = 2 }, line = E.linear {} },
      gate = G.softmax {}, training = "em", rounds = 12, tol = 1e-10,
    }
    _, history = m:fit(X, y)
    never_falls(history)
  end)

  it("is as likely as its parts say: two levels are one mixture of four", function()
    local X, y = regions(120, 3)
    local m = two_levels("linear", { rounds = 8 })
    local _, history = m:fit(X, y)
    local list, sum = history.log_likelihood, 0
    local top = m:route(X).probs
    for i = 1, #X do
      local p = 0
      for e, name in ipairs { "left", "right" } do
        local child = m:expert(name)
        local gate, noise = child:route({ X[i] }).probs, child:info().noise
        for k = 1, 2 do
          local s = noise[tostring(k)]
          local r = (child:expert(k):predict_one(X[i]) - y[i]) / s
          p = p + top:get(i, e) * gate:get(1, k) * math.exp(-r * r / 2) / s / math.sqrt(2 * math.pi)
        end
      end
      sum = sum + math.log(p)
    end
    assert.is_true(math.abs(sum - list[#list]) < 1e-3, ("%g %g"):format(sum, list[#list]))
  end)

  it("finds four planes that one pair of experts cannot", function()
    local X, y = regions(600, 3)
    local m = two_levels("linear", { rounds = 60, tol = 1e-6, restarts = 3 })
    m:fit(X, y)
    local flat = pair("linear", { training = "em" })
    flat:fit(X, y)
    assert.is_true(m:score(X, y) > flat:score(X, y) + 0.03)
    assert.is_true(m:score(X, y) > 0.97, tostring(m:score(X, y)))
  end)

  it("goes on as a whole: the same numbers saved, loaded and refined", function()
    local X, y = regions(120, 3)
    local m = two_levels("linear", { rounds = 3 })
    m:fit(X, y)
    local again = assert(moe.undump(m:dump()))
    local _, one = m:fit(X, y, { warm = true, rounds = 4 })
    local _, two = again:fit(X, y, { warm = true, rounds = 4 })
    assert.same(never_falls(one), two.log_likelihood)
    assert.is_true(m:dump() == again:dump())
  end)
end)
