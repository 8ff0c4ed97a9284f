--- How a mixture learns from a stream: moe.streaming { teach = "chosen" }.
-- @module moe.streaming

local make = require "moe.make"

-- The behaviours of irithyll's NeuralMoE: only the chosen experts are looked at and
-- learn, a bias in the logits follows the load, warm-up is a penalty, and experts of
-- little probability begin anew.
local reference = {
  feedback = "partial",
  teach = "chosen",
  balance = "logits",
  warming = "penalty",
  dead_by = "probability",
  revive = "reset",
  measure = "after",
}

--- The options of a mixture's `stream`: moe.mixture { stream = moe.streaming { … } };
-- a table of them does as well.
-- @param[opt] options as `moe.help "streaming"` lists them, and preset: "reference" for
-- the behaviours of irithyll's NeuralMoE where no other is given
-- @raise if an option is unknown or not allowed
return function(options)
  local preset = type(options) == "table" and options.preset
  if not preset then return (make("streaming", "streaming", options)) end
  if preset ~= "reference" then
    error(("streaming: 'preset' must be \"reference\", got %s"):format(tostring(preset)), 2)
  end
  local own = {}
  for name, value in pairs(reference) do own[name] = value end
  for name, value in pairs(options) do own[name] = value end
  own.preset = nil
  return (make("streaming", "streaming", own))
end
