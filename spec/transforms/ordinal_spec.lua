local moe = require "moe"
local near = require "spec.support.near"

local ordinal = moe.transforms.ordinal
local nan = 0 / 0

-- Expected values are the definition: a level's place in byte order, from 0.
describe("ordinal", function()
  local function t()
    return moe.data.table {
      columns = {
        size = { "S", "XL", false, "L" },
        x = { 1, 2, 3, nan },
        note = { "a", "b", "c", "d" },
      },
      names = { "size", "x", "note" },
    }
  end

  it("numbers the levels in byte order, numbers in their place", function()
    local o = ordinal {}
    local X = o:fit_transform(t())
    near.rows({ { 1, 1, 0 }, { 2, 2, 1 }, { nan, 3, 2 }, { 0, nan, 3 } }, X:totable(), 0)
    assert.same({ "size", "x", "note" }, o:names())
    assert.same({ "L", "S", "XL" }, o:info().levels.size)
  end)

  it("leaves out the nominal columns that `columns` does not name", function()
    local o = ordinal { columns = { "size" } }
    near.rows({ { 1, 1 }, { 2, 2 }, { nan, 3 }, { 0, nan } }, o:fit_transform(t()):totable(), 0)
    assert.same({ "size", "x" }, o:names())
  end)

  it("takes unknown levels for missing", function()
    local o = ordinal {}:fit(t())
    near.rows({ { nan, 5, 1 } }, o:transform_one({ size = "M", x = 5, note = "b" }):totable(), 0)
  end)

  it("keeps a column without any value", function()
    local empty = moe.data.parse_csv("a,b\nx,\ny,\n", { categorical = { "b" } })
    near.rows({ { 0, nan }, { 1, nan } }, ordinal {}:fit_transform(empty):totable(), 0)
  end)
end)
