-- A schedule says what is trained, in which order, on which rows. Here: experts on
-- the rows of their regions, then the gate, then both together for as long as rows
-- that nobody trains on gain by it. A run that is cut off goes on where it was.
local moe = require "moe"
local E, G, S = moe.experts, moe.gates, moe.stages

-- Four laws, each in a region of its own; which region a row is in is known of the
-- training rows alone.
local t, region = moe.data.make_regions { rows = 1500, features = 3, regions = 4, seed = 2 }
local function part(first, last)
  local X, y = t:rows(first, last):xy()
  local subsets = {}
  for i = first, last do subsets[#subsets + 1] = region[i] end
  return { X = X, y = y, subsets = subsets }
end
local data, test = part(1, 700), part(1001, 1500)
data.valid = part(701, 1000)

local function mixture()
  local experts = {}
  for _, name in ipairs { "r1", "r2", "r3", "r4" } do experts[name] = E.linear {} end
  return moe.mixture { experts = experts, gate = G.mlp { epochs = 40 }, seed = 1 }
end

local power = true
local run = moe.schedule {
  S.pretrain {},
  S.gate {},
  S.evaluate { metrics = { "rmse", "r2" } },
  function() if not power then error("the power is gone", 0) end end,
  S.joint { rounds = 3, early_stopping = { metric = "rmse", patience = 2, rounds = 8 } },
  S.evaluate { metrics = { "rmse", "r2" } },
}
print(tostring(run) .. "\n")

local m = mixture()
print(assert(run:fit(m, data, { seed = 1 })))
print(("R² on new rows: %.3f; of one linear model %.3f"):format(
  m:score(test.X, test.y), E.linear({}):fit(data.X, data.y):score(test.X, test.y)))

-- The same run, cut off in its middle. The stages before are not done again.
local path = os.tmpname()
os.remove(path)
power = false
print("\ncut off:", pcall(run.fit, run, mixture(), data, { seed = 1, checkpoint = path }))
power = true
local other = mixture()
local history = assert(run:fit(other, data, { seed = 1, checkpoint = path }))
print("went on at stage " .. history[4].place .. ", and came to the same model:",
  other:score(test.X, test.y) == m:score(test.X, test.y))
os.remove(path)

-- How much of it is luck: the same under other seeds, each in a process.
print("\n" .. tostring(run:fit(mixture(), data, { seeds = { 1, 2, 3, 4 }, metric = "rmse" })))
