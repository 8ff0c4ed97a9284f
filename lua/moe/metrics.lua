--- Figures of merit: of truth and predictions, whole or row by row.
--
-- Each is a function of arrays (or 1-D tensors) of one length,
-- `metrics.accuracy(y, predicted [, options])`, and an object for streams,
-- `metrics.updatable "accuracy"`; both are the same code.  Every one takes
-- `weights` (numbers from 0, one a row; 0: as if the row were not there) among its
-- options.
--
-- Of labels: accuracy, balanced_accuracy, precision, recall, f1 (options average
-- = "macro" | "micro" | "weighted", or positive = one label, whose figure it is),
-- macro_f1, cohen_kappa, kappa_temporal, kappa_m, mcc, per_class, confusion.  A ratio
-- of nothing is 0; classes are those that occur in y or in the predictions.
--
-- Of probabilities, `metrics.log_loss(y, proba, classes [, options])`: log_loss,
-- brier, roc_auc, average_precision.  proba is an n×C tensor or an array of
-- arrays, its columns in the order of classes; or an array of numbers, without
-- classes: the score of the label 1 or true, or of `positive`.
--
-- Of numbers: mae, mse, rmse, r2, pinball (option quantile).  Of several outputs
-- (n×k tensors) it is the mean of their figures.
-- @module moe.metrics

local options = require "moe.options"
local text = require "moe.text"

local metrics = { summary = require "moe.metrics.summary" }

-- The maker of the weighted mean of rows' losses.
local function mean_of(losses_of, finish)
  return function(o)
    local sum, total, losses = 0, 0, {}
    local function add(y, p, w, first, last)
      losses_of(y, p, losses, first, last, o)
      for i = first, last do
        sum = sum + w[i] * losses[i]
        total = total + w[i]
      end
    end
    return add, function()
      if total > 0 then return finish and finish(sum / total) or sum / total end
    end, function(factor) sum, total = sum * factor, total * factor end
  end
end

local types = {}
for _, kind in ipairs { "confusion", "probability", "regression" } do
  for name, type in pairs(require("moe.metrics." .. kind)) do
    type.name, type.kind = name, kind
    type.make = type.make or mean_of(type.losses, type.finish)
    types[name] = type
  end
end

local function read_options(type, given, more)
  local known = {}
  for _, rules in ipairs { type.options or {}, more } do
    for name, rule in pairs(rules) do known[name] = rule end
  end
  return options.check(type.name, given, known, 0)
end

-- --------------------------------------------------------------------- batch

local function item(matrix, i, k)
  if type(matrix) == "userdata" then return matrix:get(i, k) end
  return matrix[i][k]
end

local RUN = 64 -- rows that are fed together

-- The row i of probabilities as label → probability, in one of the tables of a run.
local function row_reader(proba, classes, name)
  local rows, n = {}, 0
  for k = 1, RUN do rows[k] = {} end
  if type(classes) ~= "table" then
    error(("%s: the classes of the columns are needed"):format(name), 0)
  end
  return function(i)
    n = n % RUN + 1
    local row = rows[n]
    for k = 1, #classes do row[classes[k]] = item(proba, i, k) end
    return row
  end
end

local function is_wide(predicted)
  if type(predicted) == "userdata" then return predicted.ndim == 2 end
  return type(predicted[1]) == "table"
end

