--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

-- The segments of 0 … 9: top, upper left and right, middle, lower left and right, bottom.
local DIGITS = {
  "1110111", "0010010", "1011101", "1011011", "0111010",
  "1101011", "1101111", "1010010", "1111111", "1111011",
}

local NAMES = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }

local IRRELEVANT = 17

local function segments()
  local list = {}
  for k, digit in ipairs(DIGITS) do
    list[k] = {}
    for bit in digit:gmatch "." do table.insert(list[k], bit == "1" and 1 or 0) end
  end
  return list
end

--- A digit on a display of seven segments (Breiman et al. 1984), each of them wrong
-- with the probability `noise`; at 0.1 nobody can read more than 74 % of them.
-- @function led
-- @param[opt] options a table of
--   noise = 0.1: in [0, 1]
--   irrelevant = true: 17 more features that are 0 or 1 at random
--   swapped = 0: so many segments, from the first on, change places with irrelevant
--     features, which is a drift where streams follow each other
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "led", task = "classification",
  classes = NAMES,
  features = function(o) return o.irrelevant and 7 + IRRELEVANT or 7 end,
  fault = function(o)
    return o.swapped > 0 and not o.irrelevant and ("led: 'swapped' is %d, but without "
      .. "irrelevant features there is nothing to change places with"):format(o.swapped)
  end,
  options = {
    noise = { "number", min = 0, max = 1, default = 0.1 },
    irrelevant = { "boolean", default = true },
    swapped = { "integer", min = 0, max = 7, default = 0 },
  },
  start = function(o, random)
    local r, noise, digits = random "rows", random "noise", segments()
    local d = o.irrelevant and 7 + IRRELEVANT or 7
    local swapped, wrong = o.swapped, {}
    return function(x)
      local k = r.below(10)
      local digit = digits[k]
      r.fill(x, d)
      noise.fill(wrong, 7)
      for j = 1, 7 do x[j] = wrong[j] < o.noise and 1 - digit[j] or digit[j] end
      for j = 8, d do x[j] = x[j] < 0.5 and 0 or 1 end
      for j = 1, swapped do x[j], x[j + 7] = x[j + 7], x[j] end
      return NAMES[k]
    end
  end,
}
