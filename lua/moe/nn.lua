--- Neural modules.
-- @module moe.nn

local core = require "moe.core"
local options = require "moe.options"

local nn = { module = require "moe.nn.module", initial = require "moe.nn.initial" }
for _, part in ipairs { "layers", "transformer" } do
  for name, class in pairs(require("moe.nn." .. part)) do
    if type(class) == "table" and class.is_module then nn[name] = class end
  end
end
nn.MoE = require "moe.nn.moe"
nn.HalfMoE = require("moe.nn.inference").HalfMoE
nn.Estimator = require "moe.nn.estimator"

--- The norm of all gradients, which are scaled down to `most` where it is larger.
-- @param parameters a list of tensors
-- @param most the norm that is allowed, a number from 0
-- @return the norm that they had
function nn.clip_grad_norm(parameters, most)
  options.check_parameters("clip_grad_norm", parameters, 0)
  if type(most) == "number" and most >= 0 then return core.clip(parameters, most) end
  error(("clip_grad_norm: 'most' must be a number, at least 0, got %s"):format(tostring(most)), 2)
end

return nn
