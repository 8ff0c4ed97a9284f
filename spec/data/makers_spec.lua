local data = require "moe.data"

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

local function equal(a, b)
  for _, name in ipairs(a.names) do
    local x, y = a:column(name), b:column(name)
    for i = 1, #x do
      if x[i] ~= y[i] then return false end
    end
  end
  return #a == #b
end

describe("every maker", function()
  it("makes the same from the same seed, and of the size asked for", function()
    for _, kind in ipairs { "classification", "regression", "regions", "moons" } do
      local make = data["make_" .. kind]
      assert.equal(1000, #make())
      assert.equal(50, #make { rows = 50 })
      assert.is_true(equal(make { rows = 50 }, make { rows = 50, seed = 0 }))
      assert.is_false(equal(make { rows = 50 }, make { rows = 50, seed = 1 }))
      assert.is_not_nil(make({}).target)
      assert.matches("'rows' must be an integer in %[1", message(make, { rows = 0 }))
      assert.matches("unknown parameter 'sed'; did you mean 'seed'", message(make, { sed = 1 }))
    end
  end)
end)

describe("make_moons", function()
  it("puts the points on two half circles when there is no noise", function()
    local t = data.make_moons { rows = 500, noise = 0, seed = 3 }
    local counts = { upper = 0, lower = 0 }
    for i = 1, #t do
      local p = t:row(i)
      local x, y = p.x1, p.x2
      counts[p.class] = counts[p.class] + 1
      if p.class == "lower" then x, y = 1 - x, 0.5 - y end
      assert.is_true(math.abs(x * x + y * y - 1) < 1e-12 and y >= 0)
    end
    assert.is_true(math.abs(counts.upper - 250) < 67) -- six deviations
  end)
end)

describe("make_regression", function()
  it("is the weighted sum of its features when there is no noise", function()
    local t, weights = data.make_regression { rows = 200, features = 6, informative = 4, bias = -3 }
    assert.equal(6, #weights)
    assert.same({ 0, 0 }, { weights[5], weights[6] })
    for i = 1, #t do
      local row, sum = t:row(i), -3
      for j = 1, 6 do sum = sum + weights[j] * row["x" .. j] end
      assert.is_true(math.abs(sum - row.y) < 1e-10)
    end
  end)

  -- Moments of the normal distribution, six standard errors allowed.
  it("has normal features and normal noise", function()
    local t, w = data.make_regression {
      rows = 4000, features = 2, informative = 1, noise = 2, seed = 9,
    }
    local x, y, n = t:column "x2", t:column "y", 4000
    local mean, square, rest = 0, 0, 0
    for i, first in ipairs(t:column "x1") do
      mean, square = mean + x[i] / n, square + x[i] ^ 2 / n
      rest = rest + (y[i] - w[1] * first) ^ 2 / n
    end
    assert.is_true(math.abs(mean) < 6 / math.sqrt(n))
    assert.is_true(math.abs(square - 1) < 6 * math.sqrt(2 / n))
    assert.is_true(math.abs(rest - 4) < 24 * math.sqrt(2 / n))
    assert.matches("informative must be at most features",
      message(data.make_regression, { features = 2, informative = 3 }))
  end)
end)

describe("make_regions", function()
  it("follows one law in each region: in the first, a straight line", function()
    local t, regions = data.make_regions { rows = 400, features = 1, noise = 0, seed = 2 }
    local first, slope
    assert.equal(400, #regions)
    for i = 1, #t do
      local row = t:row(i)
      assert.is_true(math.abs(row.x1) <= 1)
      if regions[i] == "r1" then
        if first and math.abs(row.x1 - first.x1) > 1e-3 then
          local s = (row.y - first.y) / (row.x1 - first.x1)
          assert.is_true(math.abs(s - (slope or s)) < 1e-6)
          slope = slope or s
        end
        first = first or row
      end
    end
    assert.is_not_nil(slope)
  end)

  it("has regions whose border a nearest centre draws: intervals of a line", function()
    local t, regions = data.make_regions { rows = 1000, features = 1, regions = 5, seed = 4 }
    local order, x, changes = {}, t:column "x1", 0
    for i = 1, #t do order[i] = i end
    table.sort(order, function(a, b) return x[a] < x[b] end)
    for i = 2, #t do
      if regions[order[i]] ~= regions[order[i - 1]] then changes = changes + 1 end
    end
    assert.equal(4, changes)
  end)
end)

describe("make_classification", function()
  it("lays clusters around different corners of the cube", function()
    local t = data.make_classification {
      rows = 3000, features = 4, informative = 2, redundant = 0, classes = 4, clusters = 1,
      separation = 100, flip = 0, seed = 6,
    }
    local corners = {}
    for i = 1, #t do
      local row = t:row(i)
      local corner = (row.x1 > 0 and "+" or "-") .. (row.x2 > 0 and "+" or "-")
      assert.is_true(math.abs(math.abs(row.x1) - 100) < 10)
      assert.equal(corners[row.class] or corner, corner)
      corners[row.class] = corner
      corners[corner] = true
    end
    for _, corner in ipairs { "++", "+-", "-+", "--" } do assert.is_true(corners[corner]) end
  end)

  it("makes the redundant features sums of the informative, the rest noise", function()
    local t = data.make_classification { rows = 300, features = 4, informative = 2, redundant = 1 }
    -- x3 = a x1 + b x2: solved from two rows, it holds in all.
    local p, q = t:row(1), t:row(2)
    local det = p.x1 * q.x2 - p.x2 * q.x1
    local a, b = (p.x3 * q.x2 - p.x2 * q.x3) / det, (p.x1 * q.x3 - p.x3 * q.x1) / det
    for i = 1, #t do
      local row = t:row(i)
      assert.is_true(math.abs(row.x3 - a * row.x1 - b * row.x2) < 1e-9)
    end
    local square = 0
    for _, x in ipairs(t:column "x4") do square = square + x * x / 300 end
    assert.is_true(math.abs(square - 1) < 6 * math.sqrt(2 / 300))
  end)

  it("draws the class of a share of the rows at random", function()
    local options = {
      rows = 4000, features = 2, informative = 2, redundant = 0, clusters = 1, separation = 100,
      flip = 0.3,
    }
    local wrong, sides = 0, {}
    local t = data.make_classification(options)
    options.flip = 0
    local pure = data.make_classification(options)
    for i = 1, 4000 do
      local row = pure:row(i)
      sides[(row.x1 > 0 and "+" or "-") .. (row.x2 > 0 and "+" or "-")] = row.class
    end
    for i = 1, 4000 do
      local row = t:row(i)
      if sides[(row.x1 > 0 and "+" or "-") .. (row.x2 > 0 and "+" or "-")] ~= row.class then
        wrong = wrong + 1
      end
    end
    assert.is_true(math.abs(wrong / 4000 - 0.15) < 6 * math.sqrt(0.15 * 0.85 / 4000))
  end)

  it("refuses more than fits", function()
    assert.matches("at most 2%^informative",
      message(data.make_classification, { informative = 2, classes = 5 }))
    assert.matches("informative %+ redundant must be at most features",
      message(data.make_classification, { features = 3 }))
  end)
end)
