-- Matrix products of float32, one thread: GFLOP/s of every backend that is here,
-- and each one's share of the fastest.  Backends take turns at every shape, and
-- the best of several runs counts, so that the ratios stand on a busy machine.
--   make program && build/moe bench/gemm.lua [seconds a run]

local moe = require "moe"
local core = require "moe.core"

local seconds, rounds = tonumber(arg and arg[1]) or 0.03, 5

-- What networks ask for: large layers, expert layers, few rows, gates.
-- m, n, k, then which operand is transposed.
local shapes = {
  { 1024, 2048, 512 }, { 512, 512, 512 }, { 128, 512, 256 }, { 256, 64, 128 },
  { 64, 128, 256, "A" }, { 128, 512, 256, "B" }, { 64, 2048, 512 }, { 16, 2048, 512 },
  { 8, 2048, 512 }, { 4, 2048, 512 }, { 4, 2048, 512, "B" }, { 1, 2048, 512 },
  { 1, 2048, 512, "B" }, { 4096, 8, 512 }, { 1024, 8, 64 }, { 16, 16, 16 },
}

local backends = {}
for _, name in ipairs { "portable", "cblas", "onednn" } do
  if pcall(core._replace_backend, name) then backends[#backends + 1] = name end
end

local function new_product(m, n, k, transposed)
  local a = transposed == "A" and moe.randn(k, m) or moe.randn(m, k)
  local b = transposed == "B" and moe.randn(n, k) or moe.randn(k, n)
  local c = moe.zeros(m, n)
  return function(times)
    for _ = 1, times do
      core._product(a, b, transposed == "A", transposed == "B", 1, 0, c)
    end
  end
end

local function time(product, times)
  local started = os.clock()
  product(times)
  return os.clock() - started
end

-- Seconds of one product, best of all rounds, by backend.
local function measure(product)
  local times, best = {}, {}
  for _ = 1, rounds do
    for _, name in ipairs(backends) do
      core._replace_backend(name)
      if not times[name] then -- the first product of a shape may make code
        product(1)
        times[name] = math.max(1, math.ceil(seconds / math.max(time(product, 1), 1e-7)))
      end
      best[name] = math.min(best[name] or math.huge, time(product, times[name]) / times[name])
    end
  end
  return best
end

local head = ("%-18s"):format "m × n × k"
for _, name in ipairs(backends) do head = head .. ("%18s"):format(name) end
print(head)
for _, shape in ipairs(shapes) do
  local m, n, k, transposed = shape[1], shape[2], shape[3], shape[4]
  local best = measure(new_product(m, n, k, transposed))
  local least = math.huge
  for _, t in pairs(best) do least = math.min(least, t) end
  local line = ("%d×%d×%d %s"):format(m, n, k, transposed and transposed .. "ᵀ" or "")
  line = line .. (" "):rep(18 - #line:gsub("[\128-\191]", ""))
  for _, name in ipairs(backends) do
    local speed = 2e-9 * m * n * k / best[name]
    line = line .. ("%11.1f %5.0f%%"):format(speed, 100 * least / best[name])
  end
  print(line)
end
