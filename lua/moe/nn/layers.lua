--- The small modules: Linear, Embedding, LayerNorm, RMSNorm, Dropout, the activations,
-- Sequential.
-- @module moe.nn.layers

local core = require "moe.core"
local check = require("moe.options").check
local initial = require "moe.nn.initial"
local module = require "moe.nn.module"

local F = core.F
local unpack = table.unpack or unpack -- luacheck: ignore 113
local layers = {}

local function init_weights(what, name, t, seed)
  if type(name) == "function" then return name(t, seed) or t end
  local fill = initial[name]
  if not fill then
    error(("%s: 'init' must be a function or a name in moe.nn.initial, got %s"):format(
      what, tostring(name)), 4)
  end
  return fill(t, seed)
end
layers.init_weights = init_weights

--- x w + b. Options: dim, out_dim, bias (true), init ("uniform"), seed.
layers.Linear = module "Linear"
layers.Linear.turned_in_torch = "weight"
function layers.Linear:init(options)
  local o = check("Linear", options, {
    dim = { "integer", min = 1, needed = true }, out_dim = { "integer", min = 1, needed = true },
    bias = { "boolean", default = true }, init = { default = "uniform" },
    seed = { "integer", min = 0 },
  }, 3)
  local weight = core.zeros(o.dim, o.out_dim)
  self.weight = init_weights("Linear", o.init, weight, self:seed_of "weight"):requires_grad()
  if o.bias then self.bias = core.zeros(o.out_dim):requires_grad() end
end
function layers.Linear:forward(x) return F.linear(x, self.weight, self.bias) end

--- Rows of a table by index, from 1. Options: items, dim, init ("normal"), seed.
layers.Embedding = module "Embedding"
function layers.Embedding:init(options)
  local o = check("Embedding", options, {
    items = { "integer", min = 1, needed = true }, dim = { "integer", min = 1, needed = true },
    init = { default = "normal" }, seed = { "integer", min = 0 },
  }, 3)
  local weight = core.zeros(o.items, o.dim)
  self.weight = init_weights("Embedding", o.init, weight, self:seed_of "weight"):requires_grad()
end
function layers.Embedding:forward(ids) return F.embedding(ids, self.weight) end

local norm_options = {
  dim = { "integer", min = 1, needed = true }, eps = { "number", min = 1e-30, default = 1e-5 },
  seed = {},
}

--- Rows with mean 0 and variance 1, then weight and bias. Options: dim, eps (1e-5).
layers.LayerNorm = module "LayerNorm"
function layers.LayerNorm:init(options)
  local o = check("LayerNorm", options, norm_options, 3)
  self.weight, self.bias = core.ones(o.dim):requires_grad(), core.zeros(o.dim):requires_grad()
  self.eps = o.eps
end
function layers.LayerNorm:forward(x) return F.layer_norm(x, self.weight, self.bias, self.eps) end

--- Rows with mean square 1, then weight. Options: dim, eps (1e-5).
layers.RMSNorm = module "RMSNorm"
function layers.RMSNorm:init(options)
  local o = check("RMSNorm", options, norm_options, 3)
  self.weight, self.eps = core.ones(o.dim):requires_grad(), o.eps
end
function layers.RMSNorm:forward(x) return F.rms_norm(x, self.weight, self.eps) end

--- In training each item is 0 with the chance p, else times 1 / (1 − p). Options: p
-- (0.5), seed.
layers.Dropout = module "Dropout"
function layers.Dropout:init(options)
  local o = check("Dropout", options, {
    p = { "number", min = 0, max = 1, default = 0.5 }, seed = { "integer", min = 0 },
  }, 3)
  self.p, self.step = o.p, 0
end
function layers.Dropout:forward(x)
  if not self.training or self.p == 0 then return x end
  self.step = self.step + 1
  return F.dropout(x, self.p, self:seed_of(tostring(self.step)))
end

--- An activation as a module: Activation { name = "gelu" }.
layers.Activation = module "Activation"
function layers.Activation:init(options)
  local o = check("Activation", options, { name = { "string", default = "relu" }, seed = {} }, 3)
  if not layers.activations[o.name] then
    error(("Activation: there is no '%s'"):format(o.name), 3)
  end
  self.name = o.name
end
function layers.Activation:forward(x) return F[self.name](x) end

layers.activations = {
  relu = true, tanh = true, gelu = true, silu = true, gelu_tanh = true, sigmoid = true,
  softplus = true,
}

-- An answer, and the list (nil at first) of what parts gave besides theirs.
local function collect(besides, x, ...)
  for i = 1, select("#", ...) do
    besides = besides or {}
    besides[#besides + 1] = (select(i, ...))
  end
  return x, besides
end

--- Modules, or functions, one after the other: Sequential { a, b, c }. forward gives the
-- last answer and, behind it, in their order, what parts gave besides theirs: the routings
-- of nn.MoE layers. local y, first, second = net(x)
layers.Sequential = module "Sequential"
local function is_callable(part)
  local meta = type(part) ~= "string" and getmetatable(part)
  return type(part) == "function" or type(meta) == "table" and meta.__call ~= nil
end

function layers.Sequential:init(parts)
  for key, part in pairs(parts) do
    local place = type(key) == "number" and key >= 1 and (key == 1 or parts[key - 1] ~= nil)
    local named = key == "seed"
    if not named and not (place and is_callable(part)) then
      error(("Sequential: a list of modules and functions expected, got %s at [%s]"):format(
        type(part), tostring(key)), 3)
    end
    if not named then self[key] = part end
  end
end
function layers.Sequential:forward(x)
  local besides
  for _, part in ipairs(self) do x, besides = collect(besides, part(x)) end
  if besides then return x, unpack(besides) end
  return x
end

return layers
