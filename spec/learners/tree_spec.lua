-- Trees against splits that can be worked out by hand, and against another
-- library's trees on the same rows.
local moe = require "moe"
local data = require "spec.support.data"
local safetensors = require "spec.support.safetensors_reader"
local near = require("spec.support.near").within(1e-12)

local E, NAN = moe.experts, 0 / 0

-- Rows of one number each.
local function column(numbers)
  local X = {}
  for i, x in ipairs(numbers) do X[i] = { x } end
  return X
end

local function fitted(X, y, options, fit_options)
  local tree = E.tree(options or {})
  tree:fit(X, y, fit_options)
  return tree
end

local function classifier(options)
  options.task = "classification"
  return options
end

-- n rows of d uniform numbers.
local function uniform_rows(n, d, seed)
  local u, X = data.uniform(seed), {}
  for i = 1, n do
    X[i] = {}
    for j = 1, d do X[i][j] = u() end
  end
  return X
end

local function by_rule(X)
  local classes, numbers = {}, {}
  for i, x in ipairs(X) do
    local z, high = x[1] + 2 * x[2] * x[3], x[4] > 0.7 and 1 or 0
    classes[i], numbers[i] = (z > 0.9 and 1 or 0) + high, z + high
  end
  return classes, numbers
end

describe("a split", function()
  it("lies midway between neighbouring values, and takes its own value left", function()
    local tree = fitted(column { 1, 2, 4, 8 }, { "a", "a", "b", "b" })
    assert.same({ "a", "b" }, tree:predict(column { 3, 3.001 }))
    assert.equal(1, tree:info().depth)
  end)

  it("is the same for doubles, tensors and tables: features are float32", function()
    local tree = fitted(column { 0, 2 }, { "a", "b" }) -- threshold 1
    local just_above = 1 + 2 ^ -30 -- a double that is 1 as a float32
    assert.equal("a", tree:predict_one { just_above })
    assert.same({ "a" }, tree:predict { { just_above } })
    assert.same({ "a" }, tree:predict(moe.tensor { { just_above } }))
    assert.equal("b", tree:predict_one { 1 + 2 ^ -22 })
  end)

  -- scikit-learn 1.2.1, DecisionTreeClassifier(max_depth = 1): 5.5 and 8.5.
  it("is where the criterion is least: Gini and entropy differ", function()
    local X, y = column { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, { 2, 0, 2, 2, 2, 0, 0, 0, 1, 2 }
    local test = column { 5.4, 5.6, 8.4, 8.6 }
    local gini = fitted(X, y, classifier { max_depth = 1 }):predict_proba(test)
    local entropy = fitted(X, y, classifier { max_depth = 1, criterion = "entropy" })
    entropy = entropy:predict_proba(test)
    near(4 / 5, gini:get(1, 3), 1e-7)
    near(3 / 5, gini:get(2, 1), 1e-7)
    near(3 / 5, gini:get(3, 1), 1e-7)
    near(4 / 8, entropy:get(2, 1), 1e-7)
    near(4 / 8, entropy:get(3, 1), 1e-7)
    near(1 / 2, entropy:get(4, 2), 1e-7)
  end)

  it("that gains nothing is taken where nothing else is there, as for exclusive or", function()
    local X, y = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } }, { "no", "yes", "yes", "no" }
    assert.same(y, fitted(X, y):predict(X))
  end)

  it("of a regression leaves the means of its sides", function()
    local tree = fitted(column { 1, 2, 3, 4, 5 }, { 0, 2, 1, 10, 12 }, { max_depth = 1 })
    assert.same({ 1, 11 }, tree:predict(column { 3.5, 3.6 }))
  end)

  it("gives back targets that one leaf shares to the last bit", function()
    local X, y = {}, {}
    for i = 1, 40 do X[i], y[i] = { i }, 0.1 * i + 1e9 end
    assert.same(y, fitted(X, y):predict(X))
  end)
end)

