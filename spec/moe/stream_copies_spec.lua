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

-- Its experts are forked while the world changes.
local function forking(experts)
  return moe.mixture {
    experts = experts or { a = E.linear { lr = 0.1 }, b = E.rls {}, c = E.ewma {} },
    stream = { drift = "page_hinkley", on_drift = "fork", drift_threshold = 0.5 },
  }
end

local function turn(m, random, n)
  for i = 1, n do
    local x = { random(), random() }
    m:learn_one(x, i % 100 < 50 and 3 * x[1] or 9 - 5 * x[2])
  end
  return m
end

local function count_forks(m)
  local n = 0
  for _ in pairs(m:get_params("stream"):get_params("forks") or {}) do n = n + 1 end
  return n
end

describe("the forks of a mixture", function()
  it("are forgotten by reset", function()
    local m, fresh = turn(forking(), data.uniform(5), 260), forking()
    assert.is_true(count_forks(m) > 0)
    m:reset()
    assert.equal(0, count_forks(m))
    for _, each in ipairs { m, fresh } do turn(each, data.uniform(6), 260) end
    assert.is_true(m:dump() == fresh:dump())
  end)

  it("go with what it has learned where that is assigned", function()
    local m, other = turn(forking(), data.uniform(5), 260), turn(forking(), data.uniform(7), 20)
    local forks = count_forks(m)
    assert.is_true(forks > 0 and count_forks(other) ~= forks)
    other:assign(m)
    assert.equal(forks, count_forks(other))
    assert.is_true(m:dump() == other:dump())
    for _, each in ipairs { m, other } do turn(each, data.uniform(8), 100) end
    assert.is_true(m:dump() == other:dump())
    m:assign(forking())
    assert.equal(0, count_forks(m))
  end)

  it("may have forks of their own", function()
    local m = forking { inside = forking(), b = E.rls { forgetting = 0.9 } }
    turn(m, data.uniform(9), 1500)
    local overs = 0
    for _, event in ipairs(m:stats().events) do
      overs = overs + ((event.kind == "take_over" and event.expert == "inside") and 1 or 0)
    end
    assert.is_true(overs > 0)
    assert.is_true(m:dump() == assert(moe.undump(m:dump())):dump())
  end)
end)

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
