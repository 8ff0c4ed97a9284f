--- How sure the difference between two models is.
-- @module moe.eval

local options = require "moe.options"
local processes = require "moe.processes"
local random = require "moe.random"
local rows = require "moe.eval.rows"
local score = require "moe.eval.score"

local comparing = {}

-- The quantile of the standard normal distribution (Acklam's rational
-- approximation, relative error below 1.2e-9).
local A = { -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
  1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00 }
local B = { -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
  6.680131188771972e+01, -1.328068155288572e+01, 1 }
local C = { -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
  -2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00 }
local D = { 7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
  3.754408661907416e+00, 1 }

local function polynomial(c, x)
  local sum = 0
  for _, a in ipairs(c) do sum = sum * x + a end
  return sum
end

local TAIL = 0.02425

local function normal_quantile(p)
  if p < TAIL then
    local q = math.sqrt(-2 * math.log(p))
    return polynomial(C, q) / polynomial(D, q)
  end
  if p > 1 - TAIL then return -normal_quantile(1 - p) end
  local q = p - 0.5
  return polynomial(A, q * q) * q / polynomial(B, q * q)
end

-- The distribution itself, by its series (Marsaglia 2004, doi
-- 10.18637/jss.v011.i04).
local function normal_probability(x)
  if x > 6 then return 1 end
  if x < -6 then return 0 end
  local term, sum, k = x, x, 1
  while math.abs(term) > 1e-17 do
    term = term * x * x / (2 * k + 1)
    sum, k = sum + term, k + 1
  end
  return 0.5 + sum * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
end

-- ----------------------------------------------------------------- resamples

local function is_model(model) return type(model) == "userdata" or model.predict ~= nil end

-- A model's answers on the rows, given once, so that a resample is a matter of
-- weights.
local function answers_of(model, list, X)
  if not is_model(model) then return { predicted = model } end
  local out = { predicted = model:predict(X) }
  for _, metric in ipairs(score.list(list, model)) do
    if metric.type and metric.type.kind == "probability" then
      out.proba, out.classes = model:predict_proba(X), model:classes()
    end
  end
  return out
end

local function draw(n, seed, k)
  local r, counts = random(seed, k), {}
  for i = 1, n do counts[i] = 0 end
  for _ = 1, n do
    local i = r:below(n)
    counts[i] = counts[i] + 1
  end
  return counts
end

local function all_but(n, i)
  local counts = {}
  for j = 1, n do counts[j] = j == i and 0 or 1 end
  return counts
end

local PIECES = 16 -- of the resamples, each for one process

-- The difference as a function of the rows' weights.  Where the figure is a mean
-- of its rows', so is the difference.
local function differ(metric, y, ours, theirs)
  if not metric.type.mean then
    return function(weights)
      return score.figure(metric, y, ours, weights) - score.figure(metric, y, theirs, weights)
    end
  end
  local of_row, other = score.figures(metric, y, ours), score.figures(metric, y, theirs)
  for i = 1, #of_row do of_row[i] = of_row[i] - other[i] end
  return function(weights)
    local sum, total = 0, 0
    for i = 1, #of_row do
      sum, total = sum + weights[i] * of_row[i], total + weights[i]
    end
    return sum / total
  end
end

-- A resample without one of the classes has no ranking, and is left out.
local function value_or_nothing(difference, weights)
  local good, value = pcall(difference, weights)
  if good then return value end
  if not tostring(value):find("every class", 1, true) then error(value, 0) end
end

