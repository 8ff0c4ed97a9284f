-- Mixtures on a stream whose memory runs short, in everything that allocates: each
-- allocation fails in turn, with all after it.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local data = require "spec.support.data"

local E, G = moe.experts, moe.gates

local function classifier(options)
  return moe.mixture {
    experts = { a = E.logistic {}, b = E.naive_bayes {}, c = E.hoeffding_tree {} },
    stream = options,
  }
end

local function regressor(options, top_k)
  return moe.mixture {
    experts = { a = E.linear {}, b = E.linear { lr = 1e-5 }, c = E.linear { lr = 2e-5 } },
    stream = options, top_k = top_k,
  }
end

local function nested()
  return moe.mixture { experts = { inner = regressor { drift = "ddm" }, other = E.ar {} } }
end

-- Samples of three classes with strings, and numbers that no line follows any more
-- after 300 of them.
local points, classes = data.clouds(60, 2, 3, 21)

local function labelled(i)
  local k = (i - 1) % #points + 1
  return { x = points[k][1], s = "level " .. i % 3 }, classes[k]
end

local function numbered(i)
  return { i % 7 / 7, i % 5 / 5 }, i % 7 + (i > 300 and 50 * (i % 5) or 0)
end

local function learn(object, sample, i) object:learn_one(sample(i)) end

local function teach(object, sample, n)
  for i = 1, n do learn(object, sample, i) end
  return object
end

-- The bytes of a mixture before the sample that makes such an event happen, and
-- that sample's number.
local function before_event(object, kind)
  for i = 1, 5000 do
    local bytes = object:dump()
    learn(object, numbered, i)
    local events = object:stats().events
    if #events > 0 and events[#events].kind == kind then return bytes, i end
  end
  error("there was no " .. kind)
end

-- Does it to copies, which `check` is given, until there is memory enough: how often
-- there was not.
local function starve(bytes, act, check)
  local n, done, before = 0, false, allocations.live()
  while not done do
    local copy = assert(moe.undump(bytes))
    done = allocations.run_out(function() act(copy) end, n)
    if not done then check(copy) end
    n = n + 1
  end
  assert.equal(before, allocations.live())
  return n - 1
end

-- It learns and answers all the same, here and from a file.
local function goes_on(bytes, act, sample)
  return starve(bytes, act, function(copy)
    for _, object in ipairs { copy, assert(moe.undump(copy:dump())) } do
      teach(object, sample, 20)
      assert.is_not_nil(object:predict_one((sample(1))))
    end
  end)
end

