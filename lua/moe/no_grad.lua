--- Computing without recording gradients.
-- @module moe.no_grad

local core = require "moe.core"

local function finish(before, ok, ...)
  core._resume(before, ...)
  if not ok then error((...), 0) end
  return ...
end

--- Calls a function without recording gradients.
-- @param f the function; what it makes by operations and does not return is given back
-- @param ... its arguments
-- @return what it returns
return function(f, ...)
  return finish(core._pause(), pcall(f, ...))
end
