--- Transforms and the learner behind them as one learner, so that what the
-- transforms learn comes from the training rows alone, and is saved with it.
-- @module moe.pipeline

local core = require "moe.core"
local make = require "moe.make"

local Learner = core.methods "Learner"

local function steps_of(pipeline, method)
  local type = pipeline:info().type
  if type ~= "pipeline" then error(("%s: %s is not a pipeline"):format(method, type), 3) end
  return pipeline:get_params().steps or {}
end

--- What a pipeline's model gets to see of X.
-- @param X rows as `predict` takes them
-- @return n×d: a tensor, or a sparse matrix if the last transform makes one; X
-- itself where there are no transforms
-- @raise if this is no pipeline, or its transforms are not fitted
function Learner:transform(X)
  for _, step in ipairs(steps_of(self, "transform")) do X = step:transform(X) end
  return X
end

--- The same of one sample.
-- @param x an array of numbers, or name → value
-- @return 1×d, as `transform`
-- @raise as `transform`
function Learner:transform_one(x)
  for i, step in ipairs(steps_of(self, "transform_one")) do
    x = i == 1 and step:transform_one(x) or step:transform(x)
  end
  return x
end

--- Transforms and the learner behind them as one: moe.pipeline { scaler, model }.
-- @param parts transforms in order, a learner at the end, and options by name, as
-- `moe.help "pipeline"` lists them
-- @return a learner
-- @raise if the table is empty, or a part is not what its place asks for
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
  return (make("learner", "pipeline", options))
end
