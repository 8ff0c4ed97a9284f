-- Which model, which settings, and how sure that is: everything is judged on rows
-- that it was not trained on, and the last word is an interval, not a number.
local moe = require "moe"
local E, G, T, eval = moe.experts, moe.gates, moe.transforms, moe.eval

local t = moe.data.make_classification {
  rows = 900, features = 12, informative = 6, classes = 3, flip = 0.05, seed = 5,
}
local train, test = t:split(0.6, { seed = 1, stratify = true })

-- Five folds, three figures. A pipeline is a model like any other.
local line = moe.pipeline { T.standard_scaler {}, E.logistic {} }
local forest = E.forest { trees = 40 }
local metrics = { "accuracy", "log_loss", f1 = { "f1", average = "macro" } }
print("line, " .. tostring(eval.cross_validate(line, train, { metrics = metrics })))
print("\nforest, " .. tostring(eval.cross_validate(forest, train, { metrics = metrics })))

-- Parameters of the mixture's parts have paths; all of them are searched together.
local mixture = moe.mixture {
  experts = { forest = forest:clone(), boosted = E.gbt { rounds = 25 }, line = line:clone() },
  gate = G.softmax {}, seed = 1,
}
local found = eval.search(mixture, {
  ["experts.boosted.max_depth"] = { 2, 3, 5 },
  ["experts.boosted.learning_rate"] = { log_uniform = { 0.05, 0.5 } },
  ["gate.l2"] = { 1, 30 },
}, train, { trials = 5, folds = 3, seed = 1, metrics = "log_loss" })
print("\nmixture\n" .. tostring(found))

-- The best trial looks better than it is: it was chosen for that. Here are rows that
-- had no say. An interval without 0 is a difference that other rows would show too.
local function show(name, model, metric)
  print(name .. tostring(eval.compare(found.best, model:fit(train), test, { metric = metric })))
end
print()
show("mixture − line,   ", line, "log_loss")
show("mixture − forest, ", forest, "log_loss")
show("mixture − forest, ", forest, "accuracy")

-- Would more rows help? What does the mixture go by, and what are its experts worth?
print("\n" .. tostring(eval.learning_curve(line, train, { sizes = { 0.1, 0.3, 1 } })))
print("\n" .. tostring(eval.importance(found.best, test, { features = { "x1", "x2", "x12" } })))
print("\n" .. tostring(eval.expert_importance(found.best, test)))
