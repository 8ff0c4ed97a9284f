-- Cross-validation, search and learning curves.
local moe = require "moe"
local near = require "spec.support.near"
local random = require "spec.support.data"
local expert_in_lua = require("spec.support.catalog").expert_in_lua
local E, G, T, eval = moe.experts, moe.gates, moe.transforms, moe.eval

local close = near.within(1e-12)

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

local function sample(rows, options)
  local own = { rows = rows, features = 6, informative = 4, redundant = 0, seed = 5 }
  for name, value in pairs(options or {}) do own[name] = value end
  return moe.data.make_classification(own)
end

-- A learner that says the label it saw most, and counts what it was given.
local function counting(seen)
  local learner = {}
  function learner:fit(X, y)
    seen[#seen + 1] = { rows = X.shape[1], y = y }
    self.label = y[1]
  end
  function learner:predict(X)
    local out = {}
    for i = 1, X.shape[1] do out[i] = self.label end
    return out
  end
  function learner.clone(_) return counting(seen) end
  return learner
end

describe("cross_validate", function()
  it("judges every row once a round, by a model that had not seen it", function()
    local X, y = {}, {}
    for i = 1, 23 do X[i], y[i] = { i }, i % 2 == 0 and "even" or "odd" end
    -- one nearest neighbour of x itself: right only on rows that it has seen
    local function memory()
      local learner = {}
      function learner:fit(rows, labels)
        self.of = {}
        for i = 1, #labels do self.of[rows:get(i, 1)] = labels[i] end
      end
      function learner:predict(rows)
        local out = {}
        for i = 1, rows.shape[1] do out[i] = self.of[rows:get(i, 1)] or "unseen" end
        return out
      end
      function learner.clone(_) return memory() end
      return learner
    end
    local seen = 0
    local result = eval.cross_validate(E.foreign(memory()), X, y, {
      folds = 4, repeats = 2, train_scores = true,
      metrics = { unseen = function(truth, _, model, rows)
        seen = seen + #truth
        assert.equal(#truth, #rows)
        return model:info().n_seen
      end },
    })
    assert.equal(23 * 2 * 4, seen)
    assert.equal(8, #result.folds)
    for round = 1, 2 do
      assert.equal(23, #result.predictions[round])
      local rows = 0
      for _, fold in ipairs(result.folds) do
        if fold.round == round then
          rows = rows + fold.rows
          assert.equal(23 - fold.rows, fold.scores.unseen)
        end
      end
      assert.equal(23, rows)
    end
  end)

  it("gives what training and judging by hand gives, with mean and deviation", function()
    local t = sample(90)
    local result = eval.cross_validate(E.tree { max_depth = 3 }, t, {
      folds = 3, seed = 4, stratify = true, metrics = { "accuracy", "log_loss" },
    })
    local sum, squares = 0, 0
    for k, part in ipairs(t:folds(3, { seed = 4, stratify = true })) do
      local accuracy = E.tree({ max_depth = 3 }):fit(part.train):score(part.test)
      assert.equal(accuracy, result.folds[k].scores.accuracy)
      sum, squares = sum + accuracy, squares + accuracy ^ 2
    end
    close(sum / 3, result.mean.accuracy)
    close(math.sqrt((squares - sum ^ 2 / 3) / 2), result.sd.accuracy, 1e-6)
    assert.same({ "accuracy", "log_loss" }, result.names)
  end)

  it("gives each fold its share of every label where the model classifies", function()
    local X, y = {}, {}
    for i = 1, 40 do X[i], y[i] = { i % 7, i }, i <= 10 and 1 or 0 end
    local function ones(model)
      local found = {}
      eval.cross_validate(model, X, y, { processes = 1, metrics = { count = function(truth)
        local n = 0
        for _, label in ipairs(truth) do n = n + label end
        found[#found + 1] = n
        return n
      end } })
      return found
    end
    local even = { 2, 2, 2, 2, 2 }
    assert.same(even, ones(E.logistic {}))
    assert.same(even, ones(E.tree { task = "classification" }))
    assert.same(even, ones(moe.pipeline { T.standard_scaler {}, E.logistic {} }))
    assert.same(even, ones(moe.mixture { experts = { a = E.tree {}, b = E.tree {} },
      task = "classification" }))
    assert.same(even, ones(eval.calibrate(E.logistic {})))
    for _, model in ipairs { E.linear {}, E.tree {}, E.tree { task = "regression" } } do
      assert.are_not.same(even, ones(model))
    end
  end)

  it("is the same from a table, a tensor, an array and a sparse matrix", function()
    local t = sample(60)
    local X, y = t:xy()
    local expected = eval.cross_validate(E.logistic {}, t).folds
    local entries = X:totable()
    entries.columns = 6
    for _, rows in ipairs { X, X:totable(), moe.sparse(entries) } do
      local found = eval.cross_validate(E.logistic {}, rows, y).folds
      for k, fold in ipairs(found) do assert.same(expected[k].scores, fold.scores) end
    end
  end)

  it("is the same for any number of processes", function()
    local t = sample(80)
    local function run(n)
      local r = eval.cross_validate(E.forest { trees = 5 }, t, {
        processes = n, repeats = 2, probabilities = true,
      })
      return { r.mean, r.sd, r.predictions, r.probabilities }
    end
    local one = run(1)
    assert.same(one, run(2))
    assert.same(one, run(7))
  end)

  it("works for mixtures, pipelines, learners in Lua and numbers", function()
    local t = sample(90)
    local X, y = t:xy()
    for _, model in ipairs {
      moe.mixture { experts = { a = E.tree {}, b = E.logistic {} } },
      moe.pipeline { T.standard_scaler {}, E.logistic {} },
      E.foreign(expert_in_lua()),
      E.constant {},
    } do
      local result = eval.cross_validate(model, X, y, { folds = 3 })
      assert.is_true(result.mean.accuracy >= 0.4)
      assert.is_false(model:info().fitted)
    end
    local numbers = moe.data.make_regression { rows = 80, features = 3, informative = 3, seed = 1 }
    assert.is_true(eval.cross_validate(E.linear {}, numbers).mean.r2 > 0.9)
  end)

  it("leaves the model as it was, fitted or not", function()
    local t = sample(60)
    local model = E.tree({ max_depth = 2 }):fit(t)
    local before = model:dump()
    eval.cross_validate(model, t)
    assert.equal(before, model:dump())
  end)

  it("never divides a group, and tells mixtures of groups", function()
    local t = sample(60)
    local X, y = t:xy()
    local groups = {}
    for i = 1, 60 do groups[i] = "g" .. i % 7 end
    local fold_of = {}
    local result = eval.cross_validate(E.tree {}, X, y, {
      folds = 3, groups = groups, processes = 1,
      metrics = { "accuracy" },
    })
    assert.equal(3, #result.folds)
    for _, part in ipairs(require("moe.eval.cross_validate").parts("x", E.tree {},
      { X = X, y = y, n = 60 }, { folds = 3, repeats = 1, seed = 0, groups = groups })) do
      for _, i in ipairs(part.test) do
        assert.is_true(fold_of[groups[i]] == nil or fold_of[groups[i]] == part.fold)
        fold_of[groups[i]] = part.fold
      end
    end
  end)

  it("gives each fold the share of every label, unless told otherwise", function()
    local X, y, seen = {}, {}, {}
    for i = 1, 40 do X[i], y[i] = { i }, i <= 8 and "rare" or "common" end
    eval.cross_validate(E.foreign(counting(seen)), X, y, { folds = 4, processes = 1 })
    for _, part in ipairs(seen) do
      local rare = 0
      for _, label in ipairs(part.y) do rare = rare + (label == "rare" and 1 or 0) end
      assert.equal(6, rare)
    end
  end)

  it("gives each fold its part of what fit is given", function()
    local t = sample(60)
    local X, y = t:xy()
    local weights = {}
    for i = 1, 60 do weights[i] = y[i] == "c1" and 1 or 0 end
    local result = eval.cross_validate(E.logistic {}, X, y, { fit = { weights = weights } })
    for i = 1, 60 do assert.equal("c1", result.predictions[1][i]) end
  end)

  it("prints its figures", function()
    local text = tostring(eval.cross_validate(E.tree {}, sample(50), {
      repeats = 2, train_scores = true, metrics = { "accuracy", { "f1", average = "micro" } },
    }))
    assert.truthy(text:find("50 rows in 5 folds, 2 times", 1, true))
    assert.truthy(text:find "accuracy +0%.%d%d%d%d ± 0%.%d%d%d%d +1.0000 ± 0.0000")
    assert.truthy(text:find("f1", 1, true))
  end)

  it("refuses what it cannot do, naming it", function()
    local t = sample(30)
    local X, y = t:xy()
    local cv = eval.cross_validate
    assert.truthy(message(cv, E.tree {}, X):find("y is nil", 1, true))
    assert.truthy(message(cv, E.tree {}, X, { "c1" }):find("1 targets, but X has 30", 1, true))
    assert.truthy(message(cv, E.tree {}, 5, y):find("X must be a tensor", 1, true))
    assert.truthy(message(cv, E.tree {}, t, { fold = 3 }):find("did you mean 'folds'", 1, true))
    assert.truthy(message(cv, E.tree {}, t, { folds = 1 }):find("'folds' must be", 1, true))
    assert.truthy(message(cv, E.tree {}, t, { metrics = "acc" }):find("no metric 'acc'", 1, true))
    assert.truthy(message(cv, E.tree {}, t, { groups = { 1 } }):find("'groups'", 1, true))
    assert.truthy(message(cv, E.tree {}, t, { metrics = { f = function() return "x" end } })
      :find("the metric 'f' gives a string", 1, true))
  end)
end)

describe("search", function()
  local space = { max_depth = { 1, 2, 6 }, min_samples_leaf = { 1, 5 } }

  it("tries every combination of a grid, and ranks them", function()
    local t = sample(80)
    local found = eval.search(E.tree {}, space, t, { folds = 3, seed = 2 })
    assert.equal(6, #found.trials)
    local seen = {}
    for i, trial in ipairs(found.trials) do
      seen[trial.params.max_depth .. " " .. trial.params.min_samples_leaf] = true
      assert.is_true(i == 1 or found.trials[i - 1].mean >= trial.mean)
      local own = E.tree(trial.params)
      local by_hand = eval.cross_validate(own, t, { folds = 3, seed = 2 })
      close(by_hand.mean.accuracy, trial.mean)
      close(by_hand.sd.accuracy, trial.sd)
    end
    for _, depth in ipairs(space.max_depth) do
      for _, leaf in ipairs(space.min_samples_leaf) do
        assert.is_true(seen[depth .. " " .. leaf])
      end
    end
    assert.equal(found.trials[1].params, found.best_params)
    assert.equal(found.best_params.max_depth, found.best:get_params "max_depth")
    assert.equal(E.tree(found.best_params):fit(t):score(t), found.best:score(t))
  end)

  it("is the same for any number of processes", function()
    local t = sample(60)
    local wide = {
      max_depth = { int = { 1, 9 } },
      max_features = { uniform = { 0.2, 1 } },
      trees = { choice = { 2, 4 } },
    }
    local function run(n)
      return eval.search(E.forest {}, wide, t, { trials = 6, folds = 3, seed = 9, processes = n })
    end
    local one, two = run(1), run(2)
    assert.same(one.trials, two.trials)
    assert.equal(tostring(one), tostring(two))
    assert.same(one.best:predict_proba(t):totable(), two.best:predict_proba(t):totable())
  end)

  it("reaches any parameter of a mixture", function()
    local m = moe.mixture { experts = { a = E.tree {}, b = E.logistic {} }, gate = G.softmax {} }
    local found = eval.search(m, {
      ["experts.a.max_depth"] = { 2, 4 },
      ["gate.temperature"] = { log_uniform = { 0.5, 2 } },
    }, sample(60), { trials = 2, folds = 2, metrics = "log_loss" })
    assert.is_true(found.trials[1].mean <= found.trials[2].mean)
    local best = found.best
    assert.equal(found.best_params["experts.a.max_depth"], best:expert("a"):get_params "max_depth")
    assert.equal(found.best_params["gate.temperature"], best:get_params "gate.temperature")
    assert.is_true(best:info().fitted)
    assert.is_nil(m:get_params "experts.a.max_depth")
  end)

  it("draws from ranges as their names say", function()
    local sampler = require "moe.eval.space"
    local axes = sampler.read {
      a = { uniform = { -1, 3 } }, b = { log_uniform = { 0.01, 100 } },
      c = { int = { 2, 4 } }, d = { log_int = { 1, 8 } }, e = { "x", false },
    }
    local sum, logs, counts, texts = 0, 0, {}, 0
    for n = 1, 2000 do
      local p = sampler.sample(axes, 3, n)
      sum, logs = sum + p.a, logs + math.log(p.b)
      counts[p.c] = (counts[p.c] or 0) + 1
      assert.is_true(p.a >= -1 and p.a <= 3 and p.b >= 0.01 and p.b <= 100)
      assert.is_true(p.d >= 1 and p.d <= 8 and p.d == math.floor(p.d))
      if p.e == "x" then texts = texts + 1 end
    end
    -- means of 2000 draws: 1 ± 0.026 and 0 ± 0.06, shares 667 ± 21 and 1000 ± 22
    close(1, sum / 2000, 0.13)
    close(0, logs / 2000, 0.3)
    for c = 2, 4 do assert.is_true(math.abs(counts[c] - 667) < 105) end
    assert.is_true(math.abs(texts - 1000) < 110)
  end)

  it("takes less for better where the metric or the caller says so", function()
    local t = sample(60)
    local function minus(y, p) return -moe.metrics.accuracy(y, p) end
    local up = eval.search(E.tree {}, space, t, { metrics = "accuracy" })
    local down = eval.search(E.tree {}, space, t, { metrics = { minus = minus }, minimise = true })
    assert.same(up.best_params, down.best_params)
    close(-up.best_score, down.best_score)
  end)

  it("prints the best ten, and how many more there are", function()
    local wide = { max_depth = { 1, 2, 3, 4, 5, 6 }, min_samples_leaf = { 1, 3 } }
    local found = eval.search(E.tree {}, wide, sample(50), { folds = 2, refit = false })
    local text = tostring(found)
    assert.truthy(text:find("rank  accuracy            max_depth  min_samples_leaf", 1, true))
    assert.truthy(text:find("… 2 more", 1, true))
    assert.is_false(found.best:info().fitted)
  end)

  it("refuses a path, a value or a range before any work, naming it", function()
    local t, forked = sample(40), 0
    local function fail(wrong, options)
      options = options or {}
      options.progress = function() forked = forked + 1 end
      return message(eval.search, E.tree {}, wrong, t, options)
    end
    assert.truthy(fail({ max_dept = { 1 } }):find("did you mean 'max_depth'", 1, true))
    assert.truthy(fail({ max_depth = { 2, -4 } }):find("'max_depth' must be", 1, true))
    assert.truthy(fail({ max_depth = 3 }):find("'max_depth' takes", 1, true))
    assert.truthy(fail({ max_depth = { int = { 1, 2.5 } } }):find("whole numbers", 1, true))
    assert.truthy(fail({ l2 = { log_uniform = { 0, 1 } } }):find("above 0", 1, true))
    assert.truthy(fail({ l2 = { normal = { 0, 1 } } }):find("one of uniform", 1, true))
    assert.truthy(fail({}):find("the space must be", 1, true))
    assert.truthy(fail({ max_depth = { int = { 1, 9 } } }, { method = "grid" })
      :find("a grid cannot exhaust", 1, true))
    assert.equal(0, forked)
  end)
end)

describe("learning_curve", function()
  it("trains on growing parts of the training folds", function()
    local curve = eval.learning_curve(E.tree {}, sample(100), { sizes = { 0.25, 0.5, 40, 1000 } })
    local rows = {}
    for i, point in ipairs(curve.points) do rows[i] = point.rows end
    assert.same({ 20, 40, 40, 80 }, rows)
    assert.same(curve.points[2], curve.points[3])
    assert.equal(1, curve.points[4].train_mean)
    local all = eval.cross_validate(E.tree {}, sample(100))
    close(all.mean.accuracy, curve.points[4].mean, 0.1)
  end)

  it("rises on clouds that can be learnt, and is the same in processes", function()
    local X, y = random.clouds(90, 2, 3)
    local function run(n)
      return eval.learning_curve(E.logistic {}, X, y, {
        sizes = { 3, 1 }, processes = n, metrics = "log_loss", folds = 3,
      })
    end
    local curve = run(1)
    assert.is_true(curve.points[2].mean < curve.points[1].mean)
    assert.same(curve.points, run(2).points)
    assert.truthy(tostring(curve):find("rows  log_loss", 1, true))
  end)

  it("refuses sizes that are none", function()
    for _, sizes in ipairs { { 0 }, { -1 }, { 1.5 }, { "all" }, {} } do
      assert.truthy(message(eval.learning_curve, E.tree {}, sample(40), { sizes = sizes })
        :find("'sizes'", 1, true))
    end
  end)
end)
