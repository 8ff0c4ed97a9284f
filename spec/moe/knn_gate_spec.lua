-- The knn gate on cases small enough to be selected by hand.
local moe = require "moe"
local data = require "spec.support.data"
local near = require "spec.support.near"

local G = moe.gates
local E = moe.experts

-- Rows 1 … 7 on a line; which of three experts is right there.
local X = { { 1 }, { 2 }, { 3 }, { 4 }, { 5 }, { 6 }, { 7 } }
local right = { "ab", "a", "ab", "b", "bc", "c", "abc" }

local function scores()
  local out = {}
  for i, names in ipairs(right) do
    out[i] = {}
    for e, name in ipairs { "a", "b", "c" } do
      out[i][e] = math.log(names:find(name, 1, true) and 0.9 or 0.05)
    end
  end
  return out
end

local function answer(x, options, weights)
  local gate = G.knn(options)
  gate:fit(X, scores(), { weights = weights })
  return gate:forward({ { x } }):totable()[1]
end

local function gives(expected, found, tolerance)
  near.rows({ expected }, { found }, tolerance or 1e-6)
end

describe("knn gate", function()
  -- nearest to 2.1: 2, 3, 1; a is right in all of them, b in two
  it("asks, as KNORA-U does, how many of the k nearest each has right", function()
    gives({ 3 / 5, 2 / 5, 0 }, answer(2.1, { method = "union", k = 3 }))
    -- to 4.9: 5, 4, 6
    gives({ 0, 2 / 4, 2 / 4 }, answer(4.9, { method = "union", k = 3 }))
  end)

  it("asks, as KNORA-E does, who has all of them right", function()
    gives({ 1, 0, 0 }, answer(2.1, { method = "eliminate", k = 3 }))
    -- to 3.1: 3, 4, 2: nobody has all three, b has the nearest two
    gives({ 0, 1, 0 }, answer(3.1, { method = "eliminate", k = 3 }))
    -- to 5.1: 5, 6, 4: c has the nearest two
    gives({ 0, 0, 1 }, answer(5.1, { method = "eliminate", k = 3 }))
    -- to 2.9: 3, 2, 4: of all seven, only a has the nearest two
    gives({ 1, 0, 0 }, answer(2.9, { method = "eliminate", k = 7 }))
    -- to 3: the nearest is right with a and b
    gives({ 0.5, 0.5, 0 }, answer(3, { method = "eliminate", k = 1 }))
  end)

  it("weighs experts by the mean of their log-likelihoods", function()
    -- to 2.1: a misses nothing, b one of three, c all, each by log(0.05 / 0.9)
    local miss = math.log(0.05 / 0.9)
    local z = { 1, math.exp(2 * miss / 3), math.exp(2 * miss) }
    local sum = z[1] + z[2] + z[3]
    gives({ z[1] / sum, z[2] / sum, z[3] / sum }, answer(2.1, { k = 3, sharpness = 2 }))
  end)

  it("lets a neighbour count as its weight says", function()
    local weights = { 1, 4, 2, 1, 1, 0, 1 }
    gives({ 7 / 10, 3 / 10, 0 }, answer(2.1, { method = "union", k = 3 }, weights))
    -- to 5.9 without row 6: 5, 7, 4
    gives({ 1 / 6, 3 / 6, 2 / 6 }, answer(5.9, { method = "union", k = 3 }, weights))
  end)

  it("accuses nobody of a row that all get wrong", function()
    local gate = G.knn { method = "eliminate", k = 2 }
    gate:fit({ { 1 }, { 2 } }, { { -0.1, -3 }, { -5, -5.1 } })
    near.rows({ { 1, 0 } }, gate:forward({ { 2 } }):totable())
  end)

  it("counts each column alike, unless told not to", function()
    local rows, likely = { { 0, 0 }, { 1, 1000 } }, { { 0, -3 }, { -3, 0 } }
    local function best(options)
      options.k, options.method = 1, "eliminate"
      local gate = G.knn(options)
      gate:fit(rows, likely)
      return gate:forward({ { 0.9, 400 } }):totable()[1]
    end
    gives({ 0, 1 }, best {})
    gives({ 1, 0 }, best { standardize = false })
  end)

  it("is even where it has seen nothing", function()
    local gate = G.knn {}
    gate:fit({ { 1 }, { 2 } }, { { 0 / 0, 0 }, { 0, 0 / 0 } })
    near.rows({ { 0.5, 0.5 } }, gate:forward({ { 1 } }):totable())
    local again = assert(moe.undump(gate:dump()))
    near.rows({ { 0.5, 0.5 } }, again:forward({ { 1 } }):totable())
  end)

  for _, method in ipairs { "likelihood", "union", "eliminate" } do
    it("finds each expert's region, by its errors: " .. method, function()
      local t, regions = moe.data.make_regions {
        rows = 1200, features = 2, regions = 3, noise = 0.05, seed = 3,
      }
      local train, test, subsets = t:rows(1, 800), t:rows(801, 1200), {}
      for i = 1, 800 do subsets[i] = regions[i] end
      local function new() return E.forest { trees = 10, seed = 1 } end
      local m = moe.mixture {
        experts = { r1 = new(), r2 = new(), r3 = new() },
        gate = G.knn { method = method, k = 9 },
      }
      m:fit(train, { subsets = subsets })
      local probs, found = m:route(test).probs, 0
      for i = 1, #test do
        local p = { r1 = probs:get(i, 1), r2 = probs:get(i, 2), r3 = probs:get(i, 3) }
        local own = p[regions[800 + i]]
        if own >= math.max(p.r1, p.r2, p.r3) then found = found + 1 end
      end
      assert.is_true(found / #test > 0.93, tostring(found / #test))
      assert.is_true(m:score(test) > 0.93, tostring(m:score(test)))
    end)
  end

  it("says for a class what the experts' answers to it were worth", function()
    local rows, likely = data.scores(200)
    local gate = G.knn { calibrate = true }
    gate:fit(rows, likely)
    local out, better = gate:forward(rows), 0
    for i = 1, #rows do
      if (out:get(i, 1) > 0.5) == (likely[i][1] > likely[i][2]) then better = better + 1 end
    end
    assert.is_true(better / #rows > 0.85, tostring(better / #rows))
  end)
end)
