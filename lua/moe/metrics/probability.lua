-- Figures of predicted probabilities.  A prediction is label → probability, or a
-- number: the probability (for rankings any score) of the positive label.  Each has the
-- losses of rows, whose weighted mean it is; or a maker of two functions: one takes rows
-- first … last of arrays (truths, predictions, weights), the other gives the figure, or nil
-- and why there is none.

local labels = require "moe.metrics.labels"

-- Whether the truth is the label that a number speaks of.
local function is_positive(y, options)
  if options.positive ~= nil then return y == options.positive end
  if type(y) == "string" then
    error("metrics: give positive = the label whose scores these are", 0)
  end
  return y == true or y == 1
end

local function each(loss)
  return function(y, p, losses, first, last, options)
    for i = first, last do losses[i] = loss(y[i], p[i], options) end
  end
end

local LEAST = 1e-15 -- a probability of 0 costs 34.5, not everything

local function surprise(y, p, options)
  local of_truth
  if type(p) == "table" then
    of_truth = p[y] or 0
  else
    of_truth = is_positive(y, options) and p or 1 - p
  end
  return -math.log(math.max(of_truth, LEAST))
end

-- The sum over the classes, as Brier (1950) has it; of two classes the two squares are one
-- twice, and it is one of them.  The least first: a table's keys have no order, and the same
-- rows are to have the same bits.
local function squares(y, p, options)
  if type(p) ~= "table" then return ((is_positive(y, options) and 1 or 0) - p) ^ 2 end
  local terms, sum = { p[y] == nil and 1 or nil }, 0
  for label, q in pairs(p) do terms[#terms + 1] = ((label == y and 1 or 0) - q) ^ 2 end
  if #terms > 2 then table.sort(terms) end
  for _, term in ipairs(terms) do sum = sum + term end
  return #terms <= 2 and sum / 2 or sum
end

-- ------------------------------------------------------------------ rankings

-- For each class, or the positive label alone (key true): score → the weight of
-- the rows that are of it, and of those that are not.
local function gather(options)
  local classes = {}
  local function put(key, hit, score, w)
    local class = classes[key]
    if not class then
      class = { hits = {}, misses = {} }
      classes[key] = class
    end
    local side = hit and class.hits or class.misses
    side[score] = (side[score] or 0) + w
  end
  local function add_one(y, p, w)
    if type(p) ~= "table" then return put(true, is_positive(y, options), p, w) end
    for label, score in pairs(p) do put(label, label == y, score, w) end
  end
  return function(y, p, w, first, last)
    for i = first, last do add_one(y[i], p[i], w[i]) end
  end, classes
end

-- The scores of a class, each once, rising; and the weight of either side.
local function sort_scores(class)
  local scores, hits, misses = {}, 0, 0
  for score in pairs(class.hits) do scores[#scores + 1] = score end
  for score in pairs(class.misses) do
    if not class.hits[score] then scores[#scores + 1] = score end
  end
  table.sort(scores)
  for i = 1, #scores do
    hits = hits + (class.hits[scores[i]] or 0)
    misses = misses + (class.misses[scores[i]] or 0)
  end
  return scores, hits, misses
end

-- The share of pairs (one of the class, one not) in which the one of the class
-- has the larger score; equal scores count half.
local function area(class)
  local scores, hits, misses = sort_scores(class)
  if hits == 0 or misses == 0 then return end
  local below, sum = 0, 0
  for i = 1, #scores do
    local miss = class.misses[scores[i]] or 0
    sum = sum + (class.hits[scores[i]] or 0) * (below + miss / 2)
    below = below + miss
  end
  return sum / (hits * misses)
end

-- Σ (recall gained) · precision, over the scores from the largest.
local function average_precision(class)
  local scores, hits = sort_scores(class)
  if hits == 0 then return end
  local found, chosen, sum = 0, 0, 0
  for i = #scores, 1, -1 do
    local hit = class.hits[scores[i]] or 0
    found = found + hit
    chosen = chosen + hit + (class.misses[scores[i]] or 0)
    if hit > 0 then sum = sum + hit / hits * found / chosen end
  end
  return sum
end

-- The figure of the last of two classes; of more, the mean of each against the
-- others.
local function ranking(figure)
  return function(options)
    local add, classes = gather(options)
    return add, function()
      local names = labels.sorted(classes)
      if #names == 0 then return end
      local first = #names == 2 and 2 or 1
      if #names == 2 and options.positive ~= nil and names[1] == options.positive then
        names[2] = names[1]
      end
      local sum = 0
      for k = first, #names do
        local value = figure(classes[names[k]])
        if not value then return nil, "y does not hold every class and another" end
        sum = sum + value
      end
      return sum / (#names - first + 1)
    end
  end
end

local positive = { positive = {} }

return {
  log_loss = {
    losses = each(surprise),
    options = positive,
    doc = "mean of −log p(truth); p is not taken below 1e-15",
  },
  brier = {
    losses = each(squares),
    options = positive,
    doc = "mean over rows of the squared errors of all classes' probabilities, 2 at most; of two "
      .. "classes of one of them",
  },
  roc_auc = {
    make = ranking(area),
    options = positive,
    greater = true,
    doc = "area under the ROC curve; of more than two classes the mean of each against the rest",
  },
  average_precision = {
    make = ranking(average_precision),
    options = positive,
    greater = true,
    doc = "precision averaged over the recall gained; of more than two classes as roc_auc",
  },
}
