-- Figures of merit: against scikit-learn's, whole, weighted and row by row.
local moe = require "moe"
local near = require "spec.support.near"
local random = require "spec.support.data"
local metrics = moe.metrics

local close = near.within(1e-9)

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

-- 80 rows of three classes with predictions, probabilities and weights, of
-- numbers with predictions, and of two classes with scores in steps of 0.05, so
-- that many are equal.
local names = { "ash", "elm", "oak" }
local function rows()
  local u, floor = random.uniform(2024), math.floor
  local r = { y = {}, p = {}, proba = {}, w = {}, t = {}, q = {}, b = {}, s = {} }
  for i = 1, 80 do
    local c = floor(u() * 3)
    local d = u() < 0.6 and c or floor(u() * 3)
    r.y[i], r.p[i] = names[c + 1], names[d + 1]
    local row = {}
    for k = 1, 3 do row[k] = u() + (k == c + 1 and 0.5 or 0) end
    local sum = row[1] + row[2] + row[3]
    r.proba[i] = { row[1] / sum, row[2] / sum, row[3] / sum }
    r.w[i] = u() * 2
    r.t[i] = u() * 10 - 5
    r.q[i] = r.t[i] + u() - 0.3
    r.b[i] = u() < 0.4 and 1 or 0
    r.s[i] = floor((u() * 0.7 + 0.3 * r.b[i]) * 20) / 20
  end
  return r
end

-- Those rows in scikit-learn 1.2.1; brier_3 and average_precision_3 from its
-- definitions and from average_precision_score of an indicator matrix.
local expected = {
  plain = {
    accuracy = 0.6875,
    balanced_accuracy = 0.6889400921658986,
    precision_macro = 0.6897363973100298,
    precision_micro = 0.6875,
    precision_weighted = 0.7003553511705686,
    precision_elm = 0.7096774193548387,
    recall_macro = 0.6889400921658986,
    recall_micro = 0.6875,
    recall_weighted = 0.6875,
    recall_elm = 0.7096774193548387,
    f1_macro = 0.6846192148788136,
    f1_micro = 0.6875,
    f1_weighted = 0.6896120150187736,
    f1_elm = 0.7096774193548389,
    cohen_kappa = 0.5293010120028241,
    mcc = 0.5324352041924434,
    log_loss = 0.6934541384214548,
    brier = 0.153625,
    brier_3 = 0.4038028265231609,
    roc_auc = 0.8555764411027569,
    roc_auc_3 = 0.9188075792484915,
    average_precision = 0.8388729381389273,
    average_precision_3 = 0.8468748211543694,
    mae = 0.306687249021692,
    mse = 0.13785194822331945,
    rmse = 0.3712841879521931,
    r2 = 0.9847184396338889,
    pinball = 0.2198345807182299,
  },
  weighted = {
    accuracy = 0.690215133554885,
    balanced_accuracy = 0.6886221994351596,
    precision_macro = 0.6897605625057418,
    precision_micro = 0.6902151335548851,
    precision_weighted = 0.6937402187390139,
    precision_elm = 0.7120114609306905,
    recall_macro = 0.6886221994351596,
    recall_micro = 0.690215133554885,
    recall_weighted = 0.690215133554885,
    recall_elm = 0.7194963889717172,
    f1_macro = 0.6873450796370877,
    f1_micro = 0.6902151335548851,
    f1_weighted = 0.690298228662969,
    f1_elm = 0.7157343567218772,
    cohen_kappa = 0.5310366195159177,
    mcc = 0.5322236201043974,
    log_loss = 0.7048103314701551,
    brier = 0.14847534153259567,
    brier_3 = 0.409881493575243,
    roc_auc = 0.8733054404542078,
    roc_auc_3 = 0.9119357986895591,
    average_precision = 0.8579761699626578,
    average_precision_3 = 0.8345973880337475,
    mae = 0.31995357058724044,
    mse = 0.14713227258671377,
    rmse = 0.3835782483232251,
    r2 = 0.9840904549432387,
    pinball = 0.23319137739725485,
  },
}

-- name of the expectation → metric, truth, prediction, classes, options
local function cases()
  local r = rows()
  local out = {
    accuracy = { "accuracy", r.y, r.p },
    balanced_accuracy = { "balanced_accuracy", r.y, r.p },
    cohen_kappa = { "cohen_kappa", r.y, r.p },
    mcc = { "mcc", r.y, r.p },
    log_loss = { "log_loss", r.y, r.proba, names },
    brier = { "brier", r.b, r.s },
    brier_3 = { "brier", r.y, r.proba, names },
    roc_auc = { "roc_auc", r.b, r.s },
    roc_auc_3 = { "roc_auc", r.y, r.proba, names },
    average_precision = { "average_precision", r.b, r.s },
    average_precision_3 = { "average_precision", r.y, r.proba, names },
    pinball = { "pinball", r.t, r.q, nil, { quantile = 0.2 } },
  }
  for _, name in ipairs { "mae", "mse", "rmse", "r2" } do out[name] = { name, r.t, r.q } end
  for _, name in ipairs { "precision", "recall", "f1" } do
    for _, average in ipairs { "macro", "micro", "weighted" } do
      out[name .. "_" .. average] = { name, r.y, r.p, nil, { average = average } }
    end
    out[name .. "_elm"] = { name, r.y, r.p, nil, { positive = "elm" } }
  end
  return out, r.w
