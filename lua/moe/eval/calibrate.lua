--- Probabilities that come true as often as they say.
-- @module moe.eval

local calibrators = require "moe.eval.calibrators"
local core = require "moe.core"
local folding = require "moe.eval.cross_validate"
local metrics = require "moe.metrics"
local options = require "moe.options"
local rows = require "moe.eval.rows"

local calibrating = {}

local Calibrated = {}
Calibrated.__index = Calibrated

local LEAST = 1e-6 -- a probability of 0 has log-odds of -13.8

local function log_odds(p)
  p = math.min(math.max(p, LEAST), 1 - LEAST)
  return math.log(p / (1 - p))
end

function Calibrated:score_of(p)
  return self.settings.on == "log_odds" and log_odds(p) or p
end

-- A map for each class against the rest; of two classes for the last alone.
local function fit_maps(self, y, probabilities, weights)
  self.maps = {}
  for k = #self.labels == 2 and 2 or 1, #self.labels do
    local scores, hits = {}, {}
    for i = 1, #y do
      scores[i] = self:score_of(probabilities[i][self.labels[k]] or 0)
      hits[i] = y[i] == self.labels[k]
    end
    self.maps[#self.maps + 1] = calibrators[self.settings.method](scores, hits, weights)
  end
end

local function ones(n)
  local out = {}
  for i = 1, n do out[i] = 1 end
  return out
end

-- A label may be a number; the model behind has to know that it is one.
local function ask_for_classes(model)
  local params = model:get_params()
  if params.task ~= nil then model:set_params { task = "classification" } end
end

--- Trains the model and its calibration: the maps are fitted to what clones of the
-- model, each trained without a fold, say of that fold; the model itself is
-- trained on all rows.
-- @param X rows as the model's `fit` takes them, or a table that knows its target
-- @param[opt] y one label a row
-- @param[opt] options of the model's `fit`
-- @return the object
function Calibrated:fit(X, y, given)
  local d
  d, given = rows.read("calibrate", X, y, given)
  local s = self.settings
  local fit = { weights = given and given.weights, groups = given and given.groups }
  local model = self.model:clone():reset()
  ask_for_classes(model)
  local judged = folding.cross_validate(model, d.X, d.y, {
    folds = s.folds, seed = s.seed, processes = s.processes, stratify = true, fit = fit,
    groups = fit.groups, metrics = "accuracy", probabilities = true,
  })
  d:fit(model, nil, fit)
  self.model, self.labels = model, model:classes()
  fit_maps(self, d.y, judged.probabilities[1], fit.weights or ones(d.n))
  return self
end

-- One row's calibrated probabilities, in the order of the labels.
local function calibrate_row(self, p)
  local maps, out, sum = self.maps, {}, 0
  if #maps == 1 then
    local last = calibrators.apply(maps[1], self:score_of(p[2]))
    return { 1 - last, last }
  end
  for k, map in ipairs(maps) do
    out[k] = calibrators.apply(map, self:score_of(p[k]))
    sum = sum + out[k]
  end
  for k in ipairs(maps) do out[k] = sum > 0 and out[k] / sum or 1 / #maps end
  return out
end

local function check_fitted(self, what)
  if not self.maps then error(what .. ": the calibrated model has not been fitted yet", 3) end
end

local function calibrate_all(self, X)
  local out = self.model:predict_proba(X):totable()
  for i, p in ipairs(out) do out[i] = calibrate_row(self, p) end
  return out
end

-- The columns in the order of other labels; those that are unknown here are 0.
local function reorder(matrix, labels, wanted)
  local place = {}
  for k, label in ipairs(labels) do place[label] = k end
  for i, row in ipairs(matrix) do
    matrix[i] = {}
    for k, label in ipairs(wanted) do matrix[i][k] = place[label] and row[place[label]] or 0 end
  end
  return matrix
end

--- Calibrated probabilities.
-- @param X rows as the model's `predict` takes them
-- @param[opt] classes the labels of the columns wanted, if not classes()
-- @return n×C tensor
function Calibrated:predict_proba(X, classes)
  check_fitted(self, "predict_proba")
  local out = calibrate_all(self, X)
  return core.tensor(classes and reorder(out, self.labels, classes) or out)
end

--- The most probable label of each row.
-- @param X rows as the model's `predict` takes them
-- @return an array
function Calibrated:predict(X)
  check_fitted(self, "predict")
  local out = calibrate_all(self, X)
  for i, p in ipairs(out) do
    local best = 1
    for k = 2, #p do
      if p[k] > p[best] then best = k end
    end
    out[i] = self.labels[best]
  end
  return out
end

--- The labels in the order of the columns; nil before training.
function Calibrated:classes() return self.labels end

--- Share of rows with the right label.
-- @param X rows, or a table that knows its target
-- @param[opt] y one label a row
-- @return a number
function Calibrated:score(X, y)
  local d = rows.read("score", X, y)
  return metrics.accuracy(d.y, self:predict(d.X))
end

local function new(model, settings)
  return setmetatable({ model = model, settings = settings }, Calibrated)
end

--- A copy of its own.
-- @return the copy
function Calibrated:clone()
  local copy = new(self.model:clone(), self.settings)
  copy.labels, copy.maps = self.labels, self.maps
  return copy
end

--- The same, not trained.
-- @return the object
function Calibrated:reset()
  self.model = self.model:clone():reset()
  self.labels, self.maps = nil, nil
  return self
end

local function to_hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function from_hex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

--- What `save` writes of an expert in Lua, and `load` gives back.
-- @return a plain table
function Calibrated:get_state()
  local s = self.settings
  return {
    model = to_hex(self.model:dump()), labels = self.labels, maps = self.maps,
    settings = { method = s.method, on = s.on, folds = s.folds, seed = s.seed },
  }
end

function Calibrated:set_state(state)
  local model, message = core.undump(from_hex(state.model))
  if not model then error("calibrate: " .. message, 0) end
  self.model, self.labels, self.maps = model, state.labels, state.maps
  self.settings = state.settings
end

function Calibrated:__tostring()
  local s = self.settings
  return ("calibrated (%s, %d folds)\n  model: %s"):format(
    s.method, s.folds, (tostring(self.model):gsub("\n", "\n  ")))
end

local known = {
  method = { { "sigmoid", "isotonic" }, default = "sigmoid" },
  on = { { "probability", "log_odds" }, default = "probability" },
  folds = { "integer", min = 2, default = 5 },
  seed = { "integer", min = 0, default = 0 },
  processes = { "integer", min = 1 },
  fit = { "table" },
}

local function is_data(X) return type(X) == "userdata" or type(X) == "table" and X[1] ~= nil end

--- A classifier whose probabilities are calibrated: "sigmoid" (Platt 1999), for
-- little data and models that are too sure or not sure enough, or "isotonic"
-- (any rising function), for 1000 rows and more.  Of several classes each is
-- calibrated against the rest, and they are divided by their sum.
-- @param model a classifier; it stays as it is
-- @param[opt] X rows as `fit` takes them, or a table that knows its target; without
-- them the object is not trained yet
-- @param[opt] y one label a row
-- @param[opt] options a table of
--   method = "sigmoid": or "isotonic"
--   on = "probability": what a sigmoid is a function of; or "log_odds", which suits
--     models that never say 0 or 1 (logistic, networks)
--   folds = 5: of the cross-fitting
--   seed = 0: of the folds
--   processes: as for moe.processes.map
--   fit: options of `fit`
-- @return an object with fit, predict, predict_proba, classes, score, clone, reset,
-- get_state and set_state: an expert written in Lua, for mixtures and
-- moe.experts.foreign
-- @raise as cross_validate
-- @usage local honest = moe.eval.calibrate(E.forest {}, X, y, { method = "isotonic" })
function calibrating.calibrate(model, X, y, given)
  local d
  if not is_data(X) then
    given = X or given
  else
    d, given = rows.read("calibrate", X, y, given)
  end
  local o = options.check("calibrate", given, known)
  local calibrated = new(model:clone():reset(), o)
  if not d then return calibrated end
  return calibrated:fit(d.X, not d.alone and d.y or nil, o.fit)
end

return calibrating
