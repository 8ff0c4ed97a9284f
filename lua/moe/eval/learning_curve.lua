--- How much a model gains from more rows.
-- @module moe.eval

local folding = require "moe.eval.cross_validate"
local options = require "moe.options"
local processes = require "moe.processes"
local random = require "moe.random"
local rows = require "moe.eval.rows"
local score = require "moe.eval.score"
local text = require "moe.text"

local curve = {}

local Result = {}
Result.__index = Result

function Result:__tostring()
  local lines = { { "rows", self.metric, "on the training rows" } }
  for _, point in ipairs(self.points) do
    lines[#lines + 1] = {
      ("%d"):format(point.rows),
      ("%.4f ± %.4f"):format(point.mean, point.sd),
      ("%.4f ± %.4f"):format(point.train_mean, point.train_sd),
    }
  end
  return text.columns(lines)
end

local function count_of(size, n)
  local count = size <= 1 and math.floor(size * n + 0.5) or math.min(size, n)
  return math.max(1, count)
end

-- The first rows of a shuffled training part: those of a small size are among
-- those of a larger one.
local function shorten(part, size, order)
  local train = {}
  for k = 1, count_of(size, #part.train) do train[k] = part.train[order[k]] end
  return { round = part.round, fold = part.fold, train = train, test = part.test }
end

local function items_of(parts, sizes, seed)
  local items = {}
  for p, part in ipairs(parts) do
    local order = random(seed, p):permutation(#part.train)
    for s, size in ipairs(sizes) do
      items[#items + 1] = { size = s, part = shorten(part, size, order) }
    end
  end
  return items
end

local function check_sizes(sizes)
  for _, size in ipairs(sizes) do
    if type(size) ~= "number" or size <= 0 or size > 1 and size ~= math.floor(size) then
      error("learning_curve: 'sizes' are shares in (0, 1] or numbers of rows", 0)
    end
  end
  if #sizes == 0 then error("learning_curve: 'sizes' is empty", 0) end
  return sizes
end

local function collect(items, results, sizes)
  local name, points = results[1].names[1], {}
  for s in ipairs(sizes) do
    local test, train, count = {}, {}, 0
    for i, item in ipairs(items) do
      if item.size == s then
        test[#test + 1], train[#train + 1] = results[i].scores[name], results[i].train_scores[name]
        count = count + #item.part.train
      end
    end
    local point = { rows = math.floor(count / #test + 0.5) }
    point.mean, point.sd = score.spread(test)
    point.train_mean, point.train_sd = score.spread(train)
    points[s] = point
  end
  return setmetatable({ metric = name, points = points }, Result)
end

--- Trains clones of a model on growing parts of the training folds.
-- @param model any learner; it stays as it is
-- @param X rows as `fit` takes them, or a table that knows its target
-- @param[opt] y one label or number a row
-- @param[opt] options those of cross_validate but train_scores and probabilities, of
-- the metrics the first alone; and
--   sizes = { 0.1, 0.25, 0.5, 0.75, 1 }: shares of the training rows, or their numbers
-- @return { metric, points = { { rows, mean, sd, train_mean, train_sd }, … } }, which
-- prints
-- @raise as cross_validate
function curve.learning_curve(model, X, y, given)
  local known = {
    metrics = {},
    sizes = { "table", default = { 0.1, 0.25, 0.5, 0.75, 1 } },
  }
  for name, rule in pairs(folding.options) do known[name] = rule end
  local d
  rows.check_model("learning_curve", model)
  d, given = rows.read("learning_curve", X, y, given)
  local o = options.check("learning_curve", given, known)
  local list, sizes = score.read("learning_curve", o.metrics), check_sizes(o.sizes)
  local parts, fit = folding.parts("learning_curve", model, d, o)
  local items = items_of(parts, sizes, o.seed)
  local results = processes.map(items, function(item)
    local r = folding.judge(model, d, item.part, list, fit, { train_scores = true })
    return { names = r.names, scores = r.scores, train_scores = r.train_scores }
  end, { processes = o.processes, progress = o.progress })
  return collect(items, results, sizes)
end

return curve
