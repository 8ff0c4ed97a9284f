--- Figures that are measured several times, by name.
-- @module moe.metrics.summary

local text = require "moe.text"

local Summary = {}
Summary.__index = Summary

local function mean(values)
  local sum = 0
  for i = 1, #values do sum = sum + values[i] end
  return sum / #values
end

--- One more measurement.
-- @param name what was measured
-- @param value a number
function Summary:add(name, value)
  if not self.values[name] then
    self.values[name] = {}
    self.names[#self.names + 1] = name
  end
  table.insert(self.values[name], value)
end

--- Mean and standard deviation (of the sample; 0 of one) of what was added.
-- @param name what was measured
-- @return two numbers
-- @raise if nothing was added by that name
function Summary:get(name)
  local values = self.values[name]
  if not values then error(("summary: nothing is named '%s'"):format(tostring(name)), 2) end
  local centre, square = mean(values), 0
  for i = 1, #values do square = square + (values[i] - centre) ^ 2 end
  return centre, #values > 1 and math.sqrt(square / (#values - 1)) or 0
end

--- All of them as lines: mean ± standard deviation, the largest mean first.
-- @param title the first line
function Summary:text(title)
  local rows = { { title, "" } }
  table.sort(self.names, function(a, b) return self:get(a) > self:get(b) end)
  for i, name in ipairs(self.names) do
    rows[i + 1] = { "  " .. name, ("%.4f ± %.4f"):format(self:get(name)) }
  end
  return text.columns(rows)
end

--- Gathers figures that are measured several times, over folds or seeds.
-- @return a Summary
-- @usage local accuracy = moe.metrics.summary()
-- accuracy:add("forest", 0.97); accuracy:add("forest", 0.95)
-- print(accuracy:text "three folds")
return function() return setmetatable({ names = {}, values = {} }, Summary) end
