-- Small steps on linear models: the rules against another library's and against
-- their formulas by hand, and what keeps them finite.
local moe = require "moe"
local data = require "spec.support.data"
local near, each_near = require("spec.support.near").within(1e-9)

local E = moe.experts

-- Sixty samples of three columns, numbers, classes and weights from 1 to 3.
local function samples()
  local X, y, class, weight = {}, {}, {}, {}
  for i = 0, 59 do
    local x = { math.sin(0.37 * i), math.cos(0.73 * i), 2 * math.sin(1.1 * i) }
    X[i + 1] = x
    y[i + 1] = 2 * x[1] - x[2] + 0.5 * x[3] + 1 + ((7 * i) % 13 - 6) / 12
    class[i + 1] = y[i + 1] > 1 and "high" or "down"
    weight[i + 1] = 1 + i % 3
  end
  return X, y, class, weight
end

local function learned(model, X, y, weight)
  for i = 1, #X do model:learn_one(X[i], y[i], weight and weight[i]) end
  local info = model:info()
  local w = info.coefficients
  return { w[1], w[2], w[3], info.intercept }
end

local function raw(options)
  options.standardize = false
  return E.online(options)
end

-- scikit-learn 1.2.1, partial_fit of one sample after the other: SGDRegressor and
-- SGDClassifier (eta0 = 0.05, constant), PassiveAggressive… (C = 0.3, without an
-- intercept, which is a column of ones), classes from where there are two of them on.
describe("small steps agree with another library's", function()
  local X, y, class, weight = samples()

  it("on numbers", function()
    local function sgd(options)
      options.step, options.lr = "sgd", 0.05
      return learned(raw(options), X, y, weight)
    end
    local squared = { 1.88027851494, -0.885143861247, 0.579847959675, 1.04340659037 }
    each_near(squared, sgd { loss = "squared" })
    each_near({ 1.74546901889, -0.810579773619, 0.530176068061, 1.10101744885 },
      sgd { loss = "squared", penalty = "l2", alpha = 0.1 })
    each_near({ 0.789587917801, -0.277950080839, 0.619572108829, 0.585111586809 },
      sgd { loss = "huber", delta = 0.3 })
    each_near({ 1.78089806147, -0.5199451183, 0.682800829169, 1 },
      sgd { loss = "epsilon_insensitive", epsilon = 0.2 })
    each_near(squared, learned(E.linear { step = "sgd", lr = 0.05 }, X, y, weight))
  end)

  it("on classes", function()
    each_near({ 2.01471921133, -0.403183359434, 0.699595228386, 0 },
      learned(raw { loss = "hinge", step = "sgd", lr = 0.05 }, X, class, weight))
    -- two vectors move, where there is one: each by half
    local log = { 1.33259598007, -0.336556313417, 0.420898074111, 0.000791520724175 }
    each_near(log, learned(raw { loss = "log", step = "sgd", lr = 0.025 }, X, class, weight))
    each_near(log,
      learned(E.logistic { step = "sgd", lr = 0.025, l2 = 0 }, X, class, weight))
  end)

  it("in passive-aggressive ones", function()
    local function passive(target, variant, intercept)
      return learned(raw {
        variant = variant, aggressiveness = 0.3, epsilon = 0.05, intercept = intercept,
      }, X, target)
    end
    each_near({ 1.49866154715, -0.658735951068, 0.70361730009, -0.0741102800661 },
      passive(class, "pa_1", true))
    each_near({ 1.17503638555, -0.810500631499, 0.643491045339, -0.0505250267886 },
      passive(class, "pa_2", true))
    each_near({ 1.69643452085, -0.751783237599, 0.675794068544, 0 },
      passive(class, "pa_1", false))
    each_near({ 1.86316672007, -1.11096828908, 0.579802360201, 1.23292483495 },
      passive(y, "pa_1", true))
    each_near({ 1.86896123086, -1.04398240192, 0.553992667248, 1.11064750169 },
      passive(y, "pa_2", true))
    each_near({ 2.69078409746, -0.994093213464, 0.936481845073, 0 },
      passive(y, "pa_2", false))
  end)
end)

