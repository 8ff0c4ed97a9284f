-- A classifier as a gate: what it is taught, and that it learns it.
local moe = require "moe"
local unpack = table.unpack or unpack -- luacheck: ignore 143
local data = require "spec.support.data"
local near = require "spec.support.near"
local catalog = require "spec.support.catalog"

local E, G = moe.experts, moe.gates

-- A classifier in Lua that writes down what it is taught, and answers with the
-- shares of the classes' weights.
local function recorder()
  local it = {}
  function it:fit(X, y, options)
    self.seen, self.share, self.classes = {}, {}, options.classes
    local total = 0
    for _, class in ipairs(options.classes) do self.share[class] = 0 end
    for i = 1, #y do
      local w = options.weights and options.weights[i] or 1
      self.seen[i] = { x = X:get(i, 1), expert = y[i], weight = w }
      self.share[y[i]] = self.share[y[i]] + w
      total = total + w
    end
    for class, sum in pairs(self.share) do self.share[class] = sum / total end
  end
  function it:predict_proba(X)
    local out = {}
    for i = 1, X.shape[1] do
      out[i] = {}
      for k, class in ipairs(self.classes) do out[i][k] = self.share[class] end
    end
    return out
  end
  return it
end

local function taught(X, scores, options, weights)
  local model = recorder()
  options.model = model
  local gate = G.classifier(options)
  gate:fit(X, scores, { weights = weights })
  return model.seen, gate
end

local function log(...)
  local out = {}
  for i, p in ipairs { ... } do out[i] = math.log(p) end
  return out
end

local X = { { 1 }, { 2 }, { 3 }, { 4 }, { 5 } }
local scores = {
  log(0.8, 0.2, 0.4), -- the first is best
  log(0.1, 0.5, 0.1), -- the second
  log(0.3, 0.3, 0.3), -- nobody
  log(0.6, 0.6, 0.3), -- the first and the second: the second leads by row 5
  log(0.1, 0.4, 0.2),
}

