-- The tensor in Lua: construction, items, views, names, printing, and what it
-- refuses.
local moe = require "moe"
local allocations = require "spec.support.allocations"

local function refuses(message, f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  assert.equal(message, (tostring(text):gsub("^[^:]*:%d+: ", "")))
end

describe("a tensor", function()
  it("is made from nested tables of one to four levels", function()
    assert.same({ 3 }, moe.tensor({ 1, 2, 3 }).shape)
    local t = moe.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ 2, 3 }, t.shape)
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, t:totable())
    assert.equal("float32", t.dtype)
    local deep = { { { { 1, 2 } }, { { 3, 4 } }, { { 5, 6 } } } }
    assert.same({ 1, 3, 1, 2 }, moe.tensor(deep).shape)
    assert.same(deep, moe.tensor(deep):totable())
    assert.same({ 0 }, moe.tensor({}).shape)
    assert.same({ 2, 0 }, moe.tensor({ {}, {} }).shape)
  end)

  it("is made from text: a row, or rows between semicolons or line ends", function()
    assert.same({ 1, -2.5, 3000 }, moe.tensor("1 -2.5, 3e3"):totable())
    assert.same({ { 1, 2 }, { 3, 4 } }, moe.tensor("1 2; 3 4"):totable())
    assert.same({ { 1, 2 }, { 3, 4 } }, moe.tensor("\n1 2\r\n3\t4\n\n"):totable())
    assert.same({ 0 }, moe.tensor("").shape)
  end)

  it("is filled with zeros, ones or normal deviates of a seed", function()
    assert.same({ { 0, 0 } }, moe.zeros(1, 2):totable())
    assert.same({ 1, 1, 1 }, moe.ones({ 3 }):totable())
    local a, b = moe.randn(100, 50, { seed = 7 }), moe.randn(100, 50, { seed = 7 })
    assert.is_true(a == b)
    assert.is_false(a == moe.randn(100, 50))
    -- Of 5000 deviates: five standard errors of mean and mean square.
    assert.is_true(math.abs(a:mean()) < 5 / math.sqrt(5000))
    assert.is_true(math.abs((a * a):mean() - 1) < 5 * math.sqrt(2 / 5000))
  end)

  it("knows its lengths", function()
    local t = moe.zeros(2, 3, 4)
    assert.equal(2, #t)
    assert.equal(3, t.ndim)
    assert.equal(4, t:size(3))
    assert.same({ 2, 3, 4 }, t:size())
  end)

  it("holds NaN and infinity", function()
    local t = moe.tensor { 0 / 0, math.huge }
    assert.is_true(t[1] ~= t[1])
    assert.equal(math.huge, t[2])
  end)

  it("gives and takes items, counted from 1", function()
    local t = moe.tensor { { 1, 2 }, { 3, 4 } }
    assert.equal(3, t[{ 2, 1 }])
    assert.equal(2, t:get(1, 2))
    t[{ 2, 1 }] = 7.5
    assert.equal(t, t:set(1, 2, 8))
    assert.same({ { 1, 8 }, { 7.5, 4 } }, t:totable())
    local v = moe.tensor { 5, 6 }
    v[2] = 9
    assert.equal(9, v[2])
  end)

  it("goes through its rows", function()
    local seen = {}
    for i, row in moe.tensor({ { 1, 2 }, { 3, 4 } }):iter() do seen[i] = row:totable() end
    assert.same({ { 1, 2 }, { 3, 4 } }, seen)
    local numbers = {}
    for i, x in moe.tensor({ 5, 6 }):iter() do numbers[i] = x end
    assert.same({ 5, 6 }, numbers)
    assert.is_nil(moe.tensor({ 5, 6 })[3]) -- which ends ipairs, where that works
  end)

  it("is equal to one of the same shape, type and items", function()
    local t = moe.tensor { { 1, 2 } }
    assert.is_true(t == moe.tensor { { 1, 2 } })
    assert.is_false(t == moe.tensor { 1, 2 })
    assert.is_false(t == moe.tensor { { 1, 3 } })
    assert.is_false(t == t:int())
    assert.is_false(moe.tensor { 0 / 0 } == moe.tensor { 0 / 0 })
  end)

  it("becomes an index tensor and back, which holds integers only", function()
    local t = moe.tensor({ 3, -1, 2 ^ 31 - 128 }):int()
    assert.equal("int32", t.dtype)
    assert.same({ 3, -1, 2 ^ 31 - 128 }, t:totable())
    assert.is_true(t:float() == moe.tensor { 3, -1, 2 ^ 31 - 128 })
    t[1] = 5
    assert.equal(5, t[1])
    refuses("tensor: value must be an integer in [-2147483648, 2147483647], got 1.5",
      function() t[1] = 1.5 end)
    refuses("int: item 2 is 0.5, which is no 32-bit integer",
      function() moe.tensor({ 1, 0.5 }):int() end)
    refuses("int: item 1 is 2.14748e+09, which is no 32-bit integer",
      function() moe.tensor({ 2 ^ 31 }):int() end)
  end)
end)