describe("a tree", function()
  -- scikit-learn 1.2.1 on the same rows as float32: max_depth = 3, the other
  -- parameters at their defaults; the tree is the same for 20 of its seeds.
  local rows, test = uniform_rows(200, 4, 3), uniform_rows(12, 4, 5)
  local classes, numbers = by_rule(rows)

  local function check(criterion, leaves, importances)
    local tree = fitted(rows, classes, classifier { max_depth = 3, criterion = criterion })
    local proba, info = tree:predict_proba(test), tree:info()
    for i, leaf in ipairs(leaves) do
      for c, p in ipairs(leaf) do near(p, proba:get(i, c), 1e-7) end
    end
    assert.equal(15, info.n_nodes)
    for j, share in ipairs(importances) do near(share, info.importances[j], 1e-9) end
  end

  it("splits as another library does, by Gini impurity", function()
    local a, b, c = { 19 / 22, 3 / 22, 0 }, { 1 / 21, 20 / 21, 0 }, { 0, 3 / 22, 19 / 22 }
    check("gini", { a, b, a, a, a, a, a, c, a, c, c, a }, {
      0.23352414810302125, 0.25388873551416596, 0.24182913721131577, 0.27075797917149713,
    })
  end)

  it("splits as another library does, by entropy", function()
    local a, b, c = { 33 / 71, 38 / 71, 0 }, { 20 / 21, 1 / 21, 0 }, { 0, 3 / 22, 19 / 22 }
    check("entropy", { a, b, a, b, a, a, a, c, a, c, c, b }, {
      0.16053242558352876, 0.07189059490960427, 0.25064514232413015, 0.5169318371827367,
    })
  end)

  it("splits as another library does, by squared error", function()
    local tree = fitted(rows, numbers, { max_depth = 3, min_samples_leaf = 5 })
    local a, b, c = 1.7690412950201326, 0.9570730765782814, 0.3846535856951649
    local d = 1.7694771097925657
    local expected = { a, 0.9861537412119288, a, c, b, b, c, 1.3479576468456629, b, d, d, c }
    for i, y in ipairs(tree:predict(test)) do near(expected[i], y) end
    local importances = tree:info().importances
    near(0.17994717976718402, importances[1], 1e-9)
    near(0.5381423737096412, importances[4], 1e-9)
  end)

  it("predicts several numbers at once", function()
    local y = moe.tensor { { 1, 10 }, { 1, 10 }, { 3, -4 }, { 5, -6 } }
    local tree = fitted(column { 1, 2, 3, 4 }, y, { max_depth = 1 })
    assert.same({ { 1, 10 }, { 4, -5 } }, tree:predict(column { 2, 3 }):totable())
  end)

  it("keeps to the limits of depth, split and leaf", function()
    local function leaves(options)
      local tree, counts, least = fitted(rows, numbers, options), {}, math.huge
      for _, y in ipairs(tree:predict(rows)) do counts[y] = (counts[y] or 0) + 1 end
      for _, count in pairs(counts) do least = math.min(least, count) end
      return tree:info(), least
    end
    assert.equal(2, (leaves { max_depth = 2 }).depth)
    local _, least = leaves { min_samples_leaf = 7 }
    assert.is_true(least >= 7 and least < 14, tostring(least))
    assert.same({ "a", "a", "b", "b" }, fitted(
      column { 1, 1, 2, 2 }, { "a", "a", "b", "b" }, { min_samples_leaf = 2 }
    ):predict(column { 1, 1, 2, 2 }))
    assert.equal(1, (leaves { min_samples_split = 201 }).n_nodes)
    assert.equal(3, (leaves { min_samples_split = 200, min_samples_leaf = 70 }).n_nodes)
  end)

  it("draws columns by its seed where it may not examine all", function()
    local function nodes(seed)
      return fitted(rows, classes, classifier { max_features = 0.25, seed = seed }):dump()
    end
    assert.is_true(nodes(1) == nodes(1))
    assert.is_true(nodes(1) ~= nodes(2))
  end)

  it("refuses a criterion of the other task, naming it", function()
    local ok, message = pcall(fitted, rows, numbers, { criterion = "gini" })
    assert.is_false(ok)
    assert.truthy(tostring(message):find("criterion = 'gini' is not for regression", 1, true))
    assert.has_error(function()
      fitted(rows, classes, classifier { criterion = "squared_error" })
    end)
  end)
end)

