--- What every neural module is: a table with `forward`, whose tensors that require
-- gradients are its parameters and whose fields that are modules, or lists of
-- modules, are its parts.
--
--    local Scale = nn.module "Scale"
--    function Scale:init(options) self.factor = self:parameter(moe.ones(options.dim)) end
--    function Scale:forward(x) return x * self.factor end
--    local layer = Scale { dim = 3 }
--    local y = layer(x)
-- @module moe.nn.module

local core = require "moe.core"
local check = require("moe.options").check

local Module = {}
Module.__index = Module

local function is_tensor(value) return type(value) == "userdata" and core.is_tensor(value) end
local function is_module(value) return type(value) == "table" and value.is_module == true end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
  end)
  return keys
end

-- Visits the tensors (name, tensor, owner, key) and modules beneath a module, in the
-- order of their names; fields that begin with _ are the module's own business.
local function walk(module, prefix, on_tensor, on_module)
  if is_module(module) then on_module(module, prefix) end
  for _, key in ipairs(sorted_keys(module)) do
    local value, private = module[key], type(key) == "string" and key:sub(1, 1) == "_"
    local name = prefix == "" and tostring(key) or prefix .. "." .. tostring(key)
    if is_tensor(value) and not private then
      on_tensor(name, value, module, key)
    elseif not private and (is_module(value) or type(value) == "table" and is_module(value[1])) then
      walk(value, name, on_tensor, on_module)
    end
  end
end

local function nothing() end

--- Makes a tensor a parameter: it will be trained.
-- @param t a float tensor
-- @return the tensor
function Module.parameter(_, t) return t:requires_grad() end

