-- One sample at a time: the short way through learn_one, predict_one and
-- test_then_learn says what the general one says, allocates nothing, and keeps
-- its place whatever happens below it.
local moe = require "moe"
local core = require "moe.core"
local refuses = require "spec.support.refuses"
local E = moe.experts

-- Rows of numbers that floats hold exactly, and targets of them.
local rows, numbers, names = {}, {}, {}
for i = 1, 200 do
  local a, b, c = i * 37 % 64 / 32 - 1, i * 23 % 128 / 64 - 1, i * 11 % 32 / 16 - 1
  rows[i], numbers[i] = { a, b, c }, a > 0 and 2 * b - c or a + c
  names[i] = a > 0.3 and "high" or b > 0 and "low" or "none"
end
local X = moe.tensor(rows)

-- What learns online by itself; classifiers learn names, the others numbers.
local learners = {
  constant = E.constant,
  ["constant of names"] = E.constant,
  ewma = E.ewma,
  last_value = E.last_value,
  linear = E.linear,
  rls = E.rls,
  ["logistic of names"] = E.logistic,
  ["naive_bayes of names"] = E.naive_bayes,
  ["hoeffding_tree of names"] = E.hoeffding_tree,
  sgbt = E.sgbt,
  mixture = function()
    return moe.mixture { experts = { E.linear { lr = 0.1 }, E.constant {} } }
  end,
  ["mixture of names"] = function()
    return moe.mixture { experts = { E.logistic {}, E.naive_bayes {} } }
  end,
}

