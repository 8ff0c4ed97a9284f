-- Fashion-MNIST (Debian's dataset-fashion-mnist): three networks, each pretrained on the
-- classes of its own group, then a router, then all together; what each stage bought.
--   moe examples/13_fashion.lua [training rows, 60000] [folder]
local moe = require "moe"
local nn, S = moe.nn, moe.stages
local rows, folder = tonumber(arg[1]) or 60000, arg[2] or "/usr/share/datasets/fashion-mnist"

local NAMES = {
  "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
}
local GROUPS = {
  ["T-shirt"] = "tops", pullover = "tops", coat = "tops", shirt = "tops", dress = "long",
  trouser = "long", sandal = "shoes", sneaker = "shoes", boot = "shoes", bag = "long",
}

local function read(part, most)
  local path = folder .. "/" .. part .. "-%s-ubyte.gz"
  local X, message = moe.data.read_idx(path:format "images-idx3", { float = true })
  if not X then return nil, message end
  local ids = assert(moe.data.read_idx(path:format "labels-idx1"))
  local n, y, groups = math.min(most, #X), {}, {}
  for i = 1, n do
    y[i] = NAMES[ids:get(i) + 1]
    groups[i] = GROUPS[y[i]]
  end
  return X:rows(1, n):reshape(n, 784) / 255, y, groups
end
local X, y, subsets = read("train", rows)
if not X then
  print("13_fashion: " .. y .. "\n  apt-get install dataset-fashion-mnist gives it")
  return
end
local new_X, new_y = read("t10k", 10000)

local function network(module, epochs, warm)
  local expert = moe.experts.network {
    module = module, classes = NAMES, epochs = epochs, batch_size = 64, lr = 1e-3, seed = 1,
    standardize = false, warm = warm,
  }
  return expert, expert:behind()
end
local function mlp(seed)
  return network(nn.FeedForward { dim = 784, hidden = 128, out_dim = #NAMES, seed = seed }, 4)
end
local function say(what, model)
  print(("%-32s accuracy on new rows %.4f"):format(what, model:score(new_X, new_y)))
end

-- Each expert learns its group; then the gate of a mixture who is to be asked.
local tops, of_tops = mlp(1)
local long, of_long = mlp(2)
local shoes, of_shoes = mlp(3)
local m = moe.mixture {
  experts = { tops = tops, long = long, shoes = shoes }, gate = moe.gates.softmax {}, seed = 1,
}
local function score() say("pretrained, and a gate", m) end
moe.schedule { S.pretrain {}, S.gate {}, score }:fit(m, { X = X, y = y, subsets = subsets })

-- The same networks in one layer: frozen while its router learns, then all together.
local experts = { of_tops.module:clone(), of_long.module:clone(), of_shoes.module:clone() }
for _, expert in ipairs(experts) do expert:trainable(false) end
local layer, behind = network(nn.MoE {
  dim = 784, out_dim = #NAMES, experts = experts, top_k = 2, gate = "mlp", gate_hidden = 64,
}, 4, true)
layer:fit(X, y)
say("a layer of them, its router taught", layer)
behind.module:trainable(true)
layer:fit(X, y)
say("all of it fine-tuned", layer)
