-- Fashion-MNIST (Debian's dataset-fashion-mnist): three networks, each pretrained on the
-- classes of its own group, then a gate with the balance loss while they rest, then all
-- together; what each stage bought, beside one network that does as much for a picture.
--   moe examples/13_fashion.lua [training rows, 10000] [folder]
local moe = require "moe"
local nn, S = moe.nn, moe.stages
local rows, folder = tonumber(arg[1]) or 10000, arg[2] or "/usr/share/datasets/fashion-mnist"

local NAMES = {
  "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
}
local GROUPS = { trouser = "long", dress = "long", bag = "long", sandal = "shoes",
  sneaker = "shoes", boot = "shoes" } -- the others are tops
local function read(part, most)
  local path = folder .. "/" .. part .. "-%s-ubyte.gz"
  local X, message = moe.data.read_idx(path:format "images-idx3", { float = true })
  if not X then return nil, message end
  local ids = assert(moe.data.read_idx(path:format "labels-idx1"))
  local n, y, groups = math.min(most, #X), {}, {}
  for i = 1, n do
    y[i] = NAMES[ids:get(i) + 1]
    groups[i] = GROUPS[y[i]] or "tops"
  end
  return X:rows(1, n):reshape(n, 784) / 255, y, groups
end
local X, y, subsets = read("train", rows)
if not X then
  print("13_fashion: " .. y .. "\n  apt-get install dataset-fashion-mnist gives it")
  return
end
local new_X, new_y = read("t10k", 5000)
local function network(seed)
  return moe.experts.network {
    module = nn.FeedForward { dim = 784, hidden = 16, out_dim = #NAMES, seed = seed },
    classes = NAMES, epochs = 6, batch_size = 64, lr = 2e-3, warm = true, standardize = false,
  }
end
local function say(what, model)
  print(("%-28s accuracy on new rows %.4f"):format(what, model:score(new_X, new_y)))
end
say("one network", network(1):fit(X, y))
local m = moe.mixture {
  experts = { tops = network(2), long = network(3), shoes = network(4) }, seed = 1,
  gate = moe.gates.mlp { epochs = 6, lr = 0.002, load_balance = 0.01, standardize = false },
}
local function then_say(what)
  return function() say(what, m) end
end
local function say_experts()
  for _, name in ipairs { "tops", "long", "shoes" } do say("expert of " .. name, m:expert(name)) end
end
moe.schedule {
  S.pretrain {}, say_experts, S.gate { objective = "subsets" }, then_say "and a gate over them",
  S.joint { rounds = 1 }, then_say "trained together",
}:fit(m, { X = X, y = y, subsets = subsets })

-- Who is asked: the mean weight of each expert, for the new rows of each class.
local routing = m:route(new_X)
print("\n" .. (" "):rep(10) .. table.concat(routing.names, "   "))
for _, name in ipairs(NAMES) do
  local sums, n = { 0, 0, 0 }, 0
  for i, own in ipairs(new_y) do
    n = n + (own == name and 1 or 0)
    for e = 1, own == name and 3 or 0 do sums[e] = sums[e] + 100 * routing.probs:get(i, e) end
  end
  print(("%-10s%3.0f%%   %4.0f%%   %4.0f%%"):format(name, sums[1] / n, sums[2] / n, sums[3] / n))
end
