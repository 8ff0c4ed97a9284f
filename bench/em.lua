-- Expectation maximisation beside the same steps written in NumPy: 100,000 × 20
-- float32 numbers, 8 linear experts with Gaussian densities and a linear gate, two
-- threads for both, the same first shares.  Seconds of wall clock a round, and
-- the likelihoods that both come to.  The gate of both descends by L-BFGS from
-- where it was, to the same slope.
--   make program && build/moe bench/em.lua [rows]

local moe = require "moe"

local ROWS, COLUMNS, EXPERTS, ROUNDS = tonumber(arg and arg[1]) or 100000, 20, 8, 10
local L2, SLOPE = 1, 1e-5

math.randomseed(1)
local function number()
  return math.random() + math.random() - math.random() - math.random()
end

-- Each of the eight corners of the first three columns has a plane of its own.
local function generate()
  local planes, rows, y, subsets = {}, {}, {}, {}
  for e = 1, EXPERTS do
    planes[e] = {}
    for j = 1, COLUMNS do planes[e][j] = number() end
  end
  for i = 1, ROWS do
    local row = {}
    for j = 1, COLUMNS do row[j] = number() end
    local e = 1 + (row[1] > 0 and 1 or 0) + (row[2] > 0 and 2 or 0) + (row[3] > 0 and 4 or 0)
    local sum = 0.3 * number()
    for j = 1, COLUMNS do sum = sum + planes[e][j] * row[j] end
    local first = math.random() < 0.5 and e or math.random(EXPERTS)
    rows[i], y[i], subsets[i] = row, sum, "e" .. first
  end
  return rows, y, subsets
end

-- Rows of float32, each with its number and its first expert behind it.
local function write(path, rows, y, subsets)
  local file = assert(io.open(path, "wb"))
  local format = "<" .. ("f"):rep(COLUMNS + 2)
  for i, row in ipairs(rows) do
    row[COLUMNS + 1], row[COLUMNS + 2] = y[i], tonumber(subsets[i]:sub(2)) - 1
    file:write(format:pack(table.unpack(row)))
    row[COLUMNS + 1], row[COLUMNS + 2] = nil, nil
  end
  file:close()
end

local function fit(X, y, subsets, rounds)
  local experts = {}
  for e = 1, EXPERTS do experts["e" .. e] = moe.experts.linear {} end
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
local rows, y, subsets = generate()
local path = os.tmpname()
write(path, rows, y, subsets)
local X = moe.tensor(rows)
local before = fit(X, y, subsets, 1)
local whole, likelihood = fit(X, y, subsets, ROUNDS + 1)
local ours = (whole - before) / ROUNDS

local script = (arg and arg[0] or "bench/em.lua"):gsub("lua$", "py")
local pipe = io.popen(("/usr/bin/python3 -I %s %s %d %d %d %g %g"):format(
  script, path, COLUMNS, EXPERTS, ROUNDS, L2, SLOPE))
local theirs, last = pipe:read("*a"):match "(%S+) (%S+)"
pipe:close()
os.remove(path)
print(("%d × %d, %d experts: %.3f s a round, NumPy %.3f s (ratio %.2f); log-likelihood %.1f, %.1f")
  :format(ROWS, COLUMNS, EXPERTS, ours, tonumber(theirs), ours / tonumber(theirs),
    likelihood[#likelihood], tonumber(last)))
