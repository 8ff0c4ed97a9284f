--- The sparse mixture-of-experts layer.
-- @module moe.nn.moe

local core = require "moe.core"
local check = require("moe.options").check
local effect = require "moe.nn.effect"
local Estimator = require "moe.nn.estimator"
local gates = require "moe.nn.gates"
local inference = require "moe.nn.inference"
local initial = require "moe.nn.initial"
local measure = require "moe.nn.measure"
local module = require "moe.nn.module"
local no_grad = require "moe.no_grad"
local presets = require "moe.nn.presets"
local routing_of = require "moe.nn.routing"
local text = require "moe.text"
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
  router_init = { "string", default = "random" },
  shared_experts = { "integer", min = 0, default = 0 },
  scale = { "number", default = 1 }, slots = { "integer", min = 1, default = 1 },
  preset = { "string" }, causal = { "boolean", default = false },
  allow_degenerate = { "boolean", default = false }, seed = { "integer", min = 0 },
  top_k = { "integer", min = 1 },
}
for _, name in ipairs(of_route) do known[name] = known[name] or {} end

local by_batch = { expert_choice = true, soft_moe = true, sinkhorn = true }

local function are_modules(list)
  for _, expert in ipairs(list) do
    if type(expert) ~= "function" and not (type(expert) == "table" and getmetatable(expert)) then
      return false
    end
  end
  return #list > 0
end

local function check_experts(o)
  if not o.dim or not o.experts then error("MoE: dim and experts are needed", 4) end
  local n = o.experts
  if type(n) == "table" and are_modules(n) then return end
  if type(n) == "number" and n >= 1 and n == math.floor(n) then return end
  error(("MoE: 'experts' must be an integer, at least 1, or a list of modules, got %s"):format(
    text.value(n)), 4)
end

local function check_noise(noise)
  local named = noise == nil or noise == "learned" or noise == "1/E"
  if named or type(noise) == "number" and noise >= 0 then return end
  error(("MoE: 'noise' must be a number, at least 0, or \"learned\", or \"1/E\", got %s"):format(
    text.value(noise)), 4)
end

local function with_preset(options)
  local preset = options.preset and presets[options.preset]
  if options.preset and not preset then
    error(("MoE: there is no preset '%s'; there are %s"):format(tostring(options.preset),
      table.concat(text.names(presets), ", ")), 4)
  end
  local all = {}
  for name, value in pairs(preset or {}) do all[name] = value end
  for name, value in pairs(options) do all[name] = value end
  return all
end

local weighs_by_gate = {
  top_k = true, noisy_top_k = true, expert_choice = true, sinkhorn = true,
}

local function count_experts(o) return type(o.experts) == "table" and #o.experts or o.experts end

-- Selections of a row: 2 unless given, nil for all.
local function top_k_of(o)
  if o.router == "soft" or o.router == "soft_moe" then return nil end
  if o.router == "switch" then return o.top_k or 1 end
  return o.top_k or math.min(2, count_experts(o))
end

-- By what a row's answer would depend on the others of its batch: a limit is a share of how
-- many there are, and gives what has no room to other rows' first choices.
local function batch_dependence(o)
  if by_batch[o.router] then return ("router '%s'"):format(o.router) end
  for _, name in ipairs { "capacity_factor", "eval_capacity_factor" } do
    if o[name] then return ("%s = %s"):format(name, tostring(o[name])) end
  end
end

-- What would train nothing, or would make a position depend on later ones.
local function check_routing(o)
  local dependence = o.causal and batch_dependence(o)
  if dependence then
    error(("MoE: %s lets a row's answer depend on the others of its batch, later ones too; "
      .. "causal = false allows it"):format(dependence), 4)
  end
  local single = top_k_of(o) == 1 and weighs_by_gate[o.router] and count_experts(o) > 1
  local divides = o.renormalize ~= false or o.score == "softmax_selected"
  if single and (divides or o.router == "noisy_top_k") and not o.allow_degenerate then
    error("MoE: of one expert the renormalised weight is 1 whatever the router says, which gives "
      .. "it no gradient; renormalize = false, or allow_degenerate = true", 4)
  end
end

local function check_effects(given, o)
  local name, why = effect(given, o)
  if name then error("MoE: " .. why, 4) end
end

local function stacked(self, name, inputs, outputs)
  local t = core.zeros(self.n_experts, inputs, outputs)
  return initial.uniform(t, self:seed_of(name)):requires_grad()
