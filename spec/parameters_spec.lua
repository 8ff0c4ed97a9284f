-- Every parameter changes a result in some call: one that does not is a lie.
local moe = require "moe"
local core = require "moe.core"
local catalog = require "spec.support.catalog"
local data = require "spec.support.data"

local E = moe.experts

-- Overlapping classes, so that nothing is learned perfectly.
local function noisy(n, seed)
  local uniform, X, y, number, subsets = data.uniform(seed), {}, {}, {}, {}
  for i = 1, n do
    local a, b, c = 2 * uniform() - 1, 2 * uniform() - 1, 2 * uniform() - 1
    local z = a + b * b + 0.6 * (uniform() - 0.5)
    X[i] = { a, b, c }
    y[i] = z > 0.6 and "high" or z > 0 and "middle" or "low"
    number[i] = z
    subsets[i] = i % 3 == 1 and "a" or i % 3 == 2 and "b" or false
  end
  return X, y, number, subsets
end

local function flat(object, X)
  if object.forward then return object:forward(X):totable() end
  if object:classes() then return { object:classes(), object:predict_proba(X):totable() } end
  return object:predict(X)
end

-- What an object with these options answers in all that it can do; an error is
-- an answer too.
local function outcomes(type, options)
  local X, y, number, subsets = noisy(90, 5)
  local test = noisy(15, 6)
  local whole = {}
  for i = 1, #number do whole[i] = math.floor(2 * math.abs(number[i])) end
  local scores = {}
  for i = 1, #X do scores[i] = { -math.abs(number[i]), -math.abs(number[i] - 1) } end
  local out = {}
  local function try(task, fit)
    local ok, answer = pcall(function()
      local object = catalog.new(type, task, options)
      fit(object)
      return flat(object, test)
    end)
    out[#out + 1] = ok and answer or "refused"
  end
  if type.traits.gates then
    try("gating", function(o) o:fit(X, scores) end)
    if type.traits.online then try("gating", function(o) o:partial_fit(X, scores) end) end
    return out
  end
  local extra = type.name == "mixture" and { subsets = subsets } or nil
  try("classification", function(o) o:fit(X, y, extra) end)
  try("regression", function(o) o:fit(X, number, extra) end)
  try("regression", function(o) o:fit(X, whole, extra) end)
  if extra then try("regression", function(o) o:fit(X, number) end) end
  if type.traits.online then
    try("classification", function(o) o:learn_many(X, y) end)
    try("regression", function(o) o:learn_many(X, number) end)
  end
  if type.name == "sgbt" then -- whose detectors speak of a change, once they are full
    local turned = {}
    for i = 1, #number do turned[i] = 5 - 10 * number[i] end
    try("regression", function(o)
      for _ = 1, 3 do o:learn_many(X, number) end
      for _ = 1, 2 do o:learn_many(X, turned) end
    end)
  end
  return out
end

-- Values worth trying for a parameter.
local tries = {
  int = function(p) return { 1, 2, 3, 50, p.min } end,
  real = function(p) return { 0.05, 0.5, 0.9, 3, 100, p.min } end,
  flag = function() return { true, false } end,
  choice = function(p) return p.choices end,
  weights = function() return { { high = 20 } } end,
  ints = function() return { { 3 }, { 4, 4 } } end,
}

local function fitted(expert)
  local X, y = noisy(40, 9)
  return (expert:fit(X, y))
end

-- What the parameters of some types need around them before they can show.
local settings = {
  mixture = {
    {},
    { top_k = 1 },
    { experts = { a = E.forest { trees = 3 }, b = E.forest { trees = 2 } } },
    { experts = { a = fitted(E.logistic {}), b = E.constant {} } },
    { training = "em", experts = { a = E.linear {}, b = E.linear {} } },
    { training = "gradient", experts = { a = E.linear {}, b = E.linear {} } },
    { training = "gradient", validation = 0, experts = { a = E.linear {}, b = E.linear {} } },
  },
  gbt = {
    { row_sample = 0.5 },
    { loss = "quantile" },
    { loss = "huber" },
    { early_stopping = 2 },
  },
  glm = { {}, { family = "poisson" } },
  linear = {
    {},
    { penalty = "elastic_net" },
    { loss = "huber" },
    { loss = "epsilon_insensitive" },
    { loss = "quantile" },
  },
  logistic = { {}, { penalty = "elastic_net" } },
  online = {
    {},
    { loss = "hinge" },
    { penalty = "elastic_net" },
    { loss = "huber" },
    { loss = "quantile" },
  },
  knn = { {}, { distance = "manhattan" } },
  mlp = { {}, { validation = 0.2, lr = 0.05, batch = 64 } },
  sgbt = { {}, { loss = "quantile" }, { loss = "huber" }, { bound = "variance" } },
  softmax = { {}, { solver = "adam" } },
  tree = { {}, { max_features = 0.4 } },
  pipeline = { { model = E.forest { trees = 3 } } },
}

-- Values for those whose kind does not tell.
local particular = {
  ["gbt.delta"] = { 0.05 },
  ["gbt.quantile"] = { 0.9 },
  ["gbt.validation"] = { 0.5 },
  ["mixture.frozen"] = { { "a" } },
  ["glm.offset"] = { 2 },
  ["softmax.weights"] = { { 1, 0, 0, 0, 1, 0, 0, 0 } },
  ["sgbt.delta"] = { 0.05 },
  ["sgbt.quantile"] = { 0.9 },
}

-- Whether some value of the parameter gives other outcomes than its default.
local function changes(type, p)
  for _, setting in ipairs(settings[type.name] or { {} }) do
    local function answers(value)
      local options = {}
      for name, item in pairs(setting) do
        if name == "experts" then
          options[name] = {}
          for k, expert in pairs(item) do options[name][k] = expert:clone() end
        else
          options[name] = name == "model" and item:clone() or item
        end
      end
      options[p.name] = value
      return outcomes(type, options)
    end
    local before = answers(nil)
    for _, value in ipairs(particular[type.name .. "." .. p.name] or tries[p.kind](p)) do
      if not pcall(assert.same, before, answers(value)) then return true end
    end
  end
  return false
end

for _, type in ipairs(core.types()) do
  -- those of all but learners and gates, and of the fixed gate, show in their own specs
  if type.traits and type.name ~= "fixed" then
    for _, p in ipairs(type.params) do
      if not p.family then
        it(("%s.%s changes a result"):format(type.name, p.name), function()
          assert.is_true(changes(type, p))
        end)
      end
    end
  end
end

