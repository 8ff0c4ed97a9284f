--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

--- A wave over a plane: y = sin(2π x1) + 0.5 sin(4π x2) x1 and noise, of two numbers in
-- [0, 1).
-- @function waves
-- @param[opt] options a table of
--   noise = 0.1: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "waves", task = "regression", features = 2,
  options = { noise = { "number", min = 0, default = 0.1 } },
  start = function(o, random)
    local r, noise = random "rows", random "noise"
    return function(x)
      r.fill(x, 2)
      return math.sin(2 * math.pi * x[1]) + 0.5 * math.sin(4 * math.pi * x[2]) * x[1]
        + o.noise * noise.normal()
    end
  end,
}
