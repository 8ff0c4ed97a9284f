-- Calibration of probabilities: against scikit-learn's, and as an expert.
local moe = require "moe"
local near = require "spec.support.near"
local random = require "spec.support.data"
local calibrators = require "moe.eval.calibrators"
local E, eval = moe.experts, moe.eval

local _, all_close = near.within(1e-6)

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

-- 60 scores in steps of 0.1, whether they came true, and weights.
local function scored()
  local u, s, hits, w = random.uniform(77), {}, {}, {}
  for i = 1, 60 do
    s[i] = math.floor(u() * 40) / 10 - 2
    hits[i] = u() < 1 / (1 + math.exp(-1.5 * s[i]))
    w[i] = u() * 3
  end
  local ones = {}
  for i = 1, 60 do ones[i] = 1 end
  return s, hits, w, ones
end

local grid = { -3, -1.95, -1, -0.25, 0, 0.3, 1.1, 1.75, 2.5 }

local function at_grid(map)
  local out = {}
  for i, score in ipairs(grid) do out[i] = calibrators.apply(map, score) end
  return out
end

-- Says of every row its own numbers: a classifier whose probabilities are known.
local function known(classes)
  local learner = {}
  function learner:fit(X) self.fitted_to = X.shape[1] end
  function learner.predict_proba(_, X) return X end
  function learner.clone(_) return known(classes) end
  return learner
end

-- 90 rows of three probabilities, and labels drawn with them.
local function drawn()
  local u, P, y, labels = random.uniform(77), {}, {}, { "a", "b", "c" }
  for _ = 1, 180 do u() end -- those of scored() come first
  for i = 1, 90 do
    local row = { u() ^ 2 + 0.05, u() ^ 2 + 0.05, u() ^ 2 + 0.05 }
    local sum = row[1] + row[2] + row[3]
    P[i] = { row[1] / sum, row[2] / sum, row[3] / sum }
    local c = u()
    y[i] = labels[c < P[i][1] and 1 or c < P[i][1] + P[i][2] and 2 or 3]
  end
  return moe.tensor(P), y
end

describe("calibrators", function()
  -- scikit-learn 1.2.1, _SigmoidCalibration and IsotonicRegression(y_min=0,
  -- y_max=1, out_of_bounds="clip") on the same scores.
  it("by a sigmoid are Platt's, weighted or not", function()
    local s, hits, w, ones = scored()
    all_close({ 0.108007011638, 0.232250632809, 0.409210072062, 0.571207518223, 0.623582759652,
      0.68273898937, 0.81214369126, 0.883994144094, 0.936125009068 },
      at_grid(calibrators.sigmoid(s, hits, ones)))
    all_close({ 0.13296817928, 0.258604878182, 0.423173502201, 0.568857967217, 0.616056678442,
      0.669876162547, 0.791453261198, 0.863232278049, 0.919038348456 },
      at_grid(calibrators.sigmoid(s, hits, w)))
  end)

  it("by a rising function are those of pooled neighbours, weighted or not", function()
    local s, hits, w, ones = scored()
    local half = 6 / 11
    all_close({ 0, 0, half, half, half, half, 0.875, 1, 1 },
      at_grid(calibrators.isotonic(s, hits, ones)))
    all_close({ 0, 0, 0.484373661775, 0.484373661775, 0.484373661775, 0.534109877767,
      0.909421159846, 1, 1 }, at_grid(calibrators.isotonic(s, hits, w)))
  end)

  it("never give NaN: of separated, equal or huge scores", function()
    local ones = { 1, 1, 1, 1 }
    for _, s in ipairs { { 1, 2, 3, 4 }, { 5, 5, 5, 5 }, { -1e6, -1, 1, 1e6 }, { 0, 0, 1, 1 } } do
      for _, hits in ipairs { { false, false, true, true }, { true, true, true, true } } do
        for _, method in ipairs { "sigmoid", "isotonic" } do
          local map = calibrators[method](s, hits, ones)
          for _, x in ipairs { -1e9, 0, 2.5, 1e9 } do
            local p = calibrators.apply(map, x)
            assert.is_true(p >= 0 and p <= 1)
          end
        end
      end
    end
  end)
end)

