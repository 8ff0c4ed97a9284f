-- Modules: their values and gradients against PyTorch's (bench/golden/layer.py), and
-- what every module can do.
local golden = require("spec.fixtures.layer_golden").functions
local moe = require "moe"
local support = require "spec.support.golden"
local near = require("spec.support.near").within(1e-5)

local F, nn = moe.F, moe.nn
local draw, same = support.draw, support.same

local function message_of(...)
  local ok, message = pcall(...)
  assert.is_false(ok)
  return message
end

local function has(text, ...)
  for _, part in ipairs { ... } do assert.truthy(text:find(part, 1, true), text) end
end

-- Value and gradients of f(inputs) are those of the golden function.
local function check(name, inputs, f)
  for _, t in pairs(inputs) do t:requires_grad() end
  local y = f(inputs)
  same(golden[name].values.y, y, "y");
  (y * draw(y.shape, 8)):sum():backward()
  for key, expected in pairs(golden[name].gradients) do same(expected, inputs[key].grad,
    "gradient by " .. key) end
end

describe("equal to PyTorch's:", function()
  local function x() return { x = draw({ 4, 5 }, 11) * 2 } end

  it("LayerNorm, RMSNorm", function()
    local layer = nn.LayerNorm { dim = 5 }
    layer:load_state_dict { weight = draw({ 5 }, 12) + 1, bias = draw({ 5 }, 13) }
    local inputs = x()
    inputs.weight, inputs.bias = layer.weight, layer.bias
    check("layer_norm", inputs, function(p) return layer(p.x) end)
    local root = nn.RMSNorm { dim = 5 }
    root:load_state_dict { weight = draw({ 5 }, 12) + 1 }
    inputs = x()
    inputs.weight = root.weight
    check("rms_norm", inputs, function(p) return root(p.x) end)
  end)

  it("attention: causal, whole, rotary", function()
    for _, case in ipairs {
      { "attention", { 2, 5, 6 }, 3, {} }, { "attention_whole", { 1, 4, 4 }, 1,
        { causal = false } },
      { "attention_rotary", { 2, 6, 8 }, 2, { rotary = 10000 } },
      { "attention_rotary_100", { 1, 3, 4 }, 1, { causal = false, rotary = 100 } },
    } do
      local name, shape, heads, options = (table.unpack or unpack)(case)
      local inputs = {}
      for i, key in ipairs { "q", "k", "v" } do inputs[key] = draw(shape, 13 + i) * 1.5 end
      check(name, inputs, function(p) return F.attention(p.q, p.k, p.v, heads, options) end)
    end
  end)

  it("cross_entropy: plain, smoothed, with an ignored class", function()
    local ids = moe.tensor({ 1, 5, 3, 3 }):int()
    check("cross_entropy", x(), function(p) return F.cross_entropy(p.x, ids) end)
    check("cross_entropy_smooth", x(), function(p) return F.cross_entropy(p.x, ids,
      { smoothing = 0.2 }) end)
    check("cross_entropy_ignore", x(), function(p)
      return F.cross_entropy(p.x, ids, { smoothing = 0.1, ignore = 3 })
    end)
  end)

  it("mse, huber, bce_with_logits", function()
    local y = draw({ 4, 5 }, 17)
    check("mse", x(), function(p) return F.mse(p.x, y) end)
    check("huber", x(), function(p) return F.huber(p.x, y, 0.7) end)
    check("bce_with_logits", x(), function(p) return F.bce_with_logits(p.x, y:abs()) end)
  end)

  it("the rows that are ignored count neither in the value nor in the mean", function()
    local z = draw({ 3, 4 }, 1):requires_grad()
    local loss = F.cross_entropy(z, moe.tensor({ 0, 0, 0 }):int())
    assert.equal(0, loss:get(1))
    loss:backward()
    assert.equal(0, z.grad:sum())
  end)
end)

