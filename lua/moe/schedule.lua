--- Schedules: what is trained, in which order, on which rows, said as a list of
-- stages.  moe.schedule { S.pretrain { subsets = groups }, S.gate {} } is what
-- m:fit(X, y, { subsets = groups }) does, to the bit; but for experts that keep
-- out-of-bag predictions (forests), which last as long as their fit: a gate of a
-- later stage learns from cross-fitting instead.
-- @module moe.schedule

local Run = require "moe.schedule.run"
local describe = require "moe.schedule.describe"
local learner = require "moe.learner"
local options = require "moe.options"
local seeds = require "moe.schedule.seeds"
local stages = require "moe.schedule.stages"

local Schedule = {}
Schedule.__index = Schedule

function Schedule:__tostring()
  return ("schedule of %d stages\n%s"):format(#self.stages, describe.stages(self.stages))
end

local function part(given)
  if type(given) == "userdata" then given = { X = given } end
  local X, y = learner.rows_and_targets(given.X, given.y)
  return X, y
end

-- The data as stages see it: { X, y, valid = { X, y }, subsets, groups, weights }.
local function check_data(given)
  if type(given) ~= "userdata" and type(given) ~= "table" then
    error("schedule: data must be a Table, or { X = …, y = …, valid = … }", 3)
  end
  local data = {}
  data.X, data.y = part(given)
  if type(given) == "userdata" then return data end
  options.check("schedule: data", given, {
    X = {}, y = {}, valid = {}, subsets = {}, groups = {}, weights = {},
  }, 3)
  for _, name in ipairs { "subsets", "groups", "weights" } do data[name] = given[name] end
  if given.valid then
    data.valid = {}
    data.valid.X, data.valid.y = part(given.valid)
  end
  return data
end

local known = {
  seed = { "integer", min = 0, default = 0 },
  seconds = { "number", min = 0 },
  progress = {},
  checkpoint = { "string" },
  seeds = { "table" },
  processes = { "integer", min = 1 },
  metric = {},
}

--- Runs the stages, in order, on a mixture.
-- @param m the mixture, or whatever the stages can train
-- @param data a Table that knows its target, or { X, y, valid = { X, y }, subsets,
-- groups, weights }
-- @param[opt] options a table of
--   seed = 0: of what the stages draw
--   seconds: the most; what is usable then stays
--   progress: true: a line a stage to standard error; or a function of each entry
--   checkpoint: a path: the run is kept there after every stage, and the same call goes
--     on from it
--   seeds: a list: a run of a copy of the mixture for each
--   processes: for those, how many at a time
--   metric: to compare them by
-- @return the history, a list that prints; with `seeds` the Runs; or nil,
-- message, code where a file cannot be written, or the checkpoint is of another run
function Schedule:fit(m, data, given)
  local own = options.check("schedule", given, known)
  data = check_data(data)
  if own.seeds then return seeds.fit(self, m, data, own) end
  return Run.new(self, m, data, own):go()
end

--- Stages to be run in order: moe.schedule { S.pretrain {}, S.gate {} }.
-- @param list of stages (of `moe.stages`) and functions (mixture, data, context)
-- @return a schedule, which prints as its stages
-- @raise if there are none, or one is neither a stage nor a function
return function(list)
  if type(list) ~= "table" or #list == 0 then
    error("schedule: a list of stages expected", 2)
  end
  return setmetatable({ stages = stages.list(list) }, Schedule)
end
