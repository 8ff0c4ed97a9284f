--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

--- A law that breaks: y = Σ w x + x1 x2 and noise of normal numbers, the weights drawn
-- anew after every `length` rows; the old ones do not come again.
-- @function sudden_drift
-- @param[opt] options a table of
--   features = 10: how many, at least 2
--   length = 12500: rows a law holds
--   noise = 0.5: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "sudden_drift", task = "regression", features = function(o) return o.features end,
  options = {
    features = { "integer", min = 2, max = 1e6, default = 10 },
    length = { "integer", min = 1, default = 12500 },
    noise = { "number", min = 0, default = 0.5 },
  },
  start = function(o, random)
    local r, noise, laws = random "rows", random "noise", random "laws"
    local d, w, t = o.features, {}, 0
    return function(x)
      if t % o.length == 0 then laws.scatter(w, d, 2) end
      t = t + 1
      r.scatter(x, d)
      local y = x[1] * x[2] + o.noise * noise.normal()
      for j = 1, d do y = y + w[j] * x[j] end
      return y
    end
  end,
}
