-- Figures of predicted numbers.  Each has the losses of rows, whose weighted mean it is or
-- `finish` makes it of; or a maker of three functions: one takes rows first … last of
-- arrays (truths, predictions, weights), one gives the figure, and one makes the weights of
-- all rows so far larger or smaller by a factor.

local function absolute(y, p, losses, first, last)
  for i = first, last do
    local off = y[i] - p[i]
    losses[i] = off < 0 and -off or off
  end
end

local function squared(y, p, losses, first, last)
  for i = first, last do losses[i] = (y[i] - p[i]) ^ 2 end
end

local function pinball(y, p, losses, first, last, options)
  local above, below = options.quantile, 1 - options.quantile
  for i = first, last do
    local off = y[i] - p[i]
    losses[i] = y[i] >= p[i] and above * off or below * -off
  end
end

-- The spread of y around its mean is updated with each row (Welford 1962), so
-- that it is 0 of a constant.
local function r2()
  local total, mean, spread, errors = 0, 0, 0, 0
  local function add(y, p, w, first, last)
    local n, centre, off_mean, off = total, mean, spread, errors
    for i = first, last do
      local truth, weight = y[i], w[i]
      local step = truth - centre
      n = n + weight
      centre = centre + step * weight / n
      off_mean = off_mean + weight * step * (truth - centre)
      off = off + weight * (truth - p[i]) ^ 2
    end
    total, mean, spread, errors = n, centre, off_mean, off
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
  mae = { losses = absolute, doc = "mean absolute error" },
  mse = { losses = squared, doc = "mean squared error" },
  rmse = {
    losses = squared,
    finish = math.sqrt,
    doc = "root of the mean squared error, in the unit of y",
  },
  pinball = {
    losses = pinball,
    options = { quantile = { "number", min = 0, max = 1, default = 0.5 } },
    doc = "mean pinball loss of a predicted quantile; half the mean absolute error at 0.5",
  },
  r2 = {
    make = r2,
    greater = true,
    doc = "1 − the squared error over that of the mean; of a constant y 1 if all is exact, else 0",
  },
}
