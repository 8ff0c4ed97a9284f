-- Test, then train: what is asked and taught when, and the figures by hand.
local moe = require "moe"
local near = require "spec.support.near"
local E, S, prequential = moe.experts, moe.streams, moe.eval.prequential

local close = near.within(1e-12)

local LABELS = { "a", "a", "b", "b", "a", "b", "a", "a", "b", "a" }

local function stream_of(y)
  local X = {}
  for i = 1, #y do X[i] = { i } end
  return S.rows(X, y)
end

-- A model that notes what it is asked and taught, and answers by a list.
local function noting(answers)
  local model = { log = {} }
  function model:predict_one(x)
    self.log[#self.log + 1] = "p" .. ("%d"):format(x[1])
    return answers and answers[x[1]] or "a"
  end
  function model:learn_one(x, y)
    self.log[#self.log + 1] = "l" .. ("%d"):format(x[1]) .. tostring(y)
  end
  return model
end

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

describe("prequential", function()
  it("asks before it teaches", function()
    local model = noting()
    prequential(model, stream_of { "a", "b", "a" })
    assert.equal("p1 l1a p2 l2b p3 l3a", table.concat(model.log, " "))
  end)

  it("teaches a label that comes late after the question it comes with", function()
    local model = noting()
    prequential(model, stream_of { "a", "b", "a", "b" }, { delay = 2 })
    assert.equal("p1 p2 p3 l1a p4 l2b l3a l4b", table.concat(model.log, " "))
    model = noting()
    prequential(model, stream_of { "a", "b" }, { delay = 5 })
    assert.equal("p1 p2 l1a l2b", table.concat(model.log, " "))
  end)

  it("judges the answer that was given when the sample came", function()
    -- over more samples than are worked on together
    local y = {}
    for i = 1, 300 do y[i] = i end
    local last = {}
    function last:predict_one() return self.y or 0 end
    function last:learn_one(_, target) self.y = target end
    local result = prequential(last, stream_of(y), { delay = 7, metrics = "mae" })
    -- the answer to t is t − 8; to the first eight 0
    close((36 + 8 * 292) / 300, result.total.mae)
  end)

  it("has the baselines' figures as counted by hand", function()
    local result = prequential(noting(), stream_of(LABELS))
    assert.same({ "model", "last value", "majority" }, result.names)
    close(6 / 10, result.models.model.total.accuracy)
    -- to the first sample they have no answer, which does not count
    assert.equal(9, result.models["last value"].judged)
    close(3 / 9, result.models["last value"].total.accuracy)
    close(5 / 9, result.models.majority.total.accuracy)
    result = prequential(noting(), stream_of(LABELS), { delay = 2 })
    close(6 / 10, result.total.accuracy)
    assert.equal(7, result.models["last value"].judged)
    close(5 / 7, result.models["last value"].total.accuracy)
    -- after one, two, … labels: a a a a (2 to 2) a (3 to 2) a a
    close(4 / 7, result.models.majority.total.accuracy)
    result = prequential(noting { 0, 0, 0, 0 }, stream_of { 1, 3, 8, 4 })
    close(math.sqrt((2 ^ 2 + 5 ^ 2 + 4 ^ 2) / 3), result.models["last value"].total.rmse)
    close((2 + 6 + 0) / 3, result.models.mean.total.mae)
  end)

  it("judges nothing in the warm-up, and tells of what comes after apart", function()
    local answers = { "b", "b", "b", "b", "a", "a", "a", "a", "a", "a" }
    local result = prequential(noting(answers), stream_of(LABELS), { warmup = 3, after = 6 })
    assert.equal(7, result.models.model.judged)
    -- right from the fourth on: b a - a a - a
    close(5 / 7, result.total.accuracy)
    close(3 / 4, result.after.accuracy)
    local delayed = prequential(noting(answers), stream_of(LABELS),
      { warmup = 3, after = 6, delay = 4 })
    assert.same({ result.total, result.after }, { delayed.total, delayed.after })
  end)

  it("has figures of a window and faded ones", function()
    local result = prequential(noting(), stream_of(LABELS), { window = 4, fading = 0.5 })
    close(3 / 4, result.window.accuracy)
    local sum, total = 0, 0
    for i, y in ipairs(LABELS) do
      local weight = 0.5 ^ (10 - i)
      sum, total = sum + (y == "a" and weight or 0), total + weight
    end
    close(sum / total, result.fading.accuracy)
    local numbers = prequential(noting { 0, 0, 0, 0 }, stream_of { 1, 2, 3, 4 },
      { window = 2, fading = 0.5, metrics = { "mae", "rmse" } })
    close(3.5, numbers.window.mae)
    close(math.sqrt(12.5), numbers.window.rmse)
    close((1 / 8 + 2 / 4 + 3 / 2 + 4) / (1 / 8 + 1 / 4 + 1 / 2 + 1), numbers.fading.mae)
  end)

  it("has faded figures of streams of any length", function()
    local y, answers = {}, {}
    for i = 1, 3000 do y[i], answers[i] = i % 7, 0 end
    local result = prequential(noting(answers), stream_of(y), { fading = 0.9 })
    local sum, total = 0, 0
    for i = 1, 3000 do sum, total = sum + 0.9 ^ (3000 - i) * (i % 7), total + 0.9 ^ (3000 - i) end
    close(sum / total, result.fading.mae)
    local faded = moe.metrics.updatable("mae", { fading = 0.9 })
    for i = 1, 3000 do faded:update(i % 7, 0) end
    close(sum / total, faded:get())
  end)

  -- What is fed in runs, of rings that are full at other rows than the runs end, and with
  -- weights made smaller now and then, against the rows one by one.
  local function same_as_row_by_row(metric, y, answers, key)
    local o = { metrics = { metric }, window = 7, fading = 1e-4, after = 150, warmup = 10,
      baselines = false }
    local model = noting(answers)
    model.learn_one = function() end
    model.predict_proba_one = function(_, x) return answers[x[1]] end
    local result = prequential(model, stream_of(y), o)
    local name = type(metric) == "table" and metric[1] or metric
    local function updatable(more)
      local own = type(metric) == "table" and { quantile = metric.quantile } or {}
      for option, value in pairs(more) do own[option] = value end
      return moe.metrics.updatable(name, own)
    end
    local figures = {
      total = updatable {}, after = updatable {}, window = updatable { window = 7 },
      fading = key ~= "ranking" and updatable { fading = 1e-4 } or nil,
    }
    for i = 11, #y do
      for _, which in ipairs { "total", "window", "fading" } do
        if figures[which] then figures[which]:update(y[i], answers[i]) end
      end
      if i > 150 then figures.after:update(y[i], answers[i]) end
    end
    for which, figure in pairs(figures) do
      local expected = figure:get()
      if key == "ranking" and which ~= "window" then expected = nil end
      assert.equal(expected, result[which][name], name .. ", " .. which)
    end
  end

  it("has the bits of figures that are updated row by row", function()
    local numbers, labels, near_numbers, guesses, shares = {}, {}, {}, {}, {}
    for i = 1, 300 do
      numbers[i], near_numbers[i] = math.sin(i), math.sin(i) + math.cos(3 * i) / 3
      labels[i], guesses[i] = i * i % 7 < 3 and "a" or "b", i * i % 11 < 5 and "a" or "b"
      shares[i] = { a = i % 13 / 13, b = 1 - i % 13 / 13 }
    end
    for _, metric in ipairs { "mae", "mse", "rmse", "r2", { "pinball", quantile = 0.9 } } do
      same_as_row_by_row(metric, numbers, near_numbers)
    end
    for _, metric in ipairs { "accuracy", "kappa_temporal", "kappa_m", "mcc", "macro_f1" } do
      same_as_row_by_row(metric, labels, guesses)
    end
    for _, metric in ipairs { "log_loss", "brier" } do
      same_as_row_by_row(metric, labels, shares)
    end
    for _, metric in ipairs { "roc_auc", "average_precision" } do
      same_as_row_by_row(metric, labels, shares, "ranking")
    end
  end)

  it("keeps the history of the windowed figures", function()
    local y = {}
    for i = 1, 25 do y[i] = i <= 10 and "a" or "b" end
    local seen = {}
    local result = prequential(noting(), stream_of(y), { every = 10, window = 5,
      progress = function(rows) seen[#seen + 1] = rows end })
    assert.same({ 10, 20 }, result.history.rows)
    assert.same({ 1, 0 }, result.history.model.accuracy)
    assert.same({ 10, 20 }, seen)
    assert.equal(25, result.rows)
    local t = result:table()
    assert.equal(6, #t)
    assert.same({ 10, 10, 10, 20, 20, 20 }, t:column "rows")
    assert.same({ 1, 0 }, { t:row(1).accuracy, t:row(4).accuracy })
  end)

  it("has an entry for each sample, where it is told to", function()
    local result = prequential(noting(), stream_of { "a", "b", "a" }, { every = 1, window = 1 })
    assert.same({ 1, 2, 3 }, result.history.rows)
    assert.same({ 1, 0, 1 }, result.history.model.accuracy)
  end)

  it("gives the history of one metric as columns, to be plotted", function()
    local r = prequential(E.naive_bayes {}, S.sea { rows = 400 }, { every = 100 })
    local t = r:table "accuracy"
    assert.same({ "rows", "naive_bayes", "last value", "majority" }, t.names)
    assert.same({ 100, 200, 300, 400 }, t:column "rows")
    assert.same(r.history.majority.accuracy, t:column "majority")
    assert.equal(4, #r:table "bytes")
    assert.matches("there is no metric 'rmse' in the history", message(r.table, r, "rmse"))
  end)

  it("prints as a table with a line for each model", function()
    local result = prequential(E.naive_bayes {}, S.sea { rows = 3000 },
      { every = 500, after = 1000 })
    local text = tostring(result)
    assert.truthy(text:find("sea: 3000 samples", 1, true))
    for _, part in ipairs { "naive_bayes", "last value", "majority", "after 1000", "█" } do
      assert.truthy(text:find(part, 1, true), part)
    end
    assert.is_true(result.models.naive_bayes.microseconds > 0)
    assert.is_true(result.models.naive_bayes.bytes > 100)
    assert.truthy(tostring(prequential(noting(), stream_of(LABELS))):find "model")
  end)

  it("gives what a loop of predict_one and learn_one gives", function()
    local loop, right, n = E.logistic {}, 0, 0
    for x, y in S.hyperplane({ rows = 500, seed = 2 }):iter() do
      local said = loop:predict_one(x)
      if said ~= nil then n = n + 1 end
      if said == y then right = right + 1 end
      loop:learn_one(x, y)
    end
    local result = prequential(E.logistic {}, S.hyperplane { rows = 500, seed = 2 })
    assert.equal(n, result.models.logistic.judged)
    close(right / n, result.total.accuracy)
  end)

  it("runs several models over the same samples, each as by itself", function()
    local both = prequential({ one = E.logistic {}, other = E.naive_bayes {} },
      S.sea { rows = 700 }, { baselines = false })
    assert.same({ "one", "other" }, both.names)
    local one = prequential(E.logistic {}, S.sea { rows = 700 })
    local other = prequential(E.naive_bayes {}, S.sea { rows = 700 }, { delay = 0 })
    assert.same(one.total, both.models.one.total)
    assert.same(other.total, both.models.other.total)
  end)

  it("puts a mixture's experts beside it", function()
    local m = moe.mixture { experts = { line = E.linear {}, level = E.constant {} },
      task = "regression" }
    local result = prequential(m, S.waves { rows = 300 }, { experts = true })
    assert.same({ "mixture", "mixture.level", "mixture.line", "last value", "mean" }, result.names)
    local alone = prequential(E.linear {}, S.waves { rows = 300 })
    assert.same(alone.total, result.models["mixture.line"].total)
  end)

  it("measures probabilities, by the window too where all samples would be kept", function()
    local model = {}
    function model.predict_one() return "a" end
    function model.predict_proba_one() return { a = 0.75, b = 0.25 } end
    function model.learn_one() end
    local result = prequential(model, stream_of(LABELS),
      { metrics = { "accuracy", "log_loss", "roc_auc" }, baselines = false })
    close(-(6 * math.log(0.75) + 4 * math.log(0.25)) / 10, result.total.log_loss)
    close(0.5, result.window.roc_auc)
    assert.is_nil(result.total.roc_auc)
    close(0.6, result.total.accuracy)
  end)

  it("judges no probabilities of a sample that got none", function()
    local model = {}
    function model.predict_one() return "a" end
    function model.predict_proba_one(_, x)
      if x[1] % 2 == 0 then return { a = 0.75, b = 0.25 } end
    end
    function model.learn_one() end
    local result = prequential(model, stream_of(LABELS),
      { metrics = { "accuracy", "log_loss" }, baselines = false })
    -- the even ones: a b b a a
    local expected = -(3 * math.log(0.75) + 2 * math.log(0.25)) / 5
    close(expected, result.total.log_loss)
    close(expected, result.window.log_loss)
    close(0.6, result.total.accuracy)
    assert.equal(10, result.models.model.judged)
  end)

  it("gives its baselines probabilities where figures are of these", function()
    local r = prequential(E.naive_bayes {}, S.sea { rows = 20000 }, { metrics = "log_loss" })
    -- 0.32 of the rows lie below the threshold, and a tenth of the labels are turned
    -- round: −p log p − (1 − p) log (1 − p) of p = 0.356.
    near.within(0.01)(0.6511, r.models.majority.total.log_loss)
    assert.is_true(r.total.log_loss < r.models.majority.total.log_loss)
    assert.is_number(r.models["last value"].total.log_loss)
  end)

  it("does not judge what a model says of classes that it knows nothing of", function()
    local one = E.hoeffding_tree {} -- of numbers until it has met a label
    assert.equal(0, (one:predict_one { 1 }))
    local y = {}
    for i = 1, 50 do y[i] = "a" end
    assert.equal(1, prequential(one, stream_of(y)).total.accuracy)
    local late = prequential(E.hoeffding_tree {}, stream_of(y), { delay = 20 })
    assert.equal(1, late.total.accuracy)
    assert.equal(29, late.models.hoeffding_tree.judged) -- the first comes after 21
  end)

  it("judges several numbers at once, by the means over them", function()
    local X, Y = {}, {}
    for i = 1, 100 do
      X[i] = { i % 7, i % 5 }
      Y[i] = { i % 7 + 2 * (i % 5), 3 }
    end
    local r = prequential(E.rls {}, S.rows(X, Y), { metrics = { "mae", "rmse" }, after = 10 })
    assert.equal(99, r.models.rls.judged)
    assert.is_true(r.after.mae < 0.05)
    -- The second is always 3; the first moves as counted here.
    local sum, squares = 0, 0
    for i = 2, 100 do
      sum = sum + math.abs(Y[i][1] - Y[i - 1][1])
      squares = squares + (Y[i][1] - Y[i - 1][1]) ^ 2
    end
    close(sum / 99 / 2, r.models["last value"].total.mae)
    close(math.sqrt(squares / 99) / 2, r.models["last value"].total.rmse)
    close(sum / 99 / 2, r.models["last value"].window.mae)
    assert.is_number(r.models.mean.fading.mae)
  end)

  it("only asks about a sample whose label is not known", function()
    local path, model = os.tmpname(), noting()
    local file = assert(io.open(path, "w"))
    file:write("x,y\n1,a\n2,\n3,b\n")
    file:close()
    local result = prequential(model, assert(S.csv(path, { target = "y" })))
    os.remove(path)
    assert.equal("p1 l1a p2 p3 l3b", table.concat(model.log, " "))
    assert.equal(2, result.models.model.judged)
  end)

  it("knows the task by the first label that there is; NaN is none", function()
    local function of(labels)
      local i = 0
      return function()
        i = i + 1
        if labels[i] ~= nil then return { i }, labels[i] end
      end
    end
    local nan = 0 / 0
    local result = prequential(noting { 1, 1, 1, 1 }, of { nan, nan, 3, 4 })
    assert.equal("regression", result.task)
    assert.equal(2, result.models.model.judged)
    close(2.5, result.total.mae)
    local model = E.linear {}
    prequential(model, of { 3, nan, 5 })
    assert.equal(2, model:info().n_seen)
    assert.matches("the first 2 samples have no label that would tell the task; give 'task'",
      message(prequential, noting(), of { nan, nan }))
    assert.equal(0, prequential(noting(), of {}).rows)
  end)

  it("names the sample that cannot be, and what a model in Lua may not answer", function()
    local function answers(value, y, options)
      local model = noting()
      function model.predict_one() return value end
      return message(prequential, model, stream_of(y), options)
    end
    local wanted = "model: sample 1: predict_one must give "
    for _, bad in ipairs { 0 / 0, math.huge, "one" } do
      assert.truthy(answers(bad, { 1, 2 }):find(wanted .. "a finite number, or nil", 1, true))
    end
    assert.truthy(answers(0 / 0, { "a" }):find(wanted .. "a label, or nil, gave NaN", 1, true))
    assert.truthy(answers({ 1 }, { { 1, 2 } }):find(wanted .. "2 finite numbers", 1, true))
    local samples = {
      { { 1 }, 1 }, { { 2 }, 2 }, { { math.huge }, 3 }, { { 4 }, "four" }, { 5, 5 },
    }
    local function run_of(list)
      local i = 0
      return function()
        i = i + 1
        local one = samples[list[i]]
        if one then return one[1], one[2] end
      end
    end
    assert.matches("linear: sample 3: column 1 is infinite",
      message(prequential, E.linear {}, run_of { 1, 2, 3 }))
    assert.matches("sample 2: y must be a finite number, got a string",
      message(prequential, noting { 1 }, run_of { 1, 4 }))
    assert.matches("sample 3: x must be a table of values, got a number",
      message(prequential, noting { 1, 2 }, run_of { 1, 2, 5 }))
  end)

  it("keeps apart what has one name", function()
    local few = stream_of { "yes", "no" }
    assert.truthy(message(prequential, { majority = noting() }, few):find(
      "two are called 'majority'; baselines = false leaves out", 1, true))
    prequential({ majority = noting() }, few:reset(), { baselines = false })
    assert.matches("two are called '1'",
      message(prequential, { noting(), ["1"] = noting() }, few:reset()))
    local f1 = { { "f1", positive = "yes" }, { "f1", positive = "no" } }
    assert.truthy(message(prequential, noting(), few:reset(), { metrics = f1 }):find(
      "two metrics are called 'f1'; names of their own keep them apart", 1, true))
    assert.matches("'bytes' is in the history already",
      message(prequential, noting(), few:reset(), { metrics = { bytes = "accuracy" } }))
    local both = { is = f1[1], is_not = f1[2] }
    local total = prequential(noting { [7] = "no" }, stream_of { "yes", "no", "no" }, {
      metrics = both,
    }).total
    assert.same({ is = 0, is_not = 0 }, total)
    local said = noting()
    function said.predict_one() return false end
    local truths = prequential(said, stream_of { true, false, false, false }, { metrics = {
      { "f1", positive = false }, -- precision 3/4, recall 1
    } })
    close(6 / 7, truths.total.f1)
  end)

  it("takes samples from a function, and by name", function()
    local n = 0
    local function samples()
      n = n + 1
      local kind = n % 2 == 0 and "p" or "q"
      if n <= 40 then return { size = n, kind = kind }, kind end
    end
    local model = {}
    function model:predict_one(x) return self.before and x.kind end
    function model:learn_one(x) self.before = x.size end
    local result = prequential(model, samples, { delay = 3 })
    assert.equal(40, result.rows)
    close(1, result.total.accuracy)
    assert.equal(40, model.before)
  end)

  it("refuses a row that has lost a column, as the model does", function()
    local n = 0
    local said = message(prequential, E.rls {}, function()
      n = n + 1
      if n > 300 then return nil end
      return n < 200 and { n % 2, n % 3, n % 7 } or { n % 2, n % 3 }, n % 7
    end)
    assert.matches("trained on 3 columns, the data has 2", said)
  end)

  it("tells models the columns' names, and refuses those that know another order", function()
    local t = moe.data.make_regression { rows = 50, features = 3, informative = 3 }
    local m = E.rls {}
    prequential(m, S.rows(t))
    assert.same(t.features, m:info().names)
    assert.is_number(m:predict_one { x1 = 1, x2 = 2, x3 = 3 })
    local turned = moe.data.table {
      names = { "x3", "x2", "x1", "y" }, target = "y",
      columns = {
        x1 = t:column "x1", x2 = t:column "x2", x3 = t:column "x3", y = t:column(t.target),
      },
    }
    assert.matches("column 1 of the stream is 'x3', of what 'rls' has learned 'x1'",
      message(prequential, m, S.rows(turned)))
    prequential(E.rls {}, S.rows(turned))
  end)

  it("ends in time, and where it is told to", function()
    assert.equal(128, prequential(E.naive_bayes {}, S.sea(), { rows = 128 }).rows)
    for _, every in ipairs { 50, 1e9 } do -- whatever there is to do to the next entry
      local sea = S.sea { rows = 1000 }
      local result = prequential(E.naive_bayes {}, sea, { seconds = 0, every = every })
      assert.is_true(result.rows <= 64)
    end
    assert.truthy(message(prequential, noting(), S.sea()):find("is endless", 1, true))
  end)

  it("gives nil, message, code where a file ends badly", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("x,y\n1,a\n2,b\n3\n")
    file:close()
    local result, text, code = prequential(noting(), S.csv(path, { target = "y" }))
    os.remove(path)
    assert.is_nil(result)
    assert.truthy(text:find("line 4: 1 cells", 1, true))
    assert.equal("EFORMAT", code)
  end)

  it("refuses what cannot be judged, and names who cannot", function()
    local y = { "a", "b", "a" }
    for reason, call in pairs {
      ["'rmse' is a figure of numbers, and the task is classification"] = function()
        prequential(E.logistic {}, stream_of(y), { metrics = "rmse" })
      end,
      ["'accuracy' is a figure of classes, and the task is regression"] = function()
        prequential(E.rls {}, stream_of { 1, 2 }, { metrics = "accuracy" })
      end,
      ["y holds strings, and the task is regression"] = function()
        prequential(E.rls {}, stream_of(y), { task = "regression" })
      end,
      ["'f', a forest, cannot learn row by row"] = function()
        prequential({ f = E.forest {} }, stream_of(y))
      end,
      ["'a' and 'b' are one model"] = function()
        local one = E.logistic {}
        prequential({ a = one, b = one }, stream_of(y))
      end,
      ["two: sample 1: y must be a number, got string"] = function()
        prequential({ one = E.logistic {}, two = E.rls {} }, stream_of(y))
      end,
      ["'confusion' is a table; a history is of numbers"] = function()
        prequential(E.logistic {}, stream_of(y), { metrics = { "accuracy", "confusion" } })
      end,
      ["the stream 'rows' has come to its end; reset() begins it anew"] = function()
        local rows = stream_of(y)
        prequential(E.logistic {}, rows)
        prequential(E.logistic {}, rows)
      end,
      ["moe.streams.rows makes one of rows"] = function()
        prequential(E.logistic {}, moe.data.make_moons {})
      end,
    } do
      assert.truthy(message(call):find(reason, 1, true), reason)
    end
  end)

  it("refuses what is no model, no stream, no metric", function()
    assert.truthy(message(prequential, {}, S.sea { rows = 5 }):find "a model, or a table of models")
    assert.truthy(message(prequential, noting(), { 1 }):find "a stream of moe.streams")
    assert.truthy(message(prequential, noting(), S.sea { rows = 5 }, { metrics = "acuracy" })
      :find("did you mean 'accuracy'", 1, true))
    assert.truthy(message(prequential, noting(), S.sea { rows = 5 }, { metrics = {
      own = function() end } }):find "needs a metric by name")
    assert.truthy(message(prequential, noting(), S.sea { rows = 5 }, { dely = 1 })
      :find("did you mean 'delay'", 1, true))
    assert.truthy(message(prequential, { a = 5 }, S.sea { rows = 5 }):find "learn_one")
  end)

  it("gives one value, and says where the caller stands why it does not", function()
    assert.equal(1, select("#", prequential(E.logistic {}, S.sea { rows = 5 })))
    local why = message(prequential, E.forest {}, S.sea { rows = 5 })
    assert.is_nil(why:find("moe/", 1, true))
    assert.is_nil(message(S.csv):find("moe/", 1, true))
  end)
end)

describe("the kappas of streams", function()
  local answers = { "a", "b", "b", "b", "a", "a", "a", "b", "b", "a" }
  -- LABELS:         a    a    b    b    a    b    a    a    b    a

  it("count what is right beyond the label before, and beyond the commonest one", function()
    -- of the nine rows with one before: 6 right, the label before 3, the commonest 5
    close((6 - 3) / (9 - 3), moe.metrics.kappa_temporal(LABELS, answers))
    close((6 - 5) / (9 - 5), moe.metrics.kappa_m(LABELS, answers))
    local result = prequential(noting(answers), stream_of(LABELS))
    close(3 / 6, result.total.kappa_temporal)
    close(1 / 4, result.total.kappa_m)
  end)

  it("are 0 of what they are measured by", function()
    local result = prequential(noting(), stream_of(LABELS))
    close(0, result.models["last value"].total.kappa_temporal)
  end)

  it("know the order of a window's rows", function()
    local windowed = moe.metrics.updatable("kappa_temporal", { window = 6 })
    for i, y in ipairs(LABELS) do windowed:update(y, answers[i]) end
    local y, p = {}, {}
    for i = 5, 10 do y[i - 4], p[i - 4] = LABELS[i], answers[i] end
    close(moe.metrics.kappa_temporal(y, p), windowed:get())
  end)

  it("fade where that is possible", function()
    local faded = moe.metrics.updatable("accuracy", { fading = 0.5 })
    for _, p in ipairs { "a", "b", "a" } do faded:update("a", p) end
    close((1 / 4 + 1) / (1 / 4 + 1 / 2 + 1), faded:get())
    local updatable = moe.metrics.updatable
    assert.truthy(message(updatable, "roc_auc", { fading = 0.9 }):find "needs all its rows")
    assert.truthy(message(updatable, "mae", { fading = 0.9, window = 5 }):find "either")
  end)
end)
