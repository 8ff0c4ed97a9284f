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
  local state = {
    ["gate.weight"] = 1.5 * draw(layer.gate.weight.shape, 2), w_in = draw(layer.w_in.shape, 3),
    w_out = draw(layer.w_out.shape, 4), w_gate = layer.w_gate and draw(layer.w_gate.shape, 5),
    b_in = layer.b_in and 0.5 * draw(layer.b_in.shape, 6),
    b_out = layer.b_out and 0.5 * draw(layer.b_out.shape, 7),
    noise_weight = layer.noise_weight and draw(layer.noise_weight.shape, 9),
    selection_bias = layer.selection_bias and 0.3 * draw(layer.selection_bias.shape, 10),
  }
  if case.options.tied then tie(state["gate.weight"]) end
  layer:load_state_dict(state)
  local x, ids, mask = draw({ n, dim }, 1):requires_grad(), {}, case.options.mask and {}
  for i = 1, n do
    ids[i] = 3 * i + 1
    if mask then mask[i] = i % 3 ~= 0 end
  end
  return layer, x, { ids = ids, mask = mask or nil }
end

local function by_name(layer, x)
  return {
    x = x, gate = layer.gate.weight, w_in = layer.w_in, w_out = layer.w_out,
    w_gate = layer.w_gate, b_in = layer.b_in, b_out = layer.b_out,
    noise_weight = layer.noise_weight,
  }
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
        for of, t in pairs(by_name(layer, x)) do
          if expected[of] then same(expected[of], t.grad, name .. " by " .. of) end
        end
      end
      layer:zero_grad()
      x:zero_grad();
      (y * draw(y.shape, 8)):sum():backward()
      for name, t in pairs(by_name(layer, x)) do
        if case.gradients[name] then same(case.gradients[name], t.grad, "gradient by " .. name) end
      end
    end)
  end
end)
