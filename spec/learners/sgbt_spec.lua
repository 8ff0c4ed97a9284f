-- Streaming gradient-boosted trees.
local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-9)

local E = moe.experts

-- One tree that answers in full, and nothing that fades or changes.
local function stump(options)
  local all = {
    task = "regression", trees = 1, lr = 1, l2 = 0, max_leaves = 2, grace = 8, memory = 0,
    detector = "none", column_sample = 1,
  }
  for name, value in pairs(options or {}) do all[name] = value end
  return E.sgbt(all)
end

-- A step from 1 to 5, n rows of each.
local function climb(model, n, weight)
  for _ = 1, n do
    model:learn_one({ 0 }, 1, weight)
    model:learn_one({ 1 }, 5, weight)
  end
  return model
end

local function rmse(model, n, draw)
  local sum = 0
  for i = 1, n do
    local x, y = draw(i)
    sum = sum + (model:predict_one(x) - y) ^ 2
    model:learn_one(x, y)
  end
  return math.sqrt(sum / n)
end

describe("a stage of sgbt", function()
  it("answers -G / (H + l2) on both sides of a step", function()
    local model = climb(stump(), 4)
    assert.equal(2, model:info().leaves)
    assert.equal(1, model:predict_one { 0.4 })
    assert.equal(5, model:predict_one { 0.6 })
    -- base 3, then G = 8 and -8, H = 4: 3 - 8/5 and 3 + 8/5
    model = climb(stump { l2 = 1 }, 4)
    near(1.4, model:predict_one { 0 })
    near(4.6, model:predict_one { 1 })
  end)

  it("is split where the gain is beyond chance", function()
    -- gain (8²/4 + 8²/4 - 0) / 2 = 16; derivatives of variance 32/8 = 4 a unit of
    -- H; 2 log 64 tests, half of which may be wrong: 16 - 4 log(4 log 64) = 4.756
    local left = 16 - 4 * math.log(4 * math.log(64))
    assert.equal(2, climb(stump { min_gain = left - 1e-6 }, 4):info().leaves)
    assert.equal(1, climb(stump { min_gain = left + 1e-6 }, 4):info().leaves)
    assert.equal(1, climb(stump { min_child_weight = 4.1 }, 4):info().leaves)
  end)

  it("goes on adapting its leaves", function()
    local model = climb(stump(), 4)
    model:learn_one({ 1 }, 10)
    -- mean of 5, 5, 5, 5, 10
    near(6, model:predict_one { 1 })
    assert.equal(1, model:predict_one { 0 })
  end)

  it("takes a row of weight w for w rows", function()
    local once, often = stump { l2 = 0.5 }, stump { l2 = 0.5 }
    climb(once, 4)
    climb(often, 4)
    for i = 1, 20 do
      local x, y = { i % 2 }, i % 2 == 1 and 5 + i or 1 - i
      once:learn_one(x, y, 3)
      for _ = 1, 3 do often:learn_one(x, y) end
    end
    near(often:predict_one { 0 }, once:predict_one { 0 }, 1e-12)
    near(often:predict_one { 1 }, once:predict_one { 1 }, 1e-12)
  end)

  it("hardly moves for a weight near 0", function()
    local model = climb(stump(), 4)
    model:learn_one({ 1 }, 1e6, 1e-300)
    near(5, model:predict_one { 1 }, 1e-12)
  end)
end)

