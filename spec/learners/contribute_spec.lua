-- What each feature contributes to an answer.  The figures for whole models of
-- XGBoost and LightGBM are in imported_spec.lua.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local data = require "spec.support.data"
local near = require "spec.support.near"

local E, G, T = moe.experts, moe.gates, moe.transforms
local number, list = near.within(1e-9)

local function total(features, bias)
  local sum = bias
  for _, x in pairs(features) do sum = sum + x end
  return sum
end

-- A tree written down: splits { feature, threshold, left, right, rows } by
-- x < threshold, leaves { value, rows }; columns count from 1.
local deep = {
  rows = 100, feature = 1, threshold = 0.5,
  { rows = 70, feature = 2, threshold = 0.25,
    { rows = 30, feature = 1, threshold = -1, { rows = 10, value = 3 }, { rows = 20, value = -1 } },
    { rows = 40, value = 0.5 } },
  { rows = 30, feature = 3, threshold = 0,
    { rows = 5, value = 8 },
    { rows = 25, feature = 2, threshold = 1, { rows = 24, value = 2 }, { rows = 1, value = -7 } } },
}

-- The definition: what the tree answers where the features in `known` are x's, and
-- splits by others are averaged; and Shapley's sum over all coalitions.
local function worth(node, x, known)
  if node.value then return node.value end
  if known[node.feature] then
    return worth(x[node.feature] < node.threshold and node[1] or node[2], x, known)
  end
  return (node[1].rows * worth(node[1], x, known) + node[2].rows * worth(node[2], x, known))
    / node.rows
end

local function shapley(tree, x, d)
  local function factorial(n) return n < 2 and 1 or n * factorial(n - 1) end
  local out = {}
  for j = 1, d do
    out[j] = 0
    for mask = 0, 2 ^ d - 1 do
      local known, size = {}, 0
      for k = 1, d do
        if math.floor(mask / 2 ^ (k - 1)) % 2 == 1 then known[k], size = true, size + 1 end
      end
      if not known[j] then
        local without = worth(tree, x, known)
        known[j] = true
        out[j] = out[j] + factorial(size) * factorial(d - size - 1) / factorial(d)
          * (worth(tree, x, known) - without)
      end
    end
  end
  return out
end

