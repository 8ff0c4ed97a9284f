-- A mixture on a stream whose parts are copied, moved, trained elsewhere, or
-- mixtures themselves.
local moe = require "moe"
local data = require "spec.support.data"

local E = moe.experts

local function numbered(i) return { i % 7 / 7, i % 5 / 5 }, i % 7 - 2 * (i % 5) end

local points, names = data.clouds(60, 3, 3, 31)
local function labelled(i)
  local k = (i - 1) % #points + 1
  return points[k], names[k]
end

local function teach(m, sample, first, last)
  for i = first, last do m:learn_one(sample(i)) end
  return m
end

-- Both answer the next samples alike, to the last bit, and learn them alike.
local function go_on_alike(a, b, sample)
  for i = 1, 20 do
    local x, y = sample(1000 + i)
    for _, m in ipairs { a, b } do m:learn_one(x, y) end
    assert.same({ a:predict_one(x) }, { b:predict_one(x) })
  end
  assert.is_true(a:dump() == b:dump())
end

local function pair(options)
  local own = { experts = { a = E.linear {}, b = E.linear { lr = 0.2 } } }
  for name, value in pairs(options or {}) do own[name] = value end
  return moe.mixture(own)
end

describe("a copy of a mixture on a stream", function()
  it("shares nothing with what it was copied from, which may be a copy too", function()
    local first = teach(teach(pair(), numbered, 1, 50):clone(), numbered, 51, 100)
    local second, x = first:clone(), (numbered(3))
    local before = first:predict_one(x)
    for i = 1, 50 do second:learn_one((numbered(i)), 1000) end
    assert.equal(before, (first:predict_one(x)))
    assert.is_true(second:predict_one(x) > before + 100)
    local said = second:predict_one(x)
    first:close()
    first = nil -- luacheck: ignore
    collectgarbage()
    assert.equal(said, (second:predict_one(x)))
    teach(second, numbered, 101, 120)
  end)

  it("goes on as the one that it was copied from, though experts were moved", function()
    local m = teach(moe.mixture {
      experts = { E.linear {}, E.constant {}, E.linear { lr = 0.2 } },
    }, numbered, 1, 60)
    m:set_params { experts = { m:expert(3), E.ewma {}, m:expert(1), m:expert(2) } }
    m:set_params { experts = { m:expert(1), m:expert(2), m:expert(4), m:expert(3) } }
    go_on_alike(m:clone(), m, numbered)
  end)
end)