describe("calibrate", function()
  -- CalibratedClassifierCV(cv="prefit") of scikit-learn 1.2.1 around a classifier
  -- that gives these probabilities: rows 1, 2, 3 and 51.
  local expected = {
    sigmoid = {
      { 0.50567029854, 0.430430278593, 0.0638994228669 },
      { 0.189209662157, 0.620619418122, 0.19017091972 },
      { 0.315792943352, 0.42401578399, 0.260191272657 },
      { 0.22337658358, 0.478034793818, 0.298588622601 },
    },
    isotonic = {
      { 0.483383685801, 0.516616314199, 0 },
      { 0.130325814536, 0.619047619048, 0.250626566416 },
      { 0.350430550356, 0.46237364283, 0.187195806814 },
      { 0.24981984146, 0.533989911122, 0.216190247418 },
    },
  }

  it("gives three classes the probabilities that scikit-learn gives them", function()
    local X, y = drawn()
    for method, rows in pairs(expected) do
      local c = eval.calibrate(E.foreign(known()), X, y, { method = method, on = "probability" })
      local found = c:predict_proba(X):totable()
      near.rows(rows, { found[1], found[2], found[3], found[51] }, 1e-6)
      assert.same({ "a", "b", "c" }, c:classes())
    end
  end)

  local function sample(rows, seed)
    return moe.data.make_classification {
      rows = rows, features = 8, informative = 5, redundant = 0, classes = 3, seed = seed,
    }
  end

  it("makes a model's probabilities on new rows likelier, and changes few answers", function()
    local train, test = sample(600, 3):split(0.5, { seed = 1 })
    local truth = test:column(test.target)
    for _, method in ipairs { "sigmoid", "isotonic" } do
      local raw = E.tree { max_depth = 4 }
      local c = eval.calibrate(raw, train, { method = method })
      raw:fit(train)
      local before = moe.metrics.brier(truth, raw:predict_proba(test), raw:classes())
      local after = moe.metrics.brier(truth, c:predict_proba(test), c:classes())
      assert.is_true(after < before, method)
      assert.is_true(c:score(test) > raw:score(test) - 0.05)
    end
  end)

  -- What a logistic model says is right, halved on the scale of log-odds: a sigmoid
  -- of those doubles it again.
  it("finds the scale again on which a model is timid", function()
    local u, X, y = random.uniform(6), {}, {}
    for i = 1, 4000 do
      local z = 8 * u() - 4
      local p = 1 / (1 + math.exp(-z / 2))
      X[i], y[i] = { 1 - p, p }, u() < 1 / (1 + math.exp(-z)) and "yes" or "no"
    end
    local c = eval.calibrate(E.foreign(known()), X, y, { on = "log_odds" })
    for _, z in ipairs { -3, -1, 0, 2 } do
      local p = 1 / (1 + math.exp(-z / 2))
      local found = c:predict_proba(moe.tensor { { 1 - p, p } }):get(1, 2)
      assert.is_true(math.abs(found - 1 / (1 + math.exp(-z))) < 0.03)
    end
  end)

  it("is the same for any number of processes", function()
    local t = sample(120, 4)
    local function run(n)
      return eval.calibrate(E.forest { trees = 4 }, t, { processes = n }):predict_proba(t):totable()
    end
    assert.same(run(1), run(2))
  end)

  it("leaves the model as it was, and can be cloned and reset", function()
    local t = sample(100, 5)
    local model = E.tree {}
    local c = eval.calibrate(model, t)
    assert.is_false(model:info().fitted)
    local copy = c:clone()
    local before = copy:predict_proba(t):totable()
    assert.same(before, c:predict_proba(t):totable())
    c:reset()
    assert.is_nil(c:classes())
    assert.truthy(message(c.predict, c, t):find("not been fitted", 1, true))
    assert.same(before, copy:predict_proba(t):totable())
    assert.truthy(tostring(copy):find("calibrated (sigmoid, 5 folds)", 1, true))
  end)

  it("is an expert of mixtures, saved and loaded with them", function()
    local t = sample(150, 6)
    local X, y = t:xy()
    local m = moe.mixture {
      experts = { sure = E.logistic {}, honest = eval.calibrate(E.tree {}, { folds = 3 }) },
      folds = 3,
    }
    m:fit(X, y)
    assert.is_true(m:score(X, y) > 0.6)
    local loaded = assert(moe.undump(m:dump(), { lua = { honest = eval.calibrate(E.tree {}) } }))
    assert.same(m:predict_proba(X):totable(), loaded:predict_proba(X):totable())
    local weights = {}
    for i = 1, 150 do weights[i] = i % 3 end
    m:clone():fit(X, y, { weights = weights })
  end)

  it("takes numbers for labels where they are asked to be", function()
    local t = sample(120, 7)
    local X, y = t:xy()
    local places = { c1 = 1, c2 = 2, c3 = 3 }
    for i, label in ipairs(y) do y[i] = places[label] end
    assert.same({ 1, 2, 3 }, eval.calibrate(E.tree {}, X, y):classes())
  end)

  it("refuses what it cannot do, naming it", function()
    local t = sample(60, 8)
    assert.truthy(message(eval.calibrate, E.tree {}, t, { method = "platt" })
      :find("'method' must be one of sigmoid, isotonic", 1, true))
    assert.truthy(message(eval.calibrate, E.tree {}, t, { fold = 2 }):find("'folds'", 1, true))
  end)
end)
