--- A network's fit, a batch at a time. What it learns is built aside; the network has it
-- from `commit` on, and until then is as it was.
-- @module moe.nn.fitting

local core = require "moe.core"
local loader = require "moe.loader"
local no_grad = require "moe.no_grad"
local random = require "moe.random"
local training = require "moe.nn.training"

local Fitting = {}
Fitting.__index = Fitting

-- What a network has learned, beside its options.
local learned = { "module", "classes", "scale", "target", "fits", "stream" }

-- Only rows that count are learned from, and by weights of mean 1.
local function choose_rows(X, y, weights)
  if not weights then return X, y, nil end
  local rows, own, sum, labels = {}, {}, 0, {}
  for i, w in ipairs(weights) do
    if w > 0 then
      rows[#rows + 1], own[#own + 1], labels[#labels + 1] = i, w, y[i]
      sum = sum + w
    end
  end
  for k, w in ipairs(own) do own[k] = w / sum * #own end
  return #rows < #weights and X:select(rows) or X, labels, core.tensor(own)
end

-- Targets as the module's loss takes them, and how many outputs they need.
local function prepare_targets(trained, y, classes)
  if #classes > 0 then
    local ids = training.class_ids(trained, y, classes)
    return ids, #trained.classes
  end
  local values = training.values_of(y)
  trained.target = trained.target or training.scale_of(values)
  return training.standard(trained.target, values), values.shape[2]
end

-- Whether the module, a function's, was made for fewer classes.
local function is_outgrown(trained, known, outputs)
  return known and outputs > known and type(trained.options.module) == "function"
end

-- The rows held out, to stop by; and those to learn from.
local function hold_out(options, seed, X, y, weights)
  local n = #X
  local held = math.floor(n * options.validation)
  if held == 0 then return { X = X, y = y, weights = weights } end
  local order, parts = random(seed, 1):permutation(n), { {}, {} }
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

local function validation_loss(self)
  local trained, held = self.trained, self.held
  trained.module:eval()
  local value = no_grad(function()
    return training.loss_of(trained, held.X, held.y, held.weights):get(1)
  end)
  trained.module:train()
  return value
end

-- What an epoch leaves to do before the next; its losses.
local function end_epoch(self)
  local losses = { loss = self.sum / self.rows }
  self.epoch, self.sum = self.epoch + 1, 0
  if self.held then
    local loss = validation_loss(self)
    losses.validation_loss, self.waited = loss, self.waited + 1
    if loss < self.least then
      self.best, self.least, self.waited = self.trained.module:clone(), loss, 0
    end
  end
  self.done = self.epoch >= self.epochs
    or self.held ~= nil and self.waited >= self.trained.options.patience
  return losses
end

--- Goes on by a batch, or ends an epoch.
-- @return whether that was the last
-- @return whether `commit` would give something of use
-- @return at the end of an epoch its loss, and validation_loss of rows held out
function Fitting:step()
  local X, y, weights = self.batches()
  if not X then
    local losses = end_epoch(self)
    return self.done, true, losses
  end
  self.sum = self.sum + training.take_step(self.trained, X, y, weights) * #X
  if self.schedule then self.schedule:step() end
  return false, self.epoch > 0
end

--- Gives the network what has been learned so far, of rows held out the best; a fit that
-- goes on afterwards keeps its own.
function Fitting:commit()
  local network, trained = self.network, self.trained
  local module = self.best or trained.module
  if not self.done or self.best then module = module:clone() end
  for _, name in ipairs(learned) do network[name] = trained[name] end
  network.classes = trained.classes and training.copy_list(trained.classes)
  network.module = module:eval():zero_grad()
  network.optimiser = self.done and not self.best and trained.optimiser or nil
end

-- The beginning: the network's own, or nothing.
local function begin(network, warm)
  local trained = { options = network.options }
  for _, name in ipairs(learned) do trained[name] = warm and network[name] or nil end
  if not warm then return trained end
  trained.module, trained.classes = network.module:clone(), network.classes
    and training.copy_list(network.classes)
  return trained
end

--- A fit of a network.
-- @param network the network
-- @param X rows × inputs
-- @param y an array of labels or numbers
-- @param options { classes, weights, warm, seed } as an expert's fit has them
return function(network, X, y, options)
  local warm = network.module ~= nil and options.warm
  local trained, o = begin(network, warm), network.options
  local seed = o.seed or options.seed or 0
  local known = trained.classes and #trained.classes
  local rows, labels, weights = choose_rows(X, y, options.weights)
  local targets, outputs = prepare_targets(trained, labels, options.classes)
  if not warm or is_outgrown(trained, known, outputs) then
    training.build(trained, rows.shape[2], outputs, seed)
  end
  trained.scale = trained.scale or (o.standardize and training.scale_of(rows)) or nil
  trained.fits = (trained.fits or 0) + 1
  trained.optimiser = training.make_optimiser(trained)
  trained.module:train()
  local train, held = hold_out(o, seed, training.standard(trained.scale, rows), targets, weights)
  local batches = loader {
    X = train.X, y = train.y, weights = train.weights, batch = o.batch_size, shuffle = true,
    seed = core.seed_of(seed, "fit" .. trained.fits),
  }
  local epochs = warm and o.warm_epochs or o.epochs
  return setmetatable({
    network = network, trained = trained, held = held, batches = batches, epoch = 0,
    least = math.huge, waited = 0, epochs = epochs, done = false, sum = 0, rows = #train.X,
    schedule = o.schedule and o.schedule(trained.optimiser, epochs * batches:count()),
  }, Fitting)
end
