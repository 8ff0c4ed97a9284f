-- Elec2, prequential: prices of electricity in New South Wales, up or down against the
-- mean of the day before; 45,312 samples, 8 features (date and period as they are, day as
-- a number), no label delay.
--
-- Published, 8 features: repeating the last label 0.8533, naive Bayes .7287, Hoeffding
-- tree .7956, adaptive Hoeffding tree .8213, logistic regression .8221, nearest neighbours
-- .8531, adaptive random forest .8766, leveraging bagging .8927, ALMA .9064 (River's table);
-- adaptive random forest of 25 trees .8913, boosted trees .8852 (irithyll).
-- Passive-aggressive on features standardised by running mean and deviation: 0.923
-- (scikit-learn one sample a call, found here).  It follows how the label repeats itself.
--
--   moe bench/proofs/elec2.lua [folder of elec2.csv [most rows]]
package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"
local contest = require "contest"
local E = moe.experts

local folder = arg[1] or os.getenv "MOE_DATA" or "."
local MOST = tonumber(arg[2])

local function forest() return E.adaptive_random_forest { trees = 25, seed = 1 } end
local function passive_aggressive()
  return E.online { loss = "passive_aggressive" } -- on standardised columns, by default
end
local function mixture()
  return moe.mixture { task = "classification", seed = 1, experts = {
    boosted = E.sgbt { trees = 25, lr = 0.1 }, forest = forest(),
    linear = passive_aggressive(), logistic = E.logistic { standardize = true },
  } }
end

local rows = {
  { "mixture of four of these", nil, mixture },
  { "passive-aggressive, standardised", ".923", passive_aggressive },
  { "logistic regression, standardised", ".916", function()
    return E.logistic { standardize = true }
  end },
  { "boosted trees", ".8852", function() return E.sgbt { trees = 25, lr = 0.1 } end },
  { "adaptive random forest, 25 trees", ".8913", forest },
  { "adaptive Hoeffding tree", ".8213", function() return E.hoeffding_adaptive_tree {} end },
  { "Hoeffding tree", ".7956", function() return E.hoeffding_tree {} end },
  { "naive Bayes", ".7287", function() return E.naive_bayes {} end },
  { "nearest neighbours", ".8531", function() return E.knn { window = 1000 } end },
  { "mixture, as the original's", nil, function() return contest.original "classification" end },
}

-- Each model in a process of its own: a pass over the file, plain figures.
local function run(i)
  local stream = assert(moe.streams.csv(folder .. "/elec2.csv", { target = "class" }))
  local result = assert(moe.eval.prequential(rows[i][3](), stream, {
    after = 1000, rows = MOST, every = 2 ^ 40,
  }))
  local own, last = result.models[result.names[1]], result.models["last value"]
  return {
    accuracy = own.total.accuracy, after = own.after.accuracy,
    temporal = own.total.kappa_temporal, microseconds = own.microseconds,
    last = last.total.accuracy, majority = result.models.majority.total.accuracy,
  }
end

if not moe.streams.csv(folder .. "/elec2.csv") then
  print "elec2.csv: left out: it is not in the folder"
  return
end
local places = {}
for i = 1, #rows do places[i] = i end
local results = moe.processes.map(places, run, { processes = moe.threads() })

local shown = support.figures {
  "", "published", "accuracy", "after 1,000", "kappa, temporal", "rows a second",
}
for i, row in ipairs(rows) do
  local r = results[i]
  shown.add(row[1], row[2], ("%.4f"):format(r.accuracy), ("%.4f"):format(r.after),
    ("%+.3f"):format(r.temporal), ("%.0f"):format(1e6 / r.microseconds))
end
shown.add("the label before", ".8533", ("%.5f"):format(results[1].last))
shown.add("the commonest label", ".575", ("%.4f"):format(results[1].majority))
shown.print "Elec2, prequential accuracy: 8 features, no label delay"
