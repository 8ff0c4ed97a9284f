-- A mixture that learns sample by sample.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local catalog = require "spec.support.catalog"
local data = require "spec.support.data"

local E, G = moe.experts, moe.gates

local function near(expected, actual, tolerance)
  if math.abs(expected - actual) > tolerance then
    error(("expected %.12f, got %.12f"):format(expected, actual), 2)
  end
end

-- The stream of the reference system's golden numbers: sample i, from 0.
local function sample(i)
  local x = { math.sin(0.37 * i), math.cos(0.73 * i) }
  if x[1] > 0 then return x, 2 * x[1] + 3 * x[2] + 1 end
  return x, -x[1] + 0.5 * x[2] - 2
end

-- Its gate's first weights for seed 42, one row an expert: computed with its one
-- round of xorshift64 in 64-bit integers, to 17 digits.
local first_weights = {
  -0.70710677770176977, -0.70710677761879792,
  -0.35074503689324915, -0.3507450368102773,
  0.0056167025878925683, 0.0056167026708644182,
  0, 0, 0,
}

local function plain_gate(options)
  local own = {
    online_lr = 0.01, implicit = false, clip = 0, decay = 0, standardize = false, prior = 0,
    share = 0, target = "best_expert",
  }
  for name, value in pairs(options or {}) do own[name] = value end
  return G.softmax(own)
end

-- Its learning rate counts the derivative of e², ours that of e² / 2.
local function plain_experts(rates)
  local experts = {}
  for k, rate in ipairs(rates) do experts[k] = E.linear { lr = 2 * rate, step = "sgd" } end
  return experts
end

local function reference(options)
  local own = { preset = "reference" }
  for name, value in pairs(options or {}) do own[name] = value end
  return moe.streaming(own)
end

