-- Naive Bayes against another library's probabilities, its formulas, and itself
-- row by row.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-9)

local E = moe.experts

-- 24 rows of eighths, counts and weights for them; 10 are "a", 9 "b", 5 "c".
local function rows()
  local u = data.uniform(21)
  local X, counts, weights, y = {}, {}, {}, {}
  local function number() return math.floor(32 * u()) / 8 - 2 end
  for i = 1, 24 do
    local class = ({ 1, 2, 3, 1, 2 })[(i - 1) % 5 + 1]
    X[i], counts[i], y[i] = {}, {}, ("abc"):sub(class, class)
    for j = 1, 4 do X[i][j] = number() + (j == 1 and class - 1 or 0) end
    for j = 1, 4 do counts[i][j] = math.floor(4 * u()) + (j == class and 2 or 0) end
    weights[i] = math.floor(3 * u()) + 0.5
  end
  return X, y, counts, weights
end

local asked = {
  { 0.25, -1, 0.5, 1 }, { 1.75, 0.125, -0.5, -2 }, { 9, 9, 9, 9 }, { -1.5, 1.5, 0, 0.75 },
}
local asked_counts = { { 1, 0, 2, 3 }, { 0, 5, 1, 0 }, { 0, 0, 0, 0 }, { 7, 1, 1, 20 } }

local function answers(expected, model, questions)
  for i, x in ipairs(questions) do
    local p = model:predict_proba_one(x)
    for k, label in ipairs { "a", "b", "c" } do near(expected[i][k], p[label]) end
  end
end

local function same(a, b, questions, tolerance)
  for _, x in ipairs(questions) do
    local p, q = a:predict_proba_one(x), b:predict_proba_one(x)
    for label, value in pairs(p) do near(value, q[label], tolerance) end
  end
end

-- The numbers of this block: scikit-learn 1.2.1, GaussianNB and MultinomialNB,
-- on the same rows.
describe("its probabilities are another library's:", function()
  local X, y, counts, weights = rows()

  it("gaussian", function()
    local model = E.naive_bayes {}:fit(X, y)
    answers({
      { 0.579924344679, 0.307565650907, 0.112510004414 },
      { 0.32113107365, 0.678854862478, 1.40638720189e-05 },
      { 0.947748659921, 0.0522513400793, 2.2960021895e-97 },
      { 0.899035198595, 0.0512500917809, 0.0497147096245 },
    }, model, asked)
  end)

  it("gaussian with smoothing", function()
    local model = E.naive_bayes { smoothing = 0.1 }:fit(X, y)
    answers({
      { 0.536993630116, 0.308324780591, 0.154681589293 },
      { 0.322003697735, 0.67548866535, 0.00250763691486 },
      { 0.497534523651, 0.502465476349, 6.49703471174e-58 },
      { 0.832962458793, 0.0813157081906, 0.085721833016 },
    }, model, asked)
  end)

  it("gaussian with priors", function()
    local model = E.naive_bayes { priors = { a = 2, b = 5, c = 3 } }:fit(X, y)
    answers({
      { 0.327307391179, 0.482191780408, 0.190500828414 },
      { 0.145513528882, 0.854467352909, 1.9118208873e-05 },
      { 0.867193914757, 0.132806085243, 6.30255428851e-97 },
      { 0.755148650931, 0.119577068497, 0.125274280572 },
    }, model, asked)
  end)

  it("gaussian with weights, which there are copies of rows", function()
    local model = E.naive_bayes { smoothing = 0.1 }:fit(X, y, { weights = weights })
    answers({
      { 0.674478240896, 0.178420947975, 0.14710081113 },
      { 0.136006746461, 0.854045209792, 0.00994804374784 },
      { 0.000132330667721, 0.999867669332, 8.63733474604e-65 },
      { 0.953662747296, 0.0317121892163, 0.0146250634878 },
    }, model, asked)
  end)

  it("multinomial", function()
    local model = E.naive_bayes { distribution = "multinomial" }:fit(counts, y)
    answers({
      { 0.572548409506, 0.25921744842, 0.168234142074 },
      { 0.0108447336915, 0.973927566852, 0.0152276994562 },
      { 0.416666666667, 0.375, 0.208333333333 },
      { 0.518408407375, 0.481591046419, 5.46205956458e-07 },
    }, model, asked_counts)
  end)

  it("multinomial with weights and a smaller alpha", function()
    local model = E.naive_bayes { distribution = "multinomial", alpha = 0.25 }
      :fit(counts, y, { weights = weights })
    answers({
      { 0.665166847187, 0.278997663923, 0.0558354888902 },
      { 0.00879602962382, 0.955798258172, 0.0354057122046 },
      { 0.441176470588, 0.397058823529, 0.161764705882 },
      { 0.588660662969, 0.411339335817, 1.21456575572e-09 },
    }, model, asked_counts)
  end)

  it("multinomial with equal priors", function()
    local model = E.naive_bayes { distribution = "multinomial", priors = { a = 1 } }:fit(counts, y)
    answers({
      { 0.478305055876, 0.240610447551, 0.281084496574 },
      { 0.00965313288284, 0.963237855401, 0.0271090117161 },
      { 0.333333333333, 0.333333333333, 0.333333333333 },
      { 0.492077039028, 0.507921924047, 1.03692535048e-06 },
    }, model, asked_counts)
  end)
end)

