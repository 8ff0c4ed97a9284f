-- The classical mixture of experts (Jacobs 1991, Jordan & Jacobs 1994): nobody says
-- which expert a row belongs to. Expectation maximisation finds it out: it weighs
-- each row by how likely each expert made it, fits the experts and the gate to those
-- weights, and begins again. The likelihood never falls.
local moe = require "moe"
local E, G = moe.experts, moe.gates

-- One input, three laws, and some noise.
local laws = { { -1, -2 }, { 2, 0 }, { -2, 3 } } -- below -1, between, above 1
local function draw(rows, seed)
  local r, X, y = moe.randn(rows, 2, { seed = seed }), {}, {}
  for i = 1, rows do
    local x = 1.5 * r:get(i, 1)
    local law = laws[x < -1 and 1 or x < 1 and 2 or 3]
    X[i], y[i] = { x }, law[1] * x + law[2] + 0.2 * r:get(i, 2)
  end
  return X, y
end
local X, y = draw(600, 1)
local Xt, yt = draw(400, 2)
local function rmse(model) return moe.metrics.rmse(yt, model:predict(Xt)) end

local function mixture(experts, training)
  local options = { experts = experts, training = training, seed = 1 }
  options.gate, options.restarts = G.softmax { l2 = 0.01 }, training == "em" and 3 or nil
  return moe.mixture(options)
end
local function lines(n)
  local list = {}
  for i = 1, n do list[i] = E.linear {} end
  return list
end

local flat = mixture(lines(3), "em")
local _, history = flat:fit(X, y)
print "log-likelihood, round by round"
local trace = history.log_likelihood
for i, value in ipairs(trace) do
  local share = (value - trace[1]) / (trace[#trace] - trace[1])
  print(("%3d %10.2f %s"):format(i, value, ("#"):rep(math.floor(50 * share + 0.5))))
end

print "\nwhat the experts found (the truth: -1 x - 2, 2 x + 0, -2 x + 3)"
for name in ipairs(lines(3)) do
  local found = flat:expert(name):info()
  print(("expert %d: %6.3f x %+.3f"):format(name, found.coefficients[1], found.intercept))
end

-- A mixture of mixtures is a tree of gates, and is fitted as one.
local tree = mixture({ left = mixture(lines(2), "em"), right = mixture(lines(2), "em") }, "em")
print "\nRMSE, where the noise alone makes 0.200"
print(("one line                    %.3f"):format(rmse(E.linear({}):fit(X, y))))
print(("three lines, in two stages  %.3f"):format(rmse(mixture(lines(3)):fit(X, y))))
print(("three lines, by EM          %.3f"):format(rmse(flat)))
print(("two pairs of lines, by EM   %.3f"):format(rmse(tree:fit(X, y))))
print("\n" .. tostring(tree))
