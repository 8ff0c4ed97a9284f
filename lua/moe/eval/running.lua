-- Figures of a stream as it goes: of all samples so far, of those after the first ones, of
-- the last ones, and of all with the older counting less.
--
-- They belong to the judged rows of moe.eval.judged, which come in runs: rows first … last
-- of a ring.  A figure that is the mean of the rows' losses asks for these once, and has
-- four sums of them; any other is fed the rows.

local metrics = require "moe.metrics"
local score = require "moe.eval.score"

local running = {}

local by_default = {
  classification = { "accuracy", "kappa_temporal", "kappa_m" },
  regression = { "rmse", "mae", "r2" },
}

-- Why a stream cannot be judged by it, or nothing.
local function fault_of(metric, task)
  if metric.call then return "is a function; a stream needs a metric by name" end
  if metric.type.is_table then return "is a table; a history is of numbers" end
  if metric.name == "microseconds" or metric.name == "bytes" then
    return "is in the history already; a metric needs another name"
  end
  local of_numbers = metric.type.kind == "regression"
  if of_numbers == (task == "regression") then return nil end
  local kind = of_numbers and "numbers" or "classes"
  return ("is a figure of %s, and the task is %s"):format(kind, task)
end

--- What is to be measured: { { name, type, options, greater }, … }.
function running.metrics(given, task)
  local list = score.read("prequential", given or by_default[task])
  for _, metric in ipairs(list) do
    local fault = fault_of(metric, task)
    if fault then error(("prequential: '%s' %s"):format(metric.name, fault), 0) end
  end
  return list
end

--- Whether it is a figure of probabilities.
function running.of_probabilities(metric) return metric.type.kind == "probability" end

--- Whether one of them asks for probabilities.
function running.wants_probabilities(list)
  for _, metric in ipairs(list) do
    if running.of_probabilities(metric) then return true end
  end
  return false
end

-- ---------------------------------------------------------------- means of losses

local Mean = {}
Mean.__index = Mean

local function sum(list, first, last, from)
  for i = first, last do from = from + list[i] end
  return from
end

-- The losses of the ring's rows are kept, as the window's sum is not to gather the errors
-- of what enters and leaves it.
local function new_mean(figure, rows)
  return setmetatable({
    rows = rows, type = figure.type, options = figure.options, losses = {},
    sum = 0, sum_later = 0, sum_faded = 0,
  }, Mean)
end

function Mean:add(first, last, is_later)
  local rows, losses, all, faded = self.rows, self.losses, self.sum, self.sum_faded
  local units = rows.units
  self.type.losses(rows.y, rows.p, losses, first, last, self.options)
  for i = first, last do
    local loss = losses[i]
    all, faded = all + loss, faded + units[i] * loss
  end
  self.sum, self.sum_faded = all, faded
  if is_later then self.sum_later = sum(losses, first, last, self.sum_later) end
end

function Mean:scale(factor) self.sum_faded = self.sum_faded * factor end

function Mean:of(of_losses, weight)
  if weight == 0 then return nil end
  local mean = of_losses / weight
  local finish = self.type.finish
  return finish and finish(mean) or mean
end

function Mean:total() return self:of(self.sum, self.rows.n) end
function Mean:later() return self:of(self.sum_later, self.rows.n_later) end
function Mean:faded() return self:of(self.sum_faded, self.rows.weight) end

function Mean:window()
  local a, b, c, d = self.rows:last_ones()
  local all = sum(self.losses, c, d, sum(self.losses, a, b, 0))
  return self:of(all, b - a + d - c + 2)
end

-- ------------------------------------------------------------------------- others

local Fed = {}
Fed.__index = Fed

-- What has to keep all its rows has figures of the window alone.
local function new_fed(figure, rows)
  local self = setmetatable({ rows = rows, make = figure.type.make, options = figure.options }, Fed)
  if figure.scale then
    self.add_all, self.all = self.make(self.options)
    self.add_later, self.of_later = self.make(self.options)
    self.add_faded, self.of_faded, self.scale_faded = self.make(self.options)
  end
  return self
end

function Fed:add(first, last, is_later)
  if not self.add_all then return end
  local rows = self.rows
  self.add_all(rows.y, rows.p, rows.ones, first, last)
  self.add_faded(rows.y, rows.p, rows.units, first, last)
  if is_later then self.add_later(rows.y, rows.p, rows.ones, first, last) end
end

function Fed:scale(factor)
  if self.scale_faded then self.scale_faded(factor) end
end

function Fed:total() return self.all and (self.all()) end
function Fed:later() return self.of_later and (self.of_later()) end
function Fed:faded() return self.of_faded and (self.of_faded()) end

function Fed:window()
  local add, value = self.make(self.options)
  local rows = self.rows
  local a, b, c, d = rows:last_ones()
  add(rows.y, rows.p, rows.ones, a, b)
  add(rows.y, rows.p, rows.ones, c, d)
  return (value())
end

--- One metric of some judged rows.  It has add(first, last, is_later), which takes these of
-- the ring's rows; scale(factor) of the weights that fade; and the figures total(), later(),
-- faded() and window(), nil where there is none.
function running.new(metric, rows)
  local figure = metrics.updatable(metric.type.name, metric.options)
  return (figure.type.losses and new_mean or new_fed)(figure, rows)
end

return running
