--- Stages that learn: a fit job within the stage's and the run's time, and a
-- stream row by row.
-- @module moe.schedule.fitting

local core = require "moe.core"
local options = require "moe.options"
local selection = require "moe.schedule.selection"

local fitting = {}

local SLICE_MS = 100 -- between two looks at the clock and the host's progress

local known = {
  where = { "function" }, weights = {}, sample = { "number", min = 0 },
  curriculum = { "table" }, subsets = {}, seconds = { "number", min = 0 },
  early_stopping = { "table" },
}

--- The options that all fitting stages have.
function fitting.check_options(name, own) return options.check(name, own, known) end

--- The options of a stage that are not those: for the mixture or its gate.
function fitting.rest(own)
  local rest, common = {}, {}
  for name, value in pairs(own) do (known[name] and common or rest)[name] = value end
  fitting.check_options("stage", common)
  return rest
end

-- The earlier of what the stage and the run allow; nil: no end.
local function deadline_of(own, context)
  local mine = own.seconds and core.now() + own.seconds
  if mine and context.deadline then return math.min(mine, context.deadline) end
  return mine or context.deadline
end

local function run_job(job, deadline)
  repeat
    local left = deadline and math.max(1, (deadline - core.now()) * 1000) or SLICE_MS
    local done = job:step { budget_ms = math.min(SLICE_MS, left) }
  until done or deadline and core.now() >= deadline
end

--- Fits the part of the mixture that `fit_options.stage` names.  The subsets of
-- an earlier stage are those of the later ones too: they tell the gate which rows
-- an expert did not train on.
-- @return what the history should say
function fitting.fit(m, data, context, own, fit_options)
  local weights, rows = selection.weights(own, {
    y = data.y, weights = data.weights, round = context.round or 1, seed = context:seed(),
  })
  fit_options.weights = weights
  fit_options.groups = data.groups
  fit_options.subsets = own.subsets or context.root.subsets or data.subsets
  local job = m:start_fit(data.X, data.y, fit_options)
  run_job(job, deadline_of(own, context))
  local _, history = job:commit()
  context.root.subsets = fit_options.subsets
  return { rows = rows, done = history.done, notes = history.notes,
    log_likelihood = history.log_likelihood }
end

-- Row i of what `fit` takes, as one sample.
local function sample_of(X, i)
  if type(X) == "table" then return X[i] end
  return X:row(i)
end

local function running_score(classifies)
  local n, sum = 0, 0
  return function(y, predicted)
    n = n + 1
    if classifies then
      sum = sum + (y == predicted and 1 or 0)
    else
      sum = sum + math.abs(y - (predicted or 0))
    end
    return sum / n
  end, classifies and "accuracy" or "mae"
end

--- Learns from the rows one by one, having predicted each before.
function fitting.stream(m, data, context, own)
  local deadline = deadline_of(own, context)
  local n = math.min(#data.y, own.rows or math.huge)
  local score, name = running_score(type(data.y[1]) ~= "number")
  local rows, value = 0, nil
  for i = 1, n do
    local y = data.y[i]
    value = score(y, m:test_then_learn(sample_of(data.X, i), y))
    rows = i
    if deadline and core.now() >= deadline then break end
  end
  return { rows = rows, done = rows == n, scores = { [name] = value } }
end

return fitting
