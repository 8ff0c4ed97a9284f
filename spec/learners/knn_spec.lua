-- Nearest neighbours against another library, against a search written down
-- plainly, and against themselves row by row.
local moe = require "moe"
local data = require "spec.support.data"
local near, each_near = require("spec.support.near").within(1e-9)

local E = moe.experts

-- n rows of d multiples of `step` in [-1, 1).
local function grid(n, d, step, seed)
  local u, X = data.uniform(seed), {}
  for i = 1, n do
    X[i] = {}
    for j = 1, d do X[i][j] = math.floor(2 * u() / step) * step - 1 end
  end
  return X
end

local function numbers(n)
  local y = {}
  for i = 1, n do y[i] = i end
  return y
end

-- The k nearest rows by definition: all distances, in order, the first of equals.
local function nearest(X, x, k)
  local all, order = {}, numbers(#X)
  for i, row in ipairs(X) do
    all[i] = 0
    for j = 1, #x do all[i] = all[i] + (row[j] - x[j]) ^ 2 end
  end
  table.sort(order, function(a, b)
    if all[a] ~= all[b] then return all[a] < all[b] end
    return a < b
  end)
  while #order > k do table.remove(order) end
  return order
end

-- Targets that tell which rows answered: 1 in the row's own column.
local function unit_rows(n)
  local y = {}
  for i = 1, n do
    y[i] = {}
    for j = 1, n do y[i][j] = i == j and 1 or 0 end
  end
  return y
end

-- The numbers of this block: scikit-learn 1.2.1, algorithm = "kd_tree".
describe("its answers are another library's:", function()
  local X, y, z = {}, {}, {}
  local u = data.uniform(31)
  local function number() return math.floor(4096 * u()) / 1024 - 2 end
  for i = 1, 90 do
    X[i] = { number(), number(), 8 * number() }
    local class = math.floor(3 * u()) + 1
    y[i] = ("abc"):sub(class, class)
    z[i] = { X[i][1] + X[i][2] ^ 2, X[i][3] - u() }
  end
  local asked = { { 0.25, -1, 0.5 }, { 1.75, 0.125, -8.5 }, { 9, 9, 9 }, X[5] }

  local function votes(options, expected)
    for _, method in ipairs { "auto", "kd_tree", "brute" } do
      if not (method == "brute" and options.distance) then
        options.method = method
        local model = E.knn(options)
        model:fit(X, y)
        for i, x in ipairs(asked) do
          local p = model:predict_proba_one(x)
          each_near(expected[i], { p.a, p.b, p.c })
        end
      end
    end
  end

  it("votes", function()
    votes({ k = 7 }, {
      { 0.571428571429, 0.142857142857, 0.285714285714 },
      { 0.428571428571, 0.285714285714, 0.285714285714 },
      { 0.142857142857, 0.571428571429, 0.285714285714 },
      { 0.285714285714, 0.285714285714, 0.428571428571 },
    })
  end)

  it("votes by distance, and of a row that was learned", function()
    votes({ k = 7, weights = "distance" }, {
      { 0.520814244911, 0.11699241239, 0.362193342699 },
      { 0.370035607851, 0.250319672252, 0.379644719897 },
      { 0.141549472764, 0.579458872966, 0.27899165427 },
      { 0, 0, 1 },
    })
  end)

  it("votes by manhattan distance", function()
    votes({ k = 4, weights = "distance", distance = "manhattan" }, {
      { 0.501111735135, 0, 0.498888264865 },
      { 0.235876157805, 0.204544237094, 0.559579605101 },
      { 0.237111573677, 0.516846676495, 0.246041749828 },
      { 0, 0, 1 },
    })
  end)

  local function means(options, expected)
    local model = E.knn(options)
    model:fit(X, z)
    for i, x in ipairs(asked) do each_near(expected[i], model:predict_one(x), 1e-7) end
  end

  it("means of two targets", function()
    means({}, {
      { 1.11152095795, 0.247104119072 },
      { 1.308177948, -9.26553511939 },
      { 2.79926548004, 10.3946133308 },
      { 2.10084457397, -8.14381637812 },
    })
  end)

  it("means by distance", function()
    means({ weights = "distance" }, {
      { 1.11863178253, 0.224136035054 },
      { 1.4811520762, -9.05088178591 },
      { 2.81636313878, 10.3875940549 },
      { 2.47455692291, -7.97336110577 },
    })
  end)

  it("means by distance in standardised columns", function()
    means({ weights = "distance", standardize = true }, {
      { 1.14514342656, 0.28951275011 },
      { 1.60931141607, -11.1724602801 },
      { 3.70279901095, 5.33259891645 },
      { 2.47455692291, -7.97336110577 },
    })
  end)
end)

describe("its neighbours", function()
  it("are the first of those at the same distance", function()
    for _, method in ipairs { "kd_tree", "brute" } do
      local model = E.knn { k = 2, method = method, task = "regression" }
      model:fit({ { 1 }, { -1 }, { 1 }, { -1 } }, { 1, 10, 100, 1000 })
      near(5.5, model:predict_one { 0 })
      near(50.5, model:predict_one { 0.5 })
      each_near({ 5.5, 5.5, 5.5, 5.5, 5.5, 5.5, 5.5, 5.5 },
        model:predict { { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 } })
    end
  end)

  -- Few steps: many distances are equal.
  for _, case in ipairs { { 1, 200, 0.125 }, { 2, 300, 0.25 }, { 5, 300, 0.5 }, { 24, 99, 0.5 } } do
    local d, n, step = case[1], case[2], case[3]
    it(("are those of the definition, in %d columns, by each method"):format(d), function()
      local X, asked = grid(n, d, step, d), grid(12, d, step / 2, 77)
      for _, method in ipairs { "kd_tree", "brute" } do
        for _, k in ipairs { 1, 6 } do
          local model = E.knn { k = k, method = method }
          model:fit(X, unit_rows(n))
          local answers = model:predict(asked):totable()
          for i, x in ipairs(asked) do
            local expected = {}
            for j = 1, n do expected[j] = 0 end
            for _, j in ipairs(nearest(X, x, k)) do expected[j] = 1 / k end
            each_near(expected, answers[i], 1e-6)
          end
        end
      end
    end)
  end

  -- Where float32 products are off by more than the distances differ.
  for name, place in pairs {
    ["far from 0"] = function(x) return 1000 + x / 64 end,
    ["in two heaps far from each other"] = function(x, i) return (i % 2 * 2 - 1) * 777 + x / 3 end,
    ["where squares have few bits in float32"] = function(x) return x * 2 ^ -72.5 end,
    ["where float32 has no squares"] = function(x) return x * 2 ^ 64.5 end,
    ["at the end of what float32 holds"] = function(x) return x * 3e38 end,
    ["beyond it"] = function(x) return x * 1e300 end,
  } do
    it("are the same by each method, " .. name, function()
      local X, asked = grid(1500, 3, 2 ^ -8, 5), grid(20, 3, 2 ^ -9, 6)
      X[#X] = { 0.9, 0.9, 0.9 }
      for _, rows in ipairs { X, asked } do
        for i, row in ipairs(rows) do
          for j = 1, 3 do row[j] = place(row[j], i) end
        end
      end
      local answers = {}
      for m, method in ipairs { "kd_tree", "brute" } do
        local model = E.knn { k = 3, method = method, task = "regression", weights = "distance" }
        model:fit(X, numbers(#X))
        answers[m] = model:predict(asked)
      end
      assert.same(answers[1], answers[2])
      for _, value in ipairs(answers[1]) do assert.is_true(value >= 1 and value <= 1500) end
    end)
  end

  it("are all rows where there are fewer than k, and the history says so", function()
    local model = E.knn { k = 9 }
    local _, history = model:fit({ { 0 }, { 1 }, { 2 } }, { "a", "a", "b" })
    assert.same({ "all 3 rows answer, since k = 9" }, history.notes)
    near(2 / 3, model:predict_proba_one({ 5 }).a)
  end)

  it("count as much as their weights say", function()
    local model = E.knn { k = 3 }
    model:fit({ { 0 }, { 1 }, { 2 }, { 1 } }, { "a", "b", "b", "a" }, { weights = { 6, 1, 2, 0 } })
    near(6 / 9, model:predict_proba_one({ 1 }).a)
    model:fit({ { 0 }, { 1 } }, { "a", "b" }, { weights = { 1e308, 1e-300 } })
    near(1, model:predict_proba_one({ 1 }).a)
  end)

  it("are not measured by manhattan through products", function()
    assert.has_error(function()
      E.knn({ method = "brute", distance = "manhattan" }):fit({ { 1 } }, { "a" })
    end, "knn: method 'brute' measures euclidean distances; use 'kd_tree' or 'auto' for manhattan")
  end)
end)

describe("a window", function()
  local X, asked = grid(700, 2, 0.125, 8), grid(9, 2, 0.125, 9)
  local y = numbers(700)

  local function last(n, count)
    local rows, targets = {}, {}
    for i = math.max(1, n - count + 1), n do
      rows[#rows + 1], targets[#targets + 1] = X[i], y[i]
    end
    local model = E.knn { k = 4, task = "regression" }
    model:fit(rows, targets)
    return model:predict(asked)
  end

  -- The spans are about when trees are made anew.
  for _, window in ipairs { 1, 7, 100, 250 } do
    it(("of %d rows answers as a fit of the last %d"):format(window, window), function()
      local model = E.knn { k = 4, window = window, task = "regression" }
      for n = 1, #X do
        model:learn_one(X[n], y[n])
        if n % 67 == 0 or n == window or n == window + 1 then
          assert.same(last(n, window), model:predict(asked))
          assert.equal(math.min(n, window), model:info().rows)
        end
      end
      local again = assert(moe.undump(model:dump()))
      assert.same(model:predict(asked), again:predict(asked))
      model:learn_many(asked, { 1, 2, 3, 4, 5, 6, 7, 8, 9 })
      again:learn_many(asked, { 1, 2, 3, 4, 5, 6, 7, 8, 9 })
      assert.same(model:predict(X), again:predict(X))
      model:fit(X, y)
      assert.same(last(#X, window), model:predict(asked))
    end)
  end

  it("that is not set keeps all rows", function()
    local model = E.knn { k = 4, task = "regression" }
    for n = 1, #X do
      model:learn_one(X[n], y[n])
      if n % 50 == 0 then assert.same(last(n, n), model:predict(asked)) end
    end
  end)

  it("may shrink and grow on the way", function()
    local model = E.knn { k = 4, window = 200, task = "regression" }
    for n = 1, 300 do model:learn_one(X[n], y[n]) end
    model:set_params { window = 50 }
    model:learn_one(X[301], y[301])
    assert.same(last(301, 50), model:predict(asked))
    model:set_params { window = 300 }
    for n = 302, 500 do model:learn_one(X[n], y[n]) end
    assert.same(last(500, 249), model:predict(asked))
    for n = 501, 700 do model:learn_one(X[n], y[n]) end
    assert.same(last(700, 300), model:predict(asked))
  end)

  it("standardises by the rows that it holds", function()
    local options = { k = 3, window = 40, task = "regression", standardize = true }
    local model, fitted = E.knn(options), E.knn(options)
    for n = 1, 60 do model:learn_one({ X[n][1] * (n < 15 and 1e6 or 1), X[n][2] }, y[n]) end
    local rows, targets = {}, {}
    for n = 21, 60 do rows[n - 20], targets[n - 20] = X[n], y[n] end
    fitted:fit(rows, targets)
    assert.same(fitted:predict(asked), model:predict(asked))
  end)

  it("meets a class when its first row comes", function()
    local model = E.knn { k = 3, window = 5 }
    local labels = { "m", "z", "a", "m", "b", "z", "a" }
    for i, label in ipairs(labels) do model:learn_one({ i }, label) end
    assert.same({ "a", "b", "m", "z" }, model:classes())
    local p = model:predict_proba_one { 7 }
    each_near({ 1 / 3, 1 / 3, 0, 1 / 3 }, { p.a, p.b, p.m, p.z })
  end)

  it("fits the same however often it pauses", function()
    local rows, targets = moe.randn(20000, 12, { seed = 3 }), numbers(20000)
    local options = { method = "kd_tree", task = "regression", k = 3 }
    local whole, paused, steps = E.knn(options), E.knn(options), 0
    whole:fit(rows, targets)
    local job = paused:start_fit(rows, targets)
    repeat
      steps = steps + 1
    until job:step { budget_ms = 1e-6 }
    job:commit()
    assert.is_true(steps > 10, steps) -- levels of the tree, and rows before and behind
    local some = moe.randn(50, 12, { seed = 4 })
    assert.same(whole:predict(some), paused:predict(some))
  end)
end)
