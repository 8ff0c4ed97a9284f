-- Tensors and comparisons for numbers that bench/golden/layer.py made.
local moe = require "moe"

local golden = {}

local function items(shape)
  local n = 1
  for _, length in ipairs(shape) do n = n * length end
  return n
end

local function numbers(n, seed)
  local out = {}
  for i = 1, n do
    local x = math.sin(12.9898 * i + 78.233 * seed) * 43758.5453
    out[i] = 2 * (x - math.floor(x)) - 1
  end
  return out
end

--- The tensor of a shape and a seed: 2 frac(sin(12.9898 i + 78.233 seed) 43758.5453) − 1.
function golden.draw(shape, seed)
  return moe.tensor(numbers(items(shape), seed)):reshape((table.unpack or unpack)(shape))
end

--- Two scalar products of a tensor's items with drawn vectors, and their norm.
local function digest(t)
  local flat = t:reshape(items(t.shape)):totable()
  local out, squares = {}, 0
  for _, x in ipairs(flat) do squares = squares + x * x end
  for k, seed in ipairs { 91, 92 } do
    local sum = 0
    -- The vectors were rounded to float32.
    for i, x in ipairs(moe.tensor(numbers(#flat, seed)):totable()) do sum = sum + x * flat[i] end
    out[k] = sum
  end
  out[3] = math.sqrt(squares)
  return out
end

--- Fails unless a tensor's digest agrees to 1e-5 of its norm.
function golden.same(expected, t, what)
  local found = digest(t)
  for k = 1, 3 do
    local off = math.abs(expected[k] - found[k])
    if off ~= off or off > 1e-5 * expected[3] + 1e-6 then
      local text = "%s: expected %.8g, found %.8g (norm %.4g)"
      error(text:format(what, expected[k], found[k], expected[3]), 2)
    end
  end
end

--- Fails unless a number agrees to 1e-5.
function golden.number(expected, found, what)
  if found ~= found or math.abs(expected - found) > 1e-5 * math.max(1, math.abs(expected)) then
    error(("%s: expected %.8g, found %.8g"):format(what, expected, found), 2)
  end
end

return golden
