-- The columns' names that arrays tell by their metatables, as the samples of a stream do:
-- learners go by them, whatever their order, and refuse others.
local moe = require "moe"
local core = require "moe.core"
local files = require "spec.support.files"
local refuses = require "spec.support.refuses"
local E = moe.experts

local forth, back = { names = { "a", "b" } }, { names = { "b", "a" } }
local others = { names = { "a", "c" } }

-- Of sample i: a, b, and y = 2 a + b.
local function values(i) return i * 37 % 64 / 32 - 1, i * 23 % 128 / 64 - 1 end
local function target(i)
  local a, b = values(i)
  return 2 * a + b
end
local function sample(i, order)
  local a, b = values(i)
  return setmetatable(order == back and { b, a } or { a, b }, order)
end
local function label(i) return target(i) > 0 and "up" or "down" end

local makers = {
  rls = E.rls,
  ["naive_bayes of labels"] = E.naive_bayes,
  mixture = function() return moe.mixture { experts = { E.rls {}, E.linear {} } } end,
}

local function taught(make, y, order_of)
  local m = make {}
  for i = 1, 60 do m:learn_one(sample(i, order_of(i)), y(i)) end
  return m
end

describe("a sample that tells its columns' names", function()
  for kind, make in pairs(makers) do
    it("is taken by them, in whatever order, to the last bit: " .. kind, function()
      local y = kind:find "labels" and label or target
      local expected = taught(make, y, function() return forth end)
      assert.same({ "a", "b" }, expected:info().names)
      local turned = taught(make, y, function(i) return i % 3 == 1 and forth or back end)
      assert.is_true(expected:dump() == turned:dump())
      local tested = make {}
      for i = 1, 60 do tested:test_then_learn(sample(i, i % 2 == 0 and back or forth), y(i)) end
      assert.is_true(expected:dump() == tested:dump())
      for i = 61, 70 do
        local answer = expected:predict_one(sample(i))
        assert.equal(answer, expected:predict_one(sample(i, back)))
        assert.equal(answer, expected:predict_one(sample(i, forth)))
        if y == label then
          assert.same(expected:predict_proba_one(sample(i)),
            expected:predict_proba_one(sample(i, back)))
        end
      end
    end)
  end

  it("is refused where they are others, and changes nothing", function()
    local m = taught(E.rls, target, function() return forth end)
    local before = m:dump()
    for _, method in ipairs { "learn_one", "test_then_learn", "predict_one" } do
      for _ = 1, 2 do
        local y = method ~= "predict_one" and 1 or nil
        refuses("the data has no column 'b'", m[method], m, sample(1, others), y)
        assert.is_number(m:predict_one(sample(1, forth)))
      end
    end
    assert.is_true(before == m:dump())
  end)

  it("is as any other to who knows no names, and where none are told", function()
    local plain = taught(E.rls, target, function() end)
    local mixed = taught(E.rls, target, function(i) return i % 2 == 0 and others or nil end)
    assert.is_true(plain:dump() == mixed:dump())
    local named = taught(E.rls, target, function() return forth end)
    local nameless = { {}, { names = { "a" } }, { names = { "b", 7 } }, { names = "b" },
      { names = { "b\0", "a" } } }
    for _, told in ipairs(nameless) do
      assert.equal(named:predict_one(sample(1)), named:predict_one(sample(1, told)))
    end
  end)

  it("runs no code of its metatable", function()
    local function never() error "code of the user's ran" end
    local names = setmetatable({ "b", "a" }, { __index = never, __len = never, __eq = never })
    local guarded = setmetatable({ names = names, __index = never, __len = never,
      __metatable = "locked" }, { __index = never })
    local m = taught(E.rls, target, function() return forth end)
    for i = 1, 3 do
      local a, b = values(i)
      local x = setmetatable({ b, a }, guarded)
      assert.equal(m:predict_one(sample(i)), m:predict_one(x))
      m:learn_one(x, target(i))
    end
  end)

  it("is looked at anew by who has learned other columns since", function()
    local X, y = moe.tensor { { 1, 2 }, { 3, 5 }, { 4, 1 } }, { 4, 11, 9 }
    local Y = moe.tensor(X:totable())
    X.names, Y.names = { "a", "b" }, { "b", "a" }
    local m = E.linear {}
    m:fit(X, y)
    local first = m:predict_one(setmetatable({ 7, 2 }, forth))
    assert.equal(m:predict_one { 7, 2 }, first)
    m:fit(Y, y)
    assert.equal(m:predict_one { 2, 7 }, m:predict_one(setmetatable({ 7, 2 }, forth)))
    local stream = taught(E.rls, target, function() return forth end)
    stream:reset()
    stream:learn_one(sample(1, back), target(1))
    for i = 2, 60 do stream:learn_one(sample(i, forth), target(i)) end
    assert.same({ "b", "a" }, stream:info().names)
    local expected = taught(E.rls, target, function(i) return i == 1 and back or forth end)
    assert.is_true(expected:dump() == stream:dump())
  end)

  it("is never taken for one whose metatable is gone", function()
    local function fresh(names) return { names = { names[1], names[2] } } end
    local m = E.rls {}
    for i = 1, 60 do
      local order = i % 2 == 0 and back or forth
      local x = sample(i, order)
      m:learn_one(setmetatable(x, fresh(order.names)), target(i))
      x = nil -- luacheck: ignore
      collectgarbage()
    end
    assert.is_true(taught(E.rls, target, function() return forth end):dump() == m:dump())
  end)

  it("asks for no memory once its metatable is known", function()
    local m, x = taught(E.rls, target, function() return back end), sample(1, back)
    local function take()
      m:learn_one(x, 1)
      m:test_then_learn(x, 1)
      return m:predict_one(x)
    end
    take()
    core._fail_after(0)
    local good, answer = pcall(take)
    core._fail_after(-1)
    assert.is_true(good, answer)
  end)

  it("comes from files with the same columns in another order", function()
    local text, turned = { "a,b,y" }, { "b,y,a" }
    for i = 1, 40 do
      local a, b = values(i)
      text[i + 1] = ("%.17g,%.17g,%.17g"):format(a, b, target(i))
      turned[i + 1] = ("%.17g,%.17g,%.17g"):format(b, target(i), a)
    end
    files.lend(table.concat(text, "\n"), function(one)
      files.lend(table.concat(turned, "\n"), function(other)
        local m, twice = E.rls {}, E.rls {}
        for _, path in ipairs { one, other } do
          for x, y in moe.streams.csv(path, { target = "y" }):iter() do m:learn_one(x, y) end
          for x, y in moe.streams.csv(one, { target = "y" }):iter() do twice:learn_one(x, y) end
        end
        assert.is_true(twice:dump() == m:dump())
      end)
    end)
  end)
end)

