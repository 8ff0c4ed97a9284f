-- The collector does not see the engine's memory, and is told of it.
local moe = require "moe"
local core = require "moe.core"
local catalog = require "spec.support.catalog"
local data = require "spec.support.data"

local E = moe.experts

local MIB = 2 ^ 20

local function settle()
  core._trim()
  for _ = 1, 3 do collectgarbage() end
  core._trim()
end

describe("memory outside the heap", function()
  before_each(settle)

  it("is counted, and no longer when it is gone", function()
    local before = moe.memory()
    local z = moe.zeros(512, 512)
    assert.equal(before + MIB, moe.memory())
    z:close()
    assert.equal(before, moe.memory())
    z = moe.zeros(512, 512)
    assert.equal(512, z.shape[1])
    z = nil -- luacheck: ignore 311
    settle()
    assert.equal(before, moe.memory())
  end)

  it("of 2,000 temporaries of 1 MiB never adds up", function()
    local before, most = moe.memory(), 0
    for _ = 1, 2000 do
      moe.zeros(512, 512)
      most = math.max(most, moe.memory() - before)
    end
    assert.is_true(most <= 128 * MIB, most / MIB .. " MiB")
  end)

  it("does not add up beside what is kept", function()
    local kept = {}
    for i = 1, 100 do kept[i] = moe.zeros(512, 512) end
    local before, most = moe.memory(), 0
    for _ = 1, 500 do
      moe.zeros(512, 512)
      most = math.max(most, moe.memory() - before)
    end
    assert.is_true(most <= 2 * 100 * MIB, most / MIB .. " MiB")
    assert.equal(100, #kept)
  end)

  it("of models and their predictions is counted too", function()
    local X, y = data.clouds(2000, 4, 4)
    X = moe.tensor(X)
    local f = E.forest { trees = 20 }
    local before = moe.memory()
    f:fit(X, y)
    assert.is_true(moe.memory() - before >= f:info().bytes - 1000)
    settle()
    local most
    before, most = moe.memory(), 0
    for _ = 1, 300 do
      f:clone()
      most = math.max(most, moe.memory() - before)
    end
    assert.is_true(most <= 128 * MIB + 10 * f:info().bytes, most / MIB .. " MiB")
  end)

  it("is let go though a finaliser fails", function()
    local finalised = false
    local function leave_a_trap()
      local function fail()
        finalised = true
        error "a finaliser's"
      end
      if rawget(_G, "newproxy") then
        getmetatable(newproxy(true)).__gc = fail -- luacheck: ignore 113
      else
        setmetatable({}, { __gc = fail })
      end
    end
    leave_a_trap()
    local before, most = moe.memory(), 0
    for _ = 1, 1000 do
      pcall(moe.zeros, 512, 512)
      most = math.max(most, moe.memory() - before)
    end
    pcall(collectgarbage)
    assert.is_true(finalised)
    assert.is_true(most <= 128 * MIB, most / MIB .. " MiB")
  end)

  it("has finalisers that close what is just being read", function()
    local reads = {
      function(t) return t:row(1) end, function(t) return t[2] end,
      function(t) return t:reshape(-1) end, function(t) return t.shape end,
      function(t) return t:totable() end, tostring,
      function(t) return moe.F.concat({ t, t }, 1) end,
      function(t) return moe.F.route(t, { top_k = 1 }) end,
    }
    local pause, closed = collectgarbage("setpause", 100), 0
    local speed = collectgarbage("setstepmul", 1000)
    collectgarbage() -- the pause counts from here
    local function leave_to_be_closed(t)
      local function close()
        closed = closed + 1
        t:close()
      end
      if rawget(_G, "newproxy") then
        getmetatable(newproxy(true)).__gc = close -- luacheck: ignore 113
      else
        setmetatable({}, { __gc = close })
      end
    end
    for i = 1, 400 do -- the address sanitizer watches
      local t, read = moe.randn { 6, 6 }, reads[i % #reads + 1]
      leave_to_be_closed(t)
      for _ = 1, 40 do
        if not pcall(read, t) then break end
      end
    end
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", speed)
    assert.is_true(closed > 0)
  end)

  it("leaves no block behind when everything is gone", function()
    local X, y = data.clouds(30, 2, 2)
    local function life()
      local m = moe.mixture { experts = { a = E.tree {}, b = E.constant {} } }
      m:fit(X, y)
      m:predict(moe.tensor(X))
      m:explain(X[1])
      tostring(m)
    end
    life()
    settle()
    local before = core._live()
    for _ = 1, 5 do life() end
    settle()
    assert.equal(before, core._live())
  end)

  it("leaves none when it runs out in the middle of a callback", function()
    local X, y = data.clouds(12, 2, 2)
    local function life()
      local m = moe.mixture {
        experts = { a = catalog.expert_in_lua(), b = E.constant {} },
        gate = catalog.gate_in_lua(),
        folds = 2,
      }
      m:fit(X, y)
      m:predict(X)
      m:clone():dump()
    end
    life()
    settle()
    local before, n, ok = core._live(), 0, false
    while not ok do
      core._fail_after(n)
      local message
      ok, message = pcall(life)
      core._fail_after(-1)
      assert.is_true(ok or tostring(message):find "memory" ~= nil, tostring(message))
      settle()
      assert.equal(before, core._live())
      n = n + 1 + math.floor(n / 30)
    end
    assert.is_true(n > 100)
  end)
end)