-- Every promise for both kinds.
for _, kind in ipairs { "gaussian", "multinomial" } do
  describe("a " .. kind .. " naive_bayes", function()
    local X, y, counts, weights = rows()
    local questions = kind == "gaussian" and asked or asked_counts
    if kind == "multinomial" then X = counts end

    local function new() return E.naive_bayes { distribution = kind } end

    it("learns row by row what fit learns at once", function()
      local fitted, learned = new(), new()
      fitted:fit(X, y, { weights = weights })
      for i = 1, #X do learned:learn_one(X[i], y[i], weights[i]) end
      same(fitted, learned, questions, 1e-12)
    end)

    it("goes on from a fit as if all had been fitted", function()
      local all, part, rest, labels = new(), {}, {}, { {}, {} }
      for i = 1, #X do
        local early = i <= 9
        table.insert(early and part or rest, X[i])
        table.insert(labels[early and 1 or 2], y[i])
      end
      local model = new()
      model:fit(part, labels[1])
      model:learn_many(rest, labels[2])
      all:fit(X, y)
      same(all, model, questions, 1e-12)
    end)

    it("answers sparse rows as it does dense ones", function()
      local entries = { columns = 4 }
      for i, row in ipairs(X) do
        entries[i] = {}
        for j, x in ipairs(row) do entries[i][j] = x ~= 0 and x or nil end
      end
      local sparse = moe.sparse(entries)
      local a, b, c = new(), new(), new()
      a:fit(X, y)
      b:fit(sparse, y)
      c:learn_many(sparse, y)
      same(a, b, questions, 1e-12)
      same(a, c, questions, 1e-12)
      assert.same(a:predict_proba(X):totable(), a:predict_proba(sparse):totable())
    end)

    it("leaves out a value that is missing", function()
      local holes, without = {}, {}
      for i = 1, #X do
        holes[i] = { X[i][1], 0 / 0, X[i][3], X[i][4] }
        without[i] = { X[i][1], X[i][3], X[i][4] }
      end
      local a, b, c = new(), new(), new()
      a:fit(holes, y)
      b:fit(without, y)
      for i = 1, #X do c:learn_one(holes[i], y[i]) end
      for _, x in ipairs(questions) do
        local p = a:predict_proba_one { x[1], 0 / 0, x[3], x[4] }
        local q = b:predict_proba_one { x[1], x[3], x[4] }
        local r = c:predict_proba_one { x[1], 0 / 0, x[3], x[4] }
        for label in pairs(p) do
          -- a column without values still has its alpha
          if kind == "gaussian" then near(q[label], p[label]) end
          near(r[label], p[label])
        end
      end
    end)

    it("refuses to go on as another kind", function()
      local model = new()
      model:fit(X, y)
      model:set_params { distribution = kind == "gaussian" and "multinomial" or "gaussian" }
      assert.has_error(function() model:learn_one(counts[1], "a") end,
        "naive_bayes has learned as " .. kind .. " so far (reset forgets)")
    end)
  end)
end

