--- Which rows a stage learns from, and how much each counts.  All of it is one
-- weight a row: a row of weight 0 is as if it were not there.
-- @module moe.schedule.selection

local randn = require("moe.core").randn

local selection = {}

local function at(values, i, y)
  if type(values) == "function" then return values(i, y[i]) end
  return values[i]
end

local function check_weight(value, i)
  if type(value) ~= "number" or not (value >= 0 and value < math.huge) then
    error(("schedule: the weight of row %d must be a number from 0, got %s")
      :format(i, tostring(value)), 0)
  end
  return value
end

local function multiply(weights, values, y)
  for i = 1, #weights do weights[i] = weights[i] * check_weight(at(values, i, y), i) end
end

local function filter(weights, where, y)
  for i = 1, #weights do
    if not where(i, y[i]) then weights[i] = 0 end
  end
end

-- Leaves the `count` rows that come first by `key`, ties by place.
local function keep_first(weights, count, key)
  local kept = {}
  for i = 1, #weights do
    if weights[i] > 0 then kept[#kept + 1] = i end
  end
  table.sort(kept, function(a, b)
    if key[a] ~= key[b] then return key[a] < key[b] end
    return a < b
  end)
  for k = count + 1, #kept do weights[kept[k]] = 0 end
end

local function count_positive(weights)
  local n = 0
  for i = 1, #weights do
    if weights[i] > 0 then n = n + 1 end
  end
  return n
end

-- A share of n rows, to the nearest one, as a number of them from 1 to n.
local function count_of(share, n)
  return math.max(1, math.floor(math.min(share, 1) * n + 0.5))
end

-- A share below 1, or a number of rows.
local function draw(weights, sample, seed)
  local n = count_positive(weights)
  local count = sample < 1 and count_of(sample, n) or sample
  if count < n then keep_first(weights, count, randn(#weights, { seed = seed }):totable()) end
end

-- The easiest rows, more of them each round: Bengio et al. 2009.
local function take_easiest(weights, curriculum, y, round)
  local difficulty = {}
  for i = 1, #weights do difficulty[i] = at(curriculum.difficulty, i, y) end
  local from, over = curriculum.from or 0.2, curriculum.over or 1
  local share = over > 1 and from + (1 - from) * (round - 1) / (over - 1) or from
  keep_first(weights, count_of(share, count_positive(weights)), difficulty)
end

--- The weights for a stage.
-- @param options of the stage: weights (array, or function of a row's number and
-- target), where (function of the same: whether to learn from it), curriculum
-- ({ difficulty = array or function, from = share, over = rounds }), sample (a
-- share below 1, or a number of rows, drawn anew each time)
-- @param run { y, weights, round, seed }
-- @return an array, or nil where all rows count 1; and how many rows are left
function selection.weights(options, run)
  local n, y = #run.y, run.y
  local given = options.weights or options.where or options.sample or options.curriculum
  if not (given or run.weights) then return nil, n end
  local weights = {}
  for i = 1, n do weights[i] = run.weights and check_weight(run.weights[i], i) or 1 end
  if options.weights then multiply(weights, options.weights, y) end
  if options.where then filter(weights, options.where, y) end
  if options.curriculum then take_easiest(weights, options.curriculum, y, run.round) end
  if options.sample then draw(weights, options.sample, run.seed) end
  local left = count_positive(weights)
  if left == 0 then error("schedule: the stage's selection leaves no rows", 0) end
  return weights, left
end

return selection