-- difference(counts of piece items first … last), in order.
local function map_pieces(n, weigh, difference, o)
  local items, out, pieces = {}, {}, math.min(PIECES, n)
  for piece = 1, pieces do
    items[piece] = { math.floor((piece - 1) * n / pieces) + 1, math.floor(piece * n / pieces) }
  end
  local results = processes.map(items, function(item)
    local values = {}
    for k = item[1], item[2] do
      values[#values + 1] = value_or_nothing(difference, weigh(k))
    end
    return values
  end, { processes = o.processes, progress = o.progress })
  for _, values in ipairs(results) do
    for _, value in ipairs(values) do out[#out + 1] = value end
  end
  return out
end

-- ----------------------------------------------------------------- intervals

-- Between the order statistics, as a straight line.
local function quantile(sorted, p)
  local at = p * (#sorted - 1) + 1
  local k = math.min(math.floor(at), #sorted - 1)
  if k < 1 then return sorted[1] end
  return sorted[k] + (at - k) * (sorted[k + 1] - sorted[k])
end

-- Bias correction and acceleration (Efron 1987, doi 10.2307/2289144): the shares
-- at which the interval is cut instead of (1 ∓ level) / 2.
local function corrected(shares, sorted, observed, jackknife)
  local below = 0
  for _, v in ipairs(sorted) do
    below = below + (v < observed and 1 or v == observed and 0.5 or 0)
  end
  local bias = normal_quantile(math.min(math.max(below / #sorted, 1e-9), 1 - 1e-9))
  local mean = score.spread(jackknife)
  local cubes, squares = 0, 0
  for _, v in ipairs(jackknife) do
    cubes, squares = cubes + (mean - v) ^ 3, squares + (mean - v) ^ 2
  end
  local acceleration = squares > 0 and cubes / (6 * squares ^ 1.5) or 0
  local out = {}
  for i, share in ipairs(shares) do
    local z = bias + normal_quantile(share)
    out[i] = normal_probability(bias + z / (1 - acceleration * z))
  end
  return out
end

local Result = {}
Result.__index = Result

function Result:__tostring()
  return ("%s: %.4f − %.4f = %.4f, %g %% interval [%.4f, %.4f] (%s, %d resamples)"):format(
    self.metric, self.a, self.b, self.difference, 100 * self.level, self.low, self.high,
    self.method, self.resamples)
end

local known = {
  metric = {},
  resamples = { "integer", min = 100, default = 2000 },
  level = { "number", min = 0.5, max = 0.9999, default = 0.95 },
  method = { { "percentile", "bca" }, default = "percentile" },
  seed = { "integer", min = 0, default = 0 },
  processes = { "integer", min = 1 },
  progress = { "function" },
}

local function read_metric(o, a, b)
  local list = score.read("compare", o.metric)
  local model = is_model(a) and a or is_model(b) and b
  if not list and not model then error("compare: arrays of predictions need a 'metric'", 0) end
  local metric = score.list(list, model)[1]
  if not metric.type then error("compare: 'metric' must be one of moe.metrics", 0) end
  return metric
end

--- Figure of a minus figure of b on the same rows, with a bootstrap interval: rows
-- are drawn again with replacement, both models being judged on the same ones.
-- An interval without 0 is a difference that other rows would show too.
-- @param a a fitted model, or an array of predictions
-- @param b another
-- @param X rows that neither was trained on, as `predict` takes them, or a table
-- @param[opt] y one label or number a row
-- @param[opt] options a table of
--   metric: as in cross_validate, of moe.metrics
--   resamples = 2000: how many times the rows are drawn again
--   level = 0.95: share of the resamples within the interval
--   method = "percentile": or "bca", which corrects for bias and skewness at the price
--     of one more evaluation a row
--   seed = 0: of the resamples
--   processes, progress: as for moe.processes.map
-- @return { a, b, difference, low, high, level, method, metric, resamples = how many
-- had a figure }, which prints
-- @usage print(moe.eval.compare(forest, tree, test))
function comparing.compare(a, b, X, y, given)
  local d
  d, given = rows.read("compare", X, y, given)
  local o = options.check("compare", given, known)
  if d.n < 2 then error("compare: two rows are the least", 2) end
  local metric = read_metric(o, a, b)
  local ours, theirs = answers_of(a, { metric }, d.X), answers_of(b, { metric }, d.X)
  local result = { metric = metric.name, level = o.level, method = o.method }
  result.a, result.b = score.figure(metric, d.y, ours), score.figure(metric, d.y, theirs)
  result.difference = result.a - result.b
  local difference = differ(metric, d.y, ours, theirs)
  local values = map_pieces(o.resamples, function(k) return draw(d.n, o.seed, k) end, difference, o)
  if #values == 0 then error("compare: no resample has a figure", 0) end
  table.sort(values)
  local shares = { (1 - o.level) / 2, (1 + o.level) / 2 }
  if o.method == "bca" then
    local left_out = map_pieces(d.n, function(i) return all_but(d.n, i) end, difference, o)
    shares = corrected(shares, values, result.difference, left_out)
  end
  result.low, result.high = quantile(values, shares[1]), quantile(values, shares[2])
  result.resamples = #values
  return setmetatable(result, Result)
end

return comparing
