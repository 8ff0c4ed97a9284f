--- Optimisers and schedules of their steps; rules and defaults are PyTorch's.
--
--    local opt = moe.optim.adamw(layer:parameters(), { lr = 1e-3 })
--    opt:zero_grad(); loss:backward(); opt:step()
-- @module moe.optim

local core = require "moe.core"
local check = require("moe.options").check
local check_parameters = require("moe.options").check_parameters

local optim = {}

local Optimiser = {}
Optimiser.__index = Optimiser

-- More than this and its products are no float32.
local MOST = 1e18

-- The state of a tensor that has its first gradient.
local function begin(self, i, w)
  if not w.grad then return nil end
  local state, moments = { t = 0 }, self.moments
  if moments[1] then state.m = core.zeros(w.shape) end
  if moments[2] then state.v = core.zeros(w.shape) end
  self.state[i] = state
  return state
end

--- A step by the gradients that there are; a tensor without any stays as it is, decay and
-- momentum do not move it.
function Optimiser:step()
  local rule, lr = self.rule, self.lr
  if type(lr) ~= "number" or not (lr >= 0 and lr <= MOST) then
    error(("step: 'lr' must be a number in [0, %g], got %s"):format(MOST, tostring(lr)), 2)
  end
  self.steps, rule.lr = self.steps + 1, lr
  for i, w in ipairs(self.parameters) do
    local state = self.state[i] or begin(self, i, w)
    if state and core.optimise(rule, state.t + 1, w, state.m, state.v) then
      state.t = state.t + 1
    end
  end
  return self
end

--- Forgets all gradients, so that `step` leaves alone what the next loss is not made of.
function Optimiser:zero_grad()
  for _, w in ipairs(self.parameters) do w:zero_grad() end
  return self
end

local function maker(kind, known, fill)
  return function(parameters, options)
    check_parameters(kind, parameters, 1)
    local o = check(kind, options, known)
    local rule, moments = fill(o)
    rule.kind = kind
    return setmetatable({
      parameters = parameters, lr = o.lr, rule = rule, moments = moments, state = {}, steps = 0,
    }, Optimiser)
  end
end

local function rate(default) return { "number", min = 0, max = MOST, default = default } end

-- What is divided by; from 0 on a gradient of 0 would be 0 / 0.
local function divisor(default)
  return { "number", min = 1e-30, max = MOST, default = default }
end

local function share(default) return { "number", min = 0, max = 1, default = default } end

-- The share of what was that a step keeps. With 1 nothing would be forgotten, nor learned
-- where means are divided by what they are short of: 0 / 0.
local function memory(default) return { "number", min = 0, below = 1, default = default } end

--- Stochastic gradients. Options: lr (0.001), momentum (0), nesterov (false),
-- weight_decay (0).
-- @function sgd
-- @param parameters a list of tensors, as module:parameters() gives
-- @param[opt] options a table
optim.sgd = maker("sgd", {
  lr = rate(1e-3), momentum = memory(0), nesterov = { "boolean", default = false },
  weight_decay = rate(0),
}, function(o)
  if o.nesterov and o.momentum == 0 then
    error("sgd: 'nesterov' would change nothing without 'momentum', which is 0", 4)
  end
  return { momentum = o.momentum, nesterov = o.nesterov, weight_decay = o.weight_decay },
    { o.momentum > 0, false }
end)

local function adam(kind, decay)
  return maker(kind, {
    lr = rate(1e-3), beta1 = memory(0.9), beta2 = memory(0.999), eps = divisor(1e-8),
    weight_decay = rate(decay),
  }, function(o)
    return { beta1 = o.beta1, beta2 = o.beta2, eps = o.eps, weight_decay = o.weight_decay },
      { true, true }
  end)
end

--- Adam, its decay in the gradient. Options: lr (0.001), beta1 (0.9), beta2 (0.999), eps
-- (1e-8), weight_decay (0).
-- @function adam
-- @param parameters a list of tensors, as module:parameters() gives
-- @param[opt] options a table
optim.adam = adam("adam", 0)

--- AdamW, its decay apart from the gradient. Options as adam; weight_decay is 0.01.
-- @function adamw
-- @param parameters a list of tensors, as module:parameters() gives
-- @param[opt] options a table
optim.adamw = adam("adamw", 0.01)

--- RMSprop. Options: lr (0.01), alpha (0.99), eps (1e-8), momentum (0), weight_decay (0).
-- @function rmsprop
-- @param parameters a list of tensors, as module:parameters() gives
-- @param[opt] options a table
optim.rmsprop = maker("rmsprop", {
  lr = rate(1e-2), alpha = memory(0.99), eps = divisor(1e-8), momentum = memory(0),
  weight_decay = rate(0),
}, function(o)
  return { alpha = o.alpha, eps = o.eps, momentum = o.momentum, weight_decay = o.weight_decay },
    { o.momentum > 0, true }
end)

--- Lion (Chen et al. 2023). Options: lr (1e-4), beta1 (0.9), beta2 (0.99), weight_decay (0).
-- @function lion
-- @param parameters a list of tensors, as module:parameters() gives
-- @param[opt] options a table
optim.lion = maker("lion", {
  lr = rate(1e-4), beta1 = memory(0.9), beta2 = memory(0.99), weight_decay = rate(0),
}, function(o)
  return { beta1 = o.beta1, beta2 = o.beta2, weight_decay = o.weight_decay }, { true, false }
end)

