-- Every option of a sparse layer does something.
local moe = require "moe"

local draw = require("spec.support.golden").draw

local function layer_of(options)
  local all = { dim = 4, hidden = 6, experts = 4, seed = 3 }
  for name, value in pairs(options) do all[name] = value end
  return moe.nn.MoE(all)
end

describe("every option of nn.MoE", function()
  local x, ids = draw({ 12, 4 }, 21), {}
  for i = 1, 12 do ids[i] = i end

  local function answer(options)
    local layer = layer_of(options)
    for _ = 1, 3 do layer(x, { ids = ids }) end
    local state = {}
    for name in pairs(layer:state_dict()) do state[#state + 1] = name end
    table.sort(state)
    local y = layer(x, { ids = ids })
    local eval = layer:eval()(x, { ids = ids })
    return table.concat(state, " ") .. table.concat(y:reshape(-1):totable(), " ")
      .. table.concat(eval:reshape(-1):totable(), " ")
  end

  local base = { top_k = 2 }
  local crowded = { top_k = 2, capacity_factor = 0.6 }
  local biased = { top_k = 2, bias_update = "sign", bias_rate = 0.1 }
  local cases = {
    dim = false, causal = false, allow_degenerate = false, -- shapes; refusals: above
    hidden = { base, 5 }, out_dim = { base, 3 }, experts = { base, 3 }, top_k = { base, 3 },
    activation = { base, "gelu" }, bias = { base, false }, router = { base,
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
    top_groups = { { top_k = 2, groups = 2 }, 1 }, bias_update = { base, "quantile" },
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
