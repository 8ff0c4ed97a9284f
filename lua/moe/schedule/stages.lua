--- The stages of schedules.  A stage is a value: { name, options, run }, where
-- run(stage, mixture, data, context) does the work and returns what the history
-- should say of it.  It asks of a mixture only its experts, its gate, a fit job,
-- predict, score, freeze and save.
-- @module moe.stages

local describe = require "moe.schedule.describe"
local fitting = require "moe.schedule.fitting"
local options = require "moe.options"
local scoring = require "moe.schedule.scoring"
local stream = require "moe.streams.stream"

local stages = {}

local Stage = {}
Stage.__index = Stage
function Stage:__tostring()
  return ("%s { %s }"):format(self.name, describe.options(self.options))
end

--- A stage of one's own.
-- @param name for the history
-- @param own its options, for printing and for the mark of a checkpoint
-- @param run function(stage, mixture, data, context) → a table for the history
function stages.new(name, own, run)
  return setmetatable({ name = name, options = own, run = run }, Stage)
end

--- Whether a value is a stage.
-- @param value anything
function stages.is_stage(value) return getmetatable(value) == Stage end

local early_stopping = { metric = {}, patience = { "integer", min = 1 },
  rounds = { "integer", min = 1 }, min_gain = { "number", min = 0 } }

-- A stage that fits a part of the mixture; with early stopping, that stage again
-- and again.
local function fitting_stage(name, own, run)
  if own.early_stopping == nil then return stages.new(name, own, run) end
  local outer = options.check(name .. ": early_stopping", own.early_stopping, early_stopping)
  local inner = {}
  for key, value in pairs(own) do inner[key] = value end
  inner.early_stopping = nil
  outer[1] = stages.new(name, inner, run)
  return stages.repeat_until(outer)
end

--- Fits the experts, each on the rows of its subset; the gate stays as it is.
-- @param[opt] options a table of
--   where: function(row number, target): whether to learn from the row
--   weights: an array, or such a function: how much each row counts
--   sample: a share below 1, or a number of rows, drawn anew each time
--   curriculum: { difficulty, from = 0.2, over }: the easiest rows first (an array, or
--     such a function, says how hard each is), more of them each of so many rounds
--   subsets: of each row the name of its expert; those of the data unless given
--   seconds: the most
--   early_stopping: { metric, patience, rounds, min_gain }: the stage again and again,
--     until the validation rows stop gaining; as in `repeat_until`
function stages.pretrain(own)
  own = fitting.check_options("pretrain", own)
  return fitting_stage("pretrain", own, function(stage, m, data, context)
    return fitting.fit(m, data, context, stage.options, { stage = "experts" })
  end)
end

--- Fits the gate; the experts stay as they are.
-- @param[opt] options as `pretrain`; objective; unseen (true: these rows are new to the
-- experts, which then answer for them as they are, without cross-fitting); what
-- else is named is set in the gate, and stays so: S.gate { l2 = 1 } is
-- set_params { ["gate.l2"] = 1 }
function stages.gate(own)
  return fitting_stage("gate", own or {}, function(stage, m, data, context)
    local rest = fitting.rest(stage.options)
    local unseen, objective = rest.unseen, rest.objective
    rest.unseen, rest.objective = nil, nil
    if objective then m:set_params { objective = objective } end
    for name, value in pairs(rest) do m:set_params { ["gate." .. name] = value } end
    return fitting.fit(m, data, context, stage.options, { stage = "gate", unseen = unseen })
  end)
end

--- Fits experts and gate together, from where they are if they are fitted.
-- @param[opt] options as `pretrain`; method ("em" unless given, or "gradient", which needs
-- a gradient of every part that is not frozen: what is written in Lua, networks too, has
-- none); rounds; what else is named (tol, lr, …) is set in the mixture, and stays so
function stages.joint(own)
  return fitting_stage("joint", own or {}, function(stage, m, data, context)
    local rest = fitting.rest(stage.options)
    local how = { method = rest.method or "em", rounds = rest.rounds, warm = m:info().fitted }
    rest.method, rest.rounds = nil, nil
    m:set_params(rest)
    return fitting.fit(m, data, context, stage.options, how)
  end)
end

