local data = require "moe.data"

-- n rows: their number, one of three classes (70, 20 and 10 %), one of g groups.
local function sample(n, g)
  local id, class, group = {}, {}, {}
  for i = 1, n do
    id[i] = i
    class[i] = i % 10 < 7 and "a" or i % 10 < 9 and "b" or "c"
    group[i] = "g" .. (i * i) % g
  end
  return data.table { columns = { id = id, class = class, group = group }, target = "class" }
end

local function count(list)
  local counts = {}
  for _, v in ipairs(list) do counts[v] = (counts[v] or 0) + 1 end
  return counts
end

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

describe("split", function()
  it("divides the rows by the share, each in one part, in their order", function()
    local cases = { { 1000, 0.8, 800 }, { 999, 0.75, 749 }, { 2, 0.99, 1 }, { 3, 0.001, 1 } }
    for _, case in ipairs(cases) do
      local n, share, expected = case[1], case[2], case[3]
      local train, test = sample(n, 7):split(share, { seed = 5 })
      assert.equal(expected, #train)
      assert.equal(n - expected, #test)
      local seen = {}
      for _, part in ipairs { train, test } do
        local last = 0
        for _, id in ipairs(part:column "id") do
          assert.is_true(id > last and not seen[id])
          last, seen[id] = id, true
        end
      end
    end
  end)

  it("is the same for a seed and another for another", function()
    local t = sample(100, 7)
    local function first(seed)
      return table.concat(t:split(0.5, { seed = seed }):column "id", " ")
    end
    assert.equal(first(1), first(1))
    assert.equal(first(), first(0))
    assert.not_equal(first(1), first(2))
  end)

  -- Over many seeds every row must come to each side its share of times:
  -- binomial, 400 draws, so 320 ± 8; six deviations allowed.
  it("favours no row", function()
    local times = {}
    for seed = 1, 400 do
      local rows = data.split(20, 0.8, { seed = seed })
      for _, i in ipairs(rows) do times[i] = (times[i] or 0) + 1 end
    end
    for i = 1, 20 do assert.is_true(math.abs(times[i] - 320) < 48, i .. ": " .. times[i]) end
  end)

  it("gives each stratum its share, within a row", function()
    for seed = 1, 20 do
      local train, test = sample(430, 7):split(0.8, { seed = seed, stratify = true })
      assert.equal(344, #train)
      local in_train, in_test = count(train:column "class"), count(test:column "class")
      for class in pairs(in_train) do
        local all = in_train[class] + (in_test[class] or 0)
        assert.is_true(math.abs(in_train[class] - 0.8 * all) <= 1)
      end
    end
  end)

  it("keeps groups together, near the share", function()
    for seed = 1, 20 do
      local train, test = sample(500, 101):split(0.7, { seed = seed, group = "group" })
      local groups = count(train:column "group")
      for _, group in ipairs(test:column "group") do assert.is_nil(groups[group]) end
      assert.is_true(math.abs(#train - 350) <= 15, #train .. " rows")
    end
    local train, test = sample(20, 2):split(0.9, { group = "group" })
    assert.is_true(#train > 0 and #test > 0)
  end)

  it("can do both, and takes missing for one more stratum", function()
    local t = sample(2000, 401)
    local train = t:split(0.5, { group = "group", stratify = "class" })
    local classes = count(train:column "class")
    assert.is_true(math.abs(classes.a - 700) < 35 and math.abs(classes.c - 100) < 20)
    local strata = {}
    for i = 1, 40 do strata[i] = i % 2 == 0 and "x" end
    local rows, missing = data.split(40, 0.5, { strata = strata }), 0
    for _, i in ipairs(rows) do missing = missing + i % 2 end
    assert.equal(10, missing)
  end)

  it("refuses what cannot be divided", function()
    local t = sample(10, 3)
    for _, share in ipairs { 0, 1, -1, 2, 0 / 0 } do
      assert.matches("must lie between 0 and 1", message(t.split, t, share))
    end
    assert.matches("1 rows cannot be cut into 2 parts", message(t.split, t:rows(1, 1), 0.5))
    assert.matches("unknown option 'stratfy'; did you mean 'stratify'",
      message(t.split, t, 0.5, { stratfy = true }))
    assert.matches("no column 'klass'; did you mean 'class'",
      message(t.split, t, 0.5, { stratify = "klass" }))
    assert.matches("the table has none",
      message(t.split, t:with_target(), 0.5, { stratify = true }))
    assert.matches("row 2 belongs to no group",
      message(data.split, 3, 0.5, { groups = { "a", false, "b" } }))
    assert.matches("1 groups cannot be cut into 2 parts",
      message(data.split, 3, 0.5, { groups = { "a", "a", "a" } }))
    assert.matches("strata must have an item for each of the 3 rows",
      message(data.split, 3, 0.5, { strata = { 1, 2 } }))
    assert.matches("seed", message(t.split, t, 0.5, { seed = 1.5 }))
    assert.matches("'seed' must be a number", message(t.split, t, 0.5, { seed = -1 }))
  end)
end)

describe("folds", function()
  it("are equally large, within a row, and cover every row once", function()
    local t, seen = sample(103, 7), {}
    local folds = t:folds(5, { seed = 3 })
    assert.equal(5, #folds)
    for _, fold in ipairs(folds) do
      assert.is_true(#fold.test == 20 or #fold.test == 21)
      assert.equal(103, #fold.train + #fold.test)
      for _, id in ipairs(fold.test:column "id") do
        assert.is_nil(seen[id])
        seen[id] = true
      end
      local outside = count(fold.train:column "id")
      for _, id in ipairs(fold.test:column "id") do assert.is_nil(outside[id]) end
    end
    assert.equal(5, #count(data.folds(5, 5)))
  end)

  it("have each stratum's share, within a row", function()
    for seed = 0, 5 do
      for _, fold in ipairs(sample(430, 7):folds(4, { seed = seed, stratify = true })) do
        local classes = count(fold.test:column "class")
        assert.is_true(math.abs(classes.a - 301 / 4) < 1)
        assert.is_true(math.abs(classes.b - 86 / 4) < 1)
        assert.is_true(math.abs(classes.c - 43 / 4) < 1)
        assert.is_true(math.abs(#fold.test - 430 / 4) < 1)
      end
    end
  end)

  -- 51 groups of about 12 rows: half a group either way.
  it("keep groups together, nearly equally large", function()
    for seed = 0, 5 do
      local where = {}
      for k, fold in ipairs(sample(600, 101):folds(5, { seed = seed, group = "group" })) do
        assert.is_true(math.abs(#fold.test - 120) <= 6, #fold.test .. " rows")
        for _, group in ipairs(fold.test:column "group") do
          assert.is_true((where[group] or k) == k)
          where[group] = k
        end
      end
    end
  end)

  it("keep groups together and classes in proportion", function()
    for _, fold in ipairs(sample(3000, 601):folds(5, { group = "group", stratify = true })) do
      local classes = count(fold.test:column "class")
      assert.is_true(math.abs(#fold.test - 600) <= 10)
      assert.is_true(math.abs(classes.a - 420) <= 12 and math.abs(classes.c - 60) <= 12)
    end
    -- A group a class: nothing can be in proportion, but no fold stays empty.
    assert.equal(3, #count(data.folds(6, 3, {
      strata = { 1, 1, 2, 2, 3, 3 }, groups = { 1, 1, 2, 2, 3, 3 },
    })))
  end)

  it("are refused where there are too few rows or groups", function()
    local t = sample(10, 3)
    assert.matches("folds must be an integer in %[2", message(t.folds, t, 1))
    assert.matches("10 rows cannot be cut into 11 parts", message(t.folds, t, 11))
    assert.matches("groups cannot be cut into 9 parts", message(t.folds, t, 9, { group = "group" }))
  end)
end)
