--- Which options of a sparse layer would change nothing: because the router decides that
-- by itself, or for want of another option.
-- @module moe.nn.effect

local effect = require "moe.effect"

-- What says nothing, whatever the router.
local neutral = {
  bias_rate = 0.001, bias_update = "fixed", drop_order = "position", expert_dropout = 0,
  gate = "linear", groups = 1, jitter = 0, min_capacity = 1, noise = 0, overflow = "drop",
  renormalize = true, router_init = "random", score = "softmax", slots = 1, temperature = 1,
}

-- What a router does whatever these options say; a value in place of true says what it does.
local settled = {
  noisy_top_k = {
    "weighs by a softmax over the selected", score = "softmax_selected", renormalize = true,
  },
  soft = { "selects all experts", top_k = true },
  hash = {
    "selects by ids alone, with equal weights", gate = true, gate_hidden = true,
    router_init = true, noise = true, jitter = true, score = true, renormalize = true,
    temperature = true, threshold = true, groups = true, top_groups = true,
    bias_update = true, drop_order = "random", overflow = true,
  },
  expert_choice = {
    "lets each expert take its best rows", threshold = true, groups = true, top_groups = true,
    bias_update = true, drop_order = true, overflow = true,
  },
  soft_moe = {
    "selects nothing", noise = true, jitter = true, expert_dropout = true, top_k = true,
    score = true, renormalize = true, temperature = true, threshold = true, groups = true,
    top_groups = true, capacity_factor = true, eval_capacity_factor = true,
    min_capacity = true, drop_order = true, overflow = true, bias_update = true,
    bias_rate = true,
  },
}

local function is_limited(o) return o.capacity_factor or o.eval_capacity_factor end

local limit = "capacity_factor or eval_capacity_factor"

local function runs_own_maps(o) return type(o.experts) ~= "table" or o.shared_experts > 0 end

local maps = "a number of experts, or shared_experts"

-- What an option needs, in words, and whether the options have it.
local needs = {
  slots = { "router 'soft_moe'", function(o) return o.router == "soft_moe" end },
  gate_hidden = {
    "gate 'mlp' or 'cosine'", function(o) return o.gate == "mlp" or o.gate == "cosine" end,
  },
  router_init = { "gate 'linear'", function(o) return o.gate == "linear" end },
  threshold = {
    "a top_k of 2 or more", function(o) return o.router ~= "switch" and o.top_k ~= 1 end,
  },
  groups = { "top_groups", function(o) return o.top_groups end },
  min_capacity = {
    limit .. ", or router 'expert_choice'",
    function(o) return is_limited(o) or o.router == "expert_choice" end,
  },
  drop_order = { limit, is_limited },
  overflow = { limit, is_limited },
  bias_update = { "a threshold or top_groups, where all experts are selected", function(o)
    return o.router ~= "soft" or o.threshold or o.top_groups
  end },
  bias_rate = { "bias_update 'sign', 'magnitude' or 'quantile'", function(o)
    return o.bias_update and o.bias_update ~= "fixed"
  end },
  hidden = { maps, runs_own_maps },
  activation = { maps, runs_own_maps },
  bias = { maps, runs_own_maps },
}

local function reason(o, name, value)
  local router, need = settled[o.router], needs[name]
  local own = router and router[name]
  if own and own ~= value then
    return ("router '%s' %s, so it would change nothing"):format(o.router, router[1])
  end
  if need and not need[2](o) then return ("it would change nothing without %s"):format(need[1]) end
end

--- The first, by name, of the options given that would change nothing.
-- @param given the options that the user gave
-- @param o all options, those of a preset and defaults too
-- @return its name, or nil
-- @return why, as a message
return function(given, o)
  return effect(given, neutral, function(name, value) return reason(o, name, value) end)
end
