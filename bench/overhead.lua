-- What an operation costs beside its arithmetic: the sum of two tensors of one item,
-- without and with a gradient, and a step of training a network of 16, 16 and 1 units
-- on one row, in Lua 5.4 and LuaJIT and in PyTorch; one thread, CPU times, the least of
-- many short rounds that take turns.
--   make module program && build/moe bench/overhead.lua

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path

local ROUNDS = 3

local function nanoseconds(visits, visit)
  local best = math.huge
  for _ = 1, 30 do
    local start = os.clock()
    visit(visits)
    best = math.min(best, os.clock() - start)
  end
  return best / visits * 1e9
end

local function adding(a, b)
  return function(n)
    for _ = 1, n do local _ = a + b end
  end
end

local function training(moe)
  local nn, F = moe.nn, moe.F
  local net = nn.Sequential {
    nn.Linear { dim = 16, out_dim = 16 }, F.relu, nn.Linear { dim = 16, out_dim = 1 },
  }
  local optimiser = moe.optim.sgd(net:parameters(), { lr = 1e-3 })
  local x, y = moe.randn(1, 16), moe.ones(1, 1)
  return function(n)
    for _ = 1, n do
      optimiser:zero_grad()
      F.mse(net(x), y):backward()
      optimiser:step()
    end
  end
end

-- In a Lua of its own: prints a line with the nanoseconds of each.
local function measure()
  local moe = require "moe"
  local plain, leaf = moe.ones(1), moe.ones(1):requires_grad()
  print(nanoseconds(20000, adding(plain, plain)), nanoseconds(20000, adding(leaf, plain)),
    nanoseconds(500, training(moe)))
end

-- The same in another Lua, with the module that was built for it.
local function measured_in(lua, abi)
  local folder, build = arg[0]:match "^.*/" or "./", arg[-1]:match "^.*/" or "./"
  local command = "LUA_PATH='%s../lua/?.lua;%s../lua/?/init.lua' LUA_CPATH='%s%s/?.so' "
    .. "%s '%s' measure"
  local pipe = assert(io.popen(command:format(folder, folder, build, abi, lua, arg[0])))
  local line, figures = pipe:read "*a", {}
  pipe:close()
  for word in line:gmatch "%S+" do figures[#figures + 1] = tonumber(word) end
  return figures
end

local function compare()
  local support = require "support"
  local sides = {
    { "Lua 5.4", function() return measured_in("lua5.4", "5.4") end, {} },
    { "LuaJIT", function() return measured_in("luajit", "5.1") end, {} },
    { "PyTorch", function() return support.peer("overhead.py")[1] or {} end, {} },
  }
  for _ = 1, ROUNDS do
    for _, side in ipairs(sides) do
      for k, figure in ipairs(side[2]()) do
        side[3][k] = math.min(side[3][k] or math.huge, figure)
      end
    end
  end
  for k, title in ipairs { "add", "add, recorded", "training step" } do
    local theirs = sides[3][3][k] or 0 / 0
    print(("%-14s PyTorch %8.0f ns"):format(title, theirs))
    for side = 1, 2 do
      local ours = sides[side][3][k] or 0 / 0
      print(("  %-12s %9.0f ns, %5.2f times less"):format(sides[side][1], ours, theirs / ours))
    end
  end
end

if arg[1] == "measure" then measure() else compare() end