-- All kinds, with what their forward takes.
local function all()
  local x = draw({ 2, 3, 4 }, 3)
  return {
    { "Linear", nn.Linear { dim = 4, out_dim = 2 }, x },
    { "Embedding", nn.Embedding { items = 5, dim = 4 }, moe.tensor({ 1, 5, 2 }):int() },
    { "LayerNorm", nn.LayerNorm { dim = 4 }, x }, { "RMSNorm", nn.RMSNorm { dim = 4 }, x },
    { "Dropout", nn.Dropout { p = 0.3 }, x }, { "Activation", nn.Activation { name = "gelu" }, x },
    { "Sequential", nn.Sequential { nn.Linear { dim = 4, out_dim = 3 }, F.relu,
      nn.Linear { dim = 3, out_dim = 1 } }, x },
    { "FeedForward", nn.FeedForward { dim = 4, hidden = 3, activation = "swiglu" }, x },
    { "CausalSelfAttention", nn.CausalSelfAttention { dim = 4, heads = 2, rotary = true }, x },
    { "TransformerBlock", nn.TransformerBlock { dim = 4, heads = 2, dropout = 0.1 }, x },
    { "MoE", nn.MoE { dim = 4, hidden = 3, experts = 4, bias_update = "sign" }, x },
    { "TransformerBlock", nn.TransformerBlock { dim = 4,
      ffn = nn.MoE { dim = 4, experts = { nn.Linear { dim = 4, out_dim = 4 },
      nn.Linear { dim = 4, out_dim = 4, seed = 2 } } } }, x },
  }
end

local function items(t) return t:reshape(-1):totable() end

