--- Sparse layers for use: in the engine alone, in files, and of half width.
--
-- A layer of nn.MoE whose parts are those of the engine (experts that are no modules, a
-- linear gate, a router of moe.route) can be asked without Lua, saved as one file, which a
-- program in C loads too (layer.h), and made to keep its experts' weights in bfloat16.
-- @module moe.nn.inference

local core = require "moe.core"
local effect = require "moe.nn.effect"
local gates = require "moe.nn.gates"
local module = require "moe.nn.module"

local inference = {}

-- ------------------------------------------------------------------ its parts

-- What the engine does not have, or nothing.
local function foreign_part(self)
  if self.experts then return "its experts are modules" end
  if self.router == "soft_moe" or self.router == "sinkhorn" then
    return ("router '%s' is written in Lua"):format(self.router)
  end
  if getmetatable(self.gate) ~= gates.linear then return "its gate is not the linear one" end
  if self.shared and self.shared.dropout then return "its shared experts have dropout" end
end

local of_call = {
  allow_degenerate = true, training = true, seed = true, ids = true, bias = true, noise = true,
}

local function route_of(self)
  local route = { noise = self.noise }
  for name, value in pairs(self._route) do
    if not of_call[name] then route[name] = value end
  end
  return route
end

local function shared_of(shared)
  local gate = shared.w_gate
  return {
    w_in = shared.w_in.weight, b_in = shared.w_in.bias, w_gate = gate and gate.weight,
    w_out = shared.w_out.weight, b_out = shared.w_out.bias,
  }
end

local own = { "w_in", "w_gate", "w_out", "b_in", "b_out", "selection_bias", "activation", "scale" }

local function parts_of(self)
  local parts = { gate = self.gate.weight, noise = self.noise_weight, route = route_of(self) }
  for _, name in ipairs(own) do parts[name] = self[name] end
  parts.shared = self.shared and shared_of(self.shared)
  return parts
end

-- Whether these are still the layer's: tensors are changed in place, or replaced.
local function is_current(self, parts)
  for _, name in ipairs(own) do
    if not rawequal(self[name], parts[name]) then return false end
  end
  return rawequal(self.gate.weight, parts.gate) and rawequal(self.noise_weight, parts.noise)
end

local function is_shared_current(shared, parts)
  if not shared or not parts then return shared == parts end
  for name, t in pairs(shared_of(shared)) do
    if not rawequal(t, parts[name]) then return false end
  end
  return true
end

-- The layer's `_engine` gives a layer of the engine, if that still reads its tensors. It is a
-- function, so that copies of the layer, which have tensors of their own, see through it.
local function new_engine(parts)
  local layer = core._layer(parts)
  return function(self)
    if not is_current(self, parts) then return nil end
    return is_shared_current(self.shared, parts.shared) and layer or nil
  end
end

--- The layer in the engine, which reads the same tensors.
-- @return it, or nil and why there is none
function inference.layer_of(self)
  if self.layer then return self.layer end -- of half width
  local reason = foreign_part(self)
  if reason then return nil, reason end
  local layer = self._engine and self._engine(self)
  if not layer then
    self._engine = new_engine(parts_of(self))
    layer = self._engine(self)
  end
  return layer
end

local function needed_layer_of(self, verb)
  local layer, reason = inference.layer_of(self)
  if not layer then error(("MoE: it cannot be %s: %s"):format(verb, reason), 3) end
  return layer
end

-- --------------------------------------------------------------- half the width

--- A layer for inference alone, its experts' weights in bfloat16: layer:half() makes it.
local Half = module "HalfMoE"
Half.training = false
inference.HalfMoE = Half

local function new_half(layer)
  local parts = layer:parts()
  return setmetatable({ layer = layer, dim = parts.dim, out_dim = parts.out_dim }, Half)
end

function Half:init() -- luacheck: ignore self
  error("HalfMoE: layer:half() makes one of a trained nn.MoE", 4)
end

local function refuse_training(self)
  if self.training then
    error("HalfMoE: a layer of half width is for inference and cannot be trained; train the "
      .. "layer that it was made of", 4)
  end
end

--- Refuses but for train(false).
function Half:train(on)
  self.training = on ~= false
  local ok, message = pcall(refuse_training, self)
  self.training = false
  if not ok then error(message, 2) end
  return self
end

--- The answers to rows of x; there is no routing to be had.
function Half:run(x, ids)
  refuse_training(self)
  return self.layer:answer(x, ids)
end

--- Writes the layer to a file, its weights as wide as they are.
-- @return true; or nil, message, code
function Half:save(path) return self.layer:save(path) end

-- ------------------------------------------------------------------------ files

-- The options that nn.MoE makes such a layer of, which must be one of its own: C may gate by
-- other activations.
local function options_of(parts)
  local o, params = {}, parts.params
  local shared = parts.shared_hidden / parts.hidden
  for name, value in pairs(params) do o[name] = value end
  o.dim, o.hidden, o.out_dim, o.experts = parts.dim, parts.hidden, parts.out_dim, parts.experts
  if parts.w_gate then
    local gated = { silu = "swiglu", gelu = "geglu" }
    o.activation = gated[params.activation]
      or error(("nn.MoE has no experts gated by '%s'"):format(params.activation), 0)
  end
  if shared ~= math.floor(shared) then
    error("the shared expert's width is no multiple of the others'", 0)
  end
  o.bias = parts.b_in ~= nil
  o.shared_experts = math.floor(shared)
  o.noise = parts.noise and "learned" or params.noise
  o.allow_degenerate = true
  return o
end

-- Without those that change nothing, which nn.MoE refuses and files may hold.
local function effective(o)
  local name = effect(o, o)
  while name do
    o[name] = nil
    name = effect(o, o)
  end
  return o
end

local function fill(to, from) core.copy(to, from:reshape(to.shape)) end

local function fill_parts(into, parts)
  for name, t in pairs(parts) do
    if core.is_tensor(t) then fill(into[name], t) end
  end
end

local function new_layer(MoE, parts)
  local layer = MoE(effective(options_of(parts)))
  local into = parts_of(layer)
  fill_parts(into, parts)
  if parts.shared then fill_parts(into.shared, parts.shared) end
  return layer
end

--- Gives nn.MoE what is here.
function inference.extend(MoE)
  Half.forward, Half.forward_one = MoE.forward, MoE.forward_one

  --- Writes the layer to a file, as the engine has it: configuration, gate, selection bias
  -- and experts. MoE.load reads it, and moe_layer_load in C. Running figures are not in it.
  -- @return true; or nil, message, code
  -- @raise if the layer has parts that are written in Lua
  function MoE:save(path) return needed_layer_of(self, "saved"):save(path) end

  --- A layer for inference alone, its experts' weights in bfloat16: half the memory, and
  -- half the time where memory is what takes it. It answers within 2^-8 of each weight.
  -- @raise if the layer has parts that are written in Lua
  function MoE:half() return new_half(needed_layer_of(self, "halved"):half()) end

  --- nn.MoE.load(path): the layer of a file that `save` wrote, of full or half width.
  -- @return the layer; or nil, message, code
  function MoE.load(path)
    if type(path) ~= "string" then
      local got = type(path)
      error(("MoE.load: a path expected, got a %s; it is called with a dot"):format(got), 2)
    end
    local layer, message, code = core._load_layer(path)
    if not layer then return nil, message, code end
    local parts = layer:parts()
    if parts.half then return new_half(layer) end
    local ok, made = pcall(new_layer, MoE, parts)
    if ok then return made end
    return nil, ("cannot load '%s': %s"):format(path, tostring(made)), "EUNSUPPORTED"
  end
end

return inference
