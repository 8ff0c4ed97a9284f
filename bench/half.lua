-- A sparse layer of half width (layer:half()) beside the same layer in float32 and
-- PyTorch's loop over experts in float32 (layer.py), forward, top-2: tokens a second, and
-- how often it runs in the time of the others; and how far its answers are from those of
-- float32, in units of their largest.  One token is a walk over many, so that experts
-- change.  All by turns, the best of several; of one thread the time of the processor.
--   make program && build/moe bench/half.lua [part] [turns, 5]
-- Only lines are measured that contain the part: "swiglu", "2 threads", "1×512".

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"

local SHAPES = {
  { 4096, 512, 2048, 8 }, { 4096, 256, 512, 64 }, { 1024, 64, 128, 8 }, { 1, 512, 2048, 8 },
}
local WALK, SAMPLE = 64, 0.1

local function new_rows(tokens, dim)
  local rows = {}
  for i = 1, tokens == 1 and WALK or 1 do rows[i] = moe.randn({ tokens, dim }, { seed = i }) end
  return rows
end

local function walk(layer, rows)
  local verb = rows[1].shape[1] == 1 and layer.forward_one or layer.forward
  for _, x in ipairs(rows) do moe.no_grad(verb, layer, x) end
end

local function largest(t) return t:abs():max(2, true):max(1, true):get(1, 1) end
local function distance(layer, half, x)
  return moe.no_grad(function()
    local y = layer(x)
    return largest(half(x) - y) / largest(y)
  end)
end

local function contestants(case, ask)
  local tokens, dim, hidden, experts = table.unpack(case.shape)
  local layer = moe.nn.MoE {
    dim = dim, hidden = hidden, experts = experts, activation = case.kind, seed = 1,
  }:eval()
  local half, rows = layer:half(), new_rows(tokens, dim)
  local clock = case.threads == 1 and os.clock or moe.now
  local function ours(which)
    return function(calls)
      return support.mean(clock, calls, function() walk(which, rows) end) / #rows
    end
  end
  local shape = table.concat(case.shape, " ")
  return {
    { name = "half", time = ours(half) }, { name = "float", time = ours(layer) },
    { name = "torch", time = function(n) return ask("time", shape, case.kind, "forward", n) end },
  }, #rows, distance(layer, half, rows[1])
end

-- The least seconds a call of each, by name.
local function measure(case, ask, turns)
  local list, rows, far = contestants(case, ask)
  local best = { far = far }
  for _, one in ipairs(list) do
    one.time(1)
    one.calls = math.max(1, math.floor(SAMPLE / (one.time(1) * rows)))
    best[one.name] = math.huge
  end
  for _ = 1, turns do
    for _, one in ipairs(list) do
      best[one.name] = math.min(best[one.name], one.time(one.calls))
    end
  end
  return best
end

local function describe(case)
  local tokens, dim, hidden, experts = table.unpack(case.shape)
  return ("%d thread%s, %-19s %s"):format(case.threads, case.threads == 1 and "" or "s",
    ("%d×%d×%d, %d,"):format(tokens, dim, hidden, experts), case.kind)
end

local function report(case, best)
  print(("%-40s %9.0f tokens/s  float32 %5.2f  torch %5.2f  error %.4f"):format(describe(case),
    case.shape[1] / best.half, best.float / best.half, best.torch / best.half, best.far))
end

local part, turns = arg[1] or "", tonumber(arg[2]) or 5
for threads = 1, 2 do
  moe.set_threads(threads)
  local ask = support.partner "layer.py"
  for _, shape in ipairs(SHAPES) do
    for _, kind in ipairs { "relu", "swiglu" } do
      local case = { shape = shape, kind = kind, threads = threads }
      if describe(case):find(part, 1, true) then report(case, measure(case, ask, turns)) end
      collectgarbage()
    end
  end
  ask()
end
