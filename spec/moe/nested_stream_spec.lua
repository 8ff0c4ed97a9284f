-- Mixtures within a mixture that learns from a stream.
local moe = require "moe"
local data = require "spec.support.data"

local E, G = moe.experts, moe.gates

local function inner() return moe.mixture { experts = { E.logistic {}, E.naive_bayes {} } } end

-- Of what happens to `inner`, one sample in three is not learned yet.
local function follow(m, each)
  local u = data.uniform(5)
  for i = 1, 90 do
    local x = { u(), u(), i % 5 }
    each(x, i)
    m:learn_one(x, (i % 3 == 0) == (x[1] > 0.5) and "a" or "b")
  end
end

local function is_whole(m, x)
  assert(m:predict_one(x) == nil or m:predict_proba_one(x).a >= 0)
  assert.equal(2, #m:explain(x).experts)
  local again = assert(moe.undump(m:dump()))
  assert.is_true(m:dump() == again:dump())
  assert.equal(m:predict_one(x), (again:predict_one(x)))
  assert.equal(m:predict_one(x), (m:clone():predict_one(x)))
end

describe("a mixture within a stream's", function()
  it("that begins anew is asked, explained and saved before it learns", function()
    local m = moe.mixture {
      experts = { inside = inner(), other = E.knn { window = 20 } },
      gate = G.softmax { online_lr = 3 },
      stream = { revive = "reset", span = 2, dead_below = 0.9, dead_by = "probability" },
    }
    local resets = 0
    follow(m, function(x, i)
      if i > 1 then is_whole(m, x) end
      local n = m:expert("inside"):info().n_seen
      resets = resets + (i > 1 and n == 0 and 1 or 0)
    end)
    assert.is_true(resets > 3)
  end)

  it("explains with a line that begins anew", function()
    local m = moe.mixture {
      experts = { line = E.linear {}, mean = E.constant {} }, gate = G.uniform {},
      stream = { revive = "reset", span = 1, dead_below = 1, dead_by = "probability" },
    }
    local told = {}
    for i = 1, 20 do
      m:learn_one({ i % 3, i % 5 }, i % 7)
      for _, expert in ipairs(m:explain({ 1, 2 }).experts) do
        if expert.name == "line" then
          told[expert.features and #expert.features > 0 and "moved" or "nothing"] = true
        end
      end
    end
    assert.is_true(told.moved and told.nothing)
  end)

  it("that was never taught is, too", function()
    local m = moe.mixture {
      experts = { busy = E.constant {}, inside = inner() }, gate = G.uniform {}, top_k = 1,
      stream = { teach = "chosen", feedback = "partial" },
    }
    follow(m, function(x, i)
      if i > 1 then is_whole(m, x) end
    end)
    assert.equal(0, m:expert("inside"):info().n_seen)
  end)
end)
