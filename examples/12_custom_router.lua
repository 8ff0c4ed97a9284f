-- A gating network of one's own: any module that gives rows × experts logits. Here which law
-- holds depends on how far out a row is; no linear gate can say that. This one gives each
-- expert a ring, and the radii of the rings learn with the experts.
local moe = require "moe"
local nn, F = moe.nn, moe.F

local Rings = nn.module "Rings"
function Rings:init(o)
  local radii = {}
  for e = 1, o.experts do radii[e] = e end
  self.radii = self:parameter(moe.tensor { radii })
  self.sharpness = self:parameter(moe.ones(1))
end
function Rings:forward(x)
  local off = (x * x):sum(2, true):sqrt() - self.radii
  return off * off * -1 * self.sharpness
end

local SLOPES = { 3, -3, 1 }
local function rows(n, seed)
  local X, y = moe.randn(n, 2, { seed = seed }) * 1.5, {}
  for i = 1, n do
    local a, b = X:get(i, 1), X:get(i, 2)
    y[i] = { SLOPES[math.min(3, math.ceil(math.sqrt(a * a + b * b)))] * a }
  end
  return X, moe.tensor(y)
end
local X, y = rows(2000, 1)
local new_X, new_y = rows(1000, 2)
local function train(name, gate)
  local layer = nn.MoE {
    dim = 2, hidden = 4, out_dim = 1, experts = 3, router = "switch", gate = gate, seed = 5,
  }
  local optimiser = moe.optim.adam(layer:parameters(), { lr = 0.02 })
  local batches = moe.data.loader { X = X, y = y, batch = 50, shuffle = true }
  for _ = 1, 20 do
    for x, t in batches do
      optimiser:zero_grad()
      local answer, routing = layer(x)
      local loss = F.mse(answer, t) + routing:balance_loss() * 0.01
      loss:backward()
      optimiser:step()
    end
  end
  moe.no_grad(function()
    print(("%-16s RMSE on new rows %.3f"):format(
      name, math.sqrt(F.mse((layer(new_X)), new_y):get(1))))
  end)
  return layer
end
-- Lines of the plane from -4 to 4: the number of the expert that answers at each point.
local function map(layer)
  local lines = {}
  for i = 1, 11 do
    local points = {}
    for j = 1, 31 do points[j] = { (j - 16) / 15 * 4, (6 - i) / 5 * 4 } end
    local _, routing = moe.no_grad(layer, moe.tensor(points))
    lines[i] = table.concat(routing.indices:reshape(-1):totable())
  end
  return lines
end

local rings = Rings { experts = 3 }
local linear, ringed = map(train("a linear gate", "linear")), map(train("a gate of rings", rings))
print "\nwho answers where"
for i, line in ipairs(linear) do print("  " .. line .. "    " .. ringed[i]) end
local r = rings.radii:totable()[1]
print(("\nthe law changes at 1 and 2, that gate at %.2f and %.2f"):format(
  (r[1] + r[2]) / 2, (r[2] + r[3]) / 2))
