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

-- What tensors, detectors and processes are asked, and how a finaliser takes it away.
local F, core = moe.F, require "moe.core"
local function close_all(o)
  for _, one in pairs(o) do one:close() end
end

-- Tensors of 4 × 4 by name; of 1 × 4 × 4, whose names are capitals.
local function tensors(list)
  return function()
    local o = {}
    for name in list:gmatch "%a" do
      local whole = name:upper() == name
      o[name] = (whole and moe.ones(1, 4, 4) or moe.ones(4, 4)):requires_grad(name ~= "y")
    end
    return o
  end
end
local function detector(kind)
  return function() return { d = moe.drift[kind]() } end
end
local function fork() return { p = core.processes.fork(function() return "sent" end) } end

local ids, chosen = moe.tensor({ 1, 2, 3, 4 }):int(), moe.ones(4, 1):int()
local smoothing, causal, keep = { smoothing = 0.1 }, { causal = false }, { keep = true }
local router, rule = { top_k = 2, noise = moe.ones(4, 4) }, { kind = "sgd", lr = 0.1 }
local weights, leaf = moe.ones(4, 1), moe.ones(4, 4):requires_grad()
local function back(g) return g end
local function spare() return nil end

-- Each makes a table of what the finaliser is to close, and works on it.
local others = {
  { tensors "y", function(o) F.operation(back, o.y, leaf) end },
  { tensors "x y", function(o) F.operation(back, o.y, o.x) end },
  { tensors "x y z", function(o) F.operation(spare, o.y, o.x, o.z) end },
  { tensors "x", function(o) F.cross_entropy(o.x, ids, smoothing) end },
  { tensors "QKV", function(o) F.attention(o.Q, o.K, o.V, 2, causal) end },
  { tensors "xUV", function(o) F.experts(o.x, weights, chosen, { w_in = o.U, w_out = o.V }) end },
  { tensors "x", function(o) (o.x * 2):sum():backward(keep) end },
  { tensors "x", function(o) F.route(o.x, router) end },
  { tensors "x", function(o)
    local _, routed = F.route(moe.ones(4, 4), router)
    F.routing_loss(routed, "switch", o.x)
  end },
  { tensors "x", function(o)
    o.x:sum():backward()
    core.optimise(rule, 1, o.x)
  end },
  { detector "adwin", function(o) o.d:update(1) end },
  { detector "kswin", function(o) return o.d:clone() end },
  { detector "ddm", function(o) return o.d:info() end },
  { detector "page_hinkley", function(o)
    o.d:update(1)
    return o.d:dump(), tostring(o.d), o.d:mean(), o.d:set_params { threshold = 40 }
  end },
  { fork, function(o) core.processes.wait { o.p } end },
}

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

  it("may close the tensors, detectors and processes of any other function", function()
    if not hurries then pending "no collector that can be hurried" end
    local n = 0
    for _, one in ipairs(others) do
      local make, work = one[1], one[2]
      work(make())
      for k = 1, 8 do
        local o = make()
        if not amid(work, o, k, close_all) then break end
        n = n + 1
        close_all(o)
      end
    end
    assert.is_true(n > 20, n)
  end)

  it("may not record the output of an operation before that does", function()
    if not hurries then pending "no collector that can be hurried" end
    local refused = 0
    for k = 1, 4 do
      local x, y = moe.ones(1):requires_grad(), moe.ones(1)
      local done = amid(function()
        local ok, message = pcall(F.operation, function(g) return g end, y, x)
        if not ok and message:find("recorded already", 1, true) then refused = refused + 1 end
      end, y, k, function(out) F.operation(function(g) return g * 3 end, out, x) end)
      y:sum():backward()
      if done then assert.equal(3, x.grad:get(1)) end
    end
    assert.is_true(refused > 0)
  end)

  it("is not waited for: what is closed elsewhere is gone at once", function()
    local before = moe.memory()
    local m = classifier()
    assert.is_true(moe.memory() > before)
    m:close()
    assert.equal(before, moe.memory())
  end)
end)