describe("the rules", function()
  local function after(options, x, y, ...)
    local model = raw(options)
    model:learn_one(x, y)
    for _, more in ipairs { ... } do model:learn_one(more[1], more[2]) end
    return model:info().coefficients, model:info().intercept
  end

  it("go no farther than the corner, with the implicit step", function()
    -- margins: e − ε = 3 − 0.5, over |x|² + 1 = 6
    local w, b = after({ loss = "epsilon_insensitive", epsilon = 0.5, lr = 100 }, { 2, -1 }, 3)
    each_near({ 2 * 2.5 / 6, -2.5 / 6, 2.5 / 6 }, { w[1], w[2], b }, 1e-15)
    w, b = after({ loss = "epsilon_insensitive", epsilon = 0.5, lr = 0.1 }, { 2, -1 }, 3)
    each_near({ 0.2, -0.1, 0.1 }, { w[1], w[2], b }, 1e-15)
    -- quantile 0.9: below the target the slope is 0.9, and the way to it 3 / 6
    w, b = after({ loss = "quantile", quantile = 0.9, lr = 100 }, { 2, -1 }, 3)
    each_near({ 1, -0.5, 0.5 }, { w[1], w[2], b }, 1e-15)
    w, b = after({ loss = "quantile", quantile = 0.9, lr = 0.1 }, { 2, -1 }, -3)
    each_near({ -0.02, 0.01, -0.01 }, { w[1], w[2], b }, 1e-15)
  end)

  it("reach a margin of 1 at once, with pa", function()
    local model = raw { variant = "pa" }
    model:learn_one({ 1, 2 }, "a")
    model:learn_one({ 1, 2 }, "b") -- w·x + b = 1 for b: τ = 1 / 6
    each_near({ 1 / 6, 2 / 6, 1 / 6 },
      { model:info().coefficients[1], model:info().coefficients[2], model:info().intercept }, 1e-15)
  end)

  it("of three classes move the right one and the best of the wrong ones", function()
    local model = raw { variant = "pa", intercept = false }
    for _, class in ipairs { "a", "b", "c" } do model:learn_one({ 0 }, class) end
    model:learn_one({ 2 }, "a") -- all 0: the first of the others; a margin of 1 over |x|²
    local w = model:info().coefficients
    each_near({ 1 / 4, -1 / 4, 0 }, { w[1][1], w[2][1], w[3][1] }, 1e-15)
    model:learn_one({ -2 }, "c") -- scores −½, ½, 0: lacks 1.5, each moves 0.75 / 4 · 2
    w = model:info().coefficients
    each_near({ 1 / 4, -1 / 4 + 3 / 8, -3 / 8 }, { w[1][1], w[2][1], w[3][1] }, 1e-15)
  end)

  it("adagrad: lr g / √Σ g²", function()
    local options = { loss = "squared", step = "adagrad", lr = 0.5, intercept = false }
    local w = after(options, { 2 }, 3, { { 1 }, 4 })
    -- g = −6, then 0.5 − 4
    near(0.5 + 0.5 * 3.5 / math.sqrt(36 + 3.5 ^ 2), w[1])
  end)

  it("adam: with both moments, and their corrections", function()
    local options = { loss = "squared", step = "adam", lr = 0.5, intercept = false }
    local w = after(options, { 2 }, 3, { { 1 }, 4 })
    local g1, first = -6, 0.5 * 6 / (6 + 1e-8)
    local g2 = first - 4
    local m = (0.9 * 0.1 * g1 + 0.1 * g2) / (1 - 0.9 ^ 2)
    local v = (0.999 * 0.001 * g1 ^ 2 + 0.001 * g2 ^ 2) / (1 - 0.999 ^ 2)
    near(first - 0.5 * m / (math.sqrt(v) + 1e-8), w[1])
  end)

  it("shrink weights: l2 before the step, l1 after it, biases never", function()
    local function twice(penalty, step)
      return after({
        loss = "squared", step = step or "sgd", lr = 0.1, penalty = penalty, alpha = 0.5,
        l1_ratio = 0.4, intercept = false,
      }, { 1 }, 2, { { 1 }, 2 })[1]
    end
    local w = 0.2
    near(w * (1 - 0.05) + 0.1 * (2 - w), twice "l2")
    w = 0.2 - 0.05
    near(w + 0.1 * (2 - w) - 0.05, twice "l1")
    w = 0.2 - 0.02
    near(w * (1 - 0.03) + 0.1 * (2 - w) - 0.02, twice "elastic_net")
    w = 0.1 / 1.2 * 2
    near(w / 1.05 + 0.1 / 1.2 * (2 - w), twice("l2", "implicit"))
    local _, b = after({ loss = "squared", step = "sgd", lr = 0.1, penalty = "l1", alpha = 100 },
      { 1 }, 2, { { 1 }, 2 })
    near(0.2 + 0.18, b)
  end)

  it("make weights exactly 0 with l1", function()
    local model = raw { loss = "squared", lr = 0.1, penalty = "l1", alpha = 0.05 }
    for i = 0, 2000 do
      local x = { math.sin(0.37 * i), 0.1 * math.cos(0.73 * i), 0.1 * math.sin(1.7 * i) }
      model:learn_one(x, 3 * x[1])
    end
    local w = model:info().coefficients
    assert.is_true(w[1] > 2.5 and w[2] == 0 and w[3] == 0)
  end)
end)

