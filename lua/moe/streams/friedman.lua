--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

local sin, cos, exp, pi = math.sin, math.cos, math.exp, math.pi

-- Friedman's function with its five arguments in other places.
local function law(a, b, c, d, e)
  return function(x)
    return 10 * sin(pi * x[a] * x[b]) + 20 * (x[c] - 0.5) ^ 2 + 10 * x[d] + 5 * x[e]
  end
end

local original, second, third = law(1, 2, 3, 4, 5), law(4, 5, 2, 1, 3), law(2, 5, 4, 3, 1)

-- What replaces the original in two regions, which grow as conditions fall away.
local function low_region(x, stage)
  return x[2] < 0.3 and x[3] < 0.3 and (stage > 2 or x[4] > 0.7) and (stage > 1 or x[5] < 0.3)
end
local function high_region(x, stage)
  return x[2] > 0.7 and x[3] > 0.7 and (stage > 2 or x[4] < 0.3) and (stage > 1 or x[5] > 0.7)
end

local drifts = {}

function drifts.none(x) return original(x) end

function drifts.lea(x, share)
  local stage = share < 0.25 and 0 or share < 0.5 and 1 or share < 0.75 and 2 or 3
  if stage > 0 and low_region(x, stage) then
    return 10 * x[1] * x[2] + 20 * (x[3] - 0.5) + 10 * x[4] + 5 * x[5]
  elseif stage > 0 and high_region(x, stage) then
    return 10 * cos(x[1] * x[2]) + 20 * (x[3] - 0.5) + exp(x[4]) + 5 * x[5] ^ 2
  end
  return original(x)
end

function drifts.gra(x, share)
  if share >= 0.5 and share < 0.75 then return second(x) end
  return original(x)
end

-- The next law comes in with a probability that rises from 0 to 1 in a tenth.
function drifts.gsg(x, share, u)
  if share >= 0.75 then return u < (share - 0.75) / 0.1 and third(x) or second(x) end
  if share >= 0.5 then return u < (share - 0.5) / 0.1 and second(x) or original(x) end
  return original(x)
end

--- Friedman's function (1991, doi 10.1214/aos/1176347963), 10 sin(π x1 x2) +
-- 20 (x3 − 0.5)² + 10 x4 + 5 x5 and normal noise, of ten numbers in [0, 1); and the
-- drifts of Ikonomovska, Gama & Džeroski 2011 (doi 10.1007/s10618-010-0201-y): "lea",
-- another law in two regions, which grow after each quarter of `period` rows; "gra",
-- another law everywhere from half of it to three quarters; "gsg", a second law from
-- half of it, a third from three quarters, each coming in over a tenth.
-- @function friedman
-- @param[opt] options a table of
--   drift = "none": "lea", "gra" or "gsg"
--   period: rows; as many as `rows`, or 100,000, unless given.  After it the last law stays
--   noise = 1: its standard deviation
--   features = 10: how many, at least 5, of which 5 matter
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "friedman", task = "regression", features = function(o) return o.features end,
  options = {
    drift = { { "none", "lea", "gra", "gsg" }, default = "none" },
    period = { "integer", min = 1 },
    noise = { "number", min = 0, default = 1 },
    features = { "integer", min = 5, max = 1e6, default = 10 },
  },
  start = function(o, random)
    local r, noise, which = random "rows", random "noise", random "drift"
    local f, period, t = drifts[o.drift], o.period or o.rows or 100000, 0
    return function(x)
      r.fill(x, o.features)
      local y = f(x, t / period, which.unit()) + o.noise * noise.normal()
      t = t + 1
      return y
    end
  end,
}