local function check_lengths(targets, predictions, weights)
  if targets == 0 then error("metrics: there is nothing to compare: y is empty", 0) end
  if targets ~= predictions then
    error(("metrics: %d targets, but %d predictions"):format(targets, predictions), 0)
  end
  if weights and #weights ~= targets then
    error(("metrics: %d targets, but %d weights"):format(targets, #weights), 0)
  end
end

local function check_weight(w, i)
  if type(w) ~= "number" or not (w >= 0 and w < math.huge) then
    error(("metrics: weights[%d] must be a number from 0, got %s"):format(i, tostring(w)), 0)
  end
  return w
end

local checks = {}

function checks.regression(y, p, i)
  if type(y) ~= "number" or type(p) ~= "number" or y - p ~= y - p then
    error(("metrics: row %s: two finite numbers expected, got %s and %s"):format(
      i, tostring(y), tostring(p)), 0)
  end
end

function checks.confusion(y, p, i)
  if y == nil or p == nil or y ~= y or p ~= p then
    error(("metrics: row %s: two labels expected, got %s and %s"):format(
      i, tostring(y), tostring(p)), 0)
  end
end

function checks.probability(y, p, i)
  if y == nil then error(("metrics: row %s: y is nil"):format(i), 0) end
  if type(p) ~= "table" then p = { p } end
  for _, q in pairs(p) do
    if type(q) ~= "number" or q ~= q then
      error(("metrics: row %s: a prediction is %s"):format(i, tostring(q)), 0)
    end
  end
end

local function nothing(name, why)
  error(("%s: %s"):format(name, why or "the weights are all 0"), 0)
end

-- Feeds all rows: what was said of row i is predicted[i], or row_of(i).
local function feed(type, o, y, predicted, row_of)
  local add, value = type.make(o)
  local check, weights = checks[type.kind], o.weights
  local truths, answers, counted, n = {}, {}, {}, 0
  for i = 1, #y do
    local weight = weights and check_weight(weights[i], i) or 1
    if weight > 0 then
      local truth, answer = y[i]
      if row_of then answer = row_of(i) else answer = predicted[i] end
      check(truth, answer, i)
      n = n + 1
      truths[n], answers[n], counted[n] = truth, answer, weight
      if n == RUN then
        add(truths, answers, counted, 1, n)
        n = 0
      end
    end
  end
  add(truths, answers, counted, 1, n)
  local figure, why = value()
  if figure == nil then nothing(type.name, why) end
  return figure
end

local function column(rows, k)
  local out = {}
  for i = 1, #rows do out[i] = item(rows, i, k) end
  return out
end

local function mean_of_outputs(type, o, y, predicted)
  local k, sum = predicted[1] and #predicted[1] or 0, 0
  for j = 1, k do sum = sum + feed(type, o, column(y, j), column(predicted, j)) end
  return sum / k
end

local function count(list)
  local shape = type(list) == "userdata" and list.shape
  if shape then return shape[1] end
  if type(list) ~= "table" then
    local got = type(list) == "userdata" and tostring(list):match "^[^\n]*" or type(list)
    error(("metrics: an array or a tensor expected, got %s"):format(got), 0)
  end
  return #list
end

-- What is left of (predicted [, classes] [, options]) when they are told apart.
local function evaluate(type, y, predicted, classes, given)
  if type.kind ~= "probability" or classes and classes[1] == nil and given == nil then
    classes, given = nil, classes
  end
  local o = read_options(type, given, { weights = { "table" } })
  check_lengths(count(y), count(predicted), o.weights)
  if is_wide(predicted) then
    if type.kind == "regression" then return mean_of_outputs(type, o, y, predicted) end
    return feed(type, o, y, predicted, row_reader(predicted, classes, type.name))
  end
  return feed(type, o, y, predicted)
end

local function batch(type)
  return function(y, predicted, classes, given)
    local good, figure = pcall(evaluate, type, y, predicted, classes, given)
    if not good then error(figure, 2) end
    return figure
  end
end

for name, type in pairs(types) do metrics[name] = batch(type) end

-- ------------------------------------------------------------------- streams

local Updatable = {}
Updatable.__index = Updatable

-- What takes rows of arrays, for one row by itself.
local function by_row(add)
  local y, p, w = {}, {}, {}
  return function(truth, answer, weight)
    y[1], p[1], w[1] = truth, answer, weight
    add(y, p, w, 1, 1)
  end
end

function Updatable:__tostring()
  local figure, why = self:get()
  if type(figure) ~= "table" then
    return ("%s: %s"):format(self.name, figure and text.value(figure) or why or "no rows yet")
  end
  if not getmetatable(figure) then setmetatable(figure, text.printed) end
  return ("%s:\n%s"):format(self.name, tostring(figure))
end

--- One more row.
-- @param y its truth
-- @param prediction a label or number; for figures of probabilities label →
-- probability, as predict_proba_one gives it, or a number as in the batch form
-- @param[opt=1] weight from 0
-- @return the object
function Updatable:update(y, prediction, weight)
  local good, message = pcall(checks[self.type.kind], y, prediction, self.seen + 1)
  if good then good, message = pcall(check_weight, weight or 1, self.seen + 1) end
  if good and weight == 0 then return self end
  if good and not self.window then
    good, message = pcall(self.add, y, prediction, (weight or 1) * self:fade())
  end
  if not good then error(message, 2) end
  if self.window then
    local at = self.seen % self.window + 1
    self.y[at], self.p[at], self.w[at] = y, prediction, weight or 1
  end
  self.seen = self.seen + 1
  return self
end

local LARGEST = 1e100 -- a weight; then all of them are made smaller

-- What the next row counts: instead of all rows before counting less and less, each
-- counts more than the one before.
function Updatable:fade()
  if not self.fading then return 1 end
  self.unit = self.unit / self.fading
  if self.unit > LARGEST then
    self.scale(1 / self.unit)
    self.unit = 1
  end
  return self.unit
end

--- The figure of the rows so far, or of the last `window` of them.
-- @return a number (what its function gives), or nil and why there is none
function Updatable:get()
  if not self.window then return self.value() end
  local add, value = self.type.make(self.options)
  local newest = self.seen > 0 and (self.seen - 1) % self.window + 1 or 0
  if self.seen > self.window then add(self.y, self.p, self.w, newest + 1, self.window) end
  add(self.y, self.p, self.w, 1, newest)
  return value()
end

--- Forgets all rows.
-- @return the object
function Updatable:reset()
  self.seen, self.unit, self.y, self.p, self.w = 0, 1, {}, {}, {}
  local add
  add, self.value, self.scale = self.type.make(self.options)
  self.add = by_row(add)
  return self
end

--- A figure that is updated row by row.
-- @param name one of those above
-- @param[opt] options its own, and window: how many of the last rows count; or fading:
-- in (0, 1], by which each row counts less than the one after it
-- @return an object with update, get and reset, which prints
-- @raise if there is none of that name
-- @usage local recent = moe.metrics.updatable("accuracy", { window = 1000 })
-- recent:update("yes", model:predict_one(x)); print(recent:get())
function metrics.updatable(name, given)
  local type = types[name]
  if not type then error(("metrics: there is no '%s'"):format(tostring(name)), 2) end
  local good, o = pcall(read_options, type, given, {
    window = { "integer", min = 1 }, fading = { "number", min = 1e-6, max = 1 },
  })
  if not good then error(o, 2) end
  if o.window and o.fading then error(name .. ": either 'window' or 'fading'", 2) end
  if o.fading and not select(3, type.make(o)) then
    error(name .. ": it needs all its rows, which cannot fade; use 'window'", 2)
  end
  local object = {
    name = name, type = type, options = o, window = o.window or nil, fading = o.fading or nil,
  }
  return setmetatable(object, Updatable):reset()
end

--- What there is: name → { name, kind = what it is a figure of ("confusion":
-- labels, "probability", "regression": numbers), greater = true where more is
-- better, mean = true where it is the weighted mean of its rows' figures, is_table =
-- true where it is no number, doc }.
function metrics.types()
  local out = {}
  for name, type in pairs(types) do
    out[name] = {
      name = name, kind = type.kind, doc = type.doc,
      greater = type.greater or false, mean = type.losses ~= nil and not type.finish,
      is_table = type.is_table or false,
    }
  end
  return out
end

return metrics
