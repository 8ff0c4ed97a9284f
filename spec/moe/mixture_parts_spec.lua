-- A mixture on a stream whose parts are copied, moved, trained elsewhere, or
-- mixtures themselves.
local moe = require "moe"
local data = require "spec.support.data"

local E = moe.experts

local function numbered(i) return { i % 7 / 7, i % 5 / 5 }, i % 7 - 2 * (i % 5) end

local points, names = data.clouds(60, 3, 3, 31)
local function labelled(i)
  local k = (i - 1) % #points + 1
  return points[k], names[k]
end

local function teach(m, sample, first, last)
  for i = first, last do m:learn_one(sample(i)) end
  return m
end

-- Both answer the next samples alike, to the last bit, and learn them alike.
local function go_on_alike(a, b, sample)
  for i = 1, 20 do
    local x, y = sample(1000 + i)
    for _, m in ipairs { a, b } do m:learn_one(x, y) end
    assert.same({ a:predict_one(x) }, { b:predict_one(x) })
  end
  assert.is_true(a:dump() == b:dump())
end

local function pair(options)
  local own = { experts = { a = E.linear {}, b = E.linear { lr = 0.2 } } }
  for name, value in pairs(options or {}) do own[name] = value end
  return moe.mixture(own)
end

describe("a copy of a mixture on a stream", function()
  it("shares nothing with what it was copied from, which may be a copy too", function()
    local first = teach(teach(pair(), numbered, 1, 50):clone(), numbered, 51, 100)
    local second, x = first:clone(), (numbered(3))
    local before = first:predict_one(x)
    for i = 1, 50 do second:learn_one((numbered(i)), 1000) end
    assert.equal(before, (first:predict_one(x)))
    assert.is_true(second:predict_one(x) > before + 100)
    local said = second:predict_one(x)
    first:close()
    first = nil -- luacheck: ignore
    collectgarbage()
    assert.equal(said, (second:predict_one(x)))
    teach(second, numbered, 101, 120)
  end)
end)

describe("experts that were exchanged since the last sample", function()
  it("answer as they are", function()
    local m = teach(moe.mixture { experts = { a = E.linear {} } }, numbered, 1, 60)
    local expert = m:expert "a"
    expert:reset()
    for i = 1, 60 do expert:learn_one((numbered(i)), 500) end
    local x = numbered(7)
    assert.equal((expert:predict_one(x)), (m:predict_one(x)))
  end)
end)
