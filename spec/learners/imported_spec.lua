-- Boosted trees of other programs.  spec/fixtures/xgboost_*.json were trained and
-- saved by XGBoost 1.7.4 (depth 2, eta 0.5, tree_method exact), lightgbm_*.txt by
-- LightGBM 4.1.0 (5 leaves; cut behind "end of trees"), on 300 rows of 4 normal
-- columns, a tenth of their numbers missing; the answers and contributions below
-- are what these programs' own predict gave for the rows, to 9 digits.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local files = require "spec.support.files"
local near = require "spec.support.near"

local E = moe.experts
local nan = 0 / 0
local number, list = near.within(1e-6)

local rows = {
  { 1.69, -0.47, 0.03, nan }, { nan, 0, nan, -1.75 }, { nan, nan, nan, nan },
  { 0.51, 0, -0.24, -1.45 },
}

local programs = {
  xgboost = {
    binary = {
      answers = { 0.845759928, 0.242119849, 0.242119849, 0.845759928 },
      contributions = {
        { 1.48961532, 0.0837450027, 0.156054854, 0, -0.027690053 },
        { -1.12639368, 0.0298362728, -0.0168448724, 0, -0.027690053 },
      },
    },
    softprob = {
      answers = {
        { 0.185705841, 0.165331811, 0.648962319 }, { 0.245221287, 0.548878133, 0.20590058 },
        { 0.245221287, 0.548878133, 0.20590058 }, { 0.192944571, 0.431867301, 0.375188082 },
      },
      contributions = {
        {
          { -0.350684464, 0.016769778, -0.0314868838, 0.111952491, 0.183446825 },
          { -0.499978304, -0.0192019027, -0.0551577844, 0, 0.388126194 },
          { 0.884532928, -0.00454339897, -0.0160469636, 0, 0.317265868 },
        },
        {
          { -0.350684464, 0.016769778, -0.0314868838, 0.111952491, 0.183446825 },
          { 0.363012642, -0.00379930646, -0.0116264224, 0, 0.388126194 },
          { -0.507097304, -0.0148210544, -0.0401174128, 0, 0.317265868 },
        },
      },
    },
    poisson = {
      answers = { 2.00035572, 0.731252551, 0.731252551, 1.17692292 },
      contributions = {
        { 0.760636032, 0.0107040312, -0.0298563577, 0, -0.0481587052 },
        { -0.190383106, 0.00213432289, -0.076588884, 0, -0.0481587052 },
      },
    },
    dart = {
      answers = { 1.60749686, -0.0204607472, -0.0204607472, 0.492518097 },
      contributions = {
        { 1.42913401, 0, 0, 0, 0.178362876 }, { -0.198823616, 0, 0, 0, 0.178362876 },
      },
    },
  },
  lightgbm = {
    binary = { -- sigmoid = 1.5
      answers = { 0.76912651, 0.297621544, 0.297621544, 0.76912651 },
      contributions = {
        { 0.673703704, 0.0197540596, 0.0633108666, 0, 0.0454884164 },
        { -0.606089811, -0.00628838233, -0.00554333989, 0, 0.0454884164 },
      },
      scale = 1.5, -- ours are of log odds
    },
    multiclass = {
      answers = {
        { 0.150732027, 0.205115809, 0.644152164 }, { 0.185079045, 0.592698795, 0.22222216 },
        { 0.185079045, 0.592698795, 0.22222216 }, { 0.132804211, 0.425293396, 0.441902393 },
      },
      contributions = {
        {
          { -0.302470935, -0.0278252227, -0.0437532898, 0.0653230114, -1.32460691 },
          { -0.401126089, 0, 0.0507412713, 0, -0.974877396 },
          { 0.765569042, 0.0497605814, 0.0822412995, 0, -1.0784729 },
        },
        {
          { -0.313314868, -0.00613735574, -0.0545972233, 0.0653230114, -1.32460691 },
          { 0.355254157, 0, 0.150193221, 0, -0.974877396 },
          { -0.380274006, 0.0139872187, -0.00567906789, 0, -1.0784729 },
        },
      },
    },
    ova = { -- multiclassova: it does not divide by the sum
      answers = {
        { 0.21480195, 0.30453704, 0.514718509 }, { 0.21480195, 0.495397458, 0.274521063 },
        { 0.21480195, 0.495397458, 0.274521063 }, { 0.21480195, 0.495397458, 0.421544472 },
      },
      contributions = {
        {
          { -0.269591373, -0.0123930669, -0.0364592856, 0, -0.977775815 },
          { -0.392476203, 0, 0.0562393901, 0, -0.489548219 },
          { 0.704260023, 0.0143777921, -0.0260229951, 0, -0.63372377 },
        },
      },
    },
    poisson = { -- use_missing = false: a missing number is 0
      answers = { 2.83724444, 1.10492791, 1.10492791, 1.26267623 },
      contributions = {
        { 0.779217773, 0.00138268777, -0.0170931128, -0.00217570669, 0.281501672 },
        { -0.136434364, -0.0188554159, -0.0242560896, -0.00217570669, 0.281501672 },
      },
    },
    forest = { -- boosting = rf, whose contributions it does not divide by the trees
      answers = { 1.23075053, -0.256446767, -0.256446767, 0.316752217 },
      contributions = {
        { 3.68176815, -0.256322143, -0.0549652228, 0, 0.321770813 },
        { -1.07271556, -0.035529802, 0.0171342454, 0, 0.321770813 },
      },
      scale = 1 / 3,
    },
  },
}

