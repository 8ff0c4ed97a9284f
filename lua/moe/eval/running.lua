-- Figures of a stream as it goes: of all samples so far, of the last ones, and of all
-- with the older counting less.

local metrics = require "moe.metrics"
local score = require "moe.eval.score"

local running = {}

local by_default = {
  classification = { "accuracy", "kappa_temporal", "kappa_m" },
  regression = { "rmse", "mae", "r2" },
}

--- What is to be measured: { { name, type, options, greater }, … }.
function running.metrics(given, task)
  local list = score.read("prequential", given or by_default[task])
  for _, metric in ipairs(list) do
    if metric.call then
      error(("prequential: '%s' is a function; a stream needs a metric by name"):format(
        metric.name), 0)
    end
  end
  return list
end

--- Whether one of them asks for probabilities.
function running.wants_probabilities(list)
  for _, metric in ipairs(list) do
    if metric.type.kind == "probability" then return true end
  end
  return false
end

local Running = {}
Running.__index = Running

local LARGEST = 1e100 -- a weight; then all of them are made smaller

-- What an updatable figure is made of: a row at a time, nothing is checked here.
local function make(metric)
  local figure = metrics.updatable(metric.type.name, metric.options)
  return figure.add, figure.value, figure.scale
end

--- One metric of one model.  What has to keep all its rows has figures of the window
-- alone.
function running.new(metric, fading)
  local self = setmetatable({ metric = metric, unit = 1, fading = fading }, Running)
  local add, value, scale = make(metric)
  if scale then
    self.add, self.value = add, value
    self.add_faded, self.value_faded, self.scale = make(metric)
  end
  return self
end

function Running:update(y, p)
  if not self.add then return end
  self.add(y, p, 1)
  local unit = self.unit / self.fading
  if unit > LARGEST then
    self.scale(1 / unit)
    unit = 1
  end
  self.unit = unit
  self.add_faded(y, p, unit)
end

--- The figure of some rows by themselves: y[i], p[i] for i of first … last in a ring.
function Running:of(y, p, first, last, size)
  local add, value = make(self.metric)
  for i = first, last do
    local at = (i - 1) % size + 1
    add(y[at], p[at], 1)
  end
  return (value())
end

function Running:total() return self.value and (self.value()) end
function Running:faded() return self.value_faded and (self.value_faded()) end

return running
