local core = require "moe.core"
local data = require "moe.data"
local allocations = require "spec.support.allocations"
local files = require "spec.support.files"

local function parse(text, options) return assert(data.parse_csv(text, options)) end

-- All cells, row by row, as strings; "-" where missing.
local function cells(t)
  local out = {}
  for i = 1, #t do
    local row, line = t:row(i), {}
    for j, name in ipairs(t.names) do
      local v = row[name]
      line[j] = (v == false or v ~= v) and "-" or type(v) == "number" and ("%.17g"):format(v) or v
    end
    out[i] = table.concat(line, "|")
  end
  return out
end

local function refused(text, options)
  local t, message, code = data.parse_csv(text, options)
  assert.is_nil(t)
  assert.equal("EFORMAT", code)
  return message
end

describe("a CSV text", function()
  -- The rows are those of Python 3.11's csv.reader.
  it("may have quotes around separators, quotes and line ends", function()
    local t = parse 'a,b,c\r\n1,"x, ""y""",2\r\n"","line\nbreak",3.5\r\n7,z,\r\n'
    assert.same({ "1|x, \"y\"|2", "-|line\nbreak|3.5", "7|z|-" }, cells(t))
    assert.same({ "plain\"quote|\"|,", "a \"b\"|''|\r\n" },
      cells(parse 'x,y,z\nplain"quote,"""",","\na "b",\'\',"\r\n"\n'))
  end)

  it("may end its lines with LF, CR LF or CR, the last one not at all", function()
    local expected = { "1|x", "2|y" }
    for _, line_end in ipairs { "\n", "\r\n", "\r" } do
      local text = ("a,b@1,x@2,y"):gsub("@", line_end)
      assert.same(expected, cells(parse(text)))
      assert.same(expected, cells(parse(text .. line_end)))
      assert.same(expected, cells(parse(line_end .. text .. line_end:rep(3))))
    end
  end)

  it("may begin with a UTF-8 mark, and hold other encodings", function()
    assert.same({ "a", "b" }, parse("\239\187\191a,b\n1,2\n").names)
    assert.same({ "\233t\233|Zürich" }, cells(parse "a,b\n\233t\233,Zürich\n"))
  end)

  it("has missing cells where there is nothing, blanks, or a spelling given", function()
    local t = parse("a,b,c\n1,x, \nNA,?,2\n , NA,nan\n", { missing = { "NA", "?" } })
    assert.same({ "1|x|-", "-|-|2", "-|-|-" }, cells(t))
    assert.equal("number", t:kind "a")
    assert.same({ "-", "1" }, cells(parse("a\n-999\n1\n", { missing = { "-999" } })))
  end)

  it("has numeric columns where every cell that is not missing is a number", function()
    local t = parse 'a,b,c,d,e\n 1 ,"2",nan,1,\n\t1e3,3,NaN,x,\n'
    assert.same({ "1|2|-|1|-", "1000|3|-|x|-" }, cells(t))
    local kinds = {}
    for i, name in ipairs(t.names) do kinds[i] = t:kind(name) end
    assert.same({ "number", "number", "number", "string", "number" }, kinds)
    assert.same({ " 1 ", "x" }, parse("a\n 1 \nx\n"):column "a")
  end)

  it("makes a column nominal at the first other cell, however late", function()
    local lines = { "a,b,c" }
    for i = 1, 3000 do lines[#lines + 1] = i .. "," .. i .. ",s" .. i % 7 end
    lines[2900] = "2898.50,late,NA"
    local t = parse(table.concat(lines, "\n"), { missing = { "NA" } })
    assert.equal("string", t:kind "b")
    local b, c = t:column "b", t:column "c"
    assert.equal("1", b[1])
    assert.equal("late", b[2899])
    assert.equal("3000", b[3000])
    assert.is_false(c[2899])
    assert.equal("s4", c[3000])
    assert.equal(2898.5, t:column("a")[2899])
  end)

  it("is read by its options", function()
    assert.same({ "1|2" }, cells(parse("a;b\n1;2\n", { sep = ";" })))
    assert.same({ "1|x y" }, cells(parse("a\tb\n1\tx y\n", { sep = "\t" })))
    assert.same({ "1|2" }, cells(parse("a b\n1 2\n", { sep = " " })))
    assert.same({ "V1", "V2" }, parse("1,2\n3,4\n", { header = false }).names)
    assert.equal(2, #parse("1,2\n3,4\n", { header = false }))
    local t = parse("a,b,c\n1,2,3\n", { drop = { "b" }, categorical = { "c" }, target = "c" })
    assert.same({ "a", "c" }, t.names)
    assert.same({ "a" }, t.features)
    assert.equal("c", t.target)
    assert.same({ "3" }, t:column "c")
  end)

  it("may be one column, one row, or only names", function()
    assert.same({ "1", "-", "3" }, cells(parse 'a\n1\n""\n\n3\n'))
    assert.equal(0, #parse "a,b")
    assert.same({ "a", "b" }, parse("a,b\n").names)
  end)

  it("may be wide, and have long cells", function()
    local names, numbers = {}, {}
    for j = 1, 20000 do names[j], numbers[j] = "c" .. j, j end
    local t = parse(table.concat(names, ",") .. "\n" .. table.concat(numbers, ","))
    assert.equal(20000, #t.names)
    assert.same({ 20000 }, t:column "c20000")
    local long = ("long, "):rep(200000)
    assert.equal(long, parse('a,b\n1,"' .. long .. '"\n'):column("b")[1])
  end)

  it("gives the same table for any number of threads", function()
    local lines = { "a,b,c" }
    for i = 1, 25000 do
      lines[#lines + 1] = ('%.17g,"s ""%d"", %s",%d'):format(i / 7, i % 1000, "\n", i)
    end
    local text = table.concat(lines, "\r\n")
    local one = parse(text)
    local before = core.threads()
    core.set_threads(4)
    local four = parse(text)
    core.set_threads(before)
    for _, name in ipairs(one.names) do
      local x, y = one:column(name), four:column(name)
      for i = 1, #one do
        if x[i] ~= y[i] then error(name .. " differs in row " .. i) end
      end
    end
    assert.equal(25000 / 7, one:column("a")[25000])
    assert.equal('s "999", \n', one:column("b")[999])
  end)
end)

describe("a bad CSV text", function()
  it("is refused with the line, what is there and what was expected", function()
    assert.matches("line 3: 3 cells; expected 2", refused "a,b\n1,2\n1,2,3\n")
    assert.matches("line 5: 1 cells; expected 2", refused 'a,b\r\n"x\r\ny",2\r\n\r\n1\r\n')
    assert.matches("line 2: a cell opens with a quote that nothing closes",
      refused 'a,b\n1,"2\n3,4\n')
    assert.matches("line 2: a cell goes on after its closing quote", refused 'a,b\n"1"x,2\n')
    assert.matches("line 1: two columns are named 'a'", refused "a,b,a\n1,2,3\n")
    assert.matches("line 2: column 2 has no name", refused "\na,\n1,2\n")
    assert.matches("line 2: a zero byte", refused "a,b\n1,\0\n")
    assert.matches("line 1: nothing; expected the columns' names", refused "")
    assert.matches("expected cells", refused("\n\n", { header = false }))
    assert.matches("zero byte; expected text", refused "a\0,\0b\0\n\0")
  end)

  it("names the first bad line, for any number of threads", function()
    local lines = { "a,b" }
    for i = 1, 100000 do lines[i + 1] = i .. ",x" end
    lines[30001], lines[90001] = "1,2,3", "4"
    local text = table.concat(lines, "\n")
    core.set_threads(3)
    local message = refused(text)
    core.set_threads(1)
    assert.matches("line 30001: 3 cells", message)
    assert.equal(message, refused(text))
  end)

  -- 1 where Python 3.11's csv.reader(strict=True) takes the prefix and finds
  -- rows of one width under distinct names.
  it("is recognised at every length to which a good one can be cut", function()
    local text = 'a,b,c\r\n1,"x, ""y""",2\r\n"","line\nbreak",3.5\r\n7,z,\r\n'
    local good = "010101110000000000001111000000000000000111111000111"
    for n = 0, #text do
      local t, _, code = data.parse_csv(text:sub(1, n))
      assert.equal(good:sub(n + 1, n + 1) == "1", t ~= nil, "cut to " .. n)
      assert.is_true(t ~= nil or code == "EFORMAT")
    end
  end)

  it("survives any kind of byte in any place", function()
    local text = 'a,b\n1,"x""y"\r2.5e-3,\n'
    for i = 1, #text do
      for _, byte in ipairs { 0, 9, 10, 13, 32, 34, 43, 44, 46, 57, 69, 110, 128, 239, 255 } do
        local changed = text:sub(1, i - 1) .. string.char(byte) .. text:sub(i + 1)
        local t, message = data.parse_csv(changed)
        assert.is_true(t ~= nil or type(message) == "string")
      end
    end
  end)
end)

describe("an option that does not fit", function()
  local function message(options)
    local ok, text = pcall(data.parse_csv, "age,sex\n1,m\n", options)
    assert.is_false(ok)
    return text
  end

  it("raises, naming the nearest that would", function()
    assert.matches("unknown parameter 'seperator'", message { seperator = ";" })
    assert.matches("'categoricals'; did you mean 'categorical'", message { categoricals = {} })
    assert.matches("no column 'agee'; did you mean 'age'", message { target = "agee" })
    assert.matches("no column 'sexx'", message { drop = { "sexx" } })
    assert.matches("'header' must be true or false", message { header = "yes" })
    assert.matches("target 'age' is also in drop", message { drop = { "age" }, target = "age" })
    for _, sep in ipairs { "", ";;", "\"", "\n", ".", "e", "7", "-", "é" } do
      assert.matches("sep must be one ASCII character", message { sep = sep })
    end
    assert.matches("may not hold a quote", message { missing = { '"' } })
  end)
end)

-- A directory of the spec's own, and what a shell command prints.
local directory
local function shell(command)
  local pipe = io.popen(command .. " 2>&1")
  local out = pipe:read "*a"
  pipe:close()
  return (out:gsub("%s+$", ""))
end
-- The command that runs a script in the same Lua.
local function lua(script)
  local interpreter = arg[-1]
  for i = -2, -20, -1 do interpreter = arg[i] or interpreter end
  return ("LUA_PATH='%s' LUA_CPATH='%s' %s -e '%s'"):format(
    package.path, package.cpath, interpreter, (script:gsub("\n", " ")))
end
local function write(name, text)
  local file = assert(io.open(directory .. "/" .. name, "wb"))
  file:write(text)
  file:close()
  return directory .. "/" .. name
end

describe("a CSV file", function()
  setup(function() directory = shell "mktemp -d" end)
  teardown(function() shell("rm -rf " .. directory) end)

  local small = data.table { columns = { a = { 1, 0 / 0 }, b = { "x", "y,z" } }, target = "b" }

  it("reads like its text, and names itself in messages", function()
    local t = assert(data.read_csv(write("good.csv", "a,b\n1,x\n"), { target = "b" }))
    assert.same({ "1|x" }, cells(t))
    assert.equal("b", t.target)
    local _, message, code = data.read_csv(write("bad.csv", "a,b\n1\n"))
    assert.matches("bad.csv', line 2: 1 cells; expected 2", message)
    assert.equal("EFORMAT", code)
  end)

  it("is refused with EIO where there is none to read", function()
    shell("mkfifo " .. directory .. "/fifo")
    for path, why in pairs {
      [directory .. "/none"] = "No such file or directory",
      [directory] = "it is a directory",
      [directory .. "/fifo"] = "it is not a regular file",
      ["/dev/zero"] = "it is not a regular file",
    } do
      local t, message, code = data.read_csv(path)
      assert.is_nil(t)
      assert.equal("EIO", code)
      assert.matches(why, message)
    end
  end)

  it("is written so that it reads back the same", function()
    local t = data.table {
      names = { "n", "quo\"te", "se,p" },
      columns = {
        n = { 0.1, -0.0, 1e300, 0 / 0, 5e-324 },
        ["quo\"te"] = { 'a"b', "\"", "line\nend", false, " blank " },
        ["se,p"] = { "x", "\r", "é", "'", "y;z" },
      },
    }
    local path = directory .. "/back.csv"
    assert.is_true(t:write_csv(path))
    local back = assert(data.read_csv(path))
    assert.same(t.names, back.names)
    assert.same(cells(t), cells(back))
    assert.equal(-math.huge, 1 / back:column("n")[2])
    assert.is_true(t:write_csv(path, { sep = ";" }))
    assert.same(cells(t), cells(assert(data.read_csv(path, { sep = ";" }))))
  end)

  -- As Python 3.11's csv.writer(lineterminator="\n", quoting=QUOTE_MINIMAL).
  it("has quotes only where they are needed", function()
    local path = directory .. "/minimal.csv"
    assert(small:write_csv(path))
    assert.equal('a,b\n1,x\n,"y,z"\n', files.read(path))
    assert(data.table({ columns = { a = { 0 / 0, 1 } } }):write_csv(path))
    assert.equal('a\n""\n1\n', files.read(path))
  end)

  it("is replaced as a whole, keeping its permissions, through a link", function()
    local path = write("old.csv", "old")
    shell(("chmod 640 %s; ln -s old.csv %s/link"):format(path, directory))
    assert(small:write_csv(directory .. "/link"))
    assert.equal('a,b\n1,x\n,"y,z"\n', files.read(path))
    assert.equal("640", shell("stat -c %a " .. path))
    assert.equal("old.csv", shell("readlink " .. directory .. "/link"))
  end)

  it("stays as it was when it cannot be written, and nothing is left behind", function()
    local path = write("full.csv", "old")
    local before = shell("ls -A " .. directory)
    local script = ([[
      local data = require "moe.data"
      local x = {}
      for i = 1, 30000 do x[i] = i end
      print(select(3, data.table({ columns = { x = x } }):write_csv %q))
    ]]):format(path)
    local out = shell("trap '' XFSZ; ulimit -f 16; " .. lua(script))
    assert.equal("EIO", out)
    assert.equal("old", files.read(path))
    assert.equal(before, shell("ls -A " .. directory))
    for _, bad in ipairs { directory, directory .. "/none/x.csv", directory .. "/fifo" } do
      assert.equal("EIO", select(3, small:write_csv(bad)))
    end
    assert.equal(before, shell("ls -A " .. directory))
  end)

  it("does not care about a locale with a decimal comma", function()
    local source = write("comma", 'LC_NUMERIC\ndecimal_point ","\nthousands_sep "."\n'
      .. "grouping 3;3\nEND LC_NUMERIC\n")
    shell(("localedef -c -i %s -f ANSI_X3.4-1968 %s/decimal_comma"):format(source, directory))
    if shell(("ls %s/decimal_comma/LC_NUMERIC"):format(directory)):match "cannot" then
      return pending "localedef cannot make a locale here"
    end
    local path = directory .. "/locale.csv"
    local script = ([[
      assert(os.setlocale("decimal_comma", "numeric"), "no locale")
      assert(jit or ("%%.1f"):format(0.5) == "0,5", "no comma")
      local data = require "moe.data"
      local t = assert(data.parse_csv("a\n1.25\n1e-7\n123456789.123456789\n"))
      assert(t:kind "a" == "number" and t:write_csv %q)
      io.write "done"
    ]]):format(path)
    assert.equal("done", shell("LOCPATH=" .. directory .. " " .. lua(script)))
    assert.equal("a\n1.25\n1e-7\n123456789.12345679\n", files.read(path))
  end)
end)

describe("reading and writing CSV", function()
  it("survives a failed allocation anywhere, and leaks nothing", function()
    local path = os.tmpname()
    local function life()
      local t = assert(data.parse_csv('a,"b",c\n1,x,"y""z"\n,,w\n', {
        missing = { "NA" }, drop = { "c" }, target = "b", categorical = { "a" },
      }))
      assert(t:write_csv(path))
      t:close()
      assert(data.read_csv(path, { header = false, sep = ";" })):close()
    end
    assert.is_true(allocations.fail(life) > 30)
    os.remove(path)
  end)
end)
