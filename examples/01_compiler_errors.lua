-- Five specialists read compiler errors; a gate learns who should answer.
--
-- A row is what rustc said about a program broken in one place; the task is to
-- name the repair. A specialist is trained on one family of repairs; the family
-- of a new error is told to nobody.
local moe = require "moe"
local E, G, T = moe.experts, moe.gates, moe.transforms

local here = arg and arg[0]:match "^(.*)/" or "examples"
local errors = assert(moe.data.read_csv(here .. "/data/compiler_errors.csv", { target = "repair" }))

local function specialists()
  local experts, gate = {}, G.softmax { standardize = false } -- words are of one unit
  for _, family in ipairs { "scope", "type", "method", "trait", "borrow" } do
    experts[family] = E.forest { trees = 20 }
  end
  return moe.mixture { experts = experts, gate = gate, top_k = 2, seed = 1 }
end

-- What one can do without reading: the most frequent repair of each error code.
local function code_alone(train, test)
  local counts, best, guesses = {}, {}, {}
  local repairs = train:column "repair"
  for i, code in ipairs(train:column "code") do
    local key = code .. repairs[i]
    counts[key] = (counts[key] or 0) + 1
    if counts[key] > (counts[code .. (best[code] or "")] or 0) then best[code] = repairs[i] end
  end
  for i, code in ipairs(test:column "code") do guesses[i] = best[code] or repairs[1] end
  return guesses
end

-- Five folds; no program is in both training and test rows.
local reader = T.text_hasher { columns = { "code", "message", "labels", "helps" }, buckets = 1024 }
local accuracy, f1 = moe.metrics.summary(), moe.metrics.summary()
local mixture, test, Xtest
for fold, rows in ipairs(errors:folds(5, { group = "program", seed = 1 })) do
  local X, y = reader:fit_transform(rows.train), rows.train:column "repair"
  test, Xtest = rows.test, reader:transform(rows.test)
  mixture = specialists()
  local _, history = mixture:fit(X, y, { subsets = rows.train:column "family" })
  if fold == 1 then print(history) end
  local truth, forest = test:column "repair", E.forest { trees = 100, seed = 1 }:fit(X, y)
  for name, guesses in pairs {
    ["five forests of 20 trees and a gate"] = mixture:predict(Xtest),
    ["one forest of 100 trees on all rows"] = forest:predict(Xtest),
    ["error code alone"] = code_alone(rows.train, test),
  } do
    accuracy:add(name, moe.metrics.accuracy(truth, guesses))
    f1:add(name, moe.metrics.macro_f1(truth, guesses))
  end
end
print(accuracy:text "accuracy, five folds by program", "\n" .. f1:text "macro-F1")
print(mixture:report(Xtest, test:column "repair"))

for i = 1, 3 do
  print("\n" .. test:row(i * 100).code .. ": " .. test:row(i * 100).message)
  print(mixture:explain(Xtest:rows(i * 100, i * 100)))
end
