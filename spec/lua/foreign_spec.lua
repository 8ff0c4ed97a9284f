-- Experts and gates written in Lua, and what their callbacks may do to the
-- engine that called them.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local catalog = require "spec.support.catalog"
local data = require "spec.support.data"

local E = moe.experts

local function mixture_with(expert, options)
  local all = { experts = { lua = expert, c = E.logistic {} }, folds = 2 }
  for name, value in pairs(options or {}) do all[name] = value end
  return moe.mixture(all)
end

describe("an expert written in Lua", function()
  local X, y = data.clouds(60, 3, 3)

  it("stands in a mixture beside one in C, and answers like itself", function()
    local expert = catalog.expert_in_lua()
    local m = mixture_with(expert)
    m:fit(X, y)
    assert.is_true(m:score(X, y) > 0.9)
    assert.same(m:expert("lua"):predict(X), expert:predict(moe.tensor(X)))
  end)

  it("is the same userdata each time it is asked for", function()
    local m = mixture_with(catalog.expert_in_lua())
    local first = m:expert "lua"
    collectgarbage()
    assert.is_true(rawequal(first, m:expert "lua"))
  end)

  it("is collected with a mixture that it refers to", function()
    local function circle()
      local expert = catalog.expert_in_lua()
      expert.owner = mixture_with(expert)
      return expert.owner
    end
    local seen = setmetatable({ circle() }, { __mode = "v" })
    for _ = 1, 3 do collectgarbage() end
    assert.is_nil(seen[1])
  end)

  it("raises the very error object that it raised", function()
    local thrown = { "a table" }
    for _, method in ipairs { "fit", "predict" } do
      local expert = catalog.expert_in_lua()
      local m = mixture_with(expert)
      if method == "predict" then m:fit(X, y) end
      expert[method] = function() error(thrown) end
      local ok, message = pcall(function()
        if method == "fit" then m:fit(X, y) else m:predict(X) end
      end)
      assert.is_false(ok)
      assert.is_true(rawequal(thrown, message))
    end
  end)

  it("may fail at any of its calls: the mixture stays as it was", function()
    local expert = catalog.expert_in_lua()
    local m = mixture_with(expert)
    m:fit(X, y)
    local said = m:expert("c"):predict(X)
    for _, method in ipairs { "fit", "predict", "clone" } do
      local own = expert[method]
      for at = 1, 3 do
        local calls = 0
        expert[method] = function(...)
          calls = calls + 1
          if calls == at then error "now" end
          return own(...)
        end
        pcall(m.fit, m, X, y)
        assert.is_true(m:info().fitted)
        assert.same(said, m:expert("c"):predict(X))
      end
      expert[method] = own
    end
    m:fit(X, y)
    assert.is_true(m:score(X, y) > 0.9)
  end)

  it("may not yield, and is told so by name", function()
    local expert = catalog.expert_in_lua()
    local m = mixture_with(expert)
    m:fit(X, y)
    expert.predict = function() coroutine.yield() end
    local co = coroutine.wrap(function() return pcall(m.predict, m, X) end)
    local ok, message = co()
    assert.is_false(ok)
    assert.truthy(tostring(message):find "yield")
  end)

  it("may close, reset or refit the mixture that calls it, which refuses or waits", function()
    local expert = catalog.expert_in_lua()
    local m = mixture_with(expert)
    m:fit(X, y)
    local predict, seen = expert.predict, {}
    expert.predict = function(self, rows)
      seen.reset = pcall(m.reset, m)
      seen.set = pcall(m.set_params, m, { folds = 3 })
      seen.fit = pcall(m.fit, m, X, y)
      m:close()
      m = nil
      collectgarbage()
      return predict(self, rows)
    end
    local answers = m:predict(X)
    assert.equal(#X, #answers)
    assert.same({ reset = false, set = false, fit = false }, seen)
  end)

  it("may let backward give back the sample that the others are asked of next", function()
    local learner, x = { fit = function() end }, nil
    function learner:clone() return self end
    function learner.predict(_, rows)
      if x then
        x:sum():backward()
        x = {}
        for k = 1, 9 do x[k] = (moe.ones(64):requires_grad() * 1e6):retain() end -- in its place
      end
      return moe.zeros(#rows, 1)
    end
    local rows, targets = {}, {}
    for i = 1, 40 do
      rows[i] = {}
      for j = 1, 64 do rows[i][j] = math.sin(i * j) end
      targets[i] = rows[i][1]
    end
    local m = moe.mixture { experts = { a = learner, b = E.linear {} } }
    m:fit(rows, targets)
    local expected, leaf = m:predict({ rows[1] })[1], moe.tensor(rows[1]):requires_grad()
    x = leaf * 1
    assert.is_true(math.abs(expected - m:predict_one(x)) < 1e-6)
    assert.is_table(x)
  end)

  it("sees the old mixture from inside its own fit", function()
    local expert = catalog.expert_in_lua()
    local m = mixture_with(expert)
    m:fit(X, y)
    local before, fit, inside = m:expert("c"):predict(X), expert.fit, nil
    expert.fit = function(...)
      inside = m:expert("c"):predict(X)
      assert.is_false(pcall(m.fit, m, X, y))
      return fit(...)
    end
    m:fit(X, y)
    assert.same(before, inside)
  end)

  it("needs clone for cross-fitting, get_state to be saved; both refuse at once", function()
    local expert = catalog.expert_in_lua()
    expert.clone = nil
    local m = mixture_with(expert)
    local ok, message = pcall(m.fit, m, X, y)
    assert.is_false(ok)
    assert.truthy(message:find "clone")
    expert = catalog.expert_in_lua()
    expert.get_state = nil
    m = mixture_with(expert)
    m:fit(X, y)
    local path = os.tmpname()
    os.remove(path)
    ok, message = pcall(m.save, m, path)
    assert.is_false(ok)
    assert.truthy(message:find "get_state")
    assert.is_nil(io.open(path))
  end)

  it("may have parameters and bytes, which are the learner's, and a mixture's around it", function()
    local value = { options = { rate = 0.5 }, fit = function() end, predict = function() end }
    function value.get_params(self) return { rate = self.options.rate, task = "its own" } end
    function value.set_params(self, o)
      if o.rate == nil or o.rate < 0 then error("what is rate to be?", 0) end
      self.options.rate = o.rate
    end
    function value.bytes() return 4000 end
    local e = E.foreign(value)
    local m = moe.mixture { experts = { a = e, b = E.linear() }, task = "regression" }
    local before = m:info().bytes
    assert.equal(0.5, e:get_params().rate)
    assert.equal("auto", e:get_params().task)
    assert.equal(0.5, m:get_params "experts.a.rate")
    assert.equal(m, m:set_params { ["experts.a.rate"] = 0.25, ["experts.b.lr"] = 0.125, seed = 3 })
    assert.same({ 0.25, 0.125, 3 },
      { e:get_params "rate", m:get_params "experts.b.lr", m:get_params "seed" })
    assert.is_true(e:info().bytes > 4000)
    value.bytes = nil
    assert.equal(4000, before - m:info().bytes)
    for _, wrong in ipairs {
      { ["experts.a.rate"] = 1, ["experts.b.lr"] = -1 },
      { ["experts.a.rate"] = -1, ["experts.b.lr"] = 0.5 }, { ["experts.a.rat"] = 1, seed = 4 },
    } do
      local good, message = pcall(function() m:set_params(wrong) end)
      assert.is_false(good)
      assert.truthy(message:find("foreign_spec.lua", 1, true), message)
      assert.same({ 0.25, 0.125, 3 },
        { e:get_params "rate", m:get_params "experts.b.lr", m:get_params "seed" })
    end
  end)

  it("comes back from a file with an object given for it", function()
    local m = mixture_with(catalog.expert_in_lua())
    m:fit(X, y)
    local bytes = m:dump()
    local again = assert(moe.undump(bytes, { lua = { lua = catalog.expert_in_lua() } }))
    assert.same(m:predict(X), again:predict(X))
    again = assert(moe.undump(bytes, { lua = { ["experts.lua"] = catalog.expert_in_lua() } }))
    assert.same(m:predict(X), again:predict(X))
    local none, message, code = moe.undump(bytes)
    assert.is_nil(none)
    assert.truthy(message:find "lua")
    assert.equal("EFORMAT", code)
  end)

  it("is refused when it answers nonsense", function()
    for _, nonsense in ipairs { 0, "text", false } do
      local expert = catalog.expert_in_lua()
      local m = mixture_with(expert)
      m:fit(X, y)
      expert.predict = function() return nonsense end
      assert.has_error(function() m:predict(X) end)
      expert.predict_proba = function(_, rows)
        local out = {}
        for i = 1, rows.shape[1] do out[i] = { 0 / 0, 1, 1 } end
        return out
      end
      assert.has_error(function() m:predict(X) end)
    end
  end)

  -- Whose answer is the mean of its rows, by weight; `fits` counts the fits that it kept.
  local function mean_in_lua(start)
    local value = { mean = start, fits = 0 }
    function value.fit(self, _, targets, o)
      local sum, total = 0, 0
      for i, v in ipairs(targets) do
        sum, total = sum + v * o.weights[i], total + o.weights[i]
      end
      self.mean, self.fits, self.warm = sum / total, self.fits + 1, o.warm
    end
    function value.predict(self, rows)
      local out = {}
      for i = 1, #rows do out[i] = self.mean end
      return out
    end
    function value.clone(self)
      local other = mean_in_lua(self.mean)
      other.fits = self.fits
      return other
    end
    return value
  end

  it("is trained by em: what a round found better is in the very table", function()
    local a, b = mean_in_lua(0), mean_in_lua(0)
    local rows, targets = {}, {}
    for i = 1, 60 do rows[i], targets[i] = { i <= 20 and 0 or 1 }, (i <= 20 and 5 or -1) + i % 2 end
    for _, deep in ipairs { false, true } do
      local m = moe.mixture { experts = { a = a, b = b }, training = "em" }
      if deep then
        m = moe.mixture { experts = { inner = m, flat = E.constant {} }, training = "em" }
      end
      local _, history = m:fit(rows, targets)
      local trace = history.log_likelihood
      for k = 2, #trace do assert.is_true(trace[k] > trace[k - 1]) end
      assert.is_true(a.fits > 0 and b.fits > 0)
      assert.near(4.5, math.abs(a.mean - b.mean) - 1.5, 0.1)
      assert.near(5.5, math.max(a.mean, b.mean), 0.1)
      local before = a.fits
      m:fit(rows, targets, { method = "em", rounds = 1, warm = true })
      assert.is_true(a.fits == before or a.warm)
    end
  end)

  it("is assigned and comes back with the object that holds it", function()
    local expert, other = catalog.expert_in_lua(), catalog.expert_in_lua()
    local m, n = mixture_with(expert), mixture_with(other)
    local X2, y2 = data.clouds(60, 3, 3, 9)
    m:fit(X, y)
    n:fit(X2, y2)
    local said = n:predict(X)
    m:assign(n)
    assert.same(said, m:predict(X))
    assert.is_true(rawequal(m:expert "lua", m:expert "lua"))
    n:fit(X, y)
    assert.same(said, m:predict(X))
    expert.clone = nil
    assert.is_false(pcall(n.assign, n, m))
  end)

  -- Counts to three before it has learned anything.
  local function slow()
    local value, log = { answer = 0 }, {}
    function value.start_fit(self, rows, targets, o)
      log[#log + 1] = ("start %d %d %s"):format(#rows, #targets, tostring(o.warm))
      local n = 0
      return {
        step = function()
          n = n + 1
          log[#log + 1] = "step " .. n
          return n == 3, n == 2
        end,
        commit = function()
          log[#log + 1] = "commit " .. n
          self.answer = n
        end,
      }
    end
    function value.predict(self, rows)
      local out = {}
      for i = 1, #rows do out[i] = self.answer end
      return out
    end
    return value, log
  end

  it("may be fitted piece by piece, and give what it has", function()
    local value, log = slow()
    local e = E.foreign(value)
    e:fit({ { 1 }, { 2 } }, { 1.5, 2 })
    assert.same({ "start 2 2 nil", "step 1", "step 2", "step 3", "commit 3" }, log)
    assert.same({ 3 }, e:predict { { 0 } })
    local job = e:start_fit({ { 1 } }, { 1.5 }, { warm = true })
    assert.is_false(job:step { budget_ms = 1e-6 })
    assert.is_false(pcall(job.commit, job))
    assert.is_false(job:step { budget_ms = 1e-6 })
    assert.is_false(job:step { budget_ms = 1e-6 })
    job:commit()
    assert.same({ 2 }, e:predict { { 0 } })
    assert.is_true(job:step {})
    job:commit()
    assert.same({ 3 }, e:predict { { 0 } })
    assert.equal("start 1 1 true", log[6])
    value.start_fit = function() return 5 end
    assert.error_matches(function() e:fit({ { 1 } }, { 1.5 }) end, "step and commit")
    value.start_fit = function() return { step = function() error("broken", 0) end } end
    assert.has_error(function() e:fit({ { 1 } }, { 1.5 }) end, "broken")
    assert.same({ 3 }, e:predict { { 0 } })
  end)

  it("learns one by one where it has learn_one alone", function()
    local seen = {}
    local counter = {
      learn_one = function(_, x, label, weight) seen[#seen + 1] = { x, label, weight } end,
      predict_one = function() return "c2" end,
    }
    local expert = E.foreign(counter)
    expert:learn_one({ 1, 2 }, "c1", 0.5)
    expert:learn_one({ 3, 4 }, "c2")
    assert.same({ { { 1, 2 }, "c1", 0.5 }, { { 3, 4 }, "c2", 1 } }, seen)
    assert.equal("c2", expert:predict_one { 5, 6 })
  end)
end)

describe("a gate written in Lua", function()
  local X, y = data.clouds(60, 3, 3)

  it("may be a function: a rule that nobody trains", function()
    local m = moe.mixture {
      experts = { a = E.constant {}, b = E.logistic {} },
      gate = function(rows)
        local out = {}
        for i = 1, rows.shape[1] do out[i] = { 0, 1 } end
        return out
      end,
      folds = 2,
    }
    m:fit(X, y)
    assert.same(m:expert("b"):predict(X), m:predict(X))
    assert.equal(1, m:info().importance.b)
  end)

  it("is fitted to the experts' log-likelihoods", function()
    local gate = catalog.gate_in_lua()
    local m = mixture_with(catalog.expert_in_lua(), { gate = gate })
    m:fit(X, y)
    assert.equal(2, gate.n)
    assert.equal(60, gate.rows)
    assert.is_true(m:score(X, y) > 0.9)
  end)
end)

it("leaves nothing behind", function()
  local X, y = data.clouds(30, 2, 2)
  local function life()
    local m = mixture_with(catalog.expert_in_lua())
    m:fit(X, y)
    m:predict(X)
    m:clone():close()
    m:close()
  end
  life()
  local before = allocations.live()
  for _ = 1, 5 do life() end
  assert.equal(before, allocations.live())
end)

describe("what an expert written in Lua answers wrongly", function()
  local function learner(answer)
    return {
      learn_one = function() end,
      predict_one = function() return answer end,
      clone = function(own) return own end,
    }
  end
  local function says(message, f, ...)
    local ok, err = pcall(f, ...)
    assert.is_false(ok)
    assert.equal(message, err)
  end

  it("is said of the expert by its name", function()
    for _, answer in ipairs { "some", true, "nothing" } do
      if answer == "nothing" then answer = nil end
      local got = type(answer)
      local m = moe.mixture { experts = { mine = learner(answer), line = moe.experts.linear {} } }
      local message = "expert 'mine': the prediction of row 1 must be a number, got " .. got
      m:learn_one({ 1, 2 }, 3)
      for _, own in ipairs { m, m:clone() } do
        says(message, own.predict_one, own, { 1, 2 })
        says(message, own.test_then_learn, own, { 1, 2 }, 3)
        says(message, own.learn_many, own, { { 1, 2 } }, { 3 })
      end
    end
    local m = moe.mixture { experts = { learner {}, moe.experts.linear {} } }
    m:learn_one({ 1, 2 }, 3)
    says("the expert written in Lua: the prediction of row 1 must be a number, got an array of 0",
      m.predict_one, m, { 1, 2 })
  end)

  it("is said with what it should be", function()
    local m = moe.mixture { experts = { mine = learner(1), line = moe.experts.linear {} } }
    m:learn_one({ 1, 2 }, { 3, 4 })
    says("expert 'mine': the prediction of row 1 must be an array of 2 numbers, got number",
      m.predict_one, m, { 1, 2 })
    local fitted = { fit = function() end, clone = function(own) return own end,
      predict = function() return { 1 } end }
    local batch = moe.mixture { experts = { mine = fitted, line = moe.experts.linear {} },
      folds = 2 }
    says("expert 'mine': the predictions must be an array or a tensor of 2 rows",
      batch.fit, batch, { { 1 }, { 2 }, { 3 }, { 4 } }, { 1, 2, 3, 4 })
  end)
end)