describe("rows that tell their columns' names", function()
  local function rows(first, last, order, told)
    local X, y = setmetatable({}, told), {}
    for i = first, last do
      X[#X + 1], y[#y + 1] = sample(i, order), target(i)
      if told then setmetatable(X[#X], nil) end
    end
    return X, y
  end

  it("are taken by them, whether the rows tell them or X itself", function()
    local expected, own, whole = E.rls {}, E.rls {}, E.rls {}
    expected:learn_many(rows(1, 60))
    own:learn_many(rows(1, 30, forth))
    own:partial_fit(rows(31, 60, back))
    whole:learn_many(rows(1, 30, forth, forth))
    whole:learn_many(rows(31, 60, back, back))
    assert.same({ "a", "b" }, own:info().names)
    assert.is_true(own:dump() == whole:dump())
    local answers = expected:predict((rows(61, 65)))
    assert.same(answers, own:predict((rows(61, 65, back))))
    assert.same(answers, own:predict((rows(61, 65, back, back))))
    assert.same(answers, own:predict((rows(61, 65, forth))))
    local fitted = E.linear {}
    fitted:fit(rows(1, 60, forth))
    assert.same(fitted:predict((rows(61, 65))), fitted:predict((rows(61, 65, back))))
  end)

  it("are taken by them where there are strings too", function()
    local function mixed(order)
      local X, y = {}, {}
      for i = 1, 40 do
        local a, b = values(i), i % 3 == 0 and "red" or "blue"
        X[i], y[i] = setmetatable(order == back and { b, a } or { a, b }, order), label(i)
      end
      return X, y
    end
    local m = E.naive_bayes {}
    m:learn_many(mixed(forth))
    assert.same(m:predict((mixed())), m:predict((mixed(back))))
  end)

  it("are refused where they tell others", function()
    local m = E.rls {}
    m:learn_many(rows(1, 60, forth))
    refuses("the data has no column 'b'", m.learn_many, m, rows(1, 3, others))
    refuses("the data has no column 'b'", m.predict, m, (rows(1, 3, others)))
    local X, y = rows(1, 3, forth)
    setmetatable(X[3], back)
    refuses("column 1 of X[3] is 'b', but X has 'a' there", m.learn_many, m, X, y)
    setmetatable(X[3], nil)
    m:learn_many(X, y)
  end)

  it("are those that a stream gives, taken at once", function()
    local X, y = moe.streams.sea({ seed = 1 }):take(50)
    local m = E.naive_bayes {}
    m:learn_many(X, y)
    assert.same(moe.streams.sea({}).features, m:info().names)
    local whole = E.naive_bayes {}
    for i = 1, #X do setmetatable(X[i], nil) end
    whole:learn_many(X, y)
    assert.is_true(whole:dump() == m:dump())
    assert.same({}, (moe.streams.sea({}):take(0)))
  end)

  it("are a stream again that tells them", function()
    for _, told in ipairs { false, forth } do
      local s = moe.streams.rows(rows(1, 40, forth, told or nil))
      assert.same({ "a", "b" }, s.features)
      local m = E.rls {}
      for x, y in s:iter() do m:learn_one(x, y) end
      assert.same({ "a", "b" }, m:info().names)
    end
  end)

  it("stay what they were, whatever becomes of the names", function()
    local told = { names = { "first name", "second name" } }
    local m
    m = moe.mixture { experts = {
      mine = {
        learn_one = function()
          told.names[1], told.names[2] = "x" .. tostring {}, "y"
          collectgarbage()
        end,
        predict_one = function() return 0 end,
      },
    } }
    m:learn_many({ setmetatable({ 1, 2 }, told), setmetatable({ 2, 1 }, told) }, { 1, 2 })
    assert.same({ "first name", "second name" }, m:info().names)
  end)
end)
