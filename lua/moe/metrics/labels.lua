-- Labels in the order of `classes()`: numbers ascending, then strings by byte,
-- then false and true.
-- Strings compare by byte as long as the host leaves the locale alone.

local labels = {}

local rank = { number = 1, string = 2, boolean = 3 }

local function precedes(a, b)
  local kind, other = type(a), type(b)
  if kind ~= other then return rank[kind] < rank[other] end
  if kind == "boolean" then return not a and b end
  return a < b
end

--- The keys of a table, sorted.
function labels.sorted(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, precedes)
  return keys
end

return labels
