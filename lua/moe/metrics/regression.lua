-- Figures of predicted numbers.  Each maker gives three functions: one takes a row
-- (truth, prediction, weight), one gives the figure, and one makes the weights of all
-- rows so far larger or smaller by a factor.

-- The weighted mean of a loss, or what `finish` makes of it.
local function mean_of(loss, finish)
  return function(options)
    local sum, total = 0, 0
    local function add(y, p, w)
      sum = sum + w * loss(y, p, options)
      total = total + w
    end
    return add, function()
      if total > 0 then return finish and finish(sum / total) or sum / total end
    end, function(factor) sum, total = sum * factor, total * factor end
  end
end

local function absolute(y, p) return math.abs(y - p) end
local function squared(y, p) return (y - p) ^ 2 end

local function pinball(y, p, options)
  return y >= p and options.quantile * (y - p) or (1 - options.quantile) * (p - y)
end

-- The spread of y around its mean is updated with each row (Welford 1962), so
-- that it is 0 of a constant.
local function r2()
  local total, mean, spread, errors = 0, 0, 0, 0
  local function add(y, p, w)
    local step = y - mean
    total = total + w
    mean = mean + step * w / total
    spread = spread + w * step * (y - mean)
    errors = errors + w * (y - p) ^ 2
  end
  return add, function()
    if total == 0 then return end
    if spread == 0 then return errors == 0 and 1 or 0 end
    return 1 - errors / spread
  end, function(factor)
    total, spread, errors = total * factor, spread * factor, errors * factor
  end
end

return {
  mae = { make = mean_of(absolute), mean = true, doc = "mean absolute error" },
  mse = { make = mean_of(squared), mean = true, doc = "mean squared error" },
  rmse = {
    make = mean_of(squared, math.sqrt),
    doc = "root of the mean squared error, in the unit of y",
  },
  pinball = {
    make = mean_of(pinball),
    mean = true,
    options = { quantile = { "number", min = 0, max = 1, default = 0.5 } },
    doc = "mean pinball loss of a predicted quantile; half the mean absolute error at 0.5",
  },
  r2 = {
    make = r2,
    greater = true,
    doc = "1 − the squared error over that of the mean; of a constant y 1 if all is exact, else 0",
  },
}