describe("with the original's options", function()
  local m = moe.mixture {
    experts = plain_experts { 0.01, 0.02, 0.05 }, top_k = 2,
    gate = plain_gate { weights = first_weights }, stream = { preset = "reference" },
  }
  local at, squares = {}, 0
  for i = 0, 1999 do
    local x, y = sample(i)
    squares = squares + (m:predict_one(x) - y) ^ 2
    m:learn_one(x, y)
    if i + 1 == 1 or i + 1 == 10 or i + 1 == 100 or i + 1 == 500 or i + 1 == 2000 then
      at[i + 1] = {
        answer = m:predict_one { 0.5, 0.5 }, rmse = math.sqrt(squares / (i + 1)),
        stats = m:stats(), probs = m:route_one({ 0.5, 0.5 }).probs,
      }
    end
  end

  -- Golden numbers of irithyll 9.8.5 with the router of its seed version, printed to
  -- 12 digits or fewer.
  it("answers as the original does, to 1e-9", function()
    near(-0.037109540928, at[1].answer, 1e-9)
    near(1.053266431891, at[10].answer, 1e-9)
    near(1.938237582410, at[100].answer, 1e-9)
    near(2.898810513947, at[500].answer, 1e-9)
    near(3.019423009613, at[2000].answer, 1e-9)
    near(1.612562361, at[100].rmse, 1e-9)
    near(0.939547110, at[500].rmse, 1e-9)
    near(0.889782189, at[2000].rmse, 1e-9)
  end)

  it("teaches the experts that the original does", function()
    assert.same({ ["1"] = 1, ["2"] = 10, ["3"] = 9 }, at[10].stats.learned)
    assert.same({ ["1"] = 33, ["2"] = 99, ["3"] = 68 }, at[100].stats.learned)
    assert.same({ ["1"] = 1213, ["2"] = 1456, ["3"] = 1331 }, at[2000].stats.learned)
  end)

  it("has the original's gate, load, utilisation and diagnostics, to 1e-9", function()
    local function check(expected, actual)
      for k, value in ipairs(expected) do near(value, actual[k] or actual[tostring(k)], 1e-9) end
    end
    local stats = at[2000].stats
    check({ 0.601349137, 0.711132844, 0.686847101 }, stats.load)
    check({ 0.432348047, 0.303841601, 0.263474893 }, stats.utilisation)
    near(-0.052791986, stats.alignment, 1e-9)
    near(0.74184386, stats.entropy, 1e-8)
    near(0.740758223, stats.disagreement, 1e-9)
  end)

  -- A routing has its probabilities in single precision.
  it("routes by logits that have the bias in them", function()
    for k, expected in ipairs { 0.226906862, 0.318768127, 0.454325011 } do
      near(expected, at[1].probs:get(1, k), 1e-7)
    end
    for k, expected in ipairs { 0.17559875, 0.29684825, 0.527553 } do
      near(expected, at[2000].probs:get(1, k), 1e-7)
    end
  end)

  it("starves what it is to protect, which shadow does not", function()
    local function learned(options)
      local w = moe.mixture {
        experts = plain_experts { 0.01, 0.02, 0.03, 0.05 }, top_k = 2, gate = plain_gate(),
        stream = options,
      }
      for i = 0, 999 do w:learn_one(sample(i)) end
      return w:stats().learned["4"]
    end
    assert.equal(0, learned(reference { warmups = { ["4"] = 50 } }))
    assert.is_true(learned(reference { warmups = { ["4"] = 50 }, warming = "shadow" }) >= 50)
  end)

  -- Without balance one expert of two is never selected: not dead by its probability,
  -- for it never learned, but by the routing.
  it("finds an expert that was never selected dead, by routing", function()
    local function dead(by)
      local w = moe.mixture {
        experts = plain_experts { 0.05, 0.05, 0.05 }, top_k = 1, gate = plain_gate(),
        stream = reference { balance = "none", dead_by = by, revive = "none", span = 100 },
      }
      for i = 0, 999 do w:learn_one(sample(i)) end
      assert.equal(0, w:stats().learned["3"])
      return w:stats().dead
    end
    assert.same({}, dead "probability")
    assert.equal("3", dead("routing")[#dead "routing"])
  end)
end)

-- Two lines, one where x[1] > 0 and one where not, with noise.
local function lines(n, seed)
  local uniform, X, y = data.uniform(seed), {}, {}
  for i = 1, n do
    local a, b = 2 * uniform() - 1, 2 * uniform() - 1
    X[i] = { a, b }
    y[i] = (a > 0 and 3 * b + 1 or -2 * b - 1) + 0.1 * (uniform() - 0.5)
  end
  return X, y
end

-- Three clouds of points with labels.
local function clouds(n, seed) return data.clouds(n, 3, 3, seed) end

local function mixture(options)
  local own = { experts = { a = E.linear {}, b = E.linear { lr = 0.2 }, c = E.constant {} } }
  for name, value in pairs(options or {}) do own[name] = value end
  return moe.mixture(own)
end

local function classifier(options)
  local own = { experts = { a = E.logistic {}, b = E.naive_bayes {}, c = E.constant {} } }
  for name, value in pairs(options or {}) do own[name] = value end
  return moe.mixture(own)
end

local function teach(m, X, y, first, last)
  for i = first or 1, last or #X do m:learn_one(X[i], y[i]) end
  return m
end

describe("a mixture on a stream", function()
  it("is nearly as good as the best of its experts, and better than the others", function()
    local X, y = lines(3000, 3)
    local m = mixture {
      experts = { a = E.linear {}, b = E.constant {}, c = E.linear { lr = 1e-4 } },
    }
    local alone, own, best = E.linear {}, 0, 0
    for i = 1, #X do
      if i > 1000 then
        own = own + (m:predict_one(X[i]) - y[i]) ^ 2
        best = best + (alone:predict_one(X[i]) - y[i]) ^ 2
      end
      m:learn_one(X[i], y[i])
      alone:learn_one(X[i], y[i])
    end
    assert.is_true(math.sqrt(own) < 1.03 * math.sqrt(best))
  end)

  it("is better than any of them where each knows a part of the world", function()
    local X, y = lines(6000, 4)
    local function half(sign)
      local expert = E.linear {}
      for i = 1, 1000 do if X[i][1] * sign > 0 then expert:learn_one(X[i], y[i]) end end
      return expert
    end
    local m = mixture {
      experts = { plus = half(1), minus = half(-1) }, frozen = { "plus", "minus" }, top_k = 1,
    }
    local plus, own, one = half(1), 0, 0
    for i = 1, #X do
      if i > 3000 then
        own = own + (m:predict_one(X[i]) - y[i]) ^ 2
        one = one + (plus:predict_one(X[i]) - y[i]) ^ 2
      end
      m:learn_one(X[i], y[i])
    end
    assert.is_true(own < 0.3 * one, own / one)
  end)

  it("tells classes apart, and learns of new ones on its way", function()
    local X, y = clouds(900, 5)
    local m = classifier()
    local right = 0
    for i = 1, #X do
      if i > 300 and m:predict_one(X[i]) == y[i] then right = right + 1 end
      m:learn_one(X[i], y[i])
    end
    assert.is_true(right > 0.85 * 600, right)
    m:learn_one({ 9, 9, 9 }, "zebra")
    assert.equal("zebra", m:classes()[#m:classes()])
    for i = 1, 30 do m:learn_one({ 9, 9 + i / 100, 9 }, "zebra") end
    assert.equal("zebra", (m:predict_one { 9, 9.1, 9 }))
    local sum = 0
    for _, p in pairs(m:predict_proba_one { 9, 9.1, 9 }) do sum = sum + p end
    near(1, sum, 1e-12)
  end)

  it("predicts a batch as its rows one by one, bit for bit", function()
    local X, y = lines(200, 6)
    local m = teach(mixture { top_k = 2 }, X, y)
    local all = m:predict(X)
    for i = 1, #X do assert.equal(all[i], (m:predict_one(X[i]))) end
    local Xc, yc = clouds(200, 6)
    local c = teach(classifier(), Xc, yc)
    local labels = c:predict(Xc)
    for i = 1, #Xc do assert.equal(labels[i], (c:predict_one(Xc[i]))) end
  end)

  it("learns many rows as one by one, bit for bit, with weights", function()
    local X, y = lines(300, 7)
    local weights = {}
    for i = 1, #X do weights[i] = i % 3 end
    local one, many = mixture { top_k = 2 }, mixture { top_k = 2 }
    for i = 1, #X do one:learn_one(X[i], y[i], weights[i] > 0 and weights[i] or 1) end
    for i = 1, #X do if weights[i] == 0 then weights[i] = 1 end end
    many:learn_many(X, y, { weights = weights })
    assert.is_true(one:dump() == many:dump())
    local plain = teach(mixture { top_k = 2 }, X, y)
    assert.is_false(plain:dump() == many:dump())
  end)

  it("answers by settings that were changed since it last learned", function()
    local X, y = lines(100, 8)
    local m = teach(mixture { top_k = 2 }, X, y)
    local before = m:predict_one(X[1])
    m:set_params { top_k = 1 }
    local alone = m:predict_one(X[1])
    assert.equal(m:predict({ X[1] })[1], alone)
    assert.not_equal(before, alone)
    m:set_params { top_k = 2 }
    assert.equal(before, m:predict_one(X[1]))
  end)

  it("gives a sample's weight to the gate too", function()
    local function gate_after(weight)
      local m = moe.mixture {
        experts = { a = E.constant {}, b = E.constant { task = "regression" } },
      }
      m:learn_one({ 1 }, 1)
      m:expert("b"):learn_one({ 1 }, 30)
      m:learn_one({ 1 }, 2, weight)
      return m:get_params("gate"):forward_one({ 1 })[1]
    end
    assert.is_true(gate_after(3) > gate_after(1))
  end)

  it("goes on from a copy or a file as if nothing had been", function()
    local settings = {
      {}, { noise = 0.3, explore = 0.2, teach = "chosen" }, { balance = "quantile" },
      { balance = "integral", warmup = 350 }, { drift = "adwin", on_drift = "fork" },
      { preset = "reference" },
    }
    for _, options in ipairs(settings) do
      local X, y = lines(800, 8)
      for i = 500, #X do y[i] = 5 - y[i] end
      local m = mixture { top_k = 2, stream = moe.streaming(options), seed = 7 }
      teach(m, X, y, 1, 600)
      local copy, loaded = m:clone(), assert(moe.undump(m:dump()))
      for _, other in ipairs { m, copy, loaded } do teach(other, X, y, 601) end
      assert.is_true(m:dump() == copy:dump())
      assert.is_true(m:dump() == loaded:dump())
      assert.same(m:stats().learned, loaded:stats().learned)
    end
  end)

  it("gives the same bits for the same seed, and others for another", function()
    local X, y = lines(300, 9)
    local function run(seed)
      local stream = { noise = 1, teach = "chosen" }
      return teach(mixture { top_k = 1, seed = seed, stream = stream }, X, y)
    end
    assert.is_true(run(1):dump() == run(1):dump())
    assert.is_false(run(1):stats().learned.a == run(2):stats().learned.a)
  end)

  it("explains an answer", function()
    local X, y = lines(300, 10)
    local m = teach(mixture { top_k = 2 }, X, y)
    local e = m:explain(X[5])
    local sum, chosen = 0, 0
    for _, one in ipairs(e.experts) do
      sum = sum + one.weight * one.prediction
      chosen = chosen + (one.chosen and 1 or 0)
    end
    near(m:predict_one(X[5]), sum, 1e-6) -- its weights are in single precision
    assert.equal(2, chosen)
  end)

  it("takes nominal and missing features through experts of all kinds", function()
    local uniform = data.uniform(11)
    local colours = { "red", "green", "blue" }
    local m = moe.mixture {
      experts = { line = E.linear { lr = 0.1 }, base = E.constant {}, tree = E.hoeffding_tree {} },
    }
    local late, n = 0, 2000
    for i = 1, n do
      local k = math.floor(3 * uniform()) + 1
      local x = { colour = colours[k], size = uniform() }
      if i > 1 and uniform() < 0.1 then x.size = nil end
      if i > 1 and uniform() < 0.05 then x.colour = nil end
      local y = k * 2 + (x.size or 0.5)
      if i > n / 2 then late = late + math.abs(m:predict_one(x) - y) end
      m:learn_one(x, y)
    end
    assert.is_true(late / (n / 2) < 0.4, late / (n / 2))
    assert.is_number(m:predict_one { colour = "violet", size = 0.5 })
  end)

  it("stays as it is before the first sample, and refuses what it cannot be", function()
    local m = mixture()
    assert.equal(0, (m:predict_one { 1, 2 }))
    assert.error_matches(function()
      moe.mixture({ experts = { a = E.forest {} } }):learn_one({ 1 }, 2)
    end, "mixture cannot learn row by row, as 'a' %(forest%) cannot")
    assert.error_matches(function()
      moe.mixture({ experts = { a = E.linear {}, b = E.logistic {} } }):learn_one({ 1 }, 2)
    end, "expert 'b' predicts classes")
    local other = E.linear {}
    other:learn_one({ 1, 2, 3 }, 1)
    assert.error_matches(function()
      moe.mixture({ experts = { a = E.linear {}, b = other } }):learn_one({ 1 }, 2)
    end, "expert 'b' has learned other columns")
    assert.error_matches(function() moe.streaming { teach = "nobody" } end, "teach")
    assert.error_matches(function() moe.streaming { preset = "best" } end, "preset")
  end)

  it("goes on from what was fitted, with the classes of all", function()
    local X, y = clouds(300, 12)
    local first = E.logistic {}
    first:learn_many({ { 0, 0, 0 }, { 5, 5, 5 } }, { "apple", "pear" })
    local m = classifier { experts = { a = first, b = E.naive_bayes {} } }
    teach(m, X, y)
    local classes = {}
    for _, class in ipairs(m:classes()) do classes[class] = true end
    assert.is_true(classes.apple and classes.pear and classes[y[1]])

    local fitted = classifier { folds = 2 }
    fitted:fit(X, y)
    local before = fitted:predict_proba_one(X[1])[y[1]]
    fitted:learn_one(X[1], y[1])
    near(before, fitted:predict_proba_one(X[1])[y[1]], 0.2)
    teach(fitted, X, y)
    fitted:learn_one({ 9, 9, 9 }, "zebra")
    assert.equal(4, #fitted:classes())
  end)

  it("leaves frozen experts as they are, which need not learn row by row", function()
    local X, y = lines(300, 13)
    local forest = E.forest { trees = 3 }
    forest:fit(X, y)
    local before = forest:predict(X)
    local m = mixture { experts = { a = E.linear {}, b = forest }, frozen = { "b" } }
    teach(m, X, y)
    assert.same(before, forest:predict(X))
    assert.is_true(m:stats().loss.b < m:stats().loss.a)
    assert.equal(0, m:stats().learned.b - forest:info().n_seen)
  end)
end)

describe("what the experts of a stream learn", function()
  -- Two laws side by side: what one line can do leaves 0.83 of it.
  it("is divided among experts of one type, so that they become different", function()
    local random = require("moe.random")(7)
    local function next_sample()
      local x = { 2 * random:uniform() - 1, 2 * random:uniform() - 1 }
      return x, x[1] > 0 and 3 * x[2] + x[1] or -2 * x[2]
    end
    local function error_of(stream)
      local m = moe.mixture {
        experts = { E.linear { lr = 0.1 }, E.linear { lr = 0.2 } }, stream = stream,
      }
      local sum = 0
      for i = 1, 4000 do
        local x, y = next_sample()
        local e = m:test_then_learn(x, y) - y
        if i > 2000 then sum = sum + e * e end
      end
      return math.sqrt(sum / 2000)
    end
    local own, all = error_of(), error_of { teach = "all" }
    assert.is_true(own < 0.5 * all, ("%.3f, %.3f"):format(own, all))
  end)

  -- An expert that says 0.99 where it is right 7 times in 10.
  it("includes how far their probabilities are to be believed", function()
    local function loud()
      return {
        learn_one = function() end,
        predict_proba_one = function(_, x) return x[1] > 0 and { 0.01, 0.99 } or { 0.99, 0.01 } end,
        predict_one = function(_, x) return x[1] > 0 and "b" or "a" end,
        predict_proba = function(_, X)
          local out = {}
          for i = 1, X.shape[1] do
            out[i] = X:get(i, 1) > 0 and { 0.01, 0.99 } or { 0.99, 0.01 }
          end
          return out
        end,
      }
    end
    local random = require("moe.random")(3)
    local m = moe.mixture {
      experts = { loud = moe.experts.foreign(loud()) }, gate = G.uniform {},
      task = "classification",
    }
    for _ = 1, 4000 do
      local x = 2 * random:uniform() - 1
      local right = random:uniform() < 0.7
      m:learn_one({ x }, (x > 0) == right and "b" or "a")
    end
    -- p^a / (p^a + q^a) = 0.7 at a = ln(7/3) / ln(99)
    local a = math.log(7 / 3) / math.log(99)
    assert.is_true(math.abs(m:info().sharpness.loud - a) < 0.04, tostring(m:info().sharpness.loud))
    local _, p = m:predict_one { 0.5 }
    assert.is_true(math.abs(p - 0.7) < 0.03, tostring(p))
  end)
end)

describe("the options of a stream", function()
  local X, y = lines(700, 14)
  local function run(stream, options)
    local own = { top_k = 2, seed = 3, stream = moe.streaming(stream or {}) }
    for name, value in pairs(options or {}) do own[name] = value end
    return teach(mixture(own), X, y):predict(X)
  end

  it("are refused where they are wrong, at the line of who gives them", function()
    for reason, options in pairs {
      ["'teech'; did you mean 'teach'"] = { stream = { teech = "all" } },
      ["'drift' must be 'none', 'adwin'"] = { stream = { drift = "adwim" } },
      ["'stream' must be a table of the options of moe.streaming; got adwin"] = {
        stream = "adwin",
      },
      ["unknown parameter 'drift'; it is one of stream = { … }"] = { drift = "adwin" },
      ["'warmups' names 'z', which is no expert"] = { stream = { warmups = { z = 5 } } },
      ["'frozen' names 'z', which is no expert"] = { frozen = { "z" } },
    } do
      options.experts = { a = E.linear {}, b = E.constant {} }
      local good, message = pcall(function()
        local m = moe.mixture(options)
        return m
      end)
      assert.is_false(good)
      assert.truthy(message:find(reason, 1, true), message)
      assert.matches("mixture_stream_spec.lua:%d+:", message)
    end
  end)

  it("are refused where they would change nothing, with what they need", function()
    local needs = {
      ["'balance_rate' is 0.2, but it would change nothing without balance"] = {
        { balance_rate = 0.2 }, { balance_rate = 0.2, balance = "integral" },
      },
      ["'warming' is 'penalty', but it would change nothing without warmup or warmups"] = {
        { warming = "penalty" }, { warming = "penalty", warmups = { a = 3 } },
      },
      ["'on_drift' is 'reset', but it would change nothing without drift"] = {
        { on_drift = "reset" }, { on_drift = "reset", drift = "adwin" },
      },
      ["'drift_delta' is 0.1, but it would change nothing without drift 'adwin' or 'page_hinkley'"]
        = { { drift_delta = 0.1, drift = "ddm" }, { drift_delta = 0.1, drift = "adwin" } },
      ["'drift_threshold' is 9, but it would change nothing without drift 'page_hinkley' or 'ddm'"]
        = { { drift_threshold = 9, drift = "kswin" }, { drift_threshold = 9, drift = "ddm" } },
      ["'drift_alpha' is 0.1, but it would change nothing without drift 'kswin'"] = {
        { drift_alpha = 0.1, drift = "adwin" }, { drift_alpha = 0.1, drift = "kswin" },
      },
      ["'drift_window' is 20, but it would change nothing without drift 'page_hinkley' or 'ddm' "
        .. "or 'kswin'"] = { { drift_window = 20, drift = "adwin" },
        { drift_window = 20, drift = "page_hinkley" } },
      ["'drift_window' must be at least 10 with drift 'kswin'; got 9"] = {
        { drift_window = 9, drift = "kswin" }, { drift_window = 9, drift = "ddm" },
      },
    }
    for reason, options in pairs(needs) do
      local m = mixture()
      for _, give in ipairs {
        function(stream) moe.streaming(stream) end,
        function(stream)
          local made = moe.mixture { experts = { a = E.linear {} }, stream = stream }
          return made
        end,
        function(stream) m:set_params { stream = stream } end,
      } do
        local good, message = pcall(give, options[1])
        assert.is_false(good)
        assert.truthy(message:find("streaming: " .. reason, 1, true), message)
        assert.matches("mixture_stream_spec.lua:%d+:", message)
        give(options[2])
      end
    end
    -- what happens anyway may be said, and what a preset says
    moe.streaming { balance_rate = 0.01, warming = "shadow", on_drift = "note" }
    assert.equal("penalty", moe.streaming({ preset = "reference" }):get_params "warming")
  end)

  it("are a table for who has them, too", function()
    local m = mixture()
    m:set_params { stream = { preset = "reference", teach = "all" } }
    assert.equal("all", m:get_params "stream.teach")
    assert.equal("partial", m:get_params "stream.feedback")
    local outer = moe.mixture { experts = { inner = m } }
    outer:set_params { ["experts.inner.stream"] = { span = 9 } }
    assert.equal(9, m:get_params "stream.span")
    assert.error_matches(function() m:set_params { stream = { teech = "all" } } end,
      "'teech'; did you mean 'teach'")
    assert.equal(9, m:get_params "stream.span")
  end)

  it("a window that kswin cannot have is refused of who learns with it", function()
    local m = teach(mixture { stream = { drift = "ddm", drift_window = 5 } }, X, y, 1, 20)
    m:get_params("stream"):set_params { drift = "kswin" }
    assert.error_matches(function() m:learn_one(X[21], y[21]) end,
      "'drift_window' must be at least 10 with drift 'kswin'; got 5")
    m:get_params("stream"):set_params { drift_window = 10 }
    teach(m, X, y, 21, 60)
  end)

  it("are the same when they are not given", function()
    assert.same(run {}, teach(mixture { top_k = 2, seed = 3 }, X, y):predict(X))
  end)

  for name, values in pairs {
    feedback = { "partial" }, teach = { "chosen", "responsibility" }, explore = { 0.3 },
    noise = { 0.5 },
    balance = { "integral", "quantile", "logits" }, warmup = { 650 },
  } do
    it(name .. " changes what is learned", function()
      local seen = { run { teach = "chosen", warmup = 0 } }
      for _, value in ipairs(values) do
        seen[#seen + 1] = run { teach = name == "teach" and value or "chosen", [name] = value }
      end
      if name == "teach" then seen[1] = run {} end
      for i = 1, #seen do
        for j = 1, i - 1 do
          assert.is_false((pcall(assert.same, seen[i], seen[j])), ("%d and %d"):format(i, j))
        end
      end
    end)
  end

  it("a warm-up is heard of in shadow, and by its penalty", function()
    local w = mixture { stream = { warmups = { b = 100 } } }
    teach(w, X, y, 1, 50)
    assert.equal(0.5, w:stats().warmup.b)
    assert.equal(1, w:stats().warmup.a)
    assert.equal(50, w:stats().learned.b)
    assert.equal(0, w:stats().load.b)
    for k, name in ipairs(w:route_one(X[1]).names) do
      if name == "b" then assert.equal(0, w:route_one(X[1]).probs:get(1, k)) end
    end
    teach(w, X, y, 51, 150)
    assert.equal(1, w:stats().warmup.b)
    assert.is_true(w:stats().load.b > 0)
    -- half of the warm-up: a logit lower by 2.5
    local p = mixture { stream = { warmups = { b = 100 }, warming = "penalty" } }
    teach(p, X, y, 1, 50)
    local routed, gate = p:route_one(X[1]).probs, p:get_params("gate"):forward_one(X[1])
    near(math.exp(-2.5), routed:get(1, 2) / routed:get(1, 1) / (gate[2] / gate[1]), 1e-6)
  end)

  it("bias integrators are centred, bounded and even out the load", function()
    local function load(balance, rate)
      local m = mixture {
        experts = { a = E.linear { lr = 0.1 }, b = E.linear { lr = 1e-6 }, c = E.constant {} },
        top_k = 1, stream = { balance = balance, balance_rate = rate, span = 200 },
      }
      teach(m, X, y)
      local stats = m:stats()
      near(0, stats.bias.a + stats.bias.b + stats.bias.c, 1e-12)
      for _, bias in pairs(stats.bias) do assert.is_true(math.abs(bias) <= 1) end
      return math.max(stats.load.a, stats.load.b, stats.load.c)
    end
    local before = load "none"
    assert.is_true(load("integral", 0.02) < before - 0.15, before)
    assert.is_true(load("quantile", 0.01) < before - 0.1)
  end)

  it("biases stay centred where rows select fewer experts than they may", function()
    local m = mixture { threshold = 0.6, stream = { balance = "integral", balance_rate = 0.1 } }
    teach(m, X, y)
    local bias = m:stats().bias
    near(0, bias.a + bias.b + bias.c, 1e-12)
    assert.is_true(math.abs(bias.a) > 0)
  end)

  it("the dead are revived as they were new, or as copies of the best", function()
    local function revived(how)
      local m = mixture {
        experts = { a = E.linear { lr = 0.1 }, b = E.linear { lr = 1e-9 } }, top_k = 1,
        stream = { span = 50, dead_below = 0.05, revive = how },
      }
      teach(m, X, y)
      return m:stats().events, m
    end
    assert.same({}, (revived "none"))
    local events = revived "reset"
    assert.is_true(#events > 0)
    for _, event in ipairs(events) do assert.equal("reset", event.kind) end
    local last = events[#events]
    local said = ("reset of %s at %d"):format(last.expert, last.at)
    assert.truthy(tostring(events):find(said, 1, true))
    local cloned, m = revived "clone"
    assert.equal("clone", cloned[1].kind)
    assert.is_true(m:stats().loss.b < 2 * m:stats().loss.a)
  end)

  it("one that warms up longer than a span is not dead of it", function()
    local m = mixture {
      top_k = 1, stream = { span = 50, warmups = { b = 400 }, dead_below = 0.1, revive = "reset" },
    }
    teach(m, X, y, 1, 450)
    assert.equal(450, m:stats().learned.b)
    assert.equal(1, m:stats().warmup.b)
    for _, event in ipairs(m:stats().events) do assert.not_equal("b", event.expert) end
    for _, name in ipairs(m:stats().dead) do assert.not_equal("b", name) end
  end)

  local function slow_ones(options)
    local own = { teach = "all", span = 20, dead_below = 0.2, revive = "reset" }
    for name, value in pairs(options) do own[name] = value end
    local m = mixture {
      experts = {
        a = E.linear { lr = 0.1 }, b = E.linear { lr = 1e-9 }, c = E.linear { lr = 1e-9 },
        d = E.linear { lr = 1e-9 },
      },
      top_k = 1, stream = own,
    }
    teach(m, X, y)
    return m:stats().events
  end

  it("who begins anew beside others that do is still who it was", function()
    local events, at = slow_ones {}, {}
    assert.is_true(#events > 10)
    for _, event in ipairs(events) do
      local last = at[event.expert] or 0 -- an index that is never nil
      assert.is_true(event.at > last + 20)
      at[event.expert] = event.at
    end
  end)

  it("looks at who is dead as seldom as may be, and misses none", function()
    for _, by in ipairs { "routing", "probability" } do
      -- what has a detector, be it one that never speaks, is looked at every time
      local watched = slow_ones { dead_by = by, drift = "ddm", drift_threshold = 1e300 }
      assert.is_true(#watched > 0)
      assert.same(watched, slow_ones { dead_by = by })
    end
  end)

  it("a change of the world is noticed when it comes", function()
    local Z, z = lines(3000, 15)
    for i = 1501, 3000 do z[i] = 20 - 3 * z[i] end
    for _, detector in ipairs { "adwin", "page_hinkley", "ddm", "kswin" } do
      for _, reaction in ipairs { "note", "reset", "fork" } do
        local m = mixture {
          experts = { a = E.linear {} }, stream = { drift = detector, on_drift = reaction },
        }
        teach(m, Z, z)
        local found, kinds = false, {}
        for _, event in ipairs(m:stats().events) do
          kinds[event.kind] = true
          if event.kind == "drift" and event.at > 1500 and event.at < 1900 then found = true end
          assert.equal("a", event.expert)
        end
        assert.is_true(found, detector .. " " .. reaction)
        assert.equal(reaction ~= "note", kinds[reaction] == true)
      end
    end
  end)

  it("a fork takes over once it is better", function()
    local m = mixture {
      experts = { a = E.constant {} }, stream = { drift = "adwin", on_drift = "fork" },
    }
    local uniform, forks = data.uniform(16), 0
    for i = 1, 1200 do
      m:learn_one({ 0 }, (i > 600 and 10 or 0) + uniform())
      local fork = m:get_params("stream"):get_params "forks"
      if fork and fork.a then forks = forks + 1 end
    end
    local kinds = {}
    for k, event in ipairs(m:stats().events) do kinds[k] = event.kind end
    assert.same({ "drift", "fork", "take_over" }, kinds)
    assert.is_true(forks > 10 and forks < 600)
    near(10.5, m:predict_one { 0 }, 0.2) -- the mean of all would be 5.5
  end)
end)

describe("what a mixture on a stream tells", function()
  -- Two constants that nothing teaches say 1 and 4; the third sample's target is 2.
  it("is what can be counted by hand", function()
    local function constant(value)
      local expert = E.constant {}
      expert:fit({ { 0 }, { 1 } }, { value, value })
      return expert
    end
    local m = moe.mixture {
      experts = { one = constant(1), four = constant(4) }, frozen = { "one", "four" },
      gate = G.uniform {}, stream = { span = 3 },
    }
    m:learn_one({ 0 }, 2)
    m:learn_one({ 1 }, 5)
    local stats = m:stats()
    assert.equal(2, stats.steps)
    -- the deviation of 1 and 4, n − 1 below: 3 / √2
    near(3 / math.sqrt(2), stats.disagreement, 1e-12)
    near(3 / math.sqrt(2), stats.mean_disagreement, 1e-12)
    -- errors 1 and 16, 4 and 1; the newest counts 1/2, the one before 1/4
    near((1 / 4 * 1 + 1 / 2 * 16) / (3 / 4), stats.loss.one, 1e-12)
    near((1 / 4 * 4 + 1 / 2 * 1) / (3 / 4), stats.loss.four, 1e-12)
    near(0.5, stats.utilisation.one, 1e-12)
    near(1, stats.load.one, 1e-12)
    -- a mean that began at 0, of ones: 1 − 0.99²
    near(1 - 0.99 ^ 2, stats.entropy, 1e-12)
    -- answers 2.5 and 2.5: changes 2.5 and 0, their changes 2.5 and −2.5
    near(-0.05, stats.alignment, 1e-12)
    assert.same({ four = 1, one = 1 }, stats.warmup)
    assert.same({}, stats.dead)
    assert.same({}, stats.events)
    assert.truthy(tostring(stats):find("disagreement", 1, true))
    near(2.5, m:predict_one { 7 }, 1e-12)
  end)

  it("is used in no more than all samples, whatever span is set on the way", function()
    local m = moe.mixture {
      experts = { E.linear {}, E.linear {} }, top_k = 1, stream = { span = 10 },
    }
    for i = 1, 40 do m:learn_one({ i % 3, 1 }, i % 2) end
    m:set_params { ["stream.span"] = 10000 }
    m:learn_one({ 1, 1 }, 0)
    for _, part in pairs(m:stats().utilisation) do assert.is_true(part >= 0 and part <= 1) end
  end)

  -- −Σ p ln p over ln 3; the newest counts a hundredth in a mean that began at 0.
  it("has the gate's entropy, of shares and of logits", function()
    local function entropy(shares, balance)
      local logits = { 0, 0, 0 }
      for e, p in ipairs(shares) do logits[3 + e] = math.log(p) end
      local m = moe.mixture {
        experts = { E.constant {}, E.constant {}, E.constant {} },
        gate = G.softmax { weights = logits, online_lr = 0, prior = 0 },
        stream = { balance = balance, balance_rate = balance ~= "none" and 0 or nil },
      }
      m:learn_one({ 1 }, 2) -- before which the gate says 1/3 each
      m:learn_one({ 1 }, 2)
      return (m:stats().entropy - 0.99 * 0.01) / 0.01
    end
    local some = { { 0.7, 0.2, 0.1 }, { 0.995, 0.004, 0.001 }, { 1 / 3, 1 / 3, 1 / 3 } }
    for _, balance in ipairs { "none", "logits" } do
      for _, shares in ipairs(some) do
        local sum = 0
        for _, p in ipairs(shares) do sum = sum - p * math.log(p) end
        near(sum / math.log(3), entropy(shares, balance), 1e-13)
      end
      near(0, entropy({ 1, 1e-300, 1e-200 }, balance), 1e-13)
    end
  end)

  -- By hand: what the gate says once it has learned, in means that began at 0, the
  -- newest by 2 / (span + 1) and by a hundredth.
  it("measures what the gate has learned, whoever looks on the way", function()
    for _, n in ipairs { 2, 4, 5, 9 } do
      local X, y = lines(40, 11)
      local function begin()
        local experts = {}
        for e = 1, n do experts[e] = E.linear { lr = 0.02 * e } end
        return moe.mixture {
          experts = experts, top_k = 2, gate = G.softmax { online_lr = 0.3, prior = 0 },
          stream = { measure = "after", span = 9 },
        }
      end
      local watched, other, used, entropy = begin(), begin(), {}, 0
      for i = 1, #X do
        watched:learn_one(X[i], y[i])
        other:learn_one(X[i], y[i])
        local p, sum = watched:get_params("gate"):forward_one(X[i]), 0
        local stats = watched:stats()
        for e = 1, n do
          local before = used[e] or 0
          used[e] = before + 0.2 * (p[e] - before)
          sum = sum - p[e] * math.log(p[e])
          near(used[e], stats.utilisation[tostring(e)], 1e-12)
          near(used[e], watched:info().importance[tostring(e)], 1e-12)
        end
        entropy = entropy + 0.01 * (sum / math.log(n) - entropy)
        near(entropy, stats.entropy, 1e-12)
      end
      assert.is_true(watched:dump() == other:dump())
      watched:set_params { ["stream.measure"] = "before" }
      watched:learn_one(X[1], y[1])
      assert.is_true(watched:stats().entropy > 0)
    end
  end)

  local function measured()
    return moe.mixture {
      experts = { a = E.linear {}, b = E.linear { lr = 0.1 } },
      stream = { measure = "after", span = 9 }, gate = G.softmax { prior = 0 },
    }
  end

  it("measures what waits where a copy or a file is to measure no more", function()
    local X, y = lines(23, 11)
    local m = measured()
    teach(m, X, y, 1, 22)
    local told = m:stats()
    m:set_params { ["stream.measure"] = "before" }
    local copies = { m, m:clone(), assert(moe.undump(m:dump())) }
    for _, copy in ipairs(copies) do assert.equal(told.entropy, copy:stats().entropy) end
    for _, copy in ipairs(copies) do copy:learn_one(X[23], y[23]) end
    for _, copy in ipairs(copies) do assert.is_true(m:dump() == copy:dump()) end
  end)

  it("loses nothing of what is still to be measured where an expert comes or goes", function()
    local X, y = lines(23, 11)
    local m = measured()
    teach(m, X, y)
    local before = m:stats()
    m:add_expert("c", E.linear {})
    local after = m:stats()
    for _, name in ipairs { "a", "b" } do
      assert.equal(before.utilisation[name], after.utilisation[name])
    end
    assert.equal(before.entropy, after.entropy)
    m:learn_one(X[1], y[1])
    m:remove_expert "c"
    m:learn_one(X[2], y[2])
    local parts = 0
    for _, part in pairs(m:stats().utilisation) do parts = parts + part end
    assert.is_true(parts > 0.9 and parts <= 1)
  end)

  it("has the losses of classes as −log p", function()
    local m = moe.mixture {
      experts = { a = E.constant {} }, gate = G.uniform {}, stream = { span = 1 },
      calibrate = false,
    }
    m:learn_one({ 0 }, "no")
    m:learn_one({ 0 }, "no")
    m:learn_one({ 0 }, "yes")
    -- a class it has not met costs the floor: 1e-6 over 2 classes
    near(-math.log(1e-6 / 2), m:stats().loss.a, 1e-9)
    m:learn_one({ 0 }, "yes")
    near(-math.log(1 / 3), m:stats().loss.a, 1e-12)
  end)
end)

describe("experts come and go while the stream flows", function()
  local X, y = lines(900, 16)

  it("what the gate knows of those that stay, stays", function()
    local m = teach(mixture(), X, y, 1, 300)
    local function ratio()
      local p = m:get_params("gate"):forward_one(X[7])
      return p[1] / p[#p] -- a before b, bb; c is the last
    end
    local before = ratio()
    m:add_expert("bb", E.linear {})
    near(1, ratio() / before, 0.02)
    m:remove_expert "b"
    near(1, ratio() / before, 0.02)
    assert.equal(3, m:get_params("gate"):info().n_outputs)
  end)

  it("one that is added starts anew, and the others go on", function()
    local m = teach(mixture { stream = { warmup = 40 } }, X, y, 1, 300)
    local before = m:stats()
    m:add_expert("bb", E.linear { lr = 0.3 })
    local after = m:stats()
    for _, name in ipairs { "a", "b", "c" } do
      assert.equal(before.learned[name], after.learned[name])
      near(before.loss[name], after.loss[name], 1e-12)
      near(before.utilisation[name], after.utilisation[name], 1e-12)
    end
    assert.equal(0, after.learned.bb)
    assert.is_number(m:predict_one(X[1]))
    teach(m, X, y, 301, 320)
    assert.equal(0.5, m:stats().warmup.bb)
    assert.equal(0, m:stats().load.bb)
    teach(m, X, y, 321)
    assert.equal(600, m:stats().learned.bb)
    assert.is_true(m:stats().load.bb > 0)
  end)

  it("one that is removed takes nothing along, in a list too", function()
    local m = mixture { experts = { E.linear {}, E.constant {}, E.linear { lr = 0.2 } } }
    teach(m, X, y, 1, 300)
    local before = m:stats()
    m:remove_expert(2)
    local after = m:stats()
    assert.equal(before.loss["1"], after.loss["1"])
    assert.equal(before.loss["3"], after.loss["2"])
    assert.is_nil(after.loss["3"])
    teach(m, X, y, 301)
    assert.equal(900, m:stats().learned["2"])
    assert.equal(2, m:get_params("gate"):info().n_outputs)
  end)

  it("what the stream cannot go on with is refused, and changes nothing", function()
    local m, same = teach(mixture(), X, y, 1, 300), teach(mixture(), X, y, 1, 300)
    local far = E.linear {}
    far:learn_one({ 1, 2, 3, 4, 5 }, 1)
    local function refuses(reason, method, ...)
      local good, message = pcall(method, m, ...)
      assert.is_false(good)
      assert.matches(reason, message)
    end
    refuses("add_expert: .*'n' predicts classes", m.add_expert, "n", E.naive_bayes {})
    refuses("add_expert: .*'f' cannot learn row by row", m.add_expert, "f", E.forest {})
    refuses("add_expert: .*'x' has learned other columns", m.add_expert, "x", far)
    refuses("add_expert: a name and a learner", m.add_expert, "z")
    refuses("remove_expert: there is no expert 'z'", m.remove_expert, "z")
    teach(m, X, y, 301)
    teach(same, X, y, 301)
    assert.equal(same:dump(), m:dump())
    m:remove_expert "a"
    m:remove_expert "b"
    refuses("remove_expert: .*no experts", m.remove_expert, "c")
    assert.equal(900, m:stats().steps)
    assert.is_number(m:predict_one(X[1]))
  end)

  it("explain tells how far experts are apart, as stats does of the newest sample", function()
    local m = teach(mixture(), X, y, 1, 200)
    local e = m:explain(X[201])
    local a, b, c = e.experts[1].prediction, e.experts[2].prediction, e.experts[3].prediction
    local mean = (a + b + c) / 3
    near(math.sqrt(((a - mean) ^ 2 + (b - mean) ^ 2 + (c - mean) ^ 2) / 2), e.disagreement, 1e-12)
    m:learn_one(X[201], y[201])
    near(e.disagreement, m:stats().disagreement, 1e-12)
    local classes = moe.mixture { experts = { a = E.naive_bayes {}, b = E.constant {} } }
    for i = 1, 200 do classes:learn_one(X[i], y[i] > 0 and "up" or "down") end
    local apart = classes:explain(X[201]).disagreement
    local p, q = classes:expert("a"):predict_proba_one(X[201]).up,
      classes:expert("b"):predict_proba_one(X[201]).up
    near(math.abs(p - q), apart, 1e-12) -- two classes, whose differences are the same
  end)

  it("counts are integers where Lua has them", function()
    local stats = teach(mixture(), X, y, 1, 30):stats()
    assert.equal("30 30", ("%s %s"):format(stats.steps, stats.learned.a))
  end)

  it("one that began anew is told of since then", function()
    local m = mixture {
      gate = G.uniform {},
      stream = { drift = "page_hinkley", drift_threshold = 0.1, on_drift = "reset" },
    }
    for i = 1, 400 do m:learn_one(X[i], i < 380 and 0 or 1000) end
    local stats = m:stats()
    assert.is_true(stats.learned.a < 100)
    for _, name in ipairs { "a", "b", "c" } do near(1 / 3, stats.utilisation[name], 1e-9) end
    m:add_expert("new", E.constant {})
    assert.equal(0, m:stats().utilisation.new)
  end)

  it("an event of one that is gone is still told", function()
    local m = mixture { stream = { drift = "page_hinkley", drift_threshold = 0.1 } }
    for i = 1, 400 do m:learn_one(X[i], i < 200 and 0 or 1000) end
    local events = #m:stats().events
    assert.is_true(events > 0)
    for _, name in ipairs { "a", "b" } do m:remove_expert(name) end
    assert.equal(events, #m:stats().events)
    assert.matches("of one removed since at %d+", tostring(m:stats().events))
  end)

  it("one that learned strings is not given numbers, nor other strings' codes", function()
    local function known(...)
      local expert = E.naive_bayes {}
      for i, level in ipairs { ... } do expert:learn_one({ s = level }, i % 2 == 0) end
      return expert
    end
    local function refuses(experts, x)
      local m = moe.mixture { experts = experts }
      assert.error_matches(function() m:learn_one({ s = x }, true) end, "other columns")
    end
    refuses({ a = known("u", "v") }, 1e18)
    refuses({ a = known("u", "v"), b = known("v", "u") }, "u")
    local m = moe.mixture { experts = { a = known("u", "v"), b = known "u" } }
    m:learn_one({ s = "w" }, true)
    assert.equal(3, m:expert("a"):info().n_seen)
  end)

  it("what has learned anew is known by it, wherever it lies in memory", function()
    local m, wide = mixture { experts = { a = E.linear {}, b = E.linear {} } }, {}
    for j = 1, 400 do wide[j] = j end
    teach(m, X, y, 1, 30)
    local expert = m:expert "a"
    for _ = 1, 200 do
      expert:reset()
      expert:learn_one(wide, 1)
      assert.error_matches(function() m:predict_one(X[31]) end, "columns")
      assert.error_matches(function() m:learn_one(X[31], y[31]) end, "columns")
    end
  end)

  it("a fork that is none of its expert's gives way to one that is", function()
    local points, classes = clouds(60, 3)
    local other, wide = E.tree {}, E.logistic {}
    other:fit({ { 1, 2, 3 }, { 3, 2, 1 } }, { "up", "down" })
    for i = 1, 9 do wide:learn_one({ a = 1, b = 2, c = 3, d = "level " .. i }, "c" .. i % 2) end
    for _, fork in ipairs { other, wide } do
      local m = classifier { stream = moe.streaming { forks = { a = fork } } }
      teach(m, points, classes)
      m:learn_one(points[1], "new")
      local own = m:get_params("stream"):get_params("forks").a
      assert.equal("logistic", tostring(own):match "^%a+")
      assert.is_true(own ~= fork and own:info().n_seen < 62)
    end
  end)

  it("what was exchanged since the last sample is so in a file too", function()
    local few = classifier { experts = { a = E.logistic {}, b = E.constant {} } }
    local many = classifier()
    local points, classes = clouds(30, 3)
    teach(many, points, classes)
    for i = 1, 30 do few:learn_one(points[i], "c" .. i % 2) end
    local function loaded(parts)
      local m = many:clone()
      m:set_params(parts(m))
      return assert(moe.undump(m:dump()))
    end
    local function goes_on(m)
      for _ = 1, 3 do teach(m, points, classes) end
      assert.equal("c1", (m:predict_one(points[1])))
    end
    for _, gate in ipairs { G.softmax {}, few:get_params "gate" } do
      local m = loaded(function() return { gate = gate } end)
      assert.error_matches(function() m:predict_one(points[1]) end, "gate")
      goes_on(m)
    end
    goes_on(loaded(function(m)
      return { experts = { a = few:expert "a", b = m:expert "b", c = m:expert "c" } }
    end))
  end)

  it("one that was reset is not saved before it has begun again", function()
    local m = teach(mixture(), X, y, 1, 20)
    m:expert("a"):reset()
    assert.error_matches(function() m:dump() end, "an expert was reset.*saved once")
    teach(m, X, y, 21, 21)
    assert.equal((m:predict_one(X[30])), (assert(moe.undump(m:dump())):predict_one(X[30])))
  end)

  it("one that is reset or replaced begins again", function()
    local m = teach(mixture(), X, y, 1, 300)
    m:expert("a"):reset()
    assert.has_error(function() m:predict_one(X[1]) end)
    teach(m, X, y, 301, 310)
    assert.is_number(m:predict_one(X[1]))
    assert.equal(10, m:expert("a"):info().n_seen)
    m:set_params { experts = { a = E.linear {}, z = m:expert "b" } }
    teach(m, X, y, 311, 320)
    assert.equal(320, m:expert("z"):info().n_seen)
    assert.equal(10, m:expert("a"):info().n_seen)
  end)
end)

describe("experts written in Lua", function()
  local function echo(extra)
    local expert = { total = 0, n = 0 }
    function expert:learn_one(x, y) -- luacheck: ignore x
      self.total, self.n = self.total + y, self.n + 1
      if extra then extra(self) end
    end
    function expert:predict(Z)
      local out = {}
      for i = 1, Z.shape[1] do out[i] = self.n > 0 and self.total / self.n or 0 end
      return out
    end
    return expert
  end

  it("take part, and may raise: what has learned before them has learned", function()
    local X, y = lines(60, 17)
    local calls = 0
    local m = moe.mixture {
      experts = {
        a = E.linear {}, m = echo(function()
          calls = calls + 1
          if calls == 30 then error "no more" end
        end), z = E.linear {},
      },
    }
    for i = 1, 29 do m:learn_one(X[i], y[i]) end
    assert.error_matches(function() m:learn_one(X[30], y[30]) end, "no more")
    assert.equal(30, m:expert("a"):info().n_seen)
    assert.equal(29, m:expert("z"):info().n_seen)
    assert.equal(29, m:info().n_seen)
    for i = 31, 60 do m:learn_one(X[i], y[i]) end
    assert.is_number(m:predict_one(X[1]))
    assert.equal(59, m:info().n_seen)
  end)

  it("cannot change the mixture that calls them", function()
    local m, refused
    local function meddle()
      refused = {
        (pcall(m.reset, m)), (pcall(m.remove_expert, m, "z")), (pcall(m.learn_one, m, { 1 }, 2)),
      }
      m:predict_one { 0.5 }
    end
    m = moe.mixture { experts = { a = echo(meddle), z = E.linear {} } }
    m:learn_one({ 1 }, 1)
    m:learn_one({ 2 }, 2)
    assert.same({ false, false, false }, refused)
    assert.equal(2, m:info().n_seen)
  end)
end)

describe("a mixture on a stream, when memory is short,", function()
  it("says so, and goes on when there is some again", function()
    local X, y = clouds(40, 18)
    allocations.fail(function()
      local m = classifier {
        experts = { a = E.logistic {}, b = E.constant {} },
        stream = { drift = "ddm", on_drift = "fork", warmup = 3, explore = 0.5 }, top_k = 1,
      }
      for i = 1, 8 do m:learn_one(X[i], y[i]) end
      m:add_expert("c", E.constant {})
      for i = 9, 16 do m:learn_one(X[i], y[i]) end
      m:stats()
      return m:predict_one(X[1])
    end)
  end)
end)

describe("nested mixtures", function()
  it("learn as experts, and have the least context window", function()
    local X, y = clouds(200, 19)
    local m = moe.mixture {
      experts = { inner = classifier(), other = E.logistic {} },
    }
    teach(m, X, y)
    assert.equal(200, m:expert("inner"):stats().steps)
    m:learn_one({ 7, 7, 7 }, "new")
    assert.equal(4, #m:expert("inner"):classes())
    assert.is_not_nil(catalog)
  end)
end)
