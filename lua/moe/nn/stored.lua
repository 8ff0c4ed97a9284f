--- A module as plain values and tensors, and the way back, which runs no code but this.
-- A module is its class, by name, and its fields: numbers, texts, truth values, lists and
-- tables of such, tensors, learners, modules, and the functions of one tensor in moe.F.
-- @module moe.nn.stored

local core = require "moe.core"

local stored = {}

local F = core.F

-- The functions of one tensor, as they stand in a Sequential.
local functions, names = {}, {}
for _, name in ipairs {
  "relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid", "softplus", "softmax", "log_softmax",
} do functions[name], names[F[name]] = F[name], name end

local pack -- of any value

-- What a module keeps for itself, in fields that begin with _, is saved where it can be.
local function pack_field(key, value, path, out)
  if type(key) ~= "string" or key:sub(1, 1) ~= "_" then return pack(value, path, out) end
  local good, packed = pcall(pack, value, path, out)
  return good and packed or nil
end

local function pack_table(value, path, out)
  local fields, keys = {}, {}
  for key in pairs(value) do
    if type(key) ~= "string" and type(key) ~= "number" then
      error(("save: '%s' has a %s as a key"):format(path, type(key)), 0)
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    local name = path == "" and tostring(key) or path .. "." .. tostring(key)
    local packed = pack_field(key, value[key], name, out)
    if packed then fields[#fields + 1] = { key, packed } end
  end
  return { class = value.is_module and value.type_name or nil, fields = fields }
end

local function pack_tensor(t, path, out)
  local before = out.names[t]
  if not before then
    out.names[t], out.tensors[path] = path, t:detach()
  end
  return { tensor = before or path, requires = t.requires }
end

function pack(value, path, out)
  local kind = type(value)
  if core.is_tensor(value) then return pack_tensor(value, path, out) end
  if kind == "number" or kind == "string" or kind == "boolean" then return { value = value } end
  if kind == "table" then return pack_table(value, path, out) end
  if names[value] then return { f = names[value] } end
  if kind == "userdata" and value.dump then
    return { learner = core._pack_bytes(value:dump()) }
  end
  error(("save: '%s' is a %s, which cannot be saved; a module can"):format(path, kind), 0)
end

--- @return a plain table for a file
-- @raise if a field cannot be saved
function stored.pack(module)
  local out = { names = {}, tensors = {} }
  local tree = pack(module, "", out)
  return { tree = tree, tensors = core._pack_tensors(out.tensors) }
end

local unpack_value

local function unpack_table(packed, classes, tensors)
  local value = {}
  if packed.class then
    local class = classes[packed.class]
    if not class then
      error(("load: '%s' is no module of moe.nn; give the network in its place"):format(
        tostring(packed.class)), 0)
    end
    setmetatable(value, class)
  end
  for _, field in ipairs(packed.fields) do
    rawset(value, field[1], unpack_value(field[2], classes, tensors))
  end
  return value
end

function unpack_value(packed, classes, tensors)
  if packed.fields then return unpack_table(packed, classes, tensors) end
  if packed.learner then return assert(core.undump(core._unpack_bytes(packed.learner))) end
  if packed.f then
    return functions[packed.f]
      or error(("load: there is no function '%s'"):format(tostring(packed.f)), 0)
  end
  if not packed.tensor then return packed.value end
  local t = tensors[packed.tensor]
  if packed.requires and not t.requires then t:requires_grad() end
  return t
end

--- @param packed what `pack` gave
-- @param classes name → class
-- @return the module
-- @raise if it is none that `pack` gave, or a class is not there
function stored.unpack(packed, classes)
  local tensors = assert(core._unpack_tensors(packed.tensors))
  return unpack_value(packed.tree, classes, tensors)
end

return stored
