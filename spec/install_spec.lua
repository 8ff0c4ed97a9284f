-- What the build makes, seen from outside: by the linker, and once installed.

local build = (os.getenv("MOE_PROGRAM") or "build/moe"):gsub("/moe$", "")
local version = _VERSION:match("%d.%d")
-- What a sanitizer is in needs it in the host too.
local plain = (os.getenv "CONFIG" or "release") == "release"
local lua = rawget(_G, "jit") and "luajit" or "lua" .. version

-- The tools that it calls are not what a sanitizer is here to watch.
local function output(command)
  local pipe = assert(io.popen("unset LD_PRELOAD; { " .. command .. "; } 2>&1"))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

describe("the module", function()
  local file = build .. "/" .. version .. "/moe/core.so"

  it("shows its host nothing but its entry", function()
    local symbols = output("nm -D --defined-only --format=posix " .. file .. " | cut -d' ' -f1")
    assert.equal("luaopen_moe_core\n", (symbols:gsub("__[%a]san[^\n]*\n", "")))
  end)

  it("links no Lua and no numeric library", function()
    local needed = output("objdump -p " .. file .. " | grep NEEDED")
    assert.not_matches("lua", needed)
    assert.not_matches("blas", needed)
    assert.not_matches("gomp", needed)
  end)

  it("stays loaded when a host closes its Lua, whose threads may still run", function()
    assert.matches("NODELETE", output("readelf -d " .. file))
  end)
end)

describe("the library", function()
  local file = build .. "/libmoe.so"

  it("knows no Lua", function()
    assert.not_matches("lua_", output("nm -D --undefined-only " .. file))
  end)

  it("stays loaded too, for the sake of its threads", function()
    assert.matches("NODELETE", output("readelf -d " .. file))
  end)

  it("exports public names alone", function()
    local symbols = output("nm -D --defined-only --format=posix " .. file .. " | cut -d' ' -f1")
    for symbol in symbols:gmatch("[^\n]+") do
      if not symbol:find("san") then assert.matches("^moe_[^_]", symbol) end
    end
  end)
end)

describe("an installed copy", function()
  local root

  local function install(action)
    return output(("B=%s ABIS=%s DESTDIR= PREFIX=%s VERSION=7.8.9 INST_LIBDIR= INST_LUADIR= " ..
      "sh tools/install.sh %s"):format(build, version, root, action))
  end

  setup(function()
    root = os.tmpname()
    os.remove(root)
    assert.equal("", install "install")
  end)

  teardown(function() os.execute("rm -rf " .. root) end)

  it("is found by a stock Lua", function()
    if not plain then return end
    assert.equal("table\n", output(("cd %s; " ..
      "LUA_PATH='share/lua/%s/?.lua;share/lua/%s/?/init.lua' " ..
      "LUA_CPATH='lib/lua/%s/?.so' %s -e 'print(type(require(\"moe\")))'"):format(
      root, version, version, version, lua)))
  end)

  it("serves a C program through pkg-config", function()
    if not plain then return end
    local said = output(("export PKG_CONFIG_PATH=%s/lib/pkgconfig; pkg-config --modversion moe; " ..
      "cc -std=c11 -Wall -Werror -o %s/embed spec/engine/embed.c " ..
      "$(pkg-config --cflags --libs moe) -lm && LD_LIBRARY_PATH=%s/lib %s/embed"):format(
      root, root, root, root))
    assert.matches("^7.8.9\nerror on unseen rows: 0.0%d%d\n$", said)
  end)

  it("leaves the names of the system's headers alone", function()
    local said = output(("printf '#include <threads.h>\\n#include <memory.h>\\nthrd_t t;\\n' " ..
      "| cc -fsyntax-only -I%s/include -x c -"):format(root))
    assert.equal("", said)
  end)

  it("has the public headers and no others", function()
    local said = output("ls " .. root .. "/include/moe")
    assert.matches("moe.h\n", said)
    assert.matches("learner.h\n", said)
    assert.not_matches("param.h", said)
    assert.not_matches("lmoe.h", said)
  end)

  it("goes away again", function()
    assert.equal("", install "uninstall")
    assert.equal("", output("find " .. root .. " -type f -not -name embed"))
  end)
end)
