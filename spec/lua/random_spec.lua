-- The generator in Lua that is the same under every Lua.
local random = require "moe.random"

describe("the generator in Lua", function()
  -- L'Ecuyer's two multipliers and moduli, and the mixing of the seed, in whole
  -- numbers of Python.
  it("gives the same numbers everywhere", function()
    local r = random(42)
    local found = {}
    for i = 1, 3 do found[i] = ("%.15g"):format(r:uniform()) end
    assert.same({ "0.528897156685711", "0.93653052072278", "0.82619526550481" }, found)
  end)

  it("stays between 0 and 1, with the mean and variance of uniform numbers", function()
    local r, sum, squares = random(1), 0, 0
    for _ = 1, 10000 do
      local u = r:uniform()
      assert.is_true(u > 0 and u < 1)
      sum, squares = sum + u, squares + u * u
    end
    -- 1/2 ± 0.0029 and 1/3 ± 0.003 of 10000 draws
    assert.is_true(math.abs(sum / 10000 - 1 / 2) < 0.015)
    assert.is_true(math.abs(squares / 10000 - 1 / 3) < 0.015)
  end)

  it("gives neighbouring seeds and streams numbers that do not resemble", function()
    for _, pair in ipairs { { { 1 }, { 2 } }, { { 0, 1 }, { 0, 2 } }, { { 3, 4 }, { 4, 3 } } } do
      local a, b = random(pair[1][1], pair[1][2]), random(pair[2][1], pair[2][2])
      local sum = 0
      for _ = 1, 4000 do sum = sum + (a:uniform() - 0.5) * (b:uniform() - 0.5) end
      -- a correlation of 0 ± 0.016
      assert.is_true(math.abs(sum / 4000 * 12) < 0.08)
    end
    local first, seen = {}, 0
    for stream = 1, 1000 do first[stream] = random(7, stream):uniform() end
    for _, u in ipairs(first) do seen = seen + (u < 0.5 and 1 or 0) end
    assert.is_true(math.abs(seen - 500) < 80)
  end)

  it("takes any seed up to 2^53", function()
    for _, seed in ipairs { 0, 2 ^ 31, 2 ^ 53 - 1, 2 ^ 53 } do
      local u = random(seed, 3):uniform()
      assert.is_true(u > 0 and u < 1)
    end
  end)

  it("permutes, favouring no place", function()
    local r, times = random(5), {}
    for _ = 1, 3000 do
      local seen = {}
      local order = r:permutation(5)
      for _, i in ipairs(order) do seen[i] = true end
      assert.same({ true, true, true, true, true }, seen)
      times[order[1]] = (times[order[1]] or 0) + 1
    end
    for i = 1, 5 do assert.is_true(math.abs(times[i] - 600) < 110) end -- 600 ± 22
  end)
end)
