--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

local laws = {
  function(a, b, c, d) return 0.5 * a * (b * b + c * c + d * d) end, -- I.13.4: energy of motion
  function(a, b, c) return a * b * c end, -- I.14.3: energy of height
  function(a, b, c, d) return a * b * c * math.sin(d) end, -- I.18.14: angular momentum
  function(a, b, c, d, e) return a * (b + c * d * math.sin(e)) end, -- I.12.11: charge in fields
  function(a, b, c) return a * b / (c * c) end, -- I.12.4: force at a distance
}

--- Equations of the Feynman lectures, as Udrescu & Tegmark 2020 (doi
-- 10.1126/sciadv.aay2631) use them, of five numbers in [1, 5): after every `length` rows
-- another of five laws holds, in turn.  Which one is not told.
-- @function feynman
-- @param[opt] options a table of
--   length = 10000: rows a law holds
--   noise = 0.1: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "feynman", task = "regression", features = 5,
  options = {
    length = { "integer", min = 1, default = 10000 },
    noise = { "number", min = 0, default = 0.1 },
  },
  start = function(o, random)
    local r, noise, t = random "rows", random "noise", 0
    return function(x)
      r.fill(x, 5, 1, 5)
      local law = laws[math.floor(t / o.length) % #laws + 1]
      t = t + 1
      return law(x[1], x[2], x[3], x[4], x[5]) + o.noise * noise.normal()
    end
  end,
}
