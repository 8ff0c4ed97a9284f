-- Small data for specs: Lua arrays, made by a generator of its own, so that no
-- expected value depends on the engine's.
local data = {}

--- Uniform numbers in [0, 1): the "minimal standard" generator of Park & Miller
-- 1988 (doi 10.1145/63039.63042).
function data.uniform(seed)
  local state = seed
  return function()
    state = (state * 16807) % 2147483647
    return state / 2147483647
  end
end

--- n rows in `classes` clouds of width 1, centred 3 apart on a line.
-- @return X, y (labels "c1", "c2", …)
function data.clouds(n, d, classes, seed)
  local uniform, X, y = data.uniform(seed or 7), {}, {}
  for i = 1, n do
    local class = (i - 1) % classes + 1
    local row = {}
    for j = 1, d do row[j] = 3 * class + uniform() - 0.5 + (j % 2) * 0.1 end
    X[i], y[i] = row, "c" .. class
  end
  return X, y
end

--- n rows of d uniform numbers, and y = 1 + Σ j·x_j + noise.
function data.plane(n, d, noise, seed)
  local uniform, X, y = data.uniform(seed or 11), {}, {}
  for i = 1, n do
    local row, sum = {}, 1
    for j = 1, d do
      row[j] = 2 * uniform() - 1
      sum = sum + j * row[j]
    end
    X[i], y[i] = row, sum + noise * (uniform() - 0.5)
  end
  return X, y
end

--- n rows of 3 numbers, x[1] in [-1, 1] decides which of 2 columns is right:
-- scores (log-likelihoods) of two experts, for gates.
function data.scores(n, seed)
  local uniform, X, scores = data.uniform(seed or 13), {}, {}
  for i = 1, n do
    local x = 2 * uniform() - 1
    X[i] = { x, uniform(), uniform() }
    scores[i] = x > 0 and { math.log(0.9), math.log(0.2) } or { math.log(0.3), math.log(0.8) }
  end
  return X, scores
end

--- A copy of rows of numbers.
function data.copy(rows)
  local out = {}
  for i, row in ipairs(rows) do
    out[i] = {}
    for j, x in ipairs(row) do out[i][j] = x end
  end
  return out
end

return data
