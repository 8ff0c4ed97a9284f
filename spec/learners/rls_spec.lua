-- Recursive least squares: against published runs, against ridge regression, and
-- what is left where samples stop telling anything.
local moe = require "moe"
local data = require "spec.support.data"
local near, each_near = require("spec.support.near").within(1e-9)

local E = moe.experts
local unpack = table.unpack or unpack

-- What another implementation (in Rust, no intercept, delta 100) has after 1, 10 and
-- 1,000 samples of this stream.
describe("a run of another implementation is repeated", function()
  local function run(options, visit)
    options.forgetting, options.intercept, options.delta = 0.99, false, 100
    local model = E.rls(options)
    for i = 0, 999 do
      local x = { math.sin(0.37 * i), math.cos(0.73 * i) }
      model:learn_one(x, 2 * x[1] + 3 * x[2] + 0.1 * ((7 * i) % 13 - 6) / 6)
      if visit[i + 1] then visit[i + 1](model:info(), model) end
    end
  end

  it("with adaptive forgetting", function()
    run({}, {
      [1] = function(info)
        each_near({ 0, 2.871824813933 }, info.coefficients)
        near(0.98109, info.forgetting)
      end,
      [10] = function(info)
        each_near({ 1.974208901981, 2.986690056455 }, info.coefficients)
        near(0.988257837621, info.forgetting)
        near(0.083891057324, info.squared_error)
      end,
      [1000] = function(info)
        each_near({ 1.996865708868, 3.000203174627 }, info.coefficients)
      end,
    })
  end)

  it("with fixed forgetting, and what it says of its errors", function()
    -- 1.6448536269514722 deviations hold 90 % of a Gaussian
    local function variance(model)
      local low, high = model:predict_interval({ 1, 1 }, { level = 0.9 })
      near(model:predict_one { 1, 1 }, (low + high) / 2)
      return ((high - low) / 2 / 1.6448536269514722) ^ 2
    end
    run({ adaptive = false }, {
      [1] = function(info, model)
        each_near({ 0, 2.871571442717 }, info.coefficients)
        near(8.662325066788, variance(model))
      end,
      [10] = function(info, model)
        each_near({ 1.973856997401, 2.986194437174 }, info.coefficients)
        near(0.146017147757, variance(model))
      end,
      [1000] = function(info, model)
        each_near({ 1.996868249892, 3.000202916944 }, info.coefficients)
        near(0.004148123707, variance(model))
      end,
    })
  end)
end)

