-- Least squares and ridge against published and independently computed
-- coefficients; the online steps against their closed form.
local moe = require "moe"
local data = require "spec.support.data"
local near, each_near = require("spec.support.near").within(1e-9)

local E = moe.experts

local function fitted(X, y, options, fit_options)
  local model = E.linear(options)
  local _, history = model:fit(X, y, fit_options)
  local info = model:info()
  return info.coefficients, info.intercept, history, model
end

-- NIST StRD, Longley: employment by deflator (× 10), GNP, unemployed, armed
-- forces, population, year.  Condition number 5e9.
local longley = {
  { 60323, 830, 234289, 2356, 1590, 107608, 1947 },
  { 61122, 885, 259426, 2325, 1456, 108632, 1948 },
  { 60171, 882, 258054, 3682, 1616, 109773, 1949 },
  { 61187, 895, 284599, 3351, 1650, 110929, 1950 },
  { 63221, 962, 328975, 2099, 3099, 112075, 1951 },
  { 63639, 981, 346999, 1932, 3594, 113270, 1952 },
  { 64989, 990, 365385, 1870, 3547, 115094, 1953 },
  { 63761, 1000, 363112, 3578, 3350, 116219, 1954 },
  { 66019, 1012, 397469, 2904, 3048, 117388, 1955 },
  { 67857, 1046, 419180, 2822, 2857, 118734, 1956 },
  { 68169, 1084, 442769, 2936, 2798, 120445, 1957 },
  { 66513, 1108, 444546, 4681, 2637, 121950, 1958 },
  { 68655, 1126, 482704, 3813, 2552, 123366, 1959 },
  { 69564, 1142, 502601, 3931, 2514, 125368, 1960 },
  { 69331, 1157, 518173, 4806, 2572, 127852, 1961 },
  { 70551, 1169, 554894, 4007, 2827, 130081, 1962 },
}

-- NIST StRD, Wampler: y is a polynomial of degree 5 in x = 0 … 20.
local function wampler(coefficient)
  local X, y = {}, {}
  for x = 0, 20 do
    X[x + 1] = { x, x ^ 2, x ^ 3, x ^ 4, x ^ 5 }
    y[x + 1] = 1
    for j = 1, 5 do y[x + 1] = y[x + 1] + coefficient ^ j * x ^ j end
  end
  return X, y
end

