--- A trained learner as a module: logits from its probabilities, without a gradient. In
-- the place of a layer's gate it routes as it was taught to.
-- @module moe.nn.estimator

local check = require("moe.options").check
local module = require "moe.nn.module"

local Estimator = module "Estimator"

local LEAST = 1e-12 -- a probability of which the logarithm is taken

--- Options: model, a fitted classifier or a table with predict_proba(self, X).
function Estimator:init(options)
  self.model = check("Estimator", options, { model = { needed = true }, seed = {} }, 3).model
end

--- ln p of each class, rows × classes.
function Estimator:forward(x) return (self.model:predict_proba(x:detach()) + LEAST):log() end

return Estimator
