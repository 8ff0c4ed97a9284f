--- Transforms and the learner behind them as one learner, so that what the
-- transforms learn comes from the training rows alone, and is saved with it.
-- @module moe.pipeline

local core = require "moe.core"

local Learner = core.methods "Learner"

local function check_parts(pipeline, method)
  local parts = pipeline:get_params()
  if pipeline:info().type ~= "pipeline" then
    error(("%s: %s is not a pipeline"):format(method, pipeline:info().type), 3)
  end
  return parts.steps or {}
end

--- What a pipeline's model gets to see of X: a tensor or a sparse matrix.
function Learner:transform(X)
  for _, step in ipairs(check_parts(self, "transform")) do X = step:transform(X) end
  return X
end

--- The same of one sample, an array or name → value, as a matrix of one row.
function Learner:transform_one(x)
  for i, step in ipairs(check_parts(self, "transform_one")) do
    x = i == 1 and step:transform_one(x) or step:transform(x)
  end
  return x
end

--- moe.pipeline { scaler, …, model, seed = … }: transforms in order, a learner
-- at the end, and options by name.
return function(parts)
  if type(parts) ~= "table" or parts[1] == nil then
    error("pipeline: a table of transforms and, as its last, a learner expected", 2)
  end
  local options, steps = {}, {}
  for name, part in pairs(parts) do
    if type(name) ~= "number" then options[name] = part end
  end
  for i, part in ipairs(parts) do steps[i] = part end
  options.model = table.remove(steps)
  options.steps = steps
  return core.new("learner", "pipeline", options)
end
