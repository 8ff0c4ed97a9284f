-- Streams that foretell a series from its own past.

local generator = require "moe.streams.generator"

local series = {}

series.options = {
  lags = { "integer", min = 1, max = 1e5, default = 10 },
  horizon = { "integer", min = 1, max = 1e5, default = 1 },
}

--- "lag0", "lag1", …: the newest value first.
function series.names(o)
  local names = {}
  for j = 1, o.lags do names[j] = "lag" .. j - 1 end
  return names
end

--- From a function that gives the series value after value, one that fills x with the
-- newest values but the last `horizon`, of which the last is y.
function series.windows(o, next_value)
  local size = o.lags + o.horizon
  local past = {}
  for i = 1, size - 1 do past[i] = next_value() end
  local at = size - 1
  return function(x)
    at = at % size + 1
    past[at] = next_value()
    local from = at - o.horizon
    for j = 1, o.lags do x[j] = past[(from - j) % size + 1] end
    return past[at]
  end
end

--- A constructor: `begin(o, random)` gives the function of values.
function series.generator(name, options, begin)
  local known = {}
  for _, rules in ipairs { series.options, options } do
    for key, rule in pairs(rules) do known[key] = rule end
  end
  return generator.new {
    name = name, task = "regression", features = series.names, options = known,
    start = function(o, random) return series.windows(o, begin(o, random)) end,
  }
end

return series
