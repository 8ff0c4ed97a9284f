-- The sparse matrix in Lua.
local moe = require "moe"

local function refuses(message, f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  assert.equal(message, (tostring(text):gsub("^[^:]*:%d+: ", "")))
end

describe("a sparse matrix", function()
  local function example()
    return moe.sparse { { [3] = 0.5, [1] = 2 }, {}, { [4] = -1 }, columns = 4 }
  end

  it("holds the entries that it was given, and zeros between", function()
    local s = example()
    assert.same({ 3, 4 }, s.shape)
    assert.equal(3, #s)
    assert.equal(3, s.entries)
    assert.same({ { 2, 0, 0.5, 0 }, { 0, 0, 0, 0 }, { 0, 0, 0, -1 } }, s:dense():totable())
    assert.same({ { [1] = 2, [3] = 0.5 }, {}, { [4] = -1 } }, s:totable())
    assert.same({ [4] = -1 }, s[3])
    assert.is_nil(s[4])
    assert.equal(0.5, s:get(1, 3))
    assert.equal(0, s:get(2, 3))
    local seen = {}
    for i, row in s:iter() do seen[i] = row end
    assert.same(s:totable(), seen)
  end)

  it("takes memory for its entries, not for its columns", function()
    local rows = { columns = 2 ^ 30 }
    for i = 1, 1000 do rows[i] = { [i * 2 ^ 20] = i } end
    local before = moe.memory()
    local s = moe.sparse(rows)
    assert.is_true(moe.memory() - before < 20000)
    assert.equal(1000, s:get(1000, 1000 * 2 ^ 20))
  end)

  it("gives rows as views that keep their base alive, with its names", function()
    local views = {}
    for i = 1, 50 do
      local s = moe.sparse { { [1] = i }, { [2] = i, [3] = 2 * i }, {}, columns = 3 }
      s.names = { "a", "b", "c" }
      views[i] = s:rows(2):rows(1, 1)
      if i % 2 == 0 then s:close() end
    end
    collectgarbage()
    collectgarbage()
    for i, v in ipairs(views) do
      assert.same({ { 0, i, 2 * i } }, v:dense():totable())
      assert.equal(2, v.entries)
      assert.same({ "a", "b", "c" }, v.names)
      assert.same({ "a", "b", "c" }, v:dense().names)
    end
  end)

  it("gives chosen rows in the order asked for", function()
    local s = example():rows(1, 3):select { 3, 1, 1, 2 }
    assert.same({ { [4] = -1 }, { [1] = 2, [3] = 0.5 }, { [1] = 2, [3] = 0.5 }, {} }, s:totable())
    assert.same({ 0, 4 }, example():select({}).shape)
  end)

  it("prints its shape, entries and first rows", function()
    assert.equal("sparse 3×4 float32, 3 entries\n  [1]  1: 2  3: 0.5\n  [2]\n  [3]  4: -1",
      tostring(example()))
    local named = moe.sparse { { [2] = 1 }, columns = 2, names = { "x", "y" } }
    assert.equal("sparse 1×2 float32, 1 entries\n  [1]  y: 1", tostring(named))
    local rows = { columns = 20 }
    for i = 1, 9 do
      rows[i] = {}
      for j = 1, 9 do rows[i][j] = 1 end
    end
    local text = tostring(moe.sparse(rows))
    assert.matches("8: 1 …\n", text, 1, true)
    assert.matches("\n  …$", text)
    assert.is_nil(text:find "9: 1")
  end)

  it("may be empty", function()
    assert.same({ 0, 5 }, moe.sparse({ columns = 5 }).shape)
    assert.same({ 2, 0 }, moe.sparse({ {}, {}, columns = 0 }).shape)
  end)

  it("refuses what is no entry, naming the place", function()
    local most = "[0, 2147483647]"
    refuses("sparse: columns must be an integer in " .. most .. ", got nil", moe.sparse, {})
    refuses("sparse: columns must be an integer in " .. most .. ", got 2147483648",
      moe.sparse, { columns = 2 ^ 31 })
    refuses("sparse: row 1: column must be an integer in [1, 2], got 0",
      moe.sparse, { { [0] = 1 }, columns = 2 })
    refuses("sparse: row 2: column must be an integer in [1, 2], got 3",
      moe.sparse, { {}, { [3] = 1 }, columns = 2 })
    refuses("sparse: row 1: column must be an integer in [1, 2], got a string",
      moe.sparse, { { x = 1 }, columns = 2 })
    refuses("sparse: row 1, column 2 must be a number, got a string",
      moe.sparse, { { 1, "2" }, columns = 2 })
    for _, x in ipairs { 0 / 0, math.huge, -math.huge, 1e300 } do
      refuses("sparse: row 1, column 2 is not a finite number",
        moe.sparse, { { 1, x }, columns = 2 })
    end
    refuses("sparse: row 2 must be a table of column = value, got a number",
      moe.sparse, { {}, 5, columns = 2 })
    refuses("sparse: row 2 is nil, but there are more rows",
      moe.sparse, { {}, nil, {}, columns = 2 })
    refuses("sparse: unknown option 'colums'; there are columns and names",
      moe.sparse, { colums = 2 })
    refuses("names: 1 names for 2 columns", moe.sparse, { columns = 2, names = { "a" } })
  end)

  it("refuses indices out of range, changes, and use after close", function()
    local s = example()
    refuses("sparse: index must be an integer in [1, 3], got 0", function() return s[0] end)
    refuses("get: column must be an integer in [1, 4], got 5", s.get, s, 1, 5)
    refuses("rows: last must be an integer in [0, 3], got 4", s.rows, s, 1, 4)
    refuses("select: rows[1] must be an integer in [1, 3], got 4", s.select, s, { 4 })
    refuses("sparse: only names can be set", function() s[1] = {} end)
    s:close()
    s:close()
    assert.equal("closed sparse matrix", tostring(s))
    refuses("attempt to use a closed Sparse", function() return s[1] end)
  end)
end)
