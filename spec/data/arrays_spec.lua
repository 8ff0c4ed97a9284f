-- Arrays of other programs. The files in spec/fixtures/arrays were written by NumPy 1.24.2 and
-- PyTorch 1.13 (Debian), and byte by byte from the descriptions of IDX and safetensors.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local files = require "spec.support.files"
local data = moe.data

local function fixture(name) return "spec/fixtures/arrays/" .. name end

-- nil, a message and this code.
local function refused(code, pattern, none, message, got)
  assert.is_nil(none)
  assert.equal(code, got)
  assert.truthy(message:find(pattern), message)
end

local quarters = { { 0, 0.25, 0.5, 0.75 }, { 1, 1.25, 1.5, 1.75 }, { 2, 2.25, 2.5, 2.75 } }

describe("read_npy", function()
  it("reads numbers of every order and width", function()
    for _, name in ipairs { "f4", "f4_fortran", "f8_big" } do
      local t = assert(data.read_npy(fixture(name .. ".npy")))
      assert.equal("float32", t.dtype)
      assert.same(quarters, t:totable())
    end
    local cube = assert(data.read_npy(fixture "cube_fortran.npy"))
    assert.equal("int32", cube.dtype)
    for i = 1, 2 do
      for j = 1, 3 do
        for k = 1, 4 do assert.equal(12 * (i - 1) + 4 * (j - 1) + k - 1, cube:get(i, j, k)) end
      end
    end
    assert.same({ -1, 0, 2147483647 }, data.read_npy(fixture "i8.npy"):totable())
    assert.same({ 1, 0 }, data.read_npy(fixture "bool.npy"):totable())
    assert.same({ 7 }, data.read_npy(fixture "scalar.npy"):totable())
    local half = data.read_npy(fixture "f2.npy")
    assert.equal(1.5, half:get(1, 1))
    assert.equal(2 ^ -24, half:get(2, 1)) -- 6e-8 is nearest to the least subnormal
    assert.equal(math.huge, half:get(2, 2))
  end)

  it("refuses what a tensor cannot hold", function()
    refused("EFORMAT", "does not fit int32", data.read_npy(fixture "i8_large.npy"))
    refused("EFORMAT", "does not fit float32", data.read_npy(fixture "f8_huge.npy"))
    refused("EFORMAT", "plain numbers", data.read_npy(fixture "text.npy"))
    refused("EIO", "cannot read", data.read_npy(fixture "none.npy"))
  end)
end)

describe("write_npy", function()
  it("writes what read_npy reads, and the bytes that NumPy writes", function()
    local path = os.tmpname()
    assert.is_true(data.write_npy(path, moe.tensor(quarters)))
    assert.same(quarters, data.read_npy(path):totable())
    assert.equal(files.read(fixture "f4.npy"), files.read(path))
    os.remove(path)
    refused("EIO", "cannot", data.write_npy("/nowhere/x.npy", moe.zeros(1)))
    assert.has_error(function() data.write_npy(path, { 1 }) end)
  end)
end)

describe("npz", function()
  it("is read, stored or deflated", function()
    for _, name in ipairs { "stored", "deflated" } do
      local t, message, code = data.read_npz(fixture(name .. ".npz"))
      if not t and code == "EUNSUPPORTED" then
        assert.truthy(message:find "without zlib")
      else
        assert.same(quarters, t.a:totable())
        assert.same({ 1, 2, 3 }, t.b:totable())
        assert.equal("int32", t.b.dtype)
      end
    end
  end)

  it("comes back as it was written, the same bytes each time", function()
    local path, other = os.tmpname(), os.tmpname()
    local state = {
      ["layer.1"] = moe.tensor(quarters), ids = moe.tensor({ 3, 1 }):int(), none = moe.zeros(0, 2),
    }
    assert.is_true(data.write_npz(path, state))
    assert.is_true(data.write_npz(other, state))
    assert.equal(files.read(path), files.read(other))
    local again = assert(data.read_npz(path))
    assert.same(quarters, again["layer.1"]:totable())
    assert.same({ 3, 1 }, again.ids:totable())
    assert.same({ 0, 2 }, again.none.shape)
    os.remove(path)
    os.remove(other)
    assert.has_error(function() data.write_npz(path, { 1 }) end)
    assert.has_error(function() data.write_npz(path, { a = 1 }) end)
  end)
end)

