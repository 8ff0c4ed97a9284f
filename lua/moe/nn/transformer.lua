--- FeedForward, CausalSelfAttention, TransformerBlock.
-- @module moe.nn.transformer

local core = require "moe.core"
local check = require("moe.options").check
local layers = require "moe.nn.layers"
local module = require "moe.nn.module"

local F = core.F
local transformer = {}

-- What is before the hidden layer's activation is multiplied by a second map, or not.
local kinds = {
  relu = { "relu" }, gelu = { "gelu" }, gelu_tanh = { "gelu_tanh" }, silu = { "silu" },
  tanh = { "tanh" }, swiglu = { "silu", true }, geglu = { "gelu", true },
}

--- f(x W_in + b) W_out + b, or gated. Options: dim, hidden, out_dim (dim), activation
-- ("relu"; also gelu, silu, tanh, swiglu, geglu), bias (true; false where gated), dropout
-- (0), init, seed.
transformer.FeedForward = module "FeedForward"
function transformer.FeedForward:init(options)
  local o = check("FeedForward", options, {
    dim = { "integer", min = 1, needed = true }, hidden = { "integer", min = 1, needed = true },
    out_dim = { "integer", min = 1 }, activation = { "string", default = "relu" },
    bias = { "boolean" }, dropout = { "number", min = 0, max = 1, default = 0 }, init = {},
    seed = { "integer", min = 0 },
  }, 3)
  local kind = kinds[o.activation]
  if not kind then error(("FeedForward: there is no activation '%s'"):format(o.activation), 3) end
  local bias = o.bias == nil and not kind[2] or o.bias or false
  local function linear(name, dim, out_dim)
    return layers.Linear {
      dim = dim, out_dim = out_dim, bias = bias, init = o.init, seed = self:seed_of(name),
    }
  end
  self.activation = kind[1]
  self.w_in = linear("w_in", o.dim, o.hidden)
  if kind[2] then self.w_gate = linear("w_gate", o.dim, o.hidden) end
  self.w_out = linear("w_out", o.hidden, o.out_dim or o.dim)
  if o.dropout > 0 then
    self.dropout = layers.Dropout { p = o.dropout, seed = self:seed_of "dropout" }
  end
end
function transformer.FeedForward:forward(x)
  local h = self.w_in(x)
  h = self.w_gate and F[self.activation](self.w_gate(x)) * h or F[self.activation](h)
  local y = self.w_out(h)
  return self.dropout and self.dropout(y) or y
end

--- Multi-head attention of each position to those up to it. Options: dim, heads, rotary
-- (false, true, or the base of the angles, 10000), causal (true), bias (true), init, seed.
transformer.CausalSelfAttention = module "CausalSelfAttention"
function transformer.CausalSelfAttention:init(options)
  local o = check("CausalSelfAttention", options, {
    dim = { "integer", min = 1, needed = true }, heads = { "integer", min = 1, default = 1 },
    rotary = {},
    causal = { "boolean", default = true }, bias = { "boolean", default = true }, init = {},
    seed = { "integer", min = 0 },
  }, 3)
  if o.dim % o.heads ~= 0 then
    error(("CausalSelfAttention: 'heads' must divide dim, %d, got %d"):format(o.dim, o.heads), 3)
  end
  local rotary = o.rotary == true and 10000 or o.rotary or 0
  if type(rotary) ~= "number" or not (rotary >= 0 and rotary <= 1e12) then
    error(("CausalSelfAttention: 'rotary' must be true, false or a number in [0, 1e12], got %s")
      :format(tostring(rotary)), 3)
  end
  if rotary > 0 and o.dim / o.heads % 2 ~= 0 then
    error(("CausalSelfAttention: rotary positions need heads of even size, not %d"):format(
      o.dim / o.heads), 3)
  end
  for _, name in ipairs { "query", "key", "value", "out" } do
    self[name] = layers.Linear {
      dim = o.dim, out_dim = o.dim, bias = o.bias, init = o.init, seed = self:seed_of(name),
    }
  end
  self.heads, self.causal, self._how = o.heads, o.causal, {}
  self.rotary = rotary
end
function transformer.CausalSelfAttention:forward(x)
  local how = self._how
  how.causal, how.rotary = self.causal, self.rotary
  return self.out(F.attention(self.query(x), self.key(x), self.value(x), self.heads, how))
end

local function check_ffn(o)
  local kind = type(o.ffn)
  if kind == "nil" or kind == "boolean" and not o.ffn then return end
  if kind ~= "function" and not (kind == "table" and getmetatable(o.ffn)) then
    error(("TransformerBlock: 'ffn' must be a module or a function, got a %s"):format(kind), 4)
  end
  for _, name in ipairs { "hidden", "activation" } do
    if o[name] then
      error(("TransformerBlock: '%s' is %s, but 'ffn' is in the place of the part that it is of")
        :format(name, tostring(o[name])), 4)
    end
  end
end

--- x + attention(norm(x)), then the same with a feed-forward part. Options: dim, heads,
-- hidden (4 dim), activation ("gelu"), bias (as FeedForward's, and true of attention),
-- rotary, norm ("layer" or "rms"), ffn (a module in the place of FeedForward: an nn.MoE, for
-- instance), dropout, init, seed. forward gives the answer
-- and what the part gives besides (a layer's routing).
transformer.TransformerBlock = module "TransformerBlock"
function transformer.TransformerBlock:init(options)
  local o = check("TransformerBlock", options, {
    dim = { "integer", min = 1, needed = true }, heads = { "integer", min = 1, default = 1 },
    hidden = { "integer", min = 1 }, activation = { "string" }, rotary = {},
    norm = { { "layer", "rms" }, default = "layer" }, ffn = {}, init = {},
    dropout = { "number", min = 0, max = 1, default = 0 }, bias = { "boolean" },
    seed = { "integer", min = 0 },
  }, 3)
  check_ffn(o)
  local Norm = o.norm == "rms" and layers.RMSNorm or layers.LayerNorm
  self.norm_1, self.norm_2 = Norm { dim = o.dim }, Norm { dim = o.dim }
  self.attention = transformer.CausalSelfAttention {
    dim = o.dim, heads = o.heads, rotary = o.rotary, bias = o.bias ~= false, init = o.init,
    seed = self:seed_of "attention",
  }
  self.ffn = o.ffn or transformer.FeedForward {
    dim = o.dim, hidden = o.hidden or 4 * o.dim, activation = o.activation or "gelu",
    bias = o.bias, init = o.init, seed = self:seed_of "ffn",
  }
  if o.dropout > 0 then
    self.dropout_1 = layers.Dropout { p = o.dropout, seed = self:seed_of "dropout_1" }
    self.dropout_2 = layers.Dropout { p = o.dropout, seed = self:seed_of "dropout_2" }
  end
end
local function add(x, dropout, y, ...) return x + (dropout and dropout(y) or y), ... end
function transformer.TransformerBlock:forward(x)
  x = add(x, self.dropout_1, self.attention(self.norm_1(x)))
  return add(x, self.dropout_2, self.ffn(self.norm_2(x)))
end

return transformer
