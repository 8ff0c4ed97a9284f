--- Neural modules as learners: fitted, mixed, cross-validated and saved like any other.
--
--    local expert = moe.experts.network {
--      module = function(inputs, outputs)
--        return nn.FeedForward { dim = inputs, hidden = 64, out_dim = outputs }
--      end, epochs = 20,
--    }
-- @module moe.experts.network

local core = require "moe.core"
local check = require("moe.options").check
local fitting = require "moe.nn.fitting"
local no_grad = require "moe.no_grad"
local stored = require "moe.nn.stored"
local training = require "moe.nn.training"

local F = core.F
local standard = training.standard
local Network = {}
Network.__index = Network

local ROWS = 4096 -- predicted at once
local OUTPUTS = 2 -- of a classifier that learns row by row, unless its classes are given
local KIND = "moe.network"

local known = {
  module = {}, loss = {}, optimizer = { default = "adamw" }, lr = { "number", min = 0 },
  weight_decay = { "number", min = 0 }, epochs = { "integer", min = 1, default = 20 },
  warm_epochs = { "integer", min = 1 },
  batch_size = { "integer", min = 1, default = 32 }, clip = { "number", min = 0 },
  validation = { "number", min = 0, max = 0.9, default = 0 },
  patience = { "integer", min = 1, default = 5 }, schedule = { "function" },
  balance = { "number", min = 0, default = 0.01 }, standardize = { "boolean", default = true },
  classes = { "table" }, warm = { "boolean", default = false }, seed = { "integer", min = 0 },
}

-- Networks that are copies, and of which no fit has begun.
local copies = setmetatable({}, { __mode = "k" })

-- What is wrong with an option that would change nothing, or nil.
local function idle(o)
  if o.validation == 0 and o.patience ~= known.patience.default then
    return ("network: 'patience' is %d, but it would change nothing without 'validation', which "
      .. "is 0"):format(o.patience)
  end
  for _, name in ipairs { "lr", "weight_decay" } do
    if o[name] and type(o.optimizer) == "function" then
      return ("network: '%s' is %s, but the optimiser that the function 'optimizer' makes has "
        .. "its own"):format(name, tostring(o[name]))
    end
  end
end

-- The options with defaults, or an error where the level says.
local function check_options(options, level)
  local o = check("network", options, known, level)
  local module, fault = o.module, training.fault(o) or idle(o)
  if module == nil then error("network: 'module' is needed", level) end
  if type(module) ~= "function" and not (type(module) == "table" and getmetatable(module)) then
    fault = ("network: 'module' must be a module, or a function that makes one, got a %s"):format(
      type(module))
  end
  if fault then error(fault, level) end
  return o
end

-- ----------------------------------------------------------------- training

--- A fit that goes on by `step` until it says true; from `commit` on the network has what
-- was learned.
function Network:start_fit(X, y, options)
  local own = self.options.warm and not copies[self]
  local o = { warm = options.warm or own }
  for _, name in ipairs { "classes", "weights", "seed" } do o[name] = options[name] end
  copies[self] = nil
  return fitting(self, X, y, o)
end

function Network:fit(X, y, options)
  local job = self:start_fit(X, y, options)
  repeat local done = job:step() until done
  job:commit()
end

-- Of a stream: the means and deviations so far (Welford 1962).
local function follow(self, x)
  local s = self.stream or { n = 0, mean = {}, squares = {} }
  self.stream, s.n = s, s.n + 1
  local mean, sd = {}, {}
  for j, value in ipairs(x) do
    local before = s.mean[j] or 0
    s.mean[j] = before + (value - before) / s.n
    s.squares[j] = (s.squares[j] or 0) + (value - before) * (value - s.mean[j])
    mean[j], sd[j] = s.mean[j], math.sqrt(s.squares[j] / s.n)
    if sd[j] < 1e-12 then sd[j] = 1 end
  end
  self.scale = { mean = core.tensor { mean }, sd = core.tensor { sd } }
end

