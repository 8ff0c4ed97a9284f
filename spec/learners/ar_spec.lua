-- Autoregression against least squares, known series, and its own past.
local moe = require "moe"
local data = require "spec.support.data"
local near, each_near = require("spec.support.near").within(1e-8)

local E = moe.experts

-- Numbers of mean 0 and variance 1 (Box & Muller).
local function normal(seed)
  local u = data.uniform(seed)
  return function() return math.sqrt(-2 * math.log(u())) * math.cos(2 * math.pi * u()) end
end

-- y_t = 0.5 + 1.2 y_(t-1) - 0.5 y_(t-2) + noise
local function series(n, seed, scale)
  local e, y = normal(seed), { 0, 0 }
  for t = 3, n + 2 do y[t] = 0.5 + 1.2 * y[t - 1] - 0.5 * y[t - 2] + (scale or 1) * e() end
  return y
end

-- What the model makes of two lags and no row: its answers at three points.
local function coefficients(l)
  local function at(a, b)
    local copy = l:clone()
    copy:set_params { forgetting = 1 }
    copy:learn_one({ 0 }, b, 1e-9)
    copy:learn_one({ 0 }, a, 1e-9)
    return (copy:predict_one { 0 })
  end
  local zero = at(0, 0)
  return at(1, 0) - zero, at(0, 1) - zero, zero
end

-- Least squares on (1, y_(t-1), y_(t-2)) with a penalty, by elimination.
local function least_squares(y, penalty)
  local a = {}
  for i = 1, 3 do
    a[i] = { 0, 0, 0, 0 }
    a[i][i] = penalty
  end
  for t = 1, #y do
    local z = { 1, y[t - 1] or 0, y[t - 2] or 0, y[t] }
    for i = 1, 3 do
      for j = 1, 4 do a[i][j] = a[i][j] + z[i] * z[j] end
    end
  end
  for i = 1, 3 do
    for k = 1, 3 do
      local f = k ~= i and a[k][i] / a[i][i] or 0
      for j = 1, 4 do a[k][j] = a[k][j] - f * a[i][j] end
    end
  end
  return { a[2][4] / a[2][2], a[3][4] / a[3][3], a[1][4] / a[1][1] }
end