--- Sample after sample in their order: a prediction, then learning from it.
-- @param[opt] options samples (a Stream, which is read from its beginning, or a function
-- that gives x, y and at last nil; the rows of the run unless given), metric (accuracy or
-- mean absolute error unless given), rows (the most), seconds
-- @usage local new = assert(moe.streams.csv("new.csv", { target = "class" }))
-- moe.schedule { S.pretrain {}, S.gate {}, S.stream { samples = new } }
function stages.stream(own)
  own = options.check("stream", own, {
    samples = {}, metric = {}, rows = { "integer", min = 1 }, seconds = { "number", min = 0 },
  })
  local samples = own.samples
  if samples and not stream.is_stream(samples) and type(samples) ~= "function" then
    error("stream: 'samples' must be a Stream or a function, got a " .. type(samples), 2)
  end
  return stages.new("stream", own, function(stage, m, data, context)
    return fitting.stream(m, data, context, stage.options)
  end)
end

local function check_names(what, names)
  if type(names) == "string" then names = { names } end
  if type(names) ~= "table" or #names == 0 then
    error(("%s: the names of experts expected"):format(what), 3)
  end
  return names
end

local function set_frozen(m, names, frozen)
  local set, list = {}, {}
  for _, name in ipairs(m:get_params().frozen or {}) do set[name] = true end
  for _, name in ipairs(names) do set[name] = frozen or nil end
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  m:set_params { frozen = list }
  return {}
end

--- From here on these experts stay as they are: S.freeze { "a", "b" }.
-- @param names of experts, or one name
function stages.freeze(names)
  names = check_names("freeze", names)
  return stages.new("freeze", names, function(_, m) return set_frozen(m, names, true) end)
end

--- From here on these experts learn again.
-- @param names of experts, or one name
function stages.unfreeze(names)
  names = check_names("unfreeze", names)
  return stages.new("unfreeze", names, function(_, m) return set_frozen(m, names, false) end)
end

--- Scores the mixture, for the history.
-- @param[opt] options metrics (as for `moe.eval.cross_validate`; accuracy or R² unless
-- given), on ("valid" or "train"; the former where there are validation rows)
function stages.evaluate(own)
  own = options.check("evaluate", own, {
    metrics = {}, on = { { "valid", "train" } },
  })
  return stages.new("evaluate", own, function(stage, m, data)
    return { scores = scoring.all(m, data, stage.options.on, stage.options.metrics) }
  end)
end

--- Saves the mixture: S.save "model.moe".
-- @param path of the file
function stages.save(path)
  if type(path) ~= "string" then error("save: a path expected, got a " .. type(path), 2) end
  return stages.new("save", { path }, function(_, m)
    local saved, message, code = m:save(path)
    if not saved then return nil, message, code end
    return {}
  end)
end

--- Repeats stages: until a condition holds, or a metric on the validation rows
-- has not gained for `patience` rounds; then the best mixture is restored.
-- @param options stages in order, and rounds (the most, 100 unless given), metric (a
-- name or function), patience (1 unless given), min_gain, restore (true unless
-- given), condition (function(mixture, data, context): true ends it)
function stages.repeat_until(own)
  local inner, named = {}, {}
  for key, value in pairs(own) do
    if type(key) == "number" then inner[key] = value else named[key] = value end
  end
  local settings = options.check("repeat_until", named, {
    rounds = { "integer", min = 1, default = 100 }, metric = {}, condition = { "function" },
    patience = { "integer", min = 1 }, min_gain = { "number", min = 0 }, restore = { "boolean" },
  })
  if #inner == 0 then error("repeat_until: no stages to repeat", 2) end
  if settings.patience and not settings.metric then
    error("repeat_until: 'patience' needs a 'metric' to wait for", 2)
  end
  local stage = stages.new("repeat_until", settings, require "moe.schedule.repeating")
  stage.stages = stages.list(inner)
  return stage
end

-- A constructor in place of what it makes would be taken for a user's function.
local function check_made(stage, i)
  for name, make in pairs(stages) do
    if stage == make then
      error(("schedule: stage %d is moe.stages.%s itself; call it: %s {}"):format(i, name, name), 0)
    end
  end
end

--- Stages from a list of stages and functions.
function stages.list(given)
  local list = {}
  for i, stage in ipairs(given) do
    check_made(stage, i)
    if type(stage) == "function" then
      stage = stages.new("function", {}, function(_, m, data, context)
        local said = given[i](m, data, context)
        return type(said) == "table" and said or {}
      end)
    end
    if not stages.is_stage(stage) then
      error(("schedule: stage %d must be a stage or a function, got a %s")
        :format(i, type(stage)), 3)
    end
    list[i] = stage
  end
  return list
end

return stages