--- The parameters, in the order of their names.
-- @return a list of tensors, each once
function Module:parameters()
  local list, seen = {}, {}
  walk(self, "", function(_, t)
    if t.requires and not seen[t] then
      seen[t] = true
      list[#list + 1] = t
    end
  end, nothing)
  return list
end

--- How many numbers the parameters are.
function Module:size()
  local n = 0
  for _, t in ipairs(self:parameters()) do
    local items = 1
    for _, length in ipairs(t.shape) do items = items * length end
    n = n + items
  end
  return n
end

-- Calls f(name, tensor, name in PyTorch, turned) for each tensor. PyTorch counts the parts
-- of a list from 0, and the weights of a Linear are [out, in] there, turned.
local function each_in_torch(module, f)
  walk(module, "", function(name, t, owner, key)
    local there = ("." .. name):gsub("%.(%d+)", function(n) return (".%d"):format(n - 1) end)
    f(name, t, there:sub(2), owner.turned_in_torch == key)
  end, nothing)
end

local function check_options(what, options, known)
  local o = check(what, options, known, 3)
  if o.layout == nil or o.layout == "torch" then return o end
  error(("%s: 'layout' must be \"torch\" or absent, got '%s'"):format(what, o.layout), 3)
end

--- All tensors by name: "layers.1.weight". They are the module's own, not copies.
-- @param[opt] options { layout }: "torch": names and weights as PyTorch's modules have them,
-- whose lists begin with 0 ("layers.0.weight") and whose Linear weights are [out, in]; these
-- are copies
function Module:state_dict(options)
  local state, o = {}, check_options("state_dict", options, { layout = { "string" } })
  if o.layout then
    each_in_torch(self, function(_, t, there, turned)
      state[there] = turned and t:detach():transpose() or t
    end)
  else
    walk(self, "", function(name, t) state[name] = t end, nothing)
  end
  return state
end

local function describe_tensor(t) return table.concat(t.shape, "×") .. " " .. t.dtype end

-- Why one tensor cannot take the values of another, or nothing.
local function misfit(own, given)
  if not is_tensor(given) then return "no tensor" end
  local is, wanted = describe_tensor(given), describe_tensor(own)
  return is ~= wanted and is .. ", not " .. wanted or nil
end

-- A state of PyTorch's, by our names.
local function from_torch(module, state, strict)
  local ours, known = {}, {}
  each_in_torch(module, function(name, _, there, turned)
    local given = state[there]
    known[there] = true
    local whole = is_tensor(given) and #given.shape == 2
    ours[name] = turned and whole and given:transpose() or given
  end)
  for _, name in ipairs(strict and sorted_keys(state) or {}) do
    if not known[name] then
      error(("load_state_dict: there is no '%s'"):format(tostring(name)), 3)
    end
  end
  return ours
end

--- Copies the values of tensors into those of the same names.
-- @param state name → tensor
-- @param[opt] options a table of
--   strict (true): false allows names that are missing or too many
--   layout: "torch": of a module of PyTorch's, as `state_dict` says; without it a square
--   weight of a Linear from there would be taken for what it is not
-- @return the module
-- @raise if names (unless strict = false) or shapes do not agree; nothing is changed then
function Module:load_state_dict(state, options)
  if type(state) ~= "table" then
    error(("load_state_dict: a table of tensors by name expected, got a %s"):format(type(state)), 2)
  end
  local o = check_options("load_state_dict", options, {
    layout = { "string" }, strict = { "boolean", default = true },
  })
  local own, strict = self:state_dict(), o.strict
  if o.layout then state = from_torch(self, state, strict) end
  for _, name in ipairs(sorted_keys(own)) do
    local given = state[name]
    if given == nil and strict then error(("load_state_dict: '%s' is missing"):format(name), 2) end
    local fault = given ~= nil and misfit(own[name], given)
    if fault then error(("load_state_dict: '%s' is %s"):format(name, fault), 2) end
  end
  for _, name in ipairs(sorted_keys(state)) do
    if strict and not own[name] then
      error(("load_state_dict: there is no '%s'"):format(tostring(name)), 2)
    end
  end
  for name, t in pairs(own) do
    if state[name] then core.copy(t, state[name]) end
  end
  return self
end

--- Forgets the gradients of all parameters, as `Optimiser:zero_grad` does.
function Module:zero_grad()
  for _, t in ipairs(self:parameters()) do t:zero_grad() end
  return self
end

--- Switches the module and its parts to training (dropout, noise, …) or, with false,
-- to evaluation.
function Module:train(on)
  walk(self, "", nothing, function(module) module.training = on ~= false end)
  return self
end

--- train(false)
function Module:eval() return self:train(false) end

--- With false freezes the parameters of the module: they get no gradient. Lets those
-- that were frozen learn again without.
function Module:trainable(on)
  walk(self, "", function(_, t, module, key)
    if t.requires or module._frozen and module._frozen[key] then
      module._frozen = module._frozen or {}
      module._frozen[key] = true
      t:requires_grad(on ~= false)
    end
  end, nothing)
  return self
end

local function copy(value, copies)
  if is_tensor(value) then
    local t = copies[value] or value:clone()
    if not copies[value] and value.requires then t:requires_grad() end
    copies[value] = t
    return t
  end
  if type(value) ~= "table" then return value end
  if copies[value] then return copies[value] end
  local other = setmetatable({}, getmetatable(value))
  copies[value] = other
  for key, item in pairs(value) do other[key] = copy(item, copies) end
  return other
end

--- A copy that shares nothing with the module.
function Module:clone() return copy(self, {}) end

local function describe(module, indent)
  local lines, own = {}, {}
  for _, key in ipairs(sorted_keys(module)) do
    local value = module[key]
    if is_module(value) then
      lines[#lines + 1] = ("%s(%s): %s"):format(indent, key, describe(value, indent .. "  "))
    elseif type(value) == "table" and is_module(value[1]) then
      for i, part in ipairs(value) do
        lines[#lines + 1] = ("%s(%s.%d): %s"):format(indent, key, i, describe(part, indent .. "  "))
      end
    elseif is_tensor(value) then
      own[#own + 1] = ("%s %s"):format(key, table.concat(value.shape, "×"))
    end
  end
  local head = module.type_name .. "(" .. table.concat(own, ", ") .. ")"
  if #lines == 0 then return head end
  return head .. "\n" .. table.concat(lines, "\n")
end

function Module:__tostring() return describe(self, "  ") end

function Module:__call(...) return self:forward(...) end

--- A seed for a part of the module: of its own seed (0 unless given) and the name.
function Module:seed_of(name) return core.seed_of(self.seed or 0, name) end

--- A new kind of module: a table to put `init(self, options)` and `forward(self, …)` in,
-- which called with a table of options makes one.
-- @param name what it is called in print
return function(name)
  local class = { type_name = name, is_module = true, training = true }
  for key, value in pairs(Module) do class[key] = value end
  class.__index = class
  return setmetatable(class, {
    __call = function(_, options)
      if options ~= nil and type(options) ~= "table" then
        error(("%s: a table of options expected, got a %s"):format(name, type(options)), 2)
      end
      local module = setmetatable({ seed = options and options.seed }, class)
      if class.init then module:init(options or {}) end
      return module
    end,
  })
end
