-- Fitting in steps: jobs, their budgets, and what becomes of the object
-- meanwhile.
local moe = require "moe"
local core = require "moe.core"
local catalog = require "spec.support.catalog"
local data = require "spec.support.data"
local refuses = require "spec.support.refuses"

local E, G = moe.experts, moe.gates
local unpack = table.unpack or _G.unpack

local X, y = data.clouds(120, 3, 3)

local function forest(options)
  options = options or {}
  options.trees = options.trees or 8
  return E.forest(options)
end

-- Steps the job as finely as it goes; the number of steps.
local function step_through(job)
  local steps = 1
  while not job:step { budget_ms = 1e-6 } do steps = steps + 1 end
  return steps
end

describe("a job", function()
  it("stops after a piece of work when its budget is spent", function()
    local job = forest():start_fit(X, y)
    assert.is_true(step_through(job) >= 8) -- a tree at least each time
    assert.is_true(job:step())
    local _, history = job:commit()
    assert.is_true(history.done)
    assert.equal(#X, history.rows)
  end)

  it("goes to its end without a budget", function()
    assert.is_true(forest():start_fit(X, y):step())
    assert.is_true(forest():start_fit(X, y):step {})
    assert.is_true(forest():start_fit(X, y):step { budget_ms = 0 })
    assert.is_true(forest():start_fit(X, y):step { budget_ms = 1e9 })
  end)

  it("gives the same bits as one call, beside other jobs too", function()
    local alone = {}
    for i = 1, 3 do
      alone[i] = forest { seed = i }
      alone[i]:fit(X, y)
    end
    local jobs, objects, done = {}, {}, 0
    for i = 1, 3 do
      objects[i] = forest { seed = i }
      jobs[i] = objects[i]:start_fit(X, y)
    end
    while done < 3 do
      for i = 1, 3 do
        if jobs[i] and jobs[i]:step { budget_ms = 1e-6 } then
          jobs[i]:commit()
          jobs[i], done = nil, done + 1
        end
      end
    end
    for i = 1, 3 do assert.is_true(alone[i]:dump() == objects[i]:dump()) end
  end)

  it("refuses to commit what is of no use yet, and goes on", function()
    local f = E.tree {}
    f:fit(X, y)
    local said = f:predict(X)
    local job = f:start_fit({ { 1, 2, 3 }, { 4, 5, 6 } }, { "a", "b" })
    refuses("nothing usable", job.commit, job)
    assert.same(said, f:predict(X))
    assert.is_true(job:step())
    job:commit()
    assert.same({ "a", "b" }, f:classes())
  end)

  it("commits what there is when that would serve", function()
    local f = forest { trees = 200 }
    local job = f:start_fit(X, y)
    for _ = 1, 100 do assert.is_false(job:step { budget_ms = 1e-6 }) end
    local same, history = job:commit()
    assert.is_true(rawequal(f, same))
    assert.is_false(history.done)
    assert.truthy(tostring(history):find "out of budget")
    assert.is_true(f:score(X, y) > 0.6)
  end)

  it("is closed by a callback of its own when that is over, and can do nothing else", function()
    for _, verb in ipairs { "close", "step", "commit" } do
      local job, said
      local expert = { task = "regression" }
      function expert.fit() said = select(2, pcall(job[verb], job)) end
      function expert.predict(_, rows)
        local out = {}
        for i = 1, rows.shape[1] do out[i] = 0 end
        return out
      end
      local m = moe.mixture {
        experts = { a = expert, b = E.constant {} }, gate = moe.gates.uniform {},
      }
      job = m:start_fit({ { 1 }, { 2 }, { 3 } }, { 1, 2, 3 }, { stage = "experts" })
      if verb == "close" then
        refuses("closed by a callback", job.step, job)
        assert.equal("job: ended", tostring(job))
      else
        job:step()
        assert.truthy(tostring(said):find("at work", 1, true), tostring(said))
        job:close()
      end
    end
  end)

  it("says what it is about", function()
    local job = E.tree {}:start_fit(X, y)
    assert.equal("job: tree on 120 rows, running", tostring(job))
    job:step()
    assert.equal("job: tree on 120 rows, done, not committed", tostring(job))
    job:commit()
    assert.equal("job: ended", tostring(job))
    refuses("has ended", job.step, job)
    refuses("has ended", job.commit, job)
    job:close()
  end)

  it("can be stepped by any coroutine", function()
    local f = forest()
    local job = f:start_fit(X, y)
    local done = false
    while not done do
      done = coroutine.wrap(function() return job:step { budget_ms = 1e-6 } end)()
      collectgarbage "step"
    end
    coroutine.wrap(function() job:commit() end)()
    assert.is_true(f:score(X, y) > 0.9)
  end)
end)

describe("a commit before the end", function()
  local tasks = {
    classification = { data.clouds(60, 3, 3) },
    regression = { data.plane(60, 3, 0.1) },
    gating = { data.scores(60) },
  }

  local function answers(object, rows)
    if object.forward then return object:forward(rows):totable() end
    if object:classes() then return object:predict_proba(rows):totable() end
    return object:predict(rows)
  end

  -- Commits whenever it can, at most every so often; how often it could.
  local function fit_publishing(object, rows, targets)
    local job, steps, published = object:start_fit(rows, targets), 0, 0
    while not job:step { budget_ms = 1e-6 } do
      steps = steps + 1
      if steps % 5 == 1 or steps < 20 then
        local ok, same, told = pcall(job.commit, job)
        if ok then
          published = published + 1
          assert.is_true(rawequal(object, same))
          assert.is_false(told.done)
          if published % 4 == 1 then answers(object, rows) end
        else
          assert.truthy(tostring(same):find "nothing usable", tostring(same))
        end
      end
    end
    local _, history = job:commit()
    assert.is_true(history.done)
    assert.equal("job: ended", tostring(job))
    return published
  end

  local traits = { classification = "classifies", regression = "regresses", gating = "gates" }
  for _, type in ipairs(core.types()) do
    for task, world in pairs(tasks) do
      local trait = traits[task]
      if type.traits and type.traits[trait] and type.name ~= "fixed" and type.name ~= "foreign" then
        it(("of %s (%s) changes nothing in the end"):format(type.name, task), function()
          local ok, whole = pcall(catalog.new, type, task)
          if not ok or not pcall(whole.fit, whole, world[1], world[2]) then return end
          local object = catalog.new(type, task)
          fit_publishing(object, world[1], world[2])
          assert.is_true(whole:dump() == object:dump())
        end)
      end
    end
  end

  it("publishes mixtures and pipelines whole, as often as one likes", function()
    local rows, targets = unpack(tasks.regression)
    for _, training in ipairs { "em", "gradient" } do
      local function new()
        return moe.mixture {
          experts = { a = E.linear {}, n = moe.mixture {
            experts = { E.linear {}, E.linear {} }, gate = G.softmax {}, folds = 2,
          } },
          gate = G.softmax { l2 = 1 }, training = training, tol = 1e-9, epochs = 40,
        }
      end
      local whole, object = new(), new()
      whole:fit(rows, targets)
      assert.is_true(fit_publishing(object, rows, targets) > 1, training)
      assert.is_true(whole:dump() == object:dump())
    end
    local T = moe.transforms
    local function pipe()
      return moe.pipeline { T.standard_scaler {}, forest { trees = 20 } }
    end
    local whole, object = pipe(), pipe()
    whole:fit(X, y)
    assert.is_true(fit_publishing(object, X, y) > 1)
    assert.is_true(whole:dump() == object:dump())
  end)

  it("survives a failed allocation, and leaves the object as it was or new", function()
    local rows, targets = unpack(tasks.regression)
    local m = moe.mixture {
      experts = { E.linear {}, E.linear {} }, gate = G.softmax {}, training = "em", tol = 1e-9,
    }
    m:fit(rows, targets)
    local job, n, failed = m:start_fit(rows, targets), 0, 0
    repeat job:step { budget_ms = 1e-6 } until pcall(job.commit, job)
    local said = m:predict(rows)
    while true do
      core._fail_after(n)
      local ok, message = pcall(job.commit, job)
      core._fail_after(-1)
      if ok then break end
      assert.truthy(tostring(message):find "memory", tostring(message))
      assert.same(said, m:predict(rows))
      n, failed = n + 1, failed + 1
    end
    assert.is_true(failed > 3)
    job:step()
    job:commit()
  end)
end)

describe("fit with a budget", function()
  it("leaves the object as it was when nothing came of it", function()
    local line = E.logistic {}
    line:fit(X, y)
    local said = line:predict_proba(X):totable()
    local m = moe.mixture { experts = { a = forest { trees = 50 }, b = line }, gate = G.softmax {} }
    refuses("nothing usable", m.fit, m, X, y, { budget_ms = 1e-6 })
    assert.same(said, line:predict_proba(X):totable())
    assert.is_false(m:info().fitted)
    m:fit(X, y, { budget_ms = 1e9 })
    assert.is_true(m:score(X, y) > 0.9)
  end)

  it("is refused a budget that is none, and the object stays free", function()
    local f = E.constant {}
    for _, bad in ipairs { -1, 0 / 0, math.huge, "5", {} } do
      refuses("'budget_ms'", f.fit, f, X, y, { budget_ms = bad })
      refuses("'budget_ms'", f.start_fit, f, X, y, { budget_ms = bad })
      f:fit(X, y)
    end
    local job = f:start_fit(X, y)
    refuses("'budget_ms'", job.step, job, { budget_ms = -1 })
    refuses("unknown option 'budget'; did you mean 'budget_ms'?", job.step, job, { budget = 1 })
    assert.is_true(job:step())
    job:commit()
  end)
end)

describe("while a job is open", function()
  it("the object answers as before and is not changed by anyone else", function()
    local f = E.tree {}
    f:fit(X, y)
    local said = f:predict(X)
    local job = f:start_fit({ { 1, 2, 3 }, { 4, 5, 6 } }, { "a", "b" })
    assert.same(said, f:predict(X))
    refuses("fitted already", f.fit, f, X, y)
    refuses("fitted already", f.start_fit, f, X, y)
    refuses("being fitted", f.set_params, f, { max_depth = 1 })
    refuses("being fitted", f.reset, f)
    f:clone():fit(X, y)
    job:step()
    assert.same(said, f:predict(X))
    job:commit()
    assert.same({ "a", "b" }, f:classes())
  end)

  it("a stream does not learn", function()
    local c = E.constant {}
    local job = c:start_fit(X, y)
    refuses("being fitted", c.learn_one, c, X[1], y[1])
    refuses("being fitted", c.learn_many, c, X, y)
    job:close()
    c:learn_one(X[1], y[1])
  end)

  it("the parts of the object are taken too", function()
    local a = E.tree {}
    local m = moe.mixture { experts = { a = a, b = E.constant {} } }
    local job = m:start_fit(X, y)
    refuses("being fitted", a.set_params, a, { max_depth = 1 })
    refuses("being fitted", a.reset, a)
    job:close()
    job = a:start_fit(X, y)
    refuses("'a' is being fitted", m.fit, m, X, y)
    refuses("being fitted", m.reset, m)
    refuses("being fitted", m.set_params, m, { ["experts.a.max_depth"] = 1 })
    job:close()
    m:fit(X, y)
  end)

  it("X, y, weights and the object itself may go", function()
    local expected = E.tree { min_samples_leaf = 1 }
    local weights = {}
    for i = 1, #X do weights[i] = i % 3 + 1 end
    expected:fit(X, y, { weights = weights })
    local function start()
      local rows, labels, own = data.copy(X), {}, {}
      for i = 1, #y do labels[i], own[i] = table.concat { y[i] }, weights[i] end
      local job = E.tree { min_samples_leaf = 1 }:start_fit(rows, labels, { weights = own })
      for i = 1, #X do
        for j = 1, 3 do rows[i][j] = 0 / 0 end
        labels[i], own[i] = nil, -1
      end
      return job
    end
    local job = start()
    collectgarbage()
    local garbage = {}
    for i = 1, 100 do garbage[i % 7] = ("garbage"):rep(i) end
    assert.is_true(#garbage > 0)
    step_through(job)
    collectgarbage()
    local fitted = job:commit()
    assert.is_true(expected:dump() == fitted:dump())
  end)

  it("closing the object waits for the job", function()
    local f = E.tree {}
    local job = f:start_fit(X, y)
    f:close()
    collectgarbage()
    refuses("closed", f.predict, f, X)
    step_through(job)
    local again = job:commit()
    assert.is_true(again:score(X, y) > 0.9)
  end)

  it("dropping it frees the object and all memory", function()
    local f = forest()
    f:fit(X, y)
    local said = f:predict(X)
    local function settle()
      for _ = 1, 3 do collectgarbage() end
      return core._live()
    end
    local before = settle()
    for _ = 1, 10 do f:clone():start_fit(X, y):step { budget_ms = 1e-6 } end
    f:start_fit(X, y):step { budget_ms = 1e-6 }
    assert.equal(before, settle())
    assert.same(said, f:predict(X))
    f:fit(X, y)
  end)
end)

describe("an error in a step", function()
  it("ends the job and leaves the object as it was", function()
    local expert = catalog.expert_in_lua()
    local m = moe.mixture { experts = { a = expert, c = E.constant {} }, folds = 2 }
    m:fit(X, y)
    local said = m:expert("c"):predict(X)
    local thrown = {}
    local fit = expert.fit
    expert.fit = function() error(thrown) end
    local rows = { { 1, 2, 3 }, { 2, 3, 4 }, { 3, 4, 5 }, { 4, 5, 6 } }
    local job = m:start_fit(rows, { "a", "b", "a", "b" })
    local ok, message = pcall(function() while not job:step() do end end)
    assert.is_false(ok)
    assert.is_true(rawequal(thrown, message))
    refuses("has ended", job.step, job)
    assert.same(said, m:expert("c"):predict(X))
    expert.fit = fit
    m:fit(X, y)
  end)

  it("of memory comes through as one, at any allocation", function()
    local f = E.tree {}
    f:fit(X, y)
    local said = f:predict(X)
    local function settle()
      for _ = 1, 3 do collectgarbage() end
      return core._live()
    end
    local before, n, tried = settle(), 0, 0
    while true do
      core._fail_after(n)
      local ok, message = pcall(function()
        local job = f:start_fit(X, y)
        step_through(job)
        job:close()
      end)
      core._fail_after(-1)
      if ok then break end
      assert.truthy(tostring(message):find "memory", tostring(message))
      assert.same(said, f:predict(X))
      n, tried = n + 1 + math.floor(n / 6), tried + 1
    end
    assert.is_true(tried > 3)
    assert.equal(before, settle())
  end)
end)

describe("a call in flight", function()
  it("keeps jobs from committing into what it reads", function()
    local expert = catalog.expert_in_lua()
    local m = moe.mixture { experts = { a = expert, c = E.tree {} }, folds = 2 }
    m:fit(X, y)
    local said, job = m:predict(X), nil
    local predict = expert.predict
    expert.predict = function(...)
      job = m:expert("c"):start_fit({ { 1, 2, 3 }, { 4, 5, 6 } }, { "p", "q" })
      job:step()
      refuses("in use", job.commit, job)
      return predict(...)
    end
    assert.same(said, m:predict(X))
    expert.predict = predict
    assert.same(said, m:predict(X))
  end)
end)
