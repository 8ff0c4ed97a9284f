--- How `repeat_until` runs: rounds of its stages, the best mixture so far kept
-- as bytes in the run's place, so that a checkpoint holds it.
-- @module moe.schedule.repeating

local checkpoint = require "moe.schedule.checkpoint"
local scoring = require "moe.schedule.scoring"

-- Whether the round just ended was the last; remembers the best one.
local function judge(stage, m, data, place)
  local own = stage.options
  if not own.metric then return false end
  local gain, score, name = scoring.one(m, data, "valid", own.metric)
  if not place.best_gain or gain > place.best_gain + (own.min_gain or 0) then
    place.best_gain, place.best_round, place.waited = gain, place.round, 0
    place.scores = { [name] = score }
    if own.restore ~= false then place.best = m:dump() end
  else
    place.waited = place.waited + 1
  end
  return place.waited >= (own.patience or 1)
end

local function restore(m, place)
  if place.best and place.best_round ~= place.round then
    m:assign(assert(checkpoint.undump(m, place.best)))
  end
end

return function(stage, m, data, context)
  local own, place = stage.options, context.place
  place.round = place.round or 1
  while true do
    local ok, message, code = context:run_stages(stage.stages, place.round)
    if not ok then return nil, message, code end
    local last = judge(stage, m, data, place)
      or own.condition and own.condition(m, data, context)
      or place.round >= own.rounds
      or context:out_of_time()
    if last then break end
    place.round = place.round + 1
    context:begin_again()
  end
  restore(m, place)
  return { round = place.best_round or place.round, scores = place.scores }
end
