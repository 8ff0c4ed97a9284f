--- Running figures of a sparse layer: of this layer alone, for opposite imbalances of two
-- layers would cancel in common sums.
-- @module moe.nn.measure

local core = require "moe.core"

local measure = {}

local function zeros(n)
  local list = {}
  for e = 1, n do list[e] = 0 end
  return list
end

local function new_sums(experts)
  return {
    batches = 0, tokens = 0, dropped = 0, maxvio = 0, confidence = 0, logit_max = 0,
    importance = zeros(experts),
  }
end

local function sum(list)
  local total = 0
  for _, x in ipairs(list) do total = total + x end
  return total
end

--- Counts a routing in.
function measure.add(layer, routed)
  local s = layer._sums or new_sums(layer.n_experts)
  layer._sums = s
  s.last = routed:stats(s.last, s.last)
  local last, rows = s.last, s.last.rows
  if rows == 0 then return end
  s.batches, s.tokens = s.batches + 1, s.tokens + rows
  s.dropped = s.dropped + routed.dropped
  s.maxvio = s.maxvio + last.maxvio
  s.confidence = s.confidence + last.confidence * rows
  s.logit_max = math.max(s.logit_max, last.logit_max)
  for e, share in ipairs(last.importance) do s.importance[e] = s.importance[e] + share * rows end
end

local function shares(list)
  local total, out = sum(list), {}
  for e, x in ipairs(list) do out[e] = total > 0 and x / total or 0 end
  return out
end

local function entropy(load)
  local h = 0
  for _, p in ipairs(load) do
    if p > 0 then h = h - p * math.log(p) end
  end
  return #load > 1 and h / math.log(#load) or 0
end

local function dead(load)
  local list = {}
  for e, share in ipairs(load) do
    if share == 0 then list[#list + 1] = e end
  end
  return list
end

local function gate_gradient(layer)
  local gate = layer.gate
  local parameters = type(gate) == "table" and gate.parameters and gate:parameters() or {}
  return #parameters > 0 and core.clip(parameters, math.huge) or 0
end

--- The figures.
function measure.read(layer)
  local s = layer._sums or new_sums(layer.n_experts)
  local total = s.last and s.last.total or zeros(layer.n_experts)
  local load, selections = shares(total), sum(total)
  local tokens, batches = math.max(1, s.tokens), math.max(1, s.batches)
  return {
    tokens = s.tokens, batches = s.batches, load = load, importance = shares(s.importance),
    maxvio = s.last and s.last.maxvio_running or 0, maxvio_batch = s.maxvio / batches,
    entropy = entropy(load), dropped = selections > 0 and s.dropped / selections or 0,
    dead = s.tokens > 0 and dead(load) or {}, confidence = s.confidence / tokens,
    logit_max = s.logit_max, gate_gradient = gate_gradient(layer),
    bias = layer.selection_bias and layer.selection_bias:totable() or nil,
  }
end

return measure
