local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-9)

local E, G = moe.experts, moe.gates

-- Two groups of rows whose targets a constant expert knows in closed form:
-- group a: 1, 2, 3 (mean 2); group b: 10, 20, 30, 40 (mean 25).
local function two_groups()
  return { { 0 }, { 0 }, { 0 }, { 1 }, { 1 }, { 1 }, { 1 } },
    { 1, 2, 3, 10, 20, 30, 40 },
    { "a", "a", "a", "b", "b", "b", "b" }
end

-- Answers what it has seen, and 0 otherwise.
local function memory()
  local seen = {}
  return {
    fit = function(_, X, y)
      seen = {}
      for i = 1, #y do seen[X:get(i, 1)] = y[i] end
    end,
    predict = function(_, X)
      local out = {}
      for i = 1, X.shape[1] do out[i] = seen[X:get(i, 1)] or 0 end
      return out
    end,
    clone = memory,
  }
end

local function constants(options)
  local all = {
    experts = { a = E.constant {}, b = E.constant {} },
    gate = G.uniform {},
    folds = 2,
    calibrate = false,
  }
  for name, value in pairs(options or {}) do all[name] = value end
  return moe.mixture(all)
end

describe("the two stages", function()
  it("train each expert on its subset, and weigh their answers", function()
    local X, y, subsets = two_groups()
    local m = constants()
    m:fit(X, y, { subsets = subsets })
    near(2, m:expert("a"):predict_one { 0 })
    near(25, m:expert("b"):predict_one { 0 })
    near(13.5, m:predict_one { 0 }) -- (2 + 25) / 2
    assert.same({ a = 3, b = 4 }, m:info().samples)
  end)

  it("give rows that name no expert to none, or to all", function()
    local X, y, subsets = two_groups()
    subsets[1], subsets[4], subsets[5] = false, "", nil
    local m = constants()
    m:fit(X, y, { subsets = subsets })
    near(2.5, m:expert("a"):predict_one { 0 }) -- 2, 3
    near(35, m:expert("b"):predict_one { 0 }) -- 30, 40
    m = constants { unassigned = "all" }
    m:fit(X, y, { subsets = subsets })
    near((1 + 2 + 3 + 10 + 20) / 5, m:expert("a"):predict_one { 0 })
    near((1 + 10 + 20 + 30 + 40) / 5, m:expert("b"):predict_one { 0 })
  end)

  it("say in the history how each expert was scored", function()
    local X, y, subsets = two_groups()
    local _, history = constants():fit(X, y, { subsets = subsets })
    assert.is_true(history.done)
    assert.same({
      "a: trained on 3 rows, scored by 2-fold cross-fitting",
      "b: trained on 4 rows, scored by 2-fold cross-fitting",
    }, history.notes)
  end)

  it("score every row by predictions that its expert did not train on", function()
    -- The unseen error of a memory is the target itself: noise² = mean of y².
    local X, y, square = {}, {}, 0
    for i = 1, 12 do
      X[i], y[i] = { i }, i
      square = square + i * i / 12
    end
    local m = moe.mixture { experts = { m = memory(), c = E.constant {} }, folds = 3 }
    m:fit(X, y)
    near(math.sqrt(square), m:info().noise.m)
  end)

  it("keep rows of one group together when they hold some out", function()
    -- Two copies of each row: a memory that saw the other copy would be right.
    local X, y, groups, square = {}, {}, {}, 0
    for i = 1, 20 do
      local k = math.floor((i + 1) / 2)
      X[i], y[i], groups[i] = { k }, k, "g" .. k
      square = square + k * k / 20
    end
    local m = moe.mixture { experts = { m = memory(), c = E.constant {} }, folds = 2 }
    m:fit(X, y, { groups = groups })
    near(math.sqrt(square), m:info().noise.m)
  end)

  it("leave imported experts as they are, without being told", function()
    local uniform, X, y = data.uniform(3), {}, {}
    for i = 1, 60 do
      X[i] = { uniform(), uniform(), uniform(), uniform() }
      y[i] = X[i][1] > 0.5 and 1 or 0
    end
    for _, training in ipairs { "two_stage", "em" } do
      local imported = assert(E.import "spec/fixtures/xgboost_binary.json")
      local said = imported:predict_proba(X):totable()
      local m = moe.mixture {
        experts = { theirs = imported, ours = E.logistic {} },
        task = "classification",
        training = training,
      }
      m:fit(X, y)
      assert.same(said, imported:predict_proba(X):totable())
      assert.is_true(m:score(X, y) > 0.8)
    end
  end)

  it("leave frozen experts as they are", function()
    local X, y = two_groups()
    local old = E.constant {}
    old:fit({ { 0 } }, { 100 })
    local m = constants { experts = { a = old, b = E.constant {} }, frozen = { "a" } }
    local _, history = m:fit(X, y)
    near(100, old:predict_one { 0 })
    assert.truthy(history.notes[1]:find "frozen")
    assert.has_error(function() constants({ frozen = { "zzz" } }):fit(X, y) end)
    assert.has_error(function() constants({ frozen = { "a" } }):fit(X, y) end)
  end)
end)

