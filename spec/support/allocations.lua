-- What the engine has allocated, and what happens when it cannot.
local core = require "moe.core"

local allocations = {}

--- How many allocations of the engine are in use; garbage, and what its pools keep for
-- the next time, are not counted.  LuaJIT's compiled loops keep functions they call.
function allocations.live()
  if jit then jit.flush() end
  core._trim()
  collectgarbage()
  collectgarbage()
  core._trim()
  return core._live()
end

--- Does the work while all allocations fail after the first n of them: whether it
-- came to its end.  An error of other words than that memory is short goes on.
function allocations.run_out(work, n)
  core._trim()
  core._fail_after(n)
  local ok, message = pcall(work)
  core._fail_after(-1)
  if not ok and not tostring(message):find("memory", 1, true) then
    error(("allocation %d failed, and the work says: %s"):format(n + 1, tostring(message)), 3)
  end
  return ok
end

--- Runs the work as often as it has allocations, and each time another of them
-- fails: the work says so, and leaks nothing.  How many there are.  The thread
-- sanitizer, which sees nothing in that, would take gigabytes for it.
function allocations.fail(work)
  work()
  if os.getenv "CONFIG" == "tsan" then return math.huge end
  local before, n = allocations.live(), 0
  while not allocations.run_out(work, n) do n = n + 1 end
  local leaked = allocations.live() - before
  if leaked ~= 0 then error(("%d allocations are left"):format(leaked), 2) end
  return n
end

return allocations
