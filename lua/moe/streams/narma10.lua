--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

--- NARMA of order 10 (Atiya & Parlos 2000, doi 10.1109/72.846741): y(t + 1) = 0.3 y(t) +
-- 0.05 y(t) Σ y(t − i) + 1.5 u(t − 9) u(t) + 0.1, the sum over ten values, u uniform in
-- [0, 0.5); y is not let grow beyond 1, which it would do once in a great while.  The
-- features are the last inputs u alone.
-- @function narma10
-- @param[opt] options a table of
--   lags = 10: how many inputs are seen
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "narma10", task = "regression",
  features = function(o)
    local names = {}
    for j = 1, o.lags do names[j] = "u" .. j - 1 end
    return names
  end,
  options = { lags = { "integer", min = 1, max = 1e5, default = 10 } },
  start = function(o, random)
    local r, u, y, sum = random "rows", {}, {}, 0
    local size = math.max(10, o.lags)
    for i = 0, size - 1 do u[i] = 0.5 * r.unit() end
    for i = 0, 9 do y[i] = 0 end
    local t = 0
    return function(x)
      local newest = 0.5 * r.unit()
      u[t % size] = newest
      local last = y[(t + 9) % 10]
      local value = 0.3 * last + 0.05 * last * sum + 1.5 * u[(t - 9) % size] * newest + 0.1
      value = math.min(value, 1)
      sum = sum - y[t % 10] + value
      y[t % 10] = value
      for j = 1, o.lags do x[j] = u[(t - j + 1) % size] end
      t = t + 1
      return value
    end
  end,
}
