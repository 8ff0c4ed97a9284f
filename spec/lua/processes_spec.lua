-- Work in forked children: what comes back, and what happens when one fails.
local moe = require "moe"
local core = require "moe.core"
local processes = require "moe.processes"
local engine = require "spec.support.engine"

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

local function count(n)
  local items = {}
  for i = 1, n do items[i] = i end
  return items
end

local function read_file(path)
  local file = io.open(path)
  local bytes = file and file:read "*a"
  if file then file:close() end
  return bytes
end

local own_id = (read_file "/proc/self/stat" or ""):match "^%d+"

-- How many children of this process wait to be reaped.
local function zombies()
  local _, lines = engine.output("ps -o stat= --ppid " .. own_id .. " | grep Z"):gsub("Z", "")
  return lines
end

describe("packed values", function()
  local pack, unpack = core.processes.pack, core.processes.unpack

  it("come back as they were, to the last bit", function()
    local tiny = 2 ^ -1074
    local huge = math.huge
    for _, x in ipairs { 0, 1, -1, 0.1, 1 / 3, tiny, 2 ^ 53, -2 ^ 53, 1e308, huge, -huge } do
      assert.equal(x, unpack(pack(x)))
    end
    assert.equal(-math.huge, 1 / unpack(pack(-1 / math.huge)))
    local nan = unpack(pack(0 / 0))
    assert.not_equal(nan, nan)
    for _, s in ipairs { "", "a\0b\255", ("x"):rep(100000) } do assert.equal(s, unpack(pack(s))) end
    assert.is_nil(unpack(pack(nil)))
    assert.is_true(unpack(pack(true)))
    assert.is_false(unpack(pack(false)))
    local t = { 1, "two", { three = { 3 }, [false] = 0.5 }, [10] = true, [1.5] = {} }
    assert.same(t, unpack(pack(t)))
  end)

  it("keep integers and floats apart where Lua does", function()
    if not math.type then return end
    assert.equal("integer", math.type(unpack(pack(3))))
    assert.equal("float", math.type(unpack(pack(3 + 0.0))))
    assert.equal(math.mininteger, unpack(pack(math.mininteger)))
  end)

  it("are refused where they are no plain values", function()
    assert.truthy(message(pack, print):find("a function cannot be sent", 1, true))
    assert.truthy(message(pack, { { moe.zeros(2) } }):find("a userdata cannot be sent", 1, true))
    local loop = {}
    loop[1] = loop
    assert.truthy(message(pack, loop):find("nested more than 100", 1, true))
  end)

  it("are refused cut off at any byte, or with one too many", function()
    local bytes = pack { 1.5, "two", { three = true } }
    for n = 0, #bytes - 1 do assert.is_false(pcall(unpack, bytes:sub(1, n))) end
    assert.truthy(message(unpack, bytes .. "n"):find("behind the value", 1, true))
    assert.truthy(message(unpack, "?"):find("no packed value", 1, true))
    assert.is_false(pcall(unpack, "}"))
    assert.truthy(message(unpack, "{t}"):find("a key has no value", 1, true))
    assert.truthy(message(unpack, "{{t}}"):find("a key has no value", 1, true))
    assert.is_false(pcall(unpack, ("{t"):rep(200)))
  end)
end)