end
local function init_experts(self, o)
  local kind = activations[o.activation]
  if not kind then
    error(("MoE: there is no activation '%s'; there are %s"):format(o.activation,
      table.concat(text.names(activations), ", ")), 4)
  end
  if not o.hidden then error("MoE: hidden is needed, or experts that are modules", 4) end
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
  if type(o.gate) == "table" and getmetatable(o.gate) then
    self.gate = o.gate
    return
  end
  if type(o.gate) == "userdata" then
    self.gate = Estimator { model = o.gate }
    return
  end
  local Gate = gates[o.gate]
  if not Gate or o.gate == "init" then
    local named = tostring(o.gate)
    error(("MoE: there is no gate '%s'; linear, cosine, mlp or a module"):format(named), 4)
  end
  self.gate = Gate {
    dim = o.dim, experts = self.n_logits, gate_hidden = o.gate_hidden,
    router_init = o.router_init, seed = self:seed_of "gate",
  }
end

-- The options of every routing of the layer, tried on a row of zeros.
local function init_route(self, o)
  self._route, self._step = { allow_degenerate = o.allow_degenerate }, 0
  for _, name in ipairs(of_route) do self._route[name] = o[name] end
  self._route.top_k = top_k_of(o)
  self._route.router = o.router == "sinkhorn" and "top_k" or o.router
  if o.router == "soft_moe" then return end
  self._route.ids = o.router == "hash" and { 1 } or nil
  local ok, message = pcall(core.route, core.zeros(1, self.n_experts), self._route)
  if not ok then error((message:gsub("^.-route: ", "MoE: ", 1)), 4) end
  self._route.ids = nil
end

--- Options: dim, hidden, out_dim (dim), experts (a number, or a list of modules), top_k
-- (2), activation (relu, gelu, gelu_tanh, silu, tanh, sigmoid, softplus, swiglu, geglu),
-- bias, router (top_k, noisy_top_k, switch, soft, hash, expert_choice, sinkhorn,
-- soft_moe), gate (linear, cosine, mlp with gate_hidden, or a module that gives tokens ×
-- experts logits), router_init, noise (a deviation, or "learned": Shazeer et al. 2017),
-- shared_experts, scale (of the routed answer), slots (of soft_moe, an expert), preset,
-- causal (refuses routers and limits by batch), allow_degenerate, seed, and those of the
-- routing core (moe.route): score, renormalize, temperature, threshold, capacity_factor,
-- eval_capacity_factor, min_capacity, drop_order, overflow, jitter, expert_dropout, groups,
-- top_groups, bias_update (the bias is in the state as `selection_bias`, and moves in
-- training alone), bias_rate (0.001). layer.bias_update and layer.bias_rate may be set
-- between steps, the rate also by a schedule of moe.optim.schedules; 0 holds the bias. An
-- option that would change nothing, as effect.lua has them, is refused.
function MoE:init(options)
  local o = check("MoE", with_preset(options), known, 3)
  check_experts(o)
  check_noise(o.noise)
  check_routing(o)
  check_effects(options, o)
  local modules = type(o.experts) == "table" and o.experts
  self.n_experts = modules and #modules or o.experts
  self.n_logits = o.router == "soft_moe" and self.n_experts * o.slots or self.n_experts
  self.router, self.slots, self.scale, self.dim = o.router, o.slots, o.scale, o.dim
  self.out_dim = o.out_dim or o.dim
  self.noise = o.noise == "1/E" and 1 / self.n_experts or o.noise ~= "learned" and o.noise or nil
  init_route(self, o)
  if modules then self.experts = modules else init_experts(self, o) end
  init_gate(self, o)
  if o.noise == "learned" then
    self.noise_weight = core.zeros(o.dim, self.n_experts):requires_grad()
  end
  if o.bias_update and o.bias_update ~= "fixed" then
    self.selection_bias = core.zeros(self.n_experts)
    self.bias_update, self.bias_rate = o.bias_update, o.bias_rate or 0.001
  end
  if o.shared_experts > 0 then
    if not o.hidden then
      error("MoE: 'hidden' is needed: it times shared_experts is the width of what is shared", 3)
    end
    self.shared = transformer.FeedForward {
      dim = o.dim, hidden = o.shared_experts * o.hidden, out_dim = self.out_dim,
      activation = o.activation, bias = o.bias, seed = self:seed_of "shared",
    }
  end
end

-- ------------------------------------------------------------------ routing

