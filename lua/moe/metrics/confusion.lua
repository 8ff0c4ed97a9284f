-- Figures of predicted labels: all come from one matrix, the weight of the rows
-- of each truth with each prediction.  A ratio of nothing is 0.

local labels = require "moe.metrics.labels"
local text = require "moe.text"

local function ratio(a, b) return b > 0 and a / b or 0 end

-- -------------------------------------------------------------------- matrix

local Matrix = {}
Matrix.__index = Matrix

local function new_matrix() return setmetatable({ counts = {}, names = {} }, Matrix) end

function Matrix:add(truth, answer, weight)
  local row = self.counts[truth]
  if not row then
    row = {}
    self.counts[truth] = row
  end
  if not row[answer] then self.names[truth], self.names[answer] = true, true end
  row[answer] = (row[answer] or 0) + weight
end

function Matrix:scale(factor)
  for _, row in pairs(self.counts) do
    for answer, weight in pairs(row) do row[answer] = weight * factor end
  end
end

function Matrix:of(truth, answer) return self.counts[truth] and self.counts[truth][answer] or 0 end

-- Every label in order with its support, predicted and right weights, and their
-- sums; the order makes the figures have the same bits every time.
function Matrix:margins()
  local list, total, agreed = {}, 0, 0
  for k, label in ipairs(labels.sorted(self.names)) do
    list[k] = { label = label, support = 0, predicted = 0, right = self:of(label, label) }
  end
  for _, truth in ipairs(list) do
    for _, answer in ipairs(list) do
      local weight = self:of(truth.label, answer.label)
      truth.support = truth.support + weight
      answer.predicted = answer.predicted + weight
    end
    total, agreed = total + truth.support, agreed + truth.right
  end
  return list, total, agreed
end

-- ------------------------------------------------------------------- figures

local function precision(c) return ratio(c.right, c.predicted) end
local function recall(c) return ratio(c.right, c.support) end
local function f1(c) return ratio(2 * c.right, c.predicted + c.support) end

local averages = {}

function averages.macro(figure, list)
  local sum = 0
  for _, c in ipairs(list) do sum = sum + figure(c) end
  return sum / #list
end

function averages.weighted(figure, list, total)
  local sum = 0
  for _, c in ipairs(list) do sum = sum + c.support * figure(c) end
  return sum / total
end

function averages.micro(figure, _, total, agreed)
  return figure { right = agreed, predicted = total, support = total }
end

local function of_class(figure, list, label)
  for _, c in ipairs(list) do
    if c.label == label then return figure(c) end
  end
  return 0
end

local function averaged(figure)
  return function(list, total, agreed, options)
    if options.positive ~= nil then return of_class(figure, list, options.positive) end
    return averages[options.average](figure, list, total, agreed)
  end
end

local function balanced_accuracy(list)
  local sum, n = 0, 0
  for _, c in ipairs(list) do
    if c.support > 0 then sum, n = sum + recall(c), n + 1 end
  end
  return sum / n
end

-- Agreement beyond what the margins alone would give (Cohen 1960).
local function cohen_kappa(list, total, agreed)
  local expected = 0
  for _, c in ipairs(list) do expected = expected + c.support * c.predicted / total end
  return ratio(agreed - expected, total - expected)
end

-- The correlation of truth and prediction for any number of classes (Gorodkin
-- 2004, doi 10.1016/j.compbiolchem.2004.09.006).
local function mcc(list, total, agreed)
  local both, truths, answers = 0, 0, 0
  for _, c in ipairs(list) do
    both = both + c.support * c.predicted
    truths = truths + c.support ^ 2
    answers = answers + c.predicted ^ 2
  end
  local spread = (total ^ 2 - truths) * (total ^ 2 - answers)
  return ratio(agreed * total - both, math.sqrt(math.max(spread, 0)))
end

local function per_class(list)
  local out = {}
  for _, c in ipairs(list) do
    out[c.label] = {
      precision = precision(c), recall = recall(c), f1 = f1(c),
      support = c.support, predicted = c.predicted, right = c.right,
    }
  end
  return out
end

local Confusion = {
  __tostring = function(m)
    local rows = { { "truth \\ predicted" } }
    for k, label in ipairs(m.labels) do
      rows[1][k + 1] = tostring(label)
      rows[k + 1] = { tostring(label) }
      for j in ipairs(m.labels) do rows[k + 1][j + 1] = text.value(m.counts[k][j]) end
    end
    return text.columns(rows)
  end,
}