describe("a view", function()
  it("shows the items of its base, and changes them", function()
    local t = moe.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }
    local rows = t:rows(2, 3)
    assert.same({ { 3, 4 }, { 5, 6 } }, rows:totable())
    rows:set(1, 1, 30)
    t[3][2] = 60
    assert.same({ { 1, 2 }, { 30, 4 }, { 5, 60 } }, t:totable())
    assert.same({ { 30, 4 }, { 5, 60 } }, rows:totable())
    t:reshape(6)[1] = 10
    assert.equal(10, t:get(1, 1))
  end)

  it("keeps its base alive", function()
    local views = {}
    for i = 1, 50 do
      local base = moe.ones(100, 10) * i
      views[i] = { base:rows(11, 20), base[5], base:reshape(10, 100):rows(3) }
      if i % 2 == 0 then base:close() end
    end
    collectgarbage()
    collectgarbage()
    for _ = 1, 50 do moe.zeros(100, 10) end -- what was freed would be used again
    for i, v in ipairs(views) do
      assert.is_true(v[1] == moe.ones(10, 10) * i)
      assert.is_true(v[2] == moe.ones(10) * i)
      assert.equal(i, v[3]:max())
      assert.equal(i, v[3]:min())
    end
  end)

  it("may be empty, and of everything", function()
    local t = moe.ones(3, 2)
    assert.same({ 0, 2 }, t:rows(4).shape)
    assert.same({ 0, 2 }, t:rows(2, 1).shape)
    assert.is_true(t:rows() == t)
  end)

  it("takes another shape, one length of which may be left open", function()
    local t = moe.tensor { 1, 2, 3, 4, 5, 6 }
    assert.same({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, t:reshape(3, -1):totable())
    assert.same({ 1, 6 }, t:reshape({ 1, 6 }).shape)
    refuses("reshape: the 6 items of 6 do not fill 4×1", t.reshape, t, 4, -1)
    refuses("reshape: only one length may be -1", t.reshape, t, -1, -1)
    refuses("reshape: length must be an integer in [-1, 9007199254740992], got a string",
      t.reshape, t, "6")
  end)
end)

describe("a copy", function()
  it("shares nothing", function()
    local t = moe.tensor { { 1, 2 }, { 3, 4 } }
    local c = t:clone()
    c:set(1, 1, 9)
    assert.equal(1, t:get(1, 1))
  end)

  it("of chosen rows has them in the order asked for", function()
    local t = moe.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }
    assert.same({ { 5, 6 }, { 1, 2 }, { 5, 6 } }, t:select({ 3, 1, 3 }):totable())
    assert.same({ { 3, 4 } }, t:select(moe.tensor({ 2 }):int()):totable())
    assert.same({ 0, 2 }, t:select({}).shape)
    refuses("select: rows[2] must be an integer in [1, 3], got 4", t.select, t, { 1, 4 })
    refuses("select: rows must be an array, got a number", t.select, t, 1)
    refuses("select: the tensor of rows must be an index tensor (int32) of 1 dimension",
      t.select, t, moe.tensor { 1 })
  end)

  it("is transposed", function()
    local t = moe.randn(37, 21, { seed = 1 })
    local u = t:transpose()
    assert.same({ 21, 37 }, u.shape)
    for i = 1, 37 do
      for j = 1, 21 do assert.equal(t:get(i, j), u:get(j, i)) end
    end
    refuses("transpose: 2 dimensions are needed, not those of 2×3×4",
      function() moe.zeros(2, 3, 4):transpose() end)
  end)
end)

describe("column names", function()
  it("stay with rows, copies and arithmetic", function()
    local t = moe.tensor { { 1, 2 }, { 3, 4 } }
    assert.is_nil(t.names)
    t.names = { "a", "b" }
    local kin = { t, t:rows(2), t:select { 1 }, t:clone(), t:int(), t + 1, t - t:mean(1), -t }
    for _, u in ipairs(kin) do
      assert.same({ "a", "b" }, u.names)
    end
    assert.is_nil(t:transpose().names)
    assert.is_nil(t[1].names)
    t.names = nil
    assert.is_nil(t.names)
  end)

  it("fit the columns, and differ from each other", function()
    local t = moe.zeros(2, 2)
    local function set(names) t.names = names end
    refuses("names: 3 names for 2 columns", set, { "a", "b", "c" })
    refuses("names: 'a' names two columns", set, { "a", "a" })
    refuses("names[2] must be a string, got a number", set, { "a", 2 })
    refuses("names[1] holds a zero byte", set, { "a\0b", "c" })
    refuses("names must be an array, got a string", set, "ab")
    refuses("names: only a matrix has named columns, not a tensor of 3",
      function() moe.zeros(3).names = { "a", "b", "c" } end)
    assert.is_nil(t.names)
  end)
end)

