-- Experts that are lines, which a mixture asks and teaches all at once.
local moe = require "moe"
local data = require "spec.support.data"
local safetensors = require "spec.support.safetensors_reader"

local E = moe.experts
local COLUMNS = 11

local settings = {
  { lr = 0.1 },
  { lr = 0.05, step = "sgd", intercept = false },
  { lr = 0.2 },
  { lr = 1e-3, step = "sgd" },
  { lr = 3 },
}

-- Five lines, each of which learns every sample, and the same by themselves.
local function lines()
  local inside, alone = {}, {}
  for k, options in ipairs(settings) do
    inside[k], alone[k] = E.linear(options), E.linear(options)
  end
  return moe.mixture { experts = inside, top_k = 2, stream = { teach = "all" } }, alone
end

-- A sample of COLUMNS features, a number, and a weight.
local function draw(random, holes)
  local x, y = {}, 0
  for j = 1, COLUMNS do
    x[j] = 2 * random() - 1
    y = y + (j % 3 - 1) * x[j]
  end
  if holes then x[1 + math.floor(random() * COLUMNS)] = 0 / 0 end
  return x, y, 0.5 + random()
end

local function learn(m, alone, random, n, holes)
  for i = 1, n do
    local x, y, weight = draw(random, holes and i % 7 == 0)
    m:learn_one(x, y, weight)
    for _, line in ipairs(alone) do line:learn_one(x, y, weight) end
  end
end

local function assert_alike(m, alone, random)
  for k, line in ipairs(alone) do
    local own, other = m:expert(k):info(), line:info()
    for _, figure in ipairs { "coefficients", "intercept", "n_seen" } do
      assert.same(other[figure], own[figure])
    end
    for i = 1, 14 do
      local x = draw(random, i % 7 == 0)
      assert.equal((line:predict_one(x)), (m:expert(k):predict_one(x)))
    end
  end
end

