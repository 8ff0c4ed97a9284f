-- kin8nm: the distance of the end of an eight-link robot arm from a target, by its
-- eight angles (DELVE's kin family, 8,192 rows, strongly non-linear, little noise).
-- Root mean squared error on random tenths, seeds 1 to 5, from one line to mixtures of
-- lines, a hierarchy of them, a network and mixtures of networks.  The standard
-- deviation of the target, which is what its mean errs by, is 0.2636.
--
-- Published: Gal & Ghahramani 2016 (networks with dropout, random 90/10 splits: 0.10 in
-- the paper's table, 0.0792 ± 0.0026 in the longer runs of its repository).
--
--   moe bench/proofs/kin8nm.lua [folder of kin8nm.csv]
package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"
local E, G = moe.experts, moe.gates

local SEEDS, ROUNDS = 5, 20

local function lines(n) return support.several(n, function() return E.linear { l2 = 0.01 } end) end

local function by_em(experts, seed)
  return moe.mixture { experts = experts, gate = G.softmax { l2 = 0.1 }, training = "em",
    rounds = ROUNDS, seed = seed }
end

local function mixture_of_lines(n)
  return function(seed) return by_em(lines(n), seed) end
end

local function hierarchy(seed)
  return by_em(support.several(4, function() return by_em(lines(8)) end), seed)
end

local function network(seed)
  return E.mlp { hidden = { 64, 64 }, activation = "silu", weight_decay = 0.1, seed = seed }
end

local rows = {
  { "one line (least squares)", "0.2018", function() return E.linear {} end },
  { "8 lines and a gate, EM", nil, mixture_of_lines(8) },
  { "16 lines and a gate, EM", nil, mixture_of_lines(16) },
  { "32 lines and a gate, EM", nil, mixture_of_lines(32) },
  { "hierarchy of 4 × 8 lines, EM", nil, hierarchy },
  { "forest", nil, function(seed) return E.forest { seed = seed } end },
  { "boosted trees", nil, function(seed) return E.gbt { seed = seed } end },
  { "network, defaults", "0.10; 0.0792 ± 0.0026", function(seed) return E.mlp { seed = seed } end },
  { "3 of them and a gate", nil, function(seed)
    return moe.mixture { seed = seed, experts = support.several(3, function() return E.mlp {} end) }
  end },
  { "network of 2 × 64", nil, network },
  { "3 of those, on clusters of the rows", nil, function(seed)
    return moe.mixture { seed = seed, subsets = "clusters", experts = support.several(3, network) }
  end },
}

local t = support.read("kin8nm.csv", "y")
if t then
  local shown = support.figures { "", "published", "ours" }
  for _, row in ipairs(rows) do
    local errors = {}
    for seed = 1, SEEDS do
      local train, test = t:split(0.9, { seed = seed })
      local own, other = support.part(train), support.part(test)
      local model = row[3](seed):fit(own.X, own.y)
      errors[seed] = moe.metrics.rmse(other.y, model:predict(other.X))
    end
    shown.add(row[1], row[2], support.spread(errors, "%.4f"))
  end
  shown.print(("kin8nm, root mean squared error, %d splits of 90/10"):format(SEEDS))
end
