local moe = require "moe"
local near = require "spec.support.near"

local scaler = moe.transforms.standard_scaler
local nan = 0 / 0

-- Expected values: scikit-learn 1.2.1, StandardScaler, unless a comment says
-- otherwise.
describe("standard_scaler", function()
  local X = { { 1, 10, 0.5 }, { 2, 10, nan }, { 4, 10, 2.25 }, { 8, 10, -1 } }

  it("gives mean 0 and population deviation 1, missing values not counted", function()
    local s = scaler {}
    near.rows({
      { -1.025755289064345, 0, -0.06274558051381587 },
      { -0.6527533657682196, 0, nan },
      { 0.09325048082403138, 0, 1.254911610276317 },
      { 1.5852581740085334, 0, -1.1921660297625012 },
    }, s:fit_transform(X):totable())
    near.rows({ { 3.75, 10, 0.5833333333333334 } }, { s:info().mean }, 1e-15)
    near.rows({ { 2.680951323690902, 1, 1.3281147875424357 } }, { s:info().deviation }, 1e-15)
  end)

  it("leaves the mean or the deviation alone when asked", function()
    local pair = { { 4 }, { 8 } }
    near.rows({ { -2 }, { 2 } }, scaler { with_std = false }:fit_transform(pair):totable())
    near.rows({ { 2 }, { 4 } }, scaler { with_mean = false }:fit_transform(pair):totable())
  end)

  it("keeps what it was fitted with when parameters change afterwards", function()
    local s = scaler {}:fit { { 4 }, { 6 } }
    s:set_params { with_mean = false, with_std = false }
    assert.same({ { 1 } }, s:transform({ { 6 } }):totable())
  end)

  it("scales sparse data without centring it, zeros counted", function()
    local S = moe.sparse { { [1] = 1 }, { [3] = 2 }, { [1] = 3 }, {}, columns = 3 }
    local s = scaler { with_mean = false }
    near.rows({
      { 0.8164965809277261, 0, 0 },
      { 0, 0, 2.3094010767585034 },
      { 2.4494897427831783, 0, 0 },
      { 0, 0, 0 },
    }, s:fit_transform(S):dense():totable())
    near.rows({ { 1.224744871391589, 1, 0.8660254037844386 } }, { s:info().deviation }, 1e-15)
    local dense = { { 1, 0, 0 }, { 0, 0, 2 }, { 3, 0, 0 }, { 0, 0, 0 } }
    local same = scaler { with_mean = false }:fit(dense)
    near.rows({ same:info().deviation }, { s:info().deviation }, 1e-15)
  end)

  it("refuses to centre sparse data, naming the option", function()
    local S = moe.sparse { { [1] = 1 }, {}, columns = 1 }
    assert.error_matches(function() scaler {}:fit(S) end, "with_mean = false")
    local s = scaler {}:fit { { 1 }, { 3 } }
    assert.error_matches(function() s:transform(S) end, "with_mean = false")
  end)

  it("divides constant columns by 1 and subtracts exactly their value", function()
    local rows = {}
    for i = 1, 1000 do rows[i] = { 0.1 } end
    local out = scaler {}:fit_transform(rows)
    for i = 1, 1000 do assert.equal(0, out:get(i, 1)) end
  end)

  it("takes a column without any value: it stays missing", function()
    local s = scaler {}
    near.rows({ { nan, -1 }, { nan, 1 } }, s:fit_transform({ { nan, 1 }, { nan, 3 } }):totable())
    near.rows({ { 5, 0 } }, s:transform({ { 5, 2 } }):totable())
  end)

  -- Closed forms: of the values −a and a, the mean is 0 and the deviation a.
  it("neither over- nor underflows, and gives nothing but numbers", function()
    for _, a in ipairs { 1.7e308, 1e-300, 4e-320 } do
      local s = scaler {}
      near.rows({ { -1 }, { 1 } }, s:fit_transform({ { -a }, { a } }):totable(), 1e-4)
    end
    local s = scaler {}:fit { { 1 }, { 1 + 1e-15 } }
    local z = s:transform { { 1e308 }, { -1e308 } }
    assert.is_true(z:get(1, 1) > 1e38 and z:get(1, 1) < math.huge)
    assert.equal(-z:get(1, 1), z:get(2, 1))
    s = scaler {}:fit { { 1.7e308 }, { 1.7e308 }, { 1.6e308 } }
    near.rows({ { -71 } }, s:transform({ { -1.68e308 } }):totable(), 0.01)
  end)

  it("refuses strings, naming the column and what turns them into numbers", function()
    local t = moe.data.table { columns = { x = { 1, 2 }, kind = { "a", "b" } } }
    assert.error_matches(function() scaler {}:fit(t) end, "column 'kind' holds strings.*one_hot")
  end)
end)