describe("subsets that nobody has given", function()
  -- Three groups of rows, a constant target each.
  local function groups()
    local uniform, X, y = data.uniform(4), {}, {}
    for i = 1, 90 do
      local c = i % 3
      X[i], y[i] = { 10 * c + uniform(), 1 }, 5 * c * c
    end
    return X, y
  end

  local function three(options)
    options.experts = { E.constant {}, E.constant {}, E.constant {} }
    options.gate = G.softmax { l2 = 0.01 }
    return moe.mixture(options)
  end

  local function means(m)
    local out = {}
    for e = 1, 3 do out[e] = m:expert(e):predict_one { 0, 0 } end
    table.sort(out)
    return out
  end

  it("are clusters of the inputs", function()
    local X, y = groups()
    local m = three {}
    local _, history = m:fit(X, y, { subsets = "clusters" })
    assert.same({ 0, 5, 20 }, means(m))
    assert.equal("1: a cluster of 30 rows", history.notes[1])
    assert.is_true(m:score(X, y) > 0.99)
    m = three { subsets = "clusters" }
    m:fit(X, y)
    assert.same({ 0, 5, 20 }, means(m))
  end)

  it("are clusters of a first model's residuals, where inputs tell nothing", function()
    local _, y = groups()
    local X = {}
    for i = 1, #y do X[i] = { 1, i % 3 } end
    local m = three {}
    m:fit(X, y, { subsets = "residuals" })
    assert.same({ 0, 5, 20 }, means(m))
    local labels = {}
    for i = 1, #y do labels[i] = "c" .. y[i] end
    local p = moe.mixture { experts = { E.constant {}, E.constant {}, E.constant {} } }
    p:fit(X, labels, { subsets = "residuals" })
    for e = 1, 3 do assert.equal(1, #p:expert(e):classes()) end
  end)

  it("go to experts that are trained: a frozen one gets none", function()
    local X, y = groups()
    local old = E.constant {}
    old:fit({ { 0, 0 } }, { 100 })
    local m = moe.mixture { experts = { a = old, b = E.constant {}, c = E.constant {} } }
    m:set_params { frozen = { "a" } }
    local _, history = m:fit(X, y, { subsets = "clusters" })
    assert.truthy(history.notes[1]:find "^b: a cluster")
    near(100, old:predict_one { 0, 0 })
  end)

  it("are of numbers", function()
    local m = three {}
    local t = moe.data.table {
      names = { "colour", "y" },
      columns = { colour = { "red", "blue", "red" }, y = { 1, 2, 3 } },
      target = "y",
    }
    local ok, message = pcall(m.fit, m, t, { subsets = "clusters" })
    assert.is_false(ok)
    assert.truthy(message:find "nominal")
  end)
end)

describe("a stage", function()
  it("trains the experts alone, or the gate alone", function()
    local X, y, subsets = two_groups()
    local whole = constants { gate = G.softmax { l2 = 0.1 } }
    whole:fit(X, y, { subsets = subsets })
    local m = constants { gate = G.softmax { l2 = 0.1 } }
    m:fit(X, y, { subsets = subsets, stage = "experts" })
    near(2, m:expert("a"):predict_one { 0 })
    assert.has_error(function() m:predict(X) end) -- no gate yet
    m:fit(X, y, { subsets = subsets, stage = "gate" })
    assert.same(whole:predict(X), m:predict(X))
    assert.same(whole:info().noise, m:info().noise)
    near(2, m:expert("a"):predict_one { 0 })
  end)

  it("of the gate scores the experts as they are on rows that are new to them", function()
    local X, y, subsets = two_groups()
    local m = constants { gate = G.softmax { l2 = 0.1 } }
    assert.has_error(function() m:fit(X, y, { stage = "gate" }) end) -- never fitted
    m:fit(X, y, { subsets = subsets, stage = "experts" })
    local _, history = m:fit({ { 0 }, { 1 } }, { 2, 25 }, { stage = "gate", unseen = true })
    assert.same({
      "a: scored on all 2 rows as it is", "b: scored on all 2 rows as it is",
    }, history.notes)
    near(math.sqrt(23 * 23 / 2), m:info().noise.a) -- errors 0 and 23
  end)

  it("leaves a frozen gate as it is", function()
    local X, y, subsets = two_groups()
    local m = constants { gate = G.softmax { l2 = 0.1 } }
    m:fit(X, y, { subsets = subsets })
    local said = m:get_params("gate"):forward(X):totable()
    m:set_params { frozen = { "gate" } }
    m:fit(X, { 5, 5, 5, 1, 1, 1, 1 })
    assert.same(said, m:get_params("gate"):forward(X):totable())
  end)
end)

describe("classes", function()
  it("are the union of the experts': an absent one has probability 0", function()
    local X = { { 0 }, { 0 }, { 0 }, { 0 }, { 1 }, { 1 } }
    local y = { "x", "x", "x", "y", "y", "z" }
    local subsets = { "a", "a", "a", "a", "b", "b" }
    local m = constants { task = "classification" }
    m:fit(X, y, { subsets = subsets })
    assert.same({ "x", "y", "z" }, m:classes())
    local p = m:predict_proba_one { 0 }
    near(3 / 8, p.x) -- (3/4 + 0) / 2
    near(3 / 8, p.y) -- (1/4 + 1/2) / 2
    near(2 / 8, p.z)
  end)

  it("keep their kind: numbers come back as numbers, booleans as booleans", function()
    local X = { { 0 }, { 0 }, { 1 }, { 1 } }
    local m = moe.mixture {
      experts = { E.logistic {}, E.constant {} },
      task = "classification",
      folds = 2,
    }
    m:fit(X, { 3, 3, 7, 7 })
    assert.same({ 3, 7 }, m:classes())
    assert.equal(3, m:predict_one { 0 })
    m:fit(X, { false, false, true, true })
    assert.equal(true, m:predict_one { 1 })
  end)

  it("are sharpened to fit the experts' unseen answers", function()
    -- A coy expert gives the right class 0.6 of 1 and is right 9 times in 10.
    -- The power a that fits: 0.6^a / (0.6^a + 0.4^a) = 0.9, a = ln 9 / ln 1.5.
    local coy = {
      fit = function() end,
      predict_proba = function(_, X)
        local out = {}
        for i = 1, X.shape[1] do
          out[i] = X:get(i, 1) > 0 and { 0.6, 0.4 } or { 0.4, 0.6 }
        end
        return out
      end,
    }
    coy.clone = function() return coy end
    local X, y = {}, {}
    for i = 1, 100 do
      local right = i % 10 > 0
      X[i] = { i % 2 == 0 and 1 or -1 }
      y[i] = ((i % 2 == 0) == right) and "p" or "q"
    end
    local m = moe.mixture { experts = { coy, E.constant {} }, folds = 2 }
    m:fit(X, y)
    near(math.log(9) / math.log(1.5), m:info().sharpness["1"], 1e-4)
    m:set_params { calibrate = false }
    m:fit(X, y)
    assert.equal(1, m:info().sharpness["1"])
  end)

  it("are left unsaid below min_confidence", function()
    local X = { { 0 }, { 0 }, { 0 }, { 1 } }
    local m = constants { task = "classification" }
    m:fit(X, { "x", "x", "x", "y" })
    local label, confidence = m:predict_one({ 0 }, { min_confidence = 0.7 })
    assert.equal("x", label)
    near(0.75, confidence)
    label, confidence = m:predict_one({ 0 }, { min_confidence = 0.8 })
    assert.is_nil(label)
    near(0.75, confidence)
  end)
end)

describe("the gate", function()
  -- Left of 0 expert a is right, right of 0 expert b.
  local function halves(n)
    local uniform, X, y, subsets = data.uniform(3), {}, {}, {}
    for i = 1, n do
      local x = 2 * uniform() - 1
      X[i] = { x }
      y[i] = x < 0 and -1 + 0.1 * uniform() or 1 + 0.1 * uniform()
      subsets[i] = x < 0 and "a" or "b"
    end
    return X, y, subsets
  end

  for _, objective in ipairs { "likelihood", "best_expert", "soft", "error", "subsets" } do
    it("learns whom to ask, by " .. objective, function()
      local X, y, subsets = halves(400)
      local m = constants { gate = G.softmax { l2 = 1e-3 }, objective = objective, top_k = 1 }
      m:fit(X, y, { subsets = subsets })
      assert.is_true(m:score(X, y) > 0.97, tostring(m:score(X, y)))
      assert.same({ { 1 }, { 2 } }, m:route({ { -0.9 }, { 0.9 } }).indices:totable())
    end)
  end

  for _, objective in ipairs { "likelihood", "best_expert", "soft", "multi_hot", "subsets" } do
    it("learns whom to ask about classes, by " .. objective, function()
      local X, y, subsets = halves(400)
      for i = 1, #y do y[i] = y[i] < 0 and "low" or "high" end
      local m = constants { gate = G.softmax { l2 = 1e-3 }, objective = objective, top_k = 1 }
      m:fit(X, y, { subsets = subsets })
      assert.is_true(m:score(X, y) > 0.97, tostring(m:score(X, y)))
    end)
  end

  it("gives each expert its share of the likelihood, by soft", function()
    -- Constant experts that answer 0 and 3, one column without information: the
    -- gate comes to the mean of the shares, which the likelihood does not.
    local X, y, subsets = {}, {}, {}
    for i = 1, 40 do
      X[i], subsets[i] = { 1 }, i % 4 == 0 and "b" or "a"
      y[i] = subsets[i] == "b" and 3 or 0
    end
    local m = constants { gate = G.softmax { l2 = 1 }, objective = "soft" }
    m:fit(X, y, { subsets = subsets })
    -- noise: a's errors are 0 on 30 rows and 3 on 10, b's the other way round
    local function share(r_a, r_b)
      local va, vb = 9 * 10 / 40, 9 * 30 / 40
      local a = math.exp(-r_a * r_a / va / 2) / math.sqrt(va)
      local b = math.exp(-r_b * r_b / vb / 2) / math.sqrt(vb)
      return a / (a + b)
    end
    local mean = (30 * share(0, 3) + 10 * share(3, 0)) / 40
    near(mean, m:get_params("gate"):forward({ { 1 } }):get(1, 1), 1e-4)
  end)

  it("learns who was right, by multi_hot; numbers have no right", function()
    local X, y, subsets = halves(400)
    assert.has_error(function()
      constants({ gate = G.softmax {}, objective = "multi_hot" }):fit(X, y, { subsets = subsets })
    end)
    for i = 1, #y do y[i] = y[i] < 0 and "low" or "high" end
    local m = constants { gate = G.softmax { l2 = 1e-3 }, objective = "multi_hot", top_k = 1 }
    m:fit(X, y, { subsets = subsets })
    assert.is_true(m:score(X, y) > 0.97)
  end)

  it("learns whose row it is, by subsets, however the experts do", function()
    -- One column without information, experts that are right on the other's rows: the
    -- gate comes to the shares of the subsets among the rows that are somebody's.
    local X, y, subsets = {}, {}, {}
    for i = 1, 40 do
      X[i], subsets[i] = { 1 }, i % 4 == 0 and "b" or "a"
      y[i] = i % 4 == 1 and 5 or 0
      if i % 8 == 7 then subsets[i] = false end
    end
    local m = constants { gate = G.softmax { l2 = 1 }, objective = "subsets" }
    m:fit(X, y, { subsets = subsets })
    near(25 / 35, m:get_params("gate"):forward({ { 1 } }):get(1, 1), 1e-4)
    assert.error_matches(function() m:fit(X, y) end, "objective 'subsets'")
  end)

  it("does not matter where the experts are the same", function()
    local X, y = data.clouds(60, 2, 2)
    local m = constants { experts = { E.logistic {}, E.logistic {} }, gate = G.softmax {} }
    m:fit(X, y)
    local alone, together = m:expert(1):predict_proba(X), m:predict_proba(X)
    for i = 1, #X do near(alone:get(i, 1), together:get(i, 1), 1e-6) end
  end)

  it("of no rows, no experts or too many is refused", function()
    local X, y, subsets = two_groups()
    assert.has_error(function() constants({ top_k = 3 }):fit(X, y) end)
    assert.has_error(function() moe.mixture({ experts = {} }):fit(X, y) end)
    assert.has_error(function() moe.mixture {} end)
    for i = 1, #subsets do subsets[i] = "a" end
    local ok, message = pcall(function() constants():fit(X, y, { subsets = subsets }) end)
    assert.is_false(ok)
    assert.truthy(message:find "'b' no row")
    subsets[3] = "c"
    ok, message = pcall(function() constants():fit(X, y, { subsets = subsets }) end)
    assert.is_false(ok)
    assert.truthy(message:find "subsets%[3%]")
  end)
end)

describe("experts", function()
  it("cannot be in one mixture twice, nor in themselves", function()
    local one = E.constant {}
    assert.has_error(function() moe.mixture { experts = { one, one } } end)
    local m = constants()
    assert.has_error(function() m:set_params { experts = { m } } end)
    local outer = moe.mixture { experts = { inner = m, other = E.constant {} } }
    assert.has_error(function() m:set_params { experts = { outer } } end)
  end)

  it("are ordered by name and reached by path", function()
    local m = moe.mixture { experts = { b = E.logistic {}, a = E.logistic { l2 = 3 } } }
    assert.equal(3, m:get_params "experts.a.l2")
    m:set_params { ["experts.b.l2"] = 5, folds = 7 }
    assert.equal(5, m:expert("b"):get_params().l2)
    assert.has_error(function() m:set_params { folds = 9, ["experts.b.l3"] = 1 } end)
    assert.equal(7, m:get_params().folds)
  end)

  it("can be added and removed; then the mixture asks to be fitted again", function()
    local X, y = data.clouds(40, 2, 2)
    local m = moe.mixture { experts = { a = E.logistic {}, b = E.constant {} }, folds = 2 }
    m:fit(X, y)
    m:add_expert("c", E.logistic {})
    assert.has_error(function() m:predict(X) end)
    m:fit(X, y)
    assert.equal(3, m:route(X).probs.shape[2])
    m:remove_expert "c"
    assert.has_error(function() m:predict(X) end)
    m:fit(X, y)
    assert.same({ "a", "b" }, m:route(X).names)
    assert.has_error(function() m:expert "c" end)
  end)

  it("of a list close ranks when one is removed, by number or by what prints as one", function()
    local first, second, third = E.constant {}, E.logistic {}, E.tree {}
    local m = moe.mixture { experts = { first, second, third } }
    assert.equal(first, m:remove_expert(1))
    assert.equal(third, m:remove_expert "2")
    assert.same({ second }, m:get_params "experts")
  end)

  it("that were refitted to other classes are noticed", function()
    local X, y = data.clouds(40, 2, 2)
    local m = moe.mixture { experts = { a = E.logistic {}, b = E.constant {} }, folds = 2 }
    m:fit(X, y)
    local other = {}
    for i = 1, #y do other[i] = "other " .. y[i] end
    m:expert("a"):fit(X, other)
    local ok, message = pcall(m.predict, m, X)
    assert.is_false(ok)
    assert.truthy(message:find "'a'")
  end)

  it("may be mixtures, to any depth", function()
    local X, y = data.clouds(60, 3, 3)
    local inner = moe.mixture { experts = { E.logistic {}, E.constant {} }, folds = 2 }
    local middle = moe.mixture { experts = { inner = inner, c = E.constant {} }, folds = 2 }
    local m = moe.mixture { experts = { middle = middle, l = E.logistic {} }, folds = 2 }
    m:fit(X, y)
    assert.is_true(m:score(X, y) > 0.9)
    local again = assert(moe.undump(m:dump()))
    assert.same(m:predict(X), again:predict(X))
    assert.truthy(tostring(m):find "    inner: mixture")
  end)

  it("draw their seeds from the mixture's and their names", function()
    local X, y = data.clouds(60, 3, 3)
    local function dump(seed)
      local experts = { a = E.forest { trees = 3 }, b = E.forest { trees = 3 } }
      local m = moe.mixture { experts = experts, seed = seed }
      m:fit(X, y)
      return m:expert("a"):dump(), m:expert("b"):dump()
    end
    local a, b = dump(1)
    local again = dump(1)
    local other = dump(2)
    assert.is_true(a == again)
    assert.is_false(a == other)
    assert.is_false(a == b)
  end)
end)

describe("what a mixture tells", function()
  it("counts load and importance as the routing has them", function()
    local X, y, subsets = two_groups()
    local m = constants { top_k = 1 }
    m:fit(X, y, { subsets = subsets })
    local stats = m:stats(X)
    assert.same({ a = 1, b = 0 }, stats.load) -- a tie goes to the first
    assert.same({ a = 0.5, b = 0.5 }, stats.importance)
    near(1, stats.maxvio) -- N/k − 1
    near(1, stats.cv_load)
    near(0, stats.cv_importance)
    near(1, stats.entropy)
    near(0.5, stats.confidence)
    assert.same({ "b" }, stats.dead)
    assert.same({ a = 1, b = 0 }, m:stats().load)
    assert.truthy(tostring(stats):find "maxvio")
  end)

  it("explains an answer by its experts", function()
    local X, y, subsets = two_groups()
    local m = constants { top_k = 1 }
    m:fit(X, y, { subsets = subsets })
    local e = m:explain { 0 }
    near(2, e.prediction)
    assert.equal("a", e.experts[1].name)
    assert.is_true(e.experts[1].chosen)
    assert.is_false(e.experts[2].chosen)
    near(25, e.experts[2].prediction)
    near(1, e.experts[1].weight)
    assert.truthy(tostring(e):find "prediction: 2")
  end)

  it("reports on its parts as counted by hand", function()
    -- a always says x, b always says y; the gate cannot tell them apart
    local X = { { 0 }, { 0 }, { 1 }, { 1 }, { 1 } }
    local y = { "x", "x", "y", "y", "y" }
    local m = constants { task = "classification" }
    m:fit(X, y, { subsets = { "a", "a", "b", "b", "b" } })
    local r = m:report(X, y)
    near(2 / 5, r.experts.a)
    near(3 / 5, r.experts.b)
    near(3 / 5, r.best_single)
    assert.equal("b", r.best_expert)
    near(1, r.oracle)
    near(2 / 5, r.uniform) -- a tie of x and y: x comes first
    near(2 / 5, r.mixture)
    near(2 / 5, r.gate_accuracy) -- a tie: the gate's first choice is a
    near((2 * 2 / 7 + 0) / 2, r.macro_f1) -- F1 of x: 2·2/(5+2); of y: 0
    assert.equal(3, r.classes.y.support)
    assert.truthy(tostring(r):find "oracle")
  end)

  it("routes the same whatever the unit of the numbers is", function()
    local X, y = data.plane(80, 3, 0.1)
    local function probs(unit)
      local own = {}
      for i, v in ipairs(y) do own[i] = unit * (v + (X[i][1] > 0.5 and 2 or 0)) end
      local m = moe.mixture {
        experts = { a = E.linear {}, b = E.constant {} }, gate = G.softmax {}, folds = 2,
      }
      m:fit(X, own)
      return m:route(X).probs:totable()
    end
    local plain, tiny = probs(1), probs(2 ^ -60)
    for i = 1, 80 do assert.is_true(math.abs(plain[i][1] - tiny[i][1]) < 1e-4) end
  end)
end)
