-- Copies of a mixture in mid-stream: each goes on by itself, as the other does.
local moe = require "moe"
local data = require "spec.support.data"

local E = moe.experts

local function teach(m, random, n)
  for _ = 1, n do
    local x = { random(), random() }
    m:learn_one(x, 3 * x[1] - x[2])
  end
  return m
end

describe("a copy of a mixture in mid-stream", function()
  it("knows its experts where a list of them moves", function()
    for first = 1, 4 do
      local m = moe.mixture {
        experts = { E.linear {}, E.constant {}, E.ewma {}, E.last_value {} },
        stream = { teach = "all" },
      }
      teach(m, data.uniform(3), 30)
      local copies = { m, m:clone(), m:clone():clone(), assert(moe.undump(m:dump())) }
      for _, each in ipairs(copies) do
        each:remove_expert(first)
        each:add_expert(4, E.rls {})
        teach(each, data.uniform(4), 5)
      end
      for k = 2, 4 do assert.is_true(m:dump() == copies[k]:dump()) end
      assert.same({ ["1"] = 35, ["2"] = 35, ["3"] = 35, ["4"] = 5 }, m:stats().learned)
    end
  end)
end)
