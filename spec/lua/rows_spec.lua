-- X, y and samples as they come from Lua: what is taken, and what is refused
-- with the place that is wrong.
local moe = require "moe"
local data = require "moe.data"
local refuses = require "spec.support.refuses"

local E, T = moe.experts, moe.transforms

local NAN, INF = 0 / 0, math.huge
local X = { { 1, 2 }, { 3, 4 }, { 5, 6 } }

local function fit(rows, targets, options) return E.constant {}:fit(rows, targets, options) end

-- The mean of y, which a constant learns: 2 for { 1, 2, 3 }.
local function mean_of(rows, targets)
  local c = E.constant {}
  c:fit(rows, targets)
  return c:predict_one(rows[1] or { 0, 0 })
end

describe("rows from Lua", function()
  it("are arrays of equal width, tensors, sparse matrices or tables", function()
    local y = { 1, 2, 3 }
    assert.equal(2, mean_of(X, y))
    local c = E.constant {}
    c:fit(moe.tensor(X), y)
    c:fit(moe.sparse { { [2] = 1 }, {}, { [1] = 2 }, columns = 2 }, y)
    c:fit(data.table { columns = { a = { 1, 2, 3 }, y = y }, target = "y" })
    assert.equal(2, c:predict_one { 1 })
  end)

  it("must be numbers or strings by the column: nothing is converted", function()
    refuses("X[1][1] must be a string, as others of its column are, got 1", fit,
      { { 1, 2 }, { "3", 4 } }, { 1, 2 })
    refuses("X[1][2] must be a number, a string without zero bytes, or false where missing, "
      .. "got a boolean", fit, { { 1, true } }, { 1 })
    refuses("X[1][1] must be a number, a string", fit, { { "a\0b" } }, { 1 })
    refuses("X[2][2] must be a number, a string", fit, { { 1, "a" }, { 2, {} } }, { 1, 2 })
    refuses("X[2] has 1 values, X[1] has 2", fit, { { 1, "a" }, { 2 } }, { 1, 2 })
    refuses("X[1][1] must be a number, got table", fit, { { {}, 1 } }, { 1 })
    refuses("X[2] must be an array of numbers, got a string", fit, { { 1 }, "row" }, { 1, 2 })
    refuses("X[1] must be an array", fit, { 1, 2, 3 }, { 1, 2, 3 })
  end)

  it("with strings among them are what single samples with strings are", function()
    local rows, y = {}, {}
    for i = 1, 60 do
      local level = ({ "red", "green", "blue" })[1 + i % 3]
      rows[i] = { i % 7, i % 11 == 0 and false or level, i % 5 == 0 and false or i % 4 }
      y[i] = i % 3 == 0 and "yes" or "no"
    end
    for _, name in ipairs { "naive_bayes", "hoeffding_tree", "logistic" } do
      local many, single = E[name] {}, E[name] {}
      many:partial_fit(rows, y)
      for i = 1, 60 do single:learn_one(rows[i], y[i]) end
      local answers = many:predict(rows)
      assert.same(single:predict(rows), answers)
      for i = 1, 60 do assert.equal(single:predict_one(rows[i]), answers[i]) end
      assert.equal("yes", many:predict_one { 3, "red", 1 })
    end
    local fitted = E.naive_bayes {}
    fitted:fit(rows, y)
    assert.equal("yes", fitted:predict({ { 3, "red", 1 } })[1])
    refuses("column 2 holds strings", function() E.tree {}:fit(rows, y) end)
  end)

  it("may not be ragged, nor have holes or more behind them", function()
    refuses("X[2] has 1 numbers, X[1] has 2", fit, { { 1, 2 }, { 3 } }, { 1, 2 })
    refuses("X[2] has 3 numbers", fit, { { 1, 2 }, { 3, 4, 5 } }, { 1, 2 })
    refuses("X[2] is nil", fit, { X[1], nil, X[3] }, { 1, 2, 3 })
    refuses("X[1] is nil", fit, { [0] = X[1] }, {})
    refuses("X[4] is nil", fit, { X[1], X[2], X[3], name = "iris" }, { 1, 2, 3 })
    refuses("is nil", fit, { { 1, nil, 3 } }, { 1 })
    refuses("is nil", fit, { { 1, 2, [3.5] = 3 } }, { 1 })
  end)

  it("are finite; what is missing is NaN, for those who take it", function()
    refuses("row 2, column 1 is infinite", fit, { { 1, 2 }, { INF, 4 } }, { 1, 2 })
    refuses("row 1, column 2 is infinite", fit, { { 1, -INF } }, { 1 })
    assert.equal(2, mean_of({ { 1, NAN }, { NAN, NAN } }, { 1, 3 }))
    local line = E.linear {}
    refuses("row 2, column 1 is missing (NaN)", line.fit, line, { { 1 }, { NAN } }, { 1, 2 })
    line:fit({ { 1 }, { 2 }, { 3 } }, { 1, 2, 3 })
    refuses("impute", line.predict, line, { { NAN } })
  end)

  it("may be tiny, huge and denormal", function()
    assert.equal(2, mean_of({ { 1e308 }, { -1e308 }, { 5e-324 } }, { 1, 2, 3 }))
    local tree = E.tree { task = "regression", min_samples_leaf = 1 }
    tree:fit({ { 1e308 }, { -1e308 }, { 5e-324 } }, { 1, 2, 3 })
    for _, value in ipairs(tree:predict { { 1e308 }, { 0 } }) do
      assert.is_true(value >= 1 and value <= 3)
    end
  end)

  it("run no metamethods: a hostile table is read as it is", function()
    local function boom() error "called" end
    local hostile = { __index = boom, __len = boom, __pairs = boom, __ipairs = boom, __eq = boom }
    local rows = setmetatable({ setmetatable({ 1, 2 }, hostile), { 3, 4 } }, hostile)
    assert.equal(2, mean_of(rows, setmetatable({ 1, 3 }, hostile)))
    local ghost = setmetatable({}, { __index = function() return { 1, 2 } end })
    refuses("needs data", fit, ghost, {})
  end)

  it("are needed, some of them at least, with a column", function()
    refuses("0 rows", fit, {}, {})
    refuses("0 columns", fit, { {}, {} }, { 1, 2 })
    refuses("X must be a tensor", fit, nil, { 1 })
    refuses("X must be a tensor", fit, print, { 1 })
    refuses("2 dimensions", fit, moe.tensor { 1, 2 }, { 1, 2 })
    refuses("2 dimensions", fit, moe.zeros(2, 2, 2), { 1, 2 })
  end)

  it("must be as wide as what was learned from", function()
    local c = E.constant {}
    c:fit(X, { 1, 2, 3 })
    refuses("trained on 2 columns, the data has 3", c.predict, c, { { 1, 2, 3 } })
    refuses("trained on 2 columns, the data has 1", c.predict_one, c, { 1 })
    assert.same({}, c:predict(moe.zeros(0, 2)))
  end)

  it("follow the columns' names, whatever their order", function()
    local train, test = moe.tensor { { 1, 10 }, { 2, 20 }, { 3, 31 } }, moe.tensor { { 10, 1 } }
    train.names, test.names = { "a", "b" }, { "b", "a" }
    local line = E.linear {}
    line:fit(train, { 1, 2, 3 })
    assert.is_true(math.abs(line:predict(test)[1] - line:predict { { 1, 10 } }[1]) < 1e-12)
    test.names = { "b", "c" }
    refuses("no column 'a'", line.predict, line, test)
  end)

  it("stay what they were for a job, whatever becomes of them", function()
    local n, rows, columns, y = 500, {}, { a = {}, b = {} }, {}
    for i = 1, n do
      rows[i], y[i] = { i, i % 7 }, i + 2 * (i % 7)
      columns.a[i], columns.b[i] = i, i % 7
    end
    local function check(own)
      local line = E.linear {}
      local job = line:start_fit(own, y)
      pcall(function() own.names = { "x", "y" } end)
      own:close()
      collectgarbage()
      local garbage = {}
      for k = 1, 50 do garbage[k] = moe.ones(n / 10 * k, 2) end
      while not job:step { budget_ms = 1e-6 } do collectgarbage() end
      job:commit()
      assert.equal(50, #garbage)
      assert.is_true(math.abs(line:predict_one { 10, 3 } - 16) < 1e-3)
      return line
    end
    local named = moe.tensor(rows)
    named.names = { "a", "b" }
    assert.same({ "a", "b" }, check(named):info().names)
    rows.columns = 2
    check(moe.sparse(rows))
    assert.same({ "a", "b" }, check(data.table { columns = columns }):info().names)
  end)
end)

describe("targets from Lua", function()
  it("are numbers, or labels: strings, booleans and numbers together", function()
    local y = { "b", true, 2, "a", false, 1.5, "2", -0.0, 0 }
    local rows = {}
    for i = 1, #y do rows[i] = { i } end
    local c = E.constant {}
    c:fit(rows, y)
    assert.same({ 0, 1.5, 2, "2", "a", "b", false, true }, c:classes())
    assert.is_true(math.abs(c:predict_proba_one { 1 }[0] - 2 / 9) < 1e-12)
  end)

  it("are one label whether written 1 or 1.0, which comes back as an integer", function()
    local c = E.constant { task = "classification" }
    c:fit({ { 1 }, { 2 }, { 3 } }, { 1, 1.0, 2 })
    assert.equal(2, #c:classes())
    assert.equal("1", tostring(c:predict_one { 1 }))
    assert.equal("1", tostring(c:classes()[1]))
  end)

  it("are no labels where a double cannot tell integers apart", function()
    local c, large = E.constant { task = "classification" }, 2 ^ 53
    c:fit({ { 1 }, { 2 } }, { large, -large })
    if not math.type then return end
    local odd = math.tointeger(large) + 1
    refuses("y[2]", c.fit, c, { { 1 }, { 2 } }, { math.tointeger(large), odd })
    refuses("9007199254740993", c.fit, c, { { 1 }, { 2 } }, { 1, odd })
  end)

  it("are one for each row", function()
    refuses("y[3] is nil, but X has 3 rows", fit, X, { 1, 2 })
    refuses("y has 4 elements, but X has 3 rows", fit, X, { 1, 2, 3, 4 })
    refuses("y[2] is nil", fit, X, { 1, nil, 3 })
    refuses("is nil, but there is more", fit, X, { 1, 2, 3, n = 3 })
    refuses("y must be an array or a tensor", fit, X, "labels")
    refuses("y must be an array or a tensor", fit, X)
    refuses("y has 2 elements", fit, { { 1 } }, moe.tensor { 1, 2 })
  end)

  it("are finite numbers or labels, without zero bytes", function()
    refuses("y[2] is NaN", fit, X, { 1, NAN, 3 })
    refuses("y[3] is infinite", fit, X, { 1, 2, -INF })
    local c = E.constant { task = "classification" }
    refuses("y[2]", c.fit, c, X, { 1, NAN, 3 })
    refuses("y[1]", c.fit, c, X, { INF, 2, 3 })
    refuses("y[2] holds a zero byte", fit, X, { "a", "a\0b", "c" })
    refuses("got table", fit, X, { "a", {}, "b" })
    refuses("got function", fit, X, { "a", print, "b" })
    refuses("y[2] must be a number, got table", fit, X, { 1, {}, 3 })
  end)

  it("may be wide: arrays of arrays or matrices", function()
    local c = E.constant {}
    c:fit(X, { { 1, 10 }, { 2, 20 }, { 3, 30 } })
    assert.same({ { 2, 20 } }, c:predict({ { 0, 0 } }):totable())
    assert.same({ 2, 20 }, c:predict_one { 0, 0 })
    c:fit(X, moe.tensor { { 1, 10 }, { 2, 20 }, { 3, 30 } })
    assert.same({ 2, 20 }, c:predict_one { 0, 0 })
    refuses("y[2] has 1 numbers, y[1] has 2", fit, X, { { 1, 2 }, { 3 }, { 4, 5 } })
    local logistic = E.logistic {}
    refuses("predicts classes, not numbers", logistic.fit, logistic, X, { { 1 }, { 2 }, { 3 } })
  end)
end)

describe("weights, subsets and groups", function()
  it("are one for each row, no more and no fewer", function()
    refuses("weights[3] must be a number, got nil", fit, X, { 1, 2, 3 }, { weights = { 1, 1 } })
    refuses("weights[4] is one too many", fit, X, { 1, 2, 3 }, { weights = { 1, 1, 1, 1 } })
    refuses("'weights' must be an array", fit, X, { 1, 2, 3 }, { weights = 1 })
    refuses("'groups'", fit, X, { 1, 2, 3 }, { groups = { "a", "b" } })
    local m = moe.mixture { experts = { a = E.constant {} } }
    refuses("subsets[4] is one too many", m.fit, m, X, { 1, 2, 3 },
      { subsets = { "a", nil, "a", "a" } })
    refuses("subsets[2] must name an expert", m.fit, m, X, { 1, 2, 3 },
      { subsets = { "a", "b", "a" } })
    refuses("'subsets' is for mixtures", fit, X, { 1, 2, 3 }, { subsets = { "a", "a", "a" } })
  end)

  it("are numbers of at least 0 that sum to something", function()
    for _, bad in ipairs { -1, NAN, INF } do
      refuses("weights[2] must be a number of at least 0", fit, X, { 1, 2, 3 },
        { weights = { 1, bad, 1 } })
    end
    refuses("sum to 0", fit, X, { 1, 2, 3 }, { weights = { 0, 0, 0 } })
    refuses("sum to inf", fit, X, { 1, 2, 3 }, { weights = { 1e308, 1e308, 1 } })
    refuses("weights[1]", fit, X, { 1, 2, 3 }, { weights = { "1", 1, 1 } })
  end)

  it("are options by their names, as they stand in the table", function()
    refuses("unknown option 'weight'; did you mean 'weights'?", fit, X, { 1, 2, 3 },
      { weight = {} })
    refuses("options are given by name", fit, X, { 1, 2, 3 }, { 1 })
    local ghost = setmetatable({}, { __index = function() error "called" end })
    fit(X, { 1, 2, 3 }, ghost)
  end)
end)

describe("one sample from Lua", function()
  local named = data.table {
    columns = {
      age = { 1, 2, 3, 4 },
      town = { "Oslo", "Graz", "Oslo", "Bari" },
      y = { 1, 2, 1, 3 },
    },
    target = "y",
  }

  it("is an array, a tensor, or name → value", function()
    local line = E.linear {}
    local columns = { b = { 1, 2, 3, 5 }, a = { 0, 1, 0, 1 }, y = { 1, 3, 3, 6 } }
    line:fit(data.table { names = { "b", "a", "y" }, columns = columns, target = "y" })
    assert.is_true(math.abs(line:predict_one { 2, 0 } - 2) < 1e-5)
    assert.is_true(math.abs(line:predict_one { a = 0, b = 2 } - 2) < 1e-5)
    assert.is_true(math.abs(line:predict_one(moe.tensor { 2, 0 }) - 2) < 1e-5)
    refuses("x must be an array", E.constant {}:fit(X, { 1, 2, 3 }).predict_one,
      (E.constant {}:fit(X, { 1, 2, 3 })), { a = 1, b = 2 })
  end)

  it("has false or nothing where a value is missing", function()
    local p = moe.pipeline { T.one_hot {}, T.impute {}, E.linear {} }
    p:fit(named)
    local whole = p:predict_one { age = 2, town = "Graz" }
    assert.is_true(math.abs(whole - 2) < 0.5)
    p:predict_one { age = false, town = "Graz" }
    p:predict_one { town = "Graz" }
    p:predict_one { 2, false }
  end)

  it("has only names that are known, and values that can be", function()
    local p = moe.pipeline { T.one_hot {}, E.linear {} }
    p:fit(named)
    refuses("x.shoe: the model was not trained on a column of that name", p.predict_one, p,
      { age = 1, town = "Oslo", shoe = 44 })
    refuses("x.town must be a number or a string", p.predict_one, p, { age = 1, town = {} })
    refuses("without zero bytes", p.predict_one, p, { age = 1, town = "Os\0lo" })
    refuses("x[2] must be a number, a string", p.predict_one, p, { 1, print })
    refuses("x[1] must be", p.predict_one, p, { { 1, 2 }, { 3, 4 } })
    refuses("one sample, got 2 rows", p.predict_one, p, moe.tensor { { 1, 2 }, { 3, 4 } })
    refuses("got a number", p.predict_one, p, 5)
    refuses("got a nil", p.predict_one, p)
  end)

  it("runs no metamethods", function()
    local p = moe.pipeline { T.one_hot {}, T.impute {}, E.linear {} }
    p:fit(named)
    local ghost = setmetatable({ town = "Graz" }, { __index = function() error "called" end })
    assert.equal("number", type(p:predict_one(ghost)))
  end)

  it("teaches a stream its columns, which later samples must have", function()
    local c = E.constant {}
    assert.equal(0, c:predict_one { 1, 2 })
    c:learn_one({ b = 1, a = 2 }, 10)
    assert.same({ "a", "b" }, c:info().names)
    c:learn_one({ a = 1, b = 5 }, 20)
    assert.equal(15, c:predict_one { a = 0, b = 0 })
    refuses("not trained on", c.learn_one, c, { a = 1, c = 2 }, 1)
    refuses("columns", c.learn_one, c, { 1, 2, 3 }, 1)
    refuses("y is nil", c.learn_one, c, { 1, 2 })
    refuses("number", c.learn_one, c, { 1, 2 }, 1, "heavy")
    refuses("weight must be", c.learn_one, c, { 1, 2 }, 1, -1)
    assert.equal(15, c:predict_one { 1, 2 })
  end)
end)
