-- The sparse layer against numbers made with PyTorch's autograd by an implementation
-- that answers every row with every expert (bench/golden/layer.py).
local golden = require "spec.fixtures.layer_golden"
local moe = require "moe"
local support = require "spec.support.golden"

local draw, same = support.draw, support.same

local function describe_options(options)
  local parts = {}
  for name, value in pairs(options) do
    if name ~= "router" then parts[#parts + 1] = name .. " " .. tostring(value) end
  end
  table.sort(parts)
  return options.router .. (#parts > 0 and ": " or "") .. table.concat(parts, ", ")
end

-- Columns 2, 4, … are the same as those before them.
local function tie(t)
  for i = 1, t.shape[1] do
    for j = 2, t.shape[2], 2 do t:set(i, j, t:get(i, j - 1)) end
  end
end

local function new_layer(case)
  local n, dim, hidden, experts = (table.unpack or unpack)(case.shape)
  local options = { dim = dim, hidden = hidden, experts = experts }
  for name, value in pairs(case.options) do options[name] = value end
  options.tied, options.mask, options.allow_degenerate = nil, nil, options.top_k == 1 or nil
  local layer = moe.nn.MoE(options)
  local gate, shared = layer.gate, layer.shared
  local state = {
    ["gate.weight"] = gate.weight and 1.5 * draw(gate.weight.shape, 2),
    ["gate.project.weight"] = gate.project and draw(gate.project.weight.shape, 21),
    ["gate.experts"] = gate.experts and draw(gate.experts.shape, 22),
    ["gate.scale"] = gate.scale and draw({ 1 }, 23) + 1,
    ["gate.w_in.weight"] = gate.w_in and draw(gate.w_in.weight.shape, 21),
    ["gate.w_in.bias"] = gate.w_in and draw(gate.w_in.bias.shape, 22),
    ["gate.w_out.weight"] = gate.w_out and 2 * draw(gate.w_out.weight.shape, 23),
    ["shared.w_in.weight"] = shared and draw(shared.w_in.weight.shape, 24),
    ["shared.w_out.weight"] = shared and draw(shared.w_out.weight.shape, 25),
    ["shared.w_in.bias"] = shared and draw(shared.w_in.bias.shape, 26),
    ["shared.w_out.bias"] = shared and draw(shared.w_out.bias.shape, 27),
    w_in = draw(layer.w_in.shape, 3),
    w_out = draw(layer.w_out.shape, 4), w_gate = layer.w_gate and draw(layer.w_gate.shape, 5),
    b_in = layer.b_in and 0.5 * draw(layer.b_in.shape, 6),
    b_out = layer.b_out and 0.5 * draw(layer.b_out.shape, 7),
    noise_weight = layer.noise_weight and draw(layer.noise_weight.shape, 9),
    selection_bias = layer.selection_bias and 0.3 * draw(layer.selection_bias.shape, 10),
  }
  if case.options.tied then tie(state["gate.weight"]) end
  layer:load_state_dict(state)
  local x, with = draw({ n, dim }, 1):requires_grad(), {}
  with.mask = case.options.mask and {} or nil
  with.ids = layer.router == "hash" and {} or nil
  for i = 1, n do
    if with.ids then with.ids[i] = 3 * i + 1 end
    if with.mask then with.mask[i] = i % 3 ~= 0 end
  end
  return layer, x, with
end

-- The script's names of what is in another's state.
local named = {
  gate = "gate.weight", project = "gate.project.weight", rows = "gate.experts",
  scale = "gate.scale", gate_in = "gate.w_in.weight", gate_bias = "gate.w_in.bias",
  gate_out = "gate.w_out.weight", shared_in = "shared.w_in.weight", shared_b = "shared.w_in.bias",
  shared_out = "shared.w_out.weight", shared_c = "shared.w_out.bias",
}

local function check_gradients(expected, layer, x, what)
  local state = layer:state_dict()
  for of, values in pairs(expected) do
    if type(of) == "string" then
      local t = of == "x" and x or assert(state[named[of] or of], of)
      same(values, t.grad, what .. " by " .. of)
    end
  end
end

describe("nn.MoE equals PyTorch's autograd", function()
  for _, case in ipairs(golden.layers) do
    it(describe_options(case.options) .. " of " .. table.concat(case.shape, "×"), function()
      local layer, x, with = new_layer(case)
      local y, routing = layer(x, with)
      same(case.values.y, y, "y")
      if case.values.selection_bias then
        same(case.values.selection_bias, layer.selection_bias, "selection bias")
      end
      for name, expected in pairs(case.losses or {}) do
        layer:zero_grad()
        x:zero_grad()
        local loss = routing:loss(name)
        support.number(expected[1], loss:get(1), name)
        loss:backward { keep = true }
        check_gradients(expected, layer, x, name)
      end
      layer:zero_grad()
      x:zero_grad();
      (y * draw(y.shape, 8)):sum():backward()
      check_gradients(case.gradients, layer, x, "gradient")
    end)
  end
end)
