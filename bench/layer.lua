-- nn.MoE beside PyTorch's loop over experts (layer.py), float32, top-2: for each shape
-- (tokens × dim × hidden, experts) and kind of expert
--
--   torch     how often ours runs in the time of theirs
--   product   the layer's GFLOP/s as a share of what our own matrix products reach on
--             the experts' own shapes, times the number of threads
--   dense     how often it runs in the time of our own dense nn.FeedForward of as many
--             active operations
--   threads   how often with two threads in the time with one
--   memory    of a training step: the peak beyond what was there before the layer was
--             made, less its parameters and their gradients
--
-- Ours and theirs run by turns, and the best of several turns counts, so that ratios
-- stand on a busy machine; of one thread the time of the processor.  Both forget their
-- gradients before each step.
--   make program && build/moe bench/layer.lua [part] [turns, 5]
-- Only lines are measured that contain the part: "forward,", "swiglu", "2 threads",
-- "4096×256", "memory".

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local core = require "moe.core"
local support = require "support"

local SHAPES = {
  { 4096, 512, 2048, 8 }, { 4096, 256, 512, 64 }, { 1024, 64, 128, 8 }, { 1, 512, 2048, 8 },
}
local TOP_K, WALK, SAMPLE = 2, 64, 0.1

-- ---------------------------------------------------------------------- layers

local function new_layer(case)
  local _, dim, hidden, experts = table.unpack(case.shape)
  return moe.nn.MoE {
    dim = dim, hidden = hidden, experts = experts, top_k = TOP_K, activation = case.kind, seed = 1,
  }
end

local function new_dense(case)
  local _, dim, hidden = table.unpack(case.shape)
  return moe.nn.FeedForward {
    dim = dim, hidden = TOP_K * hidden, activation = case.kind, seed = 1,
  }
end

-- Rows to work on: of one token a walk over many, so that experts change.
local function new_rows(case)
  local tokens, dim = table.unpack(case.shape)
  local rows = {}
  for i = 1, tokens == 1 and WALK or 1 do rows[i] = moe.randn({ tokens, dim }, { seed = i }) end
  return rows
end

local function forward(layer, rows)
  layer:eval()
  for _, x in ipairs(rows) do moe.no_grad(layer.forward, layer, x) end
end

local function backward(layer, rows, g)
  layer:train()
  for _, x in ipairs(rows) do
    for _, t in ipairs(layer:parameters()) do t:requires_grad(false):requires_grad() end
    x:requires_grad(false):requires_grad()
    layer(x):backward { gradient = g }
  end
end

-- -------------------------------------------------------------------- products

