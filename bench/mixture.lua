-- Is a mixture never worse than its best expert?  A forest, a linear model and a
-- tree behind a softmax gate, five seeds (80/20 splits) or five folds, beside
-- each expert alone and their plain average.
--
--   moe bench/mixture.lua [folder with digits.csv, letter.csv, breast_cancer.csv, kin8nm.csv]
--
-- Files that are not there are said and left out; the corpus comes with us.
local moe = require "moe"
local E, G, T = moe.experts, moe.gates, moe.transforms

local folder = arg[1] or os.getenv "MOE_DATA" or "."

local function scaled(expert) return moe.pipeline { T.standard_scaler {}, expert } end

-- Fits the mixture on the training rows and adds its report to the summary.
local function judge(summary, experts, seed, train, test, options)
  local m = moe.mixture { experts = experts, gate = G.softmax {}, seed = seed }
  m:fit(train.X, train.y, options)
  local r = m:report(test.X, test.y)
  summary:add("mixture", r.mixture)
  summary:add("plain average", r.uniform)
  summary:add("oracle", r.oracle)
  for name, value in pairs(r.experts) do summary:add("  " .. name .. " alone", value) end
end

local function from_csv(name, target, classes)
  local t, message = moe.data.read_csv(("%s/%s.csv"):format(folder, name),
    { target = target, categorical = classes and { target } or nil })
  if not t then
    print(("%s: left out: %s"):format(name, message))
    return
  end
  local summary = moe.metrics.summary()
  for seed = 1, 5 do
    local train, test = t:split(0.8, { seed = seed, stratify = classes or nil })
    local experts = { forest = E.forest {}, tree = E.tree { max_depth = 8 } }
    if classes then experts.logistic = scaled(E.logistic {}) else experts.linear = E.linear {} end
    local X, y = train:xy()
    local Xtest, ytest = test:xy()
    judge(summary, experts, seed, { X = X, y = y }, { X = Xtest, y = ytest })
  end
  print(summary:text(name .. (classes and " (accuracy)" or " (R²)")))
end

local function from_corpus()
  local path = "examples/data/compiler_errors.csv"
  local errors = assert(moe.data.read_csv(path, { target = "repair" }))
  local columns = { "code", "message", "labels", "helps" }
  local reader = T.text_hasher { columns = columns, buckets = 1024 }
  local summary = moe.metrics.summary()
  for fold, rows in ipairs(errors:folds(5, { group = "program", seed = 1 })) do
    local X, Xtest = reader:fit_transform(rows.train), reader:transform(rows.test)
    local experts = { forest = E.forest {}, tree = E.tree {}, logistic = E.logistic { l2 = 0.1 } }
    judge(summary, experts, fold, { X = X, y = rows.train:column "repair" },
      { X = Xtest, y = rows.test:column "repair" }, { groups = rows.train:column "program" })
  end
  print(summary:text "compiler errors (accuracy, folds by program)")
end

from_csv("digits", "digit", true)
from_csv("breast_cancer", "diagnosis", true)
from_csv("letter", "letter", true)
from_csv("kin8nm", "y", false)
from_corpus()