describe("bins", function()
  local X, y = {}, {}
  for i = 1, 1000 do X[i], y[i] = { i }, i end

  it("hold about equally many rows each", function()
    local counts = {}
    for _, value in ipairs(fitted(X, y, { max_bins = 4 }):predict(X)) do
      counts[value] = (counts[value] or 0) + 1
    end
    assert.same({ [125.5] = 250, [375.5] = 250, [625.5] = 250, [875.5] = 250 }, counts)
  end)

  it("are one a value where there are no more values than bins", function()
    local few, same = {}, {}
    for i = 1, 1000 do few[i], same[i] = { math.floor(i / 4) }, math.floor(i / 4) end
    assert.same(same, fitted(few, same):predict(few)) -- 251 values
  end)

  it("leave a frequent value a bin of its own", function()
    local often, target = {}, {}
    for i = 1, 1000 do
      often[i] = { i <= 600 and 500 or i > 800 and i or i - 400 }
      target[i] = i <= 600 and 1 or 0
    end
    assert.same({ 1 }, fitted(often, target, { max_bins = 5 }):predict { { 500 } })
  end)

  it("cope with equal, huge and tiny numbers, and both zeros", function()
    local tree = fitted(
      { { -3e38, 5 }, { -1e-40, 5 }, { -0.0, 5 }, { 0.0, 5 }, { 3e38, 5 } },
      { 1, 2, 3, 3, 4 }
    )
    assert.same({ 1, 2, 3, 3, 4 }, tree:predict {
      { -3e38, 0 }, { -1e-40, 0 }, { 0.0, 0 }, { -0.0, 0 }, { 3e38, 0 },
    })
  end)
end)

describe("missing numbers", function()
  it("go to the side where they belong, whichever it is", function()
    local numbers = { 1, 2, 3, 7, 8, 9, NAN, NAN }
    local right = fitted(column(numbers), { "a", "a", "a", "b", "b", "b", "b", "b" })
    local left = fitted(column(numbers), { "a", "a", "a", "b", "b", "b", "a", "a" })
    assert.same({ "a", "b", "b" }, right:predict(column { 3, 7, NAN }))
    assert.same({ "a", "b", "a" }, left:predict(column { 3, 7, NAN }))
    assert.equal("b", right:predict_one { NAN })
    assert.equal("a", left:predict_one { NAN })
    assert.equal(3, right:info().n_nodes)
    assert.equal(3, left:info().n_nodes)
  end)

  it("are split from all others where that is what matters", function()
    local tree = fitted(column { 1, NAN, 2, NAN, 3 }, { "no", "yes", "no", "yes", "no" })
    assert.same({ "no", "yes", "no" }, tree:predict(column { -1e30, NAN, 1e30 }))
    assert.equal(3, tree:info().n_nodes)
  end)

  it("never seen in training go with most rows", function()
    local many_left = fitted(column { 1, 2, 3, 4, 9 }, { "a", "a", "a", "a", "b" })
    local many_right = fitted(column { 1, 6, 7, 8, 9 }, { "a", "b", "b", "b", "b" })
    assert.equal("a", many_left:predict_one { NAN })
    assert.equal("b", many_right:predict_one { NAN })
  end)

  it("count towards the rows that a leaf needs", function()
    local X, y = column { 1, 2, NAN, NAN, 3, 4 }, { 0, 0, 0, 0, 1, 1 }
    local tree = fitted(X, y, { min_samples_leaf = 2 })
    assert.same({ 0, 0, 1 }, tree:predict(column { 2, NAN, 3 }))
  end)

  it("in every row are no reason to split", function()
    assert.equal(1, fitted(column { NAN, NAN }, { "a", "b" }):info().n_nodes)
  end)
end)

describe("targets", function()
  it("too large to be squared are refused, naming the row", function()
    local ok, message = pcall(fitted, column { 1, 2, 3 }, { 1, 1e200, 3 })
    assert.is_false(ok)
    assert.truthy(tostring(message):find("y%[2%]"), message)
  end)
end)