describe("standardised columns", function()
  it("make units and origins of no account", function()
    local X, _, class = samples()
    local plain, moved = E.online {}, E.online {}
    for i = 1, #X do
      local x = X[i]
      local other = { 1e6 * x[1] + 3e6, x[2] / 1000 - 1, x[3] + 50 }
      if i > 3 then
        local p, q = plain:predict_proba_one(x), moved:predict_proba_one(other)
        near(p.high, q.high, 1e-7)
      end
      plain:learn_one(x, class[i])
      moved:learn_one(other, class[i])
    end
  end)

  it("teach a constant column nothing, and a fit goes on in them", function()
    local X, y = samples()
    for _, x in ipairs(X) do x[4] = 7 end
    local model = E.online { loss = "squared" }
    for i = 1, #X do model:learn_one(X[i], y[i]) end
    assert.equal(0, model:info().coefficients[4])
    local fitted = E.linear { standardize = true, l2 = 1 }
    fitted:fit(X, y)
    local before = fitted:predict(X)
    each_near(E.linear({ l2 = 1 }):fit(X, y):predict(X), before, 1e-12)
    fitted:learn_one(X[1], before[1])
    each_near(before, fitted:predict(X), 0.05)
  end)
end)

describe("probabilities of the hinge loss", function()
  it("come from a temperature that follows how often it is right", function()
    -- classes that x tells in nine of ten cases: nothing is sure
    local model = E.online { loss = "hinge", lr = 0.01 }
    local sum, n = 0, 0
    for i = 1, 4000 do
      local side = i % 2 == 0
      local class = (i % 10 == 3 or i % 10 == 6) ~= side and "a" or "b"
      if i > 2000 then
        local p = model:predict_proba_one { side and 1 or -1 }
        sum, n = sum + math.max(p.a, p.b), n + 1
      end
      model:learn_one({ side and 1 or -1 }, class)
    end
    near(0.8, sum / n, 0.03)
  end)
end)