-- The same tree as a model that can be imported.
local function written(tree, d)
  local columns = {
    left_children = {}, right_children = {}, split_indices = {}, split_conditions = {},
    default_left = {}, sum_hessian = {}, loss_changes = {},
  }
  local n = 0
  local function add(node)
    n = n + 1
    local at = n
    columns.sum_hessian[at], columns.default_left[at] = node.rows, 0
    columns.loss_changes[at] = 1
    columns.split_indices[at] = (node.feature or 1) - 1
    columns.split_conditions[at] = node.value or node.threshold
    columns.left_children[at], columns.right_children[at] = -1, -1
    if node.feature then
      columns.left_children[at] = add(node[1])
      columns.right_children[at] = add(node[2])
    end
    return at - 1
  end
  add(tree)
  local fields = {}
  for name, values in pairs(columns) do
    fields[#fields + 1] = ('"%s":[%s]'):format(name, table.concat(values, ","))
  end
  return ([[{"learner":{"gradient_booster":{"name":"gbtree",
    "model":{"tree_info":[0],"trees":[{%s}]}},
    "learner_model_param":{"base_score":"0","num_feature":"%d","num_class":"0"},
    "objective":{"name":"reg:squarederror"}}}]]):format(table.concat(fields, ","), d)
end

local function import(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  local m = assert(E.import(path))
  os.remove(path)
  return m
end

local function numbers(n, d, seed)
  local uniform, X, y, classes = data.uniform(seed), {}, {}, {}
  for i = 1, n do
    X[i] = {}
    for j = 1, d do X[i][j] = 2 * uniform() - 1 end
    y[i] = X[i][1] * X[i][2] + X[i][3]
    classes[i] = y[i] > 0.3 and "high" or y[i] > -0.3 and "middle" or "low"
  end
  return X, y, classes
end

describe("the contributions of features", function()
  local X, y, classes = numbers(120, 5, 3)

  it("in a tree are Shapley's, by its definition", function()
    local m = import(written(deep, 4))
    local some = {
      { 0, 0, 0, 0 }, { 2, 2, 2, 2 }, { -3, 0, -1, 5 }, { 2, 0, -1, 0 },
      { 0.5, 0.25, 0, 1 }, -- on the thresholds
    }
    for _, x in ipairs(some) do
      local found, bias = m:contributions(x)
      number(worth(deep, x, {}), bias, 1e-6) -- shares are kept in 24 bits
      list(shapley(deep, x, 4), found, 1e-6)
      number(worth(deep, x, { true, true, true }), total(found, bias), 1e-9)
    end
  end)

  it("sum to the answer, from the mean of the targets on", function()
    local mean = 0
    for i = 1, #y do mean = mean + y[i] / #y end
    for _, model in ipairs {
      E.tree {}, E.tree { max_depth = 3 }, E.forest { trees = 7 }, E.linear {}, E.constant {},
    } do
      model:fit(X, y)
      for i = 1, 10 do
        local found, bias = model:contributions(X[i])
        number(model:predict_one(X[i]), total(found, bias))
        if model:info().type == "tree" then number(mean, bias, 1e-6) end
      end
    end
  end)

  it("sum to the probability of each class in trees, to each logit in logistic", function()
    for _, model in ipairs { E.tree {}, E.forest { trees = 7 }, E.constant {} } do
      model:fit(X, classes)
      local found, bias = model:contributions(X[3])
      for label, p in pairs(model:predict_proba_one(X[3])) do
        number(p, total(found[label], bias[label]))
      end
    end
    local logistic = E.logistic {}:fit(X, classes)
    local found, bias = logistic:contributions(X[3])
    local p = logistic:predict_proba_one(X[3])
    local function logit(label) return total(found[label], bias[label]) end
    number(math.log(p.low / p.high), logit "low" - logit "high")
    number(math.log(p.middle / p.high), logit "middle" - logit "high")
  end)

  it("of two classes are to each one's log odds", function()
    local two = {}
    for i = 1, #y do two[i] = y[i] > 0 and "yes" or "no" end
    for _, model in ipairs { E.logistic {}, E.gbt { rounds = 5 } } do
      model:fit(X, two)
      local found, bias = model:contributions(X[3])
      local p = model:predict_proba_one(X[3])
      number(math.log(p.yes / p.no), total(found.yes, bias.yes))
      number(math.log(p.no / p.yes), total(found.no, bias.no))
    end
  end)

  it("of a gate move its logits from where a row in the middle is", function()
    local gate = G.softmax { l2 = 1, temperature = 2 }
    local scores = {}
    for i, x in ipairs(X) do scores[i] = { x[1], -x[1], 0.2 } end
    gate:fit(X, scores)
    local found, bias = gate:contributions(X[5])
    local p = gate:forward_one(X[5])
    number(math.log(p[1] / p[2]), total(found[1], bias[1]) - total(found[2], bias[2]))
    number(math.log(p[1] / p[3]), total(found[1], bias[1]) - total(found[3], bias[3]))
    found = gate:contributions { false, false, false, false, false }
    list({ 0, 0, 0, 0, 0 }, found[1])
  end)

  it("of a linear model are weight times value", function()
    local model = E.linear {}:fit({ { 1, 0 }, { 0, 1 }, { 2, 2 }, { 3, 1 } }, { 5, 2, 11, 14 })
    local found, bias = model:contributions { 10, -1 }
    list({ 40, -1 }, found, 1e-6) -- y = 4 x1 + x2 + 1
    number(1, bias, 1e-6)
  end)

  it("of a pipeline are those of its model, where its steps keep the columns", function()
    local whole = moe.pipeline { T.impute {}, T.standard_scaler {}, E.forest { trees = 5 } }
    whole:fit(X, y)
    local found, bias = whole:contributions(X[2])
    number(whole:predict_one(X[2]), total(found, bias))
  end)

  it("of a pipeline are refused where its steps make columns of their own", function()
    local table = moe.data.table {
      columns = { size = { 1, 2, 3, 4 }, colour = { "red", "blue", "red", "blue" } },
    }
    local whole = moe.pipeline { T.one_hot {}, E.linear {} }:fit(table, { 1, 2, 3, 4 })
    local none, message, code = whole:contributions { size = 1, colour = "red" }
    assert.is_nil(none)
    assert.truthy(message:find "one_hot")
    assert.equal("EUNSUPPORTED", code)
  end)

  it("are a tensor for many rows, the bias last", function()
    local tree = E.tree {}:fit(X, y)
    local all = tree:contributions(X)
    assert.same({ 120, 6 }, { all.shape[1], all.shape[2] })
    local found, bias = tree:contributions(X[7])
    for j = 1, 5 do number(found[j], all:get(7, j), 1e-6) end
    number(bias, all:get(7, 6), 1e-6)
    local each = E.tree {}:fit(X, classes):contributions(moe.tensor(X))
    assert.same({ 120, 3, 6 }, { each.shape[1], each.shape[2], each.shape[3] })
  end)

  it("are by name where columns have names", function()
    local tree = E.tree {}
    local x = moe.tensor(X)
    x.names = { "a", "b", "c", "d", "e" }
    tree:fit(x, y)
    local found = tree:contributions(X[7])
    assert.is_number(found.a)
    assert.same(found, (tree:contributions { a = X[7][1], b = X[7][2], c = X[7][3], d = X[7][4],
      e = X[7][5] }))
  end)

  it("are the same for any number of threads, and of sparse rows", function()
    local forest = E.forest { trees = 5, seed = 1 }:fit(X, y)
    local before = moe.threads()
    moe.set_threads(1)
    local one = forest:contributions(X):totable()
    moe.set_threads(2)
    assert.same(one, forest:contributions(X):totable())
    moe.set_threads(before)
  end)

  it("are refused by name where there are none", function()
    local mixture = moe.mixture { experts = { a = E.linear {}, b = E.tree {} } }
    mixture:fit(X, y)
    local none, message, code = mixture:contributions(X[1])
    assert.is_nil(none)
    assert.truthy(message:find "mixture")
    assert.equal("EUNSUPPORTED", code)
    assert.has_error(function() E.tree {}:contributions(X[1]) end)
    assert.has_error(function() E.tree {}:fit(X, y):contributions { 1, 2 } end)
  end)

  it("survive a failed allocation anywhere", function()
    local forest = E.forest { trees = 3 }:fit(X, y)
    allocations.fail(function()
      forest:contributions(X)
      forest:contributions(X[1])
    end)
  end)
end)
