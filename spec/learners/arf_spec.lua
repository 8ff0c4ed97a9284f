-- Adaptive random forests.
local moe = require "moe"
local data = require "spec.support.data"

local E = moe.experts

-- Five numbers, of which three decide by whether they add up to more than
-- `middle`, one in ten labels is wrong; sums where `numbers`.
local function sums(seed, middle, numbers)
  local u = data.uniform(seed)
  return function()
    local x = { u(), u(), u(), u(), u() }
    local z = x[1] + x[2] * x[3]
    if numbers then return x, (middle or 1) * z + 0.1 * u() end
    return x, (z > middle) == (u() < 0.9) and "high" or "low"
  end
end

-- Share of right answers, or mean absolute error, over n samples.
local function prequential(model, stream, n)
  local sum = 0
  for i = 1, n do
    local x, y = stream()
    if i > 1 or model:info().fitted then
      local said = model:predict_one(x)
      sum = sum + (type(y) == "number" and math.abs(said - y) or said == y and 1 or 0)
    end
    model:learn_one(x, y)
  end
  return sum / n
end

describe("an adaptive random forest", function()
  it("does better than one tree, of classes and of values", function()
    local tree = prequential(E.hoeffding_tree {}, sums(3, 0.75), 6000)
    local forest = prequential(E.adaptive_random_forest {}, sums(3, 0.75), 6000)
    assert.is_true(forest > tree, ("%g %g"):format(forest, tree))
    assert.is_true(forest > 0.83, forest) -- 0.9 is the most there is
    tree = prequential(E.hoeffding_tree { leaf = "constant" }, sums(3, 1, true), 3000)
    forest = prequential(E.adaptive_random_forest { leaf = "constant" }, sums(3, 1, true), 3000)
    assert.is_true(forest < tree, ("%g %g"):format(forest, tree))
  end)

  it("replaces its trees where the world changes", function()
    local model = E.adaptive_random_forest { trees = 5 }
    prequential(model, sums(3, 0.75), 3000)
    local before = model:info()
    prequential(model, sums(4, 0.3), 1500)
    local after = model:info()
    assert.is_true(after.warnings > before.warnings)
    assert.is_true(after.drifts >= before.drifts + 3)
    assert.is_true(prequential(model, sums(5, 0.3), 1000) > 0.84)
  end)

  it("lets another tree learn in the shadow after a warning", function()
    local model = E.adaptive_random_forest {
      trees = 1, max_depth = 0, leaf = "constant", warning_delta = 0.3, drift_delta = 1e-12,
    }
    local function teach(label)
      model:learn_one({ 1 }, label)
      return model:info()
    end
    for i = 1, 300 do teach(i % 10 == 0 and "b" or "a") end
    assert.equal(1, model:info().leaves)
    local info, n = model:info(), 0
    while info.warnings == 0 and n < 300 do
      n = n + 1
      info = teach(n % 2 == 0 and "b" or "a")
    end
    assert.same({ 1, 0, 2 }, { info.warnings, info.drifts, info.leaves })
    while info.drifts == 0 and n < 2000 do
      n = n + 1
      info = teach "b"
    end
    -- no shadow has seen the 270 "a" of the beginning
    assert.same({ 1, 1 }, { info.drifts, info.leaves })
    assert.is_true(model:predict_proba_one({ 1 }).b > 0.9)
  end)

  it("weighs votes by how often a tree was right", function()
    -- leaves that see one of two columns: those of the first are always right, the
    -- others half of the time.  Were there as many of each, equal votes would be
    -- 0.75 sure, weighted ones (1 + 0.5²) / 1.5 = 0.83
    local u = data.uniform(2)
    local model = E.adaptive_random_forest { trees = 400, max_features = 0.5, max_depth = 0 }
    for i = 1, 400 do model:learn_one({ i % 2, u() }, i % 2 == 0 and "a" or "b") end
    local sum = 0
    for i = 1, 100 do
      sum = sum + model:predict_proba_one({ i % 2, u() })[i % 2 == 0 and "a" or "b"]
    end
    assert.is_true(sum / 100 > 0.8 and sum / 100 < 0.87, sum / 100)
  end)

  it("draws samples and columns from its seed alone", function()
    local function dump(options)
      local model = E.adaptive_random_forest(options)
      prequential(model, sums(3, 0.75), 500)
      return model:dump()
    end
    local small = { trees = 3 }
    assert.is_true(dump(small) == dump(small))
    assert.is_true(dump { trees = 3, seed = 1 } ~= dump { trees = 3, seed = 2 })
    assert.is_true(dump { trees = 3, seed = 1 } == dump { trees = 3, seed = 1 })
  end)

  it("is its tree where there is one that sees all columns", function()
    -- but for how often each sample counts
    local model =
      E.adaptive_random_forest { trees = 1, max_features = 1, leaf = "constant", lambda = 1 }
    for i = 1, 2000 do model:learn_one({ i % 2, 7 }, i % 2 == 0 and "a" or "b") end
    assert.equal(2, model:info().leaves)
    assert.equal("a", model:predict_one { 1 / 11 - 1e-9, 7 })
    assert.equal("b", model:predict_one { 1 / 11, 7 })
  end)

  it("keeps to the number of trees that it began with", function()
    local model = E.adaptive_random_forest { trees = 2 }
    prequential(model, sums(3, 0.75), 10)
    model:set_params { trees = 3 }
    local ok, message = pcall(model.learn_one, model, sums(3, 0.75)())
    assert.is_false(ok)
    assert.truthy(message:find("trees is 3, but it has learned with 2", 1, true), message)
  end)

  it("refuses another number of columns a leaf once it has learned", function()
    local l = E.adaptive_random_forest { trees = 2, max_features = 0.5 }
    l:learn_one({ 1, 2, 3, 4 }, "a")
    l:set_params { max_features = 1 }
    local ok, message = pcall(l.learn_one, l, { 1, 2, 3, 4 }, "a")
    assert.is_false(ok)
    assert.truthy(message:find("observe 4 columns, but they observed 2", 1, true), message)
  end)

  it("takes levels, holes and classes as they come", function()
    local u = data.uniform(6)
    local model = E.adaptive_random_forest { trees = 5 }
    local function sample(i)
      local level = math.floor(u() * math.min(2 + i / 100, 12))
      return { "l" .. level, u() < 0.2 and 0 / 0 or u(), level % 3 }, "c" .. level % 5
    end
    for i = 1, 2000 do model:learn_one(sample(i)) end
    assert.equal(5, #model:classes())
    local right = 0
    for _ = 1, 200 do
      local x, y = sample(2000)
      right = right + (model:predict_one(x) == y and 1 or 0)
    end
    assert.is_true(right > 180, right)
  end)

  it("goes on to the same bits from a file or a copy, with shadows", function()
    local model = E.adaptive_random_forest { trees = 4 }
    prequential(model, sums(3, 0.75), 1500)
    local stream, n = sums(4, 0.4), 0
    repeat
      prequential(model, stream, 10)
      n = n + 1
    until model:info().warnings > model:info().drifts or n == 200
    assert.is_true(n < 200)
    local again, copy = moe.undump(model:dump()), model:clone()
    for _ = 1, 500 do
      local x, y = stream()
      for _, each in ipairs { model, again, copy } do each:learn_one(x, y) end
    end
    assert.is_true(model:dump() == again:dump())
    assert.is_true(model:dump() == copy:dump())
  end)
end)
