local moe = require "moe"
local near = require "spec.support.near"

local one_hot = moe.transforms.one_hot
local nan = 0 / 0

-- Expected values are the definition: 1 where a row has the level.
describe("one_hot", function()
  local function colours()
    return moe.data.table {
      columns = {
        size = { 1, nan, 3, 4 },
        colour = { "red", "blue", false, "red" },
        shape = { "ball", "Box", "ball", "ball" },
      },
      names = { "colour", "size", "shape" },
    }
  end

  it("makes one column a level, in byte order, numbers in their place", function()
    local t = one_hot {}
    local X = t:fit_transform(colours())
    assert.same({ "colour=blue", "colour=red", "size", "shape=Box", "shape=ball" }, t:names())
    assert.same(t:names(), X.names)
    near.rows({
      { 0, 1, 1, 0, 1 },
      { 1, 0, nan, 1, 0 },
      { 0, 0, 3, 0, 1 },
      { 0, 1, 4, 0, 1 },
    }, X:totable(), 0)
    assert.same({ colour = { "blue", "red" }, shape = { "Box", "ball" } }, t:info().levels)
  end)

  it("learns the levels of the rows that it is given, not of their table", function()
    local t = one_hot { columns = { "colour" } }:fit(colours():rows(1, 1))
    assert.same({ "colour=red", "size" }, t:names())
  end)

  it("leaves out the nominal columns that `columns` does not name", function()
    local t = one_hot { columns = { "shape" } }
    local X = t:fit_transform(colours())
    near.rows({ { 1, 0, 1 }, { nan, 1, 0 }, { 3, 0, 1 }, { 4, 0, 1 } }, X:totable(), 0)
    assert.same({ "size", "shape=Box", "shape=ball" }, t:names())
  end)

  it("refuses columns that are not there, or hold numbers", function()
    assert.error_matches(function()
      one_hot { columns = { "color" } }:fit(colours())
    end, "did you mean 'colour'")
    assert.error_matches(function()
      one_hot { columns = { "size" } }:fit(colours())
    end, "'size'.*holds numbers")
  end)

  it("takes an unknown level for missing, or refuses it by row and column", function()
    local t = one_hot {}:fit(colours())
    local x = { colour = "green", size = 2, shape = "ball" }
    near.rows({ { 0, 0, 2, 0, 1 } }, t:transform_one(x):totable(), 0)
    t:set_params { handle_unknown = "refuse" }
    assert.error_matches(function() t:transform_one(x) end, "row 1, column 'colour'")
    near.rows({ { 0, 0, 2, 0, 1 } }, t:transform_one({ size = 2, shape = "ball" }):totable(), 0)
    assert.equal(4, t:transform(colours()).shape[1])
  end)

  it("gives sparse rows when asked, with the same numbers and names", function()
    local t = one_hot { sparse = true, columns = { "colour" } }
    local rows = colours():select { "colour" }
    local X = t:fit_transform(rows)
    assert.same({ "colour=blue", "colour=red" }, X.names)
    assert.same(one_hot {}:fit_transform(rows):totable(), X:dense():totable())
  end)

  it("passes a matrix of numbers on", function()
    assert.same({ { 1, 2 }, { 3, 4 } }, one_hot {}:fit_transform({ { 1, 2 }, { 3, 4 } }):totable())
  end)

  it("makes nothing of a column without a value, and refuses to make nothing at all", function()
    local t = moe.data.table { columns = { a = { "x", "y" }, b = { "z", "z" } } }
    local empty = moe.data.parse_csv("a,b\nx,\ny,\n", { categorical = { "b" } })
    assert.same({ "a=x", "a=y" }, one_hot {}:fit(empty):names())
    near.rows({ { 1, 0 }, { 0, 1 } }, one_hot {}:fit(empty):transform(t):totable(), 0)
    assert.error_matches(function() one_hot {}:fit(empty:select { "b" }) end, "0 columns")
  end)

  it("refuses two columns of one name", function()
    local t = moe.data.table { columns = { ["a=x"] = { 1, 2 }, a = { "x", "y" } } }
    assert.error_matches(function() one_hot {}:fit(t) end, "two columns 'a=x'")
  end)

  it("refuses sparse data", function()
    assert.error_matches(function()
      one_hot {}:fit(moe.sparse { { [1] = 1 }, columns = 2 })
    end, "sparse")
  end)
end)
