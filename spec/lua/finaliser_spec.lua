-- Finalisers run wherever Lua makes something, so in the middle of methods too: what
-- they do to the object of such a method must not pull it away from under it.  Where
-- that fails the program does, at the latest under the address sanitizer.
local moe = require "moe"
local E = moe.experts

local X, numbers, names = {}, {}, {}
for i = 1, 20 do
  X[i] = { i % 7 / 3 - 1, i % 5 / 2 - 1 }
  numbers[i] = X[i][1] - X[i][2]
  names[i] = numbers[i] > 0 and "up" or "down"
end
local T = moe.tensor(X)

local function finalised_by(work) setmetatable({}, { __gc = work }) end

-- The collector goes round whenever it is asked, or as it usually does.  Lua 5.4's alone
-- can be made to, however large the heap is that other specs have left.
local hurries = _VERSION == "Lua 5.4"
local function hurry() collectgarbage("incremental", 1, 1000, 22) end
local function calm() collectgarbage("incremental", 200, 100, 13) end

-- Calls method(object), the collector doing all it can; at the k-th finaliser that runs
-- meanwhile `act` is called.  Whether it was.
local function amid(method, object, k, act)
  local armed, done = true, false
  local function leave()
    finalised_by(function()
      if not armed then return end
      k = k - 1
      if k > 0 then return leave() end
      armed, done = false, true
      act(object)
    end)
  end
  hurry()
  collectgarbage()
  collectgarbage "stop"
  leave()
  collectgarbage "restart"
  pcall(method, object)
  armed = false
  calm()
  return done
end

local function classifier() return E.naive_bayes {}:learn_many(T, names) end
local function mixture()
  return moe.mixture { experts = { a = E.linear {}, b = E.constant {} } }:learn_many(T, numbers)
end

-- Made before, so that nothing is made before a method is called.
local sample, holed = { 1, 2 }, { 1, false }
local methods = {
  { mixture, function(m) m:info() end },
  { mixture, function(m) m:get_params() end },
  { mixture, tostring },
  { mixture, function(m) m:predict(X) end },
  { mixture, function(m) m:learn_many(X, numbers) end },
  { mixture, function(m) m:route_one(sample) end },
  { mixture, function(m) m:clone() end },
  { classifier, function(m) m:learn_one(holed, "left") end },
  { classifier, function(m) m:test_then_learn(sample, "new") end },
  { classifier, function(m) m:predict_proba_one(sample) end },
  { classifier, function(m) m:predict_proba(T) end },
  { classifier, function(m) m:classes() end },
  { classifier, function(m) m:fit(X, names) end },
}

-- How often `act` came in the middle, at one of the first `most` chances; `after` sees
-- what is left of the object.
local function count(most, act, after)
  local n = 0
  for _, one in ipairs(methods) do
    local make, method = one[1], one[2]
    for k = 1, most do
      local m = make()
      if not amid(method, m, k, act) then break end
      n = n + 1
      if after then after(m) end
      m:close()
    end
  end
  return n
end

describe("a finaliser in the middle of a method", function()
  it("may close its object, which then is closed", function()
    if not hurries then pending "no collector that can be hurried" end
    local closed = 0
    count(6, function(m) m:close() end, function(m)
      local ok, message = pcall(m.info, m) -- what has given the object back has opened it
      if not ok and message:find("closed", 1, true) then closed = closed + 1 end
    end)
    assert.is_true(closed > 3)
  end)

  it("may not change it", function()
    if not hurries then pending "no collector that can be hurried" end
    local changes = {
      reset = function(m) m:reset() end,
      fit = function(m) m:fit({ { 1, 2, 3 }, { 3, 2, 1 } }, { 1, 2 }) end,
      learn_many = function(m) m:learn_many({ { 1, 2 } }, { "yet another" }) end,
      learn_one = function(m) m:learn_one({ 1, 2 }, "yet another") end,
      assign = function(m) m:assign(m:clone()) end,
      set_params = function(m) m:set_params {} end,
    }
    for name, change in pairs(changes) do
      local refused = 0
      local n = count(2, function(m)
        local ok, message = pcall(change, m)
        message = tostring(message)
        if not ok and (message:find "in use" or message:find "being fitted") then
          refused = refused + 1
        end
      end)
      -- the first of some methods comes before they have begun
      assert.is_true(refused > 5, ("%s: %d of %d"):format(name, refused, n))
    end
  end)

  it("is not waited for: what is closed elsewhere is gone at once", function()
    local before = moe.memory()
    local m = classifier()
    assert.is_true(moe.memory() > before)
    m:close()
    assert.equal(before, moe.memory())
  end)
end)
