--- One run of a schedule: where it is, what it has done, and its checkpoints.
--
-- Where it is, is a tree of plain tables as the stages are a tree: { at = number
-- of the stage, inner = the place within that stage, … }.  A checkpoint is that
-- tree, the history, the mixture's bytes and a mark of the schedule; random
-- numbers come from the seed and the place alone, so the rest of a run that goes
-- on from it is the rest of the run that was cut off.
-- @module moe.schedule.run

local checkpoint = require "moe.schedule.checkpoint"
local core = require "moe.core"
local describe = require "moe.schedule.describe"
local history = require "moe.schedule.history"
local text = require "moe.text"

local Run = {}
Run.__index = Run

--- A run at its beginning.
function Run.new(schedule, m, data, own)
  return setmetatable({
    stages = schedule.stages, m = m, data = data, options = own,
    history = history.new(), root = { at = 1 }, number = "",
    deadline = own.seconds and core.now() + own.seconds,
  }, Run)
end

--- A seed for what the stage draws: another one at every place and round.
function Run:seed()
  local seed = self.options.seed % 2147483647
  for part in self.number:gmatch "%d+" do seed = (seed * 16807 + tonumber(part)) % 2147483647 end
  return (seed * 16807 + (self.round or 0)) % 2147483647
end

function Run:out_of_time() return self.deadline ~= nil and core.now() >= self.deadline end

--- What is being repeated begins again, with its place.
function Run:begin_again() self.place.at, self.place.inner = 1, nil end

-- What a checkpoint must agree with: the stages, the seed and the data's size.
function Run:fingerprint()
  return ("%s\nseed %d, %d rows"):format(describe.stages(self.stages), self.options.seed,
    #self.data.y)
end

local function show(progress, entry)
  if type(progress) == "function" then
    progress(entry)
  elseif progress then
    io.stderr:write(text.columns { history.cells(entry) }, "\n")
  end
end

function Run:record(stage, entry, seconds)
  entry.stage, entry.place, entry.seconds = stage.name, self.number, seconds
  entry.round = entry.round or self.round
  table.insert(self.history, entry)
  show(self.options.progress, entry)
end

function Run:keep()
  if not self.options.checkpoint then return true end
  return checkpoint.write(self.options.checkpoint, {
    fingerprint = self:fingerprint(), place = self.root, model = self.m:dump(),
    history = self.history,
  })
end

-- One stage, its place and number within reach while it runs.
function Run:run_stage(stage, i, place, number)
  local outer = { place = self.place, number = self.number, round = self.round }
  local started = core.now()
  place.inner = place.inner or { at = 1 }
  self.place, self.number = place.inner, number .. i
  local entry, message, code = stage.run(stage, self.m, self.data, self)
  if entry then
    self.round = outer.round
    self:record(stage, entry, core.now() - started)
  end
  self.place, self.number, self.round = outer.place, outer.number, outer.round
  return entry, message, code
end

--- Runs stages from where the place says; true, or nil, message, code.
function Run:run_stages(stages, round)
  local place = self.place
  local number = self.number == "" and "" or self.number .. "."
  while place.at <= #stages and not self:out_of_time() do
    self.round = round
    local entry, message, code = self:run_stage(stages[place.at], place.at, place, number)
    if not entry then return nil, message, code end
    place.at, place.inner = place.at + 1, nil
    local kept
    kept, message, code = self:keep()
    if not kept then return nil, message, code end
  end
  return true
end

--- Takes up the checkpoint if there is one; true, or nil, message, code.
function Run:resume()
  local path = self.options.checkpoint
  if not path then return true end
  self.m:assign(self.m)
  local kept, message, code = checkpoint.read(path, self:fingerprint())
  if not kept then return message == nil or nil, message, code end
  local model
  model, message, code = checkpoint.undump(self.m, kept.model)
  if not model then return nil, path .. ": " .. message, code end
  self.m:assign(model)
  self.root, self.history = kept.place, history.new(kept.history)
  return true
end

--- The whole run: the history, or nil, message, code.
function Run:go()
  local good, message, code = self:resume()
  if not good then return nil, message, code end
  self.place = self.root
  good, message, code = self:run_stages(self.stages, nil)
  if not good then return nil, message, code end
  self.history.done = self.root.at > #self.stages
  return self.history
end

return Run
