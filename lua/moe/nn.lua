--- Neural modules.
-- @module moe.nn

local core = require "moe.core"

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
-- @param most the norm that is allowed
function nn.clip_grad_norm(parameters, most) return core.clip(parameters, most) end

return nn
