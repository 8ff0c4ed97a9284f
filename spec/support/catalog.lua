-- An example of every type in the catalog, ready to be fitted.
local moe = require "moe"
local E, G, T = moe.experts, moe.gates, moe.transforms

local catalog = {}

-- The least that a type needs; more where the defaults would be slow in specs.
local needs = {
  learner = {
    adaptive_random_forest = function() return { trees = 5, grace_period = 20 } end,
    forest = function() return { trees = 8 } end,
    gbt = function() return { rounds = 8, learning_rate = 0.5 } end,
    hoeffding_adaptive_tree = function() return { grace_period = 20 } end,
    hoeffding_tree = function() return { grace_period = 20 } end,
    mixture = function()
      return { experts = { a = E.logistic {}, b = E.constant {} }, gate = G.softmax {}, folds = 2 }
    end,
    one_vs_rest = function() return { model = E.knn {} } end,
    pipeline = function() return { steps = { T.standard_scaler {} }, model = E.logistic {} } end,
    sgbt = function() return { trees = 20, grace = 6, min_child_weight = 0.1, l2 = 0.1 } end,
  },
  gate = {
    classifier = function() return { model = E.tree {} } end,
  },
  transform = {},
  detector = {},
  streaming = {},
}

-- The same for numbers.
local needs_for_numbers = {
  adaptive_random_forest = function() return { trees = 5, learning_rate = 0.5 } end,
  gbt = function() return { rounds = 8, learning_rate = 0.5 } end,
  hoeffding_adaptive_tree = function() return { grace_period = 20, learning_rate = 0.5 } end,
  hoeffding_tree = function() return { grace_period = 20, learning_rate = 0.5 } end,
  mixture = function()
    return { experts = { a = E.linear {}, b = E.constant {} }, gate = G.softmax {}, folds = 2 }
  end,
  pipeline = function() return { steps = { T.standard_scaler {} }, model = E.linear {} } end,
  sgbt = function() return { trees = 20, lr = 0.3, grace = 3, l2 = 0.1, bound = "original" } end,
}

--- Nearest class mean and mean target, in Lua: an expert for specs.
function catalog.expert_in_lua()
  local expert = {}
  local function nearest(self, x)
    local best, found = math.huge, nil
    for _, label in ipairs(self.state.labels) do
      local d = 0
      for j, m in ipairs(self.state.means[label]) do d = d + (x:get(j) - m) ^ 2 end
      if d < best then best, found = d, label end
    end
    return found
  end
  function expert:fit(X, y, options)
    local means, counts, labels = {}, {}, {}
    for i = 1, #y do
      local label = #options.classes > 0 and y[i] or 0
      if not means[label] then
        means[label], counts[label] = {}, 0
        labels[#labels + 1] = label
      end
      counts[label] = counts[label] + 1
      for j = 1, X.shape[2] do means[label][j] = (means[label][j] or 0) + X:get(i, j) end
    end
    local mean = 0
    for i = 1, #y do mean = mean + (type(y[i]) == "number" and y[i] or 0) / #y end
    table.sort(labels, function(a, b) return tostring(a) < tostring(b) end)
    for _, label in ipairs(labels) do
      for j = 1, X.shape[2] do means[label][j] = means[label][j] / counts[label] end
    end
    self.state = { means = means, labels = labels, mean = mean, classes = #options.classes }
  end
  function expert:predict(X)
    local out = {}
    for i = 1, X.shape[1] do
      out[i] = self.state.classes > 0 and nearest(self, X:row(i)) or self.state.mean
    end
    return out
  end
  function expert:clone()
    local copy = catalog.expert_in_lua()
    copy.state = self.state
    return copy
  end
  function expert:get_state() return self.state end
  function expert:set_state(state) self.state = state end
  return expert
end

--- A gate in Lua that prefers the first expert where x[1] > 0.
function catalog.gate_in_lua()
  local gate = {}
  function gate:fit(X, scores)
    self.n = #scores[1]
    self.rows = X.shape[1]
  end
  function gate:forward(X)
    local out = {}
    for i = 1, X.shape[1] do
      out[i] = {}
      for e = 1, self.n do out[i][e] = (X:get(i, 1) > 0) == (e == 1) and 0.9 or 0.1 end
    end
    return out
  end
  function gate:clone()
    local copy = catalog.gate_in_lua()
    copy.n = self.n
    return copy
  end
  function gate:get_state() return { n = self.n } end
  function gate:set_state(state) self.n = state.n end
  return gate
end

--- The options that new(type) uses.
function catalog.options(type, task)
  local table_of = task == "regression" and needs_for_numbers or needs[type.family]
  local make = table_of[type.name] or needs[type.family][type.name]
  return make and make() or {}
end

local makers = {
  learner = E, gate = G, transform = T, detector = moe.drift,
  streaming = { streaming = moe.streaming },
}

--- A new object of a type of the catalog (an entry of core.types()).
function catalog.new(type, task, options)
  if type.name == "foreign" then
    local written = type.family == "gate" and catalog.gate_in_lua() or catalog.expert_in_lua()
    return makers[type.family].foreign(written):set_params(options or {})
  end
  if type.name == "imported" then return assert(E.import "spec/fixtures/xgboost_poisson.json") end
  local all = catalog.options(type, task)
  for name, value in pairs(options or {}) do all[name] = value end
  return makers[type.family][type.name](all)
end

return catalog