--- One step by one row; classes take the outputs in the order in which they come.
function Network:learn_one(x, y, weight)
  local rows, before = core.tensor { x }, self.classes and #self.classes
  if self.options.standardize and (not self.scale or self.stream) then follow(self, x) end
  local classifies = type(y) == "string" or self.classes or self.options.classes
  local target = classifies and training.class_ids(self, { y }, { y })
    or standard(self.target, training.values_of { y })
  local outputs = classifies and math.max(OUTPUTS, #self.classes) or target.shape[2]
  local grown = before and outputs > math.max(OUTPUTS, before)
    and type(self.options.module) == "function"
  if not self.module or grown then training.build(self, #x, outputs, self.options.seed or 0) end
  self.optimiser = self.optimiser or training.make_optimiser(self)
  self.module:train()
  local lr = self.optimiser.lr
  self.optimiser.lr = lr * (weight or 1)
  training.take_step(self, standard(self.scale, rows), target)
  self.optimiser.lr = lr
  self.module:eval()
end

-- --------------------------------------------------------------- predictions

-- f of the module's output for each row, a part of the rows at a time.
local function answers(self, X, f)
  local parts = {}
  self.module:eval()
  for first = 1, #X, ROWS do
    local rows = X:rows(first, math.min(first + ROWS - 1, #X))
    parts[#parts + 1] = no_grad(function() return f((self.module(standard(self.scale, rows)))) end)
  end
  return #parts == 1 and parts[1] or F.concat(parts, 1)
end

function Network:predict(X)
  local target = self.target
  return answers(self, X, function(y) return target and y * target.sd + target.mean or y end)
end

-- The columns of these classes; of one that the network does not know it is 0.
local function columns_of(self, p, classes)
  local places, picked = {}, {}
  for k, label in ipairs(self.classes) do places[label] = k end
  for i, label in ipairs(classes) do picked[i] = places[label] or p.shape[2] + 1 end
  return F.concat({ p, core.zeros(#p, 1) }, 2):transpose():select(picked):transpose()
end

function Network:predict_proba(X, classes)
  local p = answers(self, X, function(y) return F.softmax(y) end)
  local same = #classes == p.shape[2]
  for k, label in ipairs(classes) do same = same and self.classes[k] == label end
  return same and p or columns_of(self, p, classes)
end

-- --------------------------------------------------------- copies and state

--- A copy; it fits anew even where this one goes on from its weights, so that rows held
-- out of a copy's fit are new to it.
function Network:clone()
  local other = setmetatable({}, Network)
  for key, value in pairs(self) do other[key] = value end
  if self.module then other.module = self.module:clone() end
  other.classes = self.classes and training.copy_list(self.classes)
  other.optimiser, copies[other] = nil, true
  return other
end

local plain = {
  "loss", "optimizer", "lr", "weight_decay", "epochs", "warm_epochs", "batch_size", "clip",
  "validation", "patience", "balance", "standardize", "classes", "warm", "seed",
}

--- The options, as they may be given again.
function Network:get_params()
  local options = {}
  for name, value in pairs(self.options) do options[name] = value end
  return options
end

--- Sets options; the next fit goes by them.
-- @raise as the constructor
function Network:set_params(options)
  local o = self:get_params()
  for name, value in pairs(options) do o[name] = value end
  self.options, self.optimiser = check_options(o, 0), nil
end

--- Bytes of the weights, of the moments of the optimiser and of the scales.
function Network:bytes()
  local sum, seen = 0, {}
  local function add(t)
    if t == nil or seen[t] then return end
    local items = 4
    for _, length in ipairs(t.shape) do items = items * length end
    seen[t], sum = true, sum + items
  end
  for _, t in pairs(self.module and self.module:state_dict() or {}) do add(t) end
  for _, state in pairs(self.optimiser and self.optimiser.state or {}) do
    add(state.m)
    add(state.v)
  end
  for _, scale in pairs { self.scale or nil, self.target or nil } do
    add(scale.mean)
    add(scale.sd)
  end
  return sum
end

function Network:get_state()
  local options = {}
  for _, name in ipairs(plain) do
    local value = self.options[name]
    if type(value) ~= "function" then options[name] = value end
  end
  local scales = { scale = self.scale, target = self.target }
  return {
    kind = KIND, options = options, classes = self.classes, fits = self.fits,
    module = self.module and stored.pack(self.module), scales = stored.pack(scales),
  }
end

-- The classes that a module of the user's is made of.
local function add_classes(value, classes)
  if type(value) ~= "table" then return end
  if value.is_module then classes[value.type_name] = getmetatable(value) end
  for key, item in pairs(value) do
    if key ~= "__index" then add_classes(item, classes) end
  end
end

local function classes_of(own)
  local nn, classes = require "moe.nn", {}
  for name, class in pairs(nn) do
    if type(class) == "table" and class.is_module then classes[class.type_name or name] = class end
  end
  for _, class in pairs(require "moe.nn.gates") do
    if type(class) == "table" and class.is_module then classes[class.type_name] = class end
  end
  add_classes(own, classes)
  return classes
end

function Network:set_state(state)
  local own = self.module or type(self.options.module) == "table" and self.options.module or nil
  local scales = stored.unpack(state.scales, {})
  self.scale, self.target = scales.scale, scales.target
  self.classes, self.fits = state.classes, state.fits
  self.module = state.module and stored.unpack(state.module, classes_of(own)) or nil
  if self.module then
    if not self.module.is_module then error("load: the network's module is none", 0) end
    self.options.module = self.options.module or self.module
    self.module:eval()
  end
end

--- The network of a state that `get_state` gave, or nil where it is another's.
local function restore(state)
  if type(state) ~= "table" or state.kind ~= KIND then return nil end
  local network = setmetatable({ options = check("network", state.options, known, 0) }, Network)
  network:set_state(state)
  return network
end
core._on_load(restore)

--- A learner around a neural module. In a mixture em fits it on, by the shares of rows that
-- it answers for; no gradient reaches it through the gate (training = "gradient" refuses it,
-- unless it is frozen).
-- @param options a table of
--   module: a module that gives rows × outputs, or function(inputs, outputs, seed) → module
--   loss: "cross_entropy" (of classes), "mse" or "huber", or function(output, y, weights): y
--     has the numbers of the outputs for classes, or targets less their mean, in
--     deviations; weights, where there are any, the mean of all rows' being 1, none 0
--   optimizer: the name of one of moe.optim ("adamw"), or function(parameters) → optimiser
--   lr, weight_decay: the optimiser's own unless given; clip: the most that the norm of
--     the gradients may be; schedule: function(optimiser, steps) → one of
--     moe.optim.schedules
--   epochs (20), batch_size (32); warm_epochs: of a fit that goes on from the weights
--     there are, as each round of em is (epochs unless given)
--   seed: of the order of rows and what is held out; unless given 0, or in a mixture one of
--     the mixture's seed and the expert's name
--   validation (0): the share of rows held out, to stop after `patience` (5) epochs
--     without a gain and return to the best
--   balance (0.01): the weight of the balance loss of a module that gives routings
--   standardize (true): inputs have mean 0 and deviation 1, as targets of regression always
--     have in a fit
--   task: "auto", "classification" or "regression", as of other learners
--   classes: of the outputs, in their order; those of the rows, sorted, unless given
--   warm (false): each fit goes on from the weights there are, as one with the option
--     warm = true does; a copy's first fit does not
-- @return a learner; its `behind` is the network: { module, options, … }
-- @raise if an option is unknown or not allowed
return function(options)
  local own, task = {}, type(options) == "table" and options.task or nil
  if type(options) ~= "table" then check_options(options, 3) end
  for name, value in pairs(options) do own[name] = value end
  own.task = nil
  local network = setmetatable({ options = check_options(own, 3) }, Network)
  local learner = core.foreign("learner", network)
  if task == nil then return learner end
  local good, message = pcall(learner.set_params, learner, { task = task })
  return good and learner or error("network: " .. message:gsub("^.*foreign: ", ""), 2)
end