describe("without forgetting it is ridge regression", function()
  -- The bias is penalised like the weights: a column of ones.
  local function ridge(X, y, l2, weights)
    local rows = {}
    for i, x in ipairs(X) do
      rows[i] = { unpack(x) }
      table.insert(rows[i], 1)
    end
    local model = E.linear { l2 = l2, intercept = false }
    model:fit(rows, y, { weights = weights })
    return model:info().coefficients
  end
  local X, y = data.plane(40, 3, 1)

  it("after every sample, with weights", function()
    local model = E.rls { forgetting = 1, adaptive = false, delta = 10 }
    local weights = {}
    for i = 1, 40 do
      weights[i] = ({ 1, 3, 0.25 })[1 + i % 3]
      model:learn_one(X[i], y[i], weights[i])
    end
    local info = model:info()
    local w = ridge(X, y, 0.1, weights)
    local c = info.coefficients
    each_near(w, { c[1], c[2], c[3], info.intercept })
  end)

  -- Columns are worked on in fours and eights; more than 40 weights by others.
  it("of any number of columns", function()
    for _, d in ipairs { 1, 4, 6, 7, 8, 10, 12, 15, 16, 19, 23, 31, 37, 39, 40, 47 } do
      local wide, target = data.plane(80, d, 1, d)
      local model = E.rls { forgetting = 1, adaptive = false, delta = 10 }
      for i = 1, 80 do model:learn_one(wide[i], target[i]) end
      local info = model:info()
      local w = type(info.coefficients) == "table" and info.coefficients or { info.coefficients }
      table.insert(w, info.intercept)
      each_near(ridge(wide, target, 0.1), w)
    end
  end)

  it("of several targets, each as if alone", function()
    local both = E.rls { forgetting = 1, adaptive = false }
    local one = E.rls { forgetting = 1, adaptive = false }
    for i = 1, 40 do
      both:learn_one(X[i], { y[i], -3 * X[i][2] })
      one:learn_one(X[i], y[i])
    end
    each_near(one:info().coefficients, both:info().coefficients[1], 1e-14)
    each_near({ 0, -3, 0 }, both:info().coefficients[2], 0.01)
    local low, high = both:predict_interval(X[1])
    assert.is_true(low[2] < high[2] and #low == 2)
  end)

  it("whether the rows are fitted or learned", function()
    local fitted, model = E.rls {}, E.rls {}
    fitted:fit(X, y)
    model:learn_many(X, y)
    assert.same(model:predict(X), fitted:predict(X))
  end)
end)

describe("with forgetting", function()
  it("it follows a plane that moves, the faster for it", function()
    local function error_of(options)
      local model, sum = E.rls(options), 0
      for i = 1, 1500 do
        local x = { math.sin(0.37 * i), math.cos(0.73 * i) }
        local y = (i > 750 and -2 or 2) * x[1] + x[2] + 5
        if i > 760 then sum = sum + (model:predict_one(x) - y) ^ 2 end
        model:learn_one(x, y)
      end
      return sum
    end
    local slow, fast = error_of { forgetting = 1, adaptive = false }, error_of { forgetting = 0.95 }
    assert.is_true(fast < slow / 20, ("%g %g"):format(fast, slow))
  end)

  it("adaptive, it forgets more after an error that is larger than usual", function()
    local model = E.rls { forgetting = 0.999 }
    for i = 1, 200 do
      model:learn_one({ math.sin(i) }, math.sin(i) + 0.1 * (i % 2))
    end
    near(0.999, model:info().forgetting, 1e-3)
    model:learn_one({ 1 }, 50) -- the ratio is limited: 1 − 0.001 · 9
    near(0.999 * 0.991, model:info().forgetting)
  end)

  it("what no sample tells any more is not lost, and what comes back is learned", function()
    local model = E.rls { forgetting = 0.95 }
    local function teach(n, x2)
      for i = 1, n do
        local x = { math.sin(0.37 * i), x2 and x2(i) or 0 }
        model:learn_one(x, 2 * x[1] - 3 * x[2] + 1)
      end
    end
    teach(200, function(i) return math.cos(0.73 * i) end)
    each_near({ 2, -3 }, model:info().coefficients, 1e-6)
    teach(30000)
    each_near({ 2, -3 }, model:info().coefficients, 1e-6)
    teach(20, function(i) return math.cos(0.73 * i) end)
    each_near({ 2, -3 }, model:info().coefficients, 1e-6)
  end)

  it("a column that stands still for long does no harm while it does, nor after", function()
    local uniform, n = data.uniform(5), 20000
    local model, worst = E.rls { forgetting = 0.95 }, 0
    local function teach(still)
      local rows, y = {}, {}
      for i = 1, n do
        local a = uniform() - 0.5
        rows[i] = { a, still and 3 or uniform() }
        y[i] = 2 * a - rows[i][2] + 0.01 * (uniform() - 0.5)
      end
      model:learn_many(rows, y)
      for i = 1, n, 100 do
        worst = math.max(worst, math.abs(model:predict_one(rows[i]) - y[i]))
      end
    end
    for phase = 1, 10 do teach(phase % 5 ~= 0) end
    assert.is_true(worst < 0.05, worst)
    each_near({ 2, -1 }, model:info().coefficients, 0.02)
  end)

  it("columns that depend on each other do no harm in a long run", function()
    local model, worst = E.rls { forgetting = 0.95 }, 0
    local seed = 3
    for i = 1, 40000 do
      seed = (seed * 1103515245 + 12345) % 2147483648
      local a = seed / 2147483648 - 0.5
      local x = { a, a, 1e3 * a, 1, 7 }
      local y = 4 * a + 1 + 0.01 * math.sin(i)
      if i > 100 then worst = math.max(worst, math.abs(model:predict_one(x) - y)) end
      model:learn_one(x, y)
    end
    assert.is_true(worst < 0.1, worst)
    for _, w in ipairs(model:info().coefficients) do assert.is_true(math.abs(w) < 100, w) end
  end)
end)

describe("intervals", function()
  it("hold the share of targets that was asked for", function()
    local uniform = data.uniform(11)
    local model, inside, n = E.rls { forgetting = 0.999, adaptive = false }, { 0, 0 }, 0
    for i = 1, 6000 do
      local x, noise = { uniform(), uniform() }, 0
      for _ = 1, 12 do noise = noise + uniform() end
      local y = x[1] - 2 * x[2] + 0.3 * (noise - 6)
      if i > 1000 then
        n = n + 1
        for k, level in ipairs { 0.5, 0.95 } do
          local low, high = model:predict_interval(x, { level = level })
          if low < y and y < high then inside[k] = inside[k] + 1 end
        end
      end
      model:learn_one(x, y)
    end
    near(0.5, inside[1] / n, 0.03)
    near(0.95, inside[2] / n, 0.015)
  end)

  it("are without end before anything was learned, or where all is asked for", function()
    local model = E.rls {}
    assert.has_error(function() model:predict_interval { 1 } end)
    for i = 1, 9 do model:learn_one({ i }, i) end
    local low, high = model:predict_interval({ 1 }, { level = 1 })
    assert.same({ -math.huge, math.huge }, { low, high })
    low, high = model:predict_interval({ 1 }, { level = 0 })
    near(low, high)
    local none, message = E.linear():fit({ { 1 }, { 2 } }, { 1, 2 }):predict_interval { 1 }
    assert.is_nil(none)
    assert.truthy(message:find "does not know how far off")
  end)
end)

describe("in a stream", function()
  it("goes on after undump with the same bits", function()
    local model, again = E.rls {}, nil
    for i = 1, 300 do
      local x = { math.sin(0.37 * i), math.cos(0.73 * i), i % 5 }
      if i == 150 then again = assert(moe.undump(model:dump())) end
      model:learn_one(x, x[1] + i % 3, 1 + i % 2)
      if again then again:learn_one(x, x[1] + i % 3, 1 + i % 2) end
    end
    assert.is_true(model:dump() == again:dump())
  end)

  it("stays finite, whatever the numbers and weights, and learns afterwards", function()
    for _, options in ipairs { {}, { forgetting = 0.5 }, { forgetting = 1, delta = 1e100 } } do
      local model = E.rls(options)
      local sizes = { 1, 1e300, 1e-300, -1e308, 0, 1e100, 1e-160 }
      for i = 1, 400 do
        local size = sizes[1 + i % 7]
        model:learn_one({ size, i % 3 * 5, 7 }, sizes[1 + (i * 3) % 7],
          ({ 1, 1e300, 1e-300, 1e-5 })[1 + i % 4])
        local value = model:predict_one { 1e300, 1, 1 }
        assert.is_true(value == value and math.abs(value) < math.huge)
      end
      assert(moe.undump(model:dump()))
    end
  end)

  it("is in numbers that a file may have, whatever weighs a row far out", function()
    local u, m = data.uniform(1), E.rls {}
    for i = 1, 60 do
      m:learn_one({ i % 3 == 0 and 0 or u() * 1e111, u() * 1e64 }, u(), i % 4 == 0 and 1e300 or 1)
      assert(moe.undump(m:dump()))
    end
  end)

  it("recovers from samples that were far from all others", function()
    local model = E.rls { forgetting = 0.95 }
    for i = 1, 1500 do
      local size = i % 50 == 0 and i < 500 and 1e6 or 1
      model:learn_one({ size * math.sin(i), math.cos(3 * i), 7 }, size * size * math.sin(i))
    end
    near(math.sin(5), model:predict_one { math.sin(5), 0.1, 7 }, 1e-6)
  end)

  it("a row of weight next to nothing does next to nothing", function()
    local a, b = E.rls { forgetting = 0.9 }, E.rls { forgetting = 0.9 }
    for i = 1, 50 do
      local x = { math.sin(i), math.cos(3 * i) }
      a:learn_one(x, x[1])
      b:learn_one(x, x[1])
      b:learn_one({ 5, -5 }, 1000, 1e-12)
    end
    each_near(a:info().coefficients, b:info().coefficients, 1e-6)
  end)
end)
