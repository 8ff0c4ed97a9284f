-- A training step in steady state asks the system for nothing, and what it leaves
-- to Lua's collector is small.
local moe = require "moe"
local core = require "moe.core"

local nn, F = moe.nn, moe.F

-- Lua's own bytes for one tensor: a userdata of 40 bytes and its head, as malloc and
-- the collector's count have it; and for one routing: its table, metatable and box.
local TENSOR, ROUTING = 96, 1400

local function trainer(net, x, y, optimiser)
  local opt = moe.optim[optimiser](net:parameters(), { lr = 1e-3 })
  return function()
    opt:zero_grad()
    local out, routing = net(x)
    local loss = F.mse(out, y)
    if routing then loss = loss + 0.01 * routing:balance_loss() end
    loss:backward()
    opt:step()
    return loss:get(1)
  end
end

-- The steps, how many tensors each makes in Lua, and how many routings.
local works = {
  { "of a perceptron", 4, 0, function()
    local net = nn.Sequential {
      nn.Linear { dim = 16, out_dim = 16 }, F.relu, nn.Linear { dim = 16, out_dim = 1 },
    }
    return trainer(net, moe.randn(4, 16), moe.ones(4, 1), "sgd")
  end },
  { "of a transformer's block", 17, 0, function()
    local net = nn.TransformerBlock { dim = 8, heads = 2, dropout = 0.1 }
    return trainer(net, moe.randn(2, 4, 8), moe.ones(2, 4, 8), "adamw")
  end },
  { "of a sparse layer", 9, 1, function()
    local net = nn.Sequential { nn.MoE { dim = 8, hidden = 8, experts = 4, top_k = 2 } }
    return trainer(net, moe.randn(16, 8), moe.ones(16, 8), "adam")
  end },
  { "with an operation in Lua, and without gradients", 6, 0, function()
    local w, x = moe.randn(4, 4):requires_grad(), moe.randn(4, 4)
    local function back(g) return g * x * 2 end
    return function()
      local out = moe.no_grad(function() return w * x * 2 end)
      F.operation(back, out, w):sum():backward()
    end
  end },
}

local function repeated(n, step)
  for _ = 1, n do step() end
end

-- 1,000 steps of which none is given memory by the system: what ails them (nil), and
-- bytes of Lua's and blocks of the engine's that they leave, a step.
local function without_system(step)
  core._trim()
  repeated(100, step)
  collectgarbage()
  collectgarbage "stop"
  repeated(10, step)
  local bytes, blocks, charged = collectgarbage "count", core._live(), moe.memory()
  core._fail_after(0)
  local ok, message = pcall(repeated, 1000, step)
  core._fail_after(-1)
  bytes = (collectgarbage "count" - bytes) * 1024 / 1000
  blocks, charged = core._live() - blocks, moe.memory() - charged
  collectgarbage "restart"
  return not ok and message or nil, bytes, blocks, charged
end

describe("1,000 steps without the collector", function()
  for _, work in ipairs(works) do
    local name, tensors, routings, make = (table.unpack or unpack)(work) -- luacheck: ignore 113
    it(name .. " take nothing from the system", function()
      local message, bytes, blocks, charged = without_system(make())
      assert.is_nil(message)
      assert.is_true(blocks <= 0)
      assert.is_true(charged <= 0)
      local most = tensors * TENSOR + routings * ROUTING + 200
      assert.is_true(bytes <= most, ("%.0f bytes a step, %d at most"):format(bytes, most))
    end)
  end
end)
