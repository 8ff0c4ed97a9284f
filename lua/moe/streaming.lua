--- How a mixture learns from a stream: moe.streaming { teach = "chosen" }.
-- @module moe.streaming

local effect = require "moe.effect"
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

-- What says nothing without the options that follow.
local neutral = { balance_rate = 0.01, warming = "shadow", on_drift = "note" }

local function watched_by(...)
  local detectors, words = {}, {}
  for k, name in ipairs { ... } do
    detectors[name], words[k] = true, "'" .. name .. "'"
  end
  return { "drift " .. table.concat(words, " or "), function(o) return detectors[o.drift] end }
end

-- What an option needs, in words, and whether the options have it.
local needs = {
  balance_rate = { "balance", function(o) return o.balance ~= "none" end },
  warming = { "warmup or warmups", function(o) return o.warmup > 0 or o.warmups end },
  on_drift = { "drift", function(o) return o.drift ~= "none" end },
  drift_delta = watched_by("adwin", "page_hinkley"),
  drift_threshold = watched_by("page_hinkley", "ddm"),
  drift_alpha = watched_by "kswin",
  drift_window = watched_by("page_hinkley", "ddm", "kswin"),
}

local LEAST = 10 -- of kswin's window

-- What is wrong with those given, among all that there are, or nil.
local function find_fault(given, all)
  if all.drift == "kswin" and (all.drift_window or LEAST) < LEAST then
    return ("'drift_window' must be at least %d with drift 'kswin'; got %d"):format(LEAST,
      all.drift_window)
  end
  return select(2, effect(given, neutral, function(name)
    local need = needs[name]
    if need and not need[2](all) then
      return "it would change nothing without " .. need[1]
    end
  end))
end

local function with_preset(options)
  local preset = type(options) == "table" and options.preset
  if not preset then return options end
  if preset ~= "reference" then
    error(("streaming: 'preset' must be \"reference\", got %s"):format(tostring(preset)), 3)
  end
  local own = {}
  for name, value in pairs(reference) do own[name] = value end
  for name, value in pairs(options) do own[name] = value end
  own.preset = nil
  return own
end

--- The options of a mixture's `stream`: moe.mixture { stream = moe.streaming { … } };
-- a table of them does as well.
-- @param[opt] options as `moe.help "streaming"` lists them, and preset: "reference" for
-- the behaviours of irithyll's NeuralMoE where no other is given
-- @raise if an option is unknown, not allowed, or would change nothing
return function(options)
  local made = make("streaming", "streaming", with_preset(options))
  local fault = find_fault(options or {}, made:get_params())
  if fault then error("streaming: " .. fault, 2) end
  return made
end
