--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

local sin = math.sin

-- Laws of different kinds, so that no one model is the best of all of them.
local kinds = {
  function(w, x) return w[1] * x[1] + w[2] * x[2] + w[3] * x[3] end,
  function(w, x) return 2 * w[1] * sin(3 * x[1]) + w[2] * x[4] end,
  function(w, x) return 3 * w[1] * (x[1] > 0 and x[2] or -x[2]) + w[4] * x[4] end,
  function(w, x) return 2 * w[5] * x[4] * x[5] - w[1] * x[1] end,
}

--- Laws that take turns: one of several, linear, periodic, broken or a product of two
-- numbers, holds for some rows, then another at random, and they come again.  Five normal
-- numbers; which law holds is not told.
-- @function regime_shift
-- @param[opt] options a table of
--   regimes = 4: how many laws, of the four kinds in turn, with weights of their own
--   length = 5000: rows a law holds
--   noise = 0.5: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "regime_shift", task = "regression", features = 5,
  options = {
    regimes = { "integer", min = 1, max = 1000, default = 4 },
    length = { "integer", min = 1, default = 5000 },
    noise = { "number", min = 0, default = 0.5 },
  },
  start = function(o, random)
    local r, noise, which = random "rows", random "noise", random "regimes"
    local weights, regime, t = {}, 1, 0
    for k = 1, o.regimes do
      weights[k] = {}
      random("weights" .. k).fill(weights[k], 5, 0.5, 2)
    end
    return function(x)
      if t > 0 and t % o.length == 0 and o.regimes > 1 then
        regime = (regime - 1 + which.below(o.regimes - 1)) % o.regimes + 1
      end
      t = t + 1
      r.scatter(x, 5)
      return kinds[(regime - 1) % #kinds + 1](weights[regime], x) + o.noise * noise.normal()
    end
  end,
}
