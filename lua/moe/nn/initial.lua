--- Initial weights, seeded (0 unless given): tensors of in × out.
-- @module moe.nn.initial

local core = require "moe.core"

local initial = {}

-- Inputs and outputs of a tensor of weights, the last two dimensions of its shape.
local function fans(t)
  local shape = t.shape
  local fan_in = shape[#shape - 1] or shape[1]
  return fan_in, shape[#shape]
end

--- U(±√(6 / (in + out))) (Glorot & Bengio 2010).
function initial.xavier(t, seed)
  local fan_in, fan_out = fans(t)
  return core.fill(t, "uniform", math.sqrt(6 / (fan_in + fan_out)), seed)
end

--- N(0, 2 / in) (He et al. 2015), for relu and its like.
function initial.he(t, seed) return core.fill(t, "normal", math.sqrt(2 / fans(t)), seed or 0) end

--- U(±1 / √in): what PyTorch's Linear begins with.
function initial.uniform(t, seed)
  return core.fill(t, "uniform", 1 / math.sqrt(fans(t)), seed or 0)
end

--- N(0, scale²), nothing beyond two deviations; scale 0.02 unless given.
function initial.truncated(t, seed, scale)
  return core.fill(t, "truncated", scale or 0.02, seed or 0)
end

--- N(0, scale²); scale 0.02 unless given.
function initial.normal(t, seed, scale) return core.fill(t, "normal", scale or 0.02, seed or 0) end

--- Zeros.
function initial.zeros(t, seed) return core.fill(t, "uniform", 0, seed or 0) end

return initial
