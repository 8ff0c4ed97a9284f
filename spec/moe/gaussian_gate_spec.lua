-- The gaussian gate against discriminant analysis, which it is where it is known
-- who is responsible, and on regions that experts share between them.
local moe = require "moe"
local data = require "spec.support.data"
local near = require "spec.support.near"

local E, G = moe.experts, moe.gates

-- Three overlapping clouds of 8, 34 and 18 rows; a row of scores says which
-- cloud it is from.
local function clouds()
  local uniform, X, scores, weights = data.uniform(17), {}, {}, {}
  local function bell() return uniform() + uniform() + uniform() - 1.5 end
  for i = 1, 60 do
    local e = i * i % 7 % 3 + 1
    local u, v = bell(), bell()
    X[i] = { e + u, 10 * (e % 2 + 0.5 * u * e + v) }
    scores[i] = { -1e4, -1e4, -1e4 }
    scores[i][e] = 0
    weights[i] = 1 + i % 3
  end
  return X, scores, weights
end

local tests = { { 1.5, 2 }, { 2.2, 9 }, { 3.1, 4 } }

local function answers(options, weights)
  local X, scores = clouds()
  local gate = G.gaussian(options)
  gate:fit(X, scores, { weights = weights })
  return gate:forward(tests):totable()
end

