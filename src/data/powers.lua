-- Writes powers.h: lua powers.lua > powers.h.  Any Lua; numbers are arrays of
-- bits, lowest first, so that no arithmetic here can round.
local FIRST, LAST = -342, 324

local function top_128_bits(bits)
  local high, hex = #bits, {}
  for nibble = 0, 31 do
    local value = 0
    for i = 0, 3 do
      value = value * 2 + (bits[high - nibble * 4 - i] or 0)
    end
    hex[#hex + 1] = ("%x"):format(value)
  end
  local text = table.concat(hex)
  return ("{0x%s, 0x%s},"):format(text:sub(1, 16), text:sub(17))
end

-- bits · 5 = bits + bits · 4
local function times_five(bits)
  local out, carry = {}, 0
  for i = 1, #bits + 3 do
    local sum = (bits[i] or 0) + (bits[i - 2] or 0) + carry
    out[i], carry = sum % 2, sum >= 2 and 1 or 0
  end
  while out[#out] == 0 do
    out[#out] = nil
  end
  return out
end

-- The quotient's floor: and the floor of the floor's fifth is that of the
-- 25th part, so repeated division loses nothing.
local function a_fifth(bits)
  local out, rest = {}, 0
  for i = #bits, 1, -1 do
    rest = rest * 2 + bits[i]
    out[i] = rest >= 5 and 1 or 0
    rest = rest % 5
  end
  while out[#out] == 0 do
    out[#out] = nil
  end
  return out
end

local lines = {}
local bits = { 1 }
for q = 0, LAST do
  lines[q] = top_128_bits(bits)
  bits = times_five(bits)
end

bits = {}
for i = 1, 1024 do
  bits[i] = i < 1024 and 0 or 1
end
for q = -1, FIRST, -1 do
  bits = a_fifth(bits)
  lines[q] = top_128_bits(bits)
end

print(([[
/* Made by powers.lua: the first 128 bits of 10^q for q = %d … %d, rounded
   down; exact for q = 0 … 55. */
#ifndef MOE_POWERS_H
#define MOE_POWERS_H

#include <stdint.h>

enum { FIRST_POWER = %d, LAST_POWER = %d };

/* clang-format off */
static const uint64_t powers[LAST_POWER - FIRST_POWER + 1][2] = {]]):format(
  FIRST, LAST, FIRST, LAST))
for q = FIRST, LAST, 2 do
  print("  " .. lines[q] .. (lines[q + 1] and " " .. lines[q + 1] or ""))
end
print([[
};
/* clang-format on */

#endif]])