describe("ar", function()
  it("is least squares on the last targets where nothing is forgotten", function()
    local y = series(300, 5)
    local l = E.ar { order = 2, forgetting = 1, standardize = false, ridge = 0.25 }
    for _, value in ipairs(y) do l:learn_one({ 0 }, value) end
    each_near(least_squares(y, 0.25), { coefficients(l) }, 1e-6)
  end)

  it("finds the coefficients of a known series, to their standard errors", function()
    -- of n samples: sqrt((1 - b²) / n) each (Box & Jenkins), b = -0.5
    local n = 4000
    local l = E.ar { order = 2, forgetting = 1 }
    for _, value in ipairs(series(n, 7, 1000)) do l:learn_one({ 0 }, value) end
    local a, b = coefficients(l)
    local deviation = math.sqrt((1 - 0.25) / n)
    assert.is_true(math.abs(a - 1.2) < 3 * deviation, a)
    assert.is_true(math.abs(b + 0.5) < 3 * deviation, b)
  end)

  it("follows coefficients that change", function()
    local l, e, y, errors = E.ar { order = 1, forgetting = 0.98 }, normal(3), 0, 0
    for t = 1, 2000 do
      local now = (t <= 1000 and 0.9 or -0.9) * y + e()
      if t > 1200 then errors = errors + (l:predict_one { 0 } - now) ^ 2 / 800 end
      l:learn_one({ 0 }, now)
      y = now
    end
    assert.is_true(errors < 1.15, errors)
  end)

  it("sees the row besides", function()
    local l, u = E.ar { order = 3, standardize = false }, data.uniform(4)
    local before = 0
    for _ = 1, 500 do
      local x = u()
      before = 0.5 * before + 3 * x
      l:learn_one({ x }, before)
    end
    near(0.5 * before + 3 * 0.25, l:predict_one { 0.25 }, 1e-3)
  end)

  it("learns which class follows which", function()
    local l, right = E.ar { order = 2 }, 0
    for i = 1, 300 do
      local y = ("abcab"):sub(i % 5 + 1, i % 5 + 1) -- after "ab" comes "c" or "a"
      if i > 250 and l:predict_one { 0 } == y then right = right + 1 end
      l:learn_one({ 0 }, y)
    end
    assert.is_true(right >= 39, right)
    assert.same({ "a", "b", "c" }, l:classes())
  end)

  it("remembers the targets of rows that come by, and learns nothing from them", function()
    local l = E.ar { order = 1, forgetting = 1, standardize = false }
    for i = 1, 100 do l:learn_one({ 0 }, i % 2 == 0 and 1 or -1) end
    l:learn_one({ 0 }, 7, 0)
    assert.equal(100, l:info().n_seen)
    near(-7, l:predict_one { 0 }, 0.05)
    local c = E.ar { order = 1, ridge = 0.1 }
    for i = 1, 300 do c:learn_one({ 0 }, ({ "a", "b", "c" })[i % 3 + 1]) end
    for _, told in ipairs { "b", "a", "c" } do
      c:learn_one({ 0 }, told, 0)
      assert.equal(({ a = "b", b = "c", c = "a" })[told], c:predict_one { 0 })
    end
  end)

  it("remembers the targets that others of a mixture learn", function()
    local X, y = {}, {}
    for i = 1, 100 do X[i], y[i] = { 0 }, i % 2 == 0 and 1 or -1 end
    local l = E.ar { order = 1, forgetting = 1, standardize = false }
    l:learn_many(X, y)
    local m = moe.mixture {
      experts = { a = E.constant {}, b = l }, gate = moe.gates.uniform {}, top_k = 1,
      stream = moe.streaming {
        teach = "chosen", feedback = "partial", warmup = 0, balance = "none",
      },
    }
    for i = 1, 10 do m:learn_one({ 0 }, 3 * i) end
    assert.equal(100, m:expert "b":info().n_seen)
    near(-30, m:expert "b":predict_one { 0 }, 0.2)
  end)

  it("remembers the latest classes when a new one comes, and in a file", function()
    local l = E.ar { order = 1, ridge = 0.1 }
    for i = 1, 200 do l:learn_one({ 0 }, i % 2 == 0 and "m" or "z") end
    l:learn_one({ 0 }, "a")
    l:learn_one({ 0 }, "z")
    local again = assert(moe.undump(l:dump()))
    for _, o in ipairs { l, again } do
      local p = o:predict_proba_one { 0 }
      assert.is_true(p.m > 0.8, p.m)
      near(1, p.a + p.m + p.z)
    end
  end)

  it("predicts several series, each from all", function()
    local l = E.ar { order = 1, standardize = false, ridge = 1e-9 }
    local a, b = 1, 0
    for _ = 1, 300 do
      a, b = 0.8 * a - 0.6 * b, 0.6 * a + 0.8 * b
      l:learn_one({ 0 }, { a, b })
    end
    local found = l:predict_one { 0 }
    near(0.8 * a - 0.6 * b, found[1], 0.01)
    near(0.6 * a + 0.8 * b, found[2], 0.01)
  end)

  it("stays finite for huge numbers, constants and any weight", function()
    for _, standardize in ipairs { true, false } do
      local l, u = E.ar { standardize = standardize }, data.uniform(8)
      for i = 1, 2000 do
        local huge = i % 100 == 0 and 1e300 or i % 70 == 0 and -1e200 or 1
        l:learn_one({ huge, 5 }, i < 500 and 3 or u() * huge, 10 ^ (600 * u() - 300))
        local y = l:predict_one { huge, 5 }
        assert.is_true(y == y and math.abs(y) < math.huge)
      end
      assert(moe.undump(l:dump()))
    end
  end)
end)