describe("naive_bayes", function()
  it("meets a class when its first row comes", function()
    local X, y = rows()
    local all, one = E.naive_bayes {}, E.naive_bayes {}
    all:fit(X, y)
    for i = #X, 1, -1 do
      one:learn_one(X[i], y[i])
      local sum = 0
      for _, p in pairs(one:predict_proba_one { 0, 0, 0, 0 }) do sum = sum + p end
      near(1, sum)
    end
    assert.same({ "a", "b", "c" }, one:classes())
    same(all, one, asked, 1e-12)
  end)

  it("stays finite where densities underflow, and where squares would overflow", function()
    local model = E.naive_bayes {}
    model:learn_one({ 1e308, -1e308 }, "a")
    model:learn_one({ -1e308, 1 }, "b")
    model:learn_one({ -1e308, 2 }, "b")
    for _, x in ipairs { { 1e308, 1e308 }, { 0, 0 }, { 1e-320, -1e200 } } do
      local p = model:predict_proba_one(x)
      near(1, p.a + p.b)
    end
    model = E.naive_bayes {}
    model:fit({ { 0, 1 }, { 1, 1 }, { 1000, 1 }, { 1001, 1 } }, { "a", "a", "b", "b" })
    assert.equal("b", model:predict_one { 1e15, 1 })
    near(1, model:predict_proba_one({ 1e15, 1 }).b)
  end)

  it("answers with the priors where all rows are equal", function()
    local model = E.naive_bayes {}
    model:fit({ { 3 }, { 3 }, { 3 }, { 3 } }, { "a", "b", "b", "b" })
    near(0.25, model:predict_proba_one({ 7 }).a)
  end)

  it("refuses counts below 0, and names the place", function()
    local model = E.naive_bayes { distribution = "multinomial" }
    local refusal = "row 2, column 1 is -1: a multinomial naive_bayes takes counts, of at least 0"
    assert.has_error(function() model:fit({ { 1, 2 }, { -1, 0 } }, { "a", "b" }) end, refusal)
    local sparse = moe.sparse { { [2] = 1 }, { [1] = -1 }, columns = 2 }
    assert.has_error(function() model:fit(sparse, { "a", "b" }) end, refusal)
    assert.is_false(model:info().fitted)
  end)

  it("answers a few sparse rows of many columns as many such rows", function()
    local u, wide, y = data.uniform(3), { columns = 5000 }, {}
    for i = 1, 300 do
      wide[i], y[i] = {}, i % 2 == 0 and "even" or "odd"
      for _ = 1, 40 do wide[i][math.floor(2500 * u()) * 2 + 1 + (u() < 0.8 and i % 2 or 0)] = 1 end
    end
    local X = moe.sparse(wide)
    local model = E.naive_bayes { distribution = "multinomial" }
    model:fit(X, y)
    local all = model:predict_proba(X):totable()
    local few = model:predict_proba(moe.sparse { wide[1], wide[2], columns = 5000 }):totable()
    for i = 1, 2 do
      for k = 1, 2 do near(all[i][k], few[i][k], 1e-6) end
    end
    assert.is_true(model:score(X, y) > 0.95)
  end)

  it("refuses a negative count wherever it is, and goes on as it was", function()
    local X, y = {}, {}
    for i = 1, 30000 do
      X[i], y[i] = { i % 5, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, i % 2 == 0 and "a" or "b"
    end
    local model = E.naive_bayes { distribution = "multinomial" }
    model:fit(X, y)
    local before = model:dump()
    X[29999][3] = -1
    local ok, message = pcall(model.fit, model, X, y)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("row 29999, column 3 is -1", 1, true))
    assert.is_false((pcall(model.learn_one, model, X[29999], "a")))
    assert.is_true(before == model:dump())
    local job = E.naive_bayes({ distribution = "multinomial" }):start_fit(X, y)
    assert.is_false(job:step { budget_ms = 1e-6 }) -- the row is further down
  end)

  -- scikit-learn 1.2.1, GaussianNB().partial_fit and CategoricalNB(alpha=1,
  -- min_categories=[3, 2]).partial_fit of one row after the other.
  local numbers = { { 1, 2 }, { 2, 0.5 }, { 3.5, 1 }, { 0.5, 3 }, { 2.5, 2.5 }, { 4, 0 } }
  local levels = {
    { "r", "n" }, { "s", "n" }, { "r", "m" }, { "t", "m" }, { "s", "m" }, { "r", "n" },
  }

  it("learns numbers from a stream as others do", function()
    local model = E.naive_bayes {}
    local y = { "a", "b", "b", "a", "a", "b" }
    for i, x in ipairs(numbers) do model:learn_one(x, y[i]) end
    near(0.65353525, model:predict_proba_one({ 2, 1.5 }).a, 1e-8)
    near(0.98363571, model:predict_proba_one({ 3, 2 }).a, 1e-8)
  end)

  -- The rows with classes a, b, a, b, b, b; columns n1, n2 of numbers.
  local function mixed(with_numbers)
    local columns = { c = {}, e = {}, y = { "a", "b", "a", "b", "b", "b" } }
    if with_numbers then columns.n1, columns.n2 = {}, {} end
    for i, row in ipairs(levels) do
      columns.c[i], columns.e[i] = row[1], row[2]
      if with_numbers then columns.n1[i], columns.n2[i] = numbers[i][1], numbers[i][2] end
    end
    return moe.data.table { columns = columns, target = "y" }
  end

  it("counts the levels of columns of strings, from a table or row by row", function()
    local t, one = mixed(), E.naive_bayes {}
    local model = E.naive_bayes {}
    model:fit(t)
    for i, row in ipairs(levels) do
      one:learn_many(t:rows(i, i))
      assert.equal(i, one:info().n_seen, row[1])
    end
    for _, m in ipairs { model, one, assert(moe.undump(model:dump())) } do
      near(0.51219512, m:predict_proba_one({ c = "r", e = "m" }).a, 1e-8)
      near(0.25925926, m:predict_proba_one({ c = "t", e = "n" }).a, 1e-8)
    end
  end)

  -- The product of both libraries' likelihoods with one prior.
  it("multiplies numbers and strings; what is missing or new says nothing", function()
    local model = E.naive_bayes {}
    model:fit(mixed(true))
    near(0.37299578, model:predict_proba_one({ n1 = 2, n2 = 1.5, c = "s", e = "n" }).a, 1e-8)
    local without = model:predict_proba_one { n1 = 2, n2 = 1.5, e = "n" }
    near(without.a, model:predict_proba_one({ n1 = 2, n2 = 1.5, c = "new", e = "n" }).a)
    near(2 / 6, model:predict_proba_one({}).a)
  end)

  it("meets levels for ever: those beyond the thousandth are one", function()
    local model = E.naive_bayes {}
    for i = 1, 1300 do
      model:learn_one({ s = "level " .. i, x = i }, i % 2 == 0 and "even" or "odd")
    end
    local p = model:predict_proba_one { s = "level 7", x = 650 }
    assert.is_true(p.odd > p.even)
    assert(moe.undump(model:dump()))
  end)

  it("goes on, and from a file too, where a level found no memory", function()
    local text = "a,b,c,d,e,y\n,,,,,no\nlast,a,a,a,a,no\n" .. ("first,b,b,b,b,yes\n"):rep(4)
    local t = assert(moe.data.parse_csv(text, { target = "y" }))
    local bytes, n, done = E.naive_bayes {}:learn_many(t:rows(1, 1)):dump(), -1, false
    while not done do
      n = n + 1
      local model = assert(moe.undump(bytes))
      done = allocations.run_out(function() model:learn_many(t:rows(2, 3)) end, n)
      model = assert(moe.undump(model:dump())):learn_many(t)
      local p = model:predict_proba_one { a = "first", b = "b", c = "b", d = "b", e = "b" }
      assert.is_true(p.yes > p.no)
    end
    assert.is_true(n > 3)
  end)

  it("refuses strings where it learned numbers", function()
    local model = E.naive_bayes {}
    model:fit({ { 1, 2 }, { 3, 4 } }, { "a", "b" })
    local t = moe.data.table { columns = { a = { "x" }, b = { "y" }, y = { "a" } }, target = "y" }
    assert.is_false((pcall(model.predict, model, t)))
    assert.is_false((pcall(model.learn_many, model, t)))
  end)
end)
