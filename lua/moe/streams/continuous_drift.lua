--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

--- A law that never stands still: y = Σ w(t) x + x1 x2 and noise, where each weight swings
-- between −1 and 1 as a sine with a period and a phase of its own.  Normal numbers.
-- @function continuous_drift
-- @param[opt] options a table of
--   features = 10: how many, at least 2
--   period = 10000: rows; the periods lie between this and twice as many
--   noise = 0.5: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "continuous_drift", task = "regression", features = function(o) return o.features end,
  options = {
    features = { "integer", min = 2, max = 1e6, default = 10 },
    period = { "number", min = 1, default = 10000 },
    noise = { "number", min = 0, default = 0.5 },
  },
  start = function(o, random)
    local r, noise, d, t = random "rows", random "noise", o.features, 0
    local phase, speed = {}, {}
    random("phases").fill(phase, d, 0, 2 * math.pi)
    random("periods").fill(speed, d, 1, 2)
    for j = 1, d do speed[j] = 2 * math.pi / (o.period * speed[j]) end
    return function(x)
      r.scatter(x, d)
      local y = x[1] * x[2] + o.noise * noise.normal()
      for j = 1, d do y = y + math.sin(phase[j] + t * speed[j]) * x[j] end
      t = t + 1
      return y
    end
  end,
}
