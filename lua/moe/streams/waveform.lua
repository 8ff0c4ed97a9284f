--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

-- Triangles of height 6 over the places 11, 15 and 7.
local function triangle(peak)
  local h = {}
  for i = 1, 21 do h[i] = math.max(6 - math.abs(i - peak), 0) end
  return h
end

local WAVES = { triangle(11), triangle(15), triangle(7) }
local NAMES = { "1", "2", "3" }
local PAIRS = { { 1, 2 }, { 1, 3 }, { 2, 3 } } -- of the classes

--- Waveforms (Breiman et al. 1984): 21 points of a mixture of two of three triangular
-- waves, u and 1 − u of each, and normal noise of variance 1; which two is the class.
-- The best that is possible is about 86 %.
-- @function waveform
-- @param[opt] options a table of
--   irrelevant = false: 19 more features that are noise
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "waveform", task = "classification", classes = NAMES,
  features = function(o) return o.irrelevant and 40 or 21 end,
  options = { irrelevant = { "boolean", default = false } },
  start = function(o, random)
    local r, d = random "rows", o.irrelevant and 40 or 21
    return function(x)
      local class, u = r.below(3), r.unit()
      local a, b = WAVES[PAIRS[class][1]], WAVES[PAIRS[class][2]]
      r.scatter(x, d)
      for i = 1, 21 do x[i] = x[i] + u * a[i] + (1 - u) * b[i] end
      return NAMES[class]
    end
  end,
}
