-- Two strong experts of unlike kinds and a gate that learns whom to ask: is the mixture
-- at or above the better one?
--
-- Letters (letter.csv, 26 classes; first 16,000 rows to train, last 4,000 to test;
-- published: a little over 0.80, Frey & Slate 1991; forests of today 0.96; always the
-- same letter: 0.036), digits (digits.csv, 10 classes; 80/20; always the same: 0.10) and
-- the compiler errors of the first example (25 repairs, five folds in which no program is
-- on both sides; the most frequent repair: 0.087, of the error code: 0.53).  Letters by
-- seeds 1 and 2, digits by seeds 1 to 5, each with a split of its own.
--
--   moe bench/proofs/letter.lua [folder of letter.csv and digits.csv]
package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"
local E, T = moe.experts, moe.transforms

-- ------------------------------------------------------------------- data

local function letters(seed)
  local t = seed <= 2 and support.read("letter.csv", "letter")
  if t then return support.part(t:rows(1, 16000)), support.part(t:rows(16001, #t)) end
end

local function digits(seed)
  local t = seed <= 5 and support.read("digits.csv", "digit", { categorical = { "digit" } })
  if not t then return end
  local train, test = t:split(0.8, { seed = seed, stratify = true })
  return support.part(train), support.part(test)
end

local folds
local function errors(seed)
  local reader = T.text_hasher { columns = { "code", "message", "labels", "helps" },
    buckets = 1024 }
  folds = folds or assert(moe.data.read_csv("examples/data/compiler_errors.csv",
    { target = "repair" })):folds(5, { group = "program", seed = 1 })
  local rows = folds[seed]
  if not rows then return end
  return { X = reader:fit_transform(rows.train), y = rows.train:column "repair",
    groups = rows.train:column "program" },
    { X = reader:transform(rows.test), y = rows.test:column "repair" }
end

-- ---------------------------------------------------------------- figures

local function compare(name, data, published, make)
  local seen, names = {}, {}
  local function add(what, value)
    if not seen[what] then names[#names + 1] = what end
    seen[what] = seen[what] or {}
    table.insert(seen[what], value)
  end
  for seed = 1, 5 do
    local train, test = data(seed)
    if not train then break end
    local m = moe.mixture { experts = make(), seed = seed }
    m:fit(train.X, train.y, { groups = train.groups })
    local scores, best = {}, -math.huge
    for expert in pairs(m:get_params "experts") do
      scores[expert] = m:expert(expert):score(test.X, test.y)
      best = math.max(best, scores[expert])
    end
    local ours = m:score(test.X, test.y)
    for _, expert in ipairs(m:route(test.X).names) do add(expert .. " alone", scores[expert]) end
    add("the mixture", ours)
    add("above the better of this run", ours - best)
  end
  if #names == 0 then return end
  local shown = support.figures { name .. " (accuracy)", "published", "ours" }
  for _, what in ipairs(names) do
    shown.add(what, published[what],
      support.spread(seen[what], what:find "^above" and "%+.4f" or "%.4f"))
  end
  shown.print()
end

local function forest_and_trees()
  return { forest = E.forest {}, ["boosted trees"] = E.gbt { learning_rate = 0.3 } }
end

compare("letters", letters, { ["forest alone"] = "0.96" }, forest_and_trees)
compare("digits", digits, {}, forest_and_trees)
compare("compiler errors", errors, {}, function()
  return { forest = E.forest {}, logistic = E.logistic { l2 = 0.1 } }
end)
