-- A sparse layer against a dense one that does as many products for each row. What is to be
-- learned is four waves, one in each quarter of the plane.
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

local function say(epoch, net)
  local answer, routing = net(new_X)
  local shares, load = {}, routing and routing:stats().load or {}
  for e, share in ipairs(load) do shares[e] = ("%2.0f%%"):format(100 * share) end
  print(("  epoch %2d  RMSE on new rows %.3f  %s"):format(
    epoch, math.sqrt(F.mse(answer, new_y):get(1)), table.concat(shares, " ")))
end

local function train(name, net)
  print(("%s, %d weights"):format(name, net:size()))
  local optimiser = moe.optim.adam(net:parameters(), { lr = 0.02 })
  local batches = moe.data.loader { X = X, y = y, batch = 100, shuffle = true }
  local rate = moe.optim.schedules.cosine(optimiser, { steps = 80 * batches:count() })
  for epoch = 1, 80 do
    for x, t in batches do
      optimiser:zero_grad()
      local answer, routing = net(x)
      local loss = F.mse(answer, t)
      if routing then loss = loss + routing:balance_loss() * 0.05 end
      loss:backward()
      optimiser:step()
      rate:step()
    end
    if epoch % 20 == 0 then moe.no_grad(say, epoch, net) end
  end
  return net
end

train("dense", Net { middle = nn.FeedForward { dim = 32, hidden = 16, seed = 3 }, seed = 1 })
local layer = nn.MoE { dim = 32, hidden = 16, experts = 8, router = "switch", seed = 3 }
local net = train("sparse: the load of each expert", Net { middle = layer, seed = 1 })
print "\nwho answers where"
for up = 2, -2, -0.4 do
  local points = {}
  for i = 1, 41 do points[i] = { (i - 21) / 10, up } end
  local _, routing = net(moe.tensor(points))
  print("  " .. table.concat(routing.indices:reshape(-1):totable()))
end
