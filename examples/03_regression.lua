-- A mixture of numbers: in each region of the plane another straight line
-- holds. One line fits none of them; two lines and a gate fit both.
local moe = require "moe"
local E, G, metrics = moe.experts, moe.gates, moe.metrics

-- x[1] decides which law holds; the labels of the regions train the experts.
local noise = moe.randn(3000, { seed = 3 })
local X, y, region = {}, {}, {}
for i = 1, 1000 do
  local a, b = noise[i], noise[1000 + i]
  X[i], region[i] = { a, b }, a < 0 and "left" or "right"
  y[i] = (a < 0 and 2 * b - 1 or -3 * b + 4) + 0.1 * noise[2000 + i]
end

local function cut(t, first, last)
  local part = {}
  for i = first, last do part[#part + 1] = t[i] end
  return part
end
local train = { X = cut(X, 1, 800), y = cut(y, 1, 800), region = cut(region, 1, 800) }
local test = { X = cut(X, 801, 1000), y = cut(y, 801, 1000) }

local line = E.linear {}
line:fit(train.X, train.y)

local m = moe.mixture {
  experts = { left = E.linear {}, right = E.linear {} },
  gate = G.softmax {}, seed = 1,
}
m:fit(train.X, train.y, { subsets = train.region })

local function rmse(model) return metrics.rmse(test.y, model:predict(test.X)) end
print(("RMSE of one line:  %.3f"):format(rmse(line)))
print(("RMSE of the mixture: %.3f (noise alone: 0.100)"):format(rmse(m)))
print(m:report(test.X, test.y))
print(m:explain { -0.5, 1 })

-- A budget: training goes on in steps of a few milliseconds, as in an event loop.
local job, steps = m:start_fit(train.X, train.y, { subsets = train.region }), 0
repeat steps = steps + 1 until job:step { budget_ms = 5 }
job:commit()
print(("fitted again in %d steps of at most 5 ms"):format(steps))
