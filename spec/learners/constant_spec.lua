-- All expected values are in closed form: shares, means and medians.
local moe = require "moe"

local E = moe.experts

local function near(expected, value)
  assert.is_true(math.abs(expected - value) <= 1e-12 * math.max(1, math.abs(expected)),
    ("%.17g is not %.17g"):format(value, expected))
end

-- n rows of one column that says nothing.
local function rows(n)
  local X = {}
  for i = 1, n do X[i] = { i } end
  return X
end

local function fitted(options, y, weights)
  local c = E.constant(options)
  c:fit(rows(#y), y, { weights = weights })
  return c
end

describe("the constant expert", function()
  it("predicts the share of each class, and the most frequent one", function()
    local c = fitted({}, { "a", "b", "b", "c", "b", "a" })
    assert.same({ "a", "b", "c" }, c:classes())
    local p = c:predict_proba_one { 99 }
    near(2 / 6, p.a)
    near(3 / 6, p.b)
    near(1 / 6, p.c)
    assert.equal("b", c:predict_one { 0 })
    assert.same({ "b", "b" }, c:predict { { 1 }, { 2 } })
  end)

  it("takes the first of equally frequent classes", function()
    assert.equal("a", (fitted({}, { "b", "a", "c" }):predict_one { 0 }))
  end)

  it("predicts the mean of numbers, or their median", function()
    near(4, fitted({}, { 1, 2, 9 }):predict_one { 0 })
    near(2, fitted({ statistic = "median" }, { 9, 1, 2 }):predict_one { 0 })
    near(1.5, fitted({ statistic = "median" }, { 9, 1, 2, -5 }):predict_one { 0 })
    near(7, fitted({ statistic = "median" }, { 7 }):predict_one { 0 })
  end)

  it("weighs its rows", function()
    near((1 * 1 + 3 * 2 + 0 * 9) / 4, fitted({}, { 1, 2, 9 }, { 1, 3, 0 }):predict_one { 0 })
    near(2, fitted({ statistic = "median" }, { 1, 2, 9 }, { 1, 3, 1 }):predict_one { 0 })
    -- Half of the weight is at 1: the middle between it and the next that counts.
    near(5, fitted({ statistic = "median" }, { 1, 2, 9 }, { 2, 0, 2 }):predict_one { 0 })
    near(0.75, fitted({}, { "a", "b" }, { 3, 1 }):predict_proba_one({ 0 }).a)
  end)

  it("predicts several numbers, each by itself", function()
    local y = { { 1, 10 }, { 2, 30 }, { 6, 20 } }
    local c = E.constant {}
    c:fit(rows(3), y)
    assert.same({ 3, 20 }, c:predict_one { 0 })
    c = E.constant { statistic = "median" }
    c:fit(rows(3), y)
    assert.same({ 2, 20 }, c:predict_one { 0 })
  end)

  it("is told what numbers are: quantities or classes", function()
    near(0.75, fitted({}, { 0, 1, 1, 1 }):predict_one { 0 })
    local c = fitted({ task = "classification" }, { 0, 1, 1, 1 })
    assert.equal(1, (c:predict_one { 0 }))
    near(0.25, c:predict_proba_one({ 0 })[0])
  end)

  it("learns a stream as if it had been there all at once", function()
    local y = { 3, 1, 4, 1, 5, 9, 2, 6 }
    local c = E.constant {}
    assert.equal(0, c:predict_one { 0 })
    for i = 1, #y do
      c:learn_one({ i }, y[i], i)
      local sum, weight = 0, 0
      for k = 1, i do sum, weight = sum + k * y[k], weight + k end
      near(sum / weight, c:predict_one { 0 })
    end
    assert.equal(#y, c:info().n_seen)
  end)

  it("meets new classes in a stream", function()
    local c = E.constant { task = "classification" }
    assert.is_nil((c:predict_one { 0 }))
    for _, label in ipairs { "m", "z", "a", "m" } do c:learn_one({ 1 }, label) end
    assert.same({ "a", "m", "z" }, c:classes())
    local p = c:predict_proba_one { 0 }
    near(0.25, p.a)
    near(0.5, p.m)
    near(0.25, p.z)
  end)

  it("cannot learn a median row by row, and says so", function()
    local c = E.constant { statistic = "median" }
    local ok, message = pcall(c.learn_one, c, { 1 }, 1)
    assert.is_false(ok)
    assert.matches("median", message)
    assert.is_false(c:info().fitted)
  end)

  it("stays finite for the largest numbers and weights", function()
    local most = 1.7e308
    near(0, fitted({}, { most, -most }):predict_one { 0 })
    near(most, fitted({}, { -most, most, most }, { 1e-300, 1, 1 }):predict_one { 0 })
    near(most, fitted({ statistic = "median" }, { most, most }):predict_one { 0 })
    local c = E.constant { task = "classification" }
    for _ = 1, 5 do
      c:learn_one({ 1 }, "a", 1e308)
      c:learn_one({ 1 }, "b", 1e308)
    end
    local p = c:predict_proba_one { 0 }
    near(1, p.a + p.b)
  end)

  it("takes anything for a row: what is missing, sparse matrices", function()
    local c = E.constant {}
    c:fit({ { 0 / 0 }, { 1 } }, { 1, 3 })
    near(2, c:predict_one { 0 / 0 })
    c:fit(moe.sparse { { 1 }, {}, columns = 3 }, { 1, 3 })
    near(2, c:predict(moe.sparse { {}, columns = 3 })[1])
  end)

  it("forgets, and learns other things", function()
    local c = fitted({}, { 1, 2, 3 })
    local ok, message = pcall(c.learn_one, c, { 1 }, "label")
    assert.is_false(ok)
    assert.matches("learned other targets so far", message)
    c:reset()
    c:learn_one({ 1, 2 }, "label")
    assert.equal("label", (c:predict_one { 1, 2 }))
  end)
end)
