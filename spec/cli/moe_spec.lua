-- The program, driven as a shell drives it.

local program = os.getenv("MOE_PROGRAM") or "build/moe"

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

describe("the moe program", function()
  local folder

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir " .. folder)
  end)

  teardown(function() os.execute("rm -r " .. folder) end)

  -- Output, exit status and errors of a shell command with this input.
  local function shell(command, text)
    write(folder .. "/in", text or "")
    os.execute(("cd %s; { %s; } <in >out 2>err; echo $? >status"):format(folder, command))
    return read(folder .. "/out"), tonumber(read(folder .. "/status")), read(folder .. "/err")
  end

  local function absolute(path)
    return path:sub(1, 1) == "/" and path or os.getenv("PWD") .. "/" .. path
  end

  local moe = absolute(program)

  local function run(arguments, text) return shell(moe .. " " .. arguments, text) end

  -- What the prompt prints for these lines, without the greeting and the
  -- prompts themselves.
  local function typed(lines)
    local out, status, err = run("-i", lines)
    return out:gsub("^[^\n]*\n", ""):gsub("\n$", ""), status, err
  end

  describe("with a script", function()
    it("hands over arguments, with what came before them at negative indices", function()
      write(folder .. "/show.lua", "print(arg[-1], arg[0], arg[1], #arg, ...)")
      assert.equal(moe .. "\tshow.lua\ta b\t2\ta b\tc\n", (run "show.lua 'a b' c"))
      assert.equal("--\tshow.lua\t-v\t1\t-v\n", (run "-- show.lua -v"))
      assert.equal("x=1\tshow.lua\tnil\t0\n", (run "-e x=1 show.lua"))
    end)

    it("loads the module once more, be there products already", function()
      write(folder .. "/again.lua", [[
        local moe = require "moe"
        moe.ones(64, 64):matmul(moe.ones(64, 64))
        for name in pairs(package.loaded) do
          if name:find "^moe" then package.loaded[name] = nil end
        end
        print(require "moe" ~= moe)
      ]])
      assert.equal("true\n", (shell("unset MOE_KERNELS; " .. moe .. " again.lua")))
    end)

    it("reads it from the standard input when that is no terminal, or for -", function()
      assert.equal("7\n", (run("", "print(7)")))
      assert.equal("-\t1\ta\n", (run("- a", "print(arg[0], #arg, ...)")))
    end)

    it("ends with the status that the script asks for", function()
      write(folder .. "/three.lua", "os.exit(3)")
      assert.equal(3, select(2, run "three.lua"))
      assert.equal(0, select(2, run "-e 'return 9'"))
    end)

    it("ends with status 1 and a traceback after an error", function()
      write(folder .. "/bad.lua", "local function f() error('oops') end\nf()")
      local out, status, err = run "bad.lua"
      assert.equal("", out)
      assert.equal(1, status)
      assert.matches("^moe: bad.lua:1: oops\nstack traceback:\n", err)
      assert.matches("bad.lua:2: in main chunk\n%s*%[C%]: [^\n]*\n$", err)
    end)

    it("reports error objects by what they say of themselves", function()
      write(folder .. "/object.lua",
        "error(setmetatable({}, { __tostring = function() return 'E7' end }))")
      local _, _, err = run "object.lua"
      assert.equal("moe: E7\n", err)
      _, _, err = run "-e 'error({})'"
      assert.matches("error object is a table value", err, 1, true)
    end)

    it("says which file it cannot open", function()
      local _, status, err = run "missing.lua"
      assert.equal(1, status)
      assert.matches("moe: cannot open missing.lua", err, 1, true)
    end)
  end)

  describe("with options", function()
    it("runs every -e in order, then the script", function()
      write(folder .. "/last.lua", "print(x, y)")
      assert.equal("1\t2\n", (run "-e x=1 -e 'y = x + 1' last.lua"))
      assert.equal("3\n", (run "'-eprint(3)'"))
    end)

    it("makes a required module a global, by its own or a given name", function()
      assert.equal("table\n", (run "-l moe -e 'print(type(moe))'"))
      assert.equal("table\tnil\n", (run "-l m=moe -e 'print(type(m), moe)'"))
      assert.equal(1, select(2, run "-l no.such.module"))
    end)

    it("prints its version and leaves", function()
      assert.matches("^lua%-moe %d+%.%d+%.%d+ on Lua", (run("-v", "print(1)")))
    end)

    it("obeys LUA_INIT unless told to ignore the environment", function()
      local command = "LUA_INIT='x = 6' " .. moe
      assert.equal("6\n", (shell(command .. " -e 'print(x)'")))
      assert.equal("nil\n", (shell(command .. " -E -e 'print(x)'")))
    end)

    it("refuses what it does not know, and lists what it does", function()
      for _, options in ipairs { "-x", "-vi", "--help", "-e", "-l" } do
        local out, status, err = run(options)
        assert.equal("", out)
        assert.equal(1, status)
        assert.matches("usage: moe", err, 1, true)
      end
    end)
  end)

  it("carries its modules along when it is copied elsewhere", function()
    write(folder .. "/alone.lua", "print(type(require('moe')), type(require('moe.repl')))")
    local out, status = shell("cp " .. moe .. " copy; LUA_PATH= LUA_CPATH= ./copy alone.lua")
    assert.equal("table\ttable\n", out)
    assert.equal(0, status)
  end)

  it("gives the engine all processors", function()
    local count = shell("nproc"):match("%d+")
    assert.equal(count .. "\n", (run "-l moe -e 'print(moe.threads())'"))
  end)

  describe("at its prompt", function()
    it("prints what expressions are worth", function()
      assert.equal("> 2\n> 3\ta\n> ", (typed "1 + 1\n= 3, 'a'\n"))
    end)

    it("keeps globals, and knows moe without require", function()
      assert.equal("> > 5\n> table\n> ", (typed "x = 5\nx\ntype(moe)\n"))
    end)

    it("waits for the rest of an incomplete chunk", function()
      assert.equal("> >> >> 1\n2\n> ", (typed "for i = 1, 2 do\nprint(i)\nend\n"))
    end)

    it("goes on after an error", function()
      local out, status, err = typed "error('bad')\nx = = 1\n6 * 7\n"
      assert.equal("> > > 42\n> ", out)
      assert.equal(0, status)
      assert.matches("stdin:1: bad\nstack traceback:", err, 1, true)
      assert.matches("unexpected symbol near '='", err, 1, true)
    end)

    it("is reached by -i after a script", function()
      write(folder .. "/set.lua", "x = 8")
      assert.matches("> 8\n", (run("-i set.lua", "x\n")), 1, true)
    end)

    -- The shell that io.popen starts has the program as its parent.
    local press = 'io.popen("kill -INT $PPID"):close() '

    it("returns from Lua code after Ctrl-C, with everything usable", function()
      local out, status, err = typed("x = 9\n" .. press .. "while true do end\nx\n")
      assert.equal("> > > 9\n> ", out)
      assert.equal(0, status)
      assert.matches("interrupted", err)
    end)
  end)

  it("ends a fit on Ctrl-C, and leaves the model as it was", function()
    -- The fit would take minutes; whenever the signal comes, it comes early.
    write(folder .. "/long.lua", [[
      local moe = require "moe"
      X, y, few, labels = moe.randn(100000, 50), {}, moe.randn(40, 2), {}
      for i = 1, 100000 do y[i] = i * 7919 % 40 end
      for i = 1, 40 do labels[i] = i % 2 end
      f = moe.experts.logistic { max_iter = 10000, tol = 1e-300 }
      f:fit(few, labels)
      before = f:predict_proba(few):totable()[40][1] ]])
    local out, status, err = run("-i long.lua", table.concat({
      'io.popen("(sleep 0.3; kill -INT $PPID) >/dev/null &"):close() f:fit(X, y)',
      "#f:classes(), f:predict_proba(few):totable()[40][1] == before",
    }, "\n"))
    assert.matches("> > 2\ttrue\n", out, 1, true)
    assert.equal(0, status)
    assert.matches("interrupted", err, 1, true)
  end)

  it("ends a script on Ctrl-C with an error", function()
    local out, status, err = run [[-e 'io.popen("kill -INT $PPID"):close(); while true do end']]
    assert.equal("", out)
    assert.equal(1, status)
    assert.matches("^moe: .*interrupted", err)
  end)
end)
