-- Expectation maximisation.  Where expected numbers stand, they are from a
-- separate implementation in NumPy 1.24 of the same steps on the same rows:
-- weighted least squares by the normal equations, variances in closed form.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-7)

local E, G = moe.experts, moe.gates

-- Two lines that meet near 0.1, with uniform noise of width `noise`.
local function two_lines(n, noise, seed)
  local uniform, X, y = data.uniform(seed), {}, {}
  for i = 1, n do
    local x = 2 * uniform() - 1
    X[i], y[i] = { x }, (x < 0.1 and 2 * x + 1 or -3 * x + 2) + noise * (uniform() - 0.5)
  end
  return X, y
end

-- d-dimensional rows, one of k planes each, cut by the first column.
local function planes(n, d, k, seed)
  local uniform, X, y = data.uniform(seed), {}, {}
  local slopes = {}
  for c = 1, k do
    slopes[c] = {}
    for j = 1, d do slopes[c][j] = 4 * uniform() - 2 end
  end
  for i = 1, n do
    local row = {}
    for j = 1, d do row[j] = 2 * uniform() - 1 end
    local c, sum = 1 + math.floor(k * (row[1] + 1) / 2), uniform() - 0.5
    for j = 1, d do sum = sum + slopes[c][j] * row[j] end
    X[i], y[i] = row, sum
  end
  return X, y
end

