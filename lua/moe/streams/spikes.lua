--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

--- Spikes of neurons: a hidden state stays from row to row with the probability `stay`;
-- each channel fires (1) or not (0) with a probability of its own in either state, drawn
-- in [0.1, 0.5).  The state is the class, so that what was before tells of it too.
-- @function spikes
-- @param[opt] options a table of
--   channels = 16: how many
--   stay = 0.95: in [0, 1]
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "spikes", task = "classification", classes = { "calm", "busy" },
  features = function(o) return generator.numbered(o.channels, "channel") end,
  options = {
    channels = { "integer", min = 1, max = 1e5, default = 16 },
    stay = { "number", min = 0, max = 1, default = 0.95 },
  },
  start = function(o, random)
    local r, state, rates = random "rows", 1, { {}, {} }
    for k = 1, 2 do random("rates" .. k).fill(rates[k], o.channels, 0.1, 0.5) end
    return function(x)
      if r.unit() >= o.stay then state = 3 - state end
      r.fill(x, o.channels)
      for j = 1, o.channels do x[j] = x[j] < rates[state][j] and 1 or 0 end
      return state == 1 and "calm" or "busy"
    end
  end,
}