-- A balanced assignment: rows and columns of e^logits scaled in turn to equal sums
-- (Sinkhorn; BASE layers: Lewis et al. 2021, arXiv 2103.16716). As a bias it decides who
-- is selected, scores only between its equals; the weights are those of the logits.
local function balanced(logits)
  local n, experts = logits.shape[1], logits.shape[2]
  local p = F.softmax(logits)
  for _ = 1, 8 do
    p = p / (p:sum(1, true) * (experts / n) + 1e-30)
    p = p / (p:sum(2, true) + 1e-30)
  end
  return p * 1e6
end

local function route_options(self, deviations, ids)
  local o = self._route
  self._step = self._step + 1
  o.training, o.ids, o.bias = self.training, ids, self.selection_bias
  o.bias_update, o.bias_rate = self.bias_update, self.bias_rate
  o.seed = self:seed_of("route" .. self._step)
  o.noise = deviations or self.training and self.noise or nil
  return o
end

local function update_bias(self, routed)
  for e, b in ipairs(routed:next_bias()) do self.selection_bias:set(e, b) end
end

-- A tensor's shape, or the kind of another value, for a message.
local function kind_of(value)
  if core.is_tensor(value) then return table.concat(value.shape, "×") end
  return type(value) == "userdata" and tostring(value):match "^[^\n]*" or "a " .. type(value)
end

local function is_shaped(value, rows, columns)
  local shape = core.is_tensor(value) and value.shape
  return shape and #shape == 2 and shape[1] == rows and shape[2] == columns
end

local function logits_of(self, x)
  local logits, n = self.gate(x), x.shape[1]
  if is_shaped(logits, n, self.n_logits) then return logits end
  error(("MoE: the gate must give %d×%d logits%s, gave %s"):format(n, self.n_logits,
    self.router == "soft_moe" and (", of %d slots an expert"):format(self.slots) or "",
    kind_of(logits)), 0)
end

local function route(self, x, ids)
  local logits = logits_of(self, x)
  local deviations = self.noise_weight and self.training
    and F.softplus(F.linear(x, self.noise_weight)) + 1e-2 or nil
  local o = route_options(self, deviations, ids)
  local plan = self.router == "sinkhorn" and self.training and no_grad(balanced, logits) or nil
  o.bias = plan or o.bias
  local weights, routed = F.route(logits, o)
  o.noise, o.bias, o.ids = nil, nil, nil
  if plan then plan:close() end
  if self.training and self.selection_bias then update_bias(self, routed) end
  measure.add(self, routed)
  local width = self._route.top_k or self.n_experts
  return routing_of(routed, logits, deviations, width), weights
end

-- ------------------------------------------------------------------ experts

local function stacked_experts(self)
  return {
    w_in = self.w_in, w_out = self.w_out, w_gate = self.w_gate, b_in = self.b_in,
    b_out = self.b_out, activation = self.activation,
  }
end

-- What an expert that is a module answers to so many rows.
local function ask(self, e, rows)
  local y, n = self.experts[e](rows), rows.shape[1]
  if is_shaped(y, n, self.out_dim) then return y end
  error(("MoE: expert %d must give %d×%d (out_dim), gave %s"):format(e, n, self.out_dim,
    kind_of(y)), 0)
end

-- Experts that are modules: each works on its rows.
local function run_modules(self, x, weights, routed)
  local n, width = x.shape[1], routed.indices.shape[2]
  local flat, out, first = weights:reshape(n * width, 1), nil, 1
  for e = 1, self.n_experts do
    local last = first + routed.counts:get(e) - 1
    if first <= last then
      local rows, places = routed.rows:rows(first, last), routed.places:rows(first, last)
      local y = ask(self, e, F.embedding(rows, x)) * F.embedding(places, flat)
      local part = F.scatter(y, rows, n)
      out = out and out + part or part
      rows:close()
      places:close()
      first = last + 1
    end
  end
  return out or core.zeros(n, self.out_dim)
end

-- The expert and the weight of each slot, made once.
local function slots_of(self)
  if not self._ids then
    self._ids, self._ones = core.zeros(self.n_logits, 1):int(), core.ones(self.n_logits, 1)
    for i = 1, self.n_logits do self._ids:set(i, 1, math.floor((i - 1) / self.slots) + 1) end
  end
  return self._ones, self._ids
end

local function answer_slots(self, slots)
  if not self.experts then
    local ones, ids = slots_of(self)
    return F.experts(slots, ones, ids, stacked_experts(self))
  end
  local parts = {}
  for e = 1, self.n_experts do
    parts[e] = ask(self, e, F.slice(slots, 1, (e - 1) * self.slots + 1, e * self.slots))
  end
  return F.concat(parts, 1)
end

