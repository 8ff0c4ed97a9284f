--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

--- An energy put together from parts: kinetic, of a spring, of height and of rotation,
-- ½ m v² + ½ k d² + 9.81 m h + ½ i w², and noise.  Mass m and spring k lie in [0.5, 2),
-- speed v and rate w in [−2, 2), the others, d, h and i, in [0, 1).
-- @function physics
-- @param[opt] options a table of
--   noise = 0.1: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "physics", task = "regression", features = { "m", "v", "k", "d", "h", "i", "w" },
  options = { noise = { "number", min = 0, default = 0.1 } },
  start = function(o, random)
    local r, noise = random "rows", random "noise"
    return function(x)
      r.fill(x, 7)
      local m, k, d, h, i = 0.5 + 1.5 * x[1], 0.5 + 1.5 * x[3], x[4], x[5], x[6]
      local v, w = 4 * x[2] - 2, 4 * x[7] - 2
      x[1], x[2], x[3], x[7] = m, v, k, w
      return 0.5 * m * v * v + 0.5 * k * d * d + 9.81 * m * h + 0.5 * i * w * w
        + o.noise * noise.normal()
    end
  end,
}
