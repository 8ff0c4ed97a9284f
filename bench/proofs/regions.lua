-- Three regions, each with a law of its own, and an oracle that knows the region: does
-- a mixture of forests, trained in two stages on labelled subsets, find out whom to ask?
-- The target: within one point of the oracle (of accuracy, or of R² × 100).
--
-- Classes: x uniform in [-1, 1]^6; the region is that of the nearest of three centres
-- in the first two columns; the label is the sign of x3 in the first, of x4 + x5 in the
-- second, of -x3 in the third, and one label in ten is flipped: nobody is right on more
-- than 0.900 of the rows, and the more frequent label on 0.5.
-- Numbers: moe.data.make_regions, 2 columns, noise 0.1.
-- 2,000 rows to train, 4,000 to test, seeds 1 to 5.  The oracle asks the forest of the
-- row's own region.  The mixture is told the regions of the training rows, no more: its
-- gate learns from how its experts do (the default), or from these labels themselves.
--
--   moe bench/proofs/regions.lua
package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"
local E, G, metrics = moe.experts, moe.gates, moe.metrics

local ROWS, TRAIN, SEEDS = 6000, 2000, 5

-- ------------------------------------------------------------------ problems

local centres = { { 0, 0.6 }, { -0.6, -0.4 }, { 0.6, -0.4 } }
local laws = {
  function(x) return x[3] > 0 end,
  function(x) return x[4] + x[5] > 0 end,
  function(x) return x[3] < 0 end,
}

local function nearest(x)
  local best, least = nil, math.huge
  for r, centre in ipairs(centres) do
    local distance = (x[1] - centre[1]) ^ 2 + (x[2] - centre[2]) ^ 2
    if distance < least then best, least = r, distance end
  end
  return best
end

local function make_classes(seed)
  local drawn = moe.data.make_regions { rows = ROWS, features = 6, seed = seed }
  local flips = moe.randn(ROWS, { seed = seed + 1000 })
  local X, y, regions = drawn:xy():totable(), {}, {}
  for i, x in ipairs(X) do
    local r = nearest(x)
    local is_flipped = math.abs(flips[i]) > 1.6449 -- one in ten
    regions[i], y[i] = "r" .. r, laws[r](x) ~= is_flipped and "yes" or "no"
  end
  return X, y, regions
end

local function make_numbers(seed)
  local drawn, regions = moe.data.make_regions { rows = ROWS, seed = seed }
  local X, y = drawn:xy()
  return X:totable(), y, regions
end

local function cut(items, first, last)
  local out = {}
  for i = first, last do out[#out + 1] = items[i] end
  return out
end

local function divide(X, y, regions)
  local function part(first, last)
    return { X = cut(X, first, last), y = cut(y, first, last), region = cut(regions, first, last) }
  end
  return part(1, TRAIN), part(TRAIN + 1, ROWS)
end

-- -------------------------------------------------------------------- models

local function mixture(seed, options)
  local own = {
    experts = { r1 = E.forest {}, r2 = E.forest {}, r3 = E.forest {} },
    gate = G.softmax {}, seed = seed,
  }
  for key, value in pairs(options or {}) do own[key] = value end
  return moe.mixture(own)
end

-- What the expert of each row's own region says.
local function ask_oracle(m, test)
  local answers, out = {}, {}
  for _, name in ipairs { "r1", "r2", "r3" } do answers[name] = m:expert(name):predict(test.X) end
  for i, region in ipairs(test.region) do out[i] = answers[region][i] end
  return out
end

local function judge(title, make, score, best)
  local seen = {}
  local function add(name, value)
    seen[name] = seen[name] or {}
    table.insert(seen[name], value)
  end
  for seed = 1, SEEDS do
    local train, test = divide(make(seed))
    local m = mixture(seed):fit(train.X, train.y, { subsets = train.region })
    local oracle = score(test.y, ask_oracle(m, test))
    local ours = score(test.y, m:predict(test.X))
    add("oracle", oracle)
    add("mixture", ours)
    m:set_params { objective = "subsets" }
    m:fit(train.X, train.y, { subsets = train.region })
    local by_label = score(test.y, m:predict(test.X))
    add("by label", by_label)
    add("points short", 100 * (oracle - by_label))
    add("forest", score(test.y, E.forest { trees = 300, seed = seed }:fit(train.X, train.y)
      :predict(test.X)))
    add("clusters", score(test.y, mixture(seed, { subsets = "clusters" }):fit(train.X, train.y)
      :predict(test.X)))
  end
  local shown = support.figures { "", "expected", "ours" }
  shown.add("one forest of 300 trees", nil, support.spread(seen.forest, "%.4f"))
  shown.add("mixture, subsets found by clustering", nil, support.spread(seen.clusters, "%.4f"))
  shown.add("mixture, labelled subsets", nil, support.spread(seen.mixture, "%.4f"))
  shown.add("the same, the gate by the labels", nil, support.spread(seen["by label"], "%.4f"))
  shown.add("oracle: the forest of the row's region", best, support.spread(seen.oracle, "%.4f"))
  shown.add("points short of it, gate by the labels", "at most 1",
    support.spread(seen["points short"], "%.2f"))
  shown.print(title)
end

judge("Classes (accuracy)", make_classes, metrics.accuracy, "at most 0.900")
judge("Numbers (R²)", make_numbers, metrics.r2)