end

local function with(options, name, value)
  local out = { [name] = value }
  for key, v in pairs(options or {}) do out[key] = v end
  return out
end

local function whole(case, options)
  if case[4] then return metrics[case[1]](case[2], case[3], case[4], options) end
  return metrics[case[1]](case[2], case[3], options)
end

local function one(case, i)
  local p = case[3][i]
  if not case[4] then return case[2][i], p end
  local by_label = {}
  for k, label in ipairs(case[4]) do by_label[label] = p[k] end
  return case[2][i], by_label
end

describe("metrics", function()
  it("are those of scikit-learn", function()
    for name, case in pairs(cases()) do close(expected.plain[name], whole(case, case[5])) end
  end)

  it("are those of scikit-learn of weighted rows", function()
    local all, weights = cases()
    for name, case in pairs(all) do
      close(expected.weighted[name], whole(case, with(case[5], "weights", weights)))
    end
  end)

  it("are the same row by row, weighted or not, and after a reset", function()
    local all, weights = cases()
    for name, case in pairs(all) do
      local plain = metrics.updatable(case[1], case[5])
      for _ = 1, 2 do
        plain:reset()
        for i = 1, #case[2] do plain:update(one(case, i)) end
        assert.equal(whole(case, case[5]), plain:get())
      end
      local weighted = metrics.updatable(case[1], case[5])
      for i = 1, #case[2] do
        local y, p = one(case, i)
        weighted:update(y, p, weights[i])
      end
      close(expected.weighted[name], weighted:get())
    end
  end)

  it("of a window are those of its last rows", function()
    local all = cases()
    for _, case in pairs(all) do
      local windowed = metrics.updatable(case[1], with(case[5], "window", 30))
      local fresh = metrics.updatable(case[1], case[5])
      for i = 1, 80 do windowed:update(one(case, i)) end
      for i = 51, 80 do fresh:update(one(case, i)) end
      close(fresh:get(), windowed:get(), 1e-12)
    end
  end)

  it("have the same bits whichever order the labels of a table come in", function()
    local trees, shares = { "ash", "beech", "elm", "fir", "oak", "yew" }, {}
    for k, name in ipairs(trees) do shares[name] = k / 21 end
    local found, orders, r = nil, {}, require("moe.core").random(1, "orders")
    for spare = 1, 100 do
      local p, keys = {}, {}
      for k = 1, spare do p["spare " .. k] = 0 end -- a table that was larger has more places
      for k = 1, spare do p["spare " .. k] = nil end
      for k = #trees, 1, -1 do
        local j = r.below(k)
        trees[k], trees[j] = trees[j], trees[k]
        p[trees[k]] = shares[trees[k]]
      end
      for name in pairs(p) do keys[#keys + 1] = name end
      orders[table.concat(keys, " ")] = true
      local updated = metrics.updatable "brier"
      updated:update("elm", p)
      found = found or updated:get()
      assert.equal(found, updated:get())
    end
    local first = next(orders)
    assert.truthy(next(orders, first), "one order alone has been tried")
    -- Σ (k/21)² − 2 · 3/21 + 1
    close(91 / 441 - 6 / 21 + 1, found)
  end)

  it("are the same of probabilities together and row by row, of many rows", function()
    local y, proba, weights, updated = {}, {}, {}, metrics.updatable "brier"
    for i = 1, 200 do
      y[i], weights[i] = i * i % 7 < 3 and "a" or "b", i % 3
      proba[i] = { i % 13 / 13, 1 - i % 13 / 13 }
      updated:update(y[i], { a = proba[i][1], b = proba[i][2] }, weights[i])
      assert.equal(updated:get(), metrics.brier(y, proba, { "a", "b" }, { weights = weights }))
    end
  end)

  it("take a weight as so many rows, and a weight of 0 as none", function()
    local y, p = { "a", "b", "b", "c" }, { "a", "b", "c", "a" }
    local twice = { "a", "b", "b", "b", "b" }
    local same = { "a", "b", "b", "c", "c" }
    for _, name in ipairs { "accuracy", "balanced_accuracy", "cohen_kappa", "mcc", "f1" } do
      close(metrics[name](twice, same), metrics[name](y, p, { weights = { 1, 2, 2, 0 } }), 1e-12)
    end
  end)

  it("take tensors, and the mean over several outputs", function()
    local y, p = { 1, 2, 3, 5 }, { 1.5, 2, 2, 6 }
    assert.equal(metrics.mse(y, p), metrics.mse(moe.tensor(y), moe.tensor(p)))
    local proba = moe.tensor { { 0.25, 0.75 }, { 0.5, 0.5 } }
    close((math.log(4 / 3) + math.log(2)) / 2, metrics.log_loss({ "b", "a" }, proba, { "a", "b" }))
    local wide_y = moe.tensor { { 1, 0 }, { 2, 4 }, { 3, 8 } }
    local wide_p = moe.tensor { { 1, 2 }, { 2, 2 }, { 4, 8 } }
    close((1 / 3 + 8 / 3) / 2, metrics.mse(wide_y, wide_p))
    close((1 - 1 / 2 + 1 - 8 / 32) / 2, metrics.r2(wide_y:totable(), wide_p:totable()))
  end)
end)

describe("metrics of labels", function()
  -- "c" is predicted but never true: scikit-learn 1.2.1 gives precision 0.5,
  -- recall 7/18, f1 13/30 (macro), balanced accuracy 7/12 and kappa 1/3.
  local y, p = { "a", "a", "b", "b", "b" }, { "a", "c", "b", "b", "a" }

  it("count a ratio of nothing as 0, as scikit-learn does", function()
    close(0.5, metrics.precision(y, p))
    close(7 / 18, metrics.recall(y, p))
    close(13 / 30, metrics.f1(y, p))
    close(13 / 30, metrics.macro_f1(y, p))
    close(7 / 12, metrics.balanced_accuracy(y, p))
    close(1 / 3, metrics.cohen_kappa(y, p))
    close(0.36084391824351614, metrics.mcc(y, p))
    assert.equal(0, metrics.mcc({ 1, 1 }, { 1, 1 }))
    assert.equal(0, metrics.cohen_kappa({ 1, 1 }, { 1, 1 }))
    assert.equal(0, metrics.f1(y, p, { positive = "elsewhere" }))
  end)

  it("tell of each class what makes them up", function()
    assert.same({
      a = { precision = 0.5, recall = 0.5, f1 = 0.5, support = 2, predicted = 2, right = 1 },
      b = { precision = 1, recall = 2 / 3, f1 = 0.8, support = 3, predicted = 2, right = 2 },
      c = { precision = 0, recall = 0, f1 = 0, support = 0, predicted = 1, right = 0 },
    }, metrics.per_class(y, p))
  end)

  it("are told apart in a confusion matrix, which prints", function()
    local m = metrics.confusion(y, p)
    assert.same({ "a", "b", "c" }, m.labels)
    assert.same({ { 1, 0, 1 }, { 1, 2, 0 }, { 0, 0, 0 } }, m.counts)
    assert.equal(table.concat({
      "truth \\ predicted  a  b  c",
      "a                  1  0  1",
      "b                  1  2  0",
      "c                  0  0  0",
    }, "\n"), tostring(m))
    local updated = metrics.updatable "confusion"
    for i = 1, #y do updated:update(y[i], p[i]) end
    assert.same(m.counts, updated:get().counts)
    assert.truthy(tostring(updated):find(tostring(m), 1, true))
  end)

  it("order labels as classes() does", function()
    local m = metrics.confusion({ true, 2, "b", 10, false, "a" }, { true, 2, "b", 10, false, "a" })
    assert.same({ 2, 10, "a", "b", false, true }, m.labels)
  end)
end)

describe("metrics of probabilities", function()
  it("speak of the label 1 or true, or of the one that is named", function()
    local s = { 0.1, 0.4, 0.35, 0.8 }
    -- the example in scikit-learn's manual of roc_auc_score
    assert.equal(0.75, metrics.roc_auc({ 0, 0, 1, 1 }, s))
    assert.equal(0.75, metrics.roc_auc({ false, false, true, true }, s))
    assert.equal(0.75, metrics.roc_auc({ "n", "n", "y", "y" }, s, { positive = "y" }))
    assert.equal(0.25, metrics.roc_auc({ "n", "n", "y", "y" }, s, { positive = "n" }))
    assert.truthy(message(metrics.roc_auc, { "n", "y" }, { 1, 2 }):find("give positive", 1, true))
    local proba = { { 0.9, 0.1 }, { 0.6, 0.4 }, { 0.65, 0.35 }, { 0.2, 0.8 } }
    assert.equal(0.75, metrics.roc_auc({ "n", "n", "y", "y" }, proba, { "n", "y" }))
    close(5 / 6, metrics.average_precision({ "n", "n", "y", "y" }, proba, { "n", "y" }))
    close(metrics.average_precision({ 1, 1, 0, 0 }, { 0.9, 0.6, 0.65, 0.2 }),
      metrics.average_precision({ "n", "n", "y", "y" }, proba, { "n", "y" }, { positive = "n" }))
  end)

  it("never are infinite, and a label that is no class has probability 0", function()
    close(-math.log(1e-15), metrics.log_loss({ "b" }, { { 1, 0 } }, { "a", "b" }))
    close(-math.log(1e-15), metrics.log_loss({ "z" }, { { 1, 0 } }, { "a", "b" }))
    close(1, metrics.brier({ "b" }, { { 1, 0 } }, { "a", "b" }))
  end)

  it("say what is missing where there is one class alone", function()
    local auc = metrics.updatable "roc_auc"
    assert.is_nil((auc:get()))
    local figure, why = auc:update(1, 0.5):get()
    assert.is_nil(figure)
    assert.truthy(why:find("every class", 1, true))
    assert.truthy(message(metrics.roc_auc, { 1, 1 }, { 0.5, 0.6 }):find("every class", 1, true))
  end)

  it("rank 100000 rows as the share of ordered pairs says", function()
    local u, y, s = random.uniform(3), {}, {}
    for i = 1, 100000 do y[i], s[i] = i % 2, u() * (1 + i % 2) end
    -- P(U < 2V) = 3/4 of uniform U, V; its error is below 0.005 of so many
    close(0.75, metrics.roc_auc(y, s), 0.005)
  end)
end)

describe("metrics of numbers", function()
  it("of a constant y are R² 1 of exact predictions, else 0", function()
    assert.equal(1, metrics.r2({ 0.1, 0.1, 0.1 }, { 0.1, 0.1, 0.1 }))
    assert.equal(0, metrics.r2({ 0.1, 0.1, 0.1 }, { 0.1, 0.1, 0.2 }))
  end)

  it("keep R² exact of numbers far from 0", function()
    local y, p = {}, {}
    for i = 1, 1000 do y[i], p[i] = 1e9 + i % 2, 1e9 + 0.5 end
    close(0, metrics.r2(y, p), 1e-9)
  end)
end)

describe("metrics, all of them,", function()
  it("refuse what cannot be compared, naming it", function()
    for name, type in pairs(metrics.types()) do
      local classes = type.kind == "probability" and { "a" } or nil
      assert.truthy(message(metrics[name], {}, {}, classes):find("y is empty", 1, true))
      local text = message(metrics[name], { 1, 2 }, { 1 }, classes)
      assert.truthy(text:find("2 targets, but 1", 1, true))
    end
    assert.truthy(message(metrics.mse, { 1, 2 }, { 1, "two" }):find("row 2", 1, true))
    assert.truthy(message(metrics.mse, { 1 }, { 0 / 0 }):find("row 1", 1, true))
    assert.truthy(message(metrics.roc_auc, { 1, 0 }, { 1, 0 / 0 }):find("row 2", 1, true))
    assert.truthy(message(metrics.accuracy, { 1, 0 / 0 }, { 1, 1 }):find("row 2", 1, true))
    assert.truthy(message(metrics.accuracy, { 1 }, { 1 }, { weights = { -1 } })
      :find("weights[1] must be a number from 0, got -1", 1, true))
    assert.truthy(message(metrics.accuracy, { 1 }, { 1 }, { weights = { 1, 1 } })
      :find("1 targets, but 2 weights", 1, true))
    assert.truthy(message(metrics.accuracy, { 1 }, { 1 }, { weights = { 0 } })
      :find("the weights are all 0", 1, true))
    assert.truthy(message(metrics.f1, { 1 }, { 1 }, { avrage = "micro" })
      :find("unknown option 'avrage'; did you mean 'average'?", 1, true))
    assert.truthy(message(metrics.f1, { 1 }, { 1 }, { average = "mean" })
      :find("'average' must be one of macro, micro, weighted", 1, true))
    assert.truthy(message(metrics.pinball, { 1 }, { 1 }, { quantile = 2 }):find("[0, 1]", 1, true))
    assert.truthy(message(metrics.log_loss, { 1 }, { { 1 } }):find("classes", 1, true))
    assert.truthy(message(metrics.updatable, "acuracy"):find("there is no 'acuracy'", 1, true))
    assert.truthy(message(metrics.updatable, "accuracy", { window = 0 }):find("window", 1, true))
  end)

  it("print while they are updated", function()
    local accuracy = metrics.updatable "accuracy"
    assert.equal("accuracy: no rows yet", tostring(accuracy))
    assert.equal("accuracy: 0.5", tostring(accuracy:update(1, 1):update(1, 2)))
    assert.is_nil(accuracy:reset():get())
    assert.is_false(pcall(accuracy.update, accuracy, nil, 1))
    assert.is_nil(accuracy:get())
  end)
end)
