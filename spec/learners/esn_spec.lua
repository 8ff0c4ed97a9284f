-- The echo state network: its memory, and what it makes of known series.
local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-9)

local E = moe.experts

-- x_(t+1) after x_t of the Mackey-Glass equation with delay 17, in unit steps:
-- chaos that is known for hundreds of papers.
local function mackey_glass(n)
  local h, X, y = {}, {}, {}
  for i = 1, 18 do h[i] = 1.2 end
  for _ = 1, n + 300 do
    local x, late = h[#h], h[#h - 17]
    h[#h + 1] = x + 0.2 * late / (1 + late ^ 10) - 0.1 * x
  end
  for i = 1, n do X[i], y[i] = { h[i + 200] }, h[i + 201] end
  return X, y
end

-- Root of the mean squared error of the last samples, over the deviation.
local function share_of_error(l, X, y, from)
  local errors, sum, squares, n = 0, 0, 0, 0
  for i = 1, #X do
    if i > from then
      errors = errors + (l:predict_one(X[i]) - y[i]) ^ 2
      sum, squares, n = sum + y[i], squares + y[i] ^ 2, n + 1
    end
    l:learn_one(X[i], y[i])
  end
  return math.sqrt(errors / n / (squares / n - (sum / n) ^ 2))
end

describe("esn", function()
  it("predicts a chaotic series from its last value alone", function()
    local X, y = mackey_glass(2500)
    -- a line through the last value leaves 0.11, and so does repeating it
    assert.is_true(share_of_error(E.ewma { alpha = 1 }, X, y, 1000) > 0.1)
    assert.is_true(share_of_error(E.esn {}, X, y, 1000) < 0.02)
  end)

  it("tells by what came before, which no learner of single rows can", function()
    local u, l, rows, right, memoryless = data.uniform(6), E.esn {}, E.naive_bayes {}, 0, 0
    local before = 0
    for i = 1, 1500 do
      local x = { u() }
      local y = before > 0.5 and "yes" or "no"
      if i > 1000 then
        if l:predict_one(x) == y then right = right + 1 end
        if rows:predict_one(x) == y then memoryless = memoryless + 1 end
      end
      l:learn_one(x, y)
      rows:learn_one(x, y)
      before = x[1]
    end
    assert.is_true(right > 450, right)
    assert.is_true(memoryless < 300, memoryless)
  end)

  -- Two of one seed, the second of which begins elsewhere: how far they are apart.
  local function distance(options, steps)
    options.standardize = false
    options.washout = 1e9 -- only the memory moves
    local a, b = E.esn(options), E.esn(options)
    a:learn_one({ 0 }, 0)
    b:learn_one({ 50 }, 0)
    local u = data.uniform(3)
    for _ = 1, steps do
      local x = { u() }
      a:learn_one(x, 0)
      b:learn_one(x, 0)
    end
    -- a readout that learns now shows the memory
    local function answers(l)
      l:set_params { washout = 0, forgetting = 0.9 }
      for i = 1, 60 do l:learn_one({ u() }, i % 2) end
      return l:predict_one { 0.5 }
    end
    u = data.uniform(9)
    local first = answers(a)
    u = data.uniform(9)
    return math.abs(first - answers(b))
  end

  it("forgets where it began: two states under one input come together", function()
    assert.is_true(distance({ seed = 1, leak = 0.3 }, 0) > 1e-6)
    assert.is_true(distance({ seed = 1, leak = 0.3 }, 300) < 1e-9)
  end)

  it("answers as if the row came next, as often as it is asked", function()
    local X, y = mackey_glass(200)
    local l = E.esn {}
    l:learn_many(X, y)
    local before = l:dump()
    local said = l:predict_one(X[3])
    for i = 1, 20 do l:predict_one(X[i]) end
    assert.equal(said, (l:predict_one(X[3])))
    assert.equal(said, l:predict({ X[1], X[2], X[3] })[3])
    assert.is_true(before == l:dump())
  end)

  it("moves on for a row of weight 0, and learns nothing from it", function()
    local X, y = mackey_glass(300)
    local a, b, c = E.esn {}, E.esn {}, E.esn {}
    for _, l in ipairs { a, b, c } do l:learn_many(X, y) end
    local function pass(l, target)
      l:learn_many({ { 0.3 }, { 0.4 } }, { target, 0.5 }, { weights = { 0, 1 } })
      return l:predict_one { 1 }
    end
    local moved = pass(a, 0.1)
    assert.equal(moved, pass(b, 0.9)) -- the target does not count, the row does
    c:learn_one({ 0.4 }, 0.5)
    assert.is_true(math.abs(moved - c:predict_one { 1 }) > 1e-9)
  end)

  it("goes on from a file as if nothing had happened, memory included", function()
    local X, y = mackey_glass(300)
    local l = E.esn { seed = 5 }
    for i = 1, 150 do l:learn_one(X[i], y[i]) end
    local again = assert(moe.undump(l:dump()))
    for i = 151, 300 do
      assert.equal(l:predict_one(X[i]), again:predict_one(X[i]))
      l:learn_one(X[i], y[i])
      again:learn_one(X[i], y[i])
    end
    assert.is_true(l:dump() == again:dump())
  end)

  it("is another with another seed, and the same with the same", function()
    local X, y = mackey_glass(60)
    local function fitted(seed) return (E.esn({ seed = seed }):fit(X, y)):dump() end
    assert.is_true(fitted(1) == fitted(1))
    assert.is_false(fitted(1) == fitted(2))
  end)

  it("predicts several numbers at once, each as if alone", function()
    local X, y = mackey_glass(200)
    local both, first, second = {}, E.esn {}, E.esn {}
    for i = 1, #y do both[i] = { y[i], -3 * y[i] } end
    local l = E.esn {}
    for i = 1, #X do
      l:learn_one(X[i], both[i])
      first:learn_one(X[i], y[i])
      second:learn_one(X[i], -3 * y[i])
    end
    local found = l:predict_one { 1 }
    near(first:predict_one { 1 }, found[1])
    near(second:predict_one { 1 }, found[2])
  end)

  it("stays finite for huge numbers, constants and a radius far above 1", function()
    local u = data.uniform(2)
    local l = E.esn { spectral_radius = 50, input_scale = 100, leak = 1, ridge = 1e-9 }
    for i = 1, 3000 do
      l:learn_one({ i % 50 == 0 and 1e300 or u(), 5 }, i % 90 == 0 and -1e300 or u())
      local y = l:predict_one { u(), 1e200 }
      assert.is_true(y == y and math.abs(y) < math.huge)
    end
    assert(moe.undump(l:dump()))
  end)
end)