-- Each slot is a mean of all rows, each row's answer a mean of all slots' (Puigcerver et
-- al. 2023, arXiv 2308.00951).
local function soft(self, x, ids)
  if ids then error("MoE: 'ids' would change nothing without router 'hash'", 0) end
  local logits = logits_of(self, x)
  core._check_logits(logits)
  local dispatch, combine = F.softmax(logits:transpose(1, 2)), F.softmax(logits)
  return F.matmul(combine, answer_slots(self, F.matmul(dispatch, x)))
end

-- The answers to rows of x, all of which count, and the routing.
function MoE:run(x, ids)
  local y, routing
  if self.router == "soft_moe" then
    y = soft(self, x, ids)
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

-- The numbers of the rows that the mask keeps, and their ids.
local function kept_rows(mask, ids, n)
  if core.is_tensor(mask) then mask = mask:reshape(-1):totable() end
  if type(mask) ~= "table" or #mask ~= n then
    local has = type(mask) == "table" and "has " .. #mask or "is a " .. type(mask)
    error(("MoE: 'mask' must say of each of %d rows whether it counts, %s"):format(n, has), 4)
  end
  local rows, own = {}, ids and {}
  for i = 1, n do
    if mask[i] and mask[i] ~= 0 then
      rows[#rows + 1] = i
      if ids then own[#rows] = ids[i] end
    end
  end
  local kept = core.zeros(#rows):int()
  for i, row in ipairs(rows) do kept:set(i, row) end
  return kept, own
end

local function check_input(self, x)
  local shape = core.is_tensor(x) and x.shape or {}
  if shape[#shape] == self.dim then return shape end
  error(("MoE: a tensor with rows of %d numbers expected, got %s"):format(self.dim, kind_of(x)), 3)
end

local function list_of(ids, level)
  if core.is_tensor(ids) then return ids:reshape(-1):totable() end
  if ids == nil or type(ids) == "table" then return ids end
  error(("MoE: 'ids' must be an array or a tensor of a number a row, got a %s"):format(type(ids)),
    level)
end

-- The mask, and the ids of all rows as an array.
local function check_options(options)
  local o = check("MoE", options, { mask = {}, ids = {} }, 5)
  return o.mask, list_of(o.ids, 5)
end

--- The answers to the rows of x, and the routing (nil of soft_moe).
-- @param x tokens × dim, or more dimensions before the last
-- @param[opt] options { mask: of each row true, or false of padding, which no expert
-- sees, which no figure counts, and whose answer is 0; ids: of each row, for the hash
-- router alone }
function MoE:forward(x, options)
  local shape, n = check_input(self, x), 1
  for d = 1, #shape - 1 do n = n * shape[d] end
  local rows = #shape == 2 and x or x:reshape(n, shape[#shape])
  local mask, ids, kept
  if options ~= nil then mask, ids = check_options(options) end
  if mask then kept, ids = kept_rows(mask, ids, n) end
  local y, routing = self:run(kept and F.embedding(kept, rows) or rows, ids)
  if kept then
    y = F.scatter(y, kept, n)
    kept:close()
  end
  if #shape ~= 2 then
    shape[#shape] = self.out_dim
    y = y:reshape(shape)
  end
  return y, routing
end

--- The layer's running figures since it was made, or since reset_stats: tokens, batches,
-- load, importance (shares), maxvio (of all tokens), maxvio_batch (mean of the batches),
-- entropy (of the load, in units of ln E), dropped (share), dead (numbers of experts),
-- confidence, logit_max, bias, gate_gradient (the norm now). Of soft_moe, which selects
-- nothing, only the last.
function MoE:stats() return measure.read(self) end

--- Begins the figures anew.
function MoE:reset_stats()
  self._sums = nil
  return self
end

-- One token as a tensor of the shape.
local function one_row(x, ...)
  if core.is_tensor(x) then return x:reshape(...) end
  if type(x) == "table" then return core.tensor(x):reshape(...) end
  error(("forward_one: an array or tensor expected, got a %s"):format(type(x)), 3)
end

--- The answer to one token, an array or tensor of dim numbers: a tensor of out_dim. In
-- evaluation it is the engine that answers, wherever the layer is made of its parts:
-- nothing is recorded, and no figure counts the token.
-- @param x the token
-- @param[opt] options { ids: { its id }, for the hash router }
function MoE:forward_one(x, options)
  local o = check("forward_one", options, { ids = {} })
  local layer = not self.training and inference.layer_of(self)
  if not layer then return (self:forward(one_row(x, 1, -1), o)):reshape(-1) end
  return no_grad(layer.answer, layer, one_row(x, -1), list_of(o.ids, 3))
end

inference.extend(MoE)

return MoE
