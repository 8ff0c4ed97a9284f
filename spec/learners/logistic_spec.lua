-- Logistic regression against another library's coefficients, and against the
-- objective that its source states.
local moe = require "moe"
local data = require "spec.support.data"
local near, each_near = require("spec.support.near").within(1e-6)

local E = moe.experts

-- 60 rows of unequal columns; three classes that overlap.
local function noisy()
  local u, X, y = data.uniform(5), {}, {}
  for i = 1, 60 do
    local row = { 4 * u() - 2, u(), 10 * u() }
    local z = row[1] + 0.5 * row[2] + 3 * (u() - 0.5)
    X[i], y[i] = row, z < -0.5 and "low" or z > 0.7 and "high" or "mid"
  end
  return X, y
end

local function is_high()
  local X, y = noisy()
  for i, label in ipairs(y) do y[i] = label == "high" and "yes" or "no" end
  return X, y
end

local function fitted(X, y, options, fit_options)
  local model = E.logistic(options)
  local _, history = model:fit(X, y, fit_options)
  return model:info().coefficients, model:info().intercept, model, history
end

local function standardized(X)
  local out = {}
  for i = 1, #X do out[i] = {} end
  for j = 1, #X[1] do
    local mean, square = 0, 0
    for i = 1, #X do mean = mean + X[i][j] / #X end
    for i = 1, #X do square = square + (X[i][j] - mean) ^ 2 / #X end
    for i = 1, #X do out[i][j] = (X[i][j] - mean) / math.sqrt(square) end
  end
  return out
end