describe("gaussian gate", function()
  -- scikit-learn 1.2.1: LinearDiscriminantAnalysis(solver = "lsqr")
  it("is linear discriminant analysis with tied covariances", function()
    near.rows({
      { 0.0988161070877, 0.897569996173, 0.003613896739 },
      { 0.00344074132072, 0.920353441003, 0.0762058176765 },
      { 9.62533619639e-10, 0.100263045212, 0.899736953825 },
    }, answers { covariance = "tied", prior = 0 })
  end)

  -- scikit-learn 1.2.1: GaussianNB(var_smoothing = 0)
  it("is naive Bayes with diagonal ones", function()
    near.rows({
      { 0.194129203967, 0.804110610277, 0.00176018575601 },
      { 0.0854617285122, 0.78545621447, 0.129082057018 },
      { 0.0036564148915, 0.180123415732, 0.816220169376 },
    }, answers { covariance = "diagonal", prior = 0 })
  end)

  it("weighs its rows as that does", function()
    local _, _, weights = clouds()
    near.rows({
      { 0.144765060055, 0.851809817303, 0.00342512264243 },
      { 0.0697176753253, 0.778269678977, 0.152012645698 },
      { 0.000961551031653, 0.203125571755, 0.795912877213 },
    }, answers({ covariance = "diagonal", prior = 0 }, weights))
  end)

  -- SciPy 1.10's normal densities with the clouds' maximum-likelihood moments
  it("is quadratic discriminant analysis with full ones", function()
    near.rows({
      { 0.418568764424, 0.581406518551, 2.47170246476e-05 },
      { 0.102449088772, 0.887964527985, 0.00958638324328 },
      { 0.00232692096218, 0.0254846671402, 0.972188411898 },
    }, answers { covariance = "full", prior = 0 })
  end)

  -- the same of standardised columns: (S + 5 I) / (n + 5)
  it("counts rows of the prior in each covariance", function()
    near.rows({
      { 0.20626085205, 0.779766066626, 0.0139730813242 },
      { 0.0677839339965, 0.787111383442, 0.145104682561 },
      { 0.00681938629942, 0.25168495234, 0.741495661361 },
    }, answers { covariance = "full", prior = 5 })
  end)

  it("is even where all experts are alike", function()
    local X, scores = clouds()
    for i = 1, #scores do scores[i] = { -1, -1, -1 } end
    local gate = G.gaussian {}
    gate:fit(X, scores)
    local third = { 1 / 3, 1 / 3, 1 / 3 }
    near.rows({ third, third, third }, gate:forward(tests):totable())
  end)

  -- Two rows a, two rows b (x = -1, 1).  In a, expert 1 is 3 times as likely as
  -- 2, in b the reverse: by symmetry g(0) = ½, and h = g·L/Σ settles where
  -- h_1(a) = 3 g / (3 g + 1 − g), g = g_1(a) = 1/(1 + exp(−2 m/s²)) with
  -- m = 2 h − 1 and s² = (4 (1 − m²) + prior)/(4 + prior), iterated here.
  it("settles where responsibilities and regions agree", function()
    local gate = G.gaussian { covariance = "tied", prior = 1, tol = 1e-14, max_iter = 10000 }
    local likely, unlikely = { math.log(3), 0 }, { 0, math.log(3) }
    gate:fit({ { -1 }, { -1 }, { 1 }, { 1 } }, { likely, likely, unlikely, unlikely })
    local g = 0.5
    for _ = 1, 10000 do
      local h = 3 * g / (3 * g + 1 - g)
      local m = 2 * h - 1
      g = 1 / (1 + math.exp(-2 * m * 5 / (4 * (1 - m * m) + 1)))
    end
    near.rows({ { g, 1 - g }, { 0.5, 0.5 }, { 1 - g, g } },
      gate:forward({ { -1 }, { 0 }, { 1 } }):totable(), 1e-5)
  end)

  it("passes over rows of which not all is known, or all is impossible", function()
    local X, scores = clouds()
    X[61], scores[61] = { 9, -9 }, { 0, 0 / 0, 0 }
    X[62], scores[62] = { -9, 9 }, { -math.huge, -math.huge, -math.huge }
    local gate = G.gaussian { covariance = "tied", prior = 0 }
    gate:fit(X, scores)
    near.rows(answers { covariance = "tied", prior = 0 }, gate:forward(tests):totable())
  end)

  for _, covariance in ipairs { "full", "tied", "diagonal" } do
    it("never lowers its objective, and goes on from where it was: " .. covariance, function()
      for seed = 1, 3 do
        local uniform, X, scores, weights = data.uniform(seed), {}, {}, {}
        for i = 1, 90 do
          X[i], scores[i], weights[i] = {}, {}, 2 * uniform()
          for j = 1, 3 do X[i][j] = uniform() + uniform() end
          X[i][3] = X[i][3] + X[i][1]
          for e = 1, 4 do
            scores[i][e] = 2 * uniform() - (3 * X[i][e % 3 + 1] - e) ^ 2 / 4
          end
        end
        for _, prior in ipairs { 0, 10, 200 } do
          local gate =
            G.gaussian { covariance = covariance, prior = prior, tol = 1e-9, max_iter = 1000 }
          local _, history = gate:fit(X, scores, { weights = weights })
          local objective = history.objective
          assert.is_true(#objective > 3)
          for k = 2, #objective do
            assert.is_true(objective[k] >= objective[k - 1] - 1e-10 * math.abs(objective[k]))
          end
          local _, warm = gate:fit(X, scores, { weights = weights, warm = true })
          assert.is_true(#warm.objective < #objective)
          assert.is_true(warm.objective[1] >= objective[#objective] - 1e-6)
        end
      end
    end)
  end

  it("finds each expert's region", function()
    local t, regions = moe.data.make_regions {
      rows = 1200, features = 2, regions = 3, noise = 0.05, seed = 3,
    }
    local train, test, subsets = t:rows(1, 800), t:rows(801, 1200), {}
    for i = 1, 800 do subsets[i] = regions[i] end
    local function new() return E.forest { trees = 10, seed = 1 } end
    local m = moe.mixture {
      experts = { r1 = new(), r2 = new(), r3 = new() },
      gate = G.gaussian { covariance = "full" },
    }
    m:fit(train, { subsets = subsets })
    local probs, right = m:route(test).probs, 0
    for i = 1, #test do
      local p = { r1 = probs:get(i, 1), r2 = probs:get(i, 2), r3 = probs:get(i, 3) }
      if p[regions[800 + i]] > 0.5 then right = right + 1 end
    end
    assert.is_true(right / #test > 0.93, tostring(right / #test))
    assert.is_true(m:score(test) > 0.9, tostring(m:score(test)))
  end)

  it("is calibrated, and softened by its temperature", function()
    local X, scores = clouds()
    local usual, soft = G.gaussian {}, G.gaussian { temperature = 2 }
    local own = G.gaussian { calibrate = true }
    for _, gate in ipairs { usual, soft, own } do gate:fit(X, scores) end
    local p, q = usual:forward(tests):totable(), soft:forward(tests):totable()
    for i = 1, #tests do
      local sum = 0
      for e = 1, 3 do sum = sum + math.sqrt(p[i][e]) end
      for e = 1, 3 do assert.is_true(math.abs(math.sqrt(p[i][e]) / sum - q[i][e]) < 1e-5) end
    end
    assert.has_error(function() near.rows(p, own:forward(tests):totable()) end)
  end)
end)