describe("a tensor prints", function()
  it("its shape, type, names and items", function()
    local t = moe.tensor { { 5.1, 1 / 3 }, { -1, 1e-7 } }
    assert.equal("tensor 2×2 float32\n  5.1  0.333333\n   -1     1e-07", tostring(t))
    t.names = { "length", "größe" }
    assert.equal(
      "tensor 2×2 float32\n  length     größe\n     5.1  0.333333\n      -1     1e-07", tostring(t))
    assert.equal("tensor 3 int32\n  1  20  3", tostring(moe.tensor({ 1, 20, 3 }):int()))
    assert.equal("tensor 2 float32\n  nan  inf", tostring(moe.tensor { 0 / 0, math.huge }))
    assert.equal("tensor 0×3 float32", tostring(moe.zeros(0, 3)))
  end)

  it("no more than its edges", function()
    local t = moe.zeros(100, 20)
    for i = 1, 100 do t:set(i, 20, i) end
    local lines = {}
    for line in tostring(t):gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(8, #lines)
    assert.equal("  0  0  0  …  0  0    1", lines[2])
    assert.equal("  …  …  …  …  …  …    …", lines[5])
    assert.equal("  0  0  0  …  0  0  100", lines[8])
  end)

  it("each matrix of more dimensions under its place", function()
    assert.equal("tensor 2×1×2 float32\n[1]\n  0  0\n[2]\n  0  0", tostring(moe.zeros(2, 1, 2)))
  end)

  it("long names cut between characters", function()
    local t = moe.zeros(1, 1)
    t.names = { ("ü"):rep(30) }
    assert.equal("tensor 1×1 float32\n  " .. ("ü"):rep(10) .. "…\n" .. (" "):rep(12) .. "0",
      tostring(t))
  end)
end)

describe("a tensor refuses", function()
  local t = moe.tensor { { 1, 2, 3 }, { 4, 5, 6 } }

  it("tables that are not rows of numbers, naming the place", function()
    refuses("tensor: [2] has 1 elements, but [1] has 2", moe.tensor, { { 1, 2 }, { 3 } })
    refuses("tensor: [1][2] has 3 elements, but [1][1] has 1",
      moe.tensor, { { { 1 }, { 2, 3, 4 } } })
    refuses("tensor: [2][2] must be a number, got a string", moe.tensor, { { 1, 2 }, { 3, "4" } })
    refuses("tensor: [2] is nil, but there is more in the table", moe.tensor, { 1, nil, 3 })
    refuses("tensor: [1] is nil, but there is more in the table", moe.tensor, { x = 1 })
    refuses("tensor: [2] must be a table, got a number", moe.tensor, { { 1 }, 2 })
    refuses("tensor: [2] must be a number, got a table", moe.tensor, { 1, { 2 } })
    refuses("tensor: at most 4 levels of tables are possible", moe.tensor, { { { { { 1 } } } } })
    local endless = {}
    endless[1] = endless
    refuses("tensor: at most 4 levels of tables are possible", moe.tensor, endless)
  end)

  it("text that is not numbers, naming the place", function()
    refuses("tensor: row 2 of the text has 1 numbers, but row 1 has 2", moe.tensor, "1 2; 3")
    refuses("tensor: row 2 of the text has 3 numbers, but row 1 has 2",
      moe.tensor, "1 2\n3 4 5\n6 7")
    refuses("tensor: row 1, column 2 of the text is no number: 'x'", moe.tensor, "1 x")
    refuses("tensor: row 1, column 1 of the text is no number: '1z'", moe.tensor, "1z 2")
    refuses("tensor: row 1, column 2 of the text is no number: ''", moe.tensor, "1 \0 2")
    refuses("tensor: a table of numbers, a table of tables or a string is needed, got nil",
      moe.tensor, nil)
  end)

  it("shapes that are none", function()
    refuses("zeros: 1 to 4 lengths are needed, got 0", moe.zeros)
    refuses("zeros: 1 to 4 lengths are needed, got 5", moe.zeros, 1, 1, 1, 1, 1)
    refuses("zeros: length 2 must be an integer in [0, 9007199254740992], got -1", moe.zeros, 1, -1)
    refuses("ones: length 1 must be an integer in [0, 9007199254740992], got 1.5", moe.ones, 1.5)
    refuses("ones: length 1 must be an integer in [0, 9007199254740992], got nan", moe.ones, 0 / 0)
    refuses("zeros: length 1 must be an integer in [0, 9007199254740992], got a string",
      moe.zeros, "3")
    refuses("tensor: the shape is too large", moe.zeros, 2 ^ 53, 2 ^ 53)
    refuses("unknown option 'sed'; did you mean 'seed'?", moe.randn, 2, { sed = 1 })
    refuses("randn: seed must be an integer in [0, 9007199254740992], got -1",
      moe.randn, 2, { seed = -1 })
  end)

  it("indices that are out of range or no integers", function()
    local function at(key) return function() return t[key] end end
    refuses("tensor: index must be an integer in [1, 2], got 0", at(0))
    refuses("tensor: index must be an integer in [1, 2], got -1", at(-1))
    refuses("tensor: index must be an integer in [1, 2], got 1.5", at(1.5))
    refuses("tensor: index must be an integer in [1, 2], got 4", at(4))
    refuses("tensor: index must be an integer in [1, 2], got 9.007199254741e+15", at(2 ^ 53 + 1))
    refuses("tensor: 2 indices are needed for 2×3, got 1", at { 1 })
    refuses("tensor: index 2 must be an integer in [1, 3], got 4", at { 1, 4 })
    refuses("get: 2 indices are needed for 2×3, got 3", t.get, t, 1, 2, 3)
    refuses("tensor: index 1 must be an integer in [1, 2], got a string", t.get, t, "1", 1)
    refuses("rows: first must be an integer in [1, 3], got 0", t.rows, t, 0, 1)
    refuses("rows: last must be an integer in [0, 2], got 3", t.rows, t, 1, 3)
    refuses("row: index must be an integer in [1, 2], got no value", t.row, t)
    refuses("size: dimension must be an integer in [1, 2], got 3", t.size, t, 3)
  end)

  it("to be changed otherwise than item by item", function()
    local text = "tensor: only items (t[{i, j}] = x) and names can be set"
    refuses(text, function() t[1] = 5 end)
    refuses(text, function() t.shape = { 3, 2 } end)
    refuses("tensor: value must be a number, got a string", function() t[{ 1, 1 }] = "5" end)
    assert.equal(1, t:get(1, 1))
  end)

  it("use after close, which may be called again", function()
    local u = moe.ones(3)
    u:close()
    u:close()
    assert.equal("closed tensor", tostring(u))
    refuses("attempt to use a closed Tensor", function() return u[1] end)
    refuses("attempt to use a closed Tensor", function() return u.shape end)
    refuses("attempt to use a closed Tensor", function() return u + 1 end)
    assert.is_false(u == moe.ones(3))
  end)

  it("another kind of self", function()
    assert.has_error(function() t.get(moe, 1, 1) end)
    assert.has_error(function() t.sum(io.stdout) end)
    assert.has_error(function() t.matmul(t, 3) end)
  end)
end)

describe("memory", function()
  it("is told to the collector, and freed by close at once", function()
    collectgarbage()
    collectgarbage()
    local before = moe.memory()
    local t = moe.zeros(1000, 250)
    assert.equal(before + 1000000, moe.memory())
    t:close()
    assert.equal(before, moe.memory())
  end)

  it("of forgotten tensors does not pile up", function()
    local most = 0
    for _ = 1, 400 do
      moe.zeros(1024, 1024) -- 4 MB each, 1.6 GB in all
      most = math.max(most, moe.memory())
    end
    assert.is_true(most < 300e6)
  end)

  it("may run out at any allocation, without a loss", function()
    local t = moe.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    t.names = { "a", "b", "c" }
    local s = moe.sparse { { 1, 2 }, { [3] = 4 }, columns = 3 }
    s.names = { "a", "b", "c" }
    local works = {
      function() return moe.tensor { { 1, 2 }, { 3, 4 } } end,
      function() return moe.tensor "1 2; 3 4" end,
      function() return moe.randn(3, 4) end,
      function() return t:rows(2)[1], t[2], t:reshape(6), t:select { 2, 1 } end,
      function() return t:clone(), t:transpose(), t:int():float() end,
      function() t.names = { "d", "e", "f" } end,
      function() return (t + 1) * t ^ 2, -t, t:exp() end,
      function() return t:sum(1), t:mean(2, true), t:argmax(1), t:max() end,
      function() return t:matmul(t:transpose()), t:dot(t) end,
      function() return moe.sparse { { 1 }, { [2] = 1 }, columns = 2, names = { "a", "b" } } end,
      function() return s:rows(2), s:select { 2, 1 }, s:dense() end,
    }
    for _, work in ipairs(works) do assert.is_true(allocations.fail(work) > 0) end
    assert.same({ "d", "e", "f" }, t.names)
  end)
end)