describe("lines in a mixture", function()
  it("learn what they learn alone, with weights and missing values, bit for bit", function()
    local random = data.uniform(3)
    local m, alone = lines()
    learn(m, alone, random, 200, true)
    assert_alike(m, alone, random)
  end)

  it("go on by settings that change, lines or not", function()
    local random = data.uniform(4)
    local m, alone = lines()
    learn(m, alone, random, 50)
    for _, change in ipairs { { lr = 0.01 }, { penalty = "l1" }, { penalty = "none" } } do
      m:expert(3):set_params(change)
      alone[3]:set_params(change)
      learn(m, alone, random, 50)
      assert_alike(m, alone, random)
    end
  end)

  it("of a copy of a copy are its own", function()
    local random = data.uniform(6)
    local m, alone = lines()
    learn(m, alone, random, 20)
    local first = m:clone()
    learn(first, alone, random, 20)
    local second, x = first:clone(), draw(random)
    local before = first:predict_one(x)
    assert.equal(before, (second:predict_one(x)))
    learn(first, {}, random, 20)
    assert.is_true(first:predict_one(x) ~= before)
    first:close()
    assert.equal(before, (second:predict_one(x)))
  end)

  it("are asked where they are once one was fitted, assigned or set otherwise", function()
    local random = data.uniform(7)
    local rows, targets = {}, {}
    for i = 1, 40 do rows[i], targets[i] = draw(random) end
    for _, change in ipairs {
      function(line) line:fit(rows, targets) end,
      function(line) line:assign(E.linear({}):fit(rows, targets)) end,
      function(line) line:set_params { penalty = "l1" } end,
    } do
      local m = lines()
      learn(m, {}, random, 20)
      for k = 1, #settings do change(m:expert(k)) end
      local x, low, high = draw(random), math.huge, -math.huge
      for k = 1, #settings do
        local says = m:expert(k):predict_one(x)
        low, high = math.min(low, says), math.max(high, says)
      end
      local says = m:predict_one(x)
      assert.is_true(says >= low - 1e-9 and says <= high + 1e-9)
    end
  end)

  it("that have learned other columns since are refused, by predictions too", function()
    local random = data.uniform(5)
    local m, alone = lines()
    learn(m, alone, random, 20)
    m:expert(2):reset()
    m:expert(2):learn_one({ 1, 2, 3 }, 4)
    local x = draw(random)
    assert.error_matches(function() m:predict_one(x) end, "'2'.*other columns")
    assert.error_matches(function() m:learn_one(x, 1) end, "'2'.*other columns")
    assert.error_matches(function() m:test_then_learn(x, 1) end, "'2'.*other columns")
  end)

  it("that begin anew are asked as they are now, before the next sample too", function()
    local random = data.uniform(6)
    local experts = {}
    for k = 1, 3 do experts[k] = E.linear { lr = 0.1 } end
    local m = moe.mixture {
      experts = experts, top_k = 1, seed = 1,
      stream = { span = 10, revive = "reset", dead_below = 0.4 },
    }
    for _ = 1, 60 do
      local x, y = draw(random)
      m:learn_one(x, y)
      assert.equal((m:clone():predict_one(x)), (m:predict_one(x)))
    end
    assert.is_true(#m:stats().events > 0)
  end)

  -- A chance so small that it never comes is in the way of the one piece.
  describe("behind a gate of logits take a sample in one piece", function()
    local plain = { target = "best_expert", prior = 0, decay = 0, standardize = false }
    local gates = {
      {}, plain, { prior = 0 }, { target = "best_expert", implicit = false },
      { online_lr = 0, prior = 0 }, -- whose logits are all the same
    }
    local streams = {
      {},
      { feedback = "partial", teach = "chosen", balance = "logits", measure = "after" },
      { feedback = "partial", teach = "all" }, -- what they were not asked, too
      { feedback = "partial", teach = "responsibility" },
      { teach = "chosen" },
      { teach = "all", balance = "logits" },
      { measure = "after" },
      { span = 20, revive = "reset", dead_below = 0.2 },
      { drift = "page_hinkley", on_drift = "reset" },
    }

    local function mixture(n, k, gate, stream, explore, renormalize)
      local experts, own = {}, { explore = explore }
      for e = 1, n do experts[e] = E.linear(settings[(e - 1) % #settings + 1]) end
      for name, value in pairs(stream) do own[name] = value end
      return moe.mixture {
        experts = experts, top_k = k, gate = moe.gates.softmax(gate), stream = own, seed = 1,
        renormalize = renormalize,
      }
    end

    -- The gate of the second half may be another.
    local function assert_same(n, k, gate, stream, renormalize, later)
      local random = data.uniform(n + k)
      local piece = mixture(n, k, gate, stream, nil, renormalize)
      local pieces = mixture(n, k, gate, stream, 1e-300, renormalize)
      for i = 1, 120 do
        local x, y, weight = draw(random, i % 11 == 0)
        if i > 60 then y = -y end
        if i == 60 and later then
          piece:set_params(later)
          pieces:set_params(later)
        end
        weight = i % 3 == 0 and weight or 1
        assert.equal((pieces:test_then_learn(x, y, weight)),
          (piece:test_then_learn(x, y, weight)))
        assert.equal((pieces:predict_one(x)), (piece:predict_one(x)))
      end
      assert.same(pieces:stats(), piece:stats())
      assert.same(pieces:info(), piece:info())
    end

    for g, gate in ipairs(gates) do
      for s, stream in ipairs(streams) do
        it(("the same bits as step by step: gate %d, stream %d"):format(g, s), function()
          for _, size in ipairs { { 4, 2 }, { 2, 1 }, { 3, 3 }, { 5, 2 }, { 8, 4 } } do
            assert_same(size[1], size[2], gate, stream)
          end
          assert_same(4, 2, gate, stream, false)
        end)
      end
    end

    it("where the gate has learned, and learns no more", function()
      local stream, later = { balance = "logits", measure = "after" }, { ["gate.online_lr"] = 0 }
      for _, size in ipairs { { 4, 2 }, { 5, 2 } } do
        assert_same(size[1], size[2], plain, stream, nil, later)
      end
    end)

    -- The gate gives the first all, the second was right, and the others were not asked.
    it("and who was not asked learns nothing where the gate leaves the best one nothing", function()
      for _, explore in ipairs { 0, 1e-300 } do
        local experts = {}
        for e = 1, 4 do experts[e] = E.linear {} end
        local weights = { 0, 0, 0, 0, 1000, 0, -5, -5 }
        local gate = moe.gates.softmax { online_lr = 0, prior = 0, weights = weights }
        local m = moe.mixture {
          experts = experts, top_k = 2, gate = gate,
          stream = { feedback = "partial", explore = explore },
        }
        for _ = 1, 5 do m:learn_one({ 1 }, 0) end
        m:expert(2):fit({ { 1 }, { 2 } }, { 1, 2 })
        local before = m:stats().learned
        m:learn_one({ 1 }, 1)
        local after = m:stats().learned
        for e, more in ipairs { 0, 1, 0, 0 } do
          assert.equal(before[tostring(e)] + more, after[tostring(e)])
        end
      end
    end)

    -- The gate's prior of a file may be anything small, and its rest too.
    it("even where the gate leaves them nothing, and they answer evenly", function()
      local random = data.uniform(8)
      for _, size in ipairs { { 4, 2 }, { 5, 2 } } do
        local m = mixture(size[1], size[2], {}, {})
        learn(m, {}, random, 20)
        local file = safetensors.read(m:dump())
        file.metadata.checksum = nil
        local prior = file.tensors["gate.prior"]
        prior.bytes = ("\0"):rep(#prior.bytes)
        m = assert(moe.undump(safetensors.pack(file)))
        for _ = 1, 5 do
          local x = draw(random)
          local first, second = m:expert(1):predict_one(x), m:expert(2):predict_one(x)
          assert.equal(0.5 * first + 0.5 * second, (m:predict_one(x)))
        end
      end
    end)
  end)
end)
