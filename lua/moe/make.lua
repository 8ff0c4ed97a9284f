--- Makes an object of the engine for one of the constructors.
-- @module moe.make

local core = require "moe.core"
local elsewhere = require "moe.elsewhere"

-- Another library's name for an option is worth more than one that looks like it.
local function explain(message)
  local head, name = message:match "^(.*unknown parameter '([^']*)')"
  local hint = name and elsewhere.hint(name) or ""
  return hint ~= "" and head .. hint or message
end

--- The object.
-- @param family "learner", "gate" or "transform"
-- @param name of the type
-- @param[opt] options a table
-- @raise where the caller's caller stands, if an option is unknown or not allowed
return function(family, name, options)
  if options ~= nil and type(options) ~= "table" then
    error(("%s: a table of options expected, got a %s"):format(name, type(options)), 3)
  end
  local good, object = pcall(core.new, family, name, options)
  if good then return object end
  if type(object) ~= "string" then error(object, 0) end
  error(explain(object), 3)
end
