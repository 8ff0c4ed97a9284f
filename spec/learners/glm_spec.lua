-- Generalised linear models against closed forms, published figures and Newton's
-- method in NumPy.
local moe = require "moe"
local data = require "spec.support.data"
local engine = require "spec.support.engine"
local near, each_near = require("spec.support.near").within(1e-8)

local E = moe.experts

local function fitted(X, y, options, fit_options)
  local model = E.glm(options)
  local _, history = model:fit(X, y, fit_options)
  return model, model:info(), history
end

-- Counts with an exposure, classes and values that depend on two columns.
local function world()
  local uniform = data.uniform(5)
  local w = { X = {}, with_offset = {}, count = {}, class = {}, value = {}, weights = {} }
  for i = 1, 60 do
    local a, b, exposure = 2 * uniform() - 1, 2 * uniform() - 1, 1 + 3 * uniform()
    w.X[i], w.with_offset[i] = { a, b }, { a, b, math.log(exposure) }
    w.count[i] = math.floor(exposure * math.exp(0.4 + 0.8 * a - 0.5 * b) * 2 * uniform() + 0.5)
    w.class[i] = uniform() < 1 / (1 + math.exp(-(0.3 + 2 * a - b))) and "yes" or "no"
    w.value[i] = 1 + 2 * a - b + uniform()
    w.weights[i] = math.floor(3 * uniform())
  end
  return w
end

