-- Arithmetic on whole tensors against plain loops over odd sizes.
local moe = require "moe"
local near = require("spec.support.near").within(1e-6)

local sizes = { 0, 1, 7, 8, 9, 31, 65 }

local function refuses(message, f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  assert.equal(message, (tostring(text):gsub("^[^:]*:%d+: ", "")))
end

-- Item {i, j, k} of x seen through the broadcast rule.
local function item(x, shape, i, j, k)
  return x:get(math.min(i, shape[1]), math.min(j, shape[2]), math.min(k, shape[3]))
end

describe("arithmetic", function()
  local operations = {
    add = function(a, b) return a + b end,
    sub = function(a, b) return a - b end,
    mul = function(a, b) return a * b end,
    div = function(a, b) return a / b end,
    pow = function(a, b) return a ^ b end,
  }

  it("is item by item for equal shapes of any size, and for numbers on either side", function()
    for _, n in ipairs(sizes) do
      local a = moe.randn(n, { seed = n }):abs() + 0.1
      local b = moe.randn(n, { seed = n + 100 })
      for _, f in pairs(operations) do
        local c, left, right = f(a, b), f(2, b), f(a, 2)
        for i = 1, n do
          near(f(a[i], b[i]), c[i], 1e-6)
          near(f(2, b[i]), left[i], 1e-6)
          near(f(a[i], 2), right[i], 1e-6)
        end
      end
    end
  end)

  it("takes a length of 1 for every row, column or matrix", function()
    local shapes = {
      { 4, 3, 5 }, { 1, 3, 5 }, { 4, 1, 5 }, { 4, 3, 1 }, { 1, 1, 5 }, { 4, 1, 1 }, { 1, 3, 1 },
      { 1, 1, 1 },
    }
    for s, left in ipairs(shapes) do
      for r, right in ipairs(shapes) do
        local a, b = moe.randn(left, { seed = s }), moe.randn(right, { seed = r + 50 })
        local c = a - b
        for d = 1, 3 do assert.equal(math.max(left[d], right[d]), c:size(d)) end
        for i = 1, c:size(1) do
          for j = 1, c:size(2) do
            for k = 1, c:size(3) do
              near(item(a, left, i, j, k) - item(b, right, i, j, k), c:get(i, j, k), 1e-6)
            end
          end
        end
      end
    end
  end)

  it("reads shapes from their ends", function()
    local t = moe.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ { 11, 22, 33 }, { 14, 25, 36 } }, (t + moe.tensor { 10, 20, 30 }):totable())
    assert.same({ { 11, 12, 13 }, { 24, 25, 26 } }, (moe.tensor { { 10 }, { 20 } } + t):totable())
    assert.same({ 2, 2, 3 }, (moe.zeros(2, 1, 1) + t).shape)
    assert.same({ 0, 3 }, (moe.zeros(0, 3) + moe.zeros(1, 3)).shape)
  end)

  it("has negation, exp, log, sqrt and abs", function()
    for _, n in ipairs(sizes) do
      local t = moe.randn(n, { seed = n })
      local minus, exp, abs = -t, t:exp(), t:abs()
      local log, sqrt = abs:log(), abs:sqrt()
      for i = 1, n do
        assert.equal(-t[i], minus[i])
        assert.equal(math.abs(t[i]), abs[i])
        near(math.exp(t[i]), exp[i], 1e-6)
        near(math.log(abs[i]), log[i], 1e-6)
        near(math.sqrt(abs[i]), sqrt[i], 1e-6)
      end
    end
  end)

  it("follows IEEE 754 where numbers end", function()
    local t = moe.tensor { 1, -1, 0 } / 0
    assert.equal(math.huge, t[1])
    assert.equal(-math.huge, t[2])
    assert.is_true(t[3] ~= t[3])
    assert.equal(-math.huge, moe.zeros(1):log()[1])
  end)

  it("leaves its operands alone", function()
    local a, b = moe.tensor { 1, 2 }, moe.tensor { 3, 4 }
    assert.is_not_nil((a + b) * (a * 2) / -a ^ 2 - a:exp())
    assert.same({ { 1, 2 }, { 3, 4 } }, { a:totable(), b:totable() })
  end)

  it("refuses shapes that do not fit, index tensors and other values", function()
    local t = moe.ones(2, 3)
    refuses("add: shapes 2×3 and 4 do not fit", function() return t + moe.ones(4) end)
    refuses("multiply: shapes 2×3 and 3×2 do not fit", function() return t * moe.ones(3, 2) end)
    refuses("subtract: operand 2 must be a tensor or a number, got a string",
      function() return t - "1" end)
    refuses("power: operand 1 must be a tensor or a number, got a table",
      function() return {} ^ t end)
    refuses("divide: an index tensor (int32) takes no arithmetic; use t:float()",
      function() return 1 / t:int() end)
    refuses("exp: an index tensor (int32) takes no arithmetic; use t:float()",
      function() return t:int():exp() end)
  end)
end)

