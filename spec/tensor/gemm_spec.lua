-- The matrix product: every backend that is here against plain loops, in all
-- transpositions; the choice of a backend.
local moe = require "moe"
local core = require "moe.core"

local sizes = { 0, 1, 7, 8, 9, 31, 65 }

-- A·B summed in doubles, and the same of absolute values, which errors are
-- measured against.
local function plain_product(a, b, m, n, k)
  local sums, magnitudes = {}, {}
  a, b = a:totable(), b:totable()
  for i = 1, m do
    sums[i], magnitudes[i] = {}, {}
    for j = 1, n do
      local sum, magnitude = 0, 0
      for p = 1, k do
        local x = a[i][p] * b[p][j]
        sum, magnitude = sum + x, magnitude + math.abs(x)
      end
      sums[i][j], magnitudes[i][j] = sum, magnitude
    end
  end
  return moe.tensor(sums):reshape(m, n), moe.tensor(magnitudes):reshape(m, n)
end

-- The largest difference in units of the last place of `magnitude`.
local function worst_error(got, want, magnitude)
  if got:size(1) * got:size(2) == 0 then return 0 end
  return ((got - want):abs() / (magnitude + 1e-30)):max() * 2 ^ 24
end

-- The backends that are here; MOE_KERNELS leaves one, for tools that cannot
-- follow code made while running.
local function available()
  local names = {}
  for _, name in ipairs { "portable", "cblas", "onednn" } do
    local wanted = (os.getenv "MOE_KERNELS" or name) == name
    if wanted and pcall(core._replace_backend, name) then names[#names + 1] = name end
  end
  core._replace_backend "auto"
  return names
end

-- Calls `check` with every combination of sizes that is not too large for plain
-- loops.
local function for_sizes(check)
  for _, m in ipairs(sizes) do
    for _, n in ipairs(sizes) do
      for _, k in ipairs(sizes) do
        if m * n * k <= 9000 then check(m, n, k) end
      end
    end
  end
end

describe("a matrix product", function()
  local backends = available()
  after_each(function() core._replace_backend "auto" end)

  it("is that of plain loops for every backend, size and transposition", function()
    local count = 0
    for_sizes(function(m, n, k)
      local a, b = moe.randn(m, k, { seed = m + 1 }), moe.randn(k, n, { seed = n + 2 })
      local before = moe.randn(m, n + 2, { seed = k + 3 })
      local kept = before:transpose():rows(1, n):transpose()
      local sum, magnitude = plain_product(a, b, m, n, k)
      for flags = 0, 3 do
        local transa, transb = flags % 2 == 1, flags >= 2
        count = count + 1
        local alpha, beta = count % 3 == 0 and 0.75 or 1, ({ 0, 1, -0.5 })[count % 5 % 3 + 1]
        local want, scale = sum * alpha + kept * beta, magnitude + kept:abs()
        for _, name in ipairs(backends) do
          core._replace_backend(name)
          local c = core._product(transa and a:transpose() or a, transb and b:transpose() or b,
            transa, transb, alpha, beta, before:clone()):transpose()
          local worst = worst_error(c:rows(1, n):transpose(), want, scale)
          if worst ~= worst or worst > 16 then
            error(("%s: %d×%d×%d, %d, is off by %g"):format(name, m, n, k, flags, worst))
          end
          assert.is_true(c:rows(n + 1) == before:transpose():rows(n + 1))
        end
      end
    end)
    assert.is_true(count > 600)
  end)

  it("sums long rows in slabs and blocks that fit together", function()
    -- Integers up to 3 and sums below 2^24 are exact in any order.
    local shapes =
      { { 65, 40, 700 }, { 1, 600, 530 }, { 600, 1, 530 }, { 5, 33, 257 }, { 8, 540, 260 } }
    for _, shape in ipairs(shapes) do
      local m, n, k = shape[1], shape[2], shape[3]
      local a, b = moe.zeros(m, k), moe.zeros(k, n)
      for i = 1, m do
        for p = 1, k do a:set(i, p, (i * 7 + p * 3) % 7 - 3) end
      end
      for p = 1, k do
        for j = 1, n do b:set(p, j, (p * 5 + j) % 5 - 2) end
      end
      local x, y = a:totable(), b:totable()
      for _, name in ipairs(backends) do
        core._replace_backend(name)
        local c = a:matmul(b)
        for _, i in ipairs { 1, math.ceil(m / 2), m } do
          for j = 1, n do
            local sum = 0
            for p = 1, k do sum = sum + x[i][p] * y[p][j] end
            assert.equal(sum, c:get(i, j))
          end
        end
      end
    end
  end)

  it("does not read C when beta is 0", function()
    local nan = moe.ones(9, 7) * (0 / 0)
    for _, name in ipairs(backends) do
      core._replace_backend(name)
      for _, k in ipairs { 0, 5 } do
        local c = core._product(moe.ones(9, k), moe.ones(k, 7), false, false, 1, 0, nan:clone())
        assert.is_true(c == moe.ones(9, 7) * k)
      end
    end
  end)

  it("gives a row alone the bits that it has among others, when portable", function()
    core._replace_backend "portable"
    local a, b = moe.randn(20, 300, { seed = 1 }), moe.randn(300, 50, { seed = 2 })
    local all = a:matmul(b)
    for i = 1, 20 do assert.is_true(a:rows(i, i):matmul(b) == all:rows(i, i)) end
    assert.is_true(a:rows(3, 11):matmul(b) == all:rows(3, 11))
  end)

  it("has the same bits for any number of threads", function()
    local a, b = moe.randn(700, 40, { seed = 1 }), moe.randn(40, 30, { seed = 2 })
    local threads = moe.threads()
    for _, name in ipairs(backends) do
      core._replace_backend(name)
      moe.set_threads(1)
      local one = a:matmul(b)
      moe.set_threads(2)
      local two = a:matmul(b)
      moe.set_threads(threads)
      assert.is_true(one == two)
    end
  end)
end)

describe("the backend", function()
  after_each(function() core._replace_backend "auto" end)

  it("is one that is here, and stays after the first product", function()
    moe.ones(2, 2):matmul(moe.ones(2, 2))
    local name = moe.backend()
    assert.is_true(name == "cblas" or name == "portable")
    moe.load_backend(name)
    local other = name == "cblas" and "portable" or "cblas"
    assert.has_error(function() moe.load_backend(other) end,
      ("load_backend: '%s' comes too late, products have been made with '%s'; "
        .. "choose before the first one"):format(other, name))
    assert.equal(name, moe.backend())
  end)

  it("refuses names that it does not know, with those that it does", function()
    assert.has_error(function() moe.load_backend "mkl" end,
      "load_backend: no backend 'mkl'; there are 'portable', 'cblas', 'onednn', "
        .. "'auto' and 'fastest'")
    assert.has_error(function() moe.load_backend(nil) end)
  end)

  it("can be chosen for a process before the first product", function()
    local interpreter = arg and arg[-1]
    for i = -1, -9, -1 do interpreter = arg[i] or interpreter end
    local function run(environment, script)
      local pipe = io.popen(('%s "%s" -e \'%s\' 2>&1'):format(environment, interpreter, script))
      local out = pipe:read "*a"
      pipe:close()
      return (out:gsub("%s+$", ""))
    end
    local product = 'local moe = require "moe"; moe.ones(2, 2):matmul(moe.ones(2, 2)) '
    assert.equal("portable", run("MOE_KERNELS=portable", product .. "print(moe.backend())"))
    assert.equal("portable", run("MOE_KERNELS=",
      'require "moe".load_backend "portable" ' .. product .. "print(moe.backend())"))
    assert.matches("MOE_KERNELS: load_backend: no backend 'mkl'", run("MOE_KERNELS=mkl", product))
  end)
end)
