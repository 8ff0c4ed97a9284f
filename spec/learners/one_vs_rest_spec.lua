-- Classes by models of numbers.
local moe = require "moe"
local safetensors = require "spec.support.safetensors_reader"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-9)

local E, G = moe.experts, moe.gates

-- Clouds around a circle, so that each lies on one side of a line.
local function clouds(n, classes)
  local uniform, X, y = data.uniform(7), {}, {}
  for i = 1, n do
    local class = (i * 7) % classes
    local angle = 2 * math.pi * class / classes
    X[i] = { 3 * math.cos(angle) + uniform() - 0.5, 3 * math.sin(angle) + uniform() - 0.5 }
    y[i] = "c" .. class
  end
  return X, y
end

describe("two classes", function()
  it("are told apart by one model, +1 for one and -1 for the other", function()
    local X, y = clouds(61, 2)
    local model = E.one_vs_rest { model = E.rls { forgetting = 1 }, combine = "normalise" }
    local alone, first = E.rls { forgetting = 1 }, y[1]
    for i = 1, #X do
      model:learn_one(X[i], y[i])
      alone:learn_one(X[i], y[i] == first and 1 or -1)
    end
    for i = 1, #X do
      local share = (1 + alone:predict_one(X[i])) / 2
      share = math.max(1e-3, math.min(1 - 1e-3, share))
      near(share, model:predict_proba_one(X[i])[first], 1e-12)
    end
  end)
end)

