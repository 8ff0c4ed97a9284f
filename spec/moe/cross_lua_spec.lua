-- A model that one Lua saved answers with the same bits under another: the
-- program (Lua 5.4 where there is one) saves, the Lua that runs this loads.
local moe = require "moe"

local program = os.getenv "MOE_PROGRAM" or "build/moe"

local script = [[
local moe = require "moe"
local t = moe.data.make_moons { rows = 200, noise = 0.3, seed = 2 }
local forest, line = moe.experts.forest { trees = 20 }, moe.experts.logistic {}
local m = moe.mixture { experts = { forest = forest, line = line }, seed = 3 }
m:fit(t)
assert(m:save(arg[1]))
local p = m:predict_proba(t)
for i = 1, 200 do print(("%.17g"):format(p:get(i, 1))) end
]]

it("a saved mixture answers bit for bit under another Lua", function()
  local source, path = os.tmpname(), os.tmpname()
  local file = assert(io.open(source, "w"))
  file:write(script)
  file:close()
  local pipe = assert(io.popen(("%s %s %s"):format(program, source, path)))
  local t, said = moe.data.make_moons { rows = 200, noise = 0.3, seed = 2 }, {}
  for line in pipe:lines() do said[#said + 1] = line end
  pipe:close()
  assert.equal(200, #said)
  local p = assert(moe.load(path)):predict_proba(t)
  for i = 1, 200 do assert.equal(said[i], ("%.17g"):format(p:get(i, 1))) end
  os.remove(source)
  os.remove(path)
end)
