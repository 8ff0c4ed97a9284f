-- The operation behind the sparse layer, against the same sums put together of dense
-- operations, on shapes that are cut into several tiles, bands and rounds.
local moe = require "moe"

local F = moe.F

local function parameters(experts, dim, hidden, out, gated)
  local function draw(seed, ...)
    return (0.2 * moe.randn({ ... }, { seed = seed })):detach():requires_grad()
  end
  return {
    w_in = draw(1, experts, dim, hidden), w_out = draw(2, experts, hidden, out),
    w_gate = gated and draw(3, experts, dim, hidden) or nil,
    b_in = not gated and draw(4, experts, hidden) or nil, b_out = draw(5, experts, out),
    activation = gated and "silu" or "relu",
  }
end

-- Every row asks expert 1 by weights[i][1] and another by weights[i][2].
local function new_indices(n, experts)
  local t = moe.zeros(n, 2):int()
  for i = 1, n do
    t:set(i, 1, 1)
    t:set(i, 2, 2 + (i * 7) % (experts - 1))
  end
  return t
end

local function part(t, e) return t and F.slice(t, 1, e, e):reshape(t.shape[2], t.shape[3]) end
local function bias(t, e) return F.slice(t, 1, e, e):reshape(t.shape[2]) end

local function dense(x, weights, indices, w)
  local sum
  for e = 1, w.w_in.shape[1] do
    local z = F.matmul(x, part(w.w_in, e))
    if w.b_in then z = z + bias(w.b_in, e) end
    local h = w.w_gate and F.silu(F.matmul(x, part(w.w_gate, e))) * z or F.relu(z)
    local y, chosen = F.matmul(h, part(w.w_out, e)) + bias(w.b_out, e), moe.zeros(x.shape[1], 2)
    for i = 1, x.shape[1] do
      for k = 1, 2 do chosen:set(i, k, indices:get(i, k) == e and 1 or 0) end
    end
    local answer = y * (weights * chosen):sum(2, true)
    sum = sum and sum + answer or answer
  end
  return sum
end

local function gradients(run, inputs, w, g)
  local list = { inputs.x, inputs.weights, w.w_in, w.w_out, w.w_gate or w.b_in, w.b_out }
  for _, t in ipairs(list) do t:requires_grad(false):requires_grad() end
  local y = run(inputs.x, inputs.weights, inputs.indices, w)
  local out = { y:clone():detach() }
  y:backward { gradient = g }
  for k, t in ipairs(list) do out[k + 1] = t.grad:clone() end
  return out
end

local function same(a, b)
  local function largest(t) return t:reshape(-1, 1):abs():max(1, true):get(1, 1) end
  for k in ipairs(a) do
    local far, size = largest(a[k] - b[k]), largest(b[k])
    assert.is_true(far <= 2e-5 * size, ("%d: %g of %g"):format(k, far, size))
  end
end

local function new_inputs(n, experts, dim)
  return {
    x = moe.randn({ n, dim }, { seed = 6 }), indices = new_indices(n, experts),
    weights = moe.randn({ n, 2 }, { seed = 7 }),
  }
end

describe("F.experts", function()
  for _, gated in ipairs { false, true } do
    local kind = gated and "gated" or "plain"

    it("equals dense operations where rows are many, and hidden units (" .. kind .. ")", function()
      local inputs, g = new_inputs(1500, 3, 5), moe.randn({ 1500, 2 }, { seed = 8 })
      local w = parameters(3, 5, gated and 70 or 1100, 2, gated)
      same(gradients(F.experts, inputs, w, g), gradients(dense, inputs, w, g))
    end)

    it("has gradients by weights of 0 and next to it (" .. kind .. ")", function()
      local inputs, g = new_inputs(3, 3, 5), moe.randn({ 3, 4 }, { seed = 8 })
      inputs.weights = moe.tensor { { 0, 1 }, { 1e-20, 0 }, { 1e-38, -1e-13 } }
      local w = parameters(3, 5, 19, 4, gated)
      same(gradients(F.experts, inputs, w, g), gradients(dense, inputs, w, g))
    end)
  end
end)