describe("experts that were exchanged since the last sample", function()
  it("answer as they are", function()
    local m = teach(moe.mixture { experts = { a = E.linear {} } }, numbered, 1, 60)
    local expert = m:expert "a"
    expert:reset()
    for i = 1, 60 do expert:learn_one((numbered(i)), 500) end
    local x = numbered(7)
    assert.equal((expert:predict_one(x)), (m:predict_one(x)))
  end)

  it("are known wherever they are, and though others lie where they lay", function()
    local m = teach(moe.mixture { experts = { E.linear {}, E.constant {} } }, numbered, 1, 30)
    m:add_expert(3, E.linear { lr = 0.2 })
    teach(m, numbered, 31, 50)
    for _ = 1, 20 do -- what is let go of is where the next one comes to lie
      m:set_params { experts = { m:expert(3), m:expert(1) } }
      collectgarbage()
      m:set_params { experts = { E.linear {}, m:expert(2), m:expert(1) } }
      teach(m, numbered, 51, 51)
      local learned = m:stats().learned
      assert.equal(1, learned["1"])
      m:set_params { experts = { m:expert(2), E.constant {}, m:expert(3) } }
      teach(m, numbered, 52, 52)
      assert.equal(learned["2"] + 1, m:stats().learned["1"])
      assert.equal(1, m:stats().learned["2"])
      assert.equal(learned["3"] + 1, m:stats().learned["3"])
    end
  end)

  it("are who they are, where one learns anew in what was another's memory", function()
    local m = teach(moe.mixture { experts = { a = E.linear {} } }, numbered, 1, 30)
    m:add_expert("b", E.linear {})
    local others = {} -- whose memory the allocator keeps aside
    for k = 1, 10 do others[k] = E.linear {} end
    for _, other in ipairs(others) do other:learn_one(numbered(1)) end
    for _, other in ipairs(others) do other:reset() end
    for i = 1, 50 do
      for _, name in ipairs { "a", "b", i % 3 == 0 and "a" or "b" } do m:expert(name):reset() end
      for _, name in ipairs { i % 2 == 0 and "b" or "a", "b", "a" } do
        m:expert(name):learn_one(numbered(i))
      end
      teach(m, numbered, i, i)
      assert.same({ 30 + i, i }, { m:stats().learned.a, m:stats().learned.b })
    end
  end)

  it("neither answer nor are saved in another's place before they have learned there", function()
    local m = teach(moe.mixture { experts = { E.linear {}, E.constant {} } }, numbered, 1, 40)
    local x = numbered(5)
    local loss = m:stats().loss
    m:set_params { experts = { m:expert(2), m:expert(1) } }
    assert.error_matches(function() m:predict_one(x) end, "experts were moved since")
    assert.error_matches(function() m:route { x } end, "experts were moved since")
    assert.error_matches(function() m:dump() end, "moved since the last sample")
    assert.same({ ["1"] = loss["2"], ["2"] = loss["1"] }, m:stats().loss)
    m:_follow()
    assert.same({ ["1"] = loss["2"], ["2"] = loss["1"] }, m:stats().loss)
    assert.is_number(m:predict_one(x))
    assert.is_string(m:dump())
  end)

  it("are saved by the names that their figures have", function()
    local m = teach(pair(), numbered, 1, 40)
    m:set_params { experts = { a = m:expert "a", z = m:expert "b" } }
    assert.is_number(m:predict_one((numbered(5))))
    assert.error_matches(function() m:dump() end, "moved since the last sample")
    teach(m, numbered, 41, 41)
    assert.equal(41, m:stats().learned.z)
    go_on_alike(assert(moe.undump(m:dump())), m, numbered)
  end)

  it("tell the mixture of levels that they met by themselves, or are refused", function()
    local function known()
      local m = moe.mixture { experts = { a = E.naive_bayes {}, b = E.hoeffding_tree {} } }
      for i = 1, 30 do m:learn_one({ s = i % 2 == 0 and "u" or "v" }, i % 2 == 0) end
      return m
    end
    local m = known()
    for i = 1, 30 do m:expert("a"):learn_one({ s = i % 2 == 0 and "w" or "x" }, i % 2 == 0) end
    for i = 1, 30 do m:learn_one({ s = i % 2 == 0 and "w" or "x" }, i % 2 == 0) end
    assert.same({ true, false }, {
      (m:expert("b"):predict_one { s = "w" }), (m:expert("b"):predict_one { s = "x" }),
    })
    assert.is_true((m:predict_one { s = "w" }))
    m = known()
    m:expert("a"):learn_one({ s = "w" }, true)
    m:expert("b"):learn_one({ s = "x" }, true)
    assert.error_matches(function() m:learn_one({ s = "u" }, true) end, "other columns")
  end)

  it("are tested and taught by one call as by two, with noise too", function()
    for _, noise in ipairs { 0, 0.1 } do
      local m = teach(pair { stream = { noise = noise } }, numbered, 1, 40)
      m:get_params("gate"):reset()
      local copy = m:clone()
      assert.is_number(m:test_then_learn(numbered(41)))
      assert.is_number(copy:test_then_learn(numbered(41)))
      local named = pair { stream = { noise = noise } }
      for i = 1, 9 do named:learn_one({ u = i, v = i % 2 }, i) end
      named:get_params("gate"):reset()
      assert.is_number(named:clone():test_then_learn({ u = 1, v = 2 }, 3))
    end
  end)

  it("a routing that is refused is refused of a loaded mixture too", function()
    local m = teach(pair(), numbered, 1, 40)
    m:set_params { top_k = 3 }
    for _, one in ipairs { m, (assert(moe.undump(m:dump()))) } do
      assert.error_matches(function() one:learn_one(numbered(41)) end, "'top_k' must be at most")
    end
  end)
end)

describe("an expert that is revived", function()
  local function revived(experts, sample, n)
    local m = moe.mixture {
      experts = experts, top_k = 1, stream = { revive = "clone", span = 10, dead_below = 0.4 },
    }
    teach(m, sample, 1, n or 300)
    local kinds = {}
    for _, event in ipairs(m:stats().events) do kinds[event.kind] = true end
    return kinds, m
  end

  it("is no copy of one whose settings what it has learned is tied to", function()
    local kinds = revived({
      a = E.adaptive_random_forest { trees = 2 }, b = E.adaptive_random_forest { trees = 3 },
    }, labelled)
    assert.same({ reset = true }, kinds)
    assert.is_true(revived({
      a = E.adaptive_random_forest { trees = 2, seed = 1 },
      b = E.adaptive_random_forest { trees = 2, seed = 2 },
    }, labelled).clone)
    assert.is_true(revived({ a = E.linear {}, b = E.linear { lr = 1e-9 } }, numbered).clone)
  end)

  it("is believed as one that is new, or as the one that it is a copy of", function()
    local function sharpness(how)
      local m = moe.mixture {
        experts = { a = E.naive_bayes {}, b = E.constant {}, c = E.naive_bayes {} }, top_k = 1,
        stream = { revive = how, span = 20, dead_below = 0.2 },
      }
      for i = 1, 2000 do
        teach(m, labelled, i, i)
        local events = m:stats().events
        if #events > 0 then return m:info().sharpness, events[#events] end
      end
    end
    local now, event = sharpness "reset"
    assert.equal(1, now[event.expert])
    now, event = sharpness "clone"
    if event.kind == "clone" then
      assert.equal(now.a, now.c)
      assert.is_true(now.a ~= 1)
    end
  end)
end)

