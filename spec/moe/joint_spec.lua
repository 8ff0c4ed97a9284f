-- Training by the gradient of the mixture's likelihood.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local data = require "spec.support.data"
local refuses = require "spec.support.refuses"

local E, G = moe.experts, moe.gates

local function two_lines(n, seed)
  local uniform, X, y = data.uniform(seed), {}, {}
  for i = 1, n do
    local x = 2 * uniform() - 1
    X[i] = { x, uniform() }
    y[i] = (x < 0.1 and 2 * x + 1 or -3 * x + 2) + 0.2 * (uniform() - 0.5)
  end
  return X, y
end

local function classes(n, seed)
  local X, number = two_lines(n, seed)
  local y = {}
  for i, v in ipairs(number) do y[i] = v > 1 and "high" or v > 0 and "middle" or "low" end
  return X, y
end

local function mixture(kind, options)
  local all = {
    experts = { a = E[kind] {}, b = E[kind] {} },
    gate = G.softmax { l2 = 0.01 },
    training = "gradient",
  }
  for name, value in pairs(options or {}) do all[name] = value end
  return moe.mixture(all)
end

describe("gradient", function()
  it("learns two lines, and records the loss of each epoch", function()
    local X, y = two_lines(300, 4)
    local m = mixture("linear", { lr = 0.03 })
    local _, history = m:fit(X, y)
    assert.is_true(m:score(X, y) > 0.97, tostring(m:score(X, y)))
    assert.equal(#history.loss, #history.validation_loss)
    assert.is_true(history.validation_loss[#history.loss] < history.validation_loss[1])
    assert.truthy(tostring(history):find "held out")
  end)

  it("learns classes", function()
    local X, y = classes(300, 4)
    local m = mixture("logistic", { epochs = 20 })
    m:fit(X, y)
    assert.is_true(m:score(X, y) > 0.9, tostring(m:score(X, y)))
  end)

  it("has the derivative that finite differences have, nested too", function()
    local function check(m, X, y)
      m:fit(X, y)
      local weights, loss, gradient = m:_gradient(X, y)
      assert.is_true(#weights > 5)
      for k = 1, #weights do
        local h, at = 1e-5, weights[k]
        local function value(w)
          weights[k] = w
          return select(2, m:_gradient(X, y, weights))
        end
        local slope = (value(at + h) - value(at - h)) / (2 * h)
        weights[k] = at
        local text = ("weight %d: %.10g, by differences %.10g"):format(k, gradient[k], slope)
        local allowed = 1e-5 * (1 + math.abs(slope) + math.abs(loss))
        assert.is_true(math.abs(slope - gradient[k]) <= allowed, text)
      end
    end
    local few = { epochs = 2 }
    local X, y = two_lines(40, 6)
    check(mixture("linear", few), X, y)
    check(moe.mixture {
      experts = { n = mixture("linear"), l = E.linear {}, deep = moe.mixture {
        experts = { mixture("linear"), E.linear {} }, gate = G.softmax {},
      } },
      gate = G.softmax { l2 = 1 }, training = "gradient", epochs = 2,
    }, X, y)
    X, y = classes(40, 6)
    check(moe.mixture {
      experts = { n = mixture("logistic"), l = E.logistic {} },
      gate = G.softmax { l2 = 1 }, training = "gradient", epochs = 2,
    }, X, y)
  end)

  it("has rows do without experts, by expert_dropout, with that loss's derivative", function()
    local X, y = two_lines(40, 6)
    local m = mixture("linear", { expert_dropout = 0.4, epochs = 2, gate = G.softmax {
      l2 = 0.01, load_balance = 0.3, entropy = 0.1,
    } })
    m:fit(X, y)
    local weights, _, gradient = m:_gradient(X, y, nil, 7)
    for k = 1, #weights do
      local h, at = 1e-5, weights[k]
      local function value(w)
        weights[k] = w
        return select(2, m:_gradient(X, y, weights, 7))
      end
      local slope = (value(at + h) - value(at - h)) / (2 * h)
      weights[k] = at
      assert.is_true(math.abs(slope - gradient[k]) <= 1e-4 * (1 + math.abs(slope)), k)
    end
  end)

  it("leaves each row one expert, any, where expert_dropout is 1", function()
    local X, y = two_lines(40, 6)
    local m = mixture("linear", { expert_dropout = 1, epochs = 2 })
    m:fit(X, y)
    local times = { a = 0, b = 0 }
    for i = 1, 40 do
      local _, loss = m:_gradient({ X[i] }, { y[i] }, nil, i)
      for name in pairs(times) do
        local noise = m:info().noise[name]
        local error = (y[i] - m:expert(name):predict_one(X[i])) / noise
        local alone = error ^ 2 / 2 + math.log(2 * math.pi * noise ^ 2) / 2
        if math.abs(loss - alone) < 1e-6 * (1 + math.abs(alone)) then
          times[name] = times[name] + 1
        end
      end
    end
    assert.equal(40, times.a + times.b)
    assert.is_true(times.a > 8 and times.b > 8)
  end)

  it("publishes the best weights, not those of the last step", function()
    local X, y = two_lines(200, 4)
    local m = mixture("linear", { training = "em", lr = 5, batch_size = 10 })
    m:fit(X, y)
    local before = m:_gradient(X, y)
    local job = m:start_fit(X, y, { method = "gradient", warm = true })
    local done, commits = false, 0
    while not done and commits < 5 do
      done = job:step { budget_ms = 1e-6 }
      if not done and pcall(job.commit, job) then commits = commits + 1 end
    end
    job:close()
    assert.equal(5, commits)
    for k, w in ipairs((m:_gradient(X, y))) do
      assert.is_true(math.abs(w - before[k]) <= 1e-12 * (1 + math.abs(w)), k)
    end
  end)

  it("refuses to go on from a mixture in which a mixture has changed", function()
    local X, y = two_lines(60, 4)
    for _, method in ipairs { "em", "gradient" } do
      local inner = mixture("linear")
      local m = moe.mixture {
        experts = { inner = inner, b = E.linear {} }, gate = G.softmax {}, training = "em",
      }
      m:fit(X, y)
      inner:expert("a"):reset()
      refuses("expert 'a' was reset", m.fit, m, X, y, { method = method, warm = true })
    end
  end)

  it("survives the failure of any allocation, a commit in the middle among them", function()
    local X, y = two_lines(20, 6)
    local function life()
      local m = mixture("linear", { expert_dropout = 0.3, epochs = 1, batch_size = 16 })
      local job = m:start_fit(X, y)
      while not job:step { budget_ms = 1e-6 } do
        local ok, message = pcall(job.commit, job)
        if not ok and not message:find "nothing usable" then error(message, 0) end
      end
      job:commit()
      m:close()
    end
    assert.is_true(allocations.fail(life) > 100)
  end)

  it("goes on from a mixture that is there", function()
    local X, y = two_lines(200, 4)
    local m = mixture("linear", { training = "em" })
    m:fit(X, y)
    local _, history = m:fit(X, y, { method = "gradient", warm = true, rounds = 3 })
    assert.equal(3, #history.loss)
    assert.is_true(m:score(X, y) > 0.98)
  end)

  it("stops when the rows that are held out gain no more, with the best weights", function()
    local X, y = two_lines(60, 4)
    local m = mixture("linear", { lr = 1, patience = 2, epochs = 500 })
    local _, history = m:fit(X, y)
    assert.is_true(#history.loss < 500)
    local best = math.huge
    for _, v in ipairs(history.validation_loss) do best = math.min(best, v) end
    assert.is_true(best < history.validation_loss[#history.loss])
    _, history = mixture("linear", { validation = 0, epochs = 4 }):fit(X, y)
    assert.equal(4, #history.loss)
    assert.is_nil(history.validation_loss)
  end)

  it("takes sparse rows as it takes dense ones", function()
    local X, y = two_lines(80, 4)
    local entries = { columns = 2 }
    for i, x in ipairs(X) do entries[i] = { [1] = x[1], [2] = x[2] } end
    local m = mixture("linear", { epochs = 3 })
    m:fit(moe.sparse(entries), y)
    assert.is_true(m:score(moe.sparse(entries), y) > 0)
  end)

  it("refuses by name what has no gradient, unless it is frozen", function()
    local X, y = two_lines(60, 4)
    local m = mixture("linear", { experts = { a = E.linear {}, t = E.tree {} } })
    refuses("'t', a tree", m.fit, m, X, y)
    m:expert("t"):fit(X, y)
    m:set_params { frozen = { "t" }, epochs = 2 }
    m:fit(X, y)
    m = mixture("linear", { experts = { n = mixture("linear", { experts = { E.tree {} } }) } })
    refuses("'1', a tree", m.fit, m, X, y)
    local network = E.network { module = moe.nn.Linear { dim = 1, out_dim = 1 } }
    m = mixture("linear", { experts = { n = network } })
    refuses("expert 'n', one written in Lua, which has no gradient; freeze it, or use 'em'", m.fit,
      m, X, y)
    m = mixture("linear", { gate = G.uniform {} })
    refuses("the 'gate', a uniform", m.fit, m, X, y)
  end)

  it("refuses one renormalised expert, which teaches the gate nothing", function()
    local X, y = two_lines(60, 4)
    local m = mixture("linear", { top_k = 1, epochs = 2 })
    refuses("always 1", m.fit, m, X, y)
    m:set_params { renormalize = false }
    m:fit(X, y)
  end)

  it("gives the same bits for any number of threads", function()
    local X, y = two_lines(200, 4)
    local before = moe.threads()
    local function dump(threads)
      moe.set_threads(threads)
      local m = mixture("linear", { epochs = 3 })
      m:fit(X, y)
      return m:dump()
    end
    local one, two = dump(1), dump(2)
    moe.set_threads(before)
    assert.is_true(one == two)
  end)
end)
