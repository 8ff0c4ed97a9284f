--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

local THRESHOLDS = { 8, 9, 7, 9.5 }

--- SEA concepts (Street & Kim 2001, doi 10.1145/502512.502568): three numbers in
-- [0, 10), "yes" where x1 + x2 is at most the threshold of the variant, 8, 9, 7 or 9.5;
-- the third does not matter.
-- @function sea
-- @param[opt] options a table of
--   variant = 1: of the four
--   noise = 0.1: the share of labels that are turned round
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "sea", task = "classification", features = 3, classes = { "no", "yes" },
  options = {
    variant = { "integer", min = 1, max = 4, default = 1 },
    noise = { "number", min = 0, max = 1, default = 0.1 },
  },
  start = function(o, random)
    local r, noise = random "rows", random "noise"
    local threshold = THRESHOLDS[o.variant]
    return function(x)
      r.fill(x, 3, 0, 10)
      local yes = x[1] + x[2] <= threshold
      if noise.unit() < o.noise then yes = not yes end
      return yes and "yes" or "no"
    end
  end,
}
