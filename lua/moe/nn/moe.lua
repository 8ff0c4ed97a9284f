--- The sparse mixture-of-experts layer.
-- @module moe.nn.moe

local core = require "moe.core"
local check = require("moe.options").check
local gates = require "moe.nn.gates"
local initial = require "moe.nn.initial"
local module = require "moe.nn.module"
local presets = require "moe.nn.presets"
local routing_of = require "moe.nn.routing"
local transformer = require "moe.nn.transformer"

local F = core.F
local MoE = module "MoE"

local activations = {
  relu = { "relu" }, gelu = { "gelu" }, gelu_tanh = { "gelu_tanh" }, silu = { "silu" },
  tanh = { "tanh" }, sigmoid = { "sigmoid" }, softplus = { "softplus" },
  swiglu = { "silu", true }, geglu = { "gelu", true },
}

-- Options that the routing core takes as they are.
local of_route = {
  "top_k", "score", "renormalize", "temperature", "threshold", "capacity_factor",
  "eval_capacity_factor", "min_capacity", "drop_order", "overflow", "jitter", "expert_dropout",
  "groups", "top_groups", "bias_update", "bias_rate",
}

local known = {
  dim = { "integer", min = 1 }, hidden = { "integer", min = 1 }, out_dim = { "integer", min = 1 },
  experts = {}, activation = { "string", default = "relu" }, bias = { "boolean" },
  router = {
    { "top_k", "noisy_top_k", "switch", "soft", "hash", "expert_choice", "sinkhorn", "soft_moe" },
    default = "top_k",
  },
  gate = { default = "linear" }, gate_hidden = { "integer", min = 1 }, noise = {},
  router_init = { "string", default = "random" }, shared_experts = { "integer", min = 0, default = 0 },
  scale = { "number", default = 1 }, slots = { "integer", min = 1, default = 1 },
  preset = { "string" }, causal = { "boolean", default = false },
  allow_degenerate = { "boolean", default = false }, seed = { "integer", min = 0 },
  top_k = { "integer", min = 1 },
}
for _, name in ipairs(of_route) do known[name] = known[name] or {} end

local by_batch = { expert_choice = true, soft_moe = true, sinkhorn = true }

local function with_preset(options)
  local preset = options.preset and presets[options.preset]
  if options.preset and not preset then
    error(("MoE: there is no preset '%s'"):format(tostring(options.preset)), 5)
  end
  local all = {}
  for name, value in pairs(preset or {}) do all[name] = value end
  for name, value in pairs(options) do all[name] = value end
  return all
end

-- What would train nothing, or would make a position depend on later ones.
local function check_routing(o)
  if by_batch[o.router] and o.causal then
    error(("MoE: router '%s' lets a row's answer depend on the others of its batch, later ones "
      .. "too; causal = false allows it"):format(o.router), 5)
  end
  local single = o.top_k == 1 and o.router ~= "switch" and o.router ~= "soft"
  local divides = o.renormalize ~= false or o.score == "softmax_selected"
  if single and (divides or o.router == "noisy_top_k") and not o.allow_degenerate then
    error("MoE: of one expert the renormalised weight is 1 whatever the router says, which gives "
      .. "it no gradient; renormalize = false, or allow_degenerate = true", 5)
  end
end

local function stacked(self, name, inputs, outputs)
  local t = core.zeros(self.n_experts, inputs, outputs)
  return initial.uniform(t, self:seed_of(name)):requires_grad()
end
local function init_experts(self, o)
  local kind = activations[o.activation]
  if not kind then error(("MoE: there is no activation '%s'"):format(o.activation), 5) end
  if not o.hidden then error("MoE: hidden is needed, or experts that are modules", 5) end
  local n, dim, hidden, out = self.n_experts, o.dim, o.hidden, o.out_dim or o.dim
  local bias = o.bias == nil and not kind[2] or o.bias
  self.activation = kind[1]
  self.w_in = stacked(self, "w_in", dim, hidden)
  if kind[2] then self.w_gate = stacked(self, "w_gate", dim, hidden) end
  self.w_out = stacked(self, "w_out", hidden, out)
  if bias then
    self.b_in = core.zeros(n, hidden):requires_grad()
    self.b_out = core.zeros(n, out):requires_grad()
  end
