--- One schedule under several seeds: how much of a score is luck.
-- @module moe.schedule.seeds

local checkpoint = require "moe.schedule.checkpoint"
local history = require "moe.schedule.history"
local processes = require "moe.processes"
local score = require "moe.eval.score"
local scoring = require "moe.schedule.scoring"
local text = require "moe.text"

local seeds = {}

local Runs = {}
Runs.__index = Runs

--- The trained mixture of one of the seeds.
-- @param seed one of those that were given
function Runs:model(seed)
  for i, known in ipairs(self.seeds) do
    if known == seed then return assert(checkpoint.undump(self.mixture, self.bytes[i])) end
  end
  error(("schedule: there was no run with seed %s"):format(tostring(seed)), 2)
end

function Runs:__tostring()
  local rows = { { "seed", self.measure } }
  for i, seed in ipairs(self.seeds) do
    rows[#rows + 1] = { ("%d"):format(seed), ("%.4f"):format(self.scores[i]) }
  end
  rows[#rows + 1] = { "mean", ("%.4f ± %.4f (standard deviation)"):format(self.mean, self.sd) }
  return text.columns(rows)
end

-- In a process of its own: all that comes back is plain.
local function run_one(schedule, m, data, own, seed)
  local mine = m:clone()
  mine:set_params { seed = seed }
  local entries, message, code = schedule:fit(mine, data, { seed = seed, seconds = own.seconds })
  if not entries then return { message = message, code = code } end
  local _, value, name = scoring.one(mine, data, nil, own.metric)
  return { entries = setmetatable(entries, nil), score = value, measure = name,
    bytes = mine:dump() }
end

--- Runs a copy of the mixture for each seed, in processes.
-- @return { seeds, scores, mean, sd (of a sample), measure, histories }, which
-- prints; runs:model(seed) gives a trained mixture.  Scores are on the validation
-- rows where there are some.  Or nil, message, code.
function seeds.fit(schedule, m, data, own)
  local results = processes.map(own.seeds, function(seed)
    return run_one(schedule, m, data, own, seed)
  end, { processes = own.processes })
  local runs = { mixture = m, seeds = own.seeds, scores = {}, histories = {}, bytes = {} }
  for i, result in ipairs(results) do
    if result.message then return nil, result.message, result.code end
    runs.scores[i], runs.bytes[i], runs.measure = result.score, result.bytes, result.measure
    runs.histories[i] = history.new(result.entries)
  end
  runs.mean, runs.sd = score.spread(runs.scores)
  return setmetatable(runs, Runs)
end

return seeds
