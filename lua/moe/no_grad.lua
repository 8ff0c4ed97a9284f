--- Computing without recording gradients.
-- @module moe.no_grad

local core = require "moe.core"

--- Calls a function without recording gradients.
-- @param f the function; what it makes by operations and does not return is given back
-- @param ... its arguments
-- @return what it returns; it cannot yield
return function(f, ...)
  return core._no_grad(f, ...)
end
