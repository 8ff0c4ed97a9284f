--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

-- What a sensor makes of the quantity: its gain and offset wander, and now and then it is
-- replaced by a new one.
local function age(r, sensor)
  if r.unit() < 1e-4 then sensor.gain, sensor.offset = 0.5 + r.unit(), r.normal() end
  sensor.gain = sensor.gain + 0.001 * r.normal()
  sensor.offset = sensor.offset + 0.002 * r.normal()
end

--- Sensors that age: each tells a quantity, which wanders around 0, times a gain and plus
-- an offset that wander too, with noise; once in 10,000 rows a sensor is replaced.
-- @function sensor_drift
-- @param[opt] options a table of
--   sensors = 8: how many
--   noise = 0.5: standard deviation of a reading
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "sensor_drift", task = "regression",
  features = function(o) return generator.numbered(o.sensors, "sensor") end,
  options = {
    sensors = { "integer", min = 1, max = 1e5, default = 8 },
    noise = { "number", min = 0, default = 0.5 },
  },
  start = function(o, random)
    local r, noise, ageing, sensors, q = random "rows", random "noise", random "ageing", {}, 0
    for j = 1, o.sensors do sensors[j] = { gain = 0.5 + r.unit(), offset = r.normal() } end
    return function(x)
      q = 0.98 * q + 0.4 * r.normal()
      for j = 1, o.sensors do
        age(ageing, sensors[j])
        x[j] = sensors[j].gain * q + sensors[j].offset + o.noise * noise.normal()
      end
      return q
    end
  end,
}
