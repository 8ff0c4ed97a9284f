-- Optimisers and schedules against steps made by hand with the formulas of
-- PyTorch's documentation of torch.optim.
local moe = require "moe"
local number = require("spec.support.near").within(1e-6)

-- A weight of 1 whose gradient is 0.5, then −1, then 2.
local gradients = { 0.5, -1, 2 }

local function run(name, options)
  local w = moe.tensor({ 1.0 + 0 }):float():requires_grad()
  local opt = moe.optim[name]({ w }, options)
  local path = {}
  for i, g in ipairs(gradients) do
    opt:zero_grad();
    (w * g):sum():backward()
    opt:step()
    path[i] = w:get(1)
  end
  return path
end

local function by_hand(step)
  local w, path, state = 1, {}, {}
  for t, g in ipairs(gradients) do
    w = step(w, g, t, state)
    path[t] = w
  end
  return path
end

local function same(expected, path)
  for i = 1, #expected do
    local message = ("step %d: %.8g, not %.8g"):format(i, path[i], expected[i])
    assert.is_true(math.abs(expected[i] - path[i]) < 2e-6, message)
  end
end

describe("moe.optim", function()
  it("sgd, momentum, nesterov", function()
    local decayed = by_hand(function(w, g) return w - 0.1 * (g + 0.2 * w) end)
    same(decayed, run("sgd", { lr = 0.1, weight_decay = 0.2 }))
    same(by_hand(function(w, g, t, s)
      s.m = t == 1 and g or 0.9 * s.m + g
      return w - 0.1 * s.m
    end), run("sgd", { lr = 0.1, momentum = 0.9 }))
    same(by_hand(function(w, g, t, s)
      s.m = t == 1 and g or 0.9 * s.m + g
      return w - 0.1 * (g + 0.9 * s.m)
    end), run("sgd", { lr = 0.1, momentum = 0.9, nesterov = true }))
  end)

  local function adam(decay, coupled)
    return function(w, g, t, s)
      if coupled then g = g + decay * w end
      s.m = 0.9 * (s.m or 0) + 0.1 * g
      s.v = 0.999 * (s.v or 0) + 0.001 * g * g
      local m, v = s.m / (1 - 0.9 ^ t), s.v / (1 - 0.999 ^ t)
      if not coupled then w = w * (1 - 0.1 * decay) end
      return w - 0.1 * m / (math.sqrt(v) + 1e-8)
    end
  end

  it("adam and adamw", function()
    same(by_hand(adam(0.3, true)), run("adam", { lr = 0.1, weight_decay = 0.3 }))
    same(by_hand(adam(0.01, false)), run("adamw", { lr = 0.1 }))
  end)

  it("rmsprop and lion", function()
    same(by_hand(function(w, g, _, s)
      s.v = 0.99 * (s.v or 0) + 0.01 * g * g
      s.m = 0.5 * (s.m or 0) + g / (math.sqrt(s.v) + 1e-8)
      return w - 0.1 * s.m
    end), run("rmsprop", { lr = 0.1, momentum = 0.5 }))
    same(by_hand(function(w, g, _, s)
      local u = 0.9 * (s.m or 0) + 0.1 * g
      s.m = 0.99 * (s.m or 0) + 0.01 * g
      return w * (1 - 0.1 * 0.2) - 0.1 * (u > 0 and 1 or u < 0 and -1 or 0)
    end), run("lion", { lr = 0.1, weight_decay = 0.2 }))
  end)

  it("schedules", function()
    local function rates(name, options, n)
      local opt = moe.optim.sgd({ moe.zeros(1):requires_grad() }, { lr = 2 })
      local s = moe.optim.schedules[name](opt, options)
      local out = { opt.lr }
      for i = 2, n do out[i] = s:step() end
      return out
    end
    same({ 2, 2, 1, 1, 0.5 }, rates("step", { every = 2, gamma = 0.5 }, 5))
    same({ 2, 2 * 0.5 * (1 + math.cos(math.pi / 4)), 1 }, rates("cosine", { steps = 4 }, 3))
    same({ 0.5, 1, 1.5, 2, 2 }, rates("warmup", { steps = 4 }, 5))
    same({ 1, 2, 2, 0.5 + 1.5 * 0.5 * (1 + math.cos(math.pi / 4)), 1.25 },
      rates("warmup", { steps = 2, total = 6, least = 0.25 }, 5))
    local cycle = rates("one_cycle", { steps = 10 }, 10)
    same({ 2 / 25 }, cycle)
    number(2, cycle[3], 1e-9)
    number(2 / 25 / 1e4, cycle[10], 1e-9)
  end)

  it("schedules of several at once", function()
    local w = { moe.zeros(1):requires_grad() }
    local a, b = moe.optim.sgd(w, { lr = 2 }), moe.optim.adam(w, { lr = 0.5 })
    local s = moe.optim.schedules.step({ a, b }, { gamma = 0.5 })
    number(1, s:step())
    number(1, a.lr)
    number(0.25, b.lr)
    assert.error_matches(function()
      local none = moe.optim.schedules.step(moe.nn.Linear { dim = 1, out_dim = 1 })
      return none
    end, "schedules: an optimiser, a layer with a bias_rate, or a list of these expected")
  end)

  it("clips gradients by their norm, and averages weights", function()
    local a, b = moe.zeros(1):requires_grad(), moe.zeros(1):requires_grad();
    (a * 3 + b * 4):sum():backward()
    number(5, moe.nn.clip_grad_norm({ a, b }, 1), 1e-6)
    number(0.6, a.grad:get(1), 1e-6)
    local w = moe.zeros(1):requires_grad()
    local average = moe.optim.average({ w }, 0.9)
    w:set(1, 10)
    average:update()
    average:swap()
    number(1, w:get(1), 1e-6)
    average:swap()
    number(10, w:get(1), 1e-6)
  end)

  it("leaves alone what the loss since zero_grad was not made of, as PyTorch does", function()
    local cases = {
      sgd = { lr = 0.1, momentum = 0.9, weight_decay = 0.2 },
      adam = { lr = 0.1, weight_decay = 0.2 }, adamw = { lr = 0.1 },
      rmsprop = { momentum = 0.9, weight_decay = 0.2 }, lion = { weight_decay = 0.2 },
    }
    local function step(opt, w)
      opt:zero_grad();
      (w * 0.5):sum():backward()
      opt:step()
      return w:get(1)
    end
    for name, options in pairs(cases) do
      local a, b = moe.ones(1):requires_grad(), moe.ones(1):requires_grad()
      local alone = moe.ones(1):requires_grad()
      local both, one = moe.optim[name]({ a, b }, options), moe.optim[name]({ alone }, options)
      number(step(one, alone), step(both, a))
      for _ = 1, 3 do step(both, b) end
      assert.equal(alone:get(1), a:get(1), name)
      number(step(one, alone), step(both, a))
    end
  end)

  it("says what is wrong", function()
    local w = moe.ones(2):requires_grad()
    local opt = moe.optim.sgd { w }
    local function refused(text, ...)
      local ok, message = pcall(...)
      assert.is_false(ok)
      assert.truthy(message:find(text, 1, true), message)
    end
    refused("adam: a list of tensors expected, as module:parameters() gives, got a nil",
      moe.optim.adam)
    refused("got a nil at [1]", moe.optim.adam, {})
    refused("got a number at [2]", moe.optim.adam, { w, 3 })
    local clip = moe.nn.clip_grad_norm
    refused("clip_grad_norm: a list of tensors expected, as module:parameters() gives, got a Lin",
      clip, moe.nn.Linear { dim = 1, out_dim = 1 }, 1)
    refused("clip_grad_norm: 'most' must be a number, at least 0, got -1", clip, { w }, -1)
    refused("'lr' must be a number in [0, 1e+18], got nil", function()
      local still = moe.optim.sgd { w }
      still.lr = nil
      still:step()
    end)
    refused("sgd: 'nesterov' would change nothing without 'momentum', which is 0", moe.optim.sgd,
      { w }, { nesterov = true })
    refused("average: decay must be a number in [0, 1), got nil", moe.optim.average, { w })
    refused("average: decay must be a number in [0, 1), got 1", moe.optim.average, { w }, 1)
    for _, name in ipairs { "cosine", "warmup", "one_cycle" } do
      refused(name .. ": 'steps' is needed", moe.optim.schedules[name], opt)
    end
    refused("or a list of these expected, got a number", moe.optim.schedules.step, 3)
  end)

  -- A mean that forgets nothing is 0 / 0, and so is a gradient of 0 by an eps of 0.
  it("refuses numbers that would end in NaN, with what is allowed", function()
    local optim, w = moe.optim, { moe.ones(2):requires_grad() }
    local function refuses(name, option, value, allowed)
      local options = { lr = 0.1 }
      options[option] = value
      local ok, message = pcall(optim[name], w, options)
      local expected = ("%s: '%s' must be %s, got "):format(name, option, allowed)
      assert.is_false(ok, expected)
      assert.truthy(message:find(expected, 1, true), message)
    end
    local memories = {
      sgd = { "momentum" }, adam = { "beta1", "beta2" }, adamw = { "beta1", "beta2" },
      rmsprop = { "alpha", "momentum" }, lion = { "beta1", "beta2" },
    }
    for name, options in pairs(memories) do
      for _, option in ipairs(options) do
        for _, bad in ipairs { 1, -0.1, 0 / 0 } do
          refuses(name, option, bad, "a number in [0, 1)")
        end
      end
      refuses(name, "lr", math.huge, "a finite number in [0, 1e+18]")
      refuses(name, "lr", 1e300, "a number in [0, 1e+18]")
      refuses(name, "weight_decay", -1e-3, "a number in [0, 1e+18]")
    end
    for _, name in ipairs { "adam", "adamw", "rmsprop" } do
      refuses(name, "eps", 0, "a number in [1e-30, 1e+18]")
    end
    for _, name in ipairs { "LayerNorm", "RMSNorm" } do
      assert.error_matches(function() moe.nn[name] { dim = 3, eps = 0 } end,
        name .. ": 'eps' must be a number, at least 1e%-30, got 0")
    end
    assert.error_matches(function() moe.F.rms_norm(moe.ones(1, 2), nil, 1e-200) end,
      "rms_norm: eps must be finite and at least 1e%-30")
  end)

  it("has no NaN at the least and the most that it takes, of gradients of 0", function()
    local least = { lr = 1e18, eps = 1e-30, beta1 = 1 - 2 ^ -53, beta2 = 1 - 2 ^ -53 }
    local cases = {
      sgd = { lr = 1e18, momentum = 0.5 }, adam = least, adamw = least,
      rmsprop = { lr = 1e18, eps = 1e-30, alpha = 1 - 2 ^ -53 },
      lion = { lr = 1e18, beta1 = 0, beta2 = 0 },
    }
    for name, options in pairs(cases) do
      options.weight_decay = 0
      local w = moe.ones(1):requires_grad()
      local opt = moe.optim[name]({ w }, options)
      for _ = 1, 3 do
        opt:zero_grad();
        (w * 0):sum():backward()
        opt:step()
      end
      assert.equal(1, w:get(1), name)
    end
  end)

  it("a mean that keeps nearly all of the past still learns", function()
    local w = moe.zeros(1):requires_grad()
    local opt = moe.optim.rmsprop({ w }, { lr = 1, alpha = 1 - 1e-9, eps = 1e-30 });
    (w * 1):sum():backward()
    opt:step()
    number(-1 / math.sqrt(1e-9), w:get(1), 1)
  end)

  it("schedules begin at their peak where nothing is left to rise in", function()
    local function first(options)
      local opt = moe.optim.sgd({ moe.zeros(1):requires_grad() }, { lr = 2 })
      local s = moe.optim.schedules.one_cycle(opt, options)
      return opt.lr, s:step()
    end
    local lr, after = first { steps = 10, share = 0.1 }
    assert.equal(2, lr)
    assert.is_true(after < 2 and after > 1.8)
    local w = { moe.zeros(1):requires_grad() }
    local opt = moe.optim.sgd(w)
    for name, bad in pairs {
      one_cycle = { { start = 0 }, { final = 0 }, { start = math.huge } },
      step = { { gamma = math.huge }, { gamma = -1 } },
      warmup = { { total = 3 } }, cosine = { { least = 2 } },
    } do
      for _, options in ipairs(bad) do
        options.steps = name ~= "step" and 4 or nil
        local option = next(options) ~= "steps" and next(options) or next(options, "steps")
        assert.error_matches(function() moe.optim.schedules[name](opt, options) end,
          name .. ": '" .. option .. "' must be ")
      end
    end
  end)

  it("schedules whatever has a rate", function()
    local bias = { lr = 0.1 }
    local schedule = moe.optim.schedules.step(bias, { every = 1, gamma = 0.5 })
    schedule:step()
    number(0.05, bias.lr)
  end)
end)
