-- Dynamic selection: a pool of models, each good somewhere, and for every row the
-- question whom to ask. Here six straight lines share a curved coast: each learns a
-- cluster of the map. Beside the learned gate stand the neighbours (KNORA) and a
-- forest as gate; the report has what needs no gate at all.
local moe = require "moe"
local E, G = moe.experts, moe.gates

-- Places drawn at random; north of the curve is land.
local function map(rows, seed)
  local place = moe.randn(rows, 2, { seed = seed })
  local east, north, is = {}, {}, {}
  for i = 1, rows do
    east[i], north[i] = place:get(i, 1), place:get(i, 2)
    is[i] = north[i] > math.sin(2 * east[i]) and "land" or "sea"
  end
  return moe.data.table { columns = { east = east, north = north, is = is }, target = "is" }
end
local train, valid, test = map(800, 1), map(300, 2), map(600, 3)

local function mixture(gate)
  local experts = {}
  for i = 1, 6 do experts["line" .. i] = E.logistic {} end
  return moe.mixture { experts = experts, subsets = "clusters", gate = gate, seed = 1 }
end

print(("one line      %.3f"):format(E.logistic({}):fit(train):score(test)))
local first, last
for _, choice in ipairs {
  { "softmax gate", G.softmax {} },
  { "mlp gate", G.mlp {} },
  { "neighbours", G.knn { k = 30 } },
  { "forest gate", G.classifier(E.forest {}) },
} do
  last = mixture(choice[2]):fit(train)
  first = first or last
  print(("%-12s  %.3f"):format(choice[1], last:score(test)))
end

-- Rows that trained nothing tell who is competent near a row: KNORA-E asks those who
-- are right on all of its neighbours, KNORA-U counts them.
print("\nforest gate, beside what can be done without one")
print(last:report(test, { valid = valid, k = 7 }))

-- Who answers at one place. The softmax gate is linear, so that what moved it can be
-- told by feature, beside what moved each expert.
local place = { east = 0.8, north = 0.6 }
print("\nforest gate\n" .. tostring(last:explain(place, { features = 2 })))
print("\nsoftmax gate\n" .. tostring(first:explain(place, { features = 2 })))
