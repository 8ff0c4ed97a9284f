-- Sparse layers for use: in C, in files, of half width.
local moe = require "moe"
local engine = require "spec.support.engine"
local files = require "spec.support.files"
local safetensors = require "spec.support.safetensors_reader"
local support = require "spec.support.golden"
local near = require("spec.support.near").within(1e-6)

local nn, F = moe.nn, moe.F
local draw = support.draw

-- Each kind of gate, selection, weight and expert that the engine has.
local kinds = {
  { activation = "gelu" },
  { activation = "swiglu", shared_experts = 2, scale = 2.5, out_dim = 3 },
  { activation = "relu", router = "noisy_top_k", noise = "learned", bias = false },
  { activation = "tanh", bias_update = "sign", score = "sigmoid", groups = 2, top_groups = 1 },
  { activation = "geglu", router = "soft", shared_experts = 1, bias = true },
  { activation = "silu", router = "expert_choice", temperature = 2 },
  { activation = "gelu", eval_capacity_factor = 1, capacity_factor = 1, drop_order = "score" },
  { activation = "softplus", router = "hash", top_k = 1, allow_degenerate = true },
}

local function layer_of(options)
  local all = { dim = 6, hidden = 9, experts = 4, seed = 3 }
  for name, value in pairs(options) do all[name] = value end
  local layer = nn.MoE(all):eval()
  for e = 1, layer.selection_bias and 4 or 0 do layer.selection_bias:set(e, e / 50) end
  for _, name in ipairs { "b_in", "b_out" } do
    if layer[name] then require("moe.core").fill(layer[name], "uniform", 0.5, 2) end
  end
  return layer
end

-- The ids that a layer needs, if it is one of the hash router.
local function besides(layer, n)
  local router, ids = layer.router or layer.layer:parts().params.router, {}
  for i = 1, n do ids[i] = (i - 1) * 7 end
  return router == "hash" and { ids = ids } or nil
end

