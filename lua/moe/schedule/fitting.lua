--- Stages that learn: a fit job within the stage's and the run's time, and a
-- stream row by row.
-- @module moe.schedule.fitting

local core = require "moe.core"
local eval = require "moe.eval"
local options = require "moe.options"
local selection = require "moe.schedule.selection"
local stream = require "moe.streams.stream"
local streams = require "moe.streams"

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

local function is_labelled(m, y)
  return type(y[1]) ~= "number" or m:get_params().task == "classification"
end

-- Those of the stage from their beginning, or else the rows of the run.
local function samples_of(m, data, own)
  local samples = own.samples
  if stream.is_stream(samples) then samples:reset() end
  local task = is_labelled(m, data.y) and "classification" or "regression"
  return samples or streams.rows(data.X, data.y, { task = task }), task
end

--- Learns from samples one by one, having predicted each before.
function fitting.stream(m, data, context, own)
  local deadline = deadline_of(own, context)
  local samples, task = samples_of(m, data, own)
  local good, result, message, code = pcall(eval.prequential, m, samples, {
    metrics = own.metric or (task == "regression" and "mae" or "accuracy"), task = task,
    rows = own.rows, seconds = deadline and math.max(0, deadline - core.now()),
    every = 256, baselines = false,
  })
  if not good then error(result, 0) end
  if not result then return nil, message, code end
  return { rows = result.rows, done = not deadline or core.now() < deadline,
    scores = result.total }
end

return fitting
