-- m:report(X, y): what a mixture is worth beside other ways to use its experts.
-- Expected figures are counted by hand.
local moe = require "moe"
local near = require "spec.support.near"

local E = moe.experts
local number = near.within(1e-6)

-- Expert a says x for every row, b says y; so a is right where x is true.
local function sayers(options)
  local all = {
    experts = { a = E.constant {}, b = E.constant {} }, task = "classification",
    gate = moe.gates.softmax { l2 = 0.01 },
  }
  for name, value in pairs(options or {}) do all[name] = value end
  local X, y, subsets = {}, {}, {}
  for i = 1, 40 do
    local left = i % 2 == 1
    X[i], y[i], subsets[i] = { left and -1 or 1, i % 7 }, left and "x" or "y", left and "a" or "b"
  end
  return moe.mixture(all):fit(X, y, { subsets = subsets })
end

local valid = {
  X = { { -1, 0 }, { -1, 1 }, { -1, 2 }, { 1, 0 }, { 1, 1 }, { 1, 2 } },
  y = { "x", "x", "y", "y", "y", "y" },
}

describe("report", function()
  it("tells of each expert its share of the rows, its score there, and its worth", function()
    local m = sayers { top_k = 1 }
    local X, y = { { -1, 0 }, { -1, 3 }, { -1, 5 }, { 1, 2 } }, { "x", "x", "y", "y" }
    local r = m:report(X, y)
    number(3 / 4, r.mixture)
    number(3 / 4, r.shares.a)
    number(1 / 4, r.shares.b)
    number(2 / 3, r.own_scores.a)
    number(1, r.own_scores.b)
    number(3 / 4 - 2 / 4, r.losses.a) -- b alone is right on two rows of four
    number(3 / 4 - 2 / 4, r.losses.b)
    local none = m:report({ { 1, 2 } }, { "y" })
    assert.is_nil(none.own_scores.a)
    number(0, none.losses.a)
    number(1, none.losses.b)
  end)

  it("answers without an expert as the mixture would by the others", function()
    local X, y = {}, {}
    for i = 1, 60 do
      X[i] = { (i % 10) / 5 - 1, (i % 7) / 3 - 1 }
      y[i] = X[i][1] > 0 and X[i][2] or 2 * X[i][1]
    end
    local m = moe.mixture { experts = { a = E.linear {}, b = E.tree { max_depth = 2 } } }
    m:fit(X, y)
    local r = m:report(X, y)
    number(r.mixture - r.experts.b, r.losses.a)
    number(r.mixture - r.experts.a, r.losses.b)
    number(1, r.shares.a + r.shares.b)
  end)

  it("has baselines that need no gate", function()
    local m = sayers()
    local X, y = { { -1, 0 }, { -1, 3 }, { -1, 5 }, { 1, 2 } }, { "x", "x", "y", "y" }
    local r = m:report(X, y)
    number(2 / 4, r.vote) -- a tie everywhere: x comes first
    assert.is_nil(r.weighted)
    assert.is_nil(r.knora_e)
    r = m:report(X, y, { valid = valid, k = 3 })
    number(2 / 4, r.weighted) -- a is right on 2 of 6 known rows, b on 4: always y
    -- the two nearest to the first row are x, the nearest to the others y
    number(3 / 4, r.knora_u)
    number(3 / 4, r.knora_e)
    for _, word in ipairs { "KNORA%-E", "majority vote", "lost without it", "weighted" } do
      assert.truthy(tostring(r):find(word), word)
    end
  end)

  it("eliminates experts as the neighbourhood shrinks", function()
    local m = sayers()
    -- of the two rows nearest to { -1, 2 } the nearer is a y, the other an x: neither
    -- expert is right on both, so that b remains; a vote is a tie
    local r = m:report({ { -1, 2 } }, { "y" }, { valid = valid, k = 2 })
    number(1, r.knora_e)
    number(0, r.knora_u)
  end)

  it("has the same for numbers", function()
    local m = moe.mixture {
      experts = { a = E.constant {}, b = E.constant {}, c = E.constant {} },
    }
    local X, y, subsets = {}, {}, {}
    for i = 1, 30 do
      local third = i % 3
      X[i], y[i], subsets[i] = { third }, 10 * third, ({ [0] = "a", "b", "c" })[third]
    end
    m:fit(X, y, { subsets = subsets })
    local known = { X = { { 0 }, { 0.1 }, { 1 }, { 1.1 } }, y = { 1, 1, 9, 9 } }
    local r = m:report({ { 0 }, { 1 } }, { 1, 9 }, { valid = known, k = 2 })
    number(1 - (9 ^ 2 + 1) / 32, r.vote) -- the median of 0, 10 and 20 is 10
    number(1 - (1 + 1) / 32, r.nearest_best) -- 0 near 0, 10 near 1
    local wa, wb, wc = 1, 1 / 81, 1 / 361 -- near 0: one over the squared errors
    local near_0 = (10 * wb + 20 * wc) / (wa + wb + wc)
    wa, wb, wc = 1 / 81, 1, 1 / 121
    local near_1 = (10 * wb + 20 * wc) / (wa + wb + wc)
    number(1 - ((near_0 - 1) ^ 2 + (near_1 - 9) ^ 2) / 32, r.nearest_weighted, 1e-5)
    wa, wb, wc = 2 / (1 + 81), 2 / (81 + 1), 2 / (361 + 121)
    local always = (10 * wb + 20 * wc) / (wa + wb + wc)
    number(1 - ((always - 1) ^ 2 + (always - 9) ^ 2) / 32, r.weighted, 1e-5)
    assert.truthy(tostring(r):find "median")
  end)

  it("refuses options that it does not know", function()
    local m = sayers()
    assert.has_error(function() m:report({ { -1, 0 } }, { "x" }, { valid = 1 }) end)
    assert.has_error(function() m:report({ { -1, 0 } }, { "x" }, { k = 0 }) end)
    assert.has_error(function() m:report({ { -1, 0 } }, { "x" }, { kk = 1 }) end)
  end)
end)
