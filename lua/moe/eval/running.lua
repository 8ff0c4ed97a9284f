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
    local of_numbers = metric.type.kind == "regression"
    if of_numbers ~= (task == "regression") then
      error(("prequential: '%s' is a figure of %s, and the task is %s"):format(
        metric.name, of_numbers and "numbers" or "classes", task), 0)
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

-- Of several outputs each has its own, and what is told is their mean.
local Outputs = {}
Outputs.__index = Outputs

--- One metric of one model.  What has to keep all its rows has figures of the window
-- alone.
-- @param[opt] outputs how many numbers a target has, where it is a table of them
function running.new(metric, fading, outputs)
  if outputs then
    local each = setmetatable({ metric = metric }, Outputs)
    for k = 1, outputs do each[k] = running.new(metric, fading) end
    return each
  end
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
-- @param[opt] k of the output k alone
function Running:of(y, p, first, last, size, k)
  local add, value = make(self.metric)
  for i = first, last do
    local at = (i - 1) % size + 1
    if k then add(y[at][k], p[at][k], 1) else add(y[at], p[at], 1) end
  end
  return (value())
end

function Running:total() return self.value and (self.value()) end
function Running:faded() return self.value_faded and (self.value_faded()) end

local function mean_of(each, figure)
  local sum = 0
  for k = 1, #each do
    local value = figure(each[k], k)
    if not value then return nil end
    sum = sum + value
  end
  return sum / #each
end

function Outputs:update(y, p)
  for k = 1, #self do self[k]:update(y[k], p[k]) end
end

function Outputs:of(y, p, first, last, size)
  return mean_of(self, function(one, k) return one:of(y, p, first, last, size, k) end)
end

function Outputs:total() return mean_of(self, Running.total) end
function Outputs:faded() return mean_of(self, Running.faded) end

return running