describe("a mixture in a mixture on a stream", function()
  local function inner()
    return moe.mixture { experts = { a = E.logistic {}, b = E.naive_bayes {} } }
  end

  it("that was fitted meets new classes there", function()
    local fitted = inner()
    fitted:fit(points, names)
    local m = moe.mixture { experts = { inner = fitted, other = E.logistic {} } }
    teach(m, labelled, 1, 20)
    fitted = inner()
    fitted:fit(points, names)
    m:add_expert("late", fitted)
    for i = 1, 20 do m:learn_one({ 9, 9, i % 2 }, "a new one") end
    assert.equal("a new one", (m:predict_one { 9, 9, 1 }))
    assert.equal(4, #fitted:classes())
    assert.is_string(m:dump())
  end)

  it("goes on where its own experts were reset or learned by themselves", function()
    local m = teach(moe.mixture { experts = { inner = inner(), other = E.logistic {} } },
      labelled, 1, 40)
    local nested = m:expert "inner"
    nested:expert("a"):reset()
    teach(m, labelled, 41, 42)
    nested:expert("b"):learn_one(points[1], "its own")
    teach(m, labelled, 43, 44)
    nested:get_params("gate"):reset()
    teach(m, labelled, 45, 46)
    assert.is_not_nil(m:predict_one(points[1]))
    assert.equal(6, nested:expert("a"):info().n_seen)
  end)

  it("may be saved and asked before it was taught", function()
    local m = teach(moe.mixture { experts = { a = E.logistic {} } }, labelled, 1, 40)
    m:add_expert("inner", inner())
    assert.equal(0, m:expert("inner"):info().n_seen)
    local loaded = assert(moe.undump(m:dump()))
    local asked = m:clone():set_params { top_k = 2 }
    assert.same({ loaded:predict_one(points[1]) }, { asked:predict_one(points[1]) })
    go_on_alike(m, loaded, labelled)
    assert.equal(20, loaded:expert("inner"):info().n_seen)
  end)

  -- The mean of what it was taught.
  local function mean()
    local expert = { total = 0, n = 0 }
    function expert:learn_one(_, y) self.total, self.n = self.total + y, self.n + 1 end
    function expert:predict(Z)
      local out = {}
      for i = 1, Z.shape[1] do out[i] = self.total / math.max(self.n, 1) end
      return out
    end
    function expert:clone()
      local copy = mean()
      copy.total, copy.n = self.total, self.n
      return copy
    end
    return expert
  end

  it("has no fork where an expert of it is written in Lua", function()
    local m = moe.mixture {
      experts = { a = mean(), b = E.linear {} }, stream = { forks = { a = mean() } },
    }
    for i = 1, 20 do
      m:learn_one(numbered(i))
      collectgarbage()
    end
    assert.is_number(m:predict_one { 1, 2 })
  end)

  it("begins, mends and forks its own experts beside one that is written in Lua", function()
    local function nested(options)
      return moe.mixture {
        experts = { a = E.linear {}, b = E.linear { lr = 1e-9 } }, top_k = 1, stream = options,
      }
    end
    local m = moe.mixture {
      experts = {
        a = mean(), dies = nested { revive = "reset", span = 20, dead_below = 0.3 },
        forks = nested { forks = { b = E.linear { lr = 1e-9 } } },
      },
    }
    teach(m, numbered, 1, 200)
    assert.equal("reset", m:expert("dies"):stats().events[1].kind)
    local forking = m:expert "forks"
    forking:get_params("stream"):set_params { forks = { a = E.linear {} } }
    teach(m, numbered, 201, 300)
    for _, name in ipairs { "a", "b" } do forking:expert(name):reset() end -- none is in use
    teach(m, numbered, 301, 310)
    assert.equal(10, forking:expert("a"):info().n_seen)
  end)

  it("is forked anew where it got other experts than its fork has", function()
    local function constant() return moe.mixture { experts = { a = E.constant {} } } end
    local m = moe.mixture { experts = { inner = constant() }, stream = { feedback = "full" } }
    for i = 1, 500 do m:learn_one({ i % 3 }, 0) end
    m:get_params("stream"):set_params { forks = { inner = constant() } }
    for i = 1, 5 do m:learn_one({ i % 3 }, 100) end
    m:expert("inner"):add_expert("b", E.constant {})
    for i = 1, 60 do m:learn_one({ i % 3 }, 100) end
    assert.equal("take_over", m:stats().events[1].kind)
    assert.is_true(m:predict_one { 1 } > 99)
    assert.is_not_nil(m:expert("inner"):expert "b")
  end)
end)
