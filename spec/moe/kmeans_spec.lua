-- k-means: the sums of squared distances that scikit-learn 1.2.1's KMeans finds
-- on the same numbers (least of 500 single starts), and what holds of any.
local moe = require "moe"
local core = require "moe.core"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-5)

local function three_groups()
  local uniform, X = data.uniform(5), {}
  local first, second = { 0, 4, 8 }, { 0, 5, -3 }
  for i = 1, 90 do
    local c = (i - 1) % 3 + 1
    X[i] = { first[c] + uniform(), second[c] + 2 * uniform(), uniform() }
  end
  return X
end

local function square()
  local uniform, X = data.uniform(7), {}
  for i = 1, 120 do X[i] = { uniform(), uniform() } end
  return X
end

-- Σ |x − mean of its cluster|², written out.
local function inertia(X, cluster, k)
  local means, counts, sum = {}, {}, 0
  for c = 1, k do means[c], counts[c] = {}, 0 end
  for i, x in ipairs(X) do
    local c = cluster[i]
    counts[c] = counts[c] + 1
    for j, v in ipairs(x) do means[c][j] = (means[c][j] or 0) + v end
  end
  for i, x in ipairs(X) do
    for j, v in ipairs(x) do sum = sum + (v - means[cluster[i]][j] / counts[cluster[i]]) ^ 2 end
  end
  return sum
end

describe("k-means", function()
  it("finds groups that lie apart", function()
    local cluster, sum = core._kmeans(three_groups(), 3)
    near(41.1925623936, sum)
    for i = 4, 90 do assert.equal(cluster[i - 3], cluster[i]) end
  end)

  it("comes to scikit-learn's least sum where there are no groups", function()
    local X = square()
    local cluster, sum = core._kmeans(X, 5, { restarts = 60 })
    near(3.7293560675, sum)
    near(inertia(X, cluster, 5), sum)
  end)

  it("gains from restarts, and is the same for the same seed", function()
    local X = square()
    local once = select(2, core._kmeans(X, 7, { restarts = 1, seed = 3 }))
    local often = select(2, core._kmeans(X, 7, { restarts = 30, seed = 3 }))
    assert.is_true(often <= once)
    assert.same(core._kmeans(X, 7, { seed = 4 }), core._kmeans(X, 7, { seed = 4 }))
  end)

  it("gives the same clusters with one thread or two", function()
    local X, before = moe.randn { 3000, 6 }, moe.threads()
    moe.set_threads(1)
    local one, sum = core._kmeans(X, 8, { restarts = 2 })
    moe.set_threads(2)
    local two, again = core._kmeans(X, 8, { restarts = 2 })
    moe.set_threads(before)
    assert.same(one, two)
    assert.equal(sum, again)
  end)

  it("weighs columns alike when it standardizes them", function()
    local X = three_groups()
    local plain = core._kmeans(X, 3, { standardize = true })
    for _, x in ipairs(X) do x[1] = 1e6 * x[1] + 3 end
    assert.same(plain, core._kmeans(X, 3, { standardize = true }))
  end)

  it("takes sparse rows as it takes dense ones", function()
    local X, entries = square(), { columns = 2 }
    for i, x in ipairs(X) do
      x[1 + i % 2] = 0
      entries[i] = { [2 - i % 2] = x[2 - i % 2] }
    end
    local dense, sum = core._kmeans(X, 4, { restarts = 20 })
    local sparse, again = core._kmeans(moe.sparse(entries), 4, { restarts = 20 })
    near(sum, again)
    near(inertia(X, dense, 4), inertia(X, sparse, 4))
  end)

  it("leaves no cluster empty where there are rows enough, and bears fewer", function()
    local X = {}
    for i = 1, 40 do X[i] = { i <= 37 and 0 or i } end
    local seen, n = {}, 0
    for _, c in ipairs((core._kmeans(X, 4))) do
      if not seen[c] then seen[c], n = true, n + 1 end
    end
    assert.equal(4, n)
    local _, sum = core._kmeans({ { 1 }, { 1 }, { 1 } }, 3)
    assert.equal(0, sum)
  end)

  it("counts missing values as their column's mean", function()
    local X = three_groups()
    X[1][3] = 0 / 0
    local cluster = core._kmeans(X, 3)
    assert.equal(cluster[4], cluster[1])
  end)
end)