-- Each row as often as its weight says.
local function repeated(X, y, weights)
  local XX, yy = {}, {}
  for i, w in ipairs(weights) do
    for _ = 1, w do XX[#XX + 1], yy[#yy + 1] = X[i], y[i] end
  end
  return XX, yy
end

describe("glm", function()
  engine.keeps("glm", it, pending)

  -- Newton's method on the normal equations, 60 rounds, in NumPy 1.24; that of
  -- the counts without an offset agrees with scikit-learn 1.2.1's
  -- PoissonRegressor(alpha=0, tol=1e-12) to all its digits.
  describe("is what Newton's method in NumPy gives", function()
    local w = world()
    local cases = {
      { "counts", "poisson", w.X, w.count, {}, { 0.841316891594, -0.751487696398 }, 1.23585623706 },
      { "counts per exposure", "poisson", w.with_offset, w.count, { offset = 3 },
        { 0.78743827228, -0.712398989832, 1 }, 0.311983489409, 117.720065666 },
      { "weighted counts per exposure", "poisson", w.with_offset, w.count,
        { offset = 3, weights = true },
        { 0.877102583631, -0.74158896691, 1 }, 0.42862053612, 86.7571715912 },
      { "penalised counts per exposure", "poisson", w.with_offset, w.count,
        { offset = 3, l2 = 2.5 },
        { 0.766970322155, -0.69770570673, 1 }, 0.323306260481, 117.78488558 },
      { "classes", "bernoulli", w.X, w.class, {},
        { 2.08230645978, -1.29630243707 }, 0.0812041450647, 61.1761009902 },
      { "weighted classes", "bernoulli", w.X, w.class, { weights = true },
        { 1.61305383333, -1.26475299292 }, 0.246059400666, 60.0757069069 },
      { "values", "gaussian", w.X, w.value, {},
        { 1.93821457294, -1.12586848361 }, 1.46337656351, 5.11037758358, 0.0851729597263 },
      { "weighted values with an offset", "gaussian", w.with_offset, w.value,
        { offset = 3, weights = true },
        { 1.81788209792, -1.0285816803, 1 }, 0.583984077596, 13.6568091705, 0.24387159233 },
    }
    for _, case in ipairs(cases) do
      local name, family, X, y, options, coefficients, intercept, deviance, dispersion =
        (table.unpack or unpack)(case)
      it("for " .. name, function()
        local _, info = fitted(X, y, { family = family, offset = options.offset, l2 = options.l2 },
          { weights = options.weights and w.weights or nil })
        each_near(coefficients, info.coefficients)
        near(intercept, info.intercept)
        if deviance then near(deviance, info.deviance) end
        if dispersion then near(dispersion, info.dispersion) end
      end)
    end
  end)

  -- Dobson 1990, An Introduction to Generalized Linear Models, p. 93: a
  -- randomised controlled trial; the figures are those of R's help on glm.
  it("gives the published figures of a trial's counts", function()
    local y, X = { 18, 17, 15, 20, 10, 20, 25, 13, 12 }, {}
    for i = 0, 8 do
      local outcome, treatment = i % 3, math.floor(i / 3)
      X[i + 1] = { outcome == 1 and 1 or 0, outcome == 2 and 1 or 0,
        treatment == 1 and 1 or 0, treatment == 2 and 1 or 0 }
    end
    local _, info = fitted(X, y, { family = "poisson" })
    each_near({ -0.4543, -0.2930, 0, 0 }, info.coefficients, 5e-5)
    near(3.0445, info.intercept, 5e-5)
    near(5.1291, info.deviance, 5e-5)
  end)

  it("is the logarithm of a ratio of rates, where a column has two values", function()
    -- 3 + 5 events in 2 + 2 years, 9 + 3 in 1 + 1: log(12/2 / (8/4)) = log 3
    local rows = moe.data.table {
      columns = {
        years = { math.log(2), math.log(2), 0, 0 },
        x = { 0, 0, 1, 1 },
        n = { 3, 5, 9, 3 },
      },
      target = "n",
    }
    local _, info = fitted(rows, nil, { family = "poisson", offset = "years" })
    table.sort(info.coefficients)
    each_near({ 1, math.log(3) }, info.coefficients)
    near(math.log(2), info.intercept)
  end)

  it("takes a weight for so many rows alike", function()
    local w = world()
    for family, y in pairs { poisson = w.count, bernoulli = w.class, gaussian = w.value } do
      local weighted = fitted(w.X, y, { family = family }, { weights = w.weights })
      local XX, yy = repeated(w.X, y, w.weights)
      local other = fitted(XX, yy, { family = family })
      each_near(weighted:info().coefficients, other:info().coefficients)
      near(weighted:info().deviance, other:info().deviance)
      near(weighted:info().dispersion, other:info().dispersion)
    end
  end)

  it("does not mind the unit of the weights, from 1e-300 to 1e300", function()
    local w = world()
    for family, y in pairs { poisson = w.count, bernoulli = w.class, gaussian = w.value } do
      local usual = fitted(w.X, y, { family = family }, { weights = w.weights })
      for _, unit in ipairs { 1e-300, 1e300 } do
        local weights = {}
        for i = 1, #w.X do weights[i] = unit * w.weights[i] end
        local other = fitted(w.X, y, { family = family }, { weights = weights })
        each_near(usual:info().coefficients, other:info().coefficients)
        near(usual:info().dispersion, other:info().dispersion)
      end
    end
  end)

  it("does not heed rows that count 1e-300 beside those that count 1", function()
    local w, some, X, y = world(), {}, {}, {}
    for i = 1, #w.X do
      some[i] = i <= 40 and 1 or 1e-300
      if i <= 40 then X[i], y[i] = w.X[i], w.count[i] end
    end
    local a = fitted(w.X, w.count, { family = "poisson" }, { weights = some })
    local b = fitted(X, y, { family = "poisson" })
    each_near(a:info().coefficients, b:info().coefficients)
  end)

  it("gives the same from sparse rows, also with a column for the offset", function()
    local uniform, X, S, y = data.uniform(3), {}, { columns = 6 }, {}
    for i = 1, 200 do
      X[i], S[i] = {}, {}
      local eta = 0.3
      for j = 1, 6 do
        X[i][j] = uniform() < 0.4 and math.floor(16 * uniform() + 1) / 16 or 0
        if X[i][j] ~= 0 then S[i][j] = X[i][j] end
        eta = eta + X[i][j] * (j % 3 - 1)
      end
      y[i] = math.floor(math.exp(eta) * 2 * uniform() + 0.5)
    end
    S = moe.sparse(S)
    for _, offset in ipairs { false, 1, 4 } do
      local options = { family = "poisson", offset = offset or nil }
      local dense, sparse = fitted(X, y, options), fitted(S, y, options)
      each_near(dense:info().coefficients, sparse:info().coefficients)
      each_near(dense:predict(X), sparse:predict(S))
    end
  end)

  it("ends where classes are separable, with finite coefficients, and says so", function()
    local model, info, history = fitted({ { 1 }, { 2 }, { 3 }, { 4 } }, { "a", "a", "b", "b" })
    assert.truthy(table.concat(history.notes):find "no finite coefficients")
    assert.is_true(info.coefficients[1] < 1e3 and info.deviance < 1e-6)
    assert.same({ "a", "b" }, model:predict { { 0 }, { 5 } })
  end)

  it("ends where no count of a group is above 0", function()
    local model, _, history =
      fitted({ { 0 }, { 0 }, { 1 }, { 1 } }, { 0, 0, 2, 5 }, { family = "poisson" })
    assert.truthy(table.concat(history.notes):find "no finite coefficients")
    local out = model:predict { { 0 }, { 1 } }
    assert.is_true(out[1] >= 0 and out[1] < 1e-6)
    near(3.5, out[2])
  end)

  it("never lets the deviance rise, and comes to the same, sooner, from where it was", function()
    local w = world()
    for _, case in ipairs { { "poisson", w.count }, { "bernoulli", w.class } } do
      for _, offset in ipairs { false, 1, 3 } do
        local options = { family = case[1], offset = offset or nil }
        local model, info, history = fitted(w.with_offset, case[2], options)
        assert.is_true(#history.deviance > 2)
        for k = 2, #history.deviance do
          assert.is_true(history.deviance[k] <= history.deviance[k - 1] * (1 + 1e-13))
        end
        local _, warm = model:fit(w.with_offset, case[2], { warm = true })
        assert.is_true(#warm.deviance < #history.deviance)
        each_near(info.coefficients, model:info().coefficients)
      end
    end
  end)

  -- SciPy 1.10's trust-exact and Newton's method, to a gradient of 1e-12; whole
  -- steps end at a deviance of 14960
  it("halves steps that go too far", function()
    local X = {
      { -1.76, -0.79 }, { 1.8, 0.4 }, { 2.23, 0.19 }, { -0.4, -0.32 }, { 2.39, 0.96 },
      { -2.31, -0.58 }, { -0.62, -1.44 }, { -1.73, 1.34 }, { 0.75, -1.46 },
    }
    local _, info = fitted(X, { 0, 1, 0, 3422, 2, 0, 2, 0, 1 }, { family = "poisson" })
    each_near({ -0.143925291532, -0.0933055981001 }, info.coefficients)
    near(5.89205037734, info.intercept)
    near(14709.0054737, info.deviance)
  end)

  it("takes the solution of least norm where columns depend on each other", function()
    local one = fitted({ { 0 }, { 1 }, { 2 }, { 3 } }, { 1, 2, 4, 9 }, { family = "poisson" })
    local two, info, history = fitted({ { 0, 0 }, { 1, 1 }, { 2, 2 }, { 3, 3 } }, { 1, 2, 4, 9 },
      { family = "poisson" })
    assert.equal(1, #history.notes)
    assert.truthy(history.notes[1]:find "column 2")
    near(info.coefficients[1], info.coefficients[2], 1e-6)
    each_near(one:predict { { 0 }, { 5 } }, two:predict { { 0, 0 }, { 5, 5 } }, 1e-6)
  end)

  it("has a task by its family", function()
    local X = { { 1 }, { 2 }, { 3 }, { 4 } }
    assert.same({ 0, 1 }, fitted(X, { 0, 1, 0, 1 }, { family = "bernoulli" }):classes())
    assert.is_nil(fitted(X, { 0, 1, 0, 1 }):classes())
    assert.same({ false, true }, fitted(X, { false, true, false, true }):classes())
  end)

  local function refusal(options, X, y)
    local ok, message = pcall(fitted, X, y, options)
    assert.is_false(ok)
    return message
  end

  it("refuses what a family is not for", function()
    local X = { { 1 }, { 2 }, { 3 } }
    assert.truthy(refusal({}, X, { "a", "b", "c" }):find "for 3 use logistic")
    assert.truthy(refusal({ family = "poisson" }, X, { 1, -2, 1 }):find "y%[2%] is %-2")
    assert.truthy(refusal({ family = "gaussian" }, X, { "a", "b", "c" })
      :find "y%[1%] must be a number")
  end)

  it("refuses an offset that is no column", function()
    local X = { { 1 }, { 2 }, { 3 } }
    assert.truthy(refusal({ offset = "age" }, X, { 1, 2, 3 }):find "'offset' is 'age'")
    assert.truthy(refusal({ offset = 2 }, X, { 1, 2, 3 }):find "'offset' is '2'")
    assert.has_error(function() E.glm { offset = 0 } end)
    assert.has_error(function() E.glm { offset = 1.5 } end)
  end)

  it("fits the same however often it pauses", function()
    local X, y = moe.randn(40000, 3, { seed = 2 }), {}
    for i = 1, 40000 do y[i] = i % 4 end
    local whole, paused = E.glm { family = "poisson" }, E.glm { family = "poisson" }
    whole:fit(X, y)
    local job, steps = paused:start_fit(X, y), 0
    repeat
      steps = steps + 1
    until job:step { budget_ms = 1e-6 }
    job:commit()
    assert.is_true(steps > 20, steps) -- blocks of rows in each of its stages
    assert.is_true(whole:dump() == paused:dump())
  end)
end)