describe("weights", function()
  local X = { { 1, 3 }, { 2, 1 }, { 3, 2 }, { 4, 5 }, { 5, 4 }, { 6, 6 } }
  local y = { "a", "b", "a", "b", "b", "a" }
  local weights = { 1, 3, 1, 2, 1, 1 }
  local test = uniform_rows(20, 2, 31)
  for _, row in ipairs(test) do row[1], row[2] = 7 * row[1], 7 * row[2] end

  local function proba(...) return fitted(...):predict_proba(test):totable() end

  it("count like that many copies of a row, whatever their scale", function()
    local copies, labels, thousandfold = {}, {}, {}
    for i, weight in ipairs(weights) do
      thousandfold[i] = 1024 * weight
      for _ = 1, weight do copies[#copies + 1], labels[#labels + 1] = X[i], y[i] end
    end
    local options = { max_depth = 2 }
    local expected = proba(copies, labels, options)
    assert.same(expected, proba(X, y, options, { weights = weights }))
    assert.same(expected, proba(X, y, options, { weights = thousandfold }))
    assert.is_false(pcall(assert.same, expected, proba(X, y, options)))
  end)

  it("of classes are those of their rows", function()
    local rows = {}
    for i, label in ipairs(y) do rows[i] = label == "a" and 2.5 or 1 end
    local by_rows = proba(X, y, { max_depth = 1 }, { weights = rows })
    assert.same(by_rows, proba(X, y, { max_depth = 1, class_weight = { a = 2.5 } }))
  end)

  it("of unknown classes are noted", function()
    local tree = E.tree { class_weight = { z = 2 } }
    local _, history = tree:fit(X, y)
    assert.truthy(table.concat(history.notes):find("class_weight names z", 1, true))
  end)

  it("that leave no row are refused", function()
    assert.has_error(function() fitted(X, y, { class_weight = { a = 0, b = 0 } }) end)
  end)
end)

describe("a saved tree", function()
  local X, y = uniform_rows(12, 2, 41), {}
  X[3][1] = NAN
  for i = 1, #X do y[i] = i % 3 == 0 and "a" or i % 3 == 1 and "b" or "c" end

  -- Its parts, without the checksum that would give every change away.
  local function parts()
    local file = safetensors.read(fitted(X, y, { min_samples_leaf = 2 }):dump())
    file.metadata.checksum = nil
    return file
  end

  -- A part with a 32-bit number replaced; its first is number 1.
  local function with_word(name, at, number)
    local file, word = parts(), ""
    for _ = 1, 4 do
      word = word .. string.char(number % 256)
      number = math.floor(number / 256)
    end
    local part = file.tensors[name]
    part.bytes = part.bytes:sub(1, 4 * at - 4) .. word .. part.bytes:sub(4 * at + 1)
    return moe.undump(safetensors.pack(file))
  end

  it("is refused if a walk could leave it or never end", function()
    assert.truthy(with_word("roots", 1, 3))
    -- Nodes 1 to 3 are the certain answers, node 4 the root: of each the
    -- threshold, the column and the children, which count from 0.
    for _, change in ipairs {
      { "roots", 1, -1 }, { "roots", 1, 1000 }, { "nodes", 14, 2 }, { "nodes", 14, -1 },
      { "nodes", 15, 3 }, { "nodes", 16, 3 }, { "nodes", 15, -5 }, { "nodes", 16, 1000 },
      { "nodes", 13, 0x7fc00000 }, { "nodes", 2, 1 }, { "nodes", 3, 1 },
    } do
      local tree, message = with_word(change[1], change[2], change[3])
      assert.is_nil(tree, table.concat(change, " "))
      assert.truthy(message:find "trees", message)
    end
  end)

  it("never makes predict leave its bounds, whichever byte is changed", function()
    local file = parts()
    for _, part in pairs(file.tensors) do
      local bytes = part.bytes
      for at = 1, #bytes do
        for _, change in ipairs { 1, 2, 64, 128, 255 } do
          local changed = string.char((bytes:byte(at) + change) % 256)
          part.bytes = bytes:sub(1, at - 1) .. changed .. bytes:sub(at + 1)
          local tree = moe.undump(safetensors.pack(file))
          if tree and tree:info().fitted then
            for _, p in ipairs(tree:predict_proba(X):totable()) do
              assert.is_true(p[1] == p[1] and math.abs(p[1]) < math.huge)
            end
            tree:close()
          end
        end
      end
      part.bytes = bytes
    end
  end)
end)
