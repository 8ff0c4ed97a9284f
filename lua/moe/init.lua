--- Mixtures of experts: experts, gates and mixtures from the C engine, and what
-- is best said in Lua around them.
-- @module moe

local core = require "moe.core"
local make = require "moe.make"

local moe = {
  _VERSION = core._VERSION,
  _NAME = "lua-moe",
  experts = {},
  gates = {},
  transforms = {},
  drift = {},
}

-- A learner, of the engine or written in Lua.
local function is_learner(value)
  if type(value) == "table" then return (value.fit or value.learn_one) ~= nil end
  return type(value) == "userdata"
end

local function is_around_model(entry)
  for _, p in ipairs(entry.params) do
    if p.name == "model" and p.family == "learner" then return true end
  end
  return false
end

-- Every type of the catalog has a constructor that takes one table of options;
-- that of "foreign" takes the Lua object itself, and that of a type around a
-- `model` may be given the model alone: moe.gates.classifier(moe.experts.forest {}).
local places = {
  learner = "experts", gate = "gates", transform = "transforms", detector = "drift",
}
for _, entry in ipairs(core.types()) do
  local around_model = is_around_model(entry)
  local place = places[entry.family] and moe[places[entry.family]] or moe
  place[entry.name] = function(options)
    if entry.name == "foreign" then return core.foreign(entry.family, options) end
    if around_model and is_learner(options) then options = { model = options } end
    return (make(entry.family, entry.name, options))
  end
end

--- A learner from a model that XGBoost (`save_model("model.json")`: gbtree, dart)
-- or LightGBM (`save_model("model.txt")`) trained: it answers as that program's
-- own predict does with all of its trees, and is not fitted again.
-- @function experts.import
-- @param path of the file
-- @param[opt] options { classes }: the names of the classes 0, 1, … in a list; the
-- numbers themselves are used without it
-- @return a trained learner; or nil, message, code for a file that cannot be read,
-- is no such model, or has something that cannot be imported, which the message names
-- @raise if `classes` are not as many as the model has, or it has none
moe.experts.import = core.import

for _, name in ipairs {
  "now", "set_threads", "threads", "memory", "backend", "load_backend", "load", "undump", "route",
  "tensor", "zeros", "ones", "randn", "sparse",
} do
  moe[name] = core[name]
end

moe.data = require "moe.data"
moe.metrics = require "moe.metrics"
moe.streams = require "moe.streams"
moe.eval = require "moe.eval"
moe.processes = require "moe.processes"
moe.mixture = require "moe.mixture"
moe.streaming = require "moe.streaming"
moe.pipeline = require "moe.pipeline"
moe.help = require "moe.help"
moe.schedule = require "moe.schedule"
moe.stages = require "moe.schedule.stages"
moe.nn = require "moe.nn"
moe.optim = require "moe.optim"
moe.experts.network = require "moe.nn.network"

--- Operations on tensors that record their gradients: relu, gelu, gelu_tanh, silu, tanh,
-- sigmoid, softplus (x); linear (x, w, b); matmul (a, b, transpose a, transpose b);
-- softmax, log_softmax (x); layer_norm (x, weight, bias, eps); rms_norm (x, weight, eps);
-- dropout (x, p, seed); embedding (ids, table); scatter (t, ids, n); concat (tensors,
-- dim); slice (t, dim, first, last); cross_entropy (logits, ids, { smoothing, ignore });
-- mse, bce_with_logits (x, y); huber (x, y, delta); attention (q, k, v, heads, { causal,
-- rotary }); experts (x, weights, indices, weights of experts); route (logits, options):
-- the weights of moe.route, and its routing, which backward gives back unless it is
-- retained; routing_loss (routing, kind, logits, deviations of noise); operation (backward,
-- output, inputs …): one written in Lua.
moe.F = core.F

--- Calls a function without recording gradients: see moe.no_grad.
moe.no_grad = require "moe.no_grad"

-- These add methods to the objects of the engine.
require "moe.behind"
require "moe.learner"
require "moe.report"

return moe