local endings = { xgboost = "json", lightgbm = "txt" }
local function path_of(program, name)
  return ("spec/fixtures/%s_%s.%s"):format(program, name, endings[program])
end

local scratch = os.tmpname()
teardown(function() os.remove(scratch) end)

local function import_text(text, options)
  local file = assert(io.open(scratch, "wb"))
  file:write(text)
  file:close()
  return E.import(scratch, options)
end

-- What a model answers a row: a value, or the probabilities of its classes.
local function answers(model, row)
  if not model:classes() then return model:predict(moe.tensor { row })[1] end
  return model:predict_proba(moe.tensor { row }):totable()[1]
end

local function expected_answer(name, answer)
  if type(answer) ~= "table" then return name == "binary" and { 1 - answer, answer } or answer end
  local sum, out = 0, {}
  for _, p in ipairs(answer) do sum = sum + p end
  for k, p in ipairs(answer) do out[k] = p / sum end
  return out
end

for program, models in pairs(programs) do
  for name, model in pairs(models) do
    describe(("a %s model (%s)"):format(program, name), function()
      local m = assert(E.import(path_of(program, name)))

      it("answers what that program answers, with missing numbers too", function()
        for i, row in ipairs(rows) do
          local expected, found = expected_answer(name, model.answers[i]), answers(m, row)
          if type(expected) == "table" then list(expected, found) else number(expected, found) end
        end
      end)

      it("has the contributions that it gives", function()
        local found = m:contributions(moe.tensor(rows)):totable()
        for i, outputs in ipairs(model.contributions) do
          if name == "binary" then found[i] = found[i][2] end
          local nested = type(outputs[1]) == "table"
          for k, expected in ipairs(nested and outputs or { outputs }) do
            local scaled = {}
            for j, x in ipairs(expected) do scaled[j] = x * (model.scale or 1) end
            list(scaled, nested and found[i][k] or found[i], 3e-6)
          end
        end
      end)

      it("is saved, loaded and cloned with the same answers", function()
        local again = assert(moe.undump(m:dump()))
        for _, row in ipairs(rows) do
          assert.same(answers(m, row), answers(again, row))
          assert.same(answers(m, row), answers(m:clone(), row))
        end
        assert.equal(m:info().objective, again:info().objective)
      end)

      it("survives a failed allocation anywhere, and leaks nothing", function()
        allocations.fail(function() assert(E.import(path_of(program, name))):close() end)
      end)
    end)
  end
end

