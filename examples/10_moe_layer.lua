-- A sparse layer against a dense one that does as many products for each row. What is to be
-- learned is made of pieces.
local moe = require "moe"
local nn, F = moe.nn, moe.F

local WAVES = { 1, 3, 2, 4 }
local function rows(n, seed)
  local X, y = moe.randn(n, 2, { seed = seed }), {}
  for i = 1, n do
    local a, b = X:get(i, 1), X:get(i, 2)
    local piece = (a > 0 and 1 or 0) + (b > 0 and 2 or 0)
    y[i] = { math.sin(WAVES[piece + 1] * (a + b * (piece - 1.5))) + piece }
  end
  return X, moe.tensor(y)
end

local X, y = rows(2000, 1)
local new_X, new_y = rows(1000, 2)
-- A row passes 16 hidden units in the middle, of which the sparse net has eight sets.
local Net = nn.module "Net"
function Net:init(o)
  self.first = nn.Linear { dim = 2, out_dim = 32, seed = o.seed }
  self.middle = o.middle
  self.last = nn.Linear { dim = 32, out_dim = 1, seed = o.seed + 1 }
end
function Net:forward(x)
  local h, routing = self.middle(F.tanh(self.first(x)))
  return self.last(h), routing
end

local function say(name, epoch, net)
  moe.no_grad(function()
    local answer, routing = net(new_X)
    local shares, load = {}, routing and routing:stats().load or {}
    for e, share in ipairs(load) do shares[e] = ("%2.0f%%"):format(100 * share) end
    print(("%-6s epoch %3d  RMSE on new rows %.3f  %s"):format(
      name, epoch, math.sqrt(F.mse(answer, new_y):get(1)), table.concat(shares, " ")))
  end)
end

local function train(name, net)
  local optimiser = moe.optim.adam(net:parameters(), { lr = 0.005 })
  for epoch = 1, 100 do
    for x, t in moe.data.loader { X = X, y = y, batch = 100, shuffle = true, seed = epoch } do
      optimiser:zero_grad()
      local answer, routing = net(x)
      local loss = F.mse(answer, t)
      if routing then loss = loss + routing:balance_loss() * 0.01 end
      loss:backward()
      optimiser:step()
    end
    if epoch % 25 == 0 then say(name, epoch, net:eval()) end
    net:train()
  end
end

train("dense", Net { middle = nn.FeedForward { dim = 32, hidden = 16, seed = 3 }, seed = 1 })
train("sparse", Net { seed = 1,
  middle = nn.MoE { dim = 32, hidden = 16, experts = 8, router = "switch", seed = 3 } })
