-- Two stages with networks: hand-written digits, of which few are named. Three networks are
-- pretrained on the named rows of their own group of digits; frozen while the gate learns,
-- with a balance loss, whom to ask; and let go again, all fine-tuned together on all rows
-- for as long as rows that nobody trains on gain by it. What each stage bought is printed.
local moe = require "moe"
local nn, S = moe.nn, moe.stages

local GROUPS = { round = "0689", straight = "147", bent = "235" }
local NAMED, NAMES = 200, { "bent", "round", "straight" }
local DIGITS = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }

local folder = arg[0]:match "^(.*)/" or "."
local digits = assert(moe.data.read_csv(folder .. "/data/digits.csv", {
  target = "digit", categorical = { "digit" },
}))

-- 64 pixels of 17 greys, a letter each; and of the first `named` rows their group.
local function read(rows, named)
  local X, y, subsets = {}, rows:column "digit", {}
  for i, pixels in ipairs(rows:column "pixels") do
    X[i], subsets[i] = { pixels:byte(1, -1) }, ""
    for j, byte in ipairs(X[i]) do X[i][j] = (byte - 97) / 16 end
    for name, group in pairs(GROUPS) do
      if i <= named and group:find(y[i]) then subsets[i] = name end
    end
  end
  return { X = moe.tensor(X), y = y, subsets = subsets }
end
local rest, new = digits:split(0.7, { seed = 1, stratify = true })
local train, valid = rest:split(0.8, { seed = 1, stratify = true })
local data, test = read(train, NAMED), read(new, 0)
data.valid = read(valid, 0)

-- Its outputs are all digits from the start, for it is to learn others later. A fit that
-- goes on from what it knows, as each round of fine-tuning is, has three epochs.
local function network(seed)
  return moe.experts.network {
    module = function(inputs, outputs)
      return nn.FeedForward { dim = inputs, hidden = 16, out_dim = outputs, seed = seed }
    end,
    classes = DIGITS, epochs = 30, warm_epochs = 3, lr = 3e-3, seed = seed,
    standardize = false,
  }
end

local m = moe.mixture {
  experts = { bent = network(1), round = network(2), straight = network(3) },
  gate = moe.gates.mlp { epochs = 40 }, seed = 1,
}
local function say(what, model)
  print(("%-36s accuracy on new rows %.3f"):format(what, model:score(test.X, test.y)))
end

local history = moe.schedule {
  S.pretrain {},
  function() for _, name in ipairs(NAMES) do say(name .. ", pretrained", m:expert(name)) end end,
  S.freeze(NAMES), S.gate { load_balance = 0.01 },
  function() say("behind a gate", m) end,
  S.unfreeze(NAMES),
  S.joint { rounds = 1, early_stopping = { metric = "accuracy", patience = 2, rounds = 8 } },
  function() say("fine-tuned together", m) end,
}:fit(m, data)

local few = { X = data.X:rows(1, NAMED), y = {} }
for i = 1, NAMED do few.y[i] = data.y[i] end
say("one network, of the named rows", network(1):fit(few.X, few.y))
say("one network, of all rows", network(1):fit(data.X, data.y))
print("\n" .. tostring(history))
