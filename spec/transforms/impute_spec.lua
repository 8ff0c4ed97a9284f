local moe = require "moe"
local near = require "spec.support.near"

local impute = moe.transforms.impute
local nan = 0 / 0

-- Expected values: scikit-learn 1.2.1, SimpleImputer(add_indicator=True),
-- unless a comment says otherwise.
describe("impute", function()
  local X = { { 1, nan, 7 }, { 2, 5, 7 }, { nan, 6, nan }, { 9, nan, 3 } }
  local fills = { mean = { 4, 5.5, 17 / 3 }, median = { 2, 5.5, 7 }, most_frequent = { 1, 5, 7 } }
  local marks = { { 0, 1, 0 }, { 0, 0, 0 }, { 1, 0, 1 }, { 0, 1, 0 } }

  -- X with the fillings in their places, and the marks behind if asked.
  local function filled(fill, marked)
    local rows = {}
    for i, row in ipairs(X) do
      rows[i] = {}
      for j, x in ipairs(row) do
        rows[i][j] = x == x and x or fill[j]
        if marked then rows[i][3 + j] = marks[i][j] end
      end
    end
    return rows
  end

  for strategy, fill in pairs(fills) do
    it("fills with the " .. strategy, function()
      local t = impute { strategy = strategy, indicator = true }
      near.rows(filled(fill, true), t:fit_transform(X):totable())
      near.rows({ fill }, { t:info().fill }, 1e-15)
    end)
  end

  it("fills with a constant", function()
    local t = impute { strategy = "constant", fill_value = -1 }
    near.rows(filled { -1, -1, -1 }, t:fit_transform(X):totable(), 0)
  end)

  it("fills other rows with what it learned", function()
    local t = impute {}:fit(X)
    near.rows({ { 4, 0, 17 / 3 } }, t:transform({ { nan, 0, nan } }):totable())
  end)

  it("marks only what was missing in training, and names it", function()
    local rows = moe.data.table { columns = { a = { 1, 2 }, b = { nan, 4 } } }
    local t = impute { indicator = true }:fit(rows)
    assert.same({ "a", "b", "missing(b)" }, t:names())
    near.rows({ { 1.5, 4, 1 } }, t:transform({ { nan, nan } }):totable(), 0)
  end)

  it("fills a column without any value with fill_value", function()
    for strategy in pairs(fills) do
      local t = impute { strategy = strategy, fill_value = 3 }
      near.rows({ { 3, 1 }, { 3, 2 } }, t:fit_transform({ { nan, 1 }, { nan, 2 } }):totable(), 0)
    end
  end)

  -- Closed forms, of columns whose zeros are not stored: (−1, 0, 0, 0, 5, 5)
  -- and (0, 0, 0, 0, 0, 0).
  it("counts the zeros of sparse data", function()
    local S = moe.sparse { { -1 }, {}, {}, {}, { 5 }, { 5 }, columns = 2 }
    for strategy, expected in pairs { mean = 1.5, median = 0, most_frequent = 0 } do
      local t = impute { strategy = strategy }:fit(S)
      near.rows({ { expected, 0 } }, { t:info().fill }, 1e-15)
    end
    local tie = moe.sparse { { -1 }, { -1 }, {}, {}, columns = 1 }
    near.rows({ { -1 } }, { impute { strategy = "most_frequent" }:fit(tie):info().fill }, 0)
    local t = impute {}:fit(S)
    assert.same(S:totable(), t:transform(S):totable())
  end)

  it("takes the least of the most frequent, and the middle of two medians", function()
    local rows = { { 4, 4 }, { 2, 1 }, { 4, 3 }, { 2, 2 }, { 9, nan } }
    near.rows({ { 2, 1 } }, { impute { strategy = "most_frequent" }:fit(rows):info().fill }, 0)
    near.rows({ { 4, 2.5 } }, { impute { strategy = "median" }:fit(rows):info().fill }, 0)
  end)

  it("stays finite among the largest numbers", function()
    for strategy in pairs(fills) do
      local t = impute { strategy = strategy }:fit { { 1.7e308 }, { 1.7e308 }, { nan } }
      near.rows({ { 1.7e308 } }, { t:info().fill })
      assert.is_true(t:transform({ { nan } }):get(1, 1) < math.huge)
    end
  end)

  -- Closed form: 1 … n in a scattered order (a step prime to n), 4n / 5 of them
  -- again as 7, so that n numbers are sorted in many runs.
  it("finds the middle and the most frequent of many", function()
    local n = 10007
    local rows, sparse = {}, { columns = 1 }
    for i = 1, n do
      local x = i * 7919 % n + 1
      rows[i] = { x, i % 5 == 0 and x or 7, i % 3 == 0 and nan or x }
      sparse[i] = { x }
    end
    local fill = impute { strategy = "median" }:fit(rows):info().fill
    local kept = {}
    for i = 1, n do if i % 3 ~= 0 then kept[#kept + 1] = rows[i][1] end end
    table.sort(kept)
    local half = #kept / 2
    near.rows({ { (n + 1) / 2, 7, (kept[half] + kept[half + 1]) / 2 } }, { fill }, 0)
    assert.equal(0, #kept % 2)
    fill = impute { strategy = "most_frequent" }:fit(rows):info().fill
    near.rows({ { 1, 7, kept[1] } }, { fill }, 0)
    fill = impute { strategy = "median" }:fit(moe.sparse(sparse)):info().fill
    near.rows({ { (n + 1) / 2 } }, { fill }, 0)
  end)

  it("refuses strings, naming what turns them into numbers", function()
    local t = moe.data.table { columns = { kind = { "a", "b" } } }
    assert.error_matches(function()
      impute {}:fit(t)
    end, "column 'kind' holds strings.*one_hot or ordinal")
  end)
end)
