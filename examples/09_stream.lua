-- A stream: each sample is predicted, then learned from, and the world changes while
-- that goes on. Three laws take turns; nobody says when. Three models learn beside each
-- other, each good at one of the laws, and a gate follows who is right just now.
local moe = require "moe"
local E, G = moe.experts, moe.gates

local function world()
  return moe.streams.regime_shift { regimes = 3, length = 2000, seed = 1, rows = 12000 }
end
print(tostring(world()) .. "\n")

local function mixture()
  return moe.mixture {
    task = "regression", gate = G.softmax {}, seed = 1,
    experts = { line = E.linear {}, rls = E.rls {}, tree = E.hoeffding_tree {} },
    stream = moe.streaming { drift = "adwin" }, -- watches each expert's loss
  }
end

-- The mixture, and its experts by themselves, over the same samples. `rmse over time`
-- shows what each gets wrong, 1,000 samples at a time.
local m = mixture()
local result = moe.eval.prequential(m, world(), {
  experts = true, metrics = { "rmse", "r2" }, after = 1000,
})
print(result)

print "\nwhat the gate has come to"
print(m:stats())

-- When the laws changed, by the experts' losses.
local events = m:stats().events or {}
print(("\n%d changes were noticed; the first:"):format(#events))
for i = 1, math.min(4, #events) do
  local event = events[i]
  print(("sample %d: %s of %s"):format(event.at, event.kind, event.expert))
end

-- A process ends, and another goes on where it was: the same model, to the bit.
local whole, begun = mixture(), mixture()
for x, y in world():iter() do whole:learn_one(x, y) end
local stream = world()
for _ = 1, 5000 do begun:learn_one(stream()) end
local path = os.tmpname()
assert(begun:save(path))
local later = assert(moe.load(path))
os.remove(path)
for x, y in stream:iter() do later:learn_one(x, y) end
print("saved after 5,000 samples, loaded, and gone on: the same as without:",
  whole:dump() == later:dump())