local function confusion(list, _, _, _, matrix)
  local out = { labels = {}, counts = {} }
  for i, truth in ipairs(list) do
    out.labels[i], out.counts[i] = truth.label, {}
    for j, answer in ipairs(list) do out.counts[i][j] = matrix:of(truth.label, answer.label) end
  end
  return setmetatable(out, Confusion)
end

local function from_matrix(figure)
  return function(options)
    local matrix = new_matrix()
    local function add(y, p, w, first, last)
      for i = first, last do matrix:add(y[i], p[i], w[i]) end
    end
    return add, function()
      local list, total, agreed = matrix:margins()
      if total > 0 then return figure(list, total, agreed, options, matrix) end
    end, function(factor) matrix:scale(factor) end
  end
end

-- Their mean is the share of rows that are right: without the matrix, as it is asked for
-- most often.
local function hits(y, p, losses, first, last)
  for i = first, last do losses[i] = y[i] == p[i] and 1 or 0 end
end

-- How much more often than another guess the predictions are right, of what that guess
-- leaves: guess(y, w, guesses, first, last) says what it is of each row and learns them.  A
-- row of which it knows nothing does not count.
local function beyond(new_guess)
  return function()
    local guess, scale_guess = new_guess()
    local guesses, right, guessed, total = {}, 0, 0, 0
    local function add(y, p, w, first, last)
      guess(y, w, guesses, first, last)
      local n, ours, its = total, right, guessed
      for i = first, last do
        local truth, other, weight = y[i], guesses[i], w[i]
        if other ~= nil then
          n = n + weight
          if truth == p[i] then ours = ours + weight end
          if truth == other then its = its + weight end
        end
      end
      total, right, guessed = n, ours, its
    end
    return add, function()
      if total > 0 then return ratio(right - guessed, total - guessed) end
    end, function(factor)
      right, guessed, total = right * factor, guessed * factor, total * factor
      scale_guess(factor)
    end
  end
end

local function last_label()
  local before
  return function(y, _, guesses, first, last)
    if first > last then return end
    guesses[first] = before
    for i = first + 1, last do guesses[i] = y[i - 1] end
    before = y[last]
  end, function() end
end

local function most_frequent()
  local counts, most = {}, nil
  return function(y, w, guesses, first, last)
    local weights, guess = counts, most
    for i = first, last do
      local label = y[i]
      local weight = (weights[label] or 0) + w[i]
      guesses[i], weights[label] = guess, weight
      if guess ~= label and (guess == nil or weight > weights[guess]) then guess = label end
    end
    most = guess
  end, function(factor)
    for label, count in pairs(counts) do counts[label] = count * factor end
  end
end

local choice = {
  average = { { "macro", "micro", "weighted" }, default = "macro" },
  positive = {},
}

local function macro_f1(list) return averages.macro(f1, list) end

return {
  accuracy = {
    losses = hits,
    greater = true,
    doc = "share of equal pairs",
  },
  balanced_accuracy = {
    make = from_matrix(balanced_accuracy),
    greater = true,
    doc = "mean recall of the classes that occur in y",
  },
  precision = {
    make = from_matrix(averaged(precision)),
    options = choice,
    greater = true,
    doc = "of what is predicted to be a class, the share that is",
  },
  recall = {
    make = from_matrix(averaged(recall)),
    options = choice,
    greater = true,
    doc = "of what is a class, the share that is predicted to be",
  },
  f1 = {
    make = from_matrix(averaged(f1)),
    options = choice,
    greater = true,
    doc = "harmonic mean of precision and recall",
  },
  macro_f1 = {
    make = from_matrix(macro_f1),
    greater = true,
    doc = "mean of the classes' f1, each counting the same",
  },
  cohen_kappa = {
    make = from_matrix(cohen_kappa),
    greater = true,
    doc = "agreement beyond chance, 1 at most; 0 where chance alone agrees",
  },
  kappa_temporal = {
    make = beyond(last_label),
    greater = true,
    doc = "share right beyond what the row's label before would have got (Žliobaitė et al. 2015)",
  },
  kappa_m = {
    make = beyond(most_frequent),
    greater = true,
    doc = "share right beyond what the commonest label of the rows before would have got",
  },
  mcc = {
    make = from_matrix(mcc),
    greater = true,
    doc = "Matthews correlation coefficient, in [-1, 1]; 0 where one side is constant",
  },
  per_class = {
    make = from_matrix(per_class),
    is_table = true,
    doc = "{ [label] = { precision, recall, f1, … } }",
  },
  confusion = {
    make = from_matrix(confusion),
    is_table = true,
    doc = "{ labels, counts }: counts[i][j] rows are labels[i] and predicted to be labels[j]",
  },
}
