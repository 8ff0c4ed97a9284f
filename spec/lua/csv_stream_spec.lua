-- CSV files row by row: the cells that read_csv gives, in memory that stays the same.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local files = require "spec.support.files"
local new_random = require "moe.random"

local csv, read_csv = moe.streams.csv, moe.data.read_csv

local function same(a, b) return a == b or a ~= a and b ~= b end

-- Fails unless every cell of the stream is that of the table.
local function compare(path, options)
  local t, stream = assert(read_csv(path, options)), assert(csv(path, options))
  local features = t.target and t.features or t.names
  assert.same(features, stream.features)
  for _ = 1, 2 do
    local i = 0
    for x, y in stream:iter() do
      i = i + 1
      local row = t:row(i)
      for j, name in ipairs(features) do
        if not same(x[j], row[name]) then
          error(("row %d, '%s': %s, not %s"):format(i, name, tostring(x[j]), tostring(row[name])))
        end
      end
      local target = t.target and row[t.target]
      if target == false or target ~= target then target = nil end
      if not same(y, target) then error(("row %d: y is %s"):format(i, tostring(y))) end
    end
    assert.equal(#t, i)
    stream:reset()
  end
  for j, name in ipairs(features) do assert.equal(t:kind(name), stream.kinds[j]) end
end

-- Cells of all kinds, among them what is hard: quotes, separators and line ends inside,
-- blanks, missing ones in several spellings.
local odd = {
  '"a ""b"" c"', '"x,y"', '"line\nend"', '"cr\r\nlf"', " padded ", "NA", "", '""', "é", '"7"',
}

local function random_text(seed, rows)
  local r, parts = new_random(seed), {}
  local ends = ({ "\n", "\r\n", "\r" })[seed % 3 + 1]
  local function number()
    local u = r:uniform()
    if u < 0.1 then return ({ "NA", "", "nan", " 5 ", "-0", "1e3" })[r:below(6)] end
    return ("%.17g"):format((u - 0.5) * 10 ^ (r:below(20) - 10))
  end
  for i = 1, rows do
    local word = r:uniform() < 0.3 and odd[r:below(#odd)] or "w" .. r:below(5)
    parts[i] = table.concat({ number(), word, number(), "c" .. r:below(3), number() }, ",")
    if r:uniform() < 0.05 then parts[i] = parts[i] .. ends end
  end
  local text = table.concat(parts, ends)
  if seed % 2 == 0 then text = text .. ends end
  if seed % 4 == 1 then text = "\239\187\191a,b,c,d,e" .. ends .. text end
  return seed % 4 == 1 and text or "a,b,c,d,e" .. ends .. text
end

describe("a stream of CSV", function()
  it("gives the cells that read_csv gives, and again after reset", function()
    for seed = 1, 24 do
      files.lend(random_text(seed, 40 + seed), function(path)
        local options = { missing = { "NA" } }
        if seed % 2 == 1 then options.target = seed % 3 == 0 and "d" or "c" end
        if seed % 5 == 0 then options.drop = { "a" } end
        if seed % 7 == 0 then options.categorical = { "e" } end
        compare(path, options)
      end)
    end
    files.lend("1;x\n2;y", function(path) compare(path, { header = false, sep = ";" }) end)
    files.lend("a,b\n", function(path) compare(path) end)
  end)

  it("does so where rows lie across its windows of 256 KB", function()
    local text = random_text(3, 20000)
    assert.is_true(#text > 3 * 2 ^ 18)
    files.lend(text, function(path) compare(path, { missing = { "NA" }, target = "d" }) end)
    local long = ('"%s"'):format(("x"):rep(600000))
    files.lend("a,b\n1," .. long .. "\r\n2,y\r\n", function(path) compare(path) end)
    -- a carriage return is the last byte of a window, its line feed the first of the next
    for extra = 0, 3 do
      local head = "a,b\r\n" .. ("1,2\r\n"):rep(52427)
      local text_of = head .. ("9"):rep(extra) .. "1,2\r\n3,4\r\nbad\r\n"
      files.lend(text_of, function(path)
        local stream, n, x, message = csv(path), 0
        repeat
          x, message = stream()
          n = n + 1
        until not x
        assert.equal(52430, n)
        assert.truthy(message:find("line 52431: 1 cells; expected 2", 1, true), message)
      end)
    end
  end)

  it("knows the task by its target", function()
    files.lend("a,b\n1,x\n2,y\n", function(path)
      assert.equal("classification", csv(path, { target = "b" }).task)
      assert.equal("regression", csv(path, { target = "a" }).task)
      assert.equal("classification", csv(path, { target = "a", task = "classification" }).task)
      assert.is_nil(csv(path).task)
      assert.truthy(tostring(csv(path)):find("some rows", 1, true))
    end)
  end)

  it("refuses files that cannot be read with nil, message and code", function()
    local function refusal(text, options)
      local message, code
      files.lend(text, function(path)
        local nothing
        nothing, message, code = csv(path, options)
        assert.is_nil(nothing)
      end)
      return message, code
    end
    local _, message, code = csv "/nowhere/at all.csv"
    assert.truthy(message:find("/nowhere/at all.csv", 1, true))
    assert.equal("EIO", code)
    assert.equal("EIO", select(3, csv "/tmp"))
    for text, said in pairs {
      [""] = "line 1: nothing", ["\n\n"] = "line 1: nothing",
      ["a,a\n"] = "two columns are named 'a'",
      ["a,\n1,2"] = "column 2 has no name", ['a,"b'] = "nothing closes",
      ["a,b\0\n"] = "a zero byte",
    } do
      message, code = refusal(text)
      assert.truthy(message:find(said, 1, true), message)
      assert.equal("EFORMAT", code)
    end
    files.lend("a,b\n1,2\n", function(path)
      assert.is_false(pcall(csv, path, { target = "c" }))
      assert.is_false(pcall(csv, path, { target = "a", drop = { "a" } }))
      assert.is_false(pcall(csv, path, { tarket = "a" }))
      assert.is_false(pcall(csv, path, { task = "gating" }))
    end)
  end)

  it("ends at a bad row, which it names, again and again; iter raises", function()
    for text, said in pairs {
      ["a,b\n1,2\n3\n5,6\n"] = "line 3: 1 cells; expected 2",
      ["a,b\n1,2\n3,4,5\n"] = "line 3: 3 cells; expected 2",
      ['a,b\n1,2\n"x"y,2\n'] = "line 3: a cell goes on after its closing quote",
      ["a,b\n1,2\n" .. ("3,4\n"):rep(70000) .. "5,\0006\n"] = "line 70003: a zero byte",
      ['a,b\n1,2\n3,"x\n\n'] = "line 3: a cell opens with a quote that nothing closes",
    } do
      files.lend(text, function(path)
        local stream = csv(path)
        local first = stream()
        assert.is_table(first)
        while #text > 1000 and first do first = stream() end
        for _ = 1, 2 do
          local x, message, code = stream()
          assert.is_nil(x)
          assert.truthy(message:find(said, 1, true), message)
          assert.equal("EFORMAT", code)
        end
        stream:reset()
        local ok, message = pcall(function()
          for _ in stream:iter() do stream.count = (stream.count or 0) + 1 end
        end)
        assert.is_false(ok)
        assert.is_true(#text > 1000 or stream.count == 1)
        assert.truthy(message:find(said, 1, true))
      end)
    end
  end)

  it("learns kinds from the first 256 KB, and says where something else comes", function()
    files.lend("a,bee\n" .. ("1,2\n"):rep(70000) .. "3,x4\n", function(path)
      local stream = csv(path)
      local x, message
      repeat x, message = stream() until not x
      local said = "line 70002, column 'bee': 'x4'; expected a number"
      assert.truthy(message:find(said, 1, true), message)
      local named, last = csv(path, { categorical = { "bee" } }), nil
      for row in named:iter() do last = row[2] end
      assert.equal("x4", last)
    end)
  end)

  it("needs no more memory for 50 MB than for a window", function()
    if os.getenv "LD_PRELOAD" then return end -- a sanitizer keeps what was freed for a while
    local function resident()
      for line in io.lines "/proc/self/status" do
        local kilobytes = line:match "^VmRSS:%s+(%d+)"
        if kilobytes then return tonumber(kilobytes) end
      end
    end
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    local block = ("12,%s,0.25\n"):format(("word "):rep(400)):rep(500)
    file:write "a,b,c\n"
    for _ = 1, math.ceil(50e6 / #block) do file:write(block) end
    file:close()
    local stream, n, first = csv(path, { target = "c" }), 0, nil
    for _ in stream:iter() do
      n = n + 1
      if n == 1000 then
        collectgarbage()
        first = resident()
      end
    end
    os.remove(path)
    assert.is_true(n > 24000)
    assert.is_true(resident() - first < 2000)
  end)

  it("tells who learns from it the columns' names", function()
    files.lend("size,colour,price\n1,red,3\n2,blue,5\n3,red,7\n4,blue,9\n", function(path)
      local s = csv(path, { target = "price" })
      local model, delayed = moe.experts.linear {}, moe.experts.linear {}
      for x, y in s:iter() do model:learn_one(x, y) end
      local answer = model:predict_one { 2, "blue" }
      assert.equal(answer, model:predict_one { size = 2, colour = "blue" })
      assert.equal(answer, moe.undump(model:dump()):predict_one { colour = "blue", size = 2 })
      assert.error_matches(function() model:predict_one { siz = 2 } end, "x.siz")
      s:reset()
      local X, y = s:take(4)
      for i = 1, 4 do delayed:learn_one(X[i], y[i]) end
      assert.equal(answer, delayed:predict_one { size = 2, colour = "blue" })
    end)
  end)

  it("survives every allocation that fails", function()
    files.lend('a,b\n1,"x ""y"""\n2,z\n', function(path)
      assert.is_true(allocations.fail(function()
        assert.equal(2, #csv(path, { missing = { "NA" }, target = "b" }):take(5))
      end) > 5)
    end)
  end)
end)
