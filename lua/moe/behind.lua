--- Parameters of what is written in Lua: the table behind a learner tells its own by
-- get_params(self) and takes them by set_params(self, options), so that they are the
-- learner's, at paths of what it is in too.
-- @module moe.behind

local core = require "moe.core"
local text = require "moe.text"

local Learner = core.methods "Learner"
local get_params, set_params = Learner.get_params, Learner.set_params

-- What the engine gives; its errors are of the line that called the method.
local function ask(f, ...)
  local good, result = pcall(f, ...)
  if good then return result end
  error(result, type(result) == "string" and 3 or 0)
end

local function method_of(object, name)
  local value = type(object) == "userdata" and core._behind(object)
  return type(value) == "table" and value[name] and value or nil
end

-- What is in an object, or in a list of objects, by a part of a path.
local function child(object, part)
  local held = type(object) == "userdata" and get_params(object) or object
  return type(held) == "table" and (held[part] or held[tonumber(part)]) or nil
end

-- The table that has the parameter at the path, and the parameter's name; or nil.
local function owner(object, path, method)
  local above, name = tostring(path):match "^(.*)%.([^.]*)$"
  for part in (above or ""):gmatch "[^.]+" do object = child(object, part) end
  local value = method_of(object, method)
  if value and get_params(object)[name or path] == nil then return value, name or path end
end

function Learner:get_params(path)
  if path ~= nil then
    local value, name = owner(self, path, "get_params")
    local own = value and value:get_params()
    if own and own[name] ~= nil then return own[name] end
    local found = ask(get_params, self, path)
    return found
  end
  local all, value = ask(get_params, self), method_of(self, "get_params")
  for name, own in pairs(value and value:get_params() or {}) do
    if all[name] == nil then all[name] = own end
  end
  return all
end

-- Which parameters are whose: table behind → name → value, and path → value of the others.
local function sort_out(self, options)
  local theirs, rest = {}, {}
  for path, given in pairs(options) do
    local value, name = owner(self, path, "set_params")
    if value then
      theirs[value] = theirs[value] or {}
      theirs[value][name] = given
    else
      rest[path] = given
    end
  end
  return theirs, rest
end

-- What has these names now; false is none.
local function kept(value, options)
  local all, before = value.get_params and value:get_params() or {}, {}
  for name in pairs(options) do before[name] = all[name] == nil and false or all[name] end
  return before
end

function Learner:set_params(options)
  if type(options) ~= "table" then return ask(set_params, self, options) end
  local theirs, rest = sort_out(self, options)
  local changed = {}
  local good, message = pcall(function()
    for value, own in pairs(theirs) do
      local before = kept(value, own)
      value:set_params(own)
      changed[value] = before
    end
    set_params(self, rest)
  end)
  if good then return self end
  for value, before in pairs(changed) do value:set_params(before) end
  error(text.reason(message), type(message) == "string" and 2 or 0)
end
