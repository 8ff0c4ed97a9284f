--- Streams: samples one after the other, from files, from memory, or made.
--
-- `for x, y in s:iter() do`, or `x, y = s()`: x is an array of numbers (NaN where
-- missing) and strings (false), y a label or a number, nil where unknown. x is one
-- table, which the next sample overwrites; `s:take(n)` copies.  A learner that begins
-- with one of its samples knows the columns by their names.  A stream has `name`, `n`
-- (rows; nil: endless, or not known), `features` (their names), `task`, `classes` and
-- `kinds` ("number" or "string" a feature) where they are known, and `at`, how many
-- samples were given.  The same seed gives the same samples, in every Lua, and so does
-- `s:reset()`.
--
-- Made by definitions from the literature: sea, agrawal, led, hyperplane, random_rbf,
-- stagger, waveform, sine, friedman, mackey_glass, lorenz, narma10; and by our own, each
-- with something that is hard for one kind of model: regime_shift, sudden_drift,
-- continuous_drift, few_shot, long_ar, nonstationary, sensor_drift, high_dim, physics,
-- feynman, power_plant, waves, spikes, spiral.
-- @module moe.streams

local streams = {}

local files = {
  csv = "csv", rows = "rows",
  sudden = "compose", gradual = "compose", recurring = "compose", shuffle = "compose",
}

for _, name in ipairs {
  "sea", "agrawal", "led", "hyperplane", "random_rbf", "stagger", "waveform", "sine",
  "friedman", "mackey_glass", "lorenz", "narma10", "regime_shift", "sudden_drift",
  "continuous_drift", "few_shot", "long_ar", "nonstationary", "sensor_drift", "high_dim",
  "physics", "feynman", "power_plant", "waves", "spikes", "spiral",
} do
  files[name] = name
end

-- Each is read when it is first called.
for name, file in pairs(files) do
  streams[name] = function(...)
    local module = require("moe.streams." .. file)
    streams[name] = type(module) == "table" and module[name] or module
    return streams[name](...)
  end
end

return streams
