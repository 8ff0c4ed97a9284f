--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

--- A hyperplane that turns (Hulten, Spencer & Domingos 2001, doi
-- 10.1145/502512.502529): numbers in [0, 1), "yes" where Σ w x ≥ Σ w / 2.  The weights
-- begin in [0, 1); after each row those of the first features move by `change`, each of
-- them changing its direction with the probability `reverse`.
-- @function hyperplane
-- @param[opt] options a table of
--   features = 10: how many
--   drifting = 2: how many weights move
--   change = 0.001: by which a weight moves
--   reverse = 0.1: in [0, 1]
--   noise = 0.05: the share of labels that are turned round
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "hyperplane", task = "classification", classes = { "no", "yes" },
  features = function(o) return o.features end,
  options = {
    features = { "integer", min = 1, max = 1e6, default = 10 },
    drifting = { "integer", min = 0, default = 2 },
    change = { "number", min = 0, default = 0.001 },
    reverse = { "number", min = 0, max = 1, default = 0.1 },
    noise = { "number", min = 0, max = 1, default = 0.05 },
  },
  start = function(o, random)
    local r, noise, drift = random "rows", random "noise", random "drift"
    local d, w, way = o.features, {}, {}
    random("weights").fill(w, d)
    for j = 1, math.min(o.drifting, d) do way[j] = o.change end
    return function(x)
      r.fill(x, d)
      local sum = 0
      for j = 1, d do sum = sum + w[j] * (x[j] - 0.5) end
      local yes = sum >= 0
      if noise.unit() < o.noise then yes = not yes end
      for j = 1, #way do
        w[j] = w[j] + way[j]
        if drift.unit() < o.reverse then way[j] = -way[j] end
      end
      return yes and "yes" or "no"
    end
  end,
}
