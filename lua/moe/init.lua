--- Mixtures of experts: experts, gates and mixtures from the C engine, and what
-- is best said in Lua around them.
-- @module moe

local core = require "moe.core"

local moe = {
  _VERSION = core._VERSION,
  _NAME = "lua-moe",
  experts = {},
  gates = {},
  transforms = {},
}

-- Every type of the catalog has a constructor that takes one table of options;
-- that of "foreign" takes the Lua object itself.
local places = { learner = "experts", gate = "gates", transform = "transforms" }
for _, type in ipairs(core.types()) do
  moe[places[type.family]][type.name] = function(options)
    if type.name == "foreign" then return core.foreign(type.family, options) end
    return core.new(type.family, type.name, options)
  end
end

for _, name in ipairs {
  "now", "set_threads", "threads", "memory", "backend", "load_backend", "load", "undump", "route",
  "tensor", "zeros", "ones", "randn", "sparse",
} do
  moe[name] = core[name]
end

moe.data = require "moe.data"
moe.metrics = require "moe.metrics"
moe.mixture = require "moe.mixture"
moe.pipeline = require "moe.pipeline"
moe.help = require "moe.help"

-- These two add methods to the objects of the engine.
require "moe.learner"
require "moe.report"

return moe
