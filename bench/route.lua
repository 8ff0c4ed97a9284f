-- moe.route beside softmax, argpartition and weights of the selected in NumPy, in
-- one thread, on the same float32 logits: CPU times, the least of five, in one
-- run.  Ours gives the selections sorted by expert besides.
--   make program && build/moe bench/route.lua [rows]

local moe = require "moe"

local ROWS, TIMES = tonumber(arg and arg[1]) or 20000, 5
local SHAPES = { { 8, 2 }, { 64, 2 }, { 64, 8 }, { 256, 8 } }

local function least(run)
  local best = math.huge
  for _ = 1, TIMES do
    local start = os.clock()
    run()
    best = math.min(best, os.clock() - start)
  end
  return best
end

local function read_theirs(path)
  local script = (arg and arg[0] or "bench/route.lua"):gsub("lua$", "py")
  local command = ("/usr/bin/python3 -I %s %s %d %d"):format(script, path, ROWS, TIMES)
  for _, shape in ipairs(SHAPES) do command = command .. (" %d %d"):format(shape[1], shape[2]) end
  local pipe, times = io.popen(command), {}
  for line in pipe:lines() do times[#times + 1] = tonumber(line) end
  pipe:close()
  return times
end

moe.set_threads(1)
local logits = moe.randn({ ROWS, 256 }, { seed = 1 })
local path = os.tmpname()
local file = assert(io.open(path, "wb"))
for i = 1, ROWS do
  file:write(string.pack("<" .. ("f"):rep(256), table.unpack(logits:row(i):totable())))
end
file:close()
local theirs = read_theirs(path)
os.remove(path)

local all = logits:reshape { -1 }
for s, shape in ipairs(SHAPES) do
  local experts, k = shape[1], shape[2]
  local X = all:rows(1, ROWS * experts):reshape { ROWS, experts }
  local ours = least(function() moe.route(X, { top_k = k }):close() end)
  print(("E = %3d, k = %d: %8.0f rows a second; NumPy %8.0f, %5.2f times as long"):format(
    experts, k, ROWS / ours, ROWS / theirs[s], theirs[s] / ours))
end
