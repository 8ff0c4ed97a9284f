local data = require "moe.data"
local allocations = require "spec.support.allocations"

local NAN = 0 / 0

-- Five rows that hold everything: numbers, strings, both missing, a target.
local function sample()
  return data.table {
    names = { "id", "age", "city", "ill" },
    columns = {
      id = { 1, 2, 3, 4, 5 },
      age = { 31.5, NAN, 62, -4, 31.5 },
      city = { "Oslo", "Graz", false, "Oslo", "Bari" },
      ill = { "no", "no", "yes", "no", "yes" },
    },
    target = "ill",
  }
end

local function ids(t) return t:column "id" end

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

describe("a table", function()
  it("knows its length, names, features, target and kinds", function()
    local t = sample()
    assert.equal(5, #t)
    assert.same({ "id", "age", "city", "ill" }, t.names)
    assert.same({ "id", "age", "city" }, t.features)
    assert.equal("ill", t.target)
    assert.equal("number", t:kind "age")
    assert.equal("string", t:kind "city")
    assert.is_nil(t.nothing_of_the_kind)
    assert.is_nil(t:with_target().target)
    assert.same(t.names, t:with_target().features)
    assert.equal("age", t:with_target("age").target)
  end)

  it("gives columns and rows, NaN and false where they are missing", function()
    local t = sample()
    assert.same({ "Oslo", "Graz", false, "Oslo", "Bari" }, t:column "city")
    local age = t:column "age"
    assert.is_true(age[2] ~= age[2])
    assert.equal(31.5, age[5])
    assert.same({ id = 3, age = 62, city = false, ill = "yes" }, t:row(3))
  end)

  it("selects rows, again and again", function()
    local t = sample()
    assert.same({ 2, 3 }, ids(t:rows(2, 3)))
    assert.same({ 4, 5 }, ids(t:rows(4)))
    assert.same({}, ids(t:rows(6)))
    assert.same({ 5, 1, 1 }, ids(t:pick { 5, 1, 1 }))
    assert.same({ 1, 3, 3 }, ids(t:pick({ 5, 3, 1 }):rows(2, 3):pick { 2, 1, 1 }))
    assert.same({ 3, 5 }, ids(t:rows(2, 5):pick { 2, 4 }))
    assert.same({ false, "Bari" }, t:rows(2, 5):pick({ 2, 4 }):column "city")
    assert.equal("ill", t:rows(2, 5):pick({ 2, 4 }).target)
  end)

  it("selects the rows where something holds", function()
    local t = sample()
    assert.same({ 1, 4 }, ids(t:where { city = "Oslo" }))
    assert.same({ 5 }, ids(t:where { age = 31.5, city = "Bari" }))
    assert.same({ 3 }, ids(t:where { city = false }))
    assert.same({ 2 }, ids(t:where { age = NAN }))
    assert.same({ 1, 3, 5 }, ids(t:where(function(row) return row.age > 0 end)))
    assert.same({}, ids(t:where { city = "Rome" }))
    assert.matches("boom", message(function() t:where(function() error "boom" end) end))
    assert.matches("no column 'town'", message(t.where, t, { town = "Oslo" }))
    assert.matches("a function or a table", message(t.where, t, 3))
  end)

  it("selects and drops columns, and follows the target", function()
    local t = sample()
    assert.same({ "city", "id" }, t:select({ "city", "id" }).names)
    assert.is_nil(t:select({ "city", "id" }).target)
    assert.equal("ill", t:select({ "ill", "id" }).target)
    assert.same({ "id", "ill" }, t:drop({ "age", "city" }).names)
    assert.is_nil(t:drop({ "ill" }).target)
    assert.same({ 3, 2 }, ids(t:pick({ 3, 2 }):drop { "age" }))
    assert.matches("no column 'agee'; did you mean 'age'", message(t.select, t, { "agee" }))
    assert.matches("'age' is named twice", message(t.select, t, { "age", "age" }))
    assert.matches("names%[1%] must be a string", message(t.drop, t, { 7 }))
  end)

  it("outlives what it was cut from", function()
    local t = sample()
    local part = t:rows(2, 4):select { "city", "id" }
    t:close()
    collectgarbage()
    assert.same({ "Graz", false, "Oslo" }, part:column "city")
    assert.matches("closed Table", message(t.rows, t, 1))
    assert.equal("closed Table", tostring(t))
    t:close()
  end)

  it("refuses rows and columns that it has not", function()
    local t = sample()
    for _, row in ipairs { 0, 6, 1.5, -1, 2 ^ 53 + 1, NAN } do
      assert.matches("must be an integer in %[1, 5%]", message(t.row, t, row))
      assert.matches("must be an integer", message(t.pick, t, { row }))
    end
    for _, range in ipairs { { 0, 3 }, { 7, 7 }, { 3, 1 }, { 1, 6 } } do
      assert.matches("must be an integer in", message(t.rows, t, range[1], range[2]))
    end
    assert.matches("no column 'cities'; did you mean 'city'", message(t.column, t, "cities"))
    assert.matches("moe.Table expected", message(t.column, {}, "city"))
    assert.matches("moe.Table expected", message(t.rows, io.stdout, 1))
  end)

  it("prints its first rows and columns, aligned", function()
    assert.equal(table.concat({
      "Table: 5 rows × 4 columns, target ill",
      "id      age     city    ill",
      "number  number  string  string",
      "1       31.5    Oslo    no",
      "2       -       Graz    no",
      "3       62      -       yes",
      "4       -4      Oslo    no",
      "5       31.5    Bari    yes",
    }, "\n"), tostring(sample()))
    local columns, names = {}, {}
    for j = 1, 30 do
      names[j] = "x" .. j
      columns[names[j]] = {}
      for i = 1, 100 do columns[names[j]][i] = ("Ünï"):rep(10) .. i end
    end
    local text = tostring(data.table { columns = columns, names = names })
    assert.matches("… 90 more rows, 27 more columns$", text)
    for line in text:gmatch "[^\n]+" do
      assert.is_true(#line:gsub("[\128-\191]", "") <= 78)
    end
    assert.equal("Table: 0 rows × 0 columns", tostring(data.table { columns = {} }))
  end)

  -- The figures are those of Python 3.11's statistics.mean and stdev.
  it("describes its columns", function()
    local d = sample():describe()
    assert.same({ "id", "age", "city", "ill" }, d:column "column")
    assert.same({ 0, 1, 1, 0 }, d:column "missing")
    assert.equal(30.25, d:column("mean")[2])
    assert.is_true(math.abs(d:column("sd")[2] - 26.98301935168363) < 1e-12)
    assert.equal(-4, d:column("min")[2])
    assert.equal(62, d:column("max")[2])
    assert.same({ false, false, "Oslo", "no" }, d:column "most")
    assert.equal(3, d:column("levels")[3])
    assert.equal(1, #data.table({ columns = { x = {} } }):describe())
  end)
end)

describe("X and y of a table", function()
  it("are its numeric features, with their names, and its target", function()
    local t = sample():drop({ "city" }):where(function(row) return row.age == row.age end)
    local X, y = t:xy()
    assert.same({ "id", "age" }, X.names)
    assert.same({ { 1, 31.5 }, { 3, 62 }, { 4, -4 }, { 5, 31.5 } }, X:totable())
    assert.same({ "no", "yes", "no", "yes" }, y)
    assert.same({ 31.5, 62 }, select(2, t:rows(1, 2):with_target("age"):drop({ "ill" }):xy()))
  end)

  it("are refused where a column would not do, saying what would", function()
    local t = sample()
    assert.matches("'city' holds strings; .*one_hot", message(t.xy, t:drop { "age" }))
    assert.matches("'age' is missing in row 2; .*impute", message(t.xy, t:drop { "city" }))
    assert.matches("no target; t:with_target", message(t.xy, t:with_target()))
    assert.matches("target 'city' is missing in row 3", message(t.xy, t:with_target "city"))
    local large = data.table { columns = { x = { 1, 1e39 }, y = { 1, 2 } }, target = "y" }
    assert.matches("'x', row 2: 1e%+39 is beyond the float32", message(large.xy, large))
  end)
end)

describe("a table of Lua arrays", function()
  local function refused(options) return message(data.table, options) end

  it("orders its columns by name unless told otherwise", function()
    local columns = { b = { 1 }, a = { "x" }, c = { NAN } }
    assert.same({ "a", "b", "c" }, data.table({ columns = columns }).names)
    assert.same({ "c", "a", "b" },
      data.table({ columns = columns, names = { "c", "a", "b" } }).names)
  end)

  it("has numbers or strings in a column, false or NaN where one is missing", function()
    local t = data.table {
      columns = { a = { false, 2 }, b = { NAN, "x" }, c = { false, false }, d = { NAN, NAN } },
    }
    assert.equal("number", t:kind "a")
    assert.equal("string", t:kind "b")
    assert.equal("string", t:kind "c")
    assert.equal("number", t:kind "d")
    assert.matches("'a': %[2%] must be a finite number, or NaN .* got 'x'",
      refused { columns = { a = { 1, "x" } } })
    assert.matches("'a': %[1%] must be a finite number or a string",
      refused { columns = { a = { math.huge } } })
    assert.matches("'a': %[2%] must be a string", refused { columns = { a = { "x", true } } })
    assert.matches("'a': %[1%] holds a zero byte", refused { columns = { a = { "x\0y" } } })
  end)

  it("refuses arrays with holes, unequal lengths and wrong names", function()
    assert.matches("column 'a'%[2%] is nil, but there is more",
      refused { columns = { a = { 1, nil, 3 } } })
    assert.matches("'b' has 2 items, the first column 3",
      refused { columns = { a = { 1, 2, 3 }, b = { 1, 2 } } })
    assert.matches("2 columns, but 1 names",
      refused { columns = { a = { 1 }, b = { 1 } }, names = { "a" } })
    assert.matches("column 'c' must be an array",
      refused { columns = { a = { 1 }, b = { 1 } }, names = { "a", "c" } })
    assert.matches("two columns are named 'a'",
      refused { columns = { a = { 1 }, b = { 1 } }, names = { "a", "a" } })
    assert.matches("column 1 has no name", refused { columns = { [""] = { 1 } } })
    assert.matches("no column 'y'", refused { columns = { x = { 1 } }, target = "y" })
    assert.matches("a column's name must be a string", refused { columns = { { 1 } } })
    assert.matches("unknown option 'colums'; did you mean 'columns'", refused { colums = {} })
    assert.matches("'columns' must be a table", refused {})
  end)

  it("is not led astray by metatables", function()
    local angry = setmetatable({ 1, 2 }, { __index = function() error "asked" end })
    assert.same({ 1, 2 }, data.table({ columns = { a = angry } }):column "a")
  end)

  it("survives a failed allocation anywhere, and leaks nothing", function()
    local function life()
      local t = sample()
      local part = t:where({ ill = "no" }):drop { "city", "age" }
      local X = part:xy()
      local train, test = t:split(0.5, { stratify = true, group = "id" })
      for _, object in ipairs { t, part, X, train, test } do object:close() end
    end
    assert.is_true(allocations.fail(life) > 50)
  end)
end)