describe("a reduction", function()
  -- What plain loops make of dimension `dim` of a matrix: one list a result.
  local function lists(t, dim)
    local out = {}
    for i, row in t:iter() do
      for j, x in row:iter() do
        local at = dim == 1 and j or i
        out[at] = out[at] or {}
        out[at][#out[at] + 1] = x
      end
    end
    return out
  end

  local function sum(list)
    local total = 0
    for _, x in ipairs(list) do total = total + x end
    return total
  end

  it("over a dimension is that of plain loops", function()
    for _, n in ipairs(sizes) do
      for _, m in ipairs(sizes) do
        if n > 0 and m > 0 then
          local t = moe.randn(n, m, { seed = n * 100 + m })
          for dim = 1, 2 do
            local sums, means, most, least, where =
              t:sum(dim), t:mean(dim), t:max(dim), t:min(dim), t:argmax(dim)
            for i, list in ipairs(lists(t, dim)) do
              near(sum(list), sums[i], 1e-6)
              near(sum(list) / #list, means[i], 1e-6)
              assert.equal(math.max((table.unpack or unpack)(list)), most[i])
              assert.equal(math.min((table.unpack or unpack)(list)), least[i])
              assert.equal(most[i], list[where[i]])
            end
          end
        end
      end
    end
  end)

  it("over everything is a number", function()
    for _, n in ipairs(sizes) do
      local t = moe.randn(n, { seed = n })
      near(sum(t:totable()), t:sum(), 1e-12)
      if n > 0 then
        near(sum(t:totable()) / n, t:mean(), 1e-12)
        assert.equal(math.max((table.unpack or unpack)(t:totable())), t:max())
        assert.equal(t:max(), t[t:argmax()])
        assert.equal(-((-t):max()), t:min())
      end
    end
  end)

  it("drops its dimension, or keeps it at length 1", function()
    local t = moe.ones(2, 3, 4)
    assert.same({ 2, 4 }, t:sum(2).shape)
    assert.same({ 2, 1, 4 }, t:sum(2, true).shape)
    assert.equal(2, t:sum(1):get(3, 4))
    assert.equal(6, moe.tensor({ 1, 2, 3 }):sum(1))
    assert.equal(3, moe.tensor({ 1, 2, 3 }):argmax(1))
    assert.equal("int32", t:argmax(3).dtype)
  end)

  it("sums in double: ten million times 0.1 keeps six digits", function()
    -- float32(0.1) = 13421773 / 2^27, and so is the exact mean.
    local t = moe.zeros(1000, 1000) + 0.1
    near(13421773 / 2 ^ 27 * 1e6, t:sum(), 1e-12)
    near(13421773 / 2 ^ 27, t:mean(1)[1], 1e-7)
  end)

  it("sees NaN, and of equals takes the first", function()
    local t = moe.tensor { { 1, 5, 5 }, { 2, 0 / 0, 1 } }
    assert.same({ 2, 2 }, t:argmax(2):totable())
    assert.same({ 2, 2, 1 }, t:argmax(1):totable())
    assert.equal(5, t:argmax())
    for _, x in ipairs { t:max(), t:min(), t:sum(), t:max(2)[2], t:min(1)[2] } do
      assert.is_true(x ~= x)
    end
    assert.equal(5, t:max(2)[1])
  end)

  it("of nothing is 0 for the sum, and refused otherwise", function()
    local t = moe.zeros(0, 3)
    assert.equal(0, t:sum())
    assert.same({ 0, 0, 0 }, t:sum(1):totable())
    assert.same({ 0 }, t:max(2).shape)
    for _, name in ipairs { "mean", "max", "min", "argmax" } do
      refuses(name .. ": at least one item is needed, the shape is 0×3", t[name], t)
      refuses(name .. ": at least one item is needed, the shape is 0×3", t[name], t, 1)
      refuses(name .. ": dimension must be an integer in [1, 2], got 3", t[name], t, 3)
      refuses(name .. ": an index tensor (int32) takes no arithmetic; use t:float()",
        t[name], moe.ones(2):int())
    end
  end)
end)

describe("a product", function()
  it("takes a single dimension as a row on the left and a column on the right", function()
    local t, v = moe.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }, moe.tensor { 1, 10 }
    assert.same({ 21, 43, 65 }, t:matmul(v):totable())
    assert.same({ 22, 28 }, moe.tensor({ 1, 2, 3 }):matmul(t):totable())
    assert.same({ 101 }, v:matmul(v):totable())
    assert.equal(101, v:dot(v))
  end)

  it("of all items is summed in double", function()
    for _, n in ipairs(sizes) do
      local a, b = moe.randn(n, { seed = 1 }), moe.randn(n, { seed = 2 })
      local sum = 0
      for i = 1, n do sum = sum + a[i] * b[i] end
      near(sum, a:dot(b), 1e-12)
    end
  end)

  it("names the columns of its result as those on the right", function()
    local b = moe.ones(3, 2)
    b.names = { "u", "v" }
    assert.same({ "u", "v" }, moe.ones(4, 3):matmul(b).names)
  end)

  it("refuses shapes that do not fit", function()
    local t = moe.ones(2, 3)
    refuses("matmul: shapes 2×3 and 2×3 do not fit", t.matmul, t, t)
    refuses("matmul: shapes 2×3 and 1×2×3 do not fit", t.matmul, t, moe.ones(1, 2, 3))
    refuses("matmul: an index tensor (int32) takes no arithmetic; use t:float()",
      t.matmul, t, moe.ones(3, 1):int())
    refuses("dot: shapes 2×3 and 3×2 differ", t.dot, t, moe.ones(3, 2))
  end)
end)
