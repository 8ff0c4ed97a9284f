-- The exponentially weighted mean against its own sum.
local moe = require "moe"
local near = require("spec.support.near").within(1e-12)

local E = moe.experts

describe("ewma", function()
  it("is the weighted mean of the targets, each weighing 1 - alpha of the next", function()
    local l, y, w = E.ewma { alpha = 0.3 }, { 3, 1, 4, 1, 5, 9, 2 }, { 1, 2, 1, 0.5, 3, 1, 1 }
    assert.equal(0, l:predict_one { 0 })
    for n = 1, #y do
      l:learn_one({ 0 }, y[n], w[n])
      local above, below = 0, 0
      for i = 1, n do
        local weight = 0.7 ^ (n - i) * w[i]
        above, below = above + weight * y[i], below + weight
      end
      near(above / below, l:predict_one { 1 })
    end
  end)

  it("is the last value with alpha = 1", function()
    local l = E.ewma { alpha = 1 }
    for _, y in ipairs { 3, -7, 1e-9 } do
      l:learn_one({ 0 }, y)
      assert.equal(y, (l:predict_one { 0 }))
    end
  end)

  it("gives the same of classes, which it meets as they come", function()
    local l = E.ewma { alpha = 0.5 }
    for _, y in ipairs { "m", "m", "a" } do l:learn_one({ 0 }, y) end
    local p = l:predict_proba_one { 0 }
    near(1 / 1.75, p.a)
    near(0.75 / 1.75, p.m)
  end)

  it("fits several numbers, and goes on where a file left off", function()
    local l = E.ewma { alpha = 0.5 }
    l:fit({ { 1 }, { 2 } }, { { 2, 20 }, { 5, 50 } })
    local again = assert(moe.undump(l:dump()))
    again:learn_one({ 3 }, { 1, 1 })
    local found = again:predict_one { 0 }
    near((0.25 * 2 + 0.5 * 5 + 1) / 1.75, found[1])
    near((0.25 * 20 + 0.5 * 50 + 1) / 1.75, found[2])
  end)

  it("stays finite for the largest numbers and weights, for ever", function()
    local l = E.ewma { alpha = 0.01 }
    for i = 1, 3000 do
      l:learn_one({ 0 }, (i % 2 == 0 and 1 or -1) * 1.7e308, i % 3 == 0 and 1e300 or 1e-300)
      local value = l:predict_one { 0 }
      assert.is_true(value == value and math.abs(value) < math.huge)
    end
  end)
end)