describe("read_idx", function()
  it("reads whole and real numbers", function()
    local images = assert(data.read_idx(fixture "images.idx"))
    assert.equal("int32", images.dtype)
    local all = { { { 250, 251, 252 }, { 253, 254, 255 } }, { { 0, 1, 2 }, { 3, 4, 5 } } }
    assert.same(all, images:totable())
    assert.equal("float32", data.read_idx(fixture "images.idx", { float = true }).dtype)
    assert.same({ -300, 0, 300 }, data.read_idx(fixture "shorts.idx"):totable())
    local doubles = data.read_idx(fixture "doubles.idx")
    assert.near(0.1, doubles:get(1), 1e-8)
    assert.equal(-2.5, doubles:get(2))
    assert.has_error(function() data.read_idx(fixture "images.idx", { floats = true }) end)
  end)

  it("inflates, or says that it cannot", function()
    local t, message, code = data.read_idx(fixture "images.idx.gz")
    if t then
      assert.equal(255, t:get(1, 2, 3))
    else
      assert.equal("EUNSUPPORTED", code)
      assert.truthy(message:find "zlib")
    end
  end)
end)

describe("write_idx", function()
  it("writes what read_idx reads, images as the bytes they were", function()
    local path = os.tmpname()
    for _, name in ipairs { "images.idx", "doubles.idx", "shorts.idx" } do
      local t = assert(data.read_idx(fixture(name)))
      assert.is_true(data.write_idx(path, t))
      local again = assert(data.read_idx(path))
      assert.equal(t.dtype, again.dtype)
      assert.same(t.shape, again.shape)
      assert.same(t:totable(), again:totable())
    end
    assert.is_true(data.write_idx(path, data.read_idx(fixture "images.idx")))
    assert.equal(files.read(fixture "images.idx"), files.read(path))
    local many = moe.randn(100, 70, { seed = 1 })
    assert.is_true(data.write_idx(path, many))
    assert.same(many:totable(), data.read_idx(path):totable())
    assert.is_true(data.write_idx(path, moe.zeros(0, 2)))
    assert.same({ 0, 2 }, data.read_idx(path).shape)
    os.remove(path)
    local none, message, code = data.write_idx("/nowhere/at/all", many)
    assert.is_nil(none)
    assert.is_string(message)
    assert.equal("EIO", code)
  end)

  it("refuses lengths that the header has no room for", function()
    local path = os.tmpname()
    assert.error_matches(function() data.write_idx(path, moe.zeros(2 ^ 32, 0)) end,
      "below 2%^32, not those of 4294967296×0")
    os.remove(path)
  end)
end)

describe("safetensors", function()
  it("of PyTorch make a layer that answers as PyTorch's", function()
    local state = assert(data.read_safetensors(fixture "torch.safetensors"))
    local layer = moe.nn.Linear { dim = 3, out_dim = 2 }
    -- PyTorch's weights are [out, in].
    layer:load_state_dict { weight = state["layer.weight"]:transpose(), bias = state["layer.bias"] }
    local y = layer(moe.tensor { { 1, 2, 3 } })
    assert.near(-0.8219, y:get(1, 1), 5e-5) -- PyTorch printed these
    assert.near(0.0526, y:get(1, 2), 5e-5)
    assert.same({ 1.5, -0.25 }, state.half:totable())
    assert.equal(3.140625, state.brain:get(1, 1))
    assert.near(-1.0002555517425873e30, state.brain:get(2, 1), 1e15)
    assert.same({ 5, 7 }, state.steps:totable())
  end)

  -- bench/golden/stack.py
  local function stack()
    return moe.nn.Sequential {
      moe.nn.Linear { dim = 5, out_dim = 5 }, moe.nn.Activation { name = "gelu" },
      moe.nn.LayerNorm { dim = 5 }, moe.nn.Linear { dim = 5, out_dim = 3, bias = false },
    }
  end

  it("of a stack of PyTorch's load by its names, and are written so", function()
    local state = assert(data.read_safetensors(fixture "torch_stack.safetensors"))
    local x, y = state.x, state.y
    state.x, state.y = nil, nil
    local net = stack():load_state_dict(state, { layout = "torch" })
    local answer = net(x)
    for i = 1, 4 do
      for j = 1, 3 do assert.near(y:get(i, j), answer:get(i, j), 1e-6) end
    end
    local back, names = net:state_dict { layout = "torch" }, 0
    for name, t in pairs(back) do
      names = names + 1
      assert.same(state[name]:totable(), t:totable())
    end
    assert.equal(5, names)
    local layer = moe.nn.MoE { dim = 4, hidden = 2, experts = 3 }
    local router = layer:state_dict({ layout = "torch" })["gate.weight"]
    assert.same({ 3, 4 }, router.shape)
  end)

  it("of PyTorch that do not fit are refused, and change nothing", function()
    local state = assert(data.read_safetensors(fixture "torch_stack.safetensors"))
    local net = stack()
    local before = net:state_dict()["1.weight"]:totable()
    local function refuses(pattern, options)
      assert.error_matches(function() net:load_state_dict(state, options) end, pattern)
      assert.same(before, net:state_dict()["1.weight"]:totable())
    end
    refuses("there is no 'x'", { layout = "torch" })
    refuses("layout", { layout = "numpy" })
    state.x, state.y = nil, nil
    refuses("'1.bias' is missing")
    state["3.weight"] = moe.zeros(4, 4)
    refuses("'4.weight' is 4×4", { layout = "torch" })
    state["3.weight"] = nil
    refuses("'4.weight' is missing", { layout = "torch" })
    net:load_state_dict(state, { layout = "torch", strict = false })
    assert.are_not.same(before, net:state_dict()["1.weight"]:totable())
  end)

  it("come back as they were written", function()
    local path = os.tmpname()
    local module = moe.nn.FeedForward { dim = 3, hidden = 5, seed = 1 }
    assert.is_true(data.write_safetensors(path, module:state_dict()))
    local other = moe.nn.FeedForward { dim = 3, hidden = 5, seed = 2 }
    other:load_state_dict(assert(data.read_safetensors(path)))
    local x = moe.tensor { { 1, -2, 3 }, { 0, 0.5, 1 } }
    assert.same(module(x):totable(), other(x):totable())
    os.remove(path)
  end)
end)

