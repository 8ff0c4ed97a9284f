--- What training a network as a learner is made of: losses, units, the outputs that
-- stand for classes, and one step. A network here is any table of { options, module,
-- classes, scale, target, optimiser }.
-- @module moe.nn.training

local core = require "moe.core"
local no_grad = require "moe.no_grad"
local optim = require "moe.optim"

local F = core.F
local training = {}

-- ------------------------------------------------------------------- losses
-- Each Σ w l / rows, where there are weights: their mean over all rows is 1.

local losses = {}

function losses.cross_entropy(output, y, weights)
  if not weights then return F.cross_entropy(output, y) end
  local k = output.shape[2]
  local ones = core.zeros(k, k)
  for i = 1, k do ones:set(i, i, 1) end
  local chosen = F.embedding(y, ones) * weights:reshape(-1, 1)
  return (F.log_softmax(output) * chosen):mean() * -k
end

function losses.mse(output, y, weights)
  if not weights then return F.mse(output, y) end
  local off = output - y
  return (off * off * weights:reshape(-1, 1)):mean()
end

-- ½ c² + (|e| − c), where c is |e| and at most 1.
function losses.huber(output, y, weights)
  if not weights then return F.huber(output, y, 1) end
  local size = (output - y):abs()
  local least = size - F.relu(size - 1)
  return ((least * least * 0.5 + size - least) * weights:reshape(-1, 1)):mean()
end

-- -------------------------------------------------------------------- scale

--- Means and deviations of columns, so that (x − mean) / sd is standard.
function training.scale_of(X)
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

--- X in units of the scale, or as it is without one.
function training.standard(scale, X)
  if not scale then return X end
  return (X - scale.mean) / scale.sd
end

-- ------------------------------------------------------------------ targets

function training.copy_list(list)
  local copy = {}
  for i, value in ipairs(list or {}) do copy[i] = value end
  return copy
end

-- The outputs that stand for these classes; a new class takes the next.
local function know(network, classes)
  network.classes = network.classes or training.copy_list(network.options.classes)
  local places = {}
  for i, label in ipairs(network.classes) do places[label] = i end
  for _, label in ipairs(classes) do
    if not places[label] then
      network.classes[#network.classes + 1] = label
      places[label] = #network.classes
    end
  end
  return places
end

--- An index tensor of labels' outputs; of classes that are new, too.
function training.class_ids(network, y, classes)
  local places, ids = know(network, classes), {}
  for i, label in ipairs(y) do ids[i] = places[label] end
  return core.tensor(ids):int()
end

--- A tensor of targets that are numbers or arrays of numbers.
function training.values_of(y)
  local rows = {}
  for i, value in ipairs(y) do rows[i] = type(value) == "table" and value or { value } end
  return core.tensor(rows)
end

-- ------------------------------------------------------------------ modules

-- Gives a larger module what a smaller one of its kind has learned.
local function take_over(module, smaller)
  local before = smaller:state_dict()
  for name, t in pairs(module:state_dict()) do
    local own, given, longer = t.shape, before[name] and before[name].shape, nil
    local fits = given and #own == #given
    for d = 1, fits and #own or 0 do
      if own[d] ~= given[d] then
        fits, longer = fits and not longer and own[d] > given[d], d
      end
    end
    if fits then
      local rest = longer and F.slice(t, longer, given[longer] + 1, own[longer])
      core.copy(t, rest and F.concat({ before[name], rest }, longer) or before[name])
    end
  end
end

--- Makes the network's module for so many inputs and outputs; where it had one of fewer
-- outputs, the new one goes on from its weights.
function training.build(network, inputs, outputs, seed)
  local given, before = network.options.module, network.module
  local made = given
  if type(given) == "function" then made = given(inputs, outputs, seed) end
  if type(made) ~= "table" or not made.is_module then
    error("network: 'module' must be a module, or a function(inputs, outputs, seed) that makes "
      .. "one", 0)
  end
  network.module = type(given) == "function" and made or made:clone()
  network.optimiser = nil
  if before and type(given) == "function" then no_grad(take_over, network.module, before) end
end

local optimizers = {}
for _, name in ipairs { "adam", "adamw", "lion", "rmsprop", "sgd" } do
  optimizers[name] = optim[name]
end

--- What is wrong with the loss or the optimizer of the options, or nil.
function training.fault(o)
  if o.loss ~= nil and type(o.loss) ~= "function" and not losses[o.loss] then
    return ("network: there is no loss '%s'; there are cross_entropy, huber and mse"):format(
      tostring(o.loss))
  end
  if type(o.optimizer) == "function" or optimizers[o.optimizer] then return nil end
  return ("network: there is no optimizer '%s'; there are adam, adamw, lion, rmsprop and sgd")
    :format(tostring(o.optimizer))
end

--- The optimiser that the options name, of the module's parameters.
function training.make_optimiser(network)
  local o, fault = network.options, training.fault(network.options)
  if fault then error(fault, 0) end
  if type(o.optimizer) == "function" then return o.optimizer(network.module:parameters()) end
  local own = { lr = o.lr, weight_decay = o.weight_decay }
  return optimizers[o.optimizer](network.module:parameters(), own)
end

-- The loss with the balance losses of the routings that the module gave.
local function add_balance(loss, weight, routing, ...)
  if routing == nil then return loss end
  if type(routing) == "table" and routing.balance_loss then
    loss = loss + routing:balance_loss() * weight
  end
  return add_balance(loss, weight, ...)
end

local function loss_by(network, y, weights, output, ...)
  if network.classes and output.shape[2] < #network.classes then
    error(("network: the module has %d outputs for %d classes"):format(
      output.shape[2], #network.classes), 0)
  end
  local name = network.options.loss or (network.classes and "cross_entropy" or "mse")
  local f = type(name) == "function" and name or losses[name]
  local loss = f(output, y, weights)
  return network.module.training and add_balance(loss, network.options.balance, ...) or loss
end

--- The loss of rows as the options say, with the balance of the routings while it trains.
function training.loss_of(network, X, y, weights)
  return loss_by(network, y, weights, network.module(X))
end

--- One step of the optimiser by these rows.
-- @return the loss before it
function training.take_step(network, X, y, weights)
  network.optimiser:zero_grad()
  local loss = training.loss_of(network, X, y, weights)
  loss:backward()
  if network.options.clip then core.clip(network.optimiser.parameters, network.options.clip) end
  network.optimiser:step()
  return loss:get(1)
end

return training
