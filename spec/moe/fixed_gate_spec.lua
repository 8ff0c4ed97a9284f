local moe = require "moe"
local refuses = require "spec.support.refuses"

local E, G = moe.experts, moe.gates

-- Six rows whose column `who` names the expert; a learns 1 and b learns 10.
local function world()
  return moe.data.table {
    names = { "x", "who", "y" },
    columns = {
      x = { 1, 2, 3, 4, 5, 6 },
      who = { "a", "b", "a", "b", "a", "b" },
      y = { 1, 10, 1, 10, 1, 10 },
    },
    target = "y",
  }
end

-- Experts that see no column of strings.
local function experts()
  local function expert()
    return moe.pipeline { moe.transforms.ordinal { columns = { "who" } }, E.constant {} }
  end
  return { a = expert(), b = expert() }
end

local function mixture(gate, options)
  local m = moe.mixture { experts = experts(), gate = gate, folds = 2 }
  local subsets = {}
  for i = 1, 6 do subsets[i] = i % 2 == 1 and "a" or "b" end
  m:fit(world(), options or { subsets = subsets })
  return m
end

describe("a fixed gate with a column", function()
  it("sends each row to the expert that it names", function()
    local m = mixture(G.fixed { column = "who" })
    assert.same({ { 1, 0 }, { 0, 1 }, { 1, 0 }, { 0, 1 }, { 1, 0 }, { 0, 1 } },
      m:route(world()).probs:totable())
    assert.same({ 1, 10, 1, 10, 1, 10 }, m:predict(world()))
    assert.equal(10, m:predict_one { x = 0, who = "b" })
    assert.equal(10, m:predict_one { 0, "b" })
  end)

  it("asks all experts alike where it names none", function()
    local m = mixture(G.fixed { column = "who" })
    for _, who in ipairs { "c", "", "A" } do
      assert.equal(5.5, m:predict_one { x = 0, who = who })
    end
    assert.equal(5.5, m:predict_one { x = 0, who = false })
  end)

  it("takes numbers too, from 1, and no others", function()
    local X = moe.tensor { { 1, 5 }, { 2, 5 }, { 1, 5 }, { 2, 5 } }
    X.names = { "who", "x" }
    local m = moe.mixture {
      experts = { E.constant {}, E.constant {} }, gate = G.fixed { column = "who" }, folds = 2,
    }
    m:fit(X, { 1, 10, 1, 10 }, { subsets = { 1, 2, 1, 2 } })
    assert.same({ 1, 10, 1, 10 }, m:predict(X))
    for _, none in ipairs { 0, 3, -1, 1.5, 1e30, false } do
      assert.equal(5.5, m:predict_one { who = none, x = 0 })
    end
  end)

  it("is saved and loaded with its mixture", function()
    local m = mixture(G.fixed { column = "who" })
    local again = assert(moe.undump(m:dump()))
    assert.same(m:predict(world()), again:predict(world()))
    assert.same(m:predict(world()), m:clone():predict(world()))
  end)

  it("needs the column", function()
    refuses("no column 'whom'", mixture, G.fixed { column = "whom" })
    local m = moe.mixture { experts = { E.constant {} }, gate = G.fixed { column = "who" } }
    refuses("no column 'who'", m.fit, m, { { 1 }, { 2 } }, { 1, 2 })
    refuses("either 'column' or 'choose'", mixture, G.fixed {})
    refuses("either 'column' or 'choose'", mixture, G.fixed { column = "who", choose = print })
  end)
end)

describe("a fixed gate with a function", function()
  local X = { { 1, 0 }, { -1, 0 }, { 2, 0 }, { -2, 0 } }

  -- `says` gives the answer for a row from its first number.
  local function chooser(says)
    return function(rows)
      local out = {}
      for i = 1, rows.shape[1] do out[i] = says(rows:get(i, 1)) end
      return out
    end
  end

  local function fitted(gate)
    local m = moe.mixture {
      experts = { neg = E.constant {}, pos = E.constant {} }, gate = gate, folds = 2,
    }
    m:fit(X, { 10, 1, 10, 1 }, { subsets = { "pos", "neg", "pos", "neg" } })
    return m
  end

  local answers = {
    names = function(x) return x > 0 and "pos" or "neg" end,
    numbers = function(x) return x > 0 and 2 or 1 end,
    probabilities = function(x) return x > 0 and { 0, 2 } or { 3, 0 } end,
  }

  for kind, says in pairs(answers) do
    it("takes " .. kind .. " for an answer", function()
      assert.same({ 10, 1, 10, 1 }, fitted(G.fixed { choose = chooser(says) }):predict(X))
    end)

    it("is as good as a function, or a table with forward, giving " .. kind, function()
      assert.same({ 10, 1, 10, 1 }, fitted(chooser(says)):predict(X))
      local choose = chooser(says)
      local gate = { fit = function() end, forward = function(_, rows) return choose(rows) end }
      assert.same({ 10, 1, 10, 1 }, fitted(gate):predict(X))
    end)
  end

  it("takes a tensor for all rows", function()
    local m = fitted(G.fixed { choose = function(rows)
      local out = moe.zeros(rows.shape[1], 2)
      for i = 1, rows.shape[1] do out[{ i, 1 }], out[{ i, 2 }] = 1, 3 end
      return out
    end })
    assert.is_true(math.abs(m:predict_one { 0, 0 } - (1 * 0.25 + 10 * 0.75)) < 1e-6)
  end)

  it("refuses what chooses nobody", function()
    local answer
    local m = fitted(G.fixed { choose = chooser(function(x)
      if answer == nil then return answers.names(x) end
      return answer
    end) })
    local none = { "nobody", 0, 3, 1.5, 0 / 0, true, { 1 }, { 1, -1 }, { 0 / 0, 1 }, { 1, "x" } }
    for _, bad in ipairs(none) do
      answer = bad
      assert.is_false(pcall(m.predict, m, X), tostring(bad))
    end
    answer = nil
    assert.same({ 10, 1, 10, 1 }, m:predict(X))
  end)

  it("raises the function's own error", function()
    local thrown = {}
    local m = fitted(G.fixed { choose = chooser(answers.names) })
    m:get_params("gate"):set_params { choose = function() error(thrown) end }
    local ok, message = pcall(m.predict, m, X)
    assert.is_false(ok)
    assert.is_true(rawequal(thrown, message))
  end)

  it("cannot be saved, and says what can", function()
    local m = fitted(G.fixed { choose = chooser(answers.names) })
    refuses("use 'column'", m.dump, m)
    assert.same({ 10, 1, 10, 1 }, m:clone():predict(X))
  end)
end)
