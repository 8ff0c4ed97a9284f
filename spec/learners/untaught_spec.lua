-- A part of a mixture that has seen a stream begin and has learned nothing of
-- it yet: it answers that it knows nothing, and is saved and loaded like any
-- other, with the samples that it let pass.
local moe = require "moe"
local core = require "moe.core"
local catalog = require "spec.support.catalog"
local data = require "spec.support.data"
local E, G = moe.experts, moe.gates

local worlds = {
  classification = function() return data.clouds(60, 3, 3) end,
  regression = function() return data.plane(60, 3, 0.1) end,
}

-- All experts are alike to the gate, which selects the first of them for good.
local function mixture_with(expert)
  return moe.mixture {
    experts = { busy = E.constant {}, idle = expert }, gate = G.uniform {}, top_k = 1,
    stream = { teach = "chosen", feedback = "partial", warmup = 0, balance = "none" },
  }
end

local function learn(m, X, y, first, last)
  for i = first, last do m:learn_one(X[i], y[i]) end
  return m
end

local function each_online(visit)
  for _, type in ipairs(core.types()) do
    if type.family == "learner" and type.traits.online and type.name ~= "foreign" then
      for _, task in ipairs { "classification", "regression" } do
        if type.traits[task == "regression" and "regresses" or "classifies"] then
          visit(type, task)
        end
      end
    end
  end
end

describe("an expert that was opened and never taught", function()
  each_online(function(type, task)
    local what = ("%s (%s)"):format(type.name, task)
    it(what .. " is saved, loaded and goes on with the same bits", function()
      local X, y = worlds[task]()
      local m = learn(mixture_with(catalog.new(type, task)), X, y, 1, 20)
      assert.equal(0, m:expert "idle":info().n_seen)
      local again = assert(moe.undump(m:dump()))
      assert.is_true(m:dump() == again:dump())
      local knows = task == "regression" and 0 or nil
      local idle = again:expert "idle"
      assert.equal(knows, task == "regression" and idle:predict { X[1] }[1] or nil)
      if not knows then
        local p = idle:predict_proba { X[1] }
        for k = 1, p.shape[2] do assert.is_true(math.abs(p:get(1, k) - 1 / p.shape[2]) < 1e-6) end
      end
      local copy = m:clone()
      for _, each in ipairs { m, again, copy } do
        each:set_params { stream = moe.streaming { teach = "all", warmup = 0, balance = "none" } }
        learn(each, X, y, 21, 60)
      end
      assert.equal(40, m:expert "idle":info().n_seen)
      assert.is_true(m:dump() == again:dump())
      assert.is_true(m:dump() == copy:dump())
    end)
  end)
end)
