--- Streams.
-- @module moe.streams

local series = require "moe.streams.series"

--- A series that remembers long: y(t) = Σ φ y(t − k) + normal noise over the last values,
-- φ of a random sign and falling as 1 / k, their sizes together 0.95.  All these values are
-- the features.
-- @function long_ar
-- @param[opt] options a table of
--   lags = 64: how many values count, and are seen
--   horizon = 1: how far ahead the target lies
--   noise = 0.05: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return series.generator("long_ar", {
  lags = { "integer", min = 1, max = 1e5, default = 64 },
  noise = { "number", min = 0, default = 0.05 },
}, function(o, random)
  local r, noise, n = random "weights", random "noise", o.lags
  local phi, total, y, at = {}, 0, {}, 0
  for k = 1, n do
    phi[k] = (r.unit() < 0.5 and -1 or 1) / k
    total = total + 1 / k
    y[k - 1] = noise.normal()
  end
  for k = 1, n do phi[k] = 0.95 * phi[k] / total end
  return function()
    local value = o.noise * noise.normal()
    for k = 1, n do value = value + phi[k] * y[(at - k) % n] end
    y[at] = value
    at = (at + 1) % n
    return value
  end
end)
