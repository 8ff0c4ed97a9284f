-- Fashion-MNIST (60,000 and 10,000 pictures of 28 × 28, ten kinds of clothes; Debian's
-- dataset-fashion-mnist): a network; the same with the middle a sparse layer that asks two of
-- eight experts, which are small networks, and does as many products for a picture; and a
-- mixture of four networks, whose gate learned from 10,000 pictures that they did not. Labels
-- are smoothed by 0.1.
--
-- Published (the data set's README): a network of 256-128-64 units 0.900, boosted trees
-- 0.898, people 0.835.
--
--   moe bench/proofs/fashion.lua [epochs, 15] [folder]
local moe = require "moe"
local nn, S = moe.nn, moe.stages
local epochs = tonumber(arg[1]) or 15
local folder = arg[2] or "/usr/share/datasets/fashion-mnist"

local function read(part)
  local path = folder .. "/" .. part .. "-%s-ubyte.gz"
  local X, message = moe.data.read_idx(path:format "images-idx3", { float = true })
  if not X then return nil, message end
  local y = assert(moe.data.read_idx(path:format "labels-idx1")):totable()
  for i, id in ipairs(y) do y[i] = "class " .. math.floor(id) end
  return X:reshape(#X, 784) / 255, y
end

local X, y = read "train"
if not X then
  print("fashion: " .. y)
  return
end
local new_X, new_y = read "t10k"

local Net = nn.module "Net"
function Net:init(o)
  self.middle = o.middle
  self.first = nn.Linear { dim = 784, out_dim = 256, seed = self:seed_of "first" }
  self.norm = nn.LayerNorm { dim = 256 }
  self.drop_1 = nn.Dropout { p = 0.2, seed = self:seed_of "drop_1" }
  self.drop_2 = nn.Dropout { p = 0.3, seed = self:seed_of "drop_2" }
  self.last = nn.Linear { dim = 256, out_dim = 10, seed = self:seed_of "last" }
end
function Net:forward(x)
  local h = moe.F.gelu(self.first(self.drop_1(x)))
  local y_of, routing = self.middle(h)
  return self.last(self.drop_2(self.norm(h + y_of))), routing
end

local function dense(seed)
  local middle = nn.FeedForward { dim = 256, hidden = 512, activation = "gelu", seed = seed }
  return Net { middle = middle, seed = seed }
end
local function sparse(seed)
  local middle = nn.MoE {
    dim = 256, hidden = 256, experts = 8, top_k = 2, activation = "gelu", seed = seed,
  }
  return Net { middle = middle, seed = seed }
end

local function network(module, seed)
  return moe.experts.network {
    module = module, epochs = epochs, batch_size = 128, lr = 2e-3, weight_decay = 0.02,
    loss = function(output, ids) return moe.F.cross_entropy(output, ids, { smoothing = 0.1 }) end,
    seed = seed, warm = true,
    schedule = function(optimiser, steps)
      return moe.optim.schedules.cosine(optimiser, { steps = steps })
    end,
  }
end

local function measure(name, modules, model, fit)
  local begin, parameters = moe.now(), 0
  fit(model)
  for _, module in ipairs(modules) do parameters = parameters + module:size() end
  print(("%-40s %8d parameters  accuracy on new rows %.4f  %.0f s"):format(
    name, parameters, model:score(new_X, new_y), moe.now() - begin))
end

local function fit(model) model:fit(X, y) end
local one, two_of_eight = dense(1), sparse(1)
measure("a network", { one }, network(one, 1), fit)
measure("with two of eight experts in its middle", { two_of_eight }, network(two_of_eight, 1), fit)

-- Their gate has to know how they do on pictures that they did not learn from.
local cut, modules, experts = 50000, {}, {}
local learned, held = { X = X:rows(1, cut), y = {} }, { X = X:rows(cut + 1, #X), y = {} }
for i, label in ipairs(y) do
  if i <= cut then learned.y[i] = label else held.y[i - cut] = label end
end
for i = 1, 4 do
  modules[i] = dense(i)
  experts[i] = network(modules[i], i)
end
local four = moe.mixture {
  experts = experts, gate = moe.gates.mlp { epochs = 5, lr = 0.002 }, seed = 1,
}
measure("a mixture of four networks", modules, four, function(m)
  moe.schedule { S.pretrain {} }:fit(m, learned)
  moe.schedule { S.gate { unseen = true } }:fit(m, held)
end)