end

local function init_gate(self, o)
  if type(o.gate) == "table" then
    self.gate = o.gate
    return
  end
  local Gate = gates[o.gate]
  if not Gate or o.gate == "init" then
    error(("MoE: there is no gate '%s'; linear, cosine, mlp or a module"):format(tostring(o.gate)), 5)
  end
  self.gate = Gate {
    dim = o.dim, experts = self.n_logits, gate_hidden = o.gate_hidden,
    router_init = o.router_init, seed = self:seed_of "gate",
  }
  if o.noise == "learned" then
    self.noise_weight = core.zeros(o.dim, self.n_experts):requires_grad()
  end
end

--- Options: dim, hidden, out_dim (dim), experts (a number, or a list of modules), top_k,
-- activation (relu, gelu, gelu_tanh, silu, tanh, swiglu, geglu), bias, router (top_k,
-- noisy_top_k, switch, soft, hash, expert_choice, sinkhorn, soft_moe), gate (linear,
-- cosine, mlp with gate_hidden, or a module that gives tokens × experts logits),
-- router_init, noise (a deviation, or "learned": Shazeer et al. 2017), shared_experts,
-- scale (of the routed answer), slots (of soft_moe, an expert), preset, causal (refuses
-- routers by batch), allow_degenerate, seed, and those of the routing core (moe.route):
-- score, renormalize, temperature, threshold, capacity_factor, eval_capacity_factor,
-- min_capacity, drop_order, overflow, jitter, expert_dropout, groups, top_groups,
-- bias_update, bias_rate.
function MoE:init(options)
  local o = check("MoE", with_preset(options), known, 4)
  local modules = type(o.experts) == "table" and o.experts
  if not o.dim or not o.experts then error("MoE: dim and experts are needed", 4) end
  check_routing(o)
  self.n_experts = modules and #modules or o.experts
  self.n_logits = o.router == "soft_moe" and self.n_experts * o.slots or self.n_experts
  self.router, self.slots, self.scale, self.dim = o.router, o.slots, o.scale, o.dim
  self.out_dim = o.out_dim or o.dim
  self.noise = o.noise == "1/E" and 1 / self.n_experts or o.noise ~= "learned" and o.noise or nil
  self._route, self._step = {}, 0
  for _, name in ipairs(of_route) do self._route[name] = o[name] end
  if o.router ~= "soft" and not o.top_k then self._route.top_k = o.router == "switch" and 1 or 2 end
  if o.router == "soft" then self._route.top_k = nil end
  if modules then self.experts = modules else init_experts(self, o) end
  init_gate(self, o)
  if o.bias_update then self._bias = {} for e = 1, self.n_experts do self._bias[e] = 0 end end
  if o.shared_experts > 0 then
    self.shared = transformer.FeedForward {
      dim = o.dim, hidden = o.shared_experts * o.hidden, out_dim = self.out_dim,
      activation = o.activation, bias = o.bias, seed = self:seed_of "shared",
    }
  end
end

-- ------------------------------------------------------------------ routing

-- The scores of a balanced assignment: rows and columns of e^logits scaled in turn to
-- equal sums (Sinkhorn; BASE layers: Lewis et al. 2021, arXiv 2103.16716).
local function sinkhorn(logits)
  local n, experts = logits.shape[1], logits.shape[2]
  local p = F.softmax(logits:detach())
  for _ = 1, 8 do
    p = p / (p:sum(1, true) * (experts / n) + 1e-30)
    p = p / (p:sum(2, true) + 1e-30)
  end
  return (p + 1e-30):log()
end

local function route_options(self, deviations, ids)
  self._step = self._step + 1
  local o = {
    training = self.training, seed = self:seed_of("route" .. self._step), bias = self._bias,
    noise = deviations or self.training and self.noise or nil, ids = ids,
    router = self.router == "sinkhorn" and "top_k" or self.router,
  }
  for name, value in pairs(self._route) do o[name] = value end
  return o
end

-- The weights as part of the logits' graph.
local function weigh(routed, logits, deviations)
  local function backward(g)
    local by_logits, by_noise = routed:backward { weights = g }
    return by_logits, deviations and by_noise or nil
  end
  if deviations then return F.operation(backward, routed.weights, logits, deviations) end
  return F.operation(backward, routed.weights, logits)