-- All numbers of this block: scikit-learn 1.2.1, LogisticRegression with solver
-- newton-cg and tol 1e-13, on the same rows.
describe("its coefficients", function()
  it("are another library's on breast_cancer, standardised, C = 1", function()
    -- Breast Cancer Wisconsin (Diagnostic): Wolberg, Street & Mangasarian, UCI,
    -- CC BY 4.0.
    local t = assert(moe.data.read_csv("spec/fixtures/breast_cancer.csv", { target = "diagnosis" }))
    local X, y = t:xy()
    local w, b, model = fitted(standardized(X:totable()), y)
    each_near({
      0.3630925, 0.3876754, 0.3510621, 0.4356098, 0.1618311, -0.562654, 0.8599171, 0.9622802,
      -0.076209, -0.3222262, 1.2909423, -0.2689219, 0.6599746, 1.0125577, 0.277213, -0.736324,
      -0.1105393, 0.3334076, -0.295793, -0.6809197, 1.0292623, 1.3146076, 0.8233474, 1.0107068,
      0.670682, -0.0445642, 0.8733339, 0.9120031, 0.8878373, 0.4798189,
    }, w, 1e-4)
    near(-0.2145027172, b, 1e-4)
    near(0.9876977152899824, model:score(standardized(X:totable()), y), 1e-12)
  end)

  it("are another library's for three classes", function()
    local X, y = noisy()
    local w, b = fitted(X, y, { tol = 1e-10 })
    each_near({ 1.6311430286, 0.0222991762, 0.1459724091 }, w[1])
    each_near({ -1.5417071669, -0.6385197557, -0.1562474618 }, w[2])
    each_near({ -0.0894358617, 0.6162205795, 0.0102750527 }, w[3])
    each_near({ -1.2171577047, 1.0151770357, 0.201980669 }, b)
  end)

  it("are another library's with weights of classes", function()
    local X, y = noisy()
    local options = { tol = 1e-10, l2 = 0.3, class_weight = { low = 3, mid = 0.5 } }
    local w, b = fitted(X, y, options)
    each_near({ 2.1570607732, 0.4824247457, 0.2065792459 }, w[1])
    each_near({ -0.0235703741, 1.060060832, 0.0072775847 }, w[3])
    each_near({ -1.889285853, 2.4636639512, -0.5743780982 }, b)
  end)

  it("are one vector of two classes, another library's", function()
    local X, y = is_high()
    local w, b = fitted(X, y, { tol = 1e-10, l2 = 4 })
    each_near({ 1.3368321462, -0.0394170386, 0.0970182202 }, w)
    near(-1.61894851, b)
    w, b = fitted(X, y, { tol = 1e-10, l2 = 4, intercept = false })
    each_near({ 1.1781375902, -0.3434096826, -0.1128757818 }, w)
    near(0, b)
  end)

  it("are another library's with weights of rows, which count like repetitions", function()
    local X, y = is_high()
    local weights, often, labels = {}, {}, {}
    for i = 1, #X do
      weights[i] = 1 + (i - 1) % 3
      for _ = 1, weights[i] do often[#often + 1], labels[#labels + 1] = X[i], y[i] end
    end
    local w, b = fitted(X, y, { tol = 1e-10 }, { weights = weights })
    each_near({ 2.0876251339, -0.3217397699, 0.1838793527 }, w)
    near(-2.4066984064, b)
    each_near(w, (fitted(often, labels, { tol = 1e-10 })))
  end)
end)

describe("a fit", function()
  -- The gradient of Σ −log p(y|x) + l2/2 |W|², from the model's own probabilities.
  it("ends where the stated objective is least", function()
    local X, y = noisy()
    local w, _, model = fitted(X, y, { l2 = 0.7, tol = 1e-10 })
    local p, classes = model:predict_proba(X), model:classes()
    for c, class in ipairs(classes) do
      for j = 0, 3 do
        local slope = j > 0 and 0.7 * w[c][j] or 0
        for i, row in ipairs(X) do
          slope = slope + (p:get(i, c) - (y[i] == class and 1 or 0)) * (row[j] or 1)
        end
        near(0, slope, 1e-4) -- the probabilities come as float32
      end
    end
  end)

  it("does not depend on the columns' units, but for the penalty", function()
    local X, y = noisy()
    local plain = fitted(X, y, { l2 = 0, tol = 1e-10 })
    for _, row in ipairs(X) do row[1], row[3] = row[1] * 1e-9 + 1e-6, row[3] * 1e7 - 1e9 end
    local scaled = fitted(X, y, { l2 = 0, tol = 1e-10 })
    for c = 1, 3 do
      each_near(plain[c], { scaled[c][1] * 1e-9, scaled[c][2], scaled[c][3] * 1e7 }, 1e-5)
    end
  end)

  it("says when it has stopped short", function()
    local X, y = noisy()
    local _, _, _, history = fitted(X, y, { max_iter = 2 })
    assert.truthy(history.notes[1]:find("stopped after 2 iterations", 1, true))
    _, _, _, history = fitted(X, y)
    assert.same({}, history.notes)
  end)

  it("notes a class_weight for what is not a class", function()
    local X, y = noisy()
    local _, _, _, history = fitted(X, y, { class_weight = { lwo = 2 } })
    assert.truthy(history.notes[1]:find("lwo", 1, true))
  end)

  it("stays finite on separable rows without a penalty, huge and tiny columns", function()
    for _, scale in ipairs { 1e-200, 1, 1e100, 1e200 } do
      local X = { { -2 * scale }, { -scale }, { scale }, { 3 * scale } }
      local _, _, model = fitted(X, { "a", "a", "b", "b" }, { l2 = 0 })
      for _, row in ipairs(model:predict_proba(X):totable()) do near(1, row[1] + row[2]) end
      if scale == 1 or scale == 1e100 then assert.same({ "a", "a", "b", "b" }, model:predict(X)) end
    end
  end)

  it("of a single class is certain of it", function()
    local _, _, model = fitted({ { 1 }, { 2 } }, { "only", "only" })
    assert.same({ { 1 } }, model:predict_proba({ { 5 } }):totable())
  end)
end)

describe("sparse rows", function()
  -- `spread` puts the columns far apart in a wide matrix.
  local function both(spread)
    local u, dense, sparse, y = data.uniform(9), {}, { columns = 12 * spread }, {}
    for i = 1, 80 do
      dense[i], sparse[i] = {}, {}
      for j = 1, 12 do
        local x = u() < 0.3 and j ~= 5 and math.floor(u() * 8 + 1) / 8 or 0
        dense[i][j] = x
        if x ~= 0 then sparse[i][j * spread] = x end
      end
      y[i] = ({ "p", "q", "r" })[1 + math.floor(2.999 * (0.5 * u() + 0.5 * dense[i][1]))]
    end
    return dense, moe.sparse(sparse), y
  end

  it("give the coefficients of the same rows written out", function()
    local dense, sparse, y = both(1)
    for _, options in ipairs { { tol = 1e-10 }, { tol = 1e-10, intercept = false, l2 = 3 } } do
      local w, b = fitted(dense, y, options)
      local v, c = fitted(sparse, y, options)
      for k = 1, 3 do each_near(w[k], v[k]) end
      each_near(b, c)
    end
  end)

  it("may have 2^18 columns, in memory of the weights alone", function()
    local dense, sparse, y = both(21845) -- 12 · 21845 < 2^18
    local _, _, narrow = fitted(dense, y, { tol = 1e-10 })
    local _, _, wide = fitted(sparse, y, { tol = 1e-10 })
    local p, q = narrow:predict_proba(dense), wide:predict_proba(sparse)
    for i = 1, #y do
      for k = 1, 3 do near(p:get(i, k), q:get(i, k), 1e-6) end
    end
    assert.is_true(wide:info().bytes < 3 * 12 * 21845 * 8 + 4096)
    assert.is_nil(wide:info().coefficients)
  end)

  it("teach online what they teach written out", function()
    local dense, sparse, y = both(1)
    local a, b = E.logistic { lr = 0.3 }, E.logistic { lr = 0.3 }
    a:learn_many(dense, y)
    b:learn_many(sparse, y)
    local w, v = a:info().coefficients, b:info().coefficients
    for k = 1, 3 do each_near(w[k], v[k], 1e-12) end
  end)
end)

describe("learning row by row", function()
  -- From zero over two classes: p = 1/2 each, s = lr / (1 + lr (1 + |x|²) / 2),
  -- and each class moves by s/2 towards or away; the two together by s.
  it("takes the implicit step on the log loss", function()
    local model = E.logistic { lr = 0.5, l2 = 0 }
    model:learn_one({ 0 }, "a")
    model:learn_one({ 0 }, "b")
    local before = model:info().intercept
    local p = 1 / (1 + math.exp(-before))
    model:learn_one({ 3 }, "b")
    local s = 0.5 / (1 + 0.5 * 0.5 * (1 + 9))
    near(2 * s * (1 - p) * 3, model:info().coefficients[1], 1e-14)
    near(before + 2 * s * (1 - p), model:info().intercept, 1e-14)
  end)

  it("takes new classes as they come, and leaves the odds of the others", function()
    local X, y = noisy()
    local model = E.logistic { lr = 0.1, l2 = 0 }
    model:learn_many(X, y)
    local before = model:predict_proba_one(X[1])
    model:learn_one({ 0, 0, 0 }, "later", 1e-12)
    local after = model:predict_proba_one(X[1])
    assert.same({ "high", "later", "low", "mid" }, model:classes())
    near(before.high / before.low, after.high / after.low, 1e-9)
    near(before.mid / before.low, after.mid / after.low, 1e-9)
    assert.is_true(after.later > 0)
  end)

  it("comes near the batch fit", function()
    local X, y = noisy()
    X = standardized(X)
    local model, batch = E.logistic { lr = 0.02 }, E.logistic()
    for _ = 1, 200 do model:learn_many(X, y) end
    batch:fit(X, y)
    assert.is_true(math.abs(model:score(X, y) - batch:score(X, y)) < 0.05)
  end)

  it("stays finite, however large the step, the columns and the penalty", function()
    local model = E.logistic { lr = 1e300, l2 = 1e300 }
    for i = 1, 60 do model:learn_one({ 1e307 * (i % 5 - 2), i % 3 }, i % 2) end
    for _, p in pairs(model:predict_proba_one { 1e307, 1 }) do assert.is_true(p >= 0 and p <= 1) end
  end)
end)
