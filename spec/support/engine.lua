-- Programs in C that are linked with the engine alone: they prove what cannot
-- be seen from Lua.  Each prints a line for every promise, kept or broken.
local engine = {}

local config = os.getenv "CONFIG"
local sanitizers = {
  sanitize = "-fsanitize=address,undefined -fno-sanitize-recover=undefined",
  tsan = "-fsanitize=thread",
  coverage = "--coverage",
}

--- The folder of the build that is tested.
engine.build = ((os.getenv "MOE_PROGRAM" or "build/moe"):gsub("/[^/]*$", ""))

--- What a shell command prints, and whether it went well.  What is loaded into
-- this process (a sanitizer's library) is not for others.
function engine.output(command)
  local pipe = assert(io.popen("unset LD_PRELOAD; { " .. command .. "; } 2>&1; echo status $?"))
  local text, status = pipe:read("*a"):match("^(.*)status (%d+)\n$")
  pipe:close()
  return text, status == "0"
end

--- Compiles spec/engine/NAME.c with `flags` behind those of the engine.
-- @return the program's path, or nil and what the compiler says
function engine.compile(name, flags)
  local program = os.tmpname()
  local text, good = engine.output(table.concat({
    "${CC:-cc} -std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Werror -pthread",
    sanitizers[config] or "",
    "-Isrc -Isrc/core -Isrc/tensor -Isrc/data -Isrc/transforms -Isrc/learners -Isrc/moe",
    ("spec/engine/%s.c %s/libmoe.a -o %s"):format(name, engine.build, program),
    flags or "",
    "-lm -ldl",
  }, " "))
  if good then return program end
  os.remove(program)
  return nil, text
end

function engine.has_compiler() return select(2, engine.output "command -v ${CC:-cc}") end

--- Runs a program of spec/engine: a spec for each of its promises, and one for
-- its end.
-- @param it, pending Busted's, which modules do not see
-- @param options { flags for the compiler, arguments for the program }
function engine.keeps(name, it, pending, options)
  options = options or {}
  if not engine.has_compiler() then
    pending(name .. ".c needs a C compiler")
    return
  end
  local program, text = engine.compile(name, options.flags)
  local good = false
  if program then
    text, good = engine.output("timeout 60 " .. program .. " " .. (options.arguments or ""))
    os.remove(program)
  end
  for line in text:gmatch "[^\n]+" do
    local verdict, promise, why = line:match "^(%a+)\t([^\t]*)\t(.*)$"
    if verdict == "skipped" then
      pending(promise .. ": " .. why)
    elseif verdict then
      it(promise, function() assert(verdict == "kept", why) end)
    end
  end
  it("comes to its end", function() assert(good, text) end)
end

return engine