describe("a mixture on a stream whose memory runs short", function()
  it("begins again with the first sample", function()
    local first = { [classifier()] = labelled, [regressor()] = numbered, [nested()] = numbered }
    for object, sample in pairs(first) do
      local failed = starve(object:dump(), function(o) learn(o, sample, 1) end, function(copy)
        teach(copy, sample, 20)
        assert.is_not_nil(copy:predict_one((sample(1))))
      end)
      assert.is_true(failed > 20)
    end
  end)

  it("is what it was where it was only read, copied or saved", function()
    local bytes = teach(classifier(), labelled, 40):dump()
    local reads = {
      function(o) o:dump() end,
      function(o) o:clone() end,
      function(o) o:predict_proba_one((labelled(50))) end,
      function(o) o:route_one((labelled(50))) end,
      function() assert(moe.undump(bytes)) end,
      function(o) o:stats() end,
    }
    for _, read in ipairs(reads) do
      starve(bytes, read, function(copy) assert.is_true(bytes == copy:dump()) end)
    end
  end)

  local X, y = labelled(50)
  local changes = {
    ["a sample"] = function(o) o:learn_one(X, y) end,
    ["an answer and a sample"] = function(o) o:test_then_learn(X, y) end,
    ["a new class"] = function(o) o:learn_one(X, "new") end,
    ["a new level"] = function(o) o:learn_one({ x = 1, s = "new" }, y) end,
    ["a missing value"] = function(o) o:learn_one({ x = 0 / 0, s = "level 1" }, y) end,
    ["another gate"] = function(o)
      o:set_params { gate = G.softmax {} }
      o:learn_one(X, y)
    end,
    ["other options"] = function(o)
      o:set_params { stream = moe.streaming { drift = "kswin", balance = "quantile" } }
      o:learn_one(X, y)
    end,
  }
  for what, act in pairs(changes) do
    it("goes on after " .. what, function()
      assert.is_true(goes_on(teach(classifier(), labelled, 40):dump(), act, labelled) > 0)
    end)
  end

  it("goes on where experts come and go", function()
    local bytes = teach(classifier(), labelled, 40):dump()
    local function learns(o)
      teach(o, labelled, 20)
      return assert.is_not_nil(o:predict_one(X))
    end
    starve(bytes, function(o) o:add_expert("d", E.logistic {}) end, learns)
    starve(bytes, function(o) o:remove_expert "b" end, learns)
    starve(bytes, function(o)
      o:expert("b"):reset()
      o:learn_one(X, y)
    end, learns)
  end)

  it("goes on where experts drift, fork, die and are revived", function()
    local events = {
      fork = regressor { drift = "adwin", on_drift = "fork" },
      take_over = regressor { drift = "adwin", on_drift = "fork" },
      reset = regressor { drift = "kswin", on_drift = "reset" },
      clone = regressor({ revive = "clone", span = 20, dead_below = 0.2 }, 1),
    }
    for kind, object in pairs(events) do
      local bytes, i = before_event(object, kind)
      starve(bytes, function(o) learn(o, numbered, i) end, function(copy)
        teach(copy, numbered, 20)
        local answer = copy:predict_one((numbered(1)))
        assert.is_true(answer == answer and math.abs(answer) < 1e300)
      end)
    end
  end)

  it("has a gate that agrees with itself while an expert is revived in it", function()
    local object = regressor({ revive = "reset", span = 20, dead_below = 0.2 }, 1)
    local bytes, i = before_event(object, "reset")
    starve(bytes, function(o) learn(o, numbered, i) end, function(copy)
      local gate = copy:get_params("gate"):clone()
      assert.equal(3, gate:info().n_outputs)
      local p = assert(moe.undump(gate:dump())):forward_one { 0.5, 0.5 }
      assert.is_true(math.abs(p[1] + p[2] + p[3] - 1) < 1e-9)
      -- what it learned while one that was not revived was in it is not lost
      assert.is_true(gate:info().n_seen >= i - 1)
    end)
  end)

  it("keeps what its gate has learned where experts cannot be added or removed", function()
    local bytes = teach(classifier(), labelled, 40):dump()
    local function keeps(copy)
      teach(copy, labelled, 1)
      assert.is_true(copy:get_params("gate"):info().n_seen >= 41)
    end
    local function exchanges(change)
      return function(o)
        local experts = o:get_params "experts"
        change(experts)
        o:set_params { experts = experts }
        learn(o, labelled, 41)
      end
    end
    starve(bytes, exchanges(function(experts)
      experts.aa, experts.bb = E.logistic {}, E.constant {}
    end), keeps)
    starve(bytes, exchanges(function(experts)
      experts.a, experts.aa, experts.bb = nil, E.logistic {}, E.constant {}
    end), keeps)
  end)

  it("meets a new class later where a mixture in it could not", function()
    local function inner()
      return moe.mixture { experts = { a = E.logistic {}, b = E.naive_bayes {} } }
    end
    local m = moe.mixture {
      experts = { inner = inner(), other = E.logistic {}, pair = inner() },
      stream = { forks = { pair = inner() } },
    }
    local function learns(copy)
      for _, class in ipairs { classes[1], "new", "newer" } do
        for i = 1, 3 do copy:learn_one((labelled(i)), class) end
      end
      assert.equal(5, #copy:expert("inner"):classes())
      assert.is_not_nil(copy:predict_one((labelled(1))))
      assert(moe.undump(copy:dump()))
    end
    teach(m, labelled, 40)
    local x, bytes = labelled(50), m:dump()
    assert.is_true(starve(bytes, function(o) o:learn_one(x, "new") end, learns) > 20)
  end)

  it("begins its stream later where what was fitted had no memory to", function()
    local fitted, rows, labels = classifier(), {}, {}
    for i = 1, #points do rows[i], labels[i] = points[i], classes[i] end
    fitted:set_params { experts = { a = E.logistic {}, b = E.naive_bayes {} } }
    fitted:fit(rows, labels)
    for _, label in ipairs { labels[1], "new" } do
      starve(fitted:dump(), function(o) o:learn_one(rows[1], label) end, function(copy)
        for i = 1, 5 do copy:learn_one(rows[i], i == 1 and label or labels[i]) end
        assert.is_not_nil(copy:predict_one(rows[1]))
        assert(moe.undump(copy:dump()))
      end)
    end
  end)

  it("begins a network wholly or not at all", function()
    local m = teach(classifier(), labelled, 10):add_expert("net", E.mlp { hidden = { 3 } })
    local x, class = labelled(11)
    starve(m:dump(), function(o) o:learn_one(x, class) end, function(copy)
      assert(moe.undump(copy:dump()))
      copy:learn_one(x, "new")
      teach(copy:clone(), labelled, 5)
    end)
  end)

  it("goes on where its load is spread by quantiles", function()
    local bytes = teach(regressor({ balance = "quantile" }, 1), numbered, 127):dump()
    assert.is_true(goes_on(bytes, function(o) learn(o, numbered, 128) end, numbered) > 0)
  end)
end)
