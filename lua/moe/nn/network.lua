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
local loader = require "moe.loader"
local no_grad = require "moe.no_grad"
local optim = require "moe.optim"
local random = require "moe.random"
local stored = require "moe.nn.stored"

local F = core.F
local Network = {}
Network.__index = Network

local ROWS = 4096 -- predicted at once
local OUTPUTS = 2 -- of a classifier that learns row by row, unless its classes are given
local KIND = "moe.network"

local known = {
  module = {}, loss = {}, optimizer = { default = "adamw" }, lr = { "number", min = 0 },
  weight_decay = { "number", min = 0 }, epochs = { "integer", min = 1, default = 20 },
  batch_size = { "integer", min = 1, default = 32 }, clip = { "number", min = 0 },
  validation = { "number", min = 0, max = 0.9, default = 0 },
  patience = { "integer", min = 1, default = 5 }, schedule = { "function" },
  balance = { "number", min = 0, default = 0.01 }, standardize = { "boolean", default = true },
  classes = { "table" }, warm = { "boolean", default = false },
  seed = { "integer", min = 0, default = 0 },
}

-- ------------------------------------------------------------------- losses
-- Each a mean over rows, by their weights where there are any.

local losses = {}

-- Column of a tensor of one weight a row, so that their sum is the number of rows.
local function share(weights) return weights * (#weights / weights:sum()) end

function losses.cross_entropy(output, y, weights)
  if not weights then return F.cross_entropy(output, y) end
  local k = output.shape[2]
  local ones = core.zeros(k, k)
  for i = 1, k do ones:set(i, i, 1) end
  local chosen = F.embedding(y, ones) * share(weights):reshape(-1, 1)
  return (F.log_softmax(output) * chosen):mean() * -k
end

function losses.mse(output, y, weights)
  if not weights then return F.mse(output, y) end
  local error_of = output - y
  return (error_of * error_of * share(weights):reshape(-1, 1)):mean()
end

function losses.huber(output, y, weights)
  if weights then error("network: 'huber' takes no weights of rows; mse does", 0) end
  return F.huber(output, y, 1)
end

-- -------------------------------------------------------------------- scale

-- Means and deviations of columns, so that (x − mean) / sd is standard.
local function scale_of(X)
  local mean = X:mean(1, true)
  local centred = X - mean
  local sd = (centred * centred):mean(1, true):sqrt()
  for j = 1, sd.shape[2] do
    local s = sd:get(1, j)
    if s ~= s or s == math.huge then
      error(("network: feature %d has missing or infinite values; put moe.transforms.impute "
        .. "before it"):format(j), 0)
    end
    if s < 1e-12 then sd:set(1, j, 1) end
  end
  return { mean = mean, sd = sd }
end

local function standard(scale, X)
  if not scale then return X end
  return (X - scale.mean) / scale.sd
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

-- ------------------------------------------------------------------ targets

local function copy_list(list)
  local copy = {}
  for i, value in ipairs(list or {}) do copy[i] = value end
  return copy
end

-- The outputs that stand for these classes; a new class takes the next.
local function know(self, classes)
  self.classes = self.classes or copy_list(self.options.classes)
  local places = {}
  for i, label in ipairs(self.classes) do places[label] = i end
  for _, label in ipairs(classes) do
    if not places[label] then
      self.classes[#self.classes + 1] = label
      places[label] = #self.classes
    end
  end
  return places
end

local function class_ids(self, y, classes)
  local places, ids = know(self, classes), {}
  for i, label in ipairs(y) do ids[i] = places[label] end
  return core.tensor(ids):int()
end

local function values_of(y)
  local rows = {}
  for i, value in ipairs(y) do rows[i] = type(value) == "table" and value or { value } end
  return core.tensor(rows)
end

-- ----------------------------------------------------------------- training

local function build(self, inputs, outputs)
  local given = self.options.module
  local made = given
  if type(given) == "function" then made = given(inputs, outputs) end
  if type(made) ~= "table" or not made.is_module then
    error("network: 'module' must be a module, or a function(inputs, outputs) that makes one", 0)
  end
  self.module = type(given) == "function" and made or made:clone()
  self.optimiser = nil
end

local function make_optimiser(self)
  local o = self.options
  if type(o.optimizer) == "function" then return o.optimizer(self.module:parameters()) end
  local make = optim[o.optimizer]
  if o.optimizer == "schedules" or not make then
    error(("network: there is no optimizer '%s' in moe.optim"):format(tostring(o.optimizer)), 0)
  end
  return make(self.module:parameters(), { lr = o.lr, weight_decay = o.weight_decay })
end

-- The loss with the balance losses of the routings that the module gave.
local function add_balance(loss, weight, routing, ...)
  if routing == nil then return loss end
  if type(routing) == "table" and routing.balance_loss then
    loss = loss + routing:balance_loss() * weight
  end
  return add_balance(loss, weight, ...)
end

local function loss_by(self, y, weights, output, ...)
  if self.classes and output.shape[2] < #self.classes then
    error(("network: the module has %d outputs for %d classes"):format(
      output.shape[2], #self.classes), 0)
  end
  local name = self.options.loss or (self.classes and "cross_entropy" or "mse")
  local f = type(name) == "function" and name or losses[name]
  if not f then error(("network: there is no loss '%s'"):format(tostring(name)), 0) end
  local loss = f(output, y, weights)
  return self.module.training and add_balance(loss, self.options.balance, ...) or loss
end

local function loss_of(self, X, y, weights)
  return loss_by(self, y, weights, self.module(X))
end

local function take_step(self, X, y, weights)
  self.optimiser:zero_grad()
  local loss = loss_of(self, X, y, weights)
  loss:backward()
  if self.options.clip then core.clip(self.optimiser.parameters, self.options.clip) end
  self.optimiser:step()
end

-- The rows held out, to stop by; and those to learn from.
local function hold_out(self, X, y, weights)
  local o, n = self.options, #X
  local held = math.floor(n * o.validation)
  local all = { X = X, y = y, weights = weights }
  if held == 0 then return all end
  local order, parts = random(o.seed, 1):permutation(n), { {}, {} }
  for i, row in ipairs(order) do
    local part = parts[i <= held and 2 or 1]
    part[#part + 1] = row
  end
  for k, rows in ipairs(parts) do
    parts[k] = {
      X = X:select(rows), y = y:select(rows), weights = weights and weights:select(rows),
    }
  end
  return parts[1], parts[2]
end

local function validation_loss(self, held)
  self.module:eval()
  local value = no_grad(function() return loss_of(self, held.X, held.y, held.weights):get(1) end)
  self.module:train()
  return value
end

local function copy_state(net)
  local state = {}
  for name, t in pairs(net:state_dict()) do state[name] = t:detach():clone() end
  return state
end

local function run_epochs(self, train, held)
  local o, best, least, waited = self.options, nil, math.huge, 0
  local batches = loader {
    X = train.X, y = train.y, weights = train.weights, batch = o.batch_size, shuffle = true,
    seed = core.seed_of(o.seed, "fit" .. self.fits),
  }
  local schedule = o.schedule and o.schedule(self.optimiser, o.epochs * batches:count())
  for _ = 1, o.epochs do
    for X, y, weights in batches do
      take_step(self, X, y, weights)
      if schedule then schedule:step() end
    end
    if held then
      local loss = validation_loss(self, held)
      waited = waited + 1
      if loss < least then best, least, waited = copy_state(self.module), loss, 0 end
      if waited >= o.patience then break end
    end
  end
  if best then self.module:load_state_dict(best) end
end

local function weights_of(weights)
  if not weights then return nil end
  local sum = 0
  for _, w in ipairs(weights) do sum = sum + w end
  return sum > 0 and core.tensor(weights) or nil
end


function Network:fit(X, y, options)
  local o, classifies = self.options, #options.classes > 0
  local again = self.module and (options.warm or o.warm and not self.copied)
  if not again then self.classes, self.scale, self.target = nil, nil, nil end
  local targets
  if classifies then
    targets = class_ids(self, y, options.classes)
  else
    targets = values_of(y)
    self.target = self.target or scale_of(targets)
    targets = standard(self.target, targets)
  end
  if not again then build(self, X.shape[2], classifies and #self.classes or targets.shape[2]) end
  self.copied = nil
  self.scale = self.scale or (o.standardize and scale_of(X)) or nil
  self.fits = again and self.fits + 1 or 1
  self.optimiser = make_optimiser(self)
  self.module:train()
  local train, held = hold_out(self, standard(self.scale, X), targets, weights_of(options.weights))
  run_epochs(self, train, held)
  self.module:eval()
end

--- One step by one row; classes take the outputs in the order in which they come.
function Network:learn_one(x, y, weight)
  local rows = core.tensor { x }
  if self.options.standardize and (not self.scale or self.stream) then follow(self, x) end
  local classifies = type(y) == "string" or self.classes or self.options.classes
  local target = classifies and class_ids(self, { y }, { y })
    or standard(self.target, values_of { y })
  local outputs = classifies and math.max(OUTPUTS, #self.classes) or target.shape[2]
  if not self.module then build(self, #x, outputs) end
  self.optimiser = self.optimiser or make_optimiser(self)
  self.module:train()
  local lr = self.optimiser.lr
  self.optimiser.lr = lr * (weight or 1)
  take_step(self, standard(self.scale, rows), target)
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
  other.classes = self.classes and copy_list(self.classes)
  other.optimiser, other.copied = nil, true
  return other
end

local plain = {
  "loss", "optimizer", "lr", "weight_decay", "epochs", "batch_size", "clip", "validation",
  "patience", "balance", "standardize", "classes", "warm", "seed",
}

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

local function new(options, o)
  o.lr, o.module = options.lr, options.module
  return setmetatable({ options = o }, Network)
end

--- The network of a state that `get_state` gave, or nil where it is another's.
local function restore(state)
  if type(state) ~= "table" or state.kind ~= KIND then return nil end
  local network = new({ lr = state.options.lr }, check("network", state.options, known, 0))
  network:set_state(state)
  return network
end
core._on_load(restore)

--- A learner around a neural module.
-- @param options a table of
--   module: a module that gives rows × outputs, or function(inputs, outputs) → module
--   loss: "cross_entropy" (of classes), "mse" or "huber", or function(output, y, weights)
--   optimizer: the name of one of moe.optim ("adamw"), or function(parameters) → optimiser
--   lr, weight_decay: the optimiser's own unless given; clip: the most that the norm of
--   the gradients may be; schedule: function(optimiser, steps) → one of
--   moe.optim.schedules
--   epochs (20), batch_size (32), seed (0)
--   validation (0): the share of rows held out, to stop after `patience` (5) epochs
--   without a gain and return to the best
--   balance (0.01): the weight of the balance loss of a module that gives routings
--   standardize (true): inputs have mean 0 and deviation 1 (of regression the targets do)
--   classes: of the outputs, in their order; those of the rows, sorted, unless given
--   warm (false): each fit goes on from the weights there are, as one with the option
--   warm = true does; a copy's first fit does not
-- @return a learner; and the network behind it: { module, options, … }
-- @raise if an option is unknown or not allowed
return function(options)
  local o = check("network", options, known, 2)
  if options.module == nil then error("network: 'module' is needed", 2) end
  local network = new(options, o)
  return core.foreign("learner", network), network
end
