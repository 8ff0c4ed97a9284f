--- Random numbers in Lua that are the same under every Lua: the combined
-- generator of L'Ecuyer 1988 (doi 10.1145/62959.62969), period 2.3·10^18, whose
-- products are exact in doubles.
-- @module moe.random

local Random = {}
Random.__index = Random

local M1, M2 = 2147483563, 2147483399

--- The next number, in (0, 1).
function Random:uniform()
  self.a = self.a * 40014 % M1
  self.b = self.b * 40692 % M2
  return (self.a - self.b) % (M1 - 1) / M1 + 0.5 / M1
end

--- A whole number in [1, n].
function Random:below(n) return math.floor(self:uniform() * n) + 1 end

--- 1 … n in a random order (Fisher & Yates).
function Random:permutation(n)
  local order = {}
  for i = 1, n do order[i] = i end
  for i = n, 2, -1 do
    local j = self:below(i)
    order[i], order[j] = order[j], order[i]
  end
  return order
end

local PRIME = 67108859 -- the largest below 2^26, so that squares are exact

-- Squaring tells seeds apart that differ in one bit: the generator itself is
-- linear, and would not.
local function mix(words, salt)
  local x = salt
  for _ = 1, 3 do
    for _, word in ipairs(words) do x = ((x + word) % PRIME) ^ 2 % PRIME + salt end
  end
  return x
end

--- A generator.
-- @param seed a whole number in [0, 2^53]
-- @param[opt=0] stream another whole number: streams of one seed are independent
return function(seed, stream)
  stream = stream or 0
  local words = {
    seed % 2 ^ 26, math.floor(seed / 2 ^ 26), stream % 2 ^ 26, math.floor(stream / 2 ^ 26),
  }
  local r = setmetatable({
    a = (mix(words, 11) * 31 + mix(words, 23)) % (M1 - 1) + 1,
    b = (mix(words, 37) * 29 + mix(words, 41)) % (M2 - 1) + 1,
  }, Random)
  r:uniform()
  return r
end