describe("files that are cut or changed", function()
  local readers = {
    { "f4.npy", "read_npy" }, { "cube_fortran.npy", "read_npy" }, { "stored.npz", "read_npz" },
    { "deflated.npz", "read_npz" }, { "images.idx", "read_idx" }, { "images.idx.gz", "read_idx" },
    { "torch.safetensors", "read_safetensors" },
  }

  it("cut anywhere give nil, a message and a code", function()
    for _, case in ipairs(readers) do
      local bytes = files.read(fixture(case[1]))
      for length = 0, #bytes - 1, 7 do
        files.lend(bytes:sub(1, length), function(path)
          local t, message, code = data[case[2]](path)
          assert.is_nil(t, case[1] .. " of " .. length)
          assert.is_string(message)
          assert.truthy(code == "EFORMAT" or code == "EUNSUPPORTED")
        end)
      end
    end
  end)

  it("changed anywhere cost neither a crash nor memory", function()
    local state = 7
    local function below(n)
      state = state * 16807 % 2147483647
      return state % n
    end
    for _, case in ipairs(readers) do
      local bytes = files.read(fixture(case[1]))
      for _ = 1, 60 do
        local at = below(math.min(#bytes, 160)) + 1
        local changed = bytes:sub(1, at - 1) .. string.char(below(256)) .. bytes:sub(at + 1)
        files.lend(changed, function(path)
          local t, message, code = data[case[2]](path)
          if t == nil then assert.is_true(type(message) == "string" and #code > 0) end
        end)
      end
    end
  end)

  it("of which a number was changed do not pass for the archive that was written", function()
    local bytes = files.read(fixture "stored.npz")
    local at = bytes:find("\0\0\128\62", 1, true) -- 0.25
    files.lend(bytes:sub(1, at - 1) .. "\1" .. bytes:sub(at + 1), function(path)
      refused("EFORMAT", "checksum", data.read_npz(path))
    end)
  end)

  it("whose headers promise more than there is are refused at once", function()
    files.lend("\0\0\8\2\127\255\255\255\127\255\255\255ab", function(path)
      refused("EFORMAT", "shape does not agree", data.read_idx(path))
    end)
    files.lend("\0\0\8\255" .. ("\255"):rep(1020), function(path)
      refused("EUNSUPPORTED", "255 dimensions", data.read_idx(path))
    end)
    local header = "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 2)}\n"
    files.lend("\147NUMPY\1\0" .. string.char(#header, 0) .. header, function(path)
      refused("EFORMAT", "shape", data.read_npy(path))
    end)
  end)

  it("say so when memory is short, and leave nothing", function()
    for _, case in ipairs(readers) do
      allocations.fail(function() data[case[2]](fixture(case[1])) end)
    end
    local path, t = os.tmpname(), moe.tensor(quarters)
    for _, name in ipairs { "write_npz", "write_safetensors" } do
      allocations.fail(function() data[name](path, { a = t, b = t }) end)
    end
    allocations.fail(function() data.write_npy(path, t) end)
    allocations.fail(function() data.write_idx(path, t) end)
    os.remove(path)
  end)
end)
