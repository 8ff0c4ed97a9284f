-- Is a budget kept?  Every expert and gate is fitted for about ten seconds' worth
-- of data, in steps of 5 ms; the longest step says how long an event loop would
-- have stood still.
--
--   moe bench/steps.lua [rows, 100000]
local moe = require "moe"
local E, G = moe.experts, moe.gates

moe.set_threads(1)
local rows = tonumber(arg[1]) or 100000
local X = moe.randn(rows, 50, { seed = 1 })
local y, scores = {}, {}
for i = 1, rows do
  local z = X:get(i, 1) + X:get(i, 2) * X:get(i, 3) + 0.5 * X:get(i, 4)
  y[i] = z > 1 and "high" or z > 0 and "middle" or "low"
  scores[i] = { -math.abs(z), -math.abs(z - 1), -math.abs(z + 1) }
end

local function measure(name, object, targets)
  local job = object:start_fit(X, targets)
  local longest, steps, total, done = 0, 0, 0, false
  while not done and total < 10 do
    local start = moe.now()
    done = job:step { budget_ms = 5 }
    local spent = moe.now() - start
    longest, steps, total = math.max(longest, spent), steps + 1, total + spent
  end
  print(("%-10s %5d steps, %6.2f s%s, longest %5.1f ms"):format(
    name, steps, total, done and "" or " (not done)", 1000 * longest))
  job:close()
end

local numbers = {}
for i = 1, rows do numbers[i] = X:get(i, 1) + X:get(i, 2) end

measure("constant", E.constant {}, y)
measure("linear", E.linear {}, numbers)
measure("logistic", E.logistic { tol = 1e-12, max_iter = 2000 }, y)
measure("tree", E.tree {}, y)
measure("forest", E.forest {}, y)
measure("pipeline", moe.pipeline { moe.transforms.standard_scaler {}, E.logistic {} }, y)
measure("mixture", moe.mixture { experts = { E.forest { trees = 20 }, E.logistic {} } }, y)
measure("softmax", G.softmax { tol = 1e-9 }, scores)
measure("uniform", G.uniform {}, scores)
