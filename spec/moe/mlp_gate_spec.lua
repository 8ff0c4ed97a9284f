-- The gate with hidden layers, and what all gates that learn by gradients have.
local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-6)

local G = moe.gates

-- The first of two experts is right within a ring, the second outside: no
-- linear gate can tell.
local function rings(n, seed)
  local u, X, scores = data.uniform(seed or 5), {}, {}
  for i = 1, n do
    local a, b = 2 * u() - 1, 2 * u() - 1
    local r = a * a + b * b
    X[i] = { a, b }
    scores[i] = r > 0.2 and r < 0.8 and { math.log(0.9), math.log(0.1) }
      or { math.log(0.1), math.log(0.9) }
  end
  return X, scores
end

-- Both are as likely to be right anywhere, the first a little more.
local function coins(n)
  local u, X, scores = data.uniform(6), {}, {}
  for i = 1, n do
    X[i] = { u() - 0.5, u() - 0.5 }
    scores[i] = u() < 0.7 and { 0, -3 } or { -3, 0 }
  end
  return X, scores
end

local function likelihood(gate, X, scores)
  local p, sum = gate:forward(X), 0
  for i, row in ipairs(scores) do
    local mixed = 0
    for e, v in ipairs(row) do mixed = mixed + p:get(i, e) * math.exp(v) end
    sum = sum + math.log(mixed)
  end
  return sum / #scores
end

local function mean(gate, X)
  local p, sum = gate:forward(X), 0
  for i = 1, #X do sum = sum + p:get(i, 1) / #X end
  return sum
end

local function fitted(make, X, scores, options)
  local gate = make(options)
  gate:fit(X, scores)
  return gate
end

describe("the mlp gate", function()
  it("learns borders that a linear gate cannot", function()
    local X, scores = rings(400)
    local Xt, unseen = rings(200, 99)
    local mlp = fitted(G.mlp, X, scores, { epochs = 300 })
    local linear = fitted(G.softmax, X, scores)
    assert.is_true(likelihood(mlp, Xt, unseen) > -0.3, likelihood(mlp, Xt, unseen))
    assert.is_true(likelihood(linear, Xt, unseen) < -0.5)
  end)

  it("gives a row by itself the bits that it has among others", function()
    local X, scores = rings(37)
    local gate = fitted(G.mlp, X, scores)
    local all = gate:forward(X):totable()
    for i, row in ipairs(X) do assert.same(all[i], gate:forward({ row }):totable()[1]) end
  end)
end)

for name, make in pairs { softmax = G.softmax, mlp = G.mlp } do
  describe("the " .. name .. " gate", function()
    it("sharpens below temperature 1, by its power", function()
      local X, scores = rings(60)
      local one, half = fitted(make, X, scores), fitted(make, X, scores, { temperature = 0.5 })
      local p, q = one:forward(X), half:forward(X)
      for i = 1, #X do
        local sum = p:get(i, 1) ^ 2 + p:get(i, 2) ^ 2
        near(p:get(i, 1) ^ 2 / sum, q:get(i, 1), 1e-5)
      end
    end)

    it("is brought to balance by its weight", function()
      local X, scores = coins(300)
      local free = mean(fitted(make, X, scores), X)
      local held = mean(fitted(make, X, scores, { load_balance = 100 }), X)
      assert.is_true(free > 0.6, free)
      assert.is_true(math.abs(held - 0.5) < 0.02, held)
    end)

    it("is kept undecided by entropy, and made to decide below 0", function()
      local X, scores = rings(200)
      local function entropy(weight)
        local p, sum = fitted(make, X, scores, { entropy = weight }):forward(X), 0
        for i = 1, #X do
          for e = 1, 2 do
            local g = p:get(i, e)
            sum = sum - (g > 0 and g * math.log(g) or 0) / #X
          end
        end
        return sum
      end
      local undecided, free, decided = entropy(2), entropy(0), entropy(-2)
      assert.is_true(undecided > free + 1e-3, undecided .. " " .. free)
      assert.is_true(decided < free - 1e-3, decided .. " " .. free)
    end)

    -- One expert is right in 0.8 of the rows of each side, which a gate that is
    -- made to decide exaggerates.
    it("is calibrated on rows that it was not fitted to", function()
      local u, X, scores = data.uniform(17), {}, {}
      for i = 1, 2000 do
        local side = u() < 0.5 and -1 or 1
        X[i] = { side }
        local right = u() < 0.8
        scores[i] = (right == (side > 0)) and { 0, -30 } or { -30, 0 }
      end
      local sure = fitted(make, X, scores, { entropy = -0.5 })
      local calibrated = fitted(make, X, scores, { entropy = -0.5, calibrate = true })
      assert.is_true(sure:forward({ { 1 } }):get(1, 1) > 0.86)
      near(0.8, calibrated:forward({ { 1 } }):get(1, 1), 0.05)
      near(0.2, calibrated:forward({ { -1 } }):get(1, 1), 0.05)
    end)

    it("keeps groups together when it holds rows out", function()
      local X, scores = rings(40)
      local groups = {}
      for i = 1, #X do groups[i] = "same" end
      local plain = fitted(make, X, scores)
      local gate = make { calibrate = true }
      gate:fit(X, scores, { groups = groups })
      assert.same(plain:forward(X):totable(), gate:forward(X):totable())
    end)
  end)
end