local function never_falls(history)
  local list = history.log_likelihood
  assert.is_true(#list > 0)
  for i = 2, #list do
    local text = ("round %d: %.17g after %.17g"):format(i, list[i], list[i - 1])
    assert.is_true(list[i] >= list[i - 1], text)
  end
  return list
end

local function lines(options)
  local all = {
    experts = { a = E.linear {}, b = E.linear {} },
    gate = G.softmax { l2 = 0.01 },
    training = "em",
  }
  for name, value in pairs(options or {}) do all[name] = value end
  return moe.mixture(all)
end

-- Σ log Σ_e g_e N(y | f_e, σ_e), written out from the parts.
local function log_likelihood(m, X, y)
  local g, noise, sum = m:route(X).probs, m:info().noise, 0
  for i = 1, #X do
    local p = 0
    for e, name in ipairs(m:route({ X[1] }).names) do
      local r = (m:expert(name):predict_one(X[i]) - y[i]) / noise[name]
      p = p + g:get(i, e) * math.exp(-r * r / 2) / noise[name] / math.sqrt(2 * math.pi)
    end
    sum = sum + math.log(p)
  end
  return sum
end

describe("em", function()
  it("takes the steps that NumPy takes, from given shares", function()
    local X, y = two_lines(60, 0.4, 3)
    local subsets = {}
    for i = 1, 60 do subsets[i] = i % 3 == 1 and "a" or "b" end
    local m = lines { gate = G.uniform {}, rounds = 6, tol = 1e-12 }
    local _, history = m:fit(moe.tensor(X), y, { subsets = subsets })
    local expected = {
      -64.6825225111, -64.5073252029, -64.3028731046, -63.9500096089, -63.3524177791,
      -62.3688992967,
    }
    assert.equal(#expected, #history.log_likelihood)
    for r, value in ipairs(expected) do near(value, history.log_likelihood[r], 1e-4) end
  end)

  it("comes to the maximum that SciPy's BFGS finds in all parameters at once", function()
    -- the penalised likelihood with l2 = 1 on the gate: its likelihood there
    local X, y = two_lines(60, 0.4, 3)
    local m = lines {
      gate = G.softmax { l2 = 1, standardize = false, tol = 1e-9 },
      tol = 1e-12, rounds = 500, restarts = 5,
    }
    local _, history = m:fit(X, y)
    local list = never_falls(history)
    assert.is_true(math.abs(list[#list] - 43.27804934) < 0.05, tostring(list[#list]))
  end)

  it("records the likelihood that its parts have", function()
    local X, y = two_lines(100, 0.3, 5)
    local m = lines()
    local _, history = m:fit(X, y)
    local list = never_falls(history)
    near(list[#list], log_likelihood(m, X, y), 1e-3)
    assert.truthy(tostring(history):find "em: %d+ rounds")
  end)

  it("never lowers it: random problems of numbers", function()
    for seed = 1, 6 do
      local X, y = planes(150, 3, 1 + seed % 3, seed)
      local experts = {}
      for e = 1, 2 + seed % 3 do experts[e] = E.linear { l2 = seed % 2 } end
      local m = moe.mixture {
        experts = experts,
        gate = G.softmax { l2 = seed },
        training = "em",
        rounds = 15,
        tol = 1e-12,
      }
      local _, history = m:fit(X, y)
      never_falls(history)
    end
  end)

  it("never lowers it: classes, and experts that stop where they like", function()
    for seed = 1, 4 do
      local X, number = planes(150, 3, 3, seed + 20)
      local y = {}
      for i, v in ipairs(number) do y[i] = v > 0.7 and "high" or v > -0.5 and "mid" or "low" end
      local m = moe.mixture {
        experts = {
          E.logistic { l2 = 3 }, E.tree { max_depth = 2 }, E.constant {}, E.forest { trees = 3 },
        },
        gate = G.softmax {},
        training = "em",
        rounds = 12,
        tol = 1e-12,
      }
      local _, history = m:fit(X, y)
      never_falls(history)
      assert.is_true(m:score(X, y) > 0.5)
    end
  end)

  it("beats what one expert can do", function()
    local X, y = two_lines(300, 0.2, 9)
    local m = lines()
    m:fit(X, y)
    assert.is_true(E.linear({}):fit(X, y):score(X, y) < 0.5)
    assert.is_true(m:score(X, y) > 0.98)
  end)

  it("gives the gate a slight penalty: rows that are seen cannot judge one", function()
    local X, y = two_lines(300, 0.2, 9)
    local m = lines { gate = G.softmax {} }
    m:fit(X, y)
    assert.equal(0.01, m:get_params("gate"):info().l2)
    assert.is_true(m:score(X, y) > 0.98)
  end)

  it("goes on from what there is: two stages, then rounds of em", function()
    local X, y = two_lines(200, 0.2, 9)
    local m = lines { training = "two_stage", subsets = "clusters" }
    m:fit(X, y)
    local before = log_likelihood(m, X, y)
    local _, history = m:fit(X, y, { method = "em", rounds = 1, warm = true })
    local list = never_falls(history)
    near(before, list[1], 1e-3)
    assert.equal(2, #list) -- what there was, and a round
    local _, more = m:fit(X, y, { method = "em", rounds = 3, warm = true })
    near(list[2], more.log_likelihood[1], 1e-9)
    assert.equal("two_stage", m:get_params().training)
  end)

  it("keeps a part that its own penalty would make less likely", function()
    local X, y = two_lines(200, 0.2, 9)
    local m = lines { tol = 1e-9 }
    m:fit(X, y)
    local before = log_likelihood(m, X, y)
    local function refine(changes)
      local other = m:clone()
      other:set_params(changes)
      local _, history = other:fit(X, y, { warm = true, rounds = 3 })
      never_falls(history)
      assert.is_true(log_likelihood(other, X, y) >= before - 1e-6)
    end
    refine { ["experts.a.l2"] = 1e4 }
    refine { ["gate.l2"] = 1e5 }
    refine { ["experts.a.l2"] = 1e4, ["experts.b.l2"] = 1e4, ["gate.l2"] = 1e5 }
  end)

  it("goes on from experts alone: their gate is found on the way", function()
    local X, y = two_lines(200, 0.2, 9)
    for _, method in ipairs { "em", "gradient" } do
      local m = lines { subsets = "clusters", training = "two_stage" }
      m:fit(X, y, { stage = "experts" })
      m:fit(X, y, { method = method, warm = true })
      assert.is_true(m:score(X, y) > 0.9, method)
    end
  end)

  it("keeps the most likely of its restarts", function()
    local X, y = planes(200, 2, 4, 3)
    local function fit(restarts)
      local experts = {}
      for e = 1, 4 do experts[e] = E.linear {} end
      local m = moe.mixture {
        experts = experts, gate = G.softmax {}, training = "em", restarts = restarts, rounds = 20,
      }
      local _, history = m:fit(X, y)
      local list = never_falls(history)
      near(list[#list], log_likelihood(m, X, y), 1e-3)
      return list[#list]
    end
    assert.is_true(fit(6) >= fit(1))
  end)

  it("publishes the most likely so far, in later runs too", function()
    local X, y = planes(40, 2, 4, 3)
    local m = lines { restarts = 6, rounds = 10 }
    local job, before, commits, steps = m:start_fit(X, y), -math.huge, 0, 0
    while not job:step { budget_ms = 1e-6 } do
      steps = steps + 1
      if steps % 50 == 0 and pcall(job.commit, job) then
        local now = log_likelihood(m, X, y)
        assert.is_true(now >= before - 1e-4, ("%.9g after %.9g"):format(now, before))
        before, commits = now, commits + 1
      end
    end
    job:commit()
    assert.is_true(commits > 20 and log_likelihood(m, X, y) >= before - 1e-4)
  end)

  it("can be saved after targets whose squares no number holds", function()
    local X, y = two_lines(50, 0.3, 5)
    for i = 1, 50 do y[i] = 1e200 * y[i] end
    for _, training in ipairs { "em", "two_stage", "gradient" } do
      local m = lines { training = training }
      m:fit(X, y)
      assert.same(m:predict(X), moe.undump(m:dump()):predict(X))
    end
  end)

  it("refuses experts that are frozen and answer something else", function()
    local X, y = two_lines(30, 0.3, 5)
    local pairs_of_y, names = {}, {}
    for i, v in ipairs(y) do
      pairs_of_y[i], names[i] = { v, -v }, v > 0 and "up" or "down"
    end
    local wide, class = E.linear {}, E.logistic {}
    wide:fit(X, moe.tensor(pairs_of_y))
    class:fit(X, names)
    for _, training in ipairs { "em", "gradient", "two_stage" } do
      for _, expert in ipairs { wide, class } do
        local m = lines {
          training = training, frozen = { "a" }, experts = { a = expert, b = E.linear {} },
        }
        local ok, message = pcall(m.fit, m, X, y)
        assert.is_false(ok)
        assert.truthy(message:find("'a' is frozen, but was fitted to other targets", 1, true))
      end
    end
  end)

  it("refuses to score experts as they are that answer something else", function()
    local X, y = two_lines(30, 0.3, 5)
    local two = {}
    for i, v in ipairs(y) do two[i] = { v, -v } end
    local m = lines { training = "two_stage" }
    m:fit(X, moe.tensor(two))
    local ok, message = pcall(m.fit, m, X, y, { stage = "gate", unseen = true })
    assert.is_false(ok)
    assert.truthy(message:find("'a' was fitted to other targets", 1, true))
  end)

  it("leaves what is frozen as it is, the gate too", function()
    local X, y = two_lines(100, 0.3, 5)
    local m = lines()
    m:fit(X, y)
    local a, gate = m:expert("a"):predict(X), m:get_params("gate"):forward(X):totable()
    local other = {}
    for i, v in ipairs(y) do other[i] = v + X[i][1] end
    m:set_params { frozen = { "a", "gate" } }
    local _, history = m:fit(X, other, { warm = true, rounds = 5 })
    never_falls(history)
    assert.same(a, m:expert("a"):predict(X))
    assert.same(gate, m:get_params("gate"):forward(X):totable())
    m:set_params { frozen = { "gate" } }
    m:get_params("gate"):reset()
    assert.has_error(function() m:fit(X, y) end)
  end)

  it("weighs rows: a row of weight 2 is the row twice", function()
    local X, y = two_lines(60, 0.3, 8)
    local twice, labels, weights, subsets, both = {}, {}, {}, {}, {}
    for i = 1, 60 do
      weights[i], subsets[i] = i % 2 + 1, i % 3 == 0 and "a" or "b"
      for _ = 1, weights[i] do
        twice[#twice + 1], labels[#labels + 1], both[#both + 1] = X[i], y[i], subsets[i]
      end
    end
    local options = { gate = G.uniform {}, rounds = 4, tol = 1e-12 }
    local _, one = lines(options):fit(X, y, { weights = weights, subsets = subsets })
    options.gate = G.uniform {}
    local _, two = lines(options):fit(twice, labels, { subsets = both })
    for r, v in ipairs(one.log_likelihood) do near(v, two.log_likelihood[r], 1e-6) end
  end)

  it("bears rows that all agree, and experts without rows", function()
    local m = lines { rounds = 5 }
    local _, history = m:fit({ { 1 }, { 1 }, { 1 }, { 1 } }, { 2, 2, 2, 2 })
    never_falls(history)
    assert.is_true(math.abs(m:predict_one { 1 } - 2) < 1e-6)
    for name, noise in pairs(m:info().noise) do
      assert.is_true(noise > 0 and noise < math.huge, name)
    end
  end)

  it("refuses to go on from a mixture that is not there, or has changed", function()
    local X, y = two_lines(40, 0.3, 5)
    local m = lines()
    assert.has_error(function() m:fit(X, y, { warm = true }) end)
    m:fit(X, y)
    m:add_expert("c", E.linear {})
    assert.has_error(function() m:fit(X, y, { warm = true }) end)
    assert.has_error(function() E.linear({}):fit(X, y, { method = "em" }) end)
    assert.has_error(function() m:fit(X, y, { method = "magic" }) end)
    assert.has_error(function() m:fit(X, y, { subsets = "magic" }) end)
    assert.has_error(function() m:fit(X, y, { stage = "magic" }) end)
  end)
end)

describe("em and gradient", function()
  it("survive a failed allocation anywhere, and leak nothing", function()
    local X, y = two_lines(16, 0.3, 5)
    local rows = moe.tensor(X)
    for _, training in ipairs { "em", "gradient" } do
      local function life()
        local m = moe.mixture {
          experts = { l = E.linear {}, n = lines { training = "two_stage" } },
          gate = G.softmax { l2 = 1, max_iter = 5 },
          training = training,
          rounds = 2,
          restarts = 2,
          epochs = 2,
        }
        m:fit(rows, y)
        m:close()
      end
      assert.is_true(allocations.fail(life) > 50)
    end
    local function subsets()
      local m = lines { training = "two_stage", folds = 2 }
      m:fit(rows, y, { subsets = "residuals" })
      m:close()
    end
    assert.is_true(allocations.fail(subsets) > 50)
  end)
end)
