-- The multi-layer perceptron; its derivatives are in spec/engine/gradients.c, its
-- kernels in spec/engine/activation.c.
local moe = require "moe"
local core = require "moe.core"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-6)

local E = moe.experts

-- y = sin(3a) + b², which no line follows.
local function waves(n, seed)
  local u, X, y = data.uniform(seed or 3), {}, {}
  for i = 1, n do
    local a, b = 2 * u() - 1, 2 * u() - 1
    X[i], y[i] = { a, b }, math.sin(3 * a) + b * b
  end
  return X, y
end

-- Two classes that only a bent border tells apart.
local function rings(n, seed)
  local u, X, y = data.uniform(seed or 5), {}, {}
  for i = 1, n do
    local a, b = 2 * u() - 1, 2 * u() - 1
    X[i], y[i] = { a, b }, a * a + b * b < 0.5 and "in" or "out"
  end
  return X, y
end

local function rmse(model, X, y)
  local sum = 0
  for i, value in ipairs(model:predict(X)) do sum = sum + (value - y[i]) ^ 2 end
  return math.sqrt(sum / #y)
end

describe("mlp", function()
  it("follows a curve that a line does not", function()
    local X, y = waves(400)
    local Xt, yt = waves(200, 99)
    for _, activation in ipairs { "relu", "tanh", "gelu", "silu" } do
      local m = E.mlp { activation = activation, epochs = 300 }
      m:fit(X, y)
      assert.is_true(rmse(m, Xt, yt) < 0.06, activation .. " " .. rmse(m, Xt, yt))
    end
    local line = E.linear {}
    line:fit(X, y)
    assert.is_true(rmse(line, Xt, yt) > 0.25)
  end)

  it("comes back from a file with each activation", function()
    local X, y = waves(40)
    for _, type in ipairs(core.types()) do
      for _, p in ipairs(type.name == "mlp" and type.params or {}) do
        for _, activation in ipairs(p.name == "activation" and p.choices or {}) do
          local m = E.mlp { activation = activation, epochs = 2 }
          m:fit(X, y)
          assert.same(m:predict(X), assert(moe.undump(m:dump())):predict(X))
        end
      end
    end
  end)

  it("with several layers tells classes apart", function()
    local X, y = rings(400)
    local Xt, yt = rings(200, 99)
    local m = E.mlp { hidden = { 24, 12 } }
    m:fit(X, y)
    assert.is_true(m:score(Xt, yt) > 0.95, m:score(Xt, yt))
  end)

  it("without a bend to learn comes to the line of least squares", function()
    local X, y = data.plane(300, 3, 0.4)
    local m, line = E.mlp { hidden = { 8 }, epochs = 200 }, E.linear {}
    m:fit(X, y)
    line:fit(X, y)
    assert.is_true(rmse(m, X, y) < 1.2 * rmse(line, X, y))
  end)

  it("learns several targets, each in its own unit", function()
    local X, y = waves(300)
    local Y = {}
    for i, row in ipairs(X) do Y[i] = { 1e4 * y[i] + 5e6, 1e-4 * (row[1] - row[2]) } end
    local m = E.mlp { epochs = 300 }
    m:fit(X, moe.tensor(Y))
    local out = m:predict(X)
    local first, second = 0, 0
    for i = 1, #X do
      first = first + (out:get(i, 1) - Y[i][1]) ^ 2 / #X
      second = second + (out:get(i, 2) - Y[i][2]) ^ 2 / #X
    end
    assert.is_true(math.sqrt(first) < 0.08e4, math.sqrt(first))
    assert.is_true(math.sqrt(second) < 0.06e-4, math.sqrt(second))
  end)

  it("gives a row by itself the bits that it has among others", function()
    local X, y = waves(150)
    local m = E.mlp { hidden = { 30, 7 }, epochs = 5 }
    m:fit(X, y)
    for i, value in ipairs(m:predict(X)) do assert.equal(value, m:predict_one(X[i])) end
  end)

  it("learns from nothing, row by row, values far from 0", function()
    local X, y = waves(3000)
    local m, late, n = E.mlp { lr = 0.01 }, 0, 0
    assert.equal(0, m:predict_one(X[1]) or 0)
    for i = 1, #X do
      local target = 1000 + 50 * y[i]
      if i > 2000 then
        late, n = late + (m:predict_one(X[i]) - target) ^ 2, n + 1
      end
      m:learn_one(X[i], target)
    end
    assert.is_true(math.sqrt(late / n) < 20, math.sqrt(late / n)) -- of 40
  end)

  it("meets new classes as they come", function()
    local X, y = rings(3000)
    local m, right = E.mlp { lr = 0.01 }, 0
    for i = 1, #X do
      if i > 2000 and m:predict_one(X[i]) == y[i] then right = right + 1 end
      m:learn_one(X[i], y[i])
    end
    assert.is_true(right > 900, right)
    m:learn_one({ 9, 9 }, "between") -- comes before both, by byte
    assert.same({ "between", "in", "out" }, m:classes())
    local p = m:predict_proba_one({ 0, 0 })
    near(1, p["in"] + p.out + p.between)
    assert.is_true(p["in"] > p.out)
  end)

  it("keeps its answers when the values' mean and variance move", function()
    local m = E.mlp { lr = 0.01 }
    for i = 1, 400 do m:learn_one({ 1, 1 }, i % 2 * 10) end
    local before = m:predict_one { 1, 1 }
    assert.is_true(math.abs(before - 5) < 4, before)
    m:set_params { lr = 1e-9 }
    m:learn_one({ 1, 1 }, 1000)
    near(before, m:predict_one { 1, 1 }, 1e-4)
  end)

  it("gives a new class no preference of its own, and leaves the others theirs", function()
    local X, y = rings(500)
    local m = E.mlp { lr = 0.01 }
    m:learn_many(X, y)
    m:set_params { lr = 1e-9, weight_decay = 0 }
    local before = m:predict_proba_one(X[1])
    m:learn_one(X[1], "between")
    local after = m:predict_proba_one(X[1])
    near(before["in"] / before.out, after["in"] / after.out, 1e-3)
    assert.is_true(after.between > 0.01 and after.between < 0.99)
  end)

  it("goes on row by row from what it was fitted to", function()
    local X, y = waves(300)
    local m = E.mlp { lr = 0.001 }
    m:fit(X, y)
    local before = rmse(m, X, y)
    m:learn_many(X, y)
    assert.is_true(rmse(m, X, y) < 1.3 * before)
  end)

  it("counts a missing value as its column's mean", function()
    local X, y = waves(200)
    for i = 1, #X, 5 do X[i][2] = 0 / 0 end
    local mean, n = 0, 0
    for _, row in ipairs(X) do
      if row[2] == row[2] then mean, n = mean + row[2], n + 1 end
    end
    local m = E.mlp { epochs = 5 }
    m:fit(X, y)
    near(m:predict_one { 0.5, mean / n }, m:predict_one { 0.5, 0 / 0 })
  end)

  it("learns from sparse rows what it learns from the same written out", function()
    local u, dense, sparse, y = data.uniform(4), {}, { columns = 9 }, {}
    for i = 1, 120 do
      dense[i], sparse[i] = {}, {}
      for j = 1, 9 do
        -- each column in each mini-batch: others would wait
        local x = (i + j) % 3 == 0 and math.floor(u() * 8 + 1) / 8 or 0
        dense[i][j] = x
        if x ~= 0 then sparse[i][j] = x end
      end
      y[i] = dense[i][1] * 2 - dense[i][2]
    end
    local options = { epochs = 20, standardize = false, batch = 60 }
    local a, b = E.mlp(options), E.mlp(options)
    a:fit(dense, y)
    b:fit(moe.sparse(sparse), y)
    local p, q = a:predict(dense), b:predict(moe.sparse(sparse))
    for i = 1, #y do near(p[i], q[i], 1e-4) end
  end)

  -- Mini-batches of dense rows are cut into pieces where the layers are wide,
  -- those of sparse rows never.
  it("learns the same where wide layers are shared among threads", function()
    local X, y = waves(256)
    local rows = { columns = 2 }
    for i, row in ipairs(X) do rows[i] = { row[1], row[2] } end
    local function fitted(rows_of, threads)
      moe.set_threads(threads)
      local m = E.mlp { hidden = { 256, 256 }, batch = 128, epochs = 2, standardize = false }
      m:fit(rows_of, y)
      return m
    end
    local before = moe.threads()
    local one, two = fitted(X, 1), fitted(X, 2)
    local whole = fitted(moe.sparse(rows), 1)
    moe.set_threads(before)
    assert.is_true(one:dump() == two:dump())
    local p, q = one:predict(X), whole:predict(moe.sparse(rows))
    for i = 1, #X do near(p[i], q[i], 1e-3) end
  end)

  it("keeps the weights of the epoch that was best on unseen rows", function()
    local u, X, y = data.uniform(8), {}, {}
    for i = 1, 80 do
      X[i] = {}
      for j = 1, 10 do X[i][j] = u() - 0.5 end
      y[i] = X[i][1] + u() - 0.5
    end
    local function fitted(epochs)
      local m = E.mlp {
        validation = 0.25, patience = 4, lr = 0.02, epochs = epochs, schedule = "constant",
      }
      local _, history = m:fit(X, y)
      return m, history.validation_loss
    end
    local m, losses = fitted(300)
    local best = 1
    for k, loss in ipairs(losses) do best = loss < losses[best] and k or best end
    assert.is_true(#losses < 300)
    assert.equal(best + 4, #losses)
    assert.same(fitted(best):predict(X), m:predict(X)) -- its last epoch is the best
  end)

  it("is usable after its first epoch", function()
    local X, y = waves(200)
    local m = E.mlp {}
    local job = m:start_fit(X, y)
    assert.has_error(function() job:commit() end)
    for _ = 1, 20 do job:step { budget_ms = 1e-6 } end
    job:commit()
    assert.is_true(rmse(m, X, y) < 2)
  end)

  it("survives steps that are far too long", function()
    local X, y = waves(100)
    for i = 1, #X do X[i][1] = X[i][1] * 1e35 end
    local m = E.mlp { lr = 1, standardize = false, weight_decay = 0 }
    m:fit(X, y)
    for _, value in ipairs(m:predict(X)) do
      assert.is_true(value == value and math.abs(value) < math.huge)
    end
  end)

  it("learns values of any size row by row, and can be saved", function()
    local X, y = waves(300)
    for _, scale in ipairs { 1e-44, 1e-20, 1, 1e20, 1e30, 1e150, 1e300 } do
      for _, standardize in ipairs { true, false } do
        local m = E.mlp { standardize = standardize }
        for i = 1, #X do m:learn_one(X[i], scale * y[i]) end
        local answer = m:predict_one(X[1])
        assert.is_true(answer == answer and math.abs(answer) < math.huge, scale)
        assert.equal(answer, assert(moe.undump(m:dump())):predict_one(X[1]))
      end
    end
  end)

  it("learns the same row by row in any unit of the values", function()
    local X, y = waves(1000)
    local function learned(scale)
      local m, Y = E.mlp {}, {}
      for i = 1, #y do Y[i] = scale * y[i] end
      m:learn_many(X, Y)
      return rmse(m, X, Y) / scale
    end
    local plain = learned(1)
    assert.is_true(plain < 0.3, plain)
    for _, scale in ipairs { 1e-30, 1e30, 1e100 } do near(plain, learned(scale), 0.05) end
  end)

  it("fits the same to weights of any size", function()
    local X, y = waves(100)
    local function fitted(weight, options)
      local m, weights, Y = E.mlp(options), {}, {}
      for i = 1, #y do weights[i], Y[i] = weight, 1e12 * (y[i] + 10) end
      local _, history = m:fit(X, Y, { weights = weights })
      return m:predict(X), history
    end
    for _, options in ipairs { { epochs = 5 }, { epochs = 5, validation = 0.2 } } do
      local expected, known = fitted(1, options)
      for _, weight in ipairs { 1e-300, 1e300 } do
        local found, history = fitted(weight, options)
        for i = 1, #y do near(1, found[i] / expected[i], 1e-5) end
        for i = 1, 5 do near(1, history.loss[i] / known.loss[i], 1e-4) end
      end
    end
  end)

  -- By their share of all weights the rows trained on would not count at all.
  it("trains where nearly all the weight is in the rows held out", function()
    local X, y = waves(200)
    local weights = {}
    for i = 1, #y do weights[i] = i == 7 and 1e300 or 1 end
    for seed = 1, 8 do -- the heavy row is in either part
      local options = { validation = 0.5, epochs = 3, seed = seed, standardize = false }
      local _, history = E.mlp(options):fit(X, y, { weights = weights })
      for _, loss in ipairs(history.loss) do
        assert.is_true(loss == loss and loss > 0 and loss < 10, loss)
      end
    end
  end)

  -- A mini-batch goes in pieces, of which a step may be one.
  it("fits the same however often it pauses", function()
    local X, y = waves(256)
    local options = { hidden = { 256, 256 }, batch = 200, epochs = 2, validation = 0.2 }
    local whole, paused, steps, threads = E.mlp(options), E.mlp(options), 0, moe.threads()
    moe.set_threads(1) -- pieces are larger where threads share them
    whole:fit(X, y)
    local job = paused:start_fit(X, y)
    repeat
      steps = steps + 1
    until job:step { budget_ms = 1e-6 }
    job:commit()
    moe.set_threads(threads)
    assert.is_true(whole:dump() == paused:dump())
    assert.is_true(steps > 20, steps)
  end)

  -- Zeroing a derivative for each of the 2^18 columns takes 50 times as long.
  it("learns a sparse row in time of its entries", function()
    local function seconds(columns)
      local m = E.mlp {}
      local row, y = moe.sparse { columns = columns, { [3] = 1, [columns] = 2 } }, { "a" }
      m:learn_many(row, { "b" })
      m:learn_many(row, y)
      local least = math.huge
      for _ = 1, 20 do
        local start = os.clock()
        for _ = 1, 10 do m:learn_many(row, y) end
        least = math.min(least, os.clock() - start)
      end
      return least
    end
    assert.is_true(seconds(2 ^ 16) < 20 * seconds(16) + 1e-3)
  end)

  it("meets classes late in sparse rows", function()
    local rows, y = { columns = 40 }, {}
    for i = 1, 300 do
      local class = i % 3 + 1
      rows[i], y[i] = { [class] = 1, [40] = 1 }, ("abc"):sub(class, class)
    end
    local m = E.mlp { lr = 0.02 }
    for i = 1, 3 do m:learn_many(moe.sparse { columns = 40, rows[3 * i - 1] }, { y[3 * i - 1] }) end
    m:learn_many(moe.sparse(rows), y)
    assert.same({ "a", "b", "c" }, m:classes())
    assert.equal(1, m:score(moe.sparse(rows), y))
  end)

  it("refuses layers of no width, and too many", function()
    assert.has_error(function() E.mlp { hidden = { 0 } } end)
    local many = {}
    for l = 1, 20 do many[l] = 2 end
    local X, y = waves(20)
    assert.has_error(function() E.mlp({ hidden = many }):fit(X, y) end)
  end)
end)
