--- Scores of a mixture on a run's training or validation rows.
-- @module moe.schedule.scoring

local score = require "moe.eval.score"

local scoring = {}

-- Several metrics, or one, which may be a function.
local function read(what, given)
  return score.read(what, type(given) == "function" and { score = given } or given)
end

--- The figures by name: of what `metrics` asks for as in `moe.eval`, or accuracy
-- or R².
-- @param on "train" or "valid"; nil: the validation rows, where there are some
function scoring.all(m, data, on, metrics)
  local part = on ~= "train" and data.valid or data
  if on == "valid" and not data.valid then
    error("schedule: there are no validation rows: data.valid = { X = …, y = … }", 0)
  end
  return score.evaluate(read("schedule", metrics), m, part.X, part.y)
end

--- One metric on such rows: how good it is (larger is better), its value and name.
function scoring.one(m, data, on, metric)
  local list = score.list(read("schedule", metric), m)
  if #list ~= 1 then error("schedule: 'metric' must be one metric", 0) end
  local value = scoring.all(m, data, on, metric)[list[1].name]
  return list[1].greater and value or -value, value, list[1].name
end

return scoring