describe("least squares", function()
  it("agrees with the certified values of Longley's data to 11 digits", function()
    local X, y = {}, {}
    for i, row in ipairs(longley) do
      y[i], X[i] = row[1], { row[2], row[3], row[4], row[5], row[6], row[7] }
    end
    local w, b = fitted(X, y)
    local certified = {
      15.0618722713733 / 10, -0.0358191792925910, -2.02022980381683,
      -1.03322686717359, -0.0511041056535807, 1829.15146461355,
    }
    for j, value in ipairs(certified) do near(1, w[j] / value, 1e-11) end
    near(-3482258.63459582, b, 1e-11)
  end)

  it("agrees with the certified values of Wampler's polynomials", function()
    local w, b = fitted(wampler(1))
    each_near({ 1, 1, 1, 1, 1, 1 }, { b, w[1], w[2], w[3], w[4], w[5] }, 1e-8)
    w, b = fitted(wampler(0.1))
    each_near({ 1, 0.1, 0.01, 1e-3, 1e-4, 1e-5 }, { b, w[1], w[2], w[3], w[4], w[5] }, 1e-8)
  end)

  -- scikit-learn 1.2.1: LinearRegression, Ridge(2) with and without weights
  -- 1 + i % 3 and intercept, on the same rows.
  it("agrees with another library, plain and penalised, weighted or not", function()
    local X, y = data.plane(40, 3, 1)
    local weights = {}
    for i = 1, 40 do weights[i] = 1 + (i - 1) % 3 end
    local w, b = fitted(X, y)
    each_near({ 0.9799598284, 1.8627561402, 2.9324853131, 0.983324608494 }, { w[1], w[2], w[3], b })
    w, b = fitted(X, y, { l2 = 2 })
    each_near({ 0.9430431628, 1.500000578, 2.5685294191, 0.966935888689 }, { w[1], w[2], w[3], b })
    w, b = fitted(X, y, { l2 = 2, intercept = false })
    each_near({ 1.2300181343, 1.3663732076, 2.4539755971, 0 }, { w[1], w[2], w[3], b })
    w, b = fitted(X, y, { l2 = 2 }, { weights = weights })
    each_near({ 0.8947185463, 1.6274918923, 2.7451587675, 1.007238268096 }, { w[1], w[2], w[3], b })
  end)

  it("does not depend on where a column's zero is", function()
    local X, y = data.plane(40, 3, 1)
    local w = fitted(X, y)
    for _, row in ipairs(X) do row[2] = row[2] + 1e6 end
    each_near(w, fitted(X, y), 1e-8)
  end)

  it("fits several targets as it fits each alone", function()
    local X, y = data.plane(40, 3, 1)
    local both = {}
    for i, value in ipairs(y) do both[i] = { value, 1e6 * X[i][1] - 2 } end
    local w, b = fitted(X, both)
    local alone, bias = fitted(X, y)
    each_near(alone, w[1], 1e-12)
    near(bias, b[1], 1e-12)
    each_near({ 1e6, 0, 0 }, w[2], 1e-9)
    near(-2, b[2], 1e-9)
  end)

  it("shares a weight among equal columns, gives none to constant ones, and says so", function()
    local X, y = data.plane(40, 2, 0)
    for _, row in ipairs(X) do row[3], row[4] = row[1], 7 end
    local w, b, history = fitted(X, y)
    each_near({ 0.5, 2, 0.5, 0, 1 }, { w[1], w[2], w[3], w[4], b }, 1e-6)
    assert.truthy(history.notes[1]:find("column 3 is a combination", 1, true))
  end)

  it("keeps weights small where columns depend on each other up to rounding in float32", function()
    local X, y = data.plane(40, 4, 1)
    for i, row in ipairs(X) do
      row[4] = 0.1 * row[1] + 0.7 * row[2] - row[3] / 3 + (i % 2) * 3e-8
    end
    -- Least squares to the last digit (numpy's lstsq) takes weights of 5.6e7.
    for _, weight in ipairs((fitted(X, y))) do assert.is_true(math.abs(weight) < 100, weight) end
  end)

  it("finds the solution of least norm where there are more columns than rows", function()
    -- X' has the orthogonal rows (1, -1, 0), (-1, 1, 0) once centred: w ∝ (1, -1, 0).
    local w, b = fitted({ { 1, 0, 5 }, { 0, 1, 5 } }, { 3, 1 })
    each_near({ 1, -1, 0, 2 }, { w[1], w[2], w[3], b })
  end)

  it("makes do with one row, and with constant targets", function()
    local w, b = fitted({ { 1, 2 } }, { 4 })
    each_near({ 0, 0, 4 }, { w[1], w[2], b })
    w, b = fitted({ { 1, 2 }, { 2, 5 }, { 0, 1 } }, { 3, 3, 3 })
    each_near({ 0, 0, 3 }, { w[1], w[2], b })
  end)

  it("gives sparse rows what it gives the same rows written out", function()
    local uniform, dense, sparse, y = data.uniform(3), {}, { columns = 30 }, {}
    for i = 1, 90 do
      dense[i], sparse[i], y[i] = {}, {}, uniform()
      for j = 1, 30 do
        local x = uniform() < 0.2 and j ~= 4 and math.floor(uniform() * 8) / 4 or 0
        dense[i][j] = x
        if x ~= 0 then sparse[i][j] = x end
      end
    end
    for _, options in ipairs { {}, { l2 = 3 }, { l2 = 1, intercept = false } } do
      local w, b = fitted(dense, y, options)
      local v, c, _, model = fitted(moe.sparse(sparse), y, options)
      each_near(w, v, 1e-8)
      near(b, c, 1e-8)
      local said = model:predict(moe.sparse(sparse))
      near(E.linear(options):fit(dense, y):predict(dense)[7], said[7], 1e-8)
    end
  end)

  it("takes very large and very small numbers without becoming NaN", function()
    for _, scale in ipairs { 1e-300, 1e-30, 1e30, 1e150, 1e307 } do
      local X = { { scale }, { -scale }, { scale / 2 }, { 0 } }
      local _, _, _, model = fitted(X, { 1, 2, 3, 4 })
      for _, value in ipairs(model:predict(X)) do assert.is_true(math.abs(value) < 1e300) end
    end
  end)
end)

describe("its answers", function()
  it("are W x + b for any number of columns and rows", function()
    for _, d in ipairs { 1, 7, 8, 9, 31 } do
      local X, y = data.plane(d + 9, d, 1)
      local w, b, _, model = fitted(X, y, { l2 = 1 })
      local answers = model:predict(X)
      for i, row in ipairs(X) do
        local sum = b
        for j = 1, d do sum = sum + w[j] * row[j] end
        near(sum, answers[i], 1e-12)
      end
    end
  end)
end)

describe("learning row by row", function()
  -- s = lr / (1 + lr (1 + |x|²)): the first step from zero gives w = s y x, b = s y.
  it("takes the implicit step on the squared error", function()
    local model = E.linear { lr = 0.5 }
    model:learn_one({ 2, -1 }, 3)
    local s = 0.5 / (1 + 0.5 * (1 + 5))
    each_near({ 6 * s, -3 * s, 3 * s },
      { model:info().coefficients[1], model:info().coefficients[2], model:info().intercept }, 1e-15)
  end)

  it("shrinks the weights by a row's share of the penalty", function()
    local model = E.linear { lr = 0.5, l2 = 4, intercept = false }
    model:learn_one({ 1 }, 1)
    local w = 0.5 / 2 -- (1 + |x|²) counts the bias in any case
    near(w, model:info().coefficients[1], 1e-15)
    model:learn_one({ 1 }, 1)
    near(w / (1 + 0.5 * 4 / 2) + 0.25 * (1 - w), model:info().coefficients[1], 1e-15)
  end)

  it("goes on from a fit", function()
    local X, y = data.plane(40, 3, 0)
    local model = E.linear()
    model:fit(X, y)
    model:learn_one({ 1, 1, 1 }, 7)
    each_near({ 1, 2, 3 }, model:info().coefficients)
  end)

  it("finds the plane that the rows lie on", function()
    local X, y = data.plane(60, 3, 0)
    local model = E.linear { lr = 0.3 }
    for _ = 1, 100 do model:learn_many(X, y) end
    each_near({ 1, 2, 3, 1 }, {
      model:info().coefficients[1], model:info().coefficients[2], model:info().coefficients[3],
      model:info().intercept,
    }, 1e-6)
  end)

  it("does not diverge, however large the step and the columns", function()
    for _, scale in ipairs { 1, 1e6, 1e100, 1e307 } do
      local model = E.linear { lr = 1e10 }
      for i = 1, 50 do model:learn_one({ scale * (i % 7), -scale }, i % 3) end
      local answer = model:predict_one { scale, scale }
      assert.is_true(answer == answer and math.abs(answer) < math.huge, tostring(answer))
    end
  end)

  it("refuses what cannot be added up, and stays as it was", function()
    local model = E.linear {}
    model:fit({ { 1 }, { 2 }, { 3 } }, { 1, 2, 3 })
    local before = model:dump()
    local huge = { 1e308, 1.7e308, -1.6e308 }
    local ok, message = pcall(model.fit, model, { { 1 }, { 2 }, { 3 } }, huge)
    assert.is_false(ok)
    assert.truthy(tostring(message):find "too large to be added up")
    assert.is_true(before == model:dump())
  end)

  -- y = 2 x1 + 3 x2 + 1 at (sin 0.37 i, cos 0.73 i), w −= 2 · 0.01 · e x: the figures of
  -- an implementation in Rust, whose loss is e², not e² / 2.
  it("is what another implementation has, with plain steps", function()
    local model, expected = E.linear { step = "sgd", lr = 0.02 }, {
      [1] = { 0, 0.08, 0.08 },
      [10] = { 0.130946473593, 0.267072848063, 0.439733540726 },
      [100] = { 1.279780184975, 1.919463952184, 0.836552208945 },
      [1000] = { 1.999926029610, 2.999890187005, 0.999999542378 },
    }
    for i = 0, 999 do
      local x = { math.sin(0.37 * i), math.cos(0.73 * i) }
      model:learn_one(x, 2 * x[1] + 3 * x[2] + 1)
      local w = model:info().coefficients
      if expected[i + 1] then
        each_near(expected[i + 1], { w[1], w[2], model:info().intercept })
      end
    end
  end)

  it("gives sparse rows what it gives the same rows written out, with every rule", function()
    local uniform, dense, sparse, y = data.uniform(3), {}, { columns = 12 }, {}
    for i = 1, 60 do
      dense[i], sparse[i], y[i] = {}, {}, uniform()
      for j = 1, 12 do
        local x = uniform() < 0.3 and math.floor(uniform() * 8) / 4 or 0
        dense[i][j] = x
        if x ~= 0 then sparse[i][j] = x end
      end
    end
    for _, options in ipairs {
      { lr = 0.1, l2 = 1 },
      { step = "sgd", penalty = "l2", alpha = 0.1 },
      { step = "adagrad" },
      { step = "adam", penalty = "l1" },
      { loss = "huber", standardize = true },
      { loss = "quantile", penalty = "elastic_net" },
    } do
      local a, b = E.linear(options), E.linear(options)
      a:learn_many(dense, y)
      b:learn_many(moe.sparse(sparse), y)
      each_near(a:info().coefficients, b:info().coefficients, 1e-12)
      near(a:info().intercept, b:info().intercept, 1e-12)
    end
  end)

  it("lowers other losses too, of which fit makes one pass", function()
    local X, y = data.plane(200, 3, 0)
    y[50] = 1e6
    local model = E.linear { loss = "huber", standardize = true, lr = 0.5 }
    model:fit(X, y)
    local again = E.linear { loss = "huber", standardize = true, lr = 0.5 }
    again:learn_many(X, y)
    assert.same(again:predict(X), model:predict(X))
    local right = data.plane(200, 3, 0)
    near(1 + right[9][1] + 2 * right[9][2] + 3 * right[9][3], model:predict_one(right[9]), 0.2)
  end)
end)