-- The products that a layer's experts make, each of all its rows at once: a list of
-- lists of arguments of core._product.
local function products(case, layer, rows)
  local tokens, dim, hidden, experts = table.unpack(case.shape)
  local counts = select(2, moe.no_grad(layer.forward, layer, rows[1])).counts
  local all = moe.randn({ TOP_K * tokens, dim }, { seed = 1 })
  local inner = moe.randn({ TOP_K * tokens, hidden }, { seed = 2 })
  local sums, answers = moe.zeros(TOP_K * tokens, hidden), moe.zeros(TOP_K * tokens, dim)
  local by_in, by_out = moe.zeros(experts * dim, hidden), moe.zeros(experts * hidden, dim)
  local w_in, w_out = layer.w_in:reshape(-1, hidden), layer.w_out:reshape(-1, dim)
  local list, maps = {}, case.kind == "relu" and 1 or 2
  local function add(...) list[#list + 1] = { ... } end
  for e = 1, experts do
    local n = counts:get(e)
    local function of(t, size) return t:rows((e - 1) * size + 1, e * size) end
    if n > 0 then
      local x, z, h, y = all:rows(1, n), sums:rows(1, n), inner:rows(1, n), answers:rows(1, n)
      for _ = 1, maps do
        add(x, of(w_in, dim), false, false, 1, 0, z)
        if case.mode == "backward" then
          add(h, of(w_in, dim), false, true, 1, 0, y)
          add(x, h, true, false, 1, 0, of(by_in, dim))
        end
      end
      add(h, of(w_out, hidden), false, false, 1, 0, y)
      if case.mode == "backward" then
        add(x, of(w_out, hidden), false, true, 1, 0, z)
        add(h, x, true, false, 1, 0, of(by_out, hidden))
      end
    end
  end
  return list
end

local function multiply(list)
  for _, product in ipairs(list) do core._product(table.unpack(product, 1, 7)) end
end

-- ------------------------------------------------------------------------ time

-- What is timed, each with the number of threads that it has.
local function contestants(case)
  local layer, dense, rows = new_layer(case), new_dense(case), new_rows(case)
  local g = moe.randn({ case.shape[1], case.shape[2] }, { seed = 3 })
  local run = case.mode == "backward" and backward or forward
  local list = {
    { "ours", case.threads, function() run(layer, rows, g) end },
    { "dense", case.threads, function() run(dense, rows, g) end },
  }
  if case.threads > 1 then list[3] = { "one", 1, function() run(layer, rows, g) end } end
  if case.shape[1] > 1 then
    local all = products(case, layer, rows)
    list[#list + 1] = { "product", 1, function() multiply(all) end }
  end
  return list, #rows
end

-- Calls that a sample needs.
local function count_calls(seconds) return math.max(1, math.floor(SAMPLE / seconds)) end

-- The least seconds for one call of each, and of theirs.
local function measure(case, ask, turns)
  local clock = case.threads == 1 and os.clock or moe.now
  local list, rows = contestants(case)
  local best, calls = {}, {}
  local shape = table.concat(case.shape, " ")
  local function theirs(n) return ask("time", shape, case.kind, case.mode, n) end
  theirs(1)
  calls.torch, best.torch = count_calls(theirs(1) * rows), math.huge
  for _, one in ipairs(list) do
    moe.set_threads(one[2])
    one[3]()
    calls[one[1]] = count_calls(support.mean(clock, 1, one[3]))
    best[one[1]] = math.huge
  end
  for _ = 1, turns do
    for _, one in ipairs(list) do
      local name, threads, run = table.unpack(one)
      moe.set_threads(threads)
      local seconds = support.mean(name == "product" and os.clock or clock, calls[name], run)
      best[name] = math.min(best[name], seconds / (name == "product" and 1 or rows))
    end
    best.torch = math.min(best.torch, theirs(calls.torch))
  end
  return best
end

local function operations(case)
  local tokens, dim, hidden = table.unpack(case.shape)
  local maps, passes = case.kind == "relu" and 2 or 3, case.mode == "backward" and 3 or 1
  return 2 * maps * passes * tokens * TOP_K * dim * hidden
end

local function describe(case)
  local tokens, dim, hidden, experts = table.unpack(case.shape)
  return ("%d thread%s, %s %-6s %-9s"):format(
    case.threads, case.threads == 1 and "" or "s",
    ("%d×%d×%d, %d,"):format(tokens, dim, hidden, experts),
    case.kind, case.mode .. ",")
end

local function report(case, best)
  local line = ("%-48s %9.0f tokens/s %6.1f GFLOP/s  torch %5.2f"):format(
    describe(case), case.shape[1] / best.ours, operations(case) / best.ours / 1e9,
    best.torch / best.ours)
  if best.product then
    line = line .. ("  product %3.0f %%"):format(
      100 * best.product / case.threads / best.ours)
  end
  line = line .. ("  dense %4.2f"):format(best.dense / best.ours)
  if best.one then line = line .. ("  threads %4.2f"):format(best.one / best.ours) end
  print(line)
end

-- ---------------------------------------------------------------------- memory

local function size_of(layer)
  local items = 0
  for _, t in ipairs(layer:parameters()) do
    local n = 1
    for _, length in ipairs(t.shape) do n = n * length end
    items = items + n
  end
  return 4 * items / 2 ^ 20
end

-- In a process of its own, after a step of a small layer, which opens the library.
local function print_memory(case)
  local small = { shape = { 64, 64, 64, 2 }, kind = case.kind }
  moe.set_threads(1)
  backward(new_layer(small), new_rows(small), moe.randn({ 64, 64 }, { seed = 3 }))
  local rows, g = new_rows(case), moe.randn({ case.shape[1], case.shape[2] }, { seed = 3 })
  local before = support.forget_peak()
  local layer = new_layer(case)
  for _ = 1, 3 do backward(layer, rows, g) end
  print(support.resident "VmHWM" - before - 2 * size_of(layer))
end

local function compare_memory(case)
  local sizes = table.concat(case.shape, " ")
  local ours = support.alone("memory", sizes, case.kind)[1]
  local ask = support.partner "layer.py"
  local theirs = ask("memory", sizes, case.kind)
  ask()
  print(("%-48s %9.1f MB, torch %9.1f MB, %3.0f %%"):format(
    describe(case), ours, theirs, 100 * ours / theirs))
end

-- ---------------------------------------------------------------------- cases

local function each_case(threads, modes, use)
  for _, shape in ipairs(SHAPES) do
    for _, kind in ipairs { "relu", "swiglu" } do
      for _, mode in ipairs(modes) do
        if shape[1] > 1 or mode == "forward" then
          use { shape = shape, kind = kind, mode = mode, threads = threads }
        end
      end
    end
  end
end

local function compare(part, turns)
  local function is_asked(case) return describe(case):find(part, 1, true) end
  for threads = 1, 2 do
    moe.set_threads(threads)
    local ask = support.partner "layer.py"
    each_case(threads, { "forward", "backward" }, function(case)
      if is_asked(case) then report(case, measure(case, ask, turns)) end
      collectgarbage()
    end)
    ask()
  end
  moe.set_threads(1)
  each_case(1, { "memory" }, function(case)
    if is_asked(case) then compare_memory(case) end
  end)
end

for _, name in ipairs { "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE" } do
  if os.getenv(name) then print("note: " .. name .. " is set, which slows OpenBLAS down") end
end
if arg[1] == "memory" and arg[2] and arg[3] then
  local shape = {}
  for size in arg[2]:gmatch "%d+" do shape[#shape + 1] = tonumber(size) end
  print_memory { shape = shape, kind = arg[3] }
else
  compare(arg[1] or "", tonumber(arg[2]) or 5)
end
