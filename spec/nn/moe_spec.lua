-- What a sparse layer promises beside its numbers, which layer_spec.lua checks.
local moe = require "moe"
local support = require "spec.support.golden"
local near = require("spec.support.near").within(1e-5)

local F, nn = moe.F, moe.nn
local draw = support.draw

local function layer_of(options)
  local all = { dim = 4, hidden = 6, experts = 4, seed = 3 }
  for name, value in pairs(options or {}) do all[name] = value end
  return nn.MoE(all)
end

local function rows_near(expected, found, tolerance)
  local a, b = expected:reshape(-1):totable(), found:reshape(-1):totable()
  assert.equal(#a, #b)
  for i, x in ipairs(a) do near(x, b[i], tolerance or 1e-5) end
end

local function message_of(...)
  local ok, message = pcall(...)
  assert.is_false(ok)
  return message
end

-- A layer whose gate wants what the rows of x say: x is its logits.
local function obedient(options)
  local all = { dim = 4, hidden = 6, experts = 4,
    gate = nn.Sequential { function(x) return x end } }
  for name, value in pairs(options) do all[name] = value end
  return nn.MoE(all)
end

local function rows_of(n, f)
  local rows = {}
  for i = 1, n do rows[i] = f(i) end
  return moe.tensor(rows)
end
local function certain(n, f)
  return rows_of(n, function(i)
    local row = { 0, 0, 0, 0 }
    row[f(i)] = 60
    return row
  end)
end

describe("the figures of a sparse layer's routing", function()
  local even = certain(8, function(i) return i % 4 + 1 end)
  local alone = certain(8, function() return 3 end)
  local zeros = moe.zeros(8, 4)

  it("have their known values at balance and at collapse", function()
    -- Formulas: with N = 4 experts, k = 1: switch 1 and N, CV² 0 and N − 1, MaxVio
    -- likewise, entropy of the load 1 and 0, z of zeros (ln N)².
    local layer = obedient { router = "switch" }
    local _, balanced = layer(even)
    local _, collapsed = layer(alone)
    near(1, balanced:balance_loss():get(1))
    near(4, collapsed:balance_loss():get(1))
    near(0, balanced:importance_loss():get(1))
    near(3, collapsed:importance_loss():get(1))
    near(0, balanced:stats().maxvio)
    near(3, collapsed:stats().maxvio)
    near(1, layer:reset_stats() and select(2, layer(even)) and layer:stats().entropy)
    layer:reset_stats()(alone)
    near(0, layer:stats().entropy)
    near(math.log(4) ^ 2, select(2, layer(zeros)):z_loss():get(1))
  end)

  it("of k choices: balanced 1, or k where f counts each choice", function()
    local _, routing = obedient { top_k = 4 }(zeros)
    near(1, routing:balance_loss():get(1))
    near(4, routing:balance_loss("k"):get(1))
    local _, collapsed = obedient { top_k = 2 }(rows_of(8, function() return { 60, 60, 0, 0 } end))
    near(4 / 2 - 1, collapsed:stats().maxvio)
  end)

  it("do not change when all logits of a row are shifted, but for z", function()
    local x = draw({ 8, 4 }, 5)
    local layer = obedient { top_k = 2 }
    local _, one = layer(x)
    local _, other = layer(x + 5)
    assert.same(one.indices:totable(), other.indices:totable())
    for _, kind in ipairs { "switch", "gshard", "importance", "collapse", "entropy" } do
      near(one:loss(kind):get(1), other:loss(kind):get(1))
    end
    assert.is_true(other:z_loss():get(1) > one:z_loss():get(1) + 5)
  end)

  it("drop 1 − c/N where all rows want one expert, none where there is room", function()
    for _, c in ipairs { 0.5, 1, 2 } do
      local layer = obedient { router = "switch", capacity_factor = c }
      layer(alone)
      near(1 - c / 4, layer:stats().dropped)
    end
    local layer = obedient { router = "switch", capacity_factor = 1 }
    layer(even)
    near(0, layer:stats().dropped)
    layer = obedient { top_k = 2, capacity_factor = 2 }
    layer(rows_of(8, function(i) return { -9 - i, -8, -7 - i % 3, -30 } end))
    near(0, layer:stats().dropped) -- however low the logits
  end)

  it("are each layer's own, never pooled: opposite imbalances do not cancel", function()
    local a, b = obedient { router = "switch" }, obedient { router = "switch" }
    a(certain(8, function(i) return i % 2 + 1 end))
    b(certain(8, function(i) return i % 2 + 3 end))
    near(1, a:stats().maxvio)
    near(1, b:stats().maxvio)
    assert.same({ 3, 4 }, a:stats().dead)
    assert.same({ 1, 2 }, b:stats().dead)
  end)

  it("run over batches", function()
    local layer = obedient { router = "switch" }
    layer(certain(8, function() return 1 end))
    layer(certain(8, function() return 2 end))
    local s = layer:stats()
    assert.equal(16, s.tokens)
    assert.equal(2, s.batches)
    assert.same({ 0.5, 0.5, 0, 0 }, s.load)
    near(3, s.maxvio_batch)
    near(1, s.maxvio)
    near(0.5, s.entropy)
    near(1, s.confidence)
    near(60, s.logit_max)
    assert.same({ 3, 4 }, s.dead)
    assert.equal(0, layer:reset_stats():stats().tokens)
  end)

  it("tell the norm of the gate's gradient", function()
    local layer = layer_of { top_k = 2 }
    assert.equal(0, layer:stats().gate_gradient)
    layer(draw({ 5, 4 }, 1)):sum():backward()
    local sum = 0
    for _, g in ipairs(layer.gate.weight.grad:reshape(-1):totable()) do sum = sum + g * g end
    near(math.sqrt(sum), layer:stats().gate_gradient)
  end)

  it("are given back by backward with the routing, unless it is retained", function()
    local layer = layer_of { top_k = 2 }
    local y, routing = layer(draw({ 5, 4 }, 1))
    y:sum():backward()
    assert.truthy(message_of(routing.retain, routing):find("given back", 1, true))
    assert.truthy(message_of(function() return routing.probs end):find("given back", 1, true))
    assert.truthy(message_of(function() return routing.indices:get(1, 1) end):find("given back",
      1, true))
    y, routing = layer(draw({ 5, 4 }, 1))
    routing:retain()
    y:sum():backward()
    assert.equal(5, routing:stats().rows)
    assert.equal(2, routing.indices.shape[2])
    assert.is_true(routing:z_loss():get(1) > 0)
    y, routing = layer(draw({ 5, 4 }, 1))
    y:sum():backward { keep = true }
    assert.equal(5, routing:stats().rows)
    y:sum():backward()
  end)
end)

describe("a routing that backward gave back", function()
  local x = draw({ 5, 4 }, 1)

  it("still tells its figures, and the losses that were asked for", function()
    for _, options in ipairs { { top_k = 2 }, { top_k = 2, capacity_factor = 0.5 },
      { top_k = 2, hidden = false, experts = { nn.Linear { dim = 4, out_dim = 4 },
        nn.Linear { dim = 4, out_dim = 4 }, nn.Linear { dim = 4, out_dim = 4 } } } } do
      local y, routing = layer_of(options)(x)
      local stats, counts, dropped = routing:stats(), routing.counts:totable(), routing.dropped
      local loss = y:sum() + routing:balance_loss() + routing:z_loss() + routing:entropy()
      local values = { routing:balance_loss():get(1), routing:z_loss():get(1),
        routing:entropy():get(1) }
      loss:backward()
      assert.same(stats, routing:stats())
      assert.same(counts, routing.counts:totable())
      assert.equal(dropped, routing.dropped)
      assert.same(values, { routing:balance_loss():get(1), routing:z_loss():get(1),
        routing:entropy():get(1) })
      assert.is_nil(routing:balance_loss().grad)
      assert.truthy(message_of(routing.importance_loss, routing):find(
        "'importance' had not been asked for; ask before, or routing:retain()", 1, true))
      assert.truthy(message_of(routing.loss, routing, "fairness"):find(
        "there is no 'fairness'", 1, true))
    end
  end)

  it("of moe.F.route tells its figures too", function()
    local logits = draw({ 6, 3 }, 2):requires_grad()
    local weights, routed = F.route(logits * 1, { top_k = 2, renormalize = false })
    local same = moe.route(logits, { top_k = 2, renormalize = false })
    weights:sum():backward()
    assert.same(same:stats(), routed:stats())
    assert.same(same.counts:totable(), routed:stats().counts)
    assert.truthy(message_of(routed.next_bias, routed):find("all but its stats()", 1, true))
  end)
end)

describe("the answers of a sparse layer", function()
  it("with all experts selected are those of the dense mixture", function()
    local x = draw({ 7, 4 }, 2)
    rows_near(layer_of { router = "soft" }(x), (layer_of { top_k = 4 }(x)))
  end)

  it("of identical experts are the dense expert's, whatever the router", function()
    local x = draw({ 7, 4 }, 2)
    for _, options in ipairs {
      { router = "soft" }, { top_k = 2 }, { top_k = 3,
        score = "sigmoid" }, { router = "noisy_top_k" },
      { router = "noisy_top_k", noise = "learned" }, { router = "hash" },
      { router = "sinkhorn" }, { router = "soft_moe", slots = 2, activation = "relu",
        same_rows = true },
    } do
      local soft_moe = options.same_rows
      options.same_rows = nil
      local layer = layer_of(options)
      for _, name in ipairs { "w_in", "w_out" } do
        local t = layer[name]
        for e = 2, 4 do
          for i = 1, t.shape[2] do
            for j = 1, t.shape[3] do t:set(e, i, j, t:get(1, i, j)) end
          end
        end
      end
      local rows = soft_moe and rows_of(7, function() return { 0.3, -1, 0.5, 2 } end) or x
      local dense = F.linear(F.relu(F.linear(rows, layer.w_in[1])), layer.w_out[1])
      local ids = options.router == "hash" and { ids = { 4, 8, 15, 16, 23, 42, 108 } } or nil
      rows_near(dense, (layer(rows, ids)))
    end
  end)

  it("of one token are those of its row in a batch", function()
    local x = draw({ 6, 4 }, 7)
    for _, options in ipairs {
      { top_k = 2 }, { router = "switch", activation = "swiglu" }, { router = "soft" },
      { top_k = 2, shared_experts = 1, scale = 2 }, { router = "sinkhorn", top_k = 2 },
      { top_k = 2, capacity_factor = 0.5 }, { hidden = false, experts = {
        nn.Linear { dim = 4, out_dim = 4 }, nn.FeedForward { dim = 4, hidden = 3 } } },
    } do
      local layer = layer_of(options):eval()
      local y = layer(x)
      for i = 1, 6 do rows_near(y[i], layer:forward_one(x[i])) end
      rows_near(y[2], layer:forward_one(x[2]:totable()))
    end
  end)

  it("are those of few rows at a time, and their gradients, however many there are", function()
    local x = draw({ 1400, 3 }, 7)
    for _, options in ipairs {
      { hidden = 300 }, { hidden = 5, activation = "gelu" },
      { hidden = 300, activation = "swiglu", bias = true }, { hidden = 7, out_dim = 5 },
    } do
      options.dim, options.experts = 3, 3
      local whole, parts = layer_of(options), layer_of(options)
      local g = draw({ 1400, options.out_dim or 3 }, 8)
      local y = whole(x):clone()
      whole(x):backward { gradient = g }
      for first = 1, 1400, 350 do
        local last = first + 349
        rows_near(y:rows(first, last), (parts(x:rows(first, last))))
        parts(x:rows(first, last)):backward { gradient = g:rows(first, last) }
      end
      local given = parts:parameters()
      for k, t in ipairs(whole:parameters()) do rows_near(t.grad, given[k].grad, 1e-3) end
    end
  end)

  it("give the same gradients to another backward", function()
    for _, activation in ipairs { "relu", "gelu", "swiglu" } do
      local layer = layer_of { activation = activation }
      local x, g = draw({ 9, 4 }, 7), draw({ 9, 4 }, 8)
      local y, once = layer(x), {}
      y:backward { gradient = g, keep = true }
      for k, t in ipairs(layer:parameters()) do once[k] = t.grad:clone() end
      y:backward { gradient = g }
      for k, t in ipairs(layer:parameters()) do rows_near(once[k] * 2, t.grad) end
    end
  end)

  it("have the same bits for any number of threads, and so have their gradients", function()
    local x, g = draw({ 1400, 3 }, 7), draw({ 1400, 3 }, 8)
    local function bits(threads, options)
      moe.set_threads(threads)
      local layer, all = layer_of(options), {}
      local rows = x:clone():requires_grad()
      local y = layer(rows)
      all[1] = y:reshape(-1):totable()
      y:backward { gradient = g }
      all[2] = rows.grad:totable()
      for _, t in ipairs(layer:parameters()) do all[#all + 1] = t.grad:reshape(-1):totable() end
      moe.set_threads(1)
      return all
    end
    for _, activation in ipairs { "relu", "swiglu" } do
      local options = { dim = 3, hidden = 300, experts = 3, activation = activation }
      local one = bits(1, options)
      for threads = 2, 4 do assert.are.same(one, bits(threads, options)) end
    end
  end)

  it("of one token are the same where the threads share its weights", function()
    for _, activation in ipairs { "relu", "gelu", "swiglu" } do
      local layer = layer_of { dim = 70, hidden = 2100, activation = activation, bias = true }
        :eval()
      local x = draw({ 3, 70 }, 7)
      local y = layer(x)
      for threads = 1, 3 do
        moe.set_threads(threads)
        for i = 1, 3 do rows_near(y[i], moe.no_grad(layer.forward_one, layer, x[i])) end
      end
      moe.set_threads(1)
    end
  end)

  it("come from experts that are all different at the start", function()
    local layer = layer_of { experts = 8, activation = "swiglu" }
    for _, name in ipairs { "w_in", "w_gate", "w_out" } do
      for a = 1, 8 do
        for b = a + 1, 8 do assert.are_not.same(layer[name][a]:totable(),
          layer[name][b]:totable()) end
      end
    end
    assert.are_not.same(layer.w_in:totable(), layer.w_gate:totable())
    -- two-sided, unlike a generator whose numbers are half of those it should give
    for _, kind in ipairs { "random", "balanced", "orthogonal" } do
      local low, high = 0, 0
      for _, w in ipairs(layer_of({ dim = 16, experts = 16,
        router_init = kind }).gate.weight:reshape(-1):totable()) do
        low, high = math.min(low, w), math.max(high, w)
      end
      assert.is_true(low < 0 and high > 0 and high < 3 * -low and -low < 3 * high)
    end
    assert.are_not.same(layer_of({ seed = 1 }).gate.weight:totable(),
      layer_of({ seed = 2 }).gate.weight:totable())
    assert.same(layer_of({ seed = 1 }).gate.weight:totable(),
      layer_of({ seed = 1 }).gate.weight:totable())
  end)

  it("of masked rows are 0, and the others do not see them", function()
    local x = draw({ 6, 4 }, 7)
    local mask = { true, false, true, true, false, true }
    local kept = F.embedding(moe.tensor({ 1, 3, 4, 6 }):int(), x)
    for _, options in ipairs {
      { top_k = 2, capacity_factor = 0.5 }, { router = "expert_choice",
        top_k = 2 }, { router = "soft_moe" },
      { router = "hash" }, { router = "sinkhorn" }, { router = "soft" },
    } do
      local layer, hashed = layer_of(options), options.router == "hash"
      local ids = hashed and { 1, 2, 3, 4, 5, 6 } or nil
      local y = layer(x, { mask = mask, ids = ids })
      local z = layer(kept, { ids = hashed and { 1, 3, 4, 6 } or nil })
      for at, i in ipairs { 1, 3, 4, 6 } do rows_near(z[at], y[i]) end
      assert.same({ 0, 0, 0, 0 }, y[2]:totable())
      rows_near(y, (layer(x, { mask = moe.tensor { 1, 0, 1, 1, 0, 1 }, ids = ids })))
      local nobody = { false, false, false, false, false, false }
      local none, routing = layer(x, { mask = nobody, ids = ids })
      assert.equal(0, none:sum():get(1))
      if routing then assert.equal(0, routing:balance_loss():get(1)) end
    end
    assert.truthy(message_of(layer_of(), x, { mask = { true } }):find("mask", 1, true))
  end)

  it("of sinkhorn are balanced in training, and each row's own choice in evaluation", function()
    local x = draw({ 32, 4 }, 31) + moe.tensor { 3, 0, 0, 0 }
    local layer = obedient { router = "sinkhorn", top_k = 1, renormalize = false }
    layer(x)
    assert.is_true(layer:stats().maxvio < 0.3)
    layer:eval():reset_stats()
    local y = layer(x)
    assert.is_true(layer:stats().maxvio > 2)
    local plain = obedient { top_k = 1, renormalize = false }:eval()
    rows_near((plain(x)), y)
  end)

  it("keep the dimensions of their rows", function()
    local x = draw({ 2, 3, 4 }, 7)
    local layer = layer_of { out_dim = 5, top_k = 2 }
    local y = layer(x)
    assert.same({ 2, 3, 5 }, y.shape)
    rows_near(layer(x:reshape(6, 4)), y)
  end)

  it("of experts that are modules are those of the same experts stacked", function()
    local stacked = layer_of { top_k = 2, activation = "swiglu", capacity_factor = 1 }
    local parts = {}
    for e = 1, 4 do
      parts[e] = nn.FeedForward { dim = 4, hidden = 6, activation = "swiglu" }
      parts[e]:load_state_dict {
        ["w_in.weight"] = stacked.w_in[e], ["w_gate.weight"] = stacked.w_gate[e],
        ["w_out.weight"] = stacked.w_out[e],
      }
    end
    local layer = layer_of {
      experts = parts, hidden = false, top_k = 2, capacity_factor = 1, gate = stacked.gate,
    }
    local x = draw({ 9, 4 }, 1)
    rows_near(stacked(x), (layer(x)))
    stacked:zero_grad();
    stacked(x):sum():backward()
    local before = stacked.gate.weight.grad:clone()
    stacked.gate:zero_grad();
    layer(x):sum():backward()
    rows_near(before, stacked.gate.weight.grad)
    for e = 1, 4 do rows_near(stacked.w_out.grad[e], parts[e].w_out.weight.grad) end
    local soft = layer_of { experts = parts, hidden = false, router = "soft_moe", slots = 2 }
    local same = layer_of { router = "soft_moe", slots = 2, activation = "swiglu",
      gate = soft.gate }
    same:load_state_dict({ w_in = stacked.w_in, w_out = stacked.w_out, w_gate = stacked.w_gate },
      { strict = false })
    rows_near(same(x), (soft(x)))
  end)

  it("learn with noise that is learned: by the noise that was drawn", function()
    -- The draws come out of a gradient: d/dσ of z + ε σ is ε times that by z.
    local layer = layer_of { router = "noisy_top_k", top_k = 2, noise = "learned" }
    layer.noise_weight:requires_grad(false)
    moe.nn.initial.normal(layer.noise_weight, 9, 1)
    layer.noise_weight:requires_grad()
    local x = draw({ 6, 4 }, 3):requires_grad()
    local y, routing = layer(x)
    local ones = moe.ones(6, 2)
    for i = 1, 6 do ones:set(i, 1, 2) end
    local by_logits, by_noise = routing.routed:backward { weights = ones }
    local chosen = routing.indices:totable()
    local eps = moe.zeros(6, 4)
    for i = 1, 6 do
      for _, e in ipairs(chosen[i]) do eps:set(i, e, by_noise:get(i, e) / by_logits:get(i, e)) end
    end
    local loss = (y * draw({ 6, 4 }, 8)):sum()
    local value = loss:get(1)
    loss:backward()
    local expected = { x.grad:clone(), layer.gate.weight.grad:clone(),
      layer.noise_weight.grad:clone() }
    -- By hand: the same as a dense mixture whose other weights are 0.
    layer:zero_grad()
    x:zero_grad()
    local deviations = F.softplus(F.linear(x, layer.noise_weight)) + 1e-2
    local noisy = layer.gate(x) + deviations * eps
    local mask = moe.zeros(6, 4) - 1e9
    for i = 1, 6 do
      for _, e in ipairs(chosen[i]) do mask:set(i, e, 0) end
    end
    local weights = F.softmax(noisy + mask)
    local all = moe.zeros(6, 4):int()
    for i = 1, 6 do
      for e = 1, 4 do all:set(i, e, e) end
    end
    local z = F.experts(x, weights, all, {
      w_in = layer.w_in, w_out = layer.w_out, b_in = layer.b_in, b_out = layer.b_out,
      activation = "relu",
    })
    local again = (z * draw({ 6, 4 }, 8)):sum()
    near(value, again:get(1))
    again:backward()
    rows_near(expected[1], x.grad)
    rows_near(expected[2], layer.gate.weight.grad)
    rows_near(expected[3], layer.noise_weight.grad)
    assert.is_true(expected[3]:reshape(-1):totable()[1] ~= 0)
  end)

  it("change with noise, jitter and dropout in training, never in evaluation", function()
    local x = draw({ 20, 4 }, 4)
    local plain = layer_of({ top_k = 2 }):eval()(x):totable()
    for name, value in pairs { noise = 1, jitter = 0.5, expert_dropout = 0.5 } do
      local layer = layer_of { top_k = 2, [name] = value }
      assert.are_not.same(layer(x):totable(), layer(x):totable(), name)
      layer:eval()
      assert.same(plain, layer(x):totable())
      assert.same(plain, layer(x):totable())
    end
  end)

  it("have a load loss whose gradient is that of differences", function()
    local layer = layer_of { router = "noisy_top_k", top_k = 2, noise = "learned" }
    moe.nn.initial.normal(layer.noise_weight, 9, 0.3)
    local x = draw({ 16, 4 }, 3)
    local function loss()
      layer._step = 0 -- the same noise each time
      local _, routing = layer(x)
      return routing:load_loss()
    end
    loss():backward()
    for _, w in ipairs { layer.gate.weight, layer.noise_weight } do
      for _, at in ipairs { { 1, 1 }, { 3, 2 }, { 4, 4 } } do
        local i, j = at[1], at[2]
        local before, h = w:get(i, j), 1e-2
        w:set(i, j, before + h)
        local up = moe.no_grad(loss):get(1)
        w:set(i, j, before - h)
        local down = moe.no_grad(loss):get(1)
        w:set(i, j, before)
        near((up - down) / (2 * h), w.grad:get(i, j), 2e-2)
      end
    end
  end)
end)

describe("the selection bias", function()
  -- Without a bias most of them want the first.
  local x = draw({ 64, 4 }, 31) + moe.tensor { 1, 0.5, 0, 0 }

  it("is moved by training alone, counts in the selection alone, and is in the state", function()
    for _, update in ipairs { "sign", "magnitude", "quantile" } do
      local layer = obedient { top_k = 1, renormalize = false, bias_update = update,
        bias_rate = update == "quantile" and 1 or 0.02 }
      layer:eval()(x)
      assert.same({ 0, 0, 0, 0 }, layer:stats().bias)
      layer:train()
      for _ = 1, 40 do layer(x) end
      local bias, sum = layer:stats().bias, 0
      for _, b in ipairs(bias) do sum = sum + b end
      near(0, sum)
      layer:reset_stats():eval()(x)
      assert.same(bias, layer:stats().bias)
      assert.is_true(layer:stats().maxvio < 0.5, update .. ": " .. layer:stats().maxvio)
      local state = layer:state_dict()
      assert.is_true(rawequal(state.selection_bias, layer.selection_bias))
      for _, t in ipairs(layer:parameters()) do
        assert.is_false(rawequal(t, layer.selection_bias))
      end
      local other = obedient { top_k = 1, renormalize = false,
        bias_update = update }:load_state_dict(state):eval()
      local a, one = layer(x)
      local b, two = other(x)
      assert.same(one.indices:totable(), two.indices:totable())
      assert.same(a.shape, b.shape)
      -- weights are the scores, without the bias
      for i = 1, 64 do near(one.probs:get(i, one.indices:get(i, 1)), one.weights:get(i, 1)) end
    end
  end)

  it("moves by the rule and the rate of the moment, which a schedule may move too", function()
    local layer = obedient { top_k = 1, renormalize = false, bias_update = "sign" }
    local optimiser = moe.optim.sgd(layer:parameters(), { lr = 8 })
    assert.equal(0.001, layer.bias_rate)
    layer.bias_rate = 0.25
    local s = moe.optim.schedules.cosine({ optimiser, layer }, { steps = 2 })
    local function moved()
      local before, most = layer.selection_bias:clone(), 0
      layer(x)
      s:step()
      for e = 1, 4 do
        most = math.max(most, math.abs(layer.selection_bias:get(e) - before:get(e)))
      end
      return most
    end
    -- Each goes a step up or down, and then the mean of all is taken off.
    assert.is_true(moved() >= 0.25)
    near(0.125, layer.bias_rate)
    near(4, optimiser.lr)
    local second = moved()
    assert.is_true(second >= 0.125 - 1e-6 and second <= 0.25 + 1e-6)
    near(0, moved())
    near(0, layer.bias_rate)
    -- By the size of the excess, which is of mean 0.
    layer.bias_update, layer.bias_rate = "magnitude", 0.5
    local before = layer.selection_bias:totable()
    local _, routing = layer(x)
    for e, count in ipairs(routing.counts:totable()) do
      near(before[e] + 0.5 * (1 - count / 16), layer.selection_bias:get(e))
    end
  end)

  it("never lets a group win that lost", function()
    local layer = obedient {
      top_k = 2, score = "sigmoid", groups = 2, top_groups = 1, bias_update = "sign",
    }
    for e = 1, 4 do layer.selection_bias:set(e, -2) end
    local _, routing = layer:eval()(rows_of(4, function() return { 1, 2, 0, 1.5 } end))
    for i = 1, 4 do assert.same({ 2, 1 }, routing.indices:totable()[i]) end
  end)
end)

describe("nn.MoE refuses", function()
  local function refuses(options, ...)
    local message = message_of(layer_of, options)
    for _, text in ipairs { "MoE", ... } do assert.truthy(message:find(text, 1, true), message) end
  end

  it("one expert of weight 1, which would not learn", function()
    refuses({ top_k = 1 }, "renormalize", "allow_degenerate")
    refuses({ top_k = 1, router = "noisy_top_k" }, "allow_degenerate")
    refuses({ top_k = 1, score = "softmax_selected", renormalize = false }, "allow_degenerate")
    local x = draw({ 5, 4 }, 1)
    layer_of { top_k = 1, allow_degenerate = true }(x)
    layer_of { top_k = 1, renormalize = false }(x)
    layer_of { router = "switch" }(x)
    layer_of { top_k = 1, router = "hash" }(x, { ids = { 1, 2, 3, 4, 5 } })
    layer_of { experts = 1 }(x)
  end)

  it("routers by batch where answers must be causal", function()
    for _, router in ipairs { "expert_choice", "soft_moe", "sinkhorn" } do
      refuses({ router = router, causal = true }, router, "causal")
      layer_of { router = router, causal = false }
    end
    layer_of { top_k = 2, causal = true }
  end)

  it("capacities where answers must be causal, which later rows take from earlier ones", function()
    local x = draw({ 8, 4 }, 1)
    local function answer(layer, rows)
      local y = layer:eval()(rows)
      return y:rows(1, 4)
    end
    for _, name in ipairs { "capacity_factor", "eval_capacity_factor" } do
      refuses({ [name] = 1.25, causal = true }, name .. " = 1.25", "causal = false")
      layer_of { [name] = 1.25, causal = false }
    end
    refuses({ preset = "switch", causal = true }, "capacity_factor = 1.25")
    local limited = layer_of { eval_capacity_factor = 0.5 }
    assert.is_false(pcall(rows_near, answer(limited, x), answer(limited, x:rows(1, 4))))
    local free = layer_of { causal = true }
    rows_near(answer(free, x), answer(free, x:rows(1, 4)))
  end)

  it("what cannot be, when it is made", function()
    refuses({ top_k = 5 }, "top_k", "4")
    refuses({ top_k = 2, groups = 3 }, "groups")
    refuses({ gate = "square" }, "gate", "square")
    refuses({ activation = "step" }, "activation", "step")
    refuses({ router_init = "steep" }, "router_init", "steep")
    refuses({ noise = "loud" }, "noise")
    refuses({ experts = 0 }, "experts")
    refuses({ experts = {} }, "experts")
    refuses({ capacity_factor = -1 }, "capacity_factor")
    refuses({ router = "soft_moe", top_k = 2 }, "soft_moe", "top_k")
    refuses({ topk = 2 }, "top_k")
    refuses({ preset = "gpt" }, "preset", "gpt")
    refuses({ router = "best" }, "router")
  end)

  it("no preset", function()
    for _, name in ipairs { "mixtral", "switch", "olmoe", "deepseek_v3", "st_moe", "v_moe" } do
      local layer = nn.MoE { dim = 4, hidden = 2, preset = name }
      local y, routing = layer(draw({ 3, 4 }, 1));
      (y:sum() + routing:balance_loss()):backward()
      assert.is_true(layer.n_experts >= 8)
    end
  end)
end)

describe("a training step", function()
  it("says so where any of its allocations fails, and works again", function()
    local core = require "moe.core"
    local layer = layer_of {
      router = "noisy_top_k", noise = "learned", capacity_factor = 1, overflow = "next_best",
    }
    local function step(n)
      local x = draw({ n, 4 }, 1)
      layer:zero_grad()
      layer._step = 0
      local y, routing = layer(x)
      local loss = y:sum() + routing:load_loss() + routing:balance_loss() + routing:z_loss()
      loss:backward()
      return loss:get(1)
    end
    local value, failed = step(40), 0
    for n = 0, 10000 do
      collectgarbage()
      core._trim()
      core._fail_after(n)
      -- Of another size, so that the pool has nothing at hand.
      local ok, message = pcall(step, 40 + 97 * n % 1013)
      core._fail_after(-1)
      if ok then break end
      failed = failed + 1
      assert.truthy(tostring(message):find("memory", 1, true), message)
    end
    assert.is_true(failed > 3)
    near(value, step(40))
  end)
end)

describe("1,000 steps with the collector stopped", function()
  -- Resident bytes; of Linux, and without a sanitizer's own.
  local function resident()
    local plain = (os.getenv "CONFIG" or "release") == "release"
    local file = plain and io.open "/proc/self/statm"
    if not file then return nil end
    local pages = tonumber(file:read("*a"):match "%d+ (%d+)")
    file:close()
    return pages * 4096
  end

  it("keep memory flat", function()
    if not resident() then return end
    local layer = layer_of { dim = 16, hidden = 64, experts = 8, top_k = 2 }
    local opt = moe.optim.adamw(layer:parameters())
    local x, target = draw({ 256, 16 }, 1), draw({ 256, 16 }, 2)
    local function step()
      local y, routing = layer(x)
      opt:zero_grad();
      (F.mse(y, target) + routing:balance_loss() * 0.01 + routing:z_loss() * 0.001):backward()
      opt:step()
    end
    for _ = 1, 20 do step() end
    collectgarbage()
    collectgarbage "stop"
    local before, heap = resident(), collectgarbage "count"
    for _ = 1, 1000 do step() end
    local grown, in_lua = resident() - before, (collectgarbage "count" - heap) * 1024
    collectgarbage "restart"
    -- What is left are Lua's own small values and the handles of tensors; the buffers of
    -- a step are some 300 kB.
    local text = ("%.0f bytes a step, %.0f of these Lua's"):format(grown / 1000, in_lua / 1000)
    assert.is_true(grown < 1000 * 40000, text)
  end)
end)
