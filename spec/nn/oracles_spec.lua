-- Known values of a sparse layer, and mistakes that other implementations made.
local moe = require "moe"
local near = require("spec.support.near").within(1e-5)

local F, nn = moe.F, moe.nn
local draw = require("spec.support.golden").draw

local function layer_of(options)
  local all = { dim = 4, hidden = 6, experts = 4, seed = 3 }
  for name, value in pairs(options) do all[name] = value end
  return nn.MoE(all)
end

local function norm_of(t)
  local sum = 0
  for _, x in ipairs(t:reshape(-1):totable()) do sum = sum + x * x end
  return math.sqrt(sum)
end

local function same_rows(expected, found)
  local a, b = expected:reshape(-1):totable(), found:reshape(-1):totable()
  assert.equal(#a, #b)
  for i, x in ipairs(a) do near(x, b[i]) end
end

describe("soft_moe", function()
  it("of one expert and one slot gives every row f of the rows' weighted mean", function()
    local layer = layer_of { experts = 1, router = "soft_moe" }
    local x = draw({ 5, 4 }, 2)
    local weights = F.softmax(layer.gate(x):transpose())
    local mean = F.matmul(weights, x)
    local hidden = F.relu(F.linear(mean, layer.w_in[1], layer.b_in[1]))
    local answer, y = F.linear(hidden, layer.w_out[1], layer.b_out[1]), layer(x)
    for i = 1, 5 do same_rows(answer[1], y[i]) end
  end)

  it("of rows that are all alike gives what one of them gets", function()
    local layer = layer_of { router = "soft_moe", slots = 2 }
    local row = draw({ 1, 4 }, 3)
    local one = layer(row)
    local many = layer(F.concat({ row, row, row }, 1))
    for i = 1, 3 do same_rows(one[1], many[i]) end
  end)
end)

describe("one expert a row", function()
  -- Its renormalised weight is 1 whatever the router says.
  it("with renormalised weights gives the router no gradient, without them it does", function()
    for _, case in ipairs {
      { { top_k = 1, allow_degenerate = true }, false },
      { { top_k = 1, allow_degenerate = true, score = "softmax_selected" }, false },
      { { top_k = 1, renormalize = false }, true }, { { router = "switch" }, true },
      { { top_k = 2 }, true },
    } do
      local layer = layer_of(case[1])
      local x = draw({ 7, 4 }, 1);
      (layer(x) * draw({ 7, 4 }, 8)):sum():backward()
      assert.equal(case[2], norm_of(layer.gate.weight.grad) > 1e-6)
      assert.is_true(norm_of(layer.w_in.grad) > 1e-6)
    end
  end)
end)

describe("a router", function()
  it("leaves the logits that it was given as they were", function()
    local z = draw({ 6, 4 }, 5)
    local before = z:totable()
    for _, o in ipairs {
      { top_k = 2 }, { router = "noisy_top_k", top_k = 2, noise = 1 }, { top_k = 2, jitter = 0.5 },
      { top_k = 2, expert_dropout = 0.5 }, { router = "expert_choice", top_k = 2 },
      { top_k = 2, capacity_factor = 0.5, overflow = "next_best" },
      { top_k = 2, groups = 2, top_groups = 1, bias = { -2, -2, -2, -2 } },
    } do
      o.training = true
      local r = moe.route(z, o)
      r:loss "switch"
      r:next_bias()
      assert.same(before, z:totable())
    end
  end)

  it("takes fewer rows than the least capacity, and a single one", function()
    for n = 1, 3 do
      for _, router in ipairs { "top_k", "expert_choice" } do
        local r = moe.route(draw({ n, 4 }, 5), {
          router = router, top_k = 2, capacity_factor = 1, min_capacity = 4, training = true,
        })
        assert.equal(0, r.dropped)
        assert.equal(n, #r.indices)
      end
    end
  end)

  -- A mean over more experts than there are, or over those of one worker, would show.
  it("has a gshard loss of its own experts alone, whatever their number", function()
    for _, experts in ipairs { 2, 3, 8 } do
      near(1, (moe.route(moe.zeros(6, experts), { top_k = 1, renormalize = false }):loss "gshard"))
    end
  end)

  it("jitters in proportion to the logit: what is 0 stays 0", function()
    local r = moe.route(moe.zeros(9, 4), { jitter = 0.5, training = true, top_k = 4 })
    for _, p in ipairs(r.probs:reshape(-1):totable()) do near(0.25, p) end
  end)
end)

describe("a gate of another number of experts", function()
  it("is refused, be it a module or a trained learner", function()
    local x = draw({ 6, 4 }, 3)
    local learner = moe.experts.logistic {}
    learner:fit(x, { "a", "b", "a", "b", "a", "b" })
    for _, gate in ipairs { nn.Linear { dim = 4, out_dim = 3 }, learner } do
      for _, router in ipairs { "top_k", "soft_moe", "sinkhorn", "expert_choice", "soft" } do
        local layer = layer_of { router = router, gate = gate }
        local ok, message = pcall(layer, x)
        assert.is_false(ok)
        assert.truthy(message:find("the gate must give 6×4 logits", 1, true), message)
      end
    end
    local fitting = layer_of { experts = 2, gate = learner }
    assert.same({ 6, 4 }, fitting(x).shape)
  end)
end)

describe("the losses of a layer", function()
  it("are of its forward alone: those before and those of other layers do not count", function()
    local layer, other = layer_of { top_k = 2 }, layer_of { top_k = 2, seed = 9 }
    local x = draw({ 8, 4 }, 2)
    local _, first = layer(x)
    local value = first:balance_loss():get(1)
    for k = 1, 3 do
      other(draw({ 8, 4 }, k) * 5)
      layer(draw({ 5, 4 }, k + 5))
    end
    near(value, first:balance_loss():get(1))
    local _, again = layer(x)
    near(value, again:balance_loss():get(1))
  end)

  it("flow through the probabilities, not through the counts", function()
    -- Of E Σ f P with f fixed the gradient by a row's logits is E / n · p (f − Σ f p).
    local z = draw({ 6, 4 }, 3):requires_grad()
    local _, routed = F.route(z, { top_k = 2 })
    local share, loss = {}, F.routing_loss(routed, "switch", z)
    for e = 1, 4 do share[e] = routed.counts:get(e) / 12 end
    local probs = routed.probs:totable()
    loss:backward()
    for i = 1, 6 do
      local mean = 0
      for e = 1, 4 do mean = mean + share[e] * probs[i][e] end
      for e = 1, 4 do
        near(4 / 6 * probs[i][e] * (share[e] - mean), z.grad:get(i, e))
      end
    end
  end)
end)

describe("the selection bias", function()
  it("gets no gradient and changes none but by who is selected", function()
    local layer = layer_of { top_k = 4, bias_update = "sign", bias_rate = 0.5 }
    local x, gradients = draw({ 7, 4 }, 1), {}
    for k, bias in ipairs { { 0, 0, 0, 0 }, { 3, -1, -4, 2 } } do
      for e = 1, 4 do layer.selection_bias:set(e, bias[e]) end
      layer:zero_grad();
      (layer:eval()(x) * draw({ 7, 4 }, 8)):sum():backward()
      gradients[k] = layer.gate.weight.grad:clone()
      assert.is_false(layer.selection_bias.requires)
    end
    same_rows(gradients[1], gradients[2])
  end)

  it("stays centred and bounded over many steps, where k is more than 1", function()
    for _, update in ipairs { "sign", "magnitude", "quantile" } do
      local layer = layer_of { top_k = 3, bias_update = update, bias_rate = 0.01 }
      local x = draw({ 32, 4 }, 1)
      for _ = 1, 300 do layer(x) end
      local sum, most = 0, 0
      for _, b in ipairs(layer.selection_bias:totable()) do
        sum, most = sum + b, math.max(most, math.abs(b))
      end
      assert.is_true(math.abs(sum) < 1e-5 and most < 1, update)
    end
  end)
end)
