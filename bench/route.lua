-- moe.route beside softmax, argpartition and weights of the selected in NumPy, in
-- one thread, on the same float32 logits: CPU times, the least of five, in one
-- run.  Ours gives the selections sorted by expert besides.
--   make program && build/moe bench/route.lua [rows]

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"

local ROWS = tonumber(arg[1]) or 20000
local SHAPES = { { 8, 2 }, { 64, 2 }, { 64, 8 }, { 256, 8 } }

local function read_theirs(path)
  local arguments, times = {}, {}
  for _, shape in ipairs(SHAPES) do table.move(shape, 1, 2, #arguments + 1, arguments) end
  local lines = support.peer("route.py", path, ROWS, support.TIMES, table.unpack(arguments))
  for i, line in ipairs(lines) do times[i] = line[1] end
  return times
end

moe.set_threads(1)
local logits = moe.randn({ ROWS, 256 }, { seed = 1 })
local path = support.write_rows(logits:totable())
local theirs = read_theirs(path)
os.remove(path)

local all = logits:reshape { -1 }
for s, shape in ipairs(SHAPES) do
  local experts, k = shape[1], shape[2]
  local X = all:rows(1, ROWS * experts):reshape { ROWS, experts }
  local ours = support.least(os.clock, 1, function() moe.route(X, { top_k = k }):close() end)
  print(("E = %3d, k = %d: %8.0f rows a second; NumPy %8.0f, %5.2f times as long"):format(
    experts, k, ROWS / ours, ROWS / theirs[s], theirs[s] / ours))
end