local x = draw({ 12, 6 }, 4)
local function answer(layer, rows)
  rows = rows or x
  return moe.no_grad(function() return (layer:forward(rows, besides(layer, #rows))) end)
end

local function list(t) return t:reshape(-1):totable() end
local function far(a, b)
  local most, one, other = 0, list(a), list(b)
  assert.equal(#one, #other)
  for i, v in ipairs(one) do most = math.max(most, math.abs(v - other[i])) end
  return most
end

describe("layers in C", function()
  local paths = {}
  for k, options in ipairs(kinds) do
    local layer, path = layer_of(options), os.tmpname()
    assert(layer:save(path))
    assert(moe.data.write_safetensors(path .. ".rows", { x = x, y = answer(layer) }))
    paths[k] = path
  end
  engine.keeps("layer", it, pending, { arguments = table.concat(paths, " ") })
  for _, path in ipairs(paths) do
    os.remove(path)
    os.remove(path .. ".rows")
  end
end)

describe("a saved layer", function()
  it("comes back as it was: configuration, weights, answers, learning", function()
    for _, options in ipairs(kinds) do
      files.lend(nil, function(path)
        local layer = layer_of(options)
        assert.is_true(layer:save(path))
        local again = assert(nn.MoE.load(path)):eval()
        assert.equal(0, far(answer(layer), answer(again)))
        local state = again:state_dict()
        for name, t in pairs(layer:state_dict()) do assert.same(list(t), list(state[name])) end
        for _, l in ipairs { layer, again } do
          l:train()
          l.seed = 1
          F.mse((l:forward(x, besides(l, 12))), moe.zeros(12, l.out_dim)):backward()
        end
        for k, t in ipairs(layer:parameters()) do
          local other = again:parameters()[k]
          assert.equal(t.grad ~= nil, other.grad ~= nil)
          if t.grad then assert.equal(0, far(t.grad, other.grad)) end
        end
      end)
    end
  end)

  it("may be of options that change nothing, which nn.MoE refuses", function()
    files.lend(nil, function(path)
      local layer = layer_of { router = "hash", top_k = 1 }
      layer._route.jitter = 0.1
      assert.is_true(layer:save(path))
      assert.equal(0, far(answer(layer), answer(assert(nn.MoE.load(path)):eval())))
    end)
  end)

  it("is no model of moe.load's, which says who reads it", function()
    files.lend(nil, function(path)
      for _, layer in ipairs { layer_of {}, (layer_of {}):half() } do
        assert.is_true(layer:save(path))
        local none, message, code = moe.load(path)
        assert.is_nil(none)
        assert.equal(path .. " holds a layer, which moe.nn.MoE.load reads", message)
        assert.equal("EFORMAT", code)
        assert.truthy(select(2, moe.undump(files.read(path))):find("holds a layer", 1, true))
      end
      assert.error_matches(function() nn.MoE:load(path) end, "a path expected, got a table; it is")
    end)
  end)

  it("is refused where Lua has a part in it, which the message names", function()
    local parts = {
      ["experts are modules"] = {
        hidden = false, experts = { nn.Linear { dim = 6, out_dim = 6 } },
      },
      ["router 'soft_moe'"] = { router = "soft_moe" },
      ["router 'sinkhorn'"] = { router = "sinkhorn" },
      ["gate is not the linear one"] = { gate = "cosine" },
    }
    for word, options in pairs(parts) do
      local layer = layer_of(options)
      for _, verb in ipairs { "save", "half" } do
        local ok, message = pcall(layer[verb], layer, "nowhere")
        assert.is_false(ok)
        assert.truthy(message:find(word, 1, true), message)
      end
    end
  end)

  it("says what is wrong with a file", function()
    local none, message, code = nn.MoE.load "/nowhere/layer.moe"
    assert.is_nil(none)
    assert.equal("EIO", code)
    assert.matches("nowhere", message)
    assert.equal("EIO", select(3, layer_of({}):save "/nowhere/layer.moe"))
    files.lend(nil, function(path)
      moe.experts.constant {}:save(path)
      none, message, code = nn.MoE.load(path)
      assert.is_nil(none)
      assert.equal("EFORMAT", code)
      assert.matches("no learner 'constant' here", message)
    end)
  end)

  -- The file of a small layer, without the checksum that would tell every change.
  local function whole(options, half)
    local bytes
    files.lend(nil, function(path)
      local layer = layer_of(options)
      assert((half and layer:half() or layer):save(path))
      bytes = files.read(path)
    end)
    local file = safetensors.read(bytes)
    file.metadata.checksum = nil
    return file
  end

  it("that C can run and nn.MoE cannot is refused", function()
    local file = whole { activation = "swiglu" }
    file.metadata.moe = file.metadata.moe:gsub('"silu"', '"relu"')
    files.lend(nil, function(path)
      files.write(path, safetensors.pack(file))
      local layer, message, code = nn.MoE.load(path)
      assert.is_nil(layer)
      assert.equal("EUNSUPPORTED", code)
      assert.matches("no experts gated by 'relu'", message)
    end)
  end)

  local function try(path, bytes)
    files.write(path, bytes)
    local layer, _, code = nn.MoE.load(path)
    if not layer then
      assert.is_true(code == "EFORMAT" or code == "EUNSUPPORTED", code)
      return
    end
    pcall(answer, layer:eval())
    pcall(layer.forward_one, layer, { 1, 2, 3, 4, 5, 6 })
  end

  it("that was tampered with is refused, or answers in bounds", function()
    files.lend(nil, function(path)
      for _, half in ipairs { false, true } do
        local file = whole({ activation = "swiglu", shared_experts = 1 }, half)
        local bytes, at = safetensors.pack(file), 1
        while at <= #bytes do
          local byte = bytes:byte(at)
          try(path, bytes:sub(1, at - 1) .. string.char((byte + 1) % 256) .. bytes:sub(at + 1))
          try(path, bytes:sub(1, at - 1))
          at = at + 41
        end
      end
    end)
  end)

  it("with other numbers in it, is refused or answers in bounds", function()
    local numbers = { "0", "-1", "1", "5", "2147483648", "9223372036854775807", "true" }
    files.lend(nil, function(path)
      local file = whole({ shared_experts = 1, router = "noisy_top_k", noise = "learned" })
      local text = file.metadata.moe
      local from = text:find('"state"', 1, true)
      for first, last in text:sub(from):gmatch "():%-?%d+()" do
        for _, number in ipairs(numbers) do
          file.metadata.moe = text:sub(1, from + first - 1) .. number .. text:sub(from + last - 1)
          try(path, safetensors.pack(file))
        end
      end
      for first, last in text:sub(from):gmatch "():%a+()" do
        for _, flag in ipairs { "true", "false", "null" } do
          file.metadata.moe = text:sub(1, from + first - 1) .. flag .. text:sub(from + last - 1)
          try(path, safetensors.pack(file))
        end
      end
    end)
  end)

  it("with an array that is empty, left out or not finite is refused", function()
    for _, half in ipairs { false, true } do
      local file = whole({ shared_experts = 1 }, half)
      files.lend(nil, function(path)
        local text = file.metadata.moe
        local function refused(word)
          files.write(path, safetensors.pack(file))
          local layer, message, code = nn.MoE.load(path)
          assert.is_nil(layer)
          assert.equal("EFORMAT", code)
          assert.truthy(message:find(word, 1, true), message)
        end
        for k = #file.order, 1, -1 do
          local t = file.tensors[file.order[k]]
          local own = t.bytes
          t.bytes = ("\255"):rep(#own)
          refused(("'%s' is empty or not finite"):format(file.order[k]))
          t.bytes = own
        end
        for name in text:gmatch '"([a-z_]+)":%[%d+%]' do
          file.metadata.moe = text:gsub('("' .. name .. '":)%[%d+%]', "%1null", 1)
          refused "items"
        end
        for _, name in ipairs { "w_gate", "noise" } do
          file.metadata.moe = text:gsub('"' .. name .. '":null', '"' .. name .. '":[0]')
          file.tensors[name] = { dtype = half and name == "w_gate" and "BF16" or "F32",
            shape = { 0 }, bytes = "" }
          file.order[#file.order + 1] = name
          refused(("'%s' is empty"):format(name))
          file.order[#file.order] = nil
        end
        file.metadata.moe = text:gsub('"state":.*}$', '"state":null}')
        file.order = {}
        refused "has no weights"
      end)
    end
  end)
end)

describe("forward_one", function()
  it("of a layer in evaluation answers as forward does, recording nothing", function()
    for _, options in ipairs(kinds) do
      if options.router ~= "hash" then
        local layer = layer_of(options)
        for i = 1, 3 do
          local one = layer:forward_one(x:rows(i, i))
          assert.is_true(far(layer:forward(x:rows(i, i)), one) <= 1e-6)
          assert.same(list(one), list(layer:forward_one(list(x:rows(i, i)))))
          assert.same({ layer.out_dim }, one.shape)
          assert.is_false(one.requires)
        end
      end
    end
  end)

  it("follows weights that change, or are replaced", function()
    local layer = layer_of { shared_experts = 1, bias_update = "sign" }
    local function agrees()
      near(0, far(layer:forward(x:rows(1, 1)), layer:forward_one(x:rows(1, 1))))
    end
    agrees()
    layer.w_out:set(1, 1, 1, 9)
    layer.w_out:set(2, 1, 1, -9)
    agrees()
    layer.selection_bias:set(3, 5)
    agrees()
    for _, name in ipairs { "w_in", "b_out" } do
      layer[name] = draw(layer[name].shape, 8)
      agrees()
    end
    layer.gate.weight = draw({ 6, 4 }, 9)
    agrees()
    layer.shared.w_out.weight = draw({ 9, 6 }, 10)
    agrees()
    layer.scale = 3
    agrees()
    layer.shared = nil
    agrees()
    local copy = layer:clone()
    assert.same(list(copy:forward_one(x:rows(1, 1))), list(layer:forward_one(x:rows(1, 1))))
    layer = copy
    for e = 1, 4 do copy.b_out:set(e, 1, 0.5) end
    agrees()
  end)

  it("of a layer in training records, and is counted", function()
    local layer = layer_of {}
    layer:train():forward_one(x:rows(1, 1)):sum():backward()
    assert.truthy(layer.w_in.grad)
    assert.equal(1, layer:stats().tokens)
  end)

  it("needs the weights that backward gave back, and says so", function()
    local layer = layer_of {}
    layer.w_in = layer.w_in:clone():requires_grad() * 2
    layer:forward_one(x:rows(1, 1))
    layer.w_in:sum():backward()
    local verbs = { save = "nowhere", half = false, forward_one = list(x:rows(1, 1)) }
    for verb, argument in pairs(verbs) do
      assert.error_matches(function() layer[verb](layer, argument) end, "given back by backward")
    end
  end)

  it("needs the dimensions of the layer", function()
    assert.error_matches(function() layer_of({}):forward_one { 1, 2 } end, "6 numbers expected")
  end)
end)

describe("a layer of half width", function()
  it("answers within 2^-7 of the layer that it was made of", function()
    for _, options in ipairs(kinds) do
      local layer = layer_of(options)
      local half = layer:half()
      local y = answer(layer)
      assert.is_true(far(y, answer(half)) < 2 ^ -7 * math.max(1, far(y, y * 0)))
      assert.is_true(far(y, answer(half)) > 0)
    end
  end)

  it("answers one token, and rows of any shape, alike", function()
    local half, y
    for _, activation in ipairs { "relu", "swiglu" } do -- and more hidden units than a band
      half = layer_of({ activation = activation, hidden = 1100, bias = true }):half()
      y = half(x)
      for i = 1, 12 do
        near(0, far(y:rows(i, i), half:forward_one(x:rows(i, i))))
        near(0, far(y:rows(i, i), half:forward_one(list(x:rows(i, i)))))
      end
    end
    assert.same(list(y), list(half(x:reshape(3, 4, 6))))
    assert.same({ 3, 4, 6 }, half(x:reshape(3, 4, 6)).shape)
  end)

  it("honours a mask", function()
    local half, mask = layer_of({}):half(), {}
    for i = 1, 12 do mask[i] = i % 3 > 0 end
    local y, masked = half(x), half:forward(x, { mask = mask })
    near(0, far(y:rows(2, 2), masked:rows(2, 2)))
    assert.same({ 0, 0, 0, 0, 0, 0 }, list(masked:rows(3, 3)))
  end)

  it("is saved and comes back, in half the bytes", function()
    files.lend(nil, function(path)
      local layer = layer_of { dim = 6, hidden = 400, shared_experts = 1 }
      assert.is_true(layer:save(path))
      local full = #files.read(path)
      local half = layer:half()
      assert.is_true(half:save(path))
      assert.is_true(#files.read(path) < 0.65 * full)
      assert.equal("BF16", safetensors.read(files.read(path)).tensors.w_in.dtype)
      local again = assert(nn.MoE.load(path))
      assert.equal(0, far(half(x), again(x)))
      assert.equal("HalfMoE", again.type_name)
    end)
  end)

  it("has its answers given back by moe.no_grad, as others are", function()
    local half, inside = layer_of({}):half(), nil
    local kept = moe.no_grad(function()
      inside = half(x)
      return half(x)
    end)
    assert.equal(12, #kept)
    assert.error_matches(function() inside:get(1, 1) end, "given back")
  end)

  it("refuses to be trained, and to give gradients, and says so", function()
    local half = layer_of({}):half()
    assert.error_matches(function() half:train() end, "for inference and cannot be trained")
    assert.error_matches(function() nn.Sequential({ half }):train()(x) end, "cannot be trained")
    half:eval()
    local z = x:clone():requires_grad()
    assert.error_matches(function() half(z) end, "gives no gradients")
    assert.same(list(half(x)), list(moe.no_grad(half, z)))
    assert.same({}, half:parameters())
    assert.error_matches(function() nn.HalfMoE {} end, "layer:half%(%)")
  end)

  it("stays as it was when the layer learns on", function()
    local layer = layer_of {}
    local half = layer:half()
    local before = list(half(x))
    layer.w_in:set(1, 1, 1, 100)
    assert.same(before, list(half(x)))
  end)
end)
