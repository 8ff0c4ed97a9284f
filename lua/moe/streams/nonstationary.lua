--- Streams.
-- @module moe.streams

local series = require "moe.streams.series"

local sin, pi = math.sin, math.pi

--- A series that never settles: a level that wanders and jumps, two seasons of which one
-- slowly changes its length, and an autoregressive part whose sign turns with each
-- `period`; the last values tell the next.
-- @function nonstationary
-- @param[opt] options a table of
--   lags = 10: how many values are the features
--   horizon = 1: how far ahead the target lies
--   period = 5000: values between two turns
--   noise = 1: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return series.generator("nonstationary", {
  period = { "integer", min = 1, default = 5000 },
  noise = { "number", min = 0, default = 1 },
}, function(o, random)
  local r, noise = random "level", random "noise"
  local t, level, phase, rest = 0, 0, 0, 0
  return function()
    local phi = math.floor(t / o.period) % 2 == 0 and 0.8 or -0.8
    level = level + 0.02 * r.normal()
    if t % o.period == 0 then level = level + 5 * r.normal() end
    phase = phase + 2 * pi / (40 + 20 * sin(2 * pi * t / (4 * o.period)))
    rest = phi * rest + o.noise * noise.normal()
    t = t + 1
    return level + 2 * sin(phase) + sin(2 * pi * t / 24) + rest
  end
end)
