-- Batches: which rows, in which order, of which kind.
local moe = require "moe"
local loader = moe.data.loader

local function column(t) return t:reshape(-1):totable() end

describe("moe.data.loader", function()
  local X, y = moe.tensor { { 1 }, { 2 }, { 3 }, { 4 }, { 5 } }, { "a", "b", "c", "d", "e" }

  it("gives the rows in order, the last batch shorter", function()
    local seen, sizes = {}, {}
    for rows, labels in loader { X = X, y = y, batch = 2 } do
      sizes[#sizes + 1] = #rows
      for i, x in ipairs(column(rows)) do
        seen[#seen + 1] = x
        assert.equal(y[x], labels[i])
      end
    end
    assert.same({ 1, 2, 3, 4, 5 }, seen)
    assert.same({ 2, 2, 1 }, sizes)
  end)

  it("leaves out what fills no batch with drop_last", function()
    local n, batches = 0, loader { X = X, batch = 2, drop_last = true }
    for rows, labels in batches do
      n = n + #rows
      assert.is_nil(labels)
    end
    assert.equal(4, n)
    assert.equal(2, batches:count())
    assert.equal(3, loader({ X = X, batch = 2 }):count())
  end)

  it("shuffles each pass anew, by the seed alone", function()
    local function passes(seed)
      local all, eight = {}, moe.tensor { { 1 }, { 2 }, { 3 }, { 4 }, { 5 }, { 6 }, { 7 }, { 8 } }
      local batches = loader { X = eight, batch = 3, shuffle = true, seed = seed }
      for pass = 1, 3 do
        all[pass] = {}
        for rows in batches do
          for _, x in ipairs(column(rows)) do table.insert(all[pass], x) end
        end
      end
      return all
    end
    local all = passes(1)
    assert.same(all, passes(1))
    assert.are_not.same(all, passes(2))
    assert.are_not.same(all[1], all[2])
    for _, pass in ipairs(all) do
      table.sort(pass)
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, pass)
    end
  end)

  it("begins anew after a break with rewind", function()
    local batches = loader { X = X, batch = 2 }
    batches()
    local first = (batches:rewind())()
    assert.same({ 1, 2 }, column(first))
  end)

  it("takes tables, arrays, weights and no rows", function()
    local t = moe.data.make_moons { rows = 10, seed = 1 }
    local all = { X = t, y = t:column(t.target), weights = moe.ones(10), batch = 4 }
    for rows, labels, weights in loader(all) do
      assert.equal(#rows, #labels)
      assert.equal(#rows, #weights)
    end
    for rows in loader { X = { { 1 }, { 2 } }, batch = 1 } do assert.equal(1, #rows) end
    for _ in loader { X = {} } do error "no batch" end
  end)

  it("refuses unequal lengths and unknown options", function()
    assert.error_matches(function() loader { X = X, y = { 1 } } end, "5 rows of X, but 1 of y")
    assert.error_matches(function() loader { X = X, size = 3 } end, "unknown option 'size'")
    assert.error_matches(function() loader {} end, "'X' must be")
  end)
end)
