--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

--- Many numbers of which few matter: y = 2 x1 + 3 sin(2 x2) + 2 x3 x4 − x5² and noise, of
-- normal numbers; the rest are noise.
-- @function high_dim
-- @param[opt] options a table of
--   features = 50: how many, at least 5
--   noise = 1: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "high_dim", task = "regression", features = function(o) return o.features end,
  options = {
    features = { "integer", min = 5, max = 1e6, default = 50 },
    noise = { "number", min = 0, default = 1 },
  },
  start = function(o, random)
    local r, noise = random "rows", random "noise"
    return function(x)
      r.scatter(x, o.features)
      return 2 * x[1] + 3 * math.sin(2 * x[2]) + 2 * x[3] * x[4] - x[5] ^ 2
        + o.noise * noise.normal()
    end
  end,
}
