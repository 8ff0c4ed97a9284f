--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

local min, max = math.min, math.max

--- A power plant as the one of Tüfekci 2014 (doi 10.1016/j.ijepes.2014.02.027): ambient
-- temperature (°C), vacuum (cm Hg), pressure (mbar) and humidity (%), drawn with the means,
-- deviations and about the correlations of those data, tell the power in MW by the plane
-- that fits them, 454.6 − 1.978 AT − 0.2339 V + 0.0621 AP − 0.1581 RH, and noise.
-- @function power_plant
-- @param[opt] options a table of
--   noise = 4.5: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "power_plant", task = "regression", features = { "AT", "V", "AP", "RH" },
  options = { noise = { "number", min = 0, default = 4.5 } },
  start = function(o, random)
    local r, noise = random "rows", random "noise"
    return function(x)
      local heat = r.normal()
      x[1] = max(1.8, min(37.1, 19.65 + 7.45 * heat))
      x[2] = max(25.4, min(81.6, 54.31 + 12.71 * (0.844 * heat + 0.536 * r.normal())))
      x[3] = max(992.9, min(1033.3, 1013.26 + 5.94 * (-0.508 * heat + 0.861 * r.normal())))
      x[4] = max(25.6, min(100.2, 73.31 + 14.6 * (-0.543 * heat + 0.84 * r.normal())))
      return 454.6 - 1.978 * x[1] - 0.2339 * x[2] + 0.0621 * x[3] - 0.1581 * x[4]
        + o.noise * noise.normal()
    end
  end,
}