-- ---------------------------------------------------------------- schedules

local Schedule = {}
Schedule.__index = Schedule

-- Sets every rate; returns that of the first.
local function set_rates(self)
  local factor = self.factor(self.steps)
  for _, one in ipairs(self.moved) do one.of[one.name] = one.base * factor end
  return self.moved[1].base * factor
end

--- Sets the rates of the next step; to be called after each step (or epoch).
-- @return that of the first
function Schedule:step()
  self.steps = self.steps + 1
  return set_rates(self)
end

-- What moves is the `lr` of an optimiser, the `bias_rate` of a sparse layer.
local function schedule(moved, factor)
  local s = setmetatable({ moved = {}, factor = factor, steps = 0 }, Schedule)
  local list = type(moved) == "table" and #moved > 0 and moved or { moved }
  for i, of in ipairs(list) do
    local name = type(of) == "table" and (of.lr and "lr" or "bias_rate")
    if not name or type(of[name]) ~= "number" then
      error(("schedules: an optimiser, a layer with a bias_rate, or a list of these expected, "
        .. "got a %s"):format(type(of)), 3)
    end
    s.moved[i] = { of = of, name = name, base = of[name] }
  end
  set_rates(s)
  return s
end

--- Functions that give a schedule of an optimiser's rate, of the `bias_rate` of a sparse
-- layer, or of all in a list of these.
optim.schedules = {}

--- The rate times gamma (0.1) each `every` steps.
-- @function schedules.step
-- @param moved an optimiser, a sparse layer (its `bias_rate`), or a list of these
-- @param options { every (1), gamma (0.1) }
function optim.schedules.step(moved, options)
  local o = check("step", options, {
    every = { "integer", min = 1, default = 1 }, gamma = rate(0.1),
  })
  return schedule(moved, function(t) return o.gamma ^ math.floor(t / o.every) end)
end

local function half_cosine(done) return 0.5 * (1 + math.cos(math.pi * math.min(1, done))) end

--- Along half a cosine down to `least` (0) of the rate in `steps`.
-- @function schedules.cosine
-- @param moved an optimiser, a sparse layer (its `bias_rate`), or a list of these
-- @param options { steps, least (0) }
function optim.schedules.cosine(moved, options)
  local o = check("cosine", options, {
    steps = { "integer", min = 1, needed = true }, least = share(0),
  })
  return schedule(moved, function(t)
    return o.least + (1 - o.least) * half_cosine(t / o.steps)
  end)
end

--- Linearly up in `steps`, then constant, or along half a cosine down to `least` (0) of the
-- rate at `total`.
-- @function schedules.warmup
-- @param moved an optimiser, a sparse layer (its `bias_rate`), or a list of these
-- @param options { steps, total, least (0) }
function optim.schedules.warmup(moved, options)
  local o = check("warmup", options, {
    steps = { "integer", min = 1, needed = true }, total = { "integer", min = 1 },
    least = share(0),
  })
  if o.total and o.total < o.steps then
    error(("warmup: 'total' must be at least 'steps', %d, got %d"):format(o.steps, o.total), 2)
  end
  local function fall(t) return half_cosine((t - o.steps) / math.max(1, o.total - o.steps)) end
  return schedule(moved, function(t)
    if t < o.steps then return (t + 1) / o.steps end
    return o.total and o.least + (1 - o.least) * fall(t) or 1
  end)
end

--- Up from rate / start (25) to the rate in a share (0.3) of the steps, then down to
-- rate / start / final (1e4), both along half cosines (Smith & Topin 2017).
-- @function schedules.one_cycle
-- @param moved an optimiser, a sparse layer (its `bias_rate`), or a list of these
-- @param options { steps, start (25), final (1e4), share (0.3) }
function optim.schedules.one_cycle(moved, options)
  local o = check("one_cycle", options, {
    steps = { "integer", min = 2, needed = true }, start = divisor(25), final = divisor(1e4),
    share = share(0.3),
  })
  local up = o.share * o.steps - 1
  local low, last = 1 / o.start, 1 / o.start / o.final
  return schedule(moved, function(t)
    if t < up then return 1 + (low - 1) * half_cosine(t / up) end
    if t == up then return 1 end
    return last + (1 - last) * half_cosine((t - up) / (o.steps - 1 - up))
  end)
end

--- A running mean of parameters: average = optim.average(parameters, 0.999);
-- average:update() after each step; average:swap() exchanges it with the weights.
function optim.average(parameters, decay)
  check_parameters("average", parameters, 1)
  if type(decay) ~= "number" or not (decay >= 0 and decay < 1) then
    error(("average: decay must be a number in [0, 1), got %s"):format(tostring(decay)), 2)
  end
  local average = { own = {} }
  for i, w in ipairs(parameters) do average.own[i] = w:detach():clone() end
  function average:update()
    for i, w in ipairs(parameters) do core.blend(self.own[i], w, 1 - decay) end
  end
  function average:swap()
    for i, w in ipairs(parameters) do
      local before = w:detach():clone()
      core.copy(w, self.own[i])
      core.copy(self.own[i], before)
    end
  end
  return average
end

return optim