describe("classifier gate", function()
  it("teaches who is best, and nothing where all are", function()
    assert.same({
      { x = 1, expert = 1, weight = 1 }, { x = 2, expert = 2, weight = 1 },
      { x = 4, expert = 2, weight = 1 }, { x = 5, expert = 2, weight = 1 },
    }, (taught(X, scores, { regret = false })))
  end)

  it("lets a row count by what choosing at random would lose", function()
    -- 1 − mean of the likelihoods over the best one's
    local expected = { 1 - 1.75 / 3, 1 - 1.4 / 3, 1 - 2.5 / 3, 1 - 1.75 / 3 }
    for i, lesson in ipairs((taught(X, scores, {}))) do
      assert.is_true(math.abs(lesson.weight - expected[i]) < 1e-12)
    end
    for i, lesson in ipairs((taught(X, scores, {}, { 2, 3, 1, 0, 5 }))) do
      local weight = ({ 2, 3, 5 })[i]
      assert.is_true(math.abs(lesson.weight - weight * expected[i == 3 and 4 or i]) < 1e-12)
    end
  end)

  it("repeats a row for each expert where targets are soft", function()
    local seen = taught({ { 1 }, { 3 } }, { log(0.8, 0.2, 0.4), log(0.3, 0.3, 0.3) },
      { soft = true, regret = false })
    assert.equal(3, #seen)
    for e, share in ipairs { 0.8 / 1.4, 0.2 / 1.4, 0.4 / 1.4 } do
      assert.equal(1, seen[e].x)
      assert.equal(e, seen[e].expert)
      assert.is_true(math.abs(seen[e].weight - share) < 1e-12)
    end
  end)

  it("leaves a millionth to experts that are best nowhere", function()
    local _, gate = taught(X, scores, { regret = false })
    near.rows({ { 0.25, 0.75, 1e-6 } }, gate:forward({ { 9 } }):totable())
  end)

  it("is even, and says so, where nobody is better anywhere", function()
    local gate = G.classifier(E.tree {})
    local _, history = gate:fit({ { 1 }, { 2 } }, { { -1, -1 }, { -2, -2 } })
    assert.truthy(history.notes[1]:find "all experts do equally well")
    near.rows({ { 0.5, 0.5 } }, gate:forward({ { 1 } }):totable())
    local again = assert(moe.undump(gate:dump()))
    near.rows({ { 0.5, 0.5 } }, again:forward({ { 1 } }):totable())
  end)

  it("takes its model alone, as an option, and in Lua", function()
    local rows, likely = data.scores(60)
    for _, gate in ipairs {
      G.classifier(E.forest { trees = 10, seed = 1 }),
      G.classifier { model = E.logistic {}, soft = true },
      G.classifier(E.foreign(catalog.expert_in_lua())),
      G.classifier(catalog.expert_in_lua()),
    } do
      gate:fit(rows, likely)
      local out, right = gate:forward(rows), 0
      for i = 1, #rows do
        if (out:get(i, 1) > 0.5) == (likely[i][1] > likely[i][2]) then right = right + 1 end
      end
      assert.is_true(right / #rows > 0.8, tostring(gate))
    end
  end)

  it("gives the same for soft targets of sparse rows", function()
    local rows, likely = data.scores(60)
    local sparse = { columns = 3 }
    for i, row in ipairs(rows) do
      row[2] = i % 3 == 0 and row[2] or 0
      sparse[i] = {}
      for j, x in ipairs(row) do sparse[i][j] = x ~= 0 and x or nil end
    end
    sparse = moe.sparse(sparse)
    local function fitted(x)
      local gate = G.classifier { model = E.logistic {}, soft = true }
      gate:fit(x, likely)
      return gate:forward(x):totable()
    end
    near.rows(fitted(rows), fitted(sparse), 1e-4)
  end)

  it("refuses to gate with what tells no classes apart", function()
    local function refusal(options)
      local ok, message = pcall(function() G.classifier(options):fit(X, scores) end)
      assert.is_false(ok)
      return message
    end
    assert.truthy(refusal({}):find "it has no model")
    assert.truthy(refusal({ model = E.linear {} }):find "linear does not")
    for reason, gate in pairs { ["it has no model"] = G.classifier {},
      ["linear does not"] = G.classifier { model = E.linear {} } } do
      local ok, message = pcall(gate.learn_one, gate, { 1, 2 }, { 0.2, 0.8 })
      assert.is_false(ok)
      assert.truthy(message:find(reason))
      assert.is_false(gate:info().fitted)
    end
  end)

  it("notices a model that was fitted to something else since", function()
    local model = E.tree {}
    local gate = G.classifier(model)
    gate:fit(X, scores)
    model:fit(X, { "a", "b", "a", "b", "a" })
    local ok, message = pcall(gate.forward, gate, X)
    assert.is_false(ok)
    assert.truthy(tostring(message):find "has changed since")
  end)

  it("finds each expert's region, by its errors", function()
    local t, regions = moe.data.make_regions {
      rows = 1200, features = 2, regions = 3, noise = 0.05, seed = 3,
    }
    local train, test, subsets = t:rows(1, 800), t:rows(801, 1200), {}
    for i = 1, 800 do subsets[i] = regions[i] end
    local function new() return E.forest { trees = 10, seed = 1 } end
    local gate = G.classifier(E.forest { trees = 30, seed = 1 })
    local m = moe.mixture { experts = { r1 = new(), r2 = new(), r3 = new() }, gate = gate }
    m:fit(train, { subsets = subsets })
    local probs, right = m:route(test).probs, 0
    for i = 1, #test do
      local p = { r1 = probs:get(i, 1), r2 = probs:get(i, 2), r3 = probs:get(i, 3) }
      if p[regions[800 + i]] > 0.5 then right = right + 1 end
    end
    assert.is_true(right / #test > 0.93, tostring(right / #test))
    assert.is_true(m:score(test) > 0.95, tostring(m:score(test)))
  end)

  it("goes on from a file before its first lesson and after, with strings too", function()
    local u = data.uniform(3)
    for _, model in ipairs { "naive_bayes", "online", "hoeffding_tree", "logistic", "knn" } do
      local strings = model ~= "knn" and model ~= "logistic"
      local m = moe.mixture {
        experts = { a = E.naive_bayes {}, b = E.hoeffding_tree {} },
        gate = G.classifier { model = E[model] {} },
      }
      for i = 1, 40 do
        local x = { strings and ({ "red", "green", "blue" })[1 + i % 3] or i % 3, u() }
        local y = (i % 3 == 1) == (x[2] > 0.5) and "yes" or "no"
        local again = assert(moe.undump(m:dump()))
        for _, each in ipairs { again, m } do each:test_then_learn(x, y) end
        assert.is_true(m:dump() == again:dump())
      end
      assert.is_true(m:get_params("gate"):get_params("model"):info().n_seen > 5)
    end
  end)

  it("has its model's seed from the mixture's, unless it has one", function()
    local uniform, rows, y = data.uniform(3), {}, {}
    for i = 1, 60 do rows[i], y[i] = { uniform(), uniform() }, uniform() < 0.5 and "a" or "b" end
    local function probs(seed, own)
      local m = moe.mixture {
        experts = { a = E.logistic {}, b = E.tree {} }, seed = seed, frozen = { "a", "b" },
        gate = G.classifier { model = E.forest { trees = 2, seed = own } },
      }
      m:expert("a"):fit(rows, y)
      m:expert("b"):fit({ unpack(rows, 1, 6) }, { unpack(y, 1, 6) })
      m:fit(rows, y)
      return m:route(rows).probs:totable()
    end
    assert.same(probs(1, 5), probs(2, 5))
    assert.same(probs(1), probs(1))
    assert.is_false(pcall(assert.same, probs(1), probs(2)))
  end)
end)