describe("an imported model", function()
  local binary = files.read(path_of("xgboost", "binary"))

  it("keeps names of columns, tells where it is from, and prints", function()
    local m = E.import(path_of("xgboost", "binary"))
    assert.equal(m:predict_proba_one(rows[4])[1],
      m:predict_proba_one { a = 0.51, b = 0, c = -0.24, d = -1.45 }[1])
    assert.equal("XGBoost", m:info().program)
    assert.equal("binary:logistic", m:info().objective)
    assert.truthy(tostring(m):find "imported")
    assert.equal("LightGBM", E.import(path_of("lightgbm", "ova")):info().program)
    assert.is_nil(E.import(path_of("lightgbm", "ova")):info().names)
  end)

  it("has the classes 0, 1, …, or the names that it is given, in any order", function()
    assert.same({ 0, 1 }, import_text(binary):classes())
    local named = import_text(binary, { classes = { "yes", "no" } })
    assert.same({ "no", "yes" }, named:classes())
    number(0.845759928, named:predict_proba_one(rows[1]).no)
    local softprob = files.read(path_of("xgboost", "softprob"))
    named = import_text(softprob, { classes = { "b", "c", "a" } })
    number(0.648962319, named:predict_proba_one(rows[1]).a)
    local some = named:contributions(rows[1])
    number(0.884532928, some.a[1], 3e-6)
  end)

  it("refuses names that are not one a class", function()
    local wrong = { { "a" }, { "a", "a" }, { "a", {} }, { nan, 1 }, { "a", "b", "c" } }
    for _, classes in ipairs(wrong) do
      assert.has_error(function() import_text(binary, { classes = classes }) end)
    end
    assert.has_error(function() import_text(binary, { clases = { "a", "b" } }) end)
    assert.has_error(function()
      E.import(path_of("xgboost", "poisson"), { classes = { "a", "b" } })
    end)
  end)

  it("is not fitted, and stays as it was", function()
    local m = import_text(binary)
    local ok, message = pcall(m.fit, m, { { 1, 2, 3, 4 }, { 4, 3, 2, 1 } }, { 0, 1 })
    assert.is_false(ok)
    assert.truthy(message:find "another program")
    number(0.845759928, m:predict_proba_one(rows[1])[1])
    assert.has_error(function() E.imported {}:predict(rows) end) -- it has no model
  end)

  it("is an expert like any other, which a mixture leaves as it is", function()
    local X, y = {}, {}
    for i = 1, 80 do
      X[i] = { i % 9 / 4 - 1, i % 7 / 3 - 1, i % 5 / 2 - 1, 0 }
      y[i] = math.exp(X[i][1])
    end
    local m = moe.mixture {
      experts = { theirs = E.import(path_of("xgboost", "poisson")), ours = E.linear {} },
    }
    m:fit(X, y)
    number(programs.xgboost.poisson.answers[4], m:expert("theirs"):predict_one(rows[4]))
    local again = assert(moe.undump(m:dump()))
    assert.same(m:predict(X), again:predict(X))
  end)

  -- The links and how base_score is written are XGBoost's (src/objective): a
  -- score here is the logarithm of what count:poisson answers.
  it("answers through the link of every objective", function()
    local poisson = files.read(path_of("xgboost", "poisson"))
    local function same(x) return x end
    local function squash(x) return 1 / (1 + math.exp(-x)) end
    local function logit(p) return math.log(p / (1 - p)) end
    local links = {
      ["reg:squarederror"] = { same, same }, ["reg:absoluteerror"] = { same, same },
      ["reg:pseudohubererror"] = { same, same }, ["reg:squaredlogerror"] = { same, same },
      ["rank:pairwise"] = { same, same }, ["reg:gamma"] = { math.exp, math.log },
      ["reg:tweedie"] = { math.exp, math.log }, ["reg:logistic"] = { squash, logit },
    }
    for objective, link in pairs(links) do
      local m = assert(import_text((poisson:gsub("count:poisson", objective))))
      for i, answer in ipairs(programs.xgboost.poisson.answers) do
        local trees = math.log(answer) - math.log(0.7)
        number(link[1](trees + link[2](0.7)), m:predict(moe.tensor { rows[i] })[1], 2e-6)
      end
    end
  end)
end)