describe("processes.map", function()
  it("gives the results in the order of the items, however many processes", function()
    for _, n in ipairs { 1, 2, 5 } do
      local function square(x, i) return { x * x, i } end
      local squares = processes.map(count(9), square, { processes = n })
      assert.equal(9, #squares)
      for i = 1, 9 do assert.same({ i * i, i }, squares[i]) end
    end
    assert.same({}, processes.map({}, print, { processes = 2 }))
  end)

  it("carries results that are larger than a pipe", function()
    local results = processes.map(count(3), function(x) return (tostring(x)):rep(300000) end,
      { processes = 3 })
    for i = 1, 3 do assert.equal((tostring(i)):rep(300000), results[i]) end
  end)

  it("forks only when asked: with one process, or a host's one thread, it works here", function()
    local seen = 0
    processes.map(count(3), function() seen = seen + 1 end, { processes = 1 })
    assert.equal(3, seen)
    assert.equal(1, moe.threads())
    processes.map(count(3), function() seen = seen + 1 end)
    assert.equal(6, seen)
    processes.map(count(3), function() seen = seen + 1 end, { processes = 2 })
    assert.equal(6, seen)
  end)

  it("gives each child one thread, and leaves the parent its own", function()
    moe.set_threads(2)
    local threads = processes.map(count(2), moe.threads)
    assert.equal(2, moe.threads())
    moe.set_threads(1)
    assert.same({ 1, 1 }, threads)
  end)

  it("trains the same models in children as here, also after threads were used", function()
    local t = moe.data.make_classification { rows = 200, features = 8, seed = 1 }
    local X, y = t:xy()
    moe.set_threads(2)
    moe.experts.forest({ trees = 4 }):fit(X, y)
    local function train(seed)
      return moe.experts.forest({ trees = 4, seed = seed }):fit(X, y):predict_proba(X):totable()
    end
    local here = processes.map(count(3), train, { processes = 1 })
    assert.same(here, processes.map(count(3), train, { processes = 2 }))
    moe.set_threads(1)
  end)

  it("raises what a child raised, and of which item", function()
    local function fail(x) if x >= 2 then error("boom " .. x, 0) end end
    for _, n in ipairs { 1, 2, 4 } do
      assert.equal("processes: item 2: boom 2",
        message(processes.map, count(4), fail, { processes = n }))
    end
    local text = message(processes.map, count(2), function() return print end, { processes = 2 })
    assert.truthy(text:find("item 1: .*a function cannot be sent"))
  end)

  it("says how a child ended that sent nothing", function()
    local function die(x) if x == 2 then os.execute "kill -9 $PPID" end end
    assert.equal("processes: item 2: its process was ended by signal 9",
      message(processes.map, count(3), die, { processes = 2 }))
    local function leave(x) if x == 3 then os.exit(7) end end
    if os.getenv "LD_PRELOAD" then return end -- a sanitizer has its own exit status
    assert.equal("processes: item 3: its process ended with status 7",
      message(processes.map, count(3), leave, { processes = 2 }))
  end)

  it("leaves no child behind, neither running nor waiting to be reaped", function()
    if not own_id then return end
    local before = zombies()
    processes.map(count(4), function(x) return x end, { processes = 2 })
    pcall(processes.map, count(4), error, { processes = 4 })
    pcall(processes.map, count(4), function(x)
      if x == 1 then error "first" end
      while true do x = x + 1 end
    end, { processes = 2, progress = function() error "stop" end })
    assert.equal(before, zombies())
  end)

  it("tells its progress, one item at a time", function()
    for _, n in ipairs { 1, 2 } do
      local told = {}
      processes.map(count(3), tostring, {
        processes = n, progress = function(done, all) told[#told + 1] = done .. "/" .. all end,
      })
      assert.same({ "1/3", "2/3", "3/3" }, told)
    end
  end)

  it("prints what stands in a buffer once, and what a child prints", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:setvbuf "full"
    file:write "before;"
    processes.map(count(2), function(x) file:write("child ", x, ";") end, { processes = 2 })
    file:close()
    local text = read_file(path)
    os.remove(path)
    assert.equal(1, select(2, text:gsub("before;", "")))
    assert.equal(1, select(2, text:gsub("child 1;", "")))
    assert.equal(1, select(2, text:gsub("child 2;", "")))
  end)

  it("does not wait for what is closed", function()
    local fork, wait = core.processes.fork, core.processes.wait
    local one, other = fork(function() return "a" end), fork(function() return "b" end)
    one:close()
    assert.same({ 2, "b" }, { wait { one, other } })
    other:close()
    assert.truthy(message(wait, { one, other }):find("all of the processes are closed", 1, true))
  end)

  it("refuses what it cannot do, naming it", function()
    assert.truthy(message(processes.map, 5, print):find("items must be an array", 1, true))
    assert.truthy(message(processes.map, {}, 5):find("fn must be a function", 1, true))
    assert.truthy(message(processes.map, {}, print, { proceses = 2 })
      :find("unknown option 'proceses'; did you mean 'processes'?", 1, true))
    assert.truthy(message(processes.map, {}, print, { processes = 0 })
      :find("'processes' must be an integer in [1, 4096], got 0", 1, true))
  end)
end)
