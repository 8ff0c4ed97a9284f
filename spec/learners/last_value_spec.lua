-- The last target again: closed forms.
local moe = require "moe"
local near = require("spec.support.near").within(1e-12)

local E = moe.experts

describe("last_value", function()
  it("repeats numbers, whatever the row", function()
    local l = E.last_value {}
    assert.equal(0, l:predict_one { 1, 2 })
    for i, y in ipairs { 3, -1, 1e300, 5 } do
      l:learn_one({ i, 0 / 0 }, y)
      assert.equal(y, (l:predict_one { 9, 9 }))
    end
    l = E.last_value {}
    l:fit({ { 1 }, { 2 } }, { { 1, 10 }, { 2, 20 } })
    assert.same({ 2, 20 }, l:predict_one { 0 })
  end)

  it("says how often classes repeated: (repeats + 1) / (samples + 2)", function()
    local l = E.last_value {}
    -- of the four samples that have one before them, two are of its class
    for _, y in ipairs { "b", "b", "b", "c", "a" } do l:learn_one({ 0 }, y) end
    local p = l:predict_proba_one { 0 }
    near(3 / 6, p.a)
    near(1.5 / 6, p.b)
    near(1.5 / 6, p.c)
    assert.equal("a", (l:predict_one { 0 }))
  end)

  it("always says the last class, even where none was ever repeated", function()
    local l, wrong = E.last_value {}, 0
    for i = 1, 100 do
      local y = i % 2 == 0 and "even" or "odd"
      if i > 2 and l:predict_one { 0 } == y then wrong = wrong + 1 end
      l:learn_one({ 0 }, y)
    end
    assert.equal(0, wrong)
  end)

  it("counts weights, and skips rows of weight 0", function()
    local l = E.last_value {}
    l:fit({ { 1 }, { 2 }, { 3 }, { 4 } }, { "a", "a", "b", "b" }, { weights = { 1, 3, 1, 0 } })
    local p = l:predict_proba_one { 0 }
    near(4 / 6, p.b)
    near(2 / 6, p.a)
  end)

  it("meets classes as they come, and stays right about the last", function()
    local l = E.last_value {}
    for _, y in ipairs { "m", "z", "a" } do
      l:learn_one({ 0 }, y)
      assert.equal(y, (l:predict_one { 0 }))
    end
    near(1.001 / 3, l:predict_proba_one({ 0 }).a) -- none was of the class before it
    local two = E.last_value {}
    for _, y in ipairs { "b", "a" } do two:learn_one({ 0 }, y) end
    near(1.001 / 2, two:predict_proba_one({ 0 }).a)
    local copy = assert(moe.undump(l:dump()))
    assert.equal("a", (copy:predict_one { 0 }))
    assert.same({ "a", "m", "z" }, copy:classes())
  end)

  it("takes columns of strings, missing values and the largest weights", function()
    local t = moe.data.table {
      columns = { s = { "x", "y", false }, y = { "p", "q", "q" } }, target = "y",
    }
    local l = E.last_value {}
    l:fit(t)
    assert.equal("q", l:predict(t)[1])
    for _ = 1, 5 do l:learn_one({ s = "x" }, "p", 1e308) end
    local p = l:predict_proba_one { s = "new" }
    near(1, p.p + p.q)
  end)
end)