describe("import", function()
  local function refuses(text, word)
    local m, message, code = import_text(text)
    assert.is_nil(m)
    assert.equal("EFORMAT", code)
    assert.truthy(message:find(word or "", 1, true), message)
    assert.truthy(message:find(scratch, 1, true), message)
  end

  it("says what is wrong with a file, and where", function()
    local m, message, code = E.import "no/such/file.json"
    assert.is_nil(m)
    assert.truthy(message:find "no/such/file")
    assert.equal("EIO", code)
    refuses("", "neither")
    refuses("hello", "neither")
    refuses("{}", "names no booster")
    refuses("{\0}", "at byte")
    refuses("tree\0\n", "zero byte")
    refuses(("["):rep(1000))
    refuses('{"learner":' .. ("["):rep(1000), "expected")
    refuses('{"x":' .. ("["):rep(1000), "too deeply")
  end)

  it("refuses by name what it cannot answer exactly", function()
    local xgboost = files.read(path_of("xgboost", "poisson"))
    local function altered(from, to, word)
      local text, n = xgboost:gsub(from, to, 1)
      assert.equal(1, n, from)
      refuses(text, word)
    end
    altered("count:poisson", "survival:aft", "survival:aft")
    altered('"name":"gbtree"', '"name":"gblinear"', "gblinear")
    altered('"split_type":%[0', '"split_type":[1', "categories")
    altered('("num_nodes":"%d+","size_leaf_vector":")0', "%13", "several numbers a leaf")
    local lightgbm = files.read(path_of("lightgbm", "binary"))
    xgboost = lightgbm
    altered("objective=binary", "objective=cross_entropy_lambda", "cross_entropy_lambda")
    altered("objective=binary", "objective=regression sqrt", "reg_sqrt")
    altered("num_cat=0", "num_cat=1", "categories")
    altered("is_linear=0", "is_linear=1", "linear models")
    altered("decision_type=%d+", "decision_type=9", "categories")
    altered("decision_type=%d+", "decision_type=6", "0, as missing")
  end)

  it("refuses trees that are not trees, and numbers that are none", function()
    local xgboost = files.read(path_of("xgboost", "poisson"))
    local lightgbm = files.read(path_of("lightgbm", "binary"))
    local function altered(whole, from, to, word)
      local text, n = whole:gsub(from, to, 1)
      assert.equal(1, n, from)
      refuses(text, word)
    end
    altered(xgboost, '"left_children":%[1', '"left_children":[0', "tree 1: node 1")
    altered(xgboost, '"left_children":%[1', '"left_children":[2', "tree 1: node 1")
    altered(xgboost, '"left_children":%[1', '"left_children":[1e9', "tree 1: node 1")
    altered(xgboost, '"left_children":%[1', '"left_children":[1.5', "tree 1: node 1")
    altered(xgboost, '"left_children":%[1', '"left_children":[-1', "tree 1: node 1")
    altered(xgboost, '"left_children":%[1,', '"left_children":[', "differ in length")
    altered(xgboost, '"split_indices":%[0', '"split_indices":[4', "node")
    altered(xgboost, '"split_indices":%[0', '"split_indices":[-1', "column")
    altered(xgboost, '"num_feature":"4","num_t', '"num_feature":"1e9","num_t', "columns")
    altered(xgboost, '"tree_info":%[0', '"tree_info":[1', "score 2")
    altered(xgboost, '"tree_info":%[0,', '"tree_info":[', "trees")
    altered(xgboost, '"base_score":"7E%-1"', '"base_score":"-1"', "add up")
    altered(xgboost, '"base_score":"7E%-1"', '"base_score":"nan"', "number")
    altered(xgboost, '"num_class":"0"', '"num_class":"100"', "too few")
    altered(xgboost, '"split_conditions":%[[^,]+', '"split_conditions":[NaN', "expected")
    altered(xgboost, '"split_conditions":%[[^,]+', '"split_conditions":[1e999', "expected")
    altered(lightgbm, "left_child=%-?%d", "left_child=99", "tree 1")
    altered(lightgbm, "left_child=%-?%d", "left_child=0", "tree 1")
    altered(lightgbm, "leaf_value=", "leaf_value=1e999 ", "number")
    altered(lightgbm, "leaf_value=", "leaf_value=1 ", "leaves")
    altered(lightgbm, "Tree=1", "Tree=1\nnum_leaves=x", "number")
    altered(lightgbm, "max_feature_idx=3", "max_feature_idx=-9", "max_feature_idx")
    altered(lightgbm, "num_tree_per_iteration=1", "num_tree_per_iteration=0", "wrong")
    altered(lightgbm, "tree_sizes=%d+ ", "tree_sizes=", "tells of 2 trees and has 3")
  end)

  it("refuses answers that could add up to more than there are numbers", function()
    local xgboost = files.read(path_of("xgboost", "poisson"))
    refuses(xgboost:gsub("%-1.8599933E%-1", "1E308"), "too large")
    refuses(xgboost:gsub('"7E%-1"', '"1E308"'):gsub("count:poisson", "reg:squarederror"), "add up")
    assert(import_text((xgboost:gsub("%-1.8599933E%-1", "1E300"))))
  end)

  it("takes time for the nodes of a file, however many columns it tells of", function()
    local head = ("tree\nobjective=regression\nmax_feature_idx=%d\n"):format(2e6)
    local tree = "Tree=0\nnum_leaves=2\nsplit_feature=7\nsplit_gain=1\nthreshold=0\n"
      .. "decision_type=2\nleft_child=-1\nright_child=-2\nleaf_value=1 2\n"
    local function time(trees)
      local text, start = head .. tree:rep(trees) .. "end of trees\n", os.clock()
      assert(import_text(text)):close()
      return os.clock() - start
    end
    assert.is_true(time(200) < 3 * time(1) + 0.1)
  end)

  it("refuses every shorter file, and never crashes on one that is garbled", function()
    for _, path in ipairs { path_of("xgboost", "dart"), path_of("lightgbm", "poisson") } do
      local whole = files.read(path)
      local seed = 1
      local function below(n)
        seed = (seed * 16807) % 2147483647
        return seed % n
      end
      for _ = 1, 60 do
        refuses(whole:sub(1, below(#whole - 20)))
        local at = below(#whole) + 1
        local m, message, code = import_text(whole:sub(1, at - 1) .. string.char(below(256))
          .. whole:sub(at + 1 + below(3)))
        if m then
          assert.equal(4, #m:predict(moe.tensor(rows)))
          m:close()
        else
          assert.is_string(message)
          assert.equal("EFORMAT", code)
        end
      end
    end
  end)
end)
