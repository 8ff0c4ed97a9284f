local moe = require "moe"
local near = require "spec.support.near"
local allocations = require "spec.support.allocations"
local data = require "spec.support.data"

local E, G, T = moe.experts, moe.gates, moe.transforms
local nan = 0 / 0

-- A table of all sorts: what is missing, what is a string, and a target.
local function repairs()
  local codes = { "E0308", "E0382", "E0425", false }
  local words = { "expected", "borrow", "cannot find", "moved" }
  local columns = { code = {}, message = {}, line = {}, repair = {} }
  local uniform = data.uniform(5)
  for i = 1, 60 do
    local k = i % 4 + 1
    columns.code[i] = codes[k]
    columns.message[i] = words[k] .. " value " .. i % 7
    columns.line[i] = i % 9 == 0 and nan or k + uniform()
    columns.repair[i] = k % 2 == 0 and "clone" or "import"
  end
  return moe.data.table { columns = columns, target = "repair" }
end

local features = { "code", "message", "line" }

local function full(model)
  return moe.pipeline {
    T.one_hot {}, T.impute { indicator = true }, T.standard_scaler {}, model or E.logistic {},
  }
end

local function hashed()
  return moe.pipeline { T.text_hasher { chars = { 3 } }, E.logistic {} }
end

describe("pipeline", function()
  -- scikit-learn 1.2.1: make_pipeline(StandardScaler(), LogisticRegression(C=1)),
  -- and the same with TfidfVectorizer(token_pattern=r"\w+").
  it("answers as the same parts of another library", function()
    local X = {
      { 1, 200 }, { 2, 180 }, { 3, 260 }, { 4, 250 }, { 5, 90 }, { 6, 310 }, { 7, 150 }, { 8, 330 },
    }
    local p = moe.pipeline { T.standard_scaler {}, E.logistic {} }
    p:fit(X, { "a", "a", "b", "a", "b", "b", "a", "b" })
    near.rows({
      { 0.6748004631614879, 0.32519953683851216 },
      { 0.49334175948563674, 0.5066582405143633 },
      { 0.31362047178861174, 0.6863795282113883 },
    }, p:predict_proba({ { 4, 100 }, { 5, 200 }, { 6, 300 } }):totable(), 1e-5)

    local docs = moe.data.table { columns = { text = {
      "cannot find value in this scope", "cannot find type in this scope", "borrow of moved value",
      "value borrowed here after move", "use of moved value", "cannot find function in this scope",
    } } }
    p = moe.pipeline { T.text_hasher {}, E.logistic {} }
    p:fit(docs, { "scope", "scope", "move", "move", "move", "scope" })
    for text, expected in pairs {
      ["cannot find scope"] = 0.6287035681010926,
      ["moved value"] = 0.36300777960421415,
      ["entirely unheard"] = 0.45825634936503534,
    } do
      near.rows({ { expected } }, { { p:predict_proba_one({ text = text }).scope } }, 1e-5)
    end
  end)

  it("learns transforms and model from the training rows alone", function()
    local t = repairs()
    local p = full():fit(t:rows(1, 40))
    local parts = p:get_params()
    local X = t:rows(1, 40):drop { "repair" }
    for k = 1, 3 do
      assert.is_true(parts.steps[k]:info().fitted)
      X = parts.steps[k]:clone():fit_transform(X)
    end
    local model = E.logistic {}:fit(X, t:rows(1, 40):column "repair")
    assert.same(model:info().coefficients, parts.model:info().coefficients)
    assert.is_true(p:score(t:rows(41, 60)) > 0.9)
  end)

  it("finds the targets of a table's rows, whichever they are", function()
    local t = repairs()
    local order = {}
    for i = 1, 60 do if i % 3 ~= 0 then order[#order + 1] = i * 7 % 61 end end
    local picked = t:pick(order)
    local columns = { repair = picked:column "repair" }
    for _, name in ipairs(features) do columns[name] = picked:column(name) end
    local fresh = moe.data.table { columns = columns, target = "repair" }
    local weights = {}
    for i = 1, #picked do weights[i] = i % 5 end
    local a, b = full(), full()
    a:fit(picked, { weights = weights })
    b:fit(fresh, { weights = weights })
    assert.is_true(a:dump() == b:dump())
  end)

  it("answers one sample by name, strings and all, with the batch's bits", function()
    local t = repairs()
    for _, p in ipairs { full(), hashed() } do
      p:fit(t)
      local all = p:predict_proba(t):totable()
      for i = 1, 60 do
        local x = {}
        for _, name in ipairs(features) do x[name] = t:column(name)[i] or nil end
        local one = p:predict_proba_one(x)
        near.rows({ all[i] }, { { one.clone, one.import } }, 1e-7) -- float32 of the batch
        near.rows({ all[i] }, p:predict_proba(t:rows(i, i)):totable(), 0)
        assert.equal(p:predict(t)[i], (p:predict_one(x)))
      end
    end
  end)

  it("copes with unknown strings and missing values at prediction", function()
    local p = full():fit(repairs())
    for _, x in ipairs {
      {},
      { code = "E9999" },
      { message = "never seen", line = 1e300 },
      { code = false, line = nan },
    } do
      local label, confidence = p:predict_one(x)
      assert.truthy(label == "clone" or label == "import")
      assert.is_true(confidence > 0 and confidence <= 1)
    end
    assert.error_matches(function() p:predict_one { kode = "E0308" } end, "not trained on")
    assert.error_matches(function()
      p:predict_one { line = "12" }
    end, "column 'line' is the string '12'")
    assert.error_matches(function() p:predict_one { line = math.huge } end, "infinite")
    local numeric = E.logistic {}:fit({ { 1 }, { 2 } }, { "a", "b" })
    assert.error_matches(function() numeric:predict_one { "x" } end, "holds strings.*one_hot")
  end)

  it("comes back from a file with all its parts", function()
    local t = repairs()
    for _, p in ipairs { full(), hashed() } do
      p:fit(t)
      local again = assert(moe.undump(p:dump()))
      assert.same(p:predict_proba(t):totable(), again:predict_proba(t):totable())
      local x = { message = "moved" }
      assert.same({ p:predict_one(x) }, { again:predict_one(x) })
      assert.is_true(p:dump() == again:dump())
      assert.equal(tostring(p), tostring(again))
    end
  end)

  it("stays as it was, part for part, when a fit fails or is given up", function()
    local t = repairs()
    local p = moe.pipeline { T.one_hot {}, T.standard_scaler {}, E.constant {} }
    p:fit(t)
    local before = p:dump()
    local deeper = p:get_params().steps
    assert.error_matches(function() -- constants take missing values, logistic does not
      p:set_params { model = E.logistic {} }
      p:fit(t:rows(1, 30))
    end, "impute")
    assert.error_matches(function() p:predict(t) end, "its model has changed")
    p = assert(moe.undump(before))
    local job = p:start_fit(t:rows(1, 30))
    while not job:step { budget_ms = 1e-6 } do assert.is_true(before == p:dump()) end
    assert.is_true(before == p:dump())
    job:close()
    assert.is_true(before == p:dump())
    assert.equal(2, #deeper)
  end)

  -- 4,000 rows: no piece of work may be all of them.
  it("fits and applies its transforms in pieces, to the same bits", function()
    local columns, y = { code = {}, line = {}, width = {} }, {}
    for i = 1, 4000 do
      columns.code[i] = "E" .. i % 50
      columns.line[i] = i % 9 == 0 and nan or i % 13
      columns.width[i], y[i] = i * 0.37 % 1, i % 3 == 0 and "a" or "b"
    end
    local t = moe.data.table { columns = columns }
    for _, steps in ipairs {
      { T.one_hot { columns = { "code" } } },
      { T.one_hot {}, T.impute {}, T.standard_scaler {} },
      { T.ordinal {}, T.impute { strategy = "median", indicator = true } },
      { T.text_hasher { buckets = 64, pass_numeric = true, sparse = false }, T.impute {} },
      { T.text_hasher { pass_numeric = true }, T.impute { strategy = "most_frequent" } },
    } do
      local deepest = #steps
      steps[deepest + 1] = E.constant {}
      local p = moe.pipeline(steps)
      p:fit(t, y)
      local whole, job, pieces = p:dump(), p:start_fit(t, y), 1
      while not job:step { budget_ms = 1e-6 } do pieces = pieces + 1 end
      job:commit()
      assert.is_true(whole == p:dump())
      assert.is_true(pieces > 9 * deepest) -- checked, fitted, applied: three times or more each
    end
  end)

  it("takes its parts for itself while it is fitted", function()
    local t = repairs()
    local scaler, model = T.standard_scaler {}, E.logistic {}
    local p = moe.pipeline { T.one_hot {}, T.impute {}, scaler, model }
    local job = p:start_fit(t)
    repeat
      assert.error_matches(function() scaler:fit { { 1 }, { 2 } } end, "being fitted")
      assert.error_matches(function() scaler:reset() end, "being fitted")
      assert.error_matches(function() p:reset() end, "being fitted")
    until job:step { budget_ms = 1e-6 }
    assert.error_matches(function() model:fit({ { 1 }, { 2 } }, { 1, 2 }) end, "being fitted")
    job:commit()
    scaler:fit { { 1 }, { 2 } }
    assert.error_matches(function() p:predict(t) end, "columns")
    model:fit({ { 1 }, { 2 } }, { "x", "y" })
    assert.error_matches(function() p:predict(t) end, "its model has changed")
    p:fit(t)
    scaler:reset()
    assert.error_matches(function() p:predict(t) end, "standard_scaler has not been fitted")
  end)

  it("gives its model a seed that has none, for the fit only", function()
    local X, y = data.plane(40, 3, 0.5)
    local function tree(options, seed)
      options.trees = 3
      local p = moe.pipeline { T.standard_scaler {}, E.forest(options), seed = seed }
      p:fit(X, y)
      return p
    end
    local function same(a, b)
      return table.concat(a:predict(X), " ") == table.concat(b:predict(X), " ")
    end
    assert.is_true(same(tree({}, 1), tree({}, 1)))
    assert.is_false(same(tree({}, 1), tree({}, 2)))
    assert.is_true(same(tree({ seed = 7 }, 1), tree({ seed = 7 }, 2)))
    assert.is_nil(tree({}, 1):get_params().model:get_params().seed)
  end)

  it("takes a Lua object as its model", function()
    local seen
    local expert = {
      fit = function(self, X, y, options) seen, self.y = X, y; self.weights = options.weights end,
      predict = function(self, X)
        local out = {}
        for i = 1, X.shape[1] do out[i] = self.y[i] end
        return out
      end,
    }
    local p = moe.pipeline { T.standard_scaler {}, expert }
    p:fit({ { 1 }, { 3 } }, { 5, 6 }, { weights = { 1, 2 } })
    assert.same({ { -1 }, { 1 } }, seen:totable())
    assert.same({ 5, 6 }, p:predict { { 1 }, { 3 } })
    assert.same({ 1, 2 }, expert.weights)
    local scaler = T.standard_scaler {}
    local broken = { fit = function() error { code = 7 } end, predict = function() end }
    p = moe.pipeline { scaler, broken }
    local ok, problem = pcall(p.fit, p, { { 1 }, { 3 } }, { 5, 6 })
    assert.same({ false, 7 }, { ok, problem.code })
    assert.is_false(scaler:info().fitted)
  end)

  it("hands subsets and groups on to a mixture behind it", function()
    local t = repairs()
    local subsets, groups = {}, {}
    for i = 1, 60 do subsets[i], groups[i] = i % 2 == 0 and "even" or "odd", i % 10 end
    local m = moe.mixture {
      experts = { even = E.logistic {}, odd = E.constant {} },
      gate = G.softmax {}, folds = 2, seed = 3,
    }
    local p = full(m)
    local _, history = p:fit(t, { subsets = subsets, groups = groups })
    assert.same({ even = 30, odd = 30 }, m:info().samples)
    assert.truthy(table.concat(history.notes, "\n"):find("even: trained on 30 rows", 1, true))
    local X, alone = p:transform(t), m:clone()
    alone:fit(X, t:column "repair", { subsets = subsets, groups = groups })
    assert.is_true(alone:dump() == m:dump())
    assert.equal(60, #m:route(X).probs:totable())
    local x = p:transform_one { code = "E0308", message = "moved" }
    assert.equal(2, #m:explain(x).experts)
    assert.error_matches(function()
      full():fit(t, { subsets = subsets })
    end, "logistic has no experts")
  end)

  it("is itself an expert of a mixture, on a subset of the rows", function()
    local X, y = data.plane(60, 3, 0.3)
    local subsets, weights, ownX, ownY, own = {}, {}, {}, {}, {}
    for i = 1, 60 do
      subsets[i], weights[i] = i % 3 == 0 and "scaled" or "plain", i
      if i % 3 == 0 then ownX[#ownX + 1], ownY[#ownY + 1], own[#own + 1] = X[i], y[i], i end
    end
    local m = moe.mixture {
      experts = {
        scaled = moe.pipeline { T.standard_scaler {}, E.linear {} },
        plain = E.constant {},
      },
      gate = G.softmax {}, folds = 2,
    }
    m:fit(X, y, { subsets = subsets, weights = weights })
    local alone = moe.pipeline { T.standard_scaler {}, E.linear {} }
    alone:fit(ownX, ownY, { weights = own })
    assert.same(alone:predict(X), m:expert("scaled"):predict(X))
  end)

  it("fills numbers that follow hashed texts, zeros not stored being no gaps", function()
    local seen
    local t = moe.data.table { columns = { text = { "a", "a", "a", "a" }, x = { 0, nan, 2, 4 } } }
    local p = moe.pipeline {
      T.text_hasher { buckets = 1, pass_numeric = true }, T.impute { indicator = true },
      { fit = function(_, X) seen = X:totable() end, predict = function() end },
    }
    p:fit(t, { 1, 2, 3, 4 })
    assert.same({ { 1, 0, 0 }, { 1, 2, 1 }, { 1, 2, 0 }, { 1, 4, 0 } }, seen) -- (0 + 2 + 4) / 3
  end)

  it("gives back what a former fit held", function()
    local t, p = repairs(), full()
    p:fit(t)
    local before = allocations.live()
    p:fit(t)
    assert.equal(before, allocations.live())
  end)

  it("is itself an expert of a mixture, copied for its folds", function()
    local X, y = data.clouds(60, 3, 2)
    local m = moe.mixture {
      experts = {
        scaled = moe.pipeline { T.standard_scaler {}, E.logistic {} },
        plain = E.constant {},
      },
      gate = G.softmax {}, folds = 3,
    }
    m:fit(X, y)
    assert.is_true(m:score(X, y) > 0.95)
    assert.is_true(m:expert("scaled"):get_params().steps[1]:info().fitted)
  end)

  it("does regression, of several outputs too, and without any transform", function()
    local X, y = data.plane(40, 2, 0)
    for _, parts in ipairs { { E.linear {} }, { T.standard_scaler {}, E.linear {} } } do
      local p = moe.pipeline(parts):fit(X, y)
      assert.is_true(p:score(X, y) > 0.9999)
    end
    local wide = {}
    for i = 1, 40 do wide[i] = { y[i], -y[i] } end
    local p = moe.pipeline { T.standard_scaler {}, E.linear { l2 = 0 } }
    p:fit(X, wide)
    near.rows(wide, p:predict(X):totable(), 1e-5)
  end)

  it("counts rows from the first, in blocks too, and gives all of them their bits", function()
    local x, code, y = {}, {}, {}
    for i = 1, 9000 do x[i], code[i], y[i] = i % 100, "c" .. i % 3, i % 2 == 0 end
    local t = moe.data.table { columns = { x = x, code = code } }
    local p = moe.pipeline { T.one_hot {}, T.standard_scaler {}, E.logistic {} }
    p:fit(t, y)
    local all = p:predict_proba(t)
    for _, i in ipairs { 1, 4095, 4096, 4097, 8192, 8193, 9000 } do
      assert.same(all:row(i):totable(), p:predict_proba(t:rows(i, i)):row(1):totable())
    end
    for i = 1, 9000 do x[i] = i == 8500 and "old" end
    local bad = moe.data.table { columns = { x = x, code = code } }
    assert.error_matches(function() p:predict(bad) end, "row 8500, column 'x' is the string 'old'")
  end)

  it("refuses what is no pipeline", function()
    assert.error_matches(function() moe.pipeline {} end, "as its last, a learner")
    assert.error_matches(function() moe.pipeline(E.linear {}) end, "a table of transforms")
    assert.error_matches(function() moe.pipeline { T.impute {} } end, "'model' must be a learner")
    assert.error_matches(function()
      moe.pipeline { E.linear {}, E.linear {} }
    end, "'steps' must be transforms")
    assert.error_matches(function() moe.pipeline { G.softmax {} } end, "'model' must be a learner")
    assert.error_matches(function()
      moe.pipeline { { 1 }, E.linear {} }
    end, "'steps' must be transforms")
    local twice = T.impute {}
    assert.error_matches(function()
      moe.pipeline { twice, twice, E.linear {} }
    end, "each object once")
    assert.error_matches(function()
      moe.pipeline { E.linear {}, sede = 1 }
    end, "did you mean 'seed'")
    assert.error_matches(function() E.pipeline {}:fit({ { 1 } }, { 1 }) end, "has no model")
    assert.error_matches(function() E.linear {}:transform { { 1 } } end, "linear is not a pipeline")
  end)

  it("loads no altered file, or answers in bounds", function()
    local t = repairs()
    local p = moe.pipeline { T.one_hot { columns = { "code" } }, T.impute {}, E.logistic {} }
    p:fit(t)
    local bytes = p:dump()
    for at = 1, #bytes, 3 do
      local byte = bytes:byte(at)
      local altered = bytes:sub(1, at - 1) .. string.char((byte + 1) % 256) .. bytes:sub(at + 1)
      local loaded = moe.undump(altered)
      if loaded then pcall(loaded.predict, loaded, t) end
    end
  end)
end)
