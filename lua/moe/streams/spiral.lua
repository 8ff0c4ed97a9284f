--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

--- Arms of a spiral, one a class: at the distance r, uniform in [0, 1), the angle is 2π
-- (turns · r + k / classes) for class k, and normal noise; the features are the plane's x
-- and y.
-- @function spiral
-- @param[opt] options a table of
--   classes = 3: how many arms
--   turns = 1: of an arm, from the middle to its end
--   noise = 0.3: standard deviation of the angle
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "spiral", task = "classification", features = { "x", "y" },
  classes = function(o) return generator.numbered(o.classes, "arm") end,
  options = {
    classes = { "integer", min = 2, max = 1000, default = 3 },
    turns = { "number", default = 1 },
    noise = { "number", min = 0, default = 0.3 },
  },
  start = function(o, random)
    local r, noise, names = random "rows", random "noise", generator.numbered(o.classes, "arm")
    return function(x)
      local k, far = r.below(o.classes), r.unit()
      local angle = 2 * math.pi * (o.turns * far + k / o.classes) + o.noise * noise.normal()
      x[1], x[2] = far * math.cos(angle), far * math.sin(angle)
      return names[k]
    end
  end,
}
