--- Streams.
-- @module moe.streams

local series = require "moe.streams.series"

local RATE, DECAY, STEP = 0.2, 0.1, 0.1

-- Runge & Kutta's method of order 4.  The delayed value enters through its feedback
-- alone, which is kept for the steps of the last tau; between them it is their mean.
local function begin(o, random)
  local delay, x, at = math.floor(o.tau / STEP + 0.5), 1.2, 0
  local feedback = {}
  for i = 1, delay do feedback[i] = 0 end
  local noise = random "noise"
  local function step()
    local now = feedback[at + 1]
    local after = feedback[(at + 1) % delay + 1]
    local middle = 0.5 * (now + after)
    feedback[at + 1] = RATE * x / (1 + x ^ 10)
    at = (at + 1) % delay
    local a = now - DECAY * x
    local b = middle - DECAY * (x + 0.5 * STEP * a)
    local c = middle - DECAY * (x + 0.5 * STEP * b)
    local d = after - DECAY * (x + STEP * c)
    x = x + STEP / 6 * (a + 2 * b + 2 * c + d)
  end
  return function()
    local value = x
    for _ = 1, 10 do step() end
    return value + o.noise * noise.normal()
  end
end

--- The series of Mackey & Glass (1977, doi 10.1126/science.267326), dx/dt = 0.2 x(t − τ) /
-- (1 + x(t − τ)^10) − 0.1 x, from x(0) = 1.2 and nothing before, one value a unit of time:
-- the last values tell a later one.
-- @function mackey_glass
-- @param[opt] options a table of
--   tau = 17: the delay; from 17 on the series is chaotic
--   lags = 10: how many values are the features
--   horizon = 1: how far ahead the target lies
--   noise = 0: standard deviation of what is added to a value
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return series.generator("mackey_glass", {
  tau = { "number", min = 1, max = 1e4, default = 17 },
  noise = { "number", min = 0, default = 0 },
}, begin)
