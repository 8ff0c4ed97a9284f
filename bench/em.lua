-- Expectation maximisation beside the same steps written in NumPy: 100,000 × 20
-- float32 numbers, 8 linear experts with Gaussian densities and a linear gate, two
-- threads for both, the same first shares.  Seconds of wall clock a round, and
-- the likelihoods that both come to.  The gate of both descends by L-BFGS from
-- where it was, to the same slope.
--   make program && build/moe bench/em.lua [rows]

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"

local ROWS, COLUMNS, EXPERTS, ROUNDS = tonumber(arg[1]) or 100000, 20, 8, 10
local L2, SLOPE = 1, 1e-5

math.randomseed(1)

-- Each of the eight corners of the first three columns has a plane of its own.
local function generate()
  local planes, rows, y, firsts = {}, {}, {}, {}
  for e = 1, EXPERTS do
    planes[e] = {}
    for j = 1, COLUMNS do planes[e][j] = support.number() end
  end
  for i = 1, ROWS do
    local row = {}
    for j = 1, COLUMNS do row[j] = support.number() end
    local e = 1 + (row[1] > 0 and 1 or 0) + (row[2] > 0 and 2 or 0) + (row[3] > 0 and 4 or 0)
    local sum = 0.3 * support.number()
    for j = 1, COLUMNS do sum = sum + planes[e][j] * row[j] end
    local first = math.random() < 0.5 and e or math.random(EXPERTS)
    rows[i], y[i], firsts[i] = row, sum, first - 1
  end
  return rows, y, firsts
end

local function fit(X, y, subsets, rounds)
  local experts = {}
  for e = 0, EXPERTS - 1 do experts["e" .. e] = moe.experts.linear {} end
  local m = moe.mixture {
    experts = experts,
    gate = moe.gates.softmax { l2 = L2, standardize = false, tol = SLOPE },
    training = "em",
    rounds = rounds,
    tol = 1e-12,
  }
  local start = moe.now()
  local _, history = m:fit(X, y, { subsets = subsets })
  return moe.now() - start, history.log_likelihood
end

moe.set_threads(2)
local rows, y, firsts = generate()
local path = support.write_rows(rows, y, firsts)
local subsets = {}
for i, first in ipairs(firsts) do subsets[i] = "e" .. first end
local X = moe.tensor(rows)
local before = fit(X, y, subsets, 1)
local whole, likelihood = fit(X, y, subsets, ROUNDS + 1)
local ours = (whole - before) / ROUNDS

local theirs, last = table.unpack(
  support.peer("em.py", path, COLUMNS, EXPERTS, ROUNDS, L2, SLOPE)[1])
os.remove(path)
print(("%d × %d, %d experts: %.3f s a round, NumPy %.3f s (ratio %.2f); log-likelihood %.1f, %.1f")
  :format(ROWS, COLUMNS, EXPERTS, ours, theirs, ours / theirs,
    likelihood[#likelihood], last))
