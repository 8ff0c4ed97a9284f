local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-6)

local function row(t) return t:totable()[1] end

describe("a routing of one row", function()
  -- softmax of ln 1, ln 2, ln 5 is 1/8, 2/8, 5/8
  local logits = { { math.log(1), math.log(2), math.log(5) } }

  it("asks all experts, by softmax, unless told otherwise", function()
    local r = moe.route(logits)
    assert.same({ 3, 2, 1 }, row(r.indices))
    for k, p in ipairs { 5 / 8, 2 / 8, 1 / 8 } do near(p, row(r.weights)[k]) end
    for e, p in ipairs { 1 / 8, 2 / 8, 5 / 8 } do near(p, row(r.probs)[e]) end
  end)

  it("renormalises the weights of the top k, or leaves them", function()
    local r = moe.route(logits, { top_k = 2 })
    near(5 / 7, row(r.weights)[1])
    near(2 / 7, row(r.weights)[2])
    r = moe.route(logits, { top_k = 2, renormalize = false })
    near(5 / 8, row(r.weights)[1])
    near(2 / 8, row(r.weights)[2])
  end)

  it("divides the logits by the temperature", function()
    -- at 1/2: squares, 1 : 4 : 25
    local r = moe.route(logits, { temperature = 0.5 })
    for e, p in ipairs { 1 / 30, 4 / 30, 25 / 30 } do near(p, row(r.probs)[e]) end
  end)

  it("scores by sigmoid, or by softmax over the selected", function()
    local r = moe.route(logits, { score = "sigmoid", renormalize = false })
    for e, p in ipairs { 1 / 2, 2 / 3, 5 / 6 } do near(p, row(r.probs)[e]) end
    r = moe.route(logits, { score = "softmax_selected", top_k = 2 })
    near(5 / 7, row(r.weights)[1])
  end)

  it("stops at the threshold", function()
    assert.same({ 3, 0, 0 }, row(moe.route(logits, { threshold = 0.6 }).indices))
    assert.same({ 3, 2, 0 }, row(moe.route(logits, { threshold = 0.8 }).indices))
    assert.same({ 3, 2, 1 }, row(moe.route(logits, { threshold = 1 }).indices))
    near(0, row(moe.route(logits, { threshold = 0.6 }).weights)[2])
    near(1, row(moe.route(logits, { threshold = 0.6 }).weights)[1])
  end)

  it("lets a bias choose, and not weigh", function()
    local r = moe.route(logits, { top_k = 1, renormalize = false, bias = { 1, 0, 0 } })
    assert.same({ 1 }, row(r.indices))
    near(1 / 8, row(r.weights)[1])
  end)

  it("gives ties to the lowest index", function()
    assert.same({ 1, 2 }, row(moe.route({ { 0, 0, 0, 0 } }, { top_k = 2 }).indices))
    assert.same({ 2, 4 }, row(moe.route({ { 0, 1, 0, 1 } }, { top_k = 2 }).indices))
  end)

  it("is never NaN, however far apart the logits are", function()
    local r = moe.route { { 1e38, -1e38, 0 } }
    assert.same({ 1, 0, 0 }, row(r.probs))
    assert.same({ 1, 2, 3 }, row(r.indices))
  end)

  it("does not change when all logits of a row are shifted", function()
    local shifted = { {} }
    for e, z in ipairs(logits[1]) do shifted[1][e] = z + 100 end
    local a, b = moe.route(logits), moe.route(shifted)
    for e = 1, 3 do near(row(a.probs)[e], row(b.probs)[e], 1e-6) end
  end)

  it("refuses what is out of range", function()
    assert.has_error(function() moe.route(logits, { top_k = 0 }) end)
    assert.has_error(function() moe.route(logits, { temperature = 0 }) end)
    assert.has_error(function() moe.route(logits, { bias = { 1, 2 } }) end)
    assert.has_error(function() moe.route { { 0 / 0, 1 } } end)
    assert.has_error(function() moe.route(logits, { topk = 1 }) end)
  end)
end)

describe("the two row kernels", function()
  it("select identically, for every number of experts and every k", function()
    local uniform = data.uniform(5)
    for experts = 1, 12 do
      for k = 1, experts do
        local rows = {}
        -- eighths: exact in float32, with many ties
        for i = 1, 8 do
          rows[i] = {}
          for e = 1, experts do rows[i][e] = math.floor(uniform() * 16) / 8 end
        end
        local options = { top_k = k, score = "sigmoid" }
        local double, float = moe.route(rows, options), moe.route(moe.tensor(rows), options)
        assert.same(double.indices:totable(), float.indices:totable())
      end
    end
  end)
end)
