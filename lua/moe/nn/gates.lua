--- What gives a sparse layer's logits: linear, cosine and mlp gates, and how they begin.
-- @module moe.nn.gates

local core = require "moe.core"
local initial = require "moe.nn.initial"
local layers = require "moe.nn.layers"
local module = require "moe.nn.module"

local F = core.F
local gates = {}

-- Columns made orthogonal to each other, of length 1 (Gram and Schmidt), as far as
-- there are dimensions.
local function orthogonalize(t)
  local dim, n = t.shape[1], t.shape[2]
  for j = 1, n do
    for k = 1, math.min(j, dim) - 1 do
      local dot = 0
      for i = 1, dim do dot = dot + t:get(i, j) * t:get(i, k) end
      if j <= dim then
        for i = 1, dim do t:set(i, j, t:get(i, j) - dot * t:get(i, k)) end
      end
    end
    local sum = 0
    for i = 1, dim do sum = sum + t:get(i, j) ^ 2 end
    for i = 1, dim do t:set(i, j, t:get(i, j) / math.sqrt(sum)) end
  end
  return t
end

--- How a router's weights (dim × experts) begin: "random" U(±1 / √dim), "balanced" N(0,
-- 0.01² / dim), which is nearly uniform, "uniform" and "zero" (all experts alike, which
-- ties give to the first), "orthogonal" columns.
gates.init = {
  random = initial.uniform,
  balanced = function(t, seed) return initial.normal(t, seed, 0.01 / math.sqrt(t.shape[1])) end,
  uniform = initial.zeros,
  zero = initial.zeros,
  orthogonal = function(t, seed) return orthogonalize(initial.normal(t, seed, 1)) end,
}

--- Logits x W.
gates.linear = module "LinearGate"
gates.linear.turned_in_torch = "weight"
function gates.linear:init(o)
  local fill = gates.init[o.router_init]
  if not fill then
    error(("MoE: there is no router_init '%s'; there are random, balanced, uniform, zero and "
      .. "orthogonal"):format(o.router_init), 6)
  end
  self.weight = fill(core.zeros(o.dim, o.experts), self:seed_of "weight"):requires_grad()
end
function gates.linear:forward(x) return F.linear(x, self.weight) end

-- Rows of length 1.
local function unit_rows(t)
  local squares = (t * t):sum(2, true)
  return t / (squares + 1e-12):sqrt()
end

--- Logits cos(x P, e) times a learned scale, e^s, at most 100 (X-MoE: Chi et al. 2022,
-- arXiv 2204.09179): gate_hidden is the width of x P.
gates.cosine = module "CosineGate"
function gates.cosine:init(o)
  self.project = layers.Linear {
    dim = o.dim, out_dim = o.gate_hidden or math.min(256, o.dim), bias = false,
    seed = self:seed_of "project",
  }
  local width = self.project.weight.shape[2]
  self.experts = initial.normal(core.zeros(o.experts, width), self:seed_of "experts", 1)
    :requires_grad()
  self.scale = core.tensor({ math.log(2) }):requires_grad()
end
function gates.cosine:forward(x)
  local cosines = F.matmul(unit_rows(self.project(x)), unit_rows(self.experts), false, true)
  if self.scale:get(1) > math.log(100) then self.scale:set(1, math.log(100)) end
  return cosines * self.scale:exp()
end

--- Logits of a network with one hidden layer, of gate_hidden units (tanh).
gates.mlp = module "MLPGate"
function gates.mlp:init(o)
  local hidden = o.gate_hidden or o.dim
  self.w_in = layers.Linear { dim = o.dim, out_dim = hidden, seed = self:seed_of "w_in" }
  self.w_out = layers.Linear {
    dim = hidden, out_dim = o.experts, bias = false, seed = self:seed_of "w_out",
  }
end
function gates.mlp:forward(x) return self.w_out(F.tanh(self.w_in(x))) end

return gates
