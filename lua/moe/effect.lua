--- Options that would change nothing.
-- @module moe.effect

local text = require "moe.text"

local function quote(value)
  if type(value) == "string" then return "'" .. value .. "'" end
  return text.value(value):match "^[^\n]*"
end

--- The first, by name, of the options given that would change nothing.
-- @param given the options that the user gave
-- @param neutral name → the value that says what happens anyway
-- @param reason function(name, value): why this one would change nothing, or nil
-- @return its name, or nil
-- @return why, as a message
return function(given, neutral, reason)
  for _, name in ipairs(text.names(given)) do
    local value = given[name]
    local why = value ~= (neutral[name] or false) and reason(name, value)
    if why then return name, ("'%s' is %s, but %s"):format(name, quote(value), why) end
  end
end
