-- reset_state(): what came last is forgotten, what was learned is not.
local moe = require "moe"

local E = moe.experts

local function teach(model, first, last)
  for i = first, last do model:learn_one({ math.sin(i) }, math.cos(0.7 * i)) end
  return model
end

local makers = {
  ar = function() return E.ar {} end,
  esn = function() return E.esn { seed = 1 } end,
  ssm = function() return E.ssm {} end,
}

describe("reset_state", function()
  for name, make in pairs(makers) do
    it("of " .. name .. ": answers do not depend on the past any more", function()
      -- the same weights after the same samples, and other samples that only came by
      local a = teach(make(), 1, 80)
      local b = a:clone()
      for i = 1, 5 do b:learn_one({ i }, -i, 0) end
      assert.are_not.equal(a:predict_one { 0.3 }, b:predict_one { 0.3 })
      local before = a:predict_one { 0.3 }
      assert.equal(a, a:reset_state())
      b:reset_state()
      assert.are_not.equal(before, a:predict_one { 0.3 })
      assert.equal(a:predict_one { 0.3 }, b:predict_one { 0.3 })
      teach(a, 1, 20)
      teach(b, 1, 20)
      assert.equal(a:dump(), b:dump())
    end)

    it("of " .. name .. " in a mixture", function()
      local parent = moe.mixture { experts = { a = make(), b = E.linear {} } }
      teach(parent, 1, 40)
      local before, own = parent:predict_one { 0.3 }, parent:expert("a"):clone():reset_state()
      parent:reset_state()
      assert.are_not.equal(before, parent:predict_one { 0.3 })
      assert.equal(own:predict_one { 0.3 }, parent:expert("a"):predict_one { 0.3 })
    end)
  end

  it("keeps what was learned", function()
    local model = E.ar { order = 1 }
    for i = 1, 200 do model:learn_one({ i % 7 }, 2 * (i % 7) + 1) end
    model:reset_state()
    assert.is_true(math.abs(model:predict_one { 5 } - 11) < 0.5, model:predict_one { 5 })
  end)

  it("does nothing to those without a memory, or before they began", function()
    local line = teach(E.linear {}, 1, 20)
    local before = line:dump()
    line:reset_state()
    assert.equal(before, line:dump())
    assert.is_true(pcall(function() E.esn {}:reset_state() end))
  end)

  it("waits for nobody: refused while the model is being fitted", function()
    local model = teach(E.ar {}, 1, 20)
    local job = model:start_fit({ { 1 }, { 2 } }, { 1, 2 })
    assert.is_false((pcall(model.reset_state, model)))
    while not job:step {} do end
    job:commit()
    assert.equal(model, model:reset_state())
  end)
end)
