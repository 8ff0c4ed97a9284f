-- Every option of a sparse layer does something.
local moe = require "moe"

local draw = require("spec.support.golden").draw

local function layer_of(options)
  local all = { dim = 4, hidden = 6, experts = 4, seed = 3 }
  for name, value in pairs(options) do all[name] = value end
  return moe.nn.MoE(all)
end

-- Twelve rows, and the ids that a layer of this router needs with them.
local twelve = draw({ 12, 4 }, 21)
local function besides(router)
  return router == "hash" and { ids = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } } or nil
end

describe("every option of nn.MoE", function()
  local function answer(options)
    local layer, ids = layer_of(options), besides(options.router)
    for _ = 1, 3 do layer(twelve, ids) end
    local state = {}
    for name in pairs(layer:state_dict()) do state[#state + 1] = name end
    table.sort(state)
    local y = layer(twelve, ids)
    local eval = layer:eval()(twelve, ids)
    return table.concat(state, " ") .. table.concat(y:reshape(-1):totable(), " ")
      .. table.concat(eval:reshape(-1):totable(), " ")
  end

  local base = { top_k = 2 }
  local crowded = { top_k = 2, capacity_factor = 0.6 }
  local biased = { top_k = 2, bias_update = "sign", bias_rate = 0.1 }
  local cases = {
    dim = false, causal = false, allow_degenerate = false, -- shapes; refusals: above
    hidden = { base, 5 }, out_dim = { base, 3 }, experts = { base, 3 }, top_k = { base, 3 },
    activation = { base, "gelu" }, bias = { base, false }, router = { {},
      "soft" }, gate = { base, "mlp" },
    gate_hidden = { { top_k = 2, gate = "mlp" }, 3 }, router_init = { base, "orthogonal" },
    noise = { base, 2 }, shared_experts = { base, 1 }, scale = { base, 2 },
    slots = { { router = "soft_moe" }, 2 }, preset = { { top_k = 2 }, "mixtral" }, seed = { base,
      9 },
    score = { base, "sigmoid" }, renormalize = { base, false }, temperature = { base, 3 },
    threshold = { { top_k = 3 }, 0.4 }, capacity_factor = { base,
      0.6 }, eval_capacity_factor = { base, 0.6 },
    min_capacity = { crowded, 5 }, drop_order = { crowded, "score" }, overflow = { crowded,
      "next_best" },
    jitter = { { top_k = 2 }, 0.5 }, expert_dropout = { base, 0.5 },
    groups = { { top_k = 2, top_groups = 1, groups = 1 }, 2 },
    top_groups = { { top_k = 2, groups = 2, top_groups = 2 }, 1 },
    bias_update = { base, "quantile" },
    bias_rate = { biased, 0.5 },
  }

  it("is here", function()
    local source = assert(io.open "lua/moe/nn/moe.lua"):read "*a"
    local known = source:match "local known = {(.-)\n}"
    known = known:gsub("default = ", ""):gsub("m[axin]+ = ", "")
    for name in known:gmatch "([%a_]+) = " do assert.is_true(cases[name] ~= nil, name) end
    local passed_on = source:match "local of_route = {(.-)}"
    for name in passed_on:gmatch '"([%a_]+)"' do assert.is_true(cases[name] ~= nil, name) end
  end)

  for name, case in pairs(cases) do
    if case then
      it(name .. " changes a result", function()
        local with = { [name] = case[2] }
        for key, value in pairs(case[1]) do
          if with[key] == nil then with[key] = value end
        end
        assert.are_not.equal(answer(case[1]), answer(with))
      end)
    end
  end
end)

describe("with every router, every option of nn.MoE", function()
  -- Answers and gradients, in training and after it; or why there is no such layer.
  local function figures(options)
    local made, layer = pcall(layer_of, options)
    if not made then return nil, layer end
    local out = {}
    local function add(t)
      for _, value in ipairs(t and t:reshape(-1):totable() or {}) do out[#out + 1] = value end
    end
    for _ = 1, 3 do
      local y = layer(twelve, besides(options.router))
      add(y);
      (y * y):sum():backward()
      for _, t in ipairs(layer:parameters()) do add(t.grad) end
    end
    add((layer:eval()(twelve, besides(options.router))))
    return table.concat(out, " ")
  end

  local tight = { capacity_factor = 0.5 }
  -- A value; what there is besides, with and without it; what comes with it.
  local settings = {
    top_k = { 3 }, renormalize = { false }, temperature = { 3 }, threshold = { 0.2 },
    capacity_factor = { 0.5 }, eval_capacity_factor = { 0.5 }, min_capacity = { 8, tight },
    drop_order = { "score", tight }, overflow = { "next_best", tight }, jitter = { 0.5 },
    expert_dropout = { 0.5 }, groups = { 2, {}, { top_groups = 1 } }, noise = { 2 },
    bias_update = { "sign", { threshold = 0.2 }, { bias_rate = 1 } }, bias_rate = { 0.5 },
    gate = { "mlp" }, gate_hidden = { 3 }, router_init = { "orthogonal" }, slots = { 2 },
    score = { "sqrt_softplus" },
  }
  local routers = {
    "top_k", "noisy_top_k", "switch", "soft", "hash", "expert_choice", "sinkhorn", "soft_moe",
  }

  for _, router in ipairs(routers) do
    it("changes a result, or is refused: " .. router, function()
      for name, case in pairs(settings) do
        local with = { router = router, score = router == "soft" and "sigmoid" or nil }
        for key, value in pairs(case[2] or {}) do with[key] = value end
        local before = figures(with)
        with[name] = case[1]
        for key, value in pairs(case[3] or {}) do with[key] = value end
        local after, message = figures(with)
        local same = router == "switch" and name == "renormalize" -- which says what it does
        assert.is_true(not after or (before == after) == same, name)
        assert.truthy(after or case[2] or message:find("'" .. name .. "' is ", 1, true), message)
      end
    end)
  end
end)

describe("nn.MoE says what is wrong, and what is allowed", function()
  local nn = moe.nn
  local function refused(text, ...)
    local ok, message = pcall(...)
    assert.is_false(ok)
    assert.truthy(message:find(text, 1, true), message)
  end

  it("with its options", function()
    local linear = nn.Linear { dim = 4, out_dim = 4 }
    refused("at least 1, or a list of modules, got {1, 2}", layer_of, { experts = { 1, 2 } })
    refused("or a list of modules, got 0", layer_of, { experts = 0 })
    refused("or a list of modules, got {", layer_of, { experts = { linear, 3 } })
    refused("there is no activation 'swish'; there are geglu, gelu", layer_of,
      { activation = "swish" })
    refused("there is no preset 'gpt'; there are deepseek_v3, mixtral", layer_of,
      { preset = "gpt" })
    refused("there is no router_init 'ones'; there are random", layer_of, { router_init = "ones" })
    refused("or \"learned\", or \"1/E\", got -1", layer_of, { noise = -1 })
    refused("there is no gate", layer_of, { gate = {} })
    refused("'dim' must be an integer, at least 1, got '4'", layer_of, { dim = "4" })
    refused("'scale' must be a number, got", layer_of, { scale = 0 / 0 })
  end)

  it("with what it is given to answer", function()
    local layer, x = layer_of {}, draw({ 3, 4 }, 1)
    refused("a tensor with rows of 4 numbers expected, got a nil", layer)
    refused("a tensor with rows of 4 numbers expected, got a table", layer, { 1, 2, 3, 4 })
    refused("a tensor with rows of 4 numbers expected, got 3×5", layer, draw({ 3, 5 }, 1))
    local closed = moe.ones(2, 4)
    closed:close()
    refused("a tensor with rows of 4 numbers expected, got closed tensor", layer, closed)
    refused("route: row 2 has logits that are not finite", layer,
      moe.tensor { { 1, 2, 3, 4 }, { 0 / 0, 1, 2, 3 } })
    local function nine() return moe.ones(1, 9) end
    refused("the gate must give 3×4 logits, gave 1×9",
      layer_of { gate = nn.Sequential { nine } }, x)
    refused("the gate must give 3×4 logits, gave a nil",
      layer_of { gate = nn.Sequential { function() return nil end } }, x)
    refused("must give 3×4 (out_dim), gave 1×9",
      layer_of { experts = { nine }, hidden = false, top_k = 1 }, x)
    refused("a table of options expected, got a number", layer, x, 3)
    refused("unknown option 'maks'; did you mean 'mask'?", layer, x, { maks = {} })
    refused("of 3 rows whether it counts, is a number", layer, x, { mask = 3 })
    refused("of 3 rows whether it counts, has 2", layer, x, { mask = moe.ones(2) })
    refused("forward_one: an array or tensor expected, got a string", layer.forward_one, layer, "1")
  end)

  it("without what it would change", function()
    local linear = nn.Linear { dim = 4, out_dim = 4 }
    refused("MoE: 'slots' is 2, but it would change nothing without router 'soft_moe'", layer_of,
      { slots = 2 })
    refused("'bias_rate' is 0.1, but it would change nothing without bias_update 'sign', "
      .. "'magnitude' or 'quantile'", layer_of, { bias_rate = 0.1 })
    refused("'router_init' is 'zero', but it would change nothing without gate 'linear'", layer_of,
      { gate = "mlp", router_init = "zero" })
    refused("'jitter' is 0.1, but router 'hash' selects by ids alone", layer_of,
      { router = "hash", jitter = 0.1 })
    refused("'hidden' is 6, but it would change nothing without a number of experts, or "
      .. "shared_experts", layer_of, { experts = { linear, linear } })
    refused("'hidden' is needed: it times shared_experts", layer_of,
      { experts = { linear, linear }, hidden = false, shared_experts = 1 })
  end)

  it("and not where a value is what it would be anyway, or a preset's", function()
    layer_of { slots = 1, bias_rate = 0.001, overflow = "drop", gate_hidden = false }
    layer_of { router = "noisy_top_k", score = "softmax_selected" }
    layer_of { preset = "switch", experts = 4, router = "soft_moe" }
  end)

  it("with rows or ids that its router has no use for", function()
    local rows, ids = draw({ 3, 4 }, 1), { ids = { 5, 6, 7 } }
    local needless = "'ids' would change nothing without router 'hash'"
    for _, router in ipairs { "top_k", "expert_choice", "sinkhorn", "soft_moe" } do
      local layer = layer_of { router = router }
      refused(needless, layer, rows, ids)
      refused("route: row 2 has logits that are not finite", layer,
        moe.tensor { { 1, 2, 3, 4 }, { 0 / 0, 1, 2, 3 } })
      layer:eval()
      refused(needless, layer.forward_one, layer, rows[1], { ids = { 5 } })
      layer(rows, { mask = { true, false, true } })
    end
    local half = layer_of { router = "top_k" }:half()
    refused(needless, half, rows, ids)
    refused(needless, moe.route, rows, ids)
  end)

  it("and takes the ids of rows as a tensor, and of one token", function()
    local layer, rows = layer_of { router = "hash" }:eval(), draw({ 3, 4 }, 1)
    local y = layer(rows, { ids = { 5, 6, 7 } })
    assert.same(y:totable(), layer(rows, { ids = moe.tensor { 5, 6, 7 }:int() }):totable())
    local one = layer:forward_one(rows[2], { ids = { 6 } }):totable()
    for j, value in ipairs(y[2]:totable()) do assert.near(value, one[j], 1e-6) end
    local half, number = layer:half(), moe.tensor({ 6 }):int()
    assert.same(half(rows, { ids = { 5, 6, 7 } })[2]:totable(),
      half:forward_one(rows[2]:totable(), { ids = number }):totable())
    for _, either in ipairs { layer, half } do
      refused("router 'hash' needs 'ids'", either.forward_one, either, rows[2])
      refused("'ids' must be an array of 1 numbers", either.forward_one, either, rows[2],
        { ids = { 1, 2 } })
      refused("'ids' must be an array or a tensor of a number a row, got a number",
        either.forward_one, either, rows[2], { ids = 6 })
      refused("unknown option 'mask'", either.forward_one, either, rows[2], { mask = { true } })
    end
  end)

  it("and lets the rate of its bias change", function()
    local x = draw({ 12, 4 }, 5)
    local function moved(rate)
      local layer = layer_of { top_k = 1, renormalize = false, bias_update = "sign" }
      layer.bias_rate = rate
      layer(x)
      return layer.selection_bias:abs():max()
    end
    assert.near(10, moved(0.1) / moved(0.01), 1e-3)
    refused("'bias_rate' must be a number in [0, 1]; got 2", moved, 2)
  end)
end)
