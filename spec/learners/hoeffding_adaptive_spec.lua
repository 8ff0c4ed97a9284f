-- Hoeffding trees that replace what has become wrong.
local moe = require "moe"
local data = require "spec.support.data"

local E = moe.experts

-- Two numbers; the class says whether the first is below 0.5, or (`turned`)
-- whether it is not.
local function side(seed, turned)
  local u = data.uniform(seed)
  return function()
    local x = { u(), u() }
    return x, (x[1] < 0.5) ~= turned and "a" or "b"
  end
end

-- Share of the answers before learning that were right (of values: the mean
-- error), over n samples.
local function prequential(model, stream, n)
  local sum = 0
  for _ = 1, n do
    local x, y = stream()
    local said = model:predict_one(x)
    if type(y) == "number" then
      sum = sum + math.abs(said - y)
    else
      sum = sum + (said == y and 1 or 0)
    end
    model:learn_one(x, y)
  end
  return sum / n
end

local function taught(make, options, stream, n)
  local model = make(options)
  model:learn_one(stream())
  prequential(model, stream, n)
  return model
end

describe("an adaptive Hoeffding tree", function()
  it("is a Hoeffding tree where nothing changes", function()
    local plain = taught(E.hoeffding_tree, {}, side(3, false), 5000)
    local adaptive = taught(E.hoeffding_adaptive_tree, {}, side(3, false), 5000)
    assert.equal(plain:info().leaves, adaptive:info().leaves)
    assert.equal(0, adaptive:info().rivals)
    for i = 0, 20 do
      local x = { i / 20, 0.5 }
      assert.same(plain:predict_proba_one(x), adaptive:predict_proba_one(x))
    end
  end)

  for _, leaf in ipairs { "adaptive", "constant" } do
    it("recovers where the world turns, and a plain tree does not: leaves " .. leaf, function()
      local options = { leaf = leaf }
      local plain = taught(E.hoeffding_tree, options, side(3, false), 5000)
      local adaptive = taught(E.hoeffding_adaptive_tree, options, side(3, false), 5000)
      local turned = side(4, true)
      prequential(adaptive, turned, 2000)
      prequential(plain, side(4, true), 2000)
      assert.is_true(prequential(adaptive, turned, 2000) > 0.95)
      assert.is_true(prequential(plain, turned, 2000) < 0.9)
    end)
  end

  it("forgets a rival when it wins, and bounds what it keeps", function()
    local model = taught(E.hoeffding_adaptive_tree, { max_leaves = 8 }, side(3, false), 3000)
    local bytes
    for round = 1, 6 do
      prequential(model, side(round, round % 2 == 1), 3000)
      assert.is_true(model:info().leaves <= 8 + model:info().rivals)
      if round == 3 then bytes = model:info().bytes end
    end
    assert.is_true(model:info().bytes <= 2 * bytes)
    assert.is_true(prequential(model, side(9, false), 1000) > 0.9)
  end)

  it("recovers in regression", function()
    local function step(seed, sign)
      local u = data.uniform(seed)
      return function()
        local x = { u(), u() }
        return x, sign * (x[1] < 0.5 and 3 or -3) + 0.2 * u()
      end
    end
    local options = { leaf = "constant" }
    local plain = taught(E.hoeffding_tree, options, step(3, 1), 4000)
    local adaptive = taught(E.hoeffding_adaptive_tree, options, step(3, 1), 4000)
    local turned = step(4, -1)
    prequential(adaptive, turned, 2500)
    prequential(plain, turned, 2500)
    assert.is_true(prequential(adaptive, turned, 1500) < 0.1)
    assert.is_true(prequential(plain, turned, 1500) > 0.5)
  end)

  it("goes on to the same bits from a file or a copy, while rivals learn", function()
    local model = taught(E.hoeffding_adaptive_tree, {}, side(3, false), 3000)
    local turned, n = side(4, true), 0
    repeat
      prequential(model, turned, 10)
      n = n + 10
    until model:info().rivals > 0 or n > 3000
    assert.is_true(model:info().rivals > 0)
    local again, copy = moe.undump(model:dump()), model:clone()
    for _ = 1, 1500 do
      local x, y = turned()
      for _, each in ipairs { model, again, copy } do each:learn_one(x, y) end
    end
    assert.is_true(model:dump() == again:dump())
    assert.is_true(model:dump() == copy:dump())
  end)
end)
