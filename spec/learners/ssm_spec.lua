-- The linear state space model against its recursion, written out.
local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-7)

local E = moe.experts

-- The states' features of rows of d columns, as the first lines of ssm.c say.
local function features(rows, size, longest, turns)
  local d, out, state = #rows[1], {}, {}
  local columns = math.min(d, size)
  for k = 0, size - 1 do
    local states = math.ceil((size - k % columns) / columns)
    local time = longest ^ ((math.floor(k / columns) + 0.5) / states)
    local angle, length = 2 * math.pi * turns / time, math.exp(-1 / time)
    local re, im = length * math.cos(angle), length * math.sin(angle)
    state[k] = { a = re, b = im, pull = math.sqrt((1 - re) ^ 2 + im ^ 2), re = 0, im = 0 }
  end
  for t, x in ipairs(rows) do
    local z = { 1 }
    for j = 1, d do z[j + 1] = x[j] end
    for k = 0, size - 1 do
      local s, sum = state[k], 0
      for j = k % d, d - 1, size do sum = sum + x[j + 1] end
      s.re, s.im = s.a * s.re - s.b * s.im + s.pull * sum, s.a * s.im + s.b * s.re
      z[d + 2 + k], z[d + 2 + size + k] = s.re, s.im
    end
    out[t] = z
  end
  return out
end

-- Recursive least squares in its textbook form; the prediction before each.
local function predictions(Z, y, forgetting, ridge)
  local n, P, w, out = #Z[1], {}, {}, {}
  for i = 1, n do
    P[i], w[i] = {}, 0
    for j = 1, n do P[i][j] = i == j and 1 / ridge or 0 end
  end
  for t, z in ipairs(Z) do
    local Pz, sum, said = {}, forgetting, 0
    for i = 1, n do
      Pz[i], said = 0, said + w[i] * z[i]
      for j = 1, n do Pz[i] = Pz[i] + P[i][j] * z[j] end
    end
    out[t] = said
    for i = 1, n do sum = sum + z[i] * Pz[i] end
    for i = 1, n do
      w[i] = w[i] + Pz[i] / sum * (y[t] - said)
      for j = 1, n do P[i][j] = (P[i][j] - Pz[i] * Pz[j] / sum) / forgetting end
    end
  end
  return out
end

describe("ssm", function()
  for _, case in ipairs { { d = 1, size = 3 }, { d = 2, size = 5 }, { d = 5, size = 2 } } do
    it(("is the recursion: %d columns, %d states"):format(case.d, case.size), function()
      local u, X, y = data.uniform(3), {}, {}
      for t = 1, 150 do
        X[t] = {}
        for j = 1, case.d do X[t][j] = 2 * u() - 1 end
        y[t] = X[t][1] + 2 * (t > 4 and X[t - 4][1] or 0) + u()
      end
      local expected = predictions(features(X, case.size, 20, 0.3), y, 1, 0.5)
      local l = E.ssm {
        size = case.size, longest = 20, turns = 0.3,
        forgetting = 1, ridge = 0.5, standardize = false,
      }
      for t = 1, #y do
        if t > 1 then near(expected[t], l:predict_one(X[t])) end
        l:learn_one(X[t], y[t])
      end
    end)
  end

  it("sees a sum over the last samples, near and far", function()
    local u, l, slow, errors = data.uniform(5), E.ssm { longest = 50 }, 0, 0
    for t = 1, 3000 do
      local x = 2 * u() - 1
      slow = 0.95 * slow + x
      if t > 2000 then errors = errors + (l:predict_one { x } - slow) ^ 2 / 1000 end
      l:learn_one({ x }, slow)
    end
    -- the deviation of the sum is sqrt(1/3 / (1 - 0.95²)) = 1.85
    assert.is_true(math.sqrt(errors) < 0.15, errors)
  end)

  it("tells classes by their past: whether the price is above its mean of late", function()
    local u, l, right, level, mean = data.uniform(7), E.ssm {}, 0, 0, 0
    for t = 1, 3000 do
      level = level + u() - 0.5
      local y = level > mean and "above" or "below"
      if t > 1000 and l:predict_one { level } == y then right = right + 1 end
      l:learn_one({ level }, y)
      mean = mean + 0.1 * (level - mean)
    end
    assert.is_true(right / 2000 > 0.9, right)
  end)

  it("moves on for rows of weight 0, and keeps its memory in a file", function()
    local u, l = data.uniform(9), E.ssm {}
    for _ = 1, 100 do l:learn_one({ u() }, u()) end
    local before = l:predict_one { 0.5 }
    local again = assert(moe.undump(l:dump()))
    assert.equal(before, (again:predict_one { 0.5 }))
    for _, o in ipairs { l, again } do
      o:learn_many({ { 9 }, { 0.5 } }, { 0, before }, { weights = { 0, 1e-9 } })
    end
    assert.is_true(math.abs(before - l:predict_one { 0.5 }) > 1e-6)
    assert.equal(l:predict_one { 0.5 }, (again:predict_one { 0.5 }))
  end)

  it("stays finite for huge numbers, constants and slow states", function()
    local u = data.uniform(2)
    for _, standardize in ipairs { true, false } do
      local l = E.ssm { longest = 1e9, turns = 0, standardize = standardize }
      for i = 1, 2000 do
        l:learn_one({ i % 50 == 0 and 1e300 or u(), 5 }, i % 90 == 0 and -1e300 or u())
        local y = l:predict_one { u(), 1e200 }
        assert.is_true(y == y and math.abs(y) < math.huge)
      end
      assert(moe.undump(l:dump()))
    end
  end)
end)