local function each_learner()
  local kinds = {}
  for kind in pairs(learners) do kinds[#kinds + 1] = kind end
  table.sort(kinds)
  local i = 0
  return function()
    i = i + 1
    local kind = kinds[i]
    if kind then
      return kind, learners[kind], kind:find "of names" and names or numbers
    end
  end
end

local function weight_of(i) return i % 3 == 0 and 0.5 or 1 end

local function taught(make, y, first, last)
  local m = make {}
  for i = first or 1, last or #rows do m:learn_one(rows[i], y[i], weight_of(i)) end
  return m
end

describe("one sample at a time", function()
  for kind, make, y in each_learner() do
    it("is what many in a row are, to the last bit: " .. kind, function()
      local singly, tested, in_bulk, weights = taught(make, y), make {}, make {}, {}
      for i = 1, #rows do
        weights[i] = weight_of(i)
        local before = tested:predict_one(rows[i])
        assert.equal(before, (tested:test_then_learn(rows[i], y[i], weights[i])))
      end
      in_bulk:learn_many(X, y, { weights = weights })
      assert.is_true(singly:dump() == tested:dump(), "test_then_learn")
      assert.is_true(singly:dump() == in_bulk:dump(), "learn_many")
    end)
  end

  for kind, make, y in each_learner() do
    it("predicts what predict says of the row: " .. kind, function()
      local m = taught(make, y)
      local labels, p = m:predict(X), m:classes() and m:predict_proba(X)
      for i = 1, #rows do
        local answer, confidence = m:predict_one(rows[i])
        assert.equal(labels[i], answer)
        if p then
          local proba, best = m:predict_proba_one(rows[i]), 0
          for k, label in ipairs(m:classes()) do
            assert.is_true(math.abs(p:get(i, k) - proba[label]) < 1e-7)
            best = math.max(best, proba[label])
          end
          assert.equal(best, confidence)
        end
      end
    end)
  end

  it("teaches the levels of strings in their order, from tables too", function()
    local colours, columns = { "red", "green", "blue", "amber" }, { number = {}, paint = {} }
    for i = 1, #rows do
      columns.number[i] = rows[i][1]
      columns.paint[i] = i % 11 == 0 and "new" .. i % 30 or colours[i * 7 % 4 + 1]
    end
    local t = moe.data.table { columns = columns }
    for _, kind in ipairs { "naive_bayes", "hoeffding_tree", "logistic" } do
      local by_name, by_table = E[kind] {}, E[kind] {}
      for i = 1, #rows do
        by_name:learn_one({ number = columns.number[i], paint = columns.paint[i] }, names[i])
      end
      by_table:learn_many(t, names)
      assert.is_true(by_name:dump() == by_table:dump(), kind)
    end
  end)

  it("takes more rows than are read at a time, wherever they lie", function()
    local names_of, many, y, larger, turned = {}, {}, {}, { {} }, {}
    for j = 1, 16 do names_of[j], larger[1][j] = ("x%02d"):format(j), 9 end
    for i = 1, 500 do
      local x, other = {}, {}
      for j = 1, 16 do
        x[j] = (i * (2 * j + 1) % 64) / 32 - 1
        other[17 - j] = x[j]
      end
      many[i], larger[i + 1], turned[i], y[i] = x, x, other, x[1] - x[5]
    end
    local function named(matrix, first, step)
      local t, own = moe.tensor(matrix), {}
      for j = 1, 16 do own[j] = names_of[first + step * j] end
      t.names = own
      return t
    end
    local singly = E.linear {}
    for i = 1, #many do singly:learn_one(many[i], y[i]) end
    local said = singly:predict(many)
    for i = 1, #many do assert.equal(singly:predict_one(many[i]), said[i]) end
    for what, matrix in pairs {
      array = many, tensor = moe.tensor(many), part = moe.tensor(larger):rows(2, 501),
    } do
      local m = E.linear {}:learn_many(matrix, y)
      assert.is_true(m:dump() == singly:dump(), what)
      assert.same(said, m:predict(matrix))
    end
    local straight, back = E.linear {}, E.linear {}
    for _, m in ipairs { straight, back } do m:learn_many(named(many, 0, 1), y) end
    straight:learn_many(named(many, 0, 1), y)
    back:learn_many(named(turned, 17, -1), y)
    assert.is_true(straight:dump() == back:dump(), "columns in another order")
  end)

  it("takes the targets of many from arrays and tensors of either shape", function()
    local y, columns = {}, {}
    for i = 1, #rows do
      y[i] = i % 7 / 4 -- the same as a float
      columns[i] = { y[i] }
    end
    local function learned(targets) return E.linear {}:learn_many(X, targets):dump() end
    local by_array = learned(y)
    assert.is_true(by_array == learned(moe.tensor(y)), "tensor")
    assert.is_true(by_array == learned(moe.tensor(columns)), "tensor of one column")
    y[20] = "twenty"
    refuses("y[20] must be a number", E.linear {}.learn_many, E.linear {}, X, y)
    local classes = E.naive_bayes {}:learn_many(X, y):classes()
    assert.equal("number", type(classes[1]))
    assert.equal("twenty", classes[#classes])
  end)

  it("comes as an array, as a tensor or by name", function()
    local by_array, by_tensor, by_name = E.linear {}, E.linear {}, E.linear {}
    for i = 1, #rows do
      local a, b, c = rows[i][1], rows[i][2], rows[i][3]
      by_array:learn_one(rows[i], numbers[i])
      by_tensor:learn_one(X:row(i), numbers[i])
      by_name:learn_one({ c = c, a = a, b = b }, numbers[i])
      local answer = by_array:predict_one(rows[i])
      assert.equal(answer, by_tensor:predict_one(X:row(i)))
      assert.equal(answer, by_name:predict_one { a = a, b = b, c = c })
      assert.equal(answer, by_name:predict_one { a, b, c })
    end
    assert.is_true(by_array:dump() == by_tensor:dump())
  end)

  it("may hold strings, and holes as false or without their name", function()
    local by_array, by_name = E.naive_bayes {}, E.naive_bayes {}
    local colours = { "red", "green", false, "blue" }
    for i = 1, #rows do
      local colour, b = colours[i % 4 + 1], i % 7 ~= 0 and rows[i][2]
      by_array:learn_one({ b, colour }, names[i])
      by_name:learn_one({ number = b or nil, paint = colour or nil }, names[i])
    end
    -- In the order of names: number, paint.
    for i = 1, 20 do
      local b = rows[i][2]
      local label, p = by_array:predict_one { b, "green" }
      assert.same({ label, p }, { by_name:predict_one { number = b, paint = "green" } })
      label, p = by_array:predict_one { b, false }
      assert.same({ label, p }, { by_array:predict_one { b, "never seen" } })
      assert.same({ label, p }, { by_name:predict_one { number = b } })
    end
  end)

  -- As moe.data.table and CSV streams have it: NaN for numbers, false for strings.
  it("may begin with a string that is missing", function()
    local first = { { false, 1 }, { "red", 2 }, { false, 0 / 0 }, { "blue", 3 }, { "red", 1 } }
    local y = { "a", "b", "a", "b", "b" }
    local columns = { paint = {}, size = {} }
    for i, x in ipairs(first) do columns.paint[i], columns.size[i] = x[1], x[2] end
    local t = moe.data.table { columns = columns, names = { "paint", "size" } }
    for _, name in ipairs { "naive_bayes", "hoeffding_tree", "logistic", "knn" } do
      local by_one, by_name, by_array = E[name] {}, E[name] {}, E[name] {}
      for i, x in ipairs(first) do
        by_one:learn_one(x, y[i])
        by_name:learn_one({ paint = x[1], size = x[2] }, y[i])
      end
      by_array:learn_many({ first[1] }, { y[1] })
      by_array:learn_many({ first[2], first[3], first[4], first[5] }, { y[2], y[3], y[4], y[5] })
      assert.is_true(by_one:dump() == by_array:dump(), name)
      assert.is_true(by_name:dump() == E[name]({}):learn_many(t, y):dump(), name)
    end
  end)

  it("may have false for a number that is missing, but not in the first", function()
    local by_one, by_array = E.hoeffding_tree {}, E.hoeffding_tree {}
    local rest = { { 1, 2 }, { 2, false }, { false, 3 } }
    for i, x in ipairs(rest) do
      by_one:learn_one(x, names[i])
      by_array:learn_many({ x }, { names[i] }) -- all that is in a column may be missing
    end
    assert.is_true(by_one:dump() == by_array:dump())
    assert.equal(by_one:predict_one { 1, false }, by_array:predict({ { 1, false } })[1])
    local tree = E.tree {}:fit({ { 1, 2 }, { 2, 3 } }, { 1, 2 })
    assert.equal(2, #tree:predict { { 1, false }, { 2, false } })
  end)

  it("meets new labels and levels on the way", function()
    local m = E.naive_bayes {}
    m:learn_one({ 1, "x" }, "a")
    m:learn_one({ 2, "y" }, "b")
    m:learn_one({ 3, "z" }, true)
    m:learn_one({ 3, "z" }, 7)
    assert.equal("b", (m:test_then_learn({ 2, "y" }, "c")))
    assert.same({ 7, "a", "b", "c", true }, m:classes())
    for label, x in pairs { a = { 1, "x" }, [true] = { 3, "z" } } do
      m:learn_one(x, label)
      m:learn_one(x, label)
      assert.equal(label, (m:predict_one(x)))
    end
  end)

  it("has several targets", function()
    local m, again = E.linear { lr = 0.1 }, E.linear { lr = 0.1 }
    for i = 1, #rows do
      local y = { numbers[i], -numbers[i] }
      local before = m:predict_one(rows[i])
      assert.same(before, m:test_then_learn(rows[i], y))
      again:learn_one(rows[i], y)
    end
    assert.is_true(m:dump() == again:dump())
    assert.equal(2, #m:predict_one(rows[1]))
  end)

  it("of weight 0 comes by and is not learned from", function()
    local m = taught(E.linear, numbers)
    local before = m:predict_one(rows[1])
    m:learn_one(rows[1], 1000, 0)
    assert.equal(before, m:predict_one(rows[1]))
    assert.equal(before, m:test_then_learn(rows[1], 1000, 0))
    assert.equal(before, m:predict_one(rows[1]))
  end)

  it("of weight 0 may have a new label or level, and be one of many", function()
    for _, make in ipairs { E.naive_bayes, E.logistic, E.hoeffding_tree, E.ar } do
      local one, many = make {}, make {}
      local a, s = { 1, 2, 3, 1 }, { "u", "v", "u", "w" }
      local y = { "x", "y", "new", "x" }
      for i = 1, 2 do
        one:learn_one({ a = a[i], s = s[i] }, y[i])
        many:learn_one({ a = a[i], s = s[i] }, y[i])
      end
      for i = 3, 4 do one:learn_one({ a = a[i], s = s[i] }, y[i], 0) end
      local t = moe.data.table { columns = { a = { 3, 1 }, s = { "u", "w" } } }
      many:learn_many(t, { "new", "x" }, { weights = { 0, 0 } })
      assert.is_true(one:dump() == many:dump())
      local p = one:predict_proba_one { a = 1, s = "w" }
      assert.near(1, p.x + p.y + p.new, 1e-12)
    end
  end)

  it("is answered before anything was learned", function()
    assert.equal(0, E.linear({}):test_then_learn(rows[1], 3))
    assert.is_nil(E.naive_bayes({}):test_then_learn(rows[1], "a"))
  end)

  it("is a nil and a probability where that is too low", function()
    local m = taught(E.naive_bayes, names)
    local label, p = m:predict_one(rows[1])
    assert.same({ label, p }, { m:predict_one(rows[1], { min_confidence = p }) })
    local none, same = m:predict_one(rows[1], { min_confidence = (p + 1) / 2 })
    assert.is_nil(none)
    assert.equal(p, same)
    refuses("min_confidense", m.predict_one, m, rows[1], { min_confidense = 1 })
  end)
end)

describe("a sample that cannot be taken", function()
  local m, c, named
  before_each(function()
    m, c, named = taught(E.linear, numbers), taught(E.naive_bayes, names), E.linear {}
    for i = 1, 9 do named:learn_one({ a = i, b = -i }, i) end
  end)

  it("is refused with the name of what is wrong, and changes nothing", function()
    local before, classes = m:dump(), c:dump()
    for _, method in ipairs { "learn_one", "test_then_learn" } do
      refuses("columns", m[method], m, { 1, 2 }, 1)
      refuses("x[2]", m[method], m, { 1, {}, 3 }, 1)
      refuses("column 2", m[method], m, { 1, "two", 3 }, 1)
      refuses("column 3", m[method], m, { 1, 2, math.huge }, 1)
      refuses("y ", m[method], m, { 1, 2, 3 }, 0 / 0)
      refuses("y ", m[method], m, { 1, 2, 3 }, -math.huge)
      refuses("y ", m[method], m, { 1, 2, 3 }, "one")
      refuses("y is nil", m[method], m, { 1, 2, 3 })
      refuses("weight must be", m[method], m, { 1, 2, 3 }, 1, -1)
      refuses("weight must be", m[method], m, { 1, 2, 3 }, 1, 0 / 0)
      refuses("weight must be", m[method], m, { 1, 2, 3 }, 1, "heavy")
      refuses("not numbers", c[method], c, { 1, 2, 3 }, {})
      refuses("y must be", c[method], c, { 1, 2, 3 }, 0 / 0)
      refuses("zero byte", c[method], c, { 1, 2, 3 }, "a\0b")
      refuses("columns", named[method], named, { 1 }, 1)
      refuses("not trained on", named[method], named, { a = 1, b = 2, d = 3 }, 1)
      refuses("x.b", named[method], named, { a = 1, b = {} }, 1)
      refuses("sample", m[method], m, X, 1)
      refuses("x must be", m[method], m, 7, 1)
    end
    refuses("columns", m.predict_one, m, { 1, 2 })
    refuses("column 2", m.predict_one, m, { 1, -math.huge, 3 })
    refuses("columns", m.predict_one, m, moe.tensor { 1, 2 })
    refuses("probabilities", m.predict_proba_one, m, { 1, 2, 3 })
    assert.is_true(before == m:dump())
    assert.is_true(classes == c:dump())
  end)

  it("is named x, y and weight, the first one as others", function()
    for _, first in ipairs { true, false } do
      for _, method in ipairs { "learn_one", "test_then_learn" } do
        local function says(message, ...)
          local l = E.linear {}
          if not first then l:learn_one({ 1, 2 }, 1) end
          local _, err = pcall(l[method], l, ...)
          assert.equal(message, err)
        end
        says("y is NaN", { 1, 2 }, 0 / 0)
        says("y is infinite", { 1, 2 }, 1 / 0)
        says("y is nil", { 1, 2 })
        says("y must be a number, got string", { 1, 2 }, "one")
        says("y must be a number, got boolean", { 1, 2 }, true)
        says("y must be a number, got function", { 1, 2 }, print)
        says("y[2] must be a number, got string", { 1, 2 }, { 1, "two" })
        says("y[2] is infinite", { 1, 2 }, { 1, 1 / 0 })
        says("weight must be a number of at least 0, got -1", { 1, 2 }, 1, -1)
        says("weight must be a number of at least 0, got string", { 1, 2 }, 1, "2")
        says("x must be a float tensor of 1 dimension", moe.zeros(1, 1, 2), 1)
        says("x must be one sample, got 2 rows", moe.zeros(2, 2), 1)
        says("x must be an array of values, name → value, or one row of a tensor, "
          .. "a sparse matrix or a table, got a number", 7, 1)
      end
    end
    refuses("weight of the first sample must be above 0", function()
      E.linear({}):learn_one({ 1, 2 }, 1, 0)
    end)
    moe.gates.softmax({}):learn_one({ 1, 2 }, { 0 / 0, -1 }) -- one was not asked
  end)

  it("refuses many whose arrays are not what their rows are", function()
    local function learn(matrix, y) return E.linear {}:learn_many(matrix, y) end
    local three = { { 1, 2 }, { 3, 4 }, { 5, 6 } }
    refuses("y[3] is nil, but X has 3 rows", learn, three, { 1, 2 })
    refuses("y has 4 elements, but X has 3 rows", learn, three, { 1, 2, 3, 4 })
    refuses("y[3] is nil, but there is more", learn, three, { 1, 2, nil, 4 })
    refuses("y[4] is nil, but there is more", learn, three, { 1, 2, 3, more = 4 })
    refuses("y[2] must be a number", learn, three, { 1, {}, 3 })
    refuses("X[3] has 3 numbers", learn, { { 1, 2 }, { 3, 4 }, { 5, 6, 7 } }, { 1, 2, 3 })
    refuses("X[2] has 1 numbers", learn, { { 1, 2 }, { 3 }, { 5, 6 } }, { 1, 2, 3 })
    refuses("X[3] is nil, but there is more", learn,
      { { 1, 2 }, { 3, 4, more = 5 }, { 5, 6 } }, { 1, 2, 3 })
    refuses("X[2][2] must be a number", learn, { { 1, 2 }, { 3, {} }, { 5, 6 } }, { 1, 2, 3 })
    refuses("X[2] must be an array", learn, { { 1, 2 }, 3, { 5, 6 } }, { 1, 2, 3 })
    refuses("row 2, column 2 is infinite", learn, { { 1, 2 }, { 3, math.huge } }, { 1, 2 })
    refuses("row 2, column 2 is infinite", learn, moe.tensor { { 1, 2 }, { 3, -math.huge } },
      { 1, 2 })
    refuses("y[2] is NaN", learn, { { 1, 2 }, { 3, 4 } }, { 1, 0 / 0 })
    refuses("y[2] is infinite", learn, { { 1, 2 }, { 3, 4 } }, { 1, math.huge })
  end)

  it("has a number where strings were, or a string where numbers were", function()
    local mixed = E.naive_bayes {}
    for i = 1, 20 do mixed:learn_one({ rows[i][1], i % 2 == 0 and "red" or "blue" }, names[i]) end
    local before = mixed:dump()
    for _, method in ipairs { "learn_one", "test_then_learn", "predict_one" } do
      local y = method ~= "predict_one" and names[1] or nil
      refuses("column 2 held strings", mixed[method], mixed, { 1, 0 }, y)
      refuses("column 1 held numbers", mixed[method], mixed, { "red", "red" }, y)
    end
    assert.is_true(before == mixed:dump())
  end)

  it("has no place in what is closed, or is no object", function()
    m:close()
    local singly = { "learn_one", "test_then_learn", "predict_one", "predict_proba_one" }
    for _, method in ipairs(singly) do
      refuses("closed", c[method], m, { 1, 2, 3 }, 1)
      refuses("object first", c[method], { 1, 2, 3 }, 1)
      refuses("object first", c[method], io.stdout, { 1, 2, 3 })
    end
  end)
end)

describe("memory", function()
  local jit = rawget(_G, "jit")
  setup(function()
    if jit then jit.off() jit.flush() end -- traces lie in Lua's heap
  end)
  teardown(function()
    if jit then jit.on() end
  end)

  -- Kilobytes by which Lua's heap grows, with the engine's allocations failing.
  local function growth(work)
    for _ = 1, 200 do work() end
    collectgarbage()
    collectgarbage "stop"
    core._fail_after(0)
    local before = collectgarbage "count"
    for _ = 1, 10000 do work() end
    local after = collectgarbage "count"
    core._fail_after(-1)
    collectgarbage "restart"
    return after - before
  end

  local fixed = { "constant", "constant of names", "ewma", "last_value", "linear", "rls",
    "logistic of names", "naive_bayes of names", "mixture", "mixture of names" }
  for _, kind in ipairs(fixed) do
    it("is not asked for by samples of " .. kind, function()
      local y = kind:find "of names" and names or numbers
      local m, i = taught(learners[kind], y), 0
      assert.equal(0, growth(function()
        i = i % #rows + 1
        m:predict_one(rows[i])
        m:learn_one(rows[i], y[i])
        m:test_then_learn(rows[i], y[i], 0.5)
      end))
    end)
  end

  it("is not asked for by tensors, names, strings and holes", function()
    local m, i = E.naive_bayes {}, 0
    local line, row = taught(E.linear, numbers), X:row(1)
    local samples = { { a = 1, b = "x" }, { a = 2, b = "y" }, { b = "x" }, { a = 3 } }
    for k, sample in ipairs(samples) do m:learn_one(sample, names[k]) end
    assert.equal(0, growth(function()
      i = i % #samples + 1
      m:test_then_learn(samples[i], names[i])
      m:predict_one(samples[i])
      line:test_then_learn(row, i)
    end))
  end)

  it("is not asked for by several targets, but for the answer", function()
    local m, y = E.linear {}, { 1, 2 }
    m:learn_one(rows[1], y)
    assert.equal(0, growth(function() m:learn_one(rows[1], y) end))
  end)
end)

describe("what happens below a sample", function()
  -- An expert written in Lua whose learn_one and predict_one are given.
  local function host(learn, predict)
    return {
      learn_one = function(_, ...) if learn then return learn(...) end end,
      predict_one = function(_, ...) return predict and predict(...) or 0 end,
    }
  end
  local function mixture(...)
    return moe.mixture { experts = { E.foreign(host(...)), E.linear {} } }
  end

  -- Samples go the short way again: the engine is not asked for memory.
  local function desk_is_free()
    local m = taught(E.linear, numbers)
    core._fail_after(0)
    local free = pcall(m.learn_one, m, rows[1], 1)
    core._fail_after(-1)
    return free
  end

  -- Every call learns from more columns, and leaves no memory as it was.
  local columns = 0
  local function learn_wider()
    columns = columns + 10
    local wide, junk = {}, {}
    for j = 1, columns do wide[j] = 9 end
    E.linear({}):learn_one(wide, 9)
    collectgarbage()
    for k = 1, 50 do junk[k] = ("x"):rep(16 * k + columns) end
    return junk
  end

  it("may raise: the error comes up as it was, and the next sample is taken", function()
    local problem, armed = {}, false
    local m = mixture(function() if armed then error(problem) end end)
    m:learn_one(rows[1], 1)
    m:learn_one(rows[2], 1)
    armed = true
    local ok, err = pcall(m.learn_one, m, rows[3], 1)
    assert.is_false(ok)
    assert.equal(problem, err)
    assert.is_true(desk_is_free())
    armed = false
    m:learn_one(rows[3], 1)
    assert.equal("number", type(m:predict_one(rows[1])))
  end)

  it("may learn and ask other objects, of the same state, at any depth", function()
    local line = taught(E.linear, numbers)
    local depth, inner = 0
    local outer = mixture(function(x)
      depth = depth + 1
      line:learn_one({ x[1], x[2], x[3] }, 5)
      if depth < 4 and inner then inner:learn_one({ x[1], x[2], x[3] }, 2) end
      line:test_then_learn({ 0, 0, 0 }, 1)
      depth = depth - 1
    end, function(x) return line:predict_one { x[1], x[2], x[3] } end)
    inner = mixture(function() line:learn_one({ 1, 1, 1 }, 1) end)
    for i = 1, #rows do outer:test_then_learn(rows[i], numbers[i]) end
    assert.is_true(line:info().n_seen > 3 * #rows)
    assert.is_true(desk_is_free())

    -- The same without any sample in between, of ever more columns.
    local plain = mixture(nil, function() return 0.25 end)
    local busy = mixture(learn_wider, function()
      line:learn_one({ 9, 9, 9 }, 9)
      return 0.25
    end)
    for i = 1, 30 do
      assert.equal(plain:test_then_learn(rows[i], numbers[i]),
        busy:test_then_learn(rows[i], numbers[i]))
    end
  end)

  it("may not change the object that is at work, and closes it only afterwards", function()
    local errors, work
    local function try()
      local now = work
      work = nil -- a fit asks this expert again
      if now then errors[#errors + 1] = select(2, pcall(now)) end
    end
    local m = mixture(try, function() try() return 0 end)
    for i = 1, 20 do m:learn_one(rows[i], numbers[i]) end
    for _, change in ipairs {
      function() m:learn_one(rows[1], 1) end,
      function() m:reset() end,
      function() m:fit(X, numbers) end,
    } do
      for _, method in ipairs { "predict_one", "learn_one", "test_then_learn" } do
        errors, work = {}, change
        m[method](m, rows[1], method ~= "predict_one" and 1 or nil)
        assert.is_truthy(tostring(errors[1]):find "in use", tostring(errors[1]))
      end
    end
    work = function() m:close() end
    m:test_then_learn(rows[1], 1)
    work = nil
    refuses("closed", m.learn_one, m, rows[1], 1)
    collectgarbage()
  end)

  it("may not yield, in a coroutine either", function()
    local m = mixture(function() coroutine.yield(1) end)
    local thread = coroutine.create(function() m:learn_one(rows[1], 1) end)
    local ok, message = coroutine.resume(thread)
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("learn_one yielded", 1, true), message)
    assert.is_true(desk_is_free())
  end)

  it("goes on in many coroutines by turns", function()
    local threads, models = {}, {}
    for k = 1, 5 do
      models[k] = E.linear {}
      threads[k] = coroutine.wrap(function()
        for i = 1, #rows do
          models[k]:test_then_learn(rows[i], numbers[i])
          coroutine.yield()
        end
      end)
    end
    for _ = 1, #rows do
      for k = 1, 5 do threads[k]() end
    end
    for k = 2, 5 do assert.is_true(models[k]:dump() == models[1]:dump()) end
  end)

  it("may be a finaliser that runs while answers are handed over", function()
    local armed = true
    local function leave_behind()
      local function work()
        if armed then learn_wider() end
      end
      if rawget(_G, "newproxy") then
        getmetatable(newproxy(true)).__gc = work -- luacheck: ignore
      else
        setmetatable({}, { __gc = work })
      end
    end
    local m, plain = E.linear { lr = 0.1 }, E.linear { lr = 0.1 }
    local c, expected = taught(E.naive_bayes, names), {}
    for i = 1, 12 do expected[i] = c:predict_proba_one(rows[i]) end
    local pause, speed = collectgarbage("setpause", 1), collectgarbage("setstepmul", 100000)
    for i = 1, 12 do
      local x, y = rows[i], { numbers[i], 1 }
      plain:learn_one(x, y)
      leave_behind()
      local before = m:test_then_learn(x, y)
      assert.equal(i > 1 and "table" or "number", type(before))
      leave_behind()
      local probabilities = c:predict_proba_one(x)
      assert.same(expected[i], probabilities)
    end
    armed = false
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", speed)
    assert.is_true(m:dump() == plain:dump())
  end)
end)