describe("sgbt", function()
  it("learns nothing from a constant target but the constant", function()
    local model = E.sgbt {}
    for i = 1, 300 do model:learn_one({ i % 7, i % 3 }, 42) end
    assert.equal(42, model:predict_one { 3, 1 })
    assert.equal(50, model:info().leaves)
  end)

  it("begins with the mean of the first rows, and goes on from there", function()
    -- the mean of 50 as the reference system publishes it (to 1e-9); the trees, which
    -- it lets learn y itself before it adds the mean, then make .727 of it
    local function begin(lr)
      local model = E.sgbt {
        task = "regression", trees = 20, lr = lr, grace = 50, min_gain = 1e300, memory = 0,
      }
      local said = {}
      for i = 0, 50 do
        local a, b = math.sin(0.37 * i), math.cos(0.73 * i)
        said[i] = model:predict_one { 0.5, 0.5 }
        model:learn_one({ a, b }, a > 0 and 2 * a + 3 * b + 1 or -a + 0.5 * b - 2)
      end
      return said
    end
    near(0.520458730, begin(1e-12)[50], 1e-9)
    local said = begin(0.1) -- of a deviation of 2.2
    assert.is_true(math.abs(said[50] - said[49]) < 0.3, said[50] .. " " .. said[49])
  end)

  it("leaves to each stage what is left once those before have learned", function()
    -- the recurrence of unsplit trees: g = F - y, v = -G / (H + 1), F += lr v
    local model = E.sgbt {
      task = "regression", trees = 5, lr = 0.3, grace = 4, min_gain = 1e300,
      detector = "none", memory = 0,
    }
    local G, v, base, first = { 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 }, 0, {}
    local function learn(y, n)
      local F = base
      for s = 1, 5 do
        G[s] = G[s] + F - y
        v[s] = -G[s] / (n + 1)
        F = F + 0.3 * v[s]
      end
    end
    for i = 1, 40 do
      local y = i * i % 11
      model:learn_one({ i }, y)
      if i <= 4 then first[i], base = y, base + y / 4 end
      if i == 4 then for k = 1, 4 do learn(first[k], k) end end
      if i > 4 then learn(y, i) end
    end
    local F = base
    for s = 1, 5 do F = F + 0.3 * v[s] end
    near(F, model:predict_one { 1 }, 1e-12)
  end)

  it("approaches the function that it is shown", function()
    local uniform = data.uniform(5)
    local function draw()
      local x = { uniform(), uniform(), uniform() }
      return x, 3 * math.sin(6 * x[1]) + (x[2] > 0.5 and 4 or 0)
    end
    local model = E.sgbt {}
    rmse(model, 2000, draw)
    local last = rmse(model, 500, draw) -- the target's deviation is 2.9
    assert.is_true(last < 0.5, tostring(last))
  end)

  it("recovers from a change, and sooner with a detector", function()
    local function after_change(detector)
      local uniform, turned = data.uniform(5), false
      local function draw()
        local x = { uniform(), uniform() }
        local side = x[1] > 0.3 and 2 or -2
        if turned then side = x[2] > 0.6 and -8 or 8 end
        return x, side
      end
      local model = E.sgbt { detector = detector, seed = 1, trees = 20, memory = 0 }
      rmse(model, 1500, draw)
      turned = true
      rmse(model, 1000, draw)
      return rmse(model, 500, draw), model:info().replaced
    end
    local with, replaced = after_change "page_hinkley"
    local without, none = after_change "none"
    assert.is_true(replaced > 0)
    assert.equal(0, none)
    assert.is_true(with < without, with .. " " .. without)
    assert.is_true(with < 2, tostring(with)) -- the new target's deviation is 7.8
  end)

  it("estimates quantiles, medians and what Huber's loss asks", function()
    local function learn(options)
      local uniform = data.uniform(3)
      options.task, options.trees, options.memory = "regression", 30, 200
      local model = E.sgbt(options)
      for _ = 1, 3000 do
        local side, u = uniform() > 0.5 and 1 or 0, uniform()
        model:learn_one({ side }, 10 * side + (u > 0.9 and 1000 or u))
      end
      return model
    end
    -- of u uniform on [0, 0.9] and one in ten 1000: quantiles are themselves
    local model = learn { loss = "quantile", quantile = 0.75 }
    near(0.75, model:predict_one { 0 }, 0.15)
    near(10.75, model:predict_one { 1 }, 0.15)
    near(0.5, learn({ loss = "absolute" }):predict_one { 0 }, 0.15)
    -- E clamp(y - m, ±1) = 0 where 0.9 (m - 0.45) = 0.1
    near(0.561, learn({ loss = "huber", delta = 1 }):predict_one { 0 }, 0.15)
  end)

  it("lowers the log loss, with probabilities that sum to 1", function()
    local uniform, model = data.uniform(9), E.sgbt {}
    local losses = {}
    for block = 1, 4 do
      local sum = 0
      for _ = 1, 300 do
        local x = { uniform(), uniform() }
        local class = x[1] < 0.3 and "low" or x[2] < 0.5 and "middle" or "high"
        local p = model:predict_proba_one(x) or {}
        local total = 0
        for _, value in pairs(p) do total = total + value end
        if next(p) then near(1, total, 1e-9) end
        sum = sum - math.log(math.max(p[class] or 1e-9, 1e-9))
        model:learn_one(x, class)
      end
      losses[block] = sum / 300
    end
    assert.is_true(losses[2] < losses[1] and losses[4] < losses[2])
    assert.is_true(losses[4] < 0.3, tostring(losses[4])) -- of log 3 = 1.1
  end)

  it("meets classes while it goes", function()
    local uniform, model = data.uniform(9), E.sgbt { task = "classification" }
    local names, right = { "n", "m", "a", "z" }, 0
    for i = 1, 2400 do
      local known = math.min(4, 1 + math.floor(i / 400))
      local k = 1 + math.floor(known * uniform())
      local x = { k + 0.5 * uniform(), uniform() }
      if i > 2000 and model:predict_one(x) == names[k] then right = right + 1 end
      model:learn_one(x, names[k])
    end
    assert.same({ "a", "m", "n", "z" }, model:classes())
    assert.is_true(right > 380, tostring(right))
  end)

  it("takes a class that it has just met for a rare one", function()
    local uniform, model = data.uniform(9), E.sgbt {}
    for i = 1, 300 do model:learn_one({ uniform() }, i % 2 == 0 and "a" or "b") end
    model:learn_one({ 0.5 }, "late")
    local p = model:predict_proba_one { 0.5 }
    assert.is_true(p.late > 0 and p.late < 0.1, tostring(p.late))
    assert.is_true(p.a + p.b > 0.9)
  end)

  it("does not add up noise, however eager its trees", function()
    local uniform = data.uniform(6)
    local model = E.sgbt {
      trees = 100, lr = 0.3, grace = 5, bound = "original", l2 = 0, detector = "none",
    }
    local noise = rmse(model, 1000, function() return { uniform(), uniform() }, uniform() - 0.5 end)
    assert.is_true(noise < 1.3 * math.sqrt(1 / 12), tostring(noise))
  end)

  it("parts levels by what they answer, not by when they came", function()
    local model, value = stump { grace = 16 }, { low = 1, high = 5, small = 1, tall = 5 }
    for _ = 1, 4 do
      for _, level in ipairs { "low", "high", "small", "tall" } do
        model:learn_one({ size = level }, value[level])
      end
    end
    for level, y in pairs(value) do assert.equal(y, model:predict_one { size = level }) end
  end)

  it("learns from columns of strings and from what is missing", function()
    local uniform = data.uniform(2)
    local levels = { "b", "e", "a", "d", "c", "f" }
    local X, y = { level = {}, other = {} }, {}
    for i = 1, 600 do
      local k = 1 + math.floor(6 * uniform())
      X.level[i] = levels[k]
      X.other[i] = uniform() < 0.3 and 0 / 0 or uniform()
      y[i] = (k % 2 == 0 and 5 or 0) + (X.other[i] ~= X.other[i] and 3 or 0)
    end
    local model = E.sgbt { trees = 30, column_sample = 1, task = "regression" }
    for i = 1, 600 do
      model:learn_one({ level = X.level[i], other = X.other[i] }, y[i])
    end
    local function answer(level, other)
      return model:predict_one { level = level, other = other }
    end
    near(5, answer("e", 0.5), 0.3)
    near(0, answer("b", 0.5), 0.3)
    near(8, answer("d", 0 / 0), 0.3)
    near(3, answer("c", 0 / 0), 0.3)
  end)

  it("stays finite whatever comes", function()
    for _, loss in ipairs { "squared", "absolute", "huber", "quantile" } do
      local model = E.sgbt {
        loss = loss, task = "regression", l2 = 0, min_child_weight = 0, trees = 8,
      }
      for i = 1, 400 do
        local sign = i % 2 == 0 and 1 or -1
        local y = i % 3 == 0 and sign * 1.7e308 or i
        local w = i % 5 == 0 and 1e300 or i % 7 == 0 and 1e-300 or 1
        model:learn_one({ sign * 1.7e308, i % 4 == 0 and 0 / 0 or i * 1e300 }, y, w)
        local said = model:predict_one { -1.7e308, i }
        assert.is_true(said == said and math.abs(said) < math.huge)
      end
      assert(moe.undump(model:dump())) -- which looks for what is not finite
    end
  end)

  it("goes on from a file to the same bits, and as a copy", function()
    local uniform = data.uniform(4)
    local function draw(i)
      local x = { uniform(), uniform(), uniform() }
      local y = x[1] > 0.5 and 3 or x[2]
      return x, i > 900 and 20 - 9 * y or y
    end
    local model = E.sgbt { trees = 10 }
    local rows = {}
    for i = 1, 1600 do rows[i] = { draw(i) } end
    local function learn(m, first, last)
      for i = first, last do m:learn_one(rows[i][1], rows[i][2]) end
      return m:dump()
    end
    for first = 1, 1600, 400 do
      local file, copy = assert(moe.undump(model:dump())), model:clone()
      local bytes = learn(model, first, first + 399)
      assert.is_true(bytes == learn(file, first, first + 399))
      assert.is_true(bytes == learn(copy, first, first + 399))
    end
    assert.is_true(model:info().replaced > 0)
  end)

  it("refuses, or survives, a file with a changed byte", function()
    local uniform = data.uniform(4)
    local model = E.sgbt { trees = 2, max_leaves = 4, max_bins = 4, grace = 8 }
    for i = 1, 200 do model:learn_one({ uniform(), i % 5 }, uniform() > 0.5 and "a" or "b") end
    local bytes = model:dump()
    for _ = 1, 300 do
      local at = 1 + math.floor(uniform() * #bytes)
      local byte = string.char(math.floor(uniform() * 256))
      local changed = bytes:sub(1, at - 1) .. byte .. bytes:sub(at + 1)
      local ok, again = pcall(moe.undump, changed)
      if ok and again then
        pcall(function()
          for i = 1, 60 do again:learn_one({ uniform(), i % 5 }, "a") end
          again:predict_one { 0.5, 1 }
        end)
      end
    end
  end)
end)
