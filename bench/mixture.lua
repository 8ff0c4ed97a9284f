-- Is a mixture never worse than its best expert?  Experts behind a softmax gate,
-- all with their defaults, beside the best of them alone (the one with the best
-- mean), their plain average and an oracle that always asks the best: accuracy, or
-- R² where numbers are predicted, the mean over five splits.
--
--   moe bench/mixture.lua [folder of the CSV files [name of a file …]]
--
-- few: forest, linear model and tree of depth 8; many: forest, boosted trees,
-- network, neighbours and linear model.  Splits are 80/20 by seeds 1 to 5, classes
-- in equal shares; elec2 is a series, of which five stretches of 9,000 rows are
-- taken, four fifths to train and the fifth that follows to test: as if its rows were
-- exchangeable, and with each 30 days kept together in the cross-fitting; the compiler
-- errors come in five folds by program.  The difference is paired: its noise is
-- twice the standard error of its mean, and "below" marks a difference beyond it.
-- Files that are not there are said and left out; the corpus comes with us.
package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local text = require "moe.text"
local support = require "proofs.support"
local E, G, T = moe.experts, moe.gates, moe.transforms

local pools = {}

function pools.few(classes)
  local experts = { forest = E.forest {}, tree = E.tree { max_depth = 8 } }
  if classes then
    experts.logistic = support.scaled(E.logistic {})
  else
    experts.linear = E.linear {}
  end
  return experts
end

function pools.many(classes)
  local experts = pools.few(classes)
  experts.tree = nil
  experts.gbt, experts.mlp, experts.knn = E.gbt {}, E.mlp {}, support.scaled(E.knn {})
  return experts
end

local files = {
  { name = "breast_cancer", target = "diagnosis", classes = true },
  { name = "concrete", target = "compressive_strength" },
  { name = "diabetes", target = "progression" },
  { name = "digits", target = "digit", classes = true },
  { name = "elec2", target = "class", classes = true, series = 9000 },
  { name = "elec2", title = "elec2 by months", target = "class", classes = true, series = 9000,
    together = 30 * 48 },
  { name = "kin8nm", target = "y" },
  { name = "letter", target = "letter", classes = true },
  { name = "pb52", target = "vowel", classes = true, keep = { "f0", "f1", "f2", "f3", "vowel" } },
  { name = "vowel", target = "vowel", classes = true, drop = { "speaker" } },
}

-- ------------------------------------------------------------------- splits

-- So many rows in a row are one group.
local function runs_of(length, rows)
  local groups = {}
  for i = 1, rows do groups[i] = math.floor((i - 1) / length) end
  return groups
end

local function split(t, file, seed)
  if not file.series then return t:split(0.8, { seed = seed, stratify = file.classes }) end
  local first = (seed - 1) * file.series
  local border = first + 0.8 * file.series
  return t:rows(first + 1, border), t:rows(border + 1, first + file.series)
end

-- An iterator over (seed, train, test) of a file; nothing if it is not there.
local function splits_of(file)
  local t = support.read(file.name .. ".csv", file.target,
    { categorical = file.classes and { file.target } or nil })
  if not t then return function() end end
  if file.keep then t = t:select(file.keep) end
  if file.drop then t = t:drop(file.drop) end
  local seed = 0
  return function()
    seed = seed + 1
    if seed > 5 then return end
    local train, test = split(t, file, seed)
    local own = support.part(train)
    if file.together then own.groups = runs_of(file.together, #own.y) end
    return seed, own, support.part(test)
  end
end

local function splits_of_corpus()
  local path = "examples/data/compiler_errors.csv"
  local errors = assert(moe.data.read_csv(path, { target = "repair" }))
  local columns = { "code", "message", "labels", "helps" }
  local reader = T.text_hasher { columns = columns, buckets = 1024 }
  local folds, fold = errors:folds(5, { group = "program", seed = 1 }), 0
  return function()
    fold = fold + 1
    local rows = folds[fold]
    if not rows then return end
    return fold,
      { X = reader:fit_transform(rows.train), y = rows.train:column "repair",
        groups = rows.train:column "program" },
      { X = reader:transform(rows.test), y = rows.test:column "repair" }
  end
end

-- ------------------------------------------------------------------ figures

local function mean_and_error(values)
  local summary = moe.metrics.summary()
  for i = 1, #values do summary:add("", values[i]) end
  local mean, sd = summary:get ""
  return mean, sd / math.sqrt(#values)
end

local function best_of(experts)
  local best, most
  for name, values in pairs(experts) do
    local mean = mean_and_error(values)
    if not best or mean > most or mean == most and name < best then best, most = name, mean end
  end
  return best, most
end

local rows = {
  { "", "pool", "mixture", "best expert", "", "difference", "noise", "average", "oracle" },
}

local function add_row(name, pool, seen)
  local best, score = best_of(seen.experts)
  local paired = {}
  for i, value in ipairs(seen.mixture) do paired[i] = value - seen.experts[best][i] end
  local difference, own_error = mean_and_error(paired)
  local function figure(value) return ("%.4f"):format(value) end
  rows[#rows + 1] = {
    name, pool, figure(mean_and_error(seen.mixture)), figure(score), best,
    ("%+.4f"):format(difference), figure(2 * own_error),
    figure(mean_and_error(seen.uniform)), figure(mean_and_error(seen.oracle)),
    difference < -2 * own_error and "below" or nil,
  }
end

local function judge(name, pool, splits, classes, make)
  local seen = { mixture = {}, uniform = {}, oracle = {}, experts = {} }
  for seed, train, test in splits do
    local m = moe.mixture { experts = make(classes), gate = G.softmax {}, seed = seed }
    m:fit(train.X, train.y, { groups = train.groups })
    local report = m:report(test.X, test.y)
    for _, what in ipairs { "mixture", "uniform", "oracle" } do
      table.insert(seen[what], report[what])
    end
    for expert, value in pairs(report.experts) do
      seen.experts[expert] = seen.experts[expert] or {}
      table.insert(seen.experts[expert], value)
    end
  end
  if #seen.mixture > 0 then add_row(name, pool, seen) end
end

-- --------------------------------------------------------------------- runs

local wanted = {}
for i = 2, #arg do wanted[arg[i]] = true end
local function is_wanted(name) return #arg < 2 or wanted[name] end

-- Words have no neighbours worth asking; counts of them have a distribution.
local function readers(many)
  return function()
    local experts = { forest = E.forest {}, logistic = E.logistic { l2 = 0.1 } }
    if many then
      experts.bayes, experts.mlp = E.naive_bayes { distribution = "multinomial" }, E.mlp {}
    else
      experts.tree = E.tree {}
    end
    return experts
  end
end

for _, file in ipairs(files) do
  for _, pool in ipairs { "few", "many" } do
    if is_wanted(file.name) then
      judge(file.title or file.name, pool, splits_of(file), file.classes, pools[pool])
    end
  end
end
if is_wanted "compiler_errors" then
  judge("compiler errors", "few", splits_of_corpus(), true, readers(false))
  judge("compiler errors", "words", splits_of_corpus(), true, readers(true))
end
print(text.columns(rows))