describe("more classes", function()
  it("each have a model, clones that learn of every sample", function()
    local X, y = clouds(90, 3)
    local model = E.one_vs_rest { model = E.linear { lr = 0.1 }, combine = "normalise" }
    model:fit(X, y)
    local sum, shares = 0, {}
    for k, class in ipairs(model:classes()) do
      local target = {}
      for i = 1, #y do target[i] = y[i] == class and 1 or -1 end
      local alone = E.linear { lr = 0.1 }
      alone:fit(X, target)
      shares[k] = math.max(1e-3, math.min(1 - 1e-3, (1 + alone:predict_one(X[5])) / 2))
      sum = sum + shares[k]
    end
    local p = model:predict_proba_one(X[5])
    for k, class in ipairs(model:classes()) do near(shares[k] / sum, p[class], 1e-12) end
    assert.is_true(model:score(X, y) > 0.9)
  end)

  it("come one after the other, and those before go on as they were", function()
    local X, y = clouds(300, 4)
    for _, combine in ipairs { "softmax", "normalise" } do
      local model = E.one_vs_rest { model = E.rls {}, combine = combine }
      local names, order = {}, {}
      for i = 1, #y do
        if not names[y[i]] then
          names[y[i]] = true
          order[#order + 1] = y[i]
        end
      end
      assert.equal(4, #order)
      for stage = 1, 4 do
        local allowed = {}
        for k = 1, stage do allowed[order[5 - k]] = true end -- the last one first
        for i = 1, #X do
          if allowed[y[i]] then model:learn_one(X[i], y[i]) end
        end
        assert.equal(stage, #model:classes())
        local right, all = 0, 0
        for i = 1, #X do
          if allowed[y[i]] then
            all = all + 1
            if model:predict_one(X[i]) == y[i] then right = right + 1 end
          end
        end
        assert.is_true(right / all > 0.85, ("%s, stage %d: %g"):format(combine, stage, right / all))
      end
    end
  end)

  it("go from two to three without forgetting the odds of the two", function()
    local X, y = clouds(60, 2)
    local model = E.one_vs_rest {
      model = E.rls { forgetting = 1, adaptive = false }, combine = "normalise",
    }
    for i = 1, #X do model:learn_one(X[i], y[i]) end
    local before = model:predict_proba_one(X[3])
    model:learn_one(X[3], "another", 1e-9)
    local after = model:predict_proba_one(X[3])
    local a, b = y[1], nil
    for _, label in ipairs(y) do b = label ~= a and label or b end
    near(before[a] / before[b], after[a] / after[b], 1e-4)
  end)
end)

describe("the temperature", function()
  it("makes probabilities as sure as the answers deserve", function()
    local uniform = data.uniform(4)
    local model, loss, best, n = E.one_vs_rest { model = E.linear { lr = 0.02 } }, 0, 0, 0
    for i = 1, 6000 do
      local x = 4 * uniform() - 2
      local p = 1 / (1 + math.exp(-1.5 * x))
      local class = uniform() < p and "yes" or "no"
      if i > 2000 then
        loss = loss - math.log(model:predict_proba_one({ x })[class])
        best = best - math.log(class == "yes" and p or 1 - p)
        n = n + 1
      end
      model:learn_one({ x }, class)
    end
    assert.is_true(loss / n < best / n + 0.02, ("%g %g"):format(loss / n, best / n))
  end)
end)

describe("in a stream", function()
  it("goes on after undump with the same bits, clones and classes and all", function()
    local models = {
      function() return E.rls {} end,
      function() return E.linear { step = "adam", standardize = true } end,
    }
    for _, inner in ipairs(models) do
      local model, again = E.one_vs_rest { model = inner() }, nil
      for i = 1, 240 do
        local x = { math.sin(0.37 * i), math.cos(0.73 * i) }
        local class = ({ "b", "c", i > 150 and "a" or "b" })[1 + (i * 7) % 3]
        if i == 90 or i == 200 then again = assert(moe.undump(model:dump())):clone() end
        model:learn_one(x, class)
        if again then again:learn_one(x, class) end
      end
      assert.is_true(model:dump() == again:dump())
    end
  end)

  it("takes missing values and columns of strings", function()
    local model, right = E.one_vs_rest { model = E.rls {} }, 0
    for i = 1, 300 do
      local side = i * 7 % 3
      local size = i % 5 == 0 and 0 / 0 or i % 4
      local x = { color = ({ "red", "green", "blue" })[side + 1], size = size }
      local class = side == 1 and "yes" or "no"
      if i > 100 and model:predict_one(x) == class then right = right + 1 end
      model:learn_one(x, class)
    end
    assert.equal(200, right)
  end)

  it("stays finite where its model's answers are not small", function()
    local model = E.one_vs_rest { model = E.linear { lr = 1e10, step = "sgd" } }
    for i = 1, 60 do
      model:learn_one({ 1e300 * (i % 3), 1 }, i % 4)
      for _, p in pairs(model:predict_proba_one { 1e300, -1e300 }) do
        assert.is_true(p >= 0 and p <= 1)
      end
    end
  end)

  it("is reset with its clones", function()
    local X, y = clouds(60, 3)
    local model = E.one_vs_rest { model = E.rls {} }
    model:fit(X, y)
    local bytes = model:info().bytes
    model:reset()
    assert.is_true(model:info().bytes < bytes / 2)
    model:learn_one({ 1 }, "other columns")
  end)
end)

describe("its place", function()
  it("may be in a mixture, beside others", function()
    local X, y = clouds(120, 3)
    local m = moe.mixture {
      experts = { a = E.one_vs_rest { model = E.rls {} }, b = E.logistic {} },
      gate = G.softmax {},
      folds = 2,
    }
    m:fit(X, y)
    assert.is_true(m:score(X, y) > 0.85)
  end)

  it("is refused a model that is none, or no model of numbers", function()
    for _, options in ipairs { {}, { model = E.logistic {} } } do
      local model = E.one_vs_rest(options)
      assert.has_error(function() model:learn_one({ 1 }, "a") end)
      assert.has_error(function() model:fit({ { 1 }, { 2 } }, { "a", "b" }) end)
    end
  end)

  it("damaged files are refused", function()
    local X, y = clouds(30, 3)
    local model = E.one_vs_rest { model = E.rls {} }
    model:fit(X, y)
    local function damaged(from, to)
      local file = safetensors.read(model:dump())
      local text, n = file.metadata.moe:gsub(from, to)
      assert.is_true(n > 0)
      file.metadata.checksum, file.metadata.moe = nil, text
      return (moe.undump(safetensors.pack(file)))
    end
    assert.truthy(damaged('"positive":2', '"positive":1'))
    assert.is_nil(damaged('"positive":2', '"positive":3'))
    assert.is_nil(damaged('"negative":%-1', '"negative":-2'))
    assert.is_nil(damaged('"heads":%[.*%]', '"heads":[]'))
    assert.is_nil(damaged('"heads":%[', '"heads":[null,'))
  end)
end)