describe("in a stream", function()
  local kinds = {
    passive = function() return E.online {} end,
    hinge = function()
      return E.online { loss = "hinge", penalty = "elastic_net", alpha = 1e-3 }
    end,
    adam = function() return E.online { loss = "log", step = "adam" } end,
    adagrad = function() return E.logistic { step = "adagrad", standardize = true } end,
    logistic = function()
      return E.logistic { penalty = "l2", alpha = 0.01, class_weight = { a = 2 } }
    end,
    sgd = function() return E.logistic { step = "sgd", lr = 10 } end,
  }

  for name, new in pairs(kinds) do
    it(name .. " goes on after undump with the same bits, classes and all", function()
      local model, again = new(), nil
      for i = 1, 300 do
        local x = { math.sin(0.37 * i), 100 * math.cos(0.73 * i), i % 3 }
        local class = ({ "a", "b", i > 200 and "aa" or "b" })[1 + (i * 7) % 3]
        if i == 150 then again = assert(moe.undump(model:dump())) end
        model:learn_one(x, class, 1 + i % 2)
        if again then again:learn_one(x, class, 1 + i % 2) end
      end
      assert.is_true(model:dump() == again:dump())
    end)

    it(name .. " stays finite, whatever the numbers and weights", function()
      local model = new()
      local sizes = { 1, 1e300, 1e-300, -1e308, 0, 1e150 }
      for i = 1, 240 do
        local size = sizes[1 + i % 6]
        model:learn_one({ size, 5, i % 7 / 7 * size }, i % 2 == 0 and "a" or "b",
          i > 2 and ({ 1, 1e300, 1e-300, 0, 1e-5 })[1 + i % 5] or 1)
        local p = model:predict_proba_one { size, 5, 1 }
        assert.is_true(not p.a or p.a >= 0 and p.a <= 1)
      end
      assert(moe.undump(model:dump()))
    end)
  end

  it("numbers stay finite too", function()
    local losses = { "passive_aggressive", "squared", "huber", "epsilon_insensitive", "quantile" }
    for _, loss in ipairs(losses) do
      for _, step in ipairs { "implicit", "sgd", "adagrad", "adam" } do
        local model = E.online { loss = loss, step = step, lr = 1e10, standardize = step ~= "sgd" }
        for i = 1, 90 do
          local size = ({ 1, 1e300, 1e-300 })[1 + i % 3]
          model:learn_one({ size, -size * (i % 5) }, (i % 7 - 3) * size,
            ({ 1, 1e300, 1e-300 })[1 + i % 2])
          local value = model:predict_one { 1e300, 1 }
          assert.is_true(value == value and math.abs(value) < math.huge)
        end
        assert(moe.undump(model:dump()))
      end
    end
  end)

  it("rows of a huge weight leave columns of a scale that numbers have", function()
    for seed = 1, 20 do
      local u, model = data.uniform(seed), E.online { loss = "huber", step = "sgd" }
      for _ = 1, 60 do
        local weight = ({ 1e300, 10, 1e-10 })[1 + math.floor(7 * u())] or 1
        model:learn_one({ (u() - 0.5) * 1e-10, u(), u() * 1e121 }, (u() - 0.5) * 1e95, weight)
      end
      assert(moe.undump(model:dump()))
    end
  end)

  it("a row of weight 0 is as if it were not there", function()
    local a, b = E.online {}, E.online {}
    for i = 1, 60 do
      local x, class = { math.sin(i), math.cos(3 * i) }, i % 3 == 0 and "a" or "b"
      a:learn_one(x, class)
      b:learn_one(x, class)
      b:learn_one({ 1e9, 1e9 }, class, 0)
    end
    assert.same(a:info().coefficients, b:info().coefficients)
  end)

  it("a step set on the way begins with moments of its own", function()
    for _, name in ipairs { "linear", "logistic", "online" } do
      for _, steps in ipairs { { "adam", "adagrad" }, { "adagrad", "adam" } } do
        local options = { step = steps[1], lr = 0.01, standardize = false }
        if name == "online" then options.loss = "log" end
        local m = E[name](options)
        for i = 1, 100 do
          m:learn_one({ i % 3, i % 5 }, name == "linear" and -1000 * i or i % 2 == 0)
        end
        local before = m:info().intercept
        m:set_params { step = steps[2] }
        m:learn_one({ 0, 0 }, name == "linear" and 1e6 or true)
        assert.is_true(math.abs(m:info().intercept - before) <= 0.0201)
        assert(moe.undump(m:dump()))
      end
    end
  end)

  it("a loss set on the way is of what was learned", function()
    local classes, numbers = E.online {}, E.online {}
    classes:learn_one({ 1 }, "a")
    numbers:learn_one({ 1 }, 2)
    for _, loss in ipairs { "squared", "huber", "epsilon_insensitive", "quantile" } do
      classes:set_params { loss = loss }
      assert.error_matches(function() classes:learn_one({ 1 }, "a") end, "classes.*" .. loss)
    end
    for _, loss in ipairs { "hinge", "log" } do
      numbers:set_params { loss = loss }
      assert.error_matches(function() numbers:learn_one({ 1 }, 2) end, "numbers.*" .. loss)
    end
  end)

  it("several targets are learned as each alone", function()
    local X, y = samples()
    for _, loss in ipairs { "squared", "passive_aggressive" } do
      local both, one = E.online { loss = loss }, E.online { loss = loss }
      for i = 1, #X do
        both:learn_one(X[i], { y[i], 2 * X[i][1] })
        one:learn_one(X[i], y[i])
      end
      assert.same(one:info().coefficients, both:info().coefficients[1])
    end
  end)

  it("follows the label of a stream that hangs together", function()
    local model, right = E.online {}, 0
    local state, seed = 1, 5
    for i = 1, 3000 do
      seed = (seed * 1103515245 + 12345) % 2147483648
      if seed / 2147483648 < 0.1 then state = -state end
      local x = { state * 1000 + 500 * math.sin(i), 1e-3 * math.cos(i) }
      if model:predict_one(x) == (state > 0 and "up" or "down") then right = right + 1 end
      model:learn_one(x, state > 0 and "up" or "down")
    end
    assert.is_true(right / 3000 > 0.98, right)
  end)
end)
