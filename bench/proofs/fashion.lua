-- Fashion-MNIST (60,000 and 10,000 pictures of 28 × 28, ten kinds of clothes; Debian's
-- dataset-fashion-mnist): networks of one hidden layer, alone and as the experts of a sparse
-- layer that asks two of eight, all the same number of epochs.
--
-- Published (the data set's README): MLPs of scikit-learn 0.87 to 0.88; boosted trees 0.88.
--
--   moe bench/proofs/fashion.lua [epochs, 15] [folder]
local moe = require "moe"
local nn = moe.nn
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

local Net = nn.module "Net"
function Net:init(o)
  self.middle = o.middle
  self.first = nn.Linear { dim = 784, out_dim = 256, seed = 1 }
  self.norm = nn.LayerNorm { dim = 256 }
  self.drop_1, self.drop_2 = nn.Dropout { p = 0.2, seed = 2 }, nn.Dropout { p = 0.3, seed = 3 }
  self.last = nn.Linear { dim = 256, out_dim = 10, seed = 4 }
end
function Net:forward(x)
  local h = moe.F.gelu(self.first(self.drop_1(x)))
  local y, routing = self.middle(h)
  return self.last(self.drop_2(self.norm(h + y))), routing
end

local X, y = read "train"
if not X then
  print("fashion: " .. y)
  return
end
local new_X, new_y = read "t10k"

local function measure(name, middle)
  local e = moe.experts.network {
    module = Net { middle = middle }, epochs = epochs, batch_size = 128, lr = 2e-3, seed = 1,
    weight_decay = 0.02,
    schedule = function(optimiser, steps)
      return moe.optim.schedules.cosine(optimiser, { steps = steps })
    end,
  }
  local begin = moe.now()
  e:fit(X, y)
  print(("%-24s %8d parameters  accuracy on new rows %.4f  %.0f s"):format(
    name, e:behind().module:size(), e:score(new_X, new_y), moe.now() - begin))
end

measure("dense", nn.FeedForward { dim = 256, hidden = 512, activation = "gelu", seed = 5 })
measure("two of eight experts", nn.MoE {
  dim = 256, hidden = 256, experts = 8, top_k = 2, activation = "gelu", seed = 5,
})