end

local function route(self, x, ids)
  local logits = self.gate(x)
  local deviations = self.noise_weight and self.training
    and F.softplus(F.linear(x, self.noise_weight)) + 1e-2 or nil
  local compared = self.router == "sinkhorn" and self.training and sinkhorn(logits) or logits
  local routed = core.route(compared:detach(), route_options(self, deviations and deviations:detach(), ids))
  if self.training and self._bias then self._bias = routed:next_bias() end
  local weights = weigh(routed, logits, deviations)
  return routing_of(routed, logits, deviations, routed.indices.shape[2]), weights
end

-- ------------------------------------------------------------------ experts

local function stacked_experts(self)
  return {
    w_in = self.w_in, w_out = self.w_out, w_gate = self.w_gate, b_in = self.b_in,
    b_out = self.b_out, activation = self.activation,
  }
end

-- Experts that are modules: each works on its rows.
local function run_modules(self, x, weights, routed)
  local n, width = x.shape[1], routed.indices.shape[2]
  local flat, out, first = weights:reshape(n * width, 1), nil, 1
  for e = 1, self.n_experts do
    local count = routed.counts:get(e)
    if count > 0 then
      local rows, choices = routed.rows:rows(first, first + count - 1), routed.choices:rows(first, first + count - 1)
      local places = core.zeros(count):int()
      for i = 1, count do places:set(i, (rows:get(i) - 1) * width + choices:get(i)) end
      local y = self.experts[e](F.embedding(rows, x)) * F.embedding(places, flat)
      local part = F.scatter(y, rows, n)
      out = out and out + part or part
      first = first + count
    end
  end
  return out or core.zeros(n, self.out_dim)
end

-- Each slot is a mean of all rows, each row's answer a mean of all slots' (Puigcerver et
-- al. 2023, arXiv 2308.00951).
local function soft(self, x)
  local logits = self.gate(x)
  local dispatch, combine = F.softmax(logits:transpose(1, 2)), F.softmax(logits)
  local slots = F.matmul(dispatch, x)
  local n = self.n_logits
  local ids = core.zeros(n, 1):int()
  for i = 1, n do ids:set(i, 1, math.floor((i - 1) / self.slots) + 1) end
  local y = F.experts(slots, core.ones(n, 1), ids, stacked_experts(self))
  return F.matmul(combine, y)
end

local function run(self, x, ids)
  local y, routing
  if self.router == "soft_moe" then
    y = soft(self, x)
  else
    local weights
    routing, weights = route(self, x, ids)
    y = self.experts and run_modules(self, x, weights, routing.routed)
      or F.experts(x, weights, routing.indices, stacked_experts(self))
  end
  if self.scale ~= 1 then y = y * self.scale end
  if self.shared then y = y + self.shared(x) end
  return y, routing
end

-- The numbers of the rows that the mask keeps.
local function kept_rows(mask, n)
  local rows = {}
  for i = 1, n do
    local keep = mask[i]
    if keep == true or type(keep) == "number" and keep ~= 0 then rows[#rows + 1] = i end
  end
  return core.tensor(rows):int()
end

--- The answers to the rows of x, and the routing (nil of soft_moe).
-- @param x tokens × dim, or more dimensions before the last
-- @param[opt] options { mask: of each row true, or false of padding, which no expert
-- sees, which no figure counts, and whose answer is 0; ids: of each row, for the hash
-- router }
function MoE:forward(x, options)
  local shape, n = x.shape, 1
  for d = 1, #shape - 1 do n = n * shape[d] end
  local rows = #shape == 2 and x or x:reshape(n, shape[#shape])
  local kept = options and options.mask and kept_rows(options.mask, n)
  local y, routing = run(self, kept and F.embedding(kept, rows) or rows, options and options.ids)
  if kept then y = F.scatter(y, kept, n) end
  if #shape ~= 2 then
    shape[#shape] = self.out_dim
    y = y:reshape(shape)
  end
  return y, routing
end

--- The answer to one token, an array or tensor of dim numbers: a tensor of out_dim.
function MoE:forward_one(x)
  local row = core.is_tensor(x) and x:reshape(1, -1) or core.tensor { x }
  return (self:forward(row)):reshape(-1)
end

return MoE
