--- Options of functions in Lua: checked by name, kind and range, and defaulted.
-- @module moe.options

local core = require "moe.core"
local elsewhere = require "moe.elsewhere"
local text = require "moe.text"

local options = {}

local function check_names(what, given, known, level)
  for name in pairs(given) do
    if not known[name] then
      local near = type(name) == "string" and core.nearest(name, text.names(known))
      local hint = near and ("; did you mean '%s'?"):format(near) or elsewhere.hint(name)
      error(("%s: unknown option '%s'%s"):format(what, tostring(name), hint), level)
    end
  end
end

local function is_whole(value)
  return type(value) == "number" and value == math.floor(value) and math.abs(value) <= 2 ^ 53
end

local function is_among(choices, value)
  for _, choice in ipairs(choices) do
    if choice == value then return true end
  end
  return false
end

-- Where numbers may be, in words.
local function range_of(rule)
  local least, most, below = rule.min, rule.max, rule.below
  if below then return (" in [%g, %g)"):format(least, below) end
  if most then return (" in [%g, %g]"):format(least, most) end
  return least and (", at least %g"):format(least) or ""
end

local function is_within(rule, value)
  local least, most, below = rule.min, rule.max, rule.below
  if type(value) == "number" and math.abs(value) == math.huge then return false end
  return (not least or value >= least) and (not most or value <= most)
    and (not below or value < below)
end

-- What is allowed, in words; nothing if the value is.
local function complaint(rule, value)
  local kind = rule[1]
  if type(kind) == "table" then
    return not is_among(kind, value) and "one of " .. table.concat(kind, ", ") or nil
  end
  local right = (kind == "integer" and is_whole(value) or type(value) == kind) and value == value
  if right and is_within(rule, value) then return end
  local infinite = kind == "number" and (value == math.huge or value == -math.huge)
  local article = infinite and "a finite " or kind:find "^[aeiou]" and "an " or "a "
  return article .. kind .. range_of(rule)
end

--- The options of a function, with defaults where none are given.
-- @param what the function's name, for the message
-- @param given a table, name → value, or nil
-- @param known name → { kind, min, max, below, default, needed }: kind is a type's name, or
-- "integer", or a list of choices; numbers are finite, from min to max, or `below` a bound
-- that is not allowed itself; nil or false is allowed where there is no default, nil not
-- where it is `needed`
-- @param[opt=2] level of the function that is to blame, as for `error`, the caller
-- being 1; 0 for a message without a place
-- @return a table of its own
-- @raise if a name is unknown, a value not allowed or a needed one not there
function options.check(what, given, known, level)
  level = (level or 2) > 0 and (level or 2) + 1 or 0
  if given ~= nil and type(given) ~= "table" then
    error(("%s: a table of options expected, got a %s"):format(what, type(given)), level)
  end
  check_names(what, given or {}, known, level > 0 and level + 1 or 0)
  local checked = {}
  for name, rule in pairs(known) do
    local value = given and given[name]
    if value == nil then value = rule.default end
    if value == nil and rule.needed then
      error(("%s: '%s' is needed"):format(what, name), level)
    end
    local allowed = value and rule[1] and complaint(rule, value)
    if allowed then
      local got = text.value(value):match "^[^\n]*"
      if type(value) == "string" then got = "'" .. got .. "'" end
      error(("%s: '%s' must be %s, got %s"):format(what, name, allowed, got), level)
    end
    checked[name] = value
  end
  return checked
end

--- Refuses what is no list of tensors, as module:parameters() gives.
-- @param what the function's name, for the message
-- @param list what it was given
-- @param least how many there must be
-- @raise where the caller's caller stands
function options.check_parameters(what, list, least)
  local asked = what .. ": a list of tensors expected, as module:parameters() gives, got a "
  if type(list) ~= "table" then error(asked .. type(list), 3) end
  if list.is_module then error(asked .. list.type_name, 3) end
  for i = 1, math.max(least, #list) do
    if not core.is_tensor(list[i]) then
      error(("%s%s at [%d]"):format(asked, type(list[i]), i), 3)
    end
  end
end

return options