describe("every module", function()
  it("has a state that makes another equal, and is changed by none of its copies", function()
    for _, case in ipairs(all()) do
      local name, module, x = (table.unpack or unpack)(case)
      module:eval()
      local y = items((module(x)))
      local copy = module:clone()
      assert.same(y, items((copy(x))), name)
      for key, t in pairs(copy:state_dict()) do
        assert.is_false(rawequal(t, module:state_dict()[key]))
        assert.equal(module:state_dict()[key].requires, t.requires)
      end
      for _, t in pairs(copy:state_dict()) do moe.nn.initial.normal(t, 7, 1) end
      assert.same(y, items((module(x))), name)
      copy:load_state_dict(module:state_dict())
      assert.same(y, items((copy(x))), name)
    end
  end)

  it("gives all its parameters a gradient, none where they are frozen", function()
    for _, case in ipairs(all()) do
      local name, module, x = (table.unpack or unpack)(case)
      if #module:parameters() > 0 then
        local n = #module:parameters()
        local y, routing = module(x)
        local loss = (y * draw(y.shape, 8)):sum()
        if routing then loss = loss + routing:balance_loss() end
        loss:backward()
        for _, t in ipairs(module:parameters()) do assert.truthy(t.grad, name) end
        module:zero_grad()
        for _, t in ipairs(module:parameters()) do assert.is_nil(t.grad) end
        module:trainable(false)
        assert.equal(0, #module:parameters())
        assert.is_false((module(x)).requires)
        assert.equal(n, #module:trainable(true):parameters())
      end
    end
  end)

  it("has no bias where none is wanted", function()
    local block = nn.TransformerBlock { dim = 4, bias = false }
    for _, part in ipairs { block.attention.query, block.attention.out, block.ffn.w_in } do
      assert.is_nil(part.bias)
    end
    assert.truthy(nn.TransformerBlock({ dim = 4 }).ffn.w_out.bias)
  end)

  it("is printed with its parts and shapes", function()
    for _, case in ipairs(all()) do has(tostring(case[2]), case[1]) end
    has(tostring(nn.TransformerBlock { dim = 4, hidden = 6 }), "TransformerBlock(",
      "(attention): CausalSelfAttention",
      "w_in", "weight 4×6", "bias 6")
  end)

  it("names itself and the option that it refuses", function()
    for _, case in ipairs {
      { "Linear", { dim = 4 }, "out_dim" }, { "Linear", { dim = 4, out_dim = 0 }, "out_dim" },
      { "Linear", { dim = 4, out_dim = 2, init = "huge" }, "init" }, { "Embedding", { items = 3 },
        "dim" },
      { "LayerNorm", {}, "dim" }, { "RMSNorm", {}, "dim" }, { "Dropout", { p = 2 }, "p" },
      { "Activation", { name = "step" }, "step" }, { "FeedForward", { dim = 4 }, "hidden" },
      { "FeedForward", { dim = 4, hidden = 2, activation = "step" }, "step" },
      { "CausalSelfAttention", {}, "dim" }, { "CausalSelfAttention", { dim = 4, heads = 3 },
        "heads" },
      { "TransformerBlock", {}, "dim" }, { "TransformerBlock", { dim = 4, norm = "batch" },
        "norm" },
      { "TransformerBlock", { dim = 4, ffn = 3 }, "'ffn' must be a module or a function, got a" },
      { "TransformerBlock", { dim = 4, ffn = F.relu, hidden = 8 }, "'hidden' is 8, but 'ffn'" },
      { "CausalSelfAttention", { dim = 4, rotary = "yes" }, "'rotary' must be true, false or" },
      { "CausalSelfAttention", { dim = 3, rotary = true }, "heads of even size, not 3" },
      { "Sequential", { moe.ones(2) }, "got userdata at [1]" },
      { "Estimator", {}, "'model' is needed" }, { "Estimator", { modl = 1 }, "'model'" },
      { "Linear", { dim = 4, outdim = 2 }, "out_dim" }, { "MoE", { dim = 4 }, "experts" },
    } do
      local name, options, what = (table.unpack or unpack)(case)
      local message = message_of(function() nn[name](options) end)
      has(message, "modules_spec.lua", name, what)
    end
    has(message_of(nn.Linear, 5), "Linear", "options")
  end)
end)

describe("a module", function()
  it("is ten lines of anyone's", function()
    local Scale = nn.module "Scale"
    function Scale:init(options)
      self.factor = self:parameter(moe.ones(options.dim))
      self.parts = { nn.Linear { dim = options.dim, out_dim = 2, seed = self:seed_of "a" } }
    end
    function Scale:forward(x) return self.parts[1](x * self.factor) end
    local layer = Scale { dim = 3 }
    layer(draw({ 2, 3 }, 1)):sum():backward()
    assert.equal(3, #layer:parameters())
    assert.equal(3 + 6 + 2, layer:size())
    assert.truthy(layer.factor.grad)
    local names = {}
    for name in pairs(layer:state_dict()) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "factor", "parts.1.bias", "parts.1.weight" }, names)
    has(tostring(layer), "Scale(factor 3)", "(parts.1): Linear")
    assert.is_false(layer:eval().parts[1].training)
    assert.is_true(layer:train().parts[1].training)
  end)

  it("loads strictly unless told otherwise, and then changes nothing where it fails", function()
    local layer = nn.Linear { dim = 2, out_dim = 2 }
    local before = items(layer.weight)
    local good = { weight = moe.ones(2, 2), bias = moe.ones(2) }
    has(message_of(layer.load_state_dict, layer, { weight = good.weight }), "'bias' is missing")
    has(message_of(layer.load_state_dict, layer, { weight = good.weight, bias = good.bias,
      more = good.bias }), "no 'more'")
    has(message_of(layer.load_state_dict, layer, { weight = good.weight, bias = moe.ones(3) }),
      "'bias' is 3 float32, not 2 float32")
    has(message_of(layer.load_state_dict, layer, { weight = good.weight,
      bias = moe.ones(2):int() }), "bias")
    has(message_of(layer.load_state_dict, layer, { weight = good.weight, bias = 5 }), "bias")
    assert.same(before, items(layer.weight))
    layer:load_state_dict({ weight = good.weight, more = good.bias }, { strict = false })
    assert.same({ 1, 1, 1, 1 }, items(layer.weight))
  end)

  it("say what is wrong with a state, or how it is asked for", function()
    local net = nn.Linear { dim = 2, out_dim = 3 }
    local function refused(text, ...)
      local ok, message = pcall(...)
      assert.is_false(ok)
      assert.truthy(message:find(text, 1, true), message)
    end
    refused("state_dict: a table of options expected, got a number", net.state_dict, net, 3)
    refused("state_dict: 'layout' must be \"torch\" or absent, got 'tf'", net.state_dict, net,
      { layout = "tf" })
    refused("load_state_dict: a table of tensors by name expected, got a nil",
      net.load_state_dict, net)
    refused("load_state_dict: unknown option 'stric'; did you mean 'strict'?",
      net.load_state_dict, net, net:state_dict(), { stric = false })
  end)

  it("in a Sequential must be a module or a function", function()
    local function message(parts) return select(2, pcall(nn.Sequential, parts)) end
    local text = "Sequential: a list of modules and functions expected, got %s at [%s]"
    assert.truthy(message { "relu" }:find(text:format("string", 1), 1, true))
    assert.truthy(message { F.relu, nil, F.tanh }:find(text:format("function", 3), 1, true))
    assert.truthy(message { dim = 3 }:find(text:format("number", "dim"), 1, true))
    assert.truthy(pcall(nn.Sequential, { F.relu, seed = 3 }))
  end)

  it("in a Sequential passes its routing on, behind the answer", function()
    local function sparse(seed)
      return nn.MoE { dim = 4, hidden = 3, experts = 4, top_k = 2, seed = seed }
    end
    local net = nn.Sequential {
      nn.Linear { dim = 4, out_dim = 4 }, sparse(1),
      nn.Sequential { nn.TransformerBlock { dim = 4, heads = 2, ffn = sparse(2) }, F.tanh },
    }
    local x = moe.randn(2, 3, 4)
    local results = { net(x) }
    assert.equal(3, #results)
    local answer, routing = net[2](net[1](x))
    assert.same(routing.indices:totable(), results[2].indices:totable())
    answer, routing = net[3](answer)
    assert.same(routing.indices:totable(), results[3].indices:totable())
    assert.same(answer:totable(), results[1]:totable())
    assert.equal(1, select("#", nn.Sequential { F.tanh }(x)))
  end)

  it("that is in two places is one: trained once, copied once", function()
    local part = nn.Linear { dim = 2, out_dim = 2 }
    local net = nn.Sequential { part, F.tanh, part }
    assert.equal(2, #net:parameters())
    local copy = net:clone()
    assert.is_true(rawequal(copy[1], copy[3]))
    assert.equal(2, #copy:parameters())
    local tied = nn.Sequential { nn.Linear { dim = 2, out_dim = 2 },
      nn.Linear { dim = 2, out_dim = 2 } }
    tied[2].weight = tied[1].weight
    copy = tied:clone()
    assert.is_true(rawequal(copy[1].weight, copy[2].weight))
    assert.is_false(rawequal(copy[1].weight, tied[1].weight))
    assert.equal(3, #copy:parameters())
    assert.equal(2, #net:trainable(false):trainable(true):parameters())
  end)

  it("of dropout is the identity in evaluation, and keeps the mean in training", function()
    local drop, x = nn.Dropout { p = 0.25, seed = 4 }, moe.ones(100, 100)
    near(1, drop(x):mean(), 0.03)
    assert.are_not.same(items(drop(x)), items(drop(x)))
    assert.is_true(rawequal(x, drop:eval()(x)))
    local all_gone = nn.Dropout { p = 1 }
    assert.equal(0, all_gone(x):sum())
  end)

  it("sees nothing of later positions where it is causal", function()
    local layer = nn.CausalSelfAttention { dim = 4, heads = 2, rotary = true }
    local x = draw({ 1, 5, 4 }, 1)
    local before = layer(x)
    x:set(1, 5, 2, 9)
    local after = layer(x)
    for i = 1, 4 do assert.same(before[1][i]:totable(), after[1][i]:totable()) end
    assert.are_not.same(before[1][5]:totable(), after[1][5]:totable())
  end)

  it("begins with the scale that its initialiser promises", function()
    local n = 200
    local function deviation(t)
      local sum, squares = 0, 0
      for _, w in ipairs(items(t)) do sum, squares = sum + w, squares + w * w end
      near(0, sum / (n * n), 0.01)
      return math.sqrt(squares / (n * n))
    end
    -- U(±a) has the deviation a / √3.
    near(math.sqrt(6 / (2 * n)) / math.sqrt(3),
      deviation(moe.nn.initial.xavier(moe.zeros(n, n), 1)), 2e-3)
    near(math.sqrt(2 / n), deviation(moe.nn.initial.he(moe.zeros(n, n), 1)), 2e-3)
    near(1 / math.sqrt(3 * n), deviation(moe.nn.initial.uniform(moe.zeros(n, n), 1)), 2e-3)
    near(0.02, deviation(moe.nn.initial.normal(moe.zeros(n, n), 1)), 5e-4)
    -- A normal deviate cut at two has the deviation 0.8796.
    near(0.02 * 0.8796, deviation(moe.nn.initial.truncated(moe.zeros(n, n), 1)), 5e-4)
    for _, w in ipairs(items(moe.nn.initial.truncated(moe.zeros(n, n),
      1))) do assert.is_true(math.abs(w) <= 0.04) end
    assert.equal(0, moe.nn.initial.zeros(moe.ones(3, 3)):sum())
    assert.are_not.same(items(moe.nn.initial.he(moe.zeros(3, 3), 1)),
      items(moe.nn.initial.he(moe.zeros(3, 3), 2)))
  end)
end)
