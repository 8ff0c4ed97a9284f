local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-6)

local function row(t) return t:totable()[1] end

describe("a routing's selections sorted by expert", function()
  it("say of each its row, its choice, and its place among all", function()
    -- rows prefer experts 2, 1 and 3, 2; so expert 1 has the second choice of row 1
    local r = moe.route({ { 2, 3, 0 }, { 0, 2, 3 } }, { top_k = 2 })
    assert.same({ { 2, 1 }, { 3, 2 } }, r.indices:totable())
    assert.same({ 1, 2, 1 }, r.counts:totable())
    assert.same({ 1, 1, 2, 2 }, r.rows:totable())
    assert.same({ 2, 1, 2, 1 }, r.choices:totable())
    assert.same({ 2, 1, 4, 3 }, r.places:totable())
  end)
end)

describe("a routing in memory that an earlier one left", function()
  -- Blocks of a pool come as they were left, with whatever is in them.
  it("has nothing of that one", function()
    local logits = moe.tensor { { 3, 2, 1, 0 }, { 0, 1, 2, 3 } }
    local function steered()
      local scored = moe.tensor { { 3, 2, 1, 0 }, { 0, 1, 2, 3 } }:requires_grad()
      local weights = moe.F.route(scored * 1, { top_k = 1, bias = { -9, -9, 9, -9 }, seed = 7,
        allowed = { false, true, true, true }, training = true, allow_degenerate = true,
        noise = moe.ones(2, 4) })
      weights:sum():backward()
    end
    for _ = 1, 20 do
      steered()
      local weights, routed = moe.F.route(logits:clone():requires_grad() * 1, { top_k = 1 })
      assert.same({ { 1 }, { 4 } }, routed.indices:totable())
      weights:sum():backward()
    end
  end)
end)

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
    assert.same({ 1, 3, 2 }, row(r.indices))
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

-- Every option of one row's selection, written down naively.
local function reference(logits, o)
  local n, t = #logits, o.temperature or 1
  local function allowed(e) return not o.allowed or o.allowed[e] end
  local scores, sum = {}, 0
  for e, z in ipairs(logits) do
    local x = z / t
    scores[e] = not allowed(e) and 0
      or o.score == "sigmoid" and 1 / (1 + math.exp(-x))
      or o.score == "sqrt_softplus" and math.sqrt(math.log(1 + math.exp(x)))
      or math.exp(x)
    sum = sum + scores[e]
  end
  local softmax = not o.score or o.score:find "softmax"
  local keys, list, biased = {}, {}, o.bias or o.top_groups
  for e = 1, n do
    if softmax then scores[e] = scores[e] / sum end
    keys[e] = biased and scores[e] + (o.bias and o.bias[e] or 0) or logits[e]
  end
  local size, groups = n / (o.groups or 1), {}
  for g = 1, o.groups or 1 do
    local own = {}
    for e = (g - 1) * size + 1, g * size do
      if allowed(e) then own[#own + 1] = keys[e] end
    end
    table.sort(own, function(a, b) return a > b end)
    if #own > 0 then groups[#groups + 1] = { g, own[1] + (own[2] or 0) } end
  end
  table.sort(groups, function(a, b) return a[2] > b[2] or (a[2] == b[2] and a[1] < b[1]) end)
  for rank = 1, math.min(o.top_groups or #groups, #groups) do
    local g = groups[rank][1]
    for e = (g - 1) * size + 1, g * size do
      if allowed(e) then list[#list + 1] = e end
    end
  end
  table.sort(list, function(a, b) return keys[a] > keys[b] or (keys[a] == keys[b] and a < b) end)
  local chosen, covered = {}, 0
  for rank = 1, math.min(o.top_k or n, #list) do
    if o.threshold and covered >= o.threshold then break end
    chosen[rank], covered = list[rank], covered + scores[list[rank]]
  end
  local weights, total = {}, 0
  for k, e in ipairs(chosen) do
    weights[k] = o.score == "softmax_selected" and math.exp(logits[e] / t) or scores[e]
    total = total + weights[k]
  end
  if o.renormalize ~= false or o.score == "softmax_selected" then
    for k in ipairs(chosen) do weights[k] = weights[k] / total end
  end
  for k = #chosen + 1, o.top_k or n do chosen[k], weights[k] = 0, 0 end
  return chosen, weights, scores
end

-- What an option may be, for rows of `experts`; nil where it is not given.
local function pick(uniform, list) return list[math.floor(uniform() * #list) + 1] end

local function random_options(uniform, experts, k)
  local o = {
    top_k = k,
    score = pick(uniform, { "softmax", "sigmoid", "softmax_selected", "sqrt_softplus" }),
    renormalize = uniform() < 0.5,
    temperature = pick(uniform, { 0.5, 1, 2 }),
  }
  if uniform() < 0.3 then o.threshold = pick(uniform, { 0.3, 0.6, 0.9 }) end
  if uniform() < 0.5 then
    o.bias = {}
    for e = 1, experts do o.bias[e] = math.floor(uniform() * 9) / 4 - 3 end
  end
  if uniform() < 0.3 then
    o.allowed = {}
    for e = 1, experts do o.allowed[e] = uniform() < 0.6 end
    o.allowed[math.floor(uniform() * experts) + 1] = true
  end
  for groups = 2, experts do
    local size, used = experts / groups, math.floor(uniform() * groups) + 1
    if uniform() < 0.3 and size % 1 == 0 and size * used >= k then
      o.groups, o.top_groups = groups, used < groups and used or nil
    end
  end
  return o
end

local function random_rows(uniform, n, experts)
  local rows = {}
  for i = 1, n do
    rows[i] = {}
    -- quarters: exact in float32, with many ties
    for e = 1, experts do rows[i][e] = math.floor(uniform() * 25) / 4 - 3 end
  end
  return rows
end

local near_rows = require("spec.support.near").rows

describe("a routing of many rows", function()
  it("is what the options say, for every number of experts and every k", function()
    local uniform = data.uniform(3)
    for _, experts in ipairs { 1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 40 } do
      for k = 1, experts do
        for _ = 1, experts < 10 and 4 or 1 do
          local rows, o = random_rows(uniform, 3, experts), random_options(uniform, experts, k)
          local r = moe.route(rows, o)
          local indices, weights, probs = {}, {}, {}
          for i, z in ipairs(rows) do indices[i], weights[i], probs[i] = reference(z, o) end
          assert.same(indices, r.indices:totable())
          near_rows(weights, r.weights:totable())
          near_rows(probs, r.probs:totable())
        end
      end
    end
  end)

  it("of float32 selects what that of doubles selects", function()
    local uniform = data.uniform(5)
    for experts = 1, 12 do
      for k = 1, experts do
        local rows, o = random_rows(uniform, 4, experts), random_options(uniform, experts, k)
        local double, float = moe.route(rows, o), moe.route(moe.tensor(rows), o)
        assert.same(double.indices:totable(), float.indices:totable())
        assert.same(double.weights:totable(), float.weights:totable())
      end
    end
  end)

  -- Rows of at most eight have a kernel of their own.
  it("of few experts has the bits of one with others, none of them allowed", function()
    local uniform = data.uniform(7)
    for experts = 1, 9 do
      for k = 1, experts do
        local few, many = random_rows(uniform, 8, experts), random_rows(uniform, 8, experts + 20)
        local own = { top_k = k, renormalize = uniform() < 0.5, allowed = {} }
        local others = { top_k = k, renormalize = own.renormalize, allowed = {} }
        for e = 1, experts + 20 do
          if e <= experts then own.allowed[e] = e == k or uniform() < 0.8 end
          others.allowed[e] = own.allowed[e] or false
        end
        for i = 1, 8 do
          if i > 4 then few[i][k] = few[i][k] * 300 end -- probabilities of 0
          for e = 1, experts do many[i][e] = few[i][e] end
        end
        local r, among = moe.route(few, own), moe.route(many, others)
        assert.same(among.indices:totable(), r.indices:totable())
        assert.same(among.weights:totable(), r.weights:totable())
        for i, p in ipairs(among.probs:totable()) do
          for e = 1, experts do assert.equal(p[e], r.probs:totable()[i][e]) end
        end
      end
    end
  end)

  it("takes flags of the experts allowed, one list or one a row", function()
    local rows = { { 3, 2, 1 }, { 3, 2, 1 } }
    local r = moe.route(rows, { allowed = { false, true, true }, top_k = 2 })
    assert.same({ { 2, 3 }, { 2, 3 } }, r.indices:totable())
    r = moe.route(rows, { allowed = { { true, false, true }, { false, false, true } }, top_k = 2 })
    assert.same({ { 1, 3 }, { 3, 0 } }, r.indices:totable())
    near_rows({ { 0, 0, 1 } }, { row(moe.route({ rows[1] }, {
      allowed = { false, false, true }, score = "softmax",
    }).probs) })
    assert.has_error(function() moe.route(rows, { allowed = { false, false, false } }) end)
    assert.has_error(function() moe.route(rows, { allowed = { true } }) end)
    assert.has_error(function() moe.route(rows, { allowed = { 1, 1, 1 } }) end)
  end)

  it("never lets a group win that lost, however low the bias", function()
    -- sigmoid scores are below 1, so with -2 all keys are below 0
    local r = moe.route({ { 3, 2, -1, -2 } }, {
      score = "sigmoid", groups = 2, top_groups = 1, top_k = 2, bias = { -2, -2, -2, -2 },
    })
    assert.same({ 1, 2 }, row(r.indices))
  end)

  it("keeps experts apart whose scores saturate", function()
    assert.same({ 2 }, row(moe.route({ { 50, 60, 40 } }, { score = "sigmoid", top_k = 1 }).indices))
  end)

  it("is the same for rows of nothing", function()
    local r = moe.route(moe.zeros(0, 3), { top_k = 2 })
    assert.same({ 0, 2 }, r.indices.shape)
    assert.same({ 0, 0, 0 }, r.counts:totable())
    assert.equal(0, (r:loss "switch"))
  end)
end)

describe("the routers", function()
  local logits = { { math.log(1), math.log(2), math.log(5) } }

  it("switch: one expert, weighted by its probability", function()
    local r = moe.route(logits, { router = "switch" })
    assert.same({ 3 }, row(r.indices))
    near(5 / 8, row(r.weights)[1])
  end)

  it("noisy_top_k: softmax over the selected", function()
    local r = moe.route(logits, { router = "noisy_top_k", top_k = 2, renormalize = false })
    near(5 / 7, row(r.weights)[1])
  end)

  it("soft: every expert", function()
    assert.same({ 3, 2, 1 }, row(moe.route(logits, { router = "soft", top_k = 1 }).indices))
  end)

  it("hash: by the id, whatever the logits", function()
    local rows, ids = {}, {}
    for i = 1, 600 do
      rows[i], ids[i] = { 5, 0, 0, 0 }, i % 300
    end
    local r = moe.route(rows, { router = "hash", ids = ids, top_k = 2 })
    local counts = r.counts:totable()
    for e = 1, 4 do assert.is_true(counts[e] > 200 and counts[e] < 400) end
    for i = 1, 300 do
      local a, b = r.indices:row(i), r.indices:row(i + 300)
      assert.same(a:totable(), b:totable())
      assert.is_true(a:get(1) ~= a:get(2))
      near(0.5, r.weights:get(i, 1))
    end
    assert.has_error(function() moe.route(rows, { router = "hash" }) end)
    assert.has_error(function() moe.route({ { 1, 2 } }, { router = "hash", ids = { 1.5 } }) end)
  end)

  it("expert_choice: each expert takes the rows that score it highest", function()
    local uniform = data.uniform(8)
    for _, shape in ipairs { { 6, 3, 1 }, { 7, 3, 2 }, { 5, 5, 1 }, { 4, 2, 2 } } do
      local n, experts, factor = shape[1], shape[2], shape[3]
      local rows = random_rows(uniform, n, experts)
      local r = moe.route(rows, {
        router = "expert_choice", eval_capacity_factor = factor, renormalize = false,
      })
      local probs, chosen = r.probs:totable(), {}
      local capacity = math.floor(factor * n / experts)
      for e = 1, experts do
        local order = {}
        for i = 1, n do order[i] = i end
        table.sort(order, function(a, b)
          local x, y = probs[a][e], probs[b][e]
          return x > y or (x == y and a < b)
        end)
        for rank = 1, capacity do
          local i = order[rank]
          chosen[i] = chosen[i] or {}
          table.insert(chosen[i], e)
        end
        assert.equal(capacity, r.counts:totable()[e])
      end
      for i = 1, n do
        local own = chosen[i] or {}
        table.sort(own, function(a, b)
          local x, y = probs[i][a], probs[i][b]
          return x > y or (x == y and a < b)
        end)
        for k = 1, experts do
          assert.equal(own[k] or 0, r.indices:get(i, k))
          near(own[k] and probs[i][own[k]] or 0, r.weights:get(i, k))
        end
      end
    end
  end)
end)

describe("training", function()
  local function many(n)
    local rows = {}
    for i = 1, n do rows[i] = { 1, 2, -3, 0 } end
    return rows
  end

  it("adds noise of the deviation asked for, and only then", function()
    local rows = {}
    for i = 1, 4000 do rows[i] = { 0, 1 } end
    -- the first expert wins where N(0, 2²·2) > 1, that is Φ(−1/√8) = 0.3618
    local r = moe.route(rows, { top_k = 1, noise = 2, training = true, renormalize = false })
    near(0.3618, r:stats().load[1], 0.03)
    r = moe.route(rows, { top_k = 1, noise = 2, renormalize = false })
    assert.same({ 0, 4000 }, r.counts:totable())
    local deviations = {}
    for i = 1, 4000 do deviations[i] = { 0, i <= 2000 and 2 or 0 } end
    r = moe.route(rows, { top_k = 1, noise = deviations, training = true, renormalize = false })
    -- Φ(−1/2) = 0.3085 of the first half
    near(0.3085 / 2, r:stats().load[1], 0.02)
  end)

  it("multiplies by jitter, in proportion to the logit", function()
    local zero, factors = {}, {}
    for i = 1, 500 do zero[i] = { 0, 1 } end
    local p = moe.route(zero, { jitter = 0.5, training = true }).probs:totable()
    for i = 1, 500 do factors[i] = math.log(p[i][2] / p[i][1]) end
    table.sort(factors)
    assert.is_true(factors[1] >= 0.5 - 1e-6 and factors[1] < 0.52)
    assert.is_true(factors[500] <= 1.5 + 1e-6 and factors[500] > 1.48)
    p = moe.route(zero, { jitter = 0.5 }).probs:totable()
    near(math.log(p[1][2] / p[1][1]), 1, 1e-5)
  end)

  it("keeps a share of the experts from each row, and leaves one", function()
    local r = moe.route(many(2000), { expert_dropout = 0.25, training = true, top_k = 4 })
    local counts = r.counts:totable()
    for e = 1, 4 do near(0.75 * 2000, counts[e], 0.05) end
    r = moe.route(many(2000), { expert_dropout = 1, training = true, top_k = 2 })
    for i = 1, 2000 do assert.equal(0, r.indices:row(i):totable()[2]) end
    counts = r.counts:totable()
    for e = 1, 4 do near(0.25 * 2000, counts[e], 0.1) end
    r = moe.route(many(500), { expert_dropout = 1, training = true, top_k = 2,
      allowed = { false, true, false, false } })
    assert.same({ 0, 500, 0, 0 }, r.counts:totable())
    r = moe.route(many(50), { expert_dropout = 0.9, top_k = 2 })
    for i = 1, 50 do assert.same({ 2, 1 }, r.indices:row(i):totable()) end
  end)

  it("gives the same for the same seed, and other noise for another", function()
    local function indices(seed)
      local options = { noise = 3, training = true, seed = seed, top_k = 2 }
      return moe.route(many(40), options).indices:totable()
    end
    assert.same(indices(7), indices(7))
    assert.not_same(indices(7), indices(8))
  end)

  it("refuses a weight that is always 1 while it trains the gate", function()
    for _, o in ipairs {
      { top_k = 1 },
      { top_k = 1, score = "sigmoid" },
      { top_k = 1, score = "softmax_selected", renormalize = false },
      { top_k = 1, router = "noisy_top_k", renormalize = false },
    } do
      o.training = true
      local ok, message = pcall(moe.route, many(1), o)
      assert.is_false(ok)
      assert.truthy(message:find("always 1", 1, true))
      o.training = false
      assert.is_true(pcall(moe.route, many(1), o))
    end
    assert.is_true(pcall(moe.route, many(1), { router = "switch", training = true }))
    local hashed = { router = "hash", top_k = 1, ids = { 1 }, training = true }
    assert.is_true(pcall(moe.route, many(1), hashed))
    assert.is_true(pcall(moe.route, many(1), { top_k = 1, renormalize = false, training = true }))
  end)

  it("refuses options that contradict each other", function()
    for _, o in ipairs {
      { router = "switch", top_k = 2 }, { groups = 3 }, { groups = 2, top_groups = 3 },
      { groups = 2, top_groups = 1, top_k = 3 }, { top_k = 5 }, { noise = { { 1 } } },
      { noise = { { 1, 1, 1, -1 } } }, { jitter = 2 }, { router = "topk" },
    } do
      assert.is_false(pcall(moe.route, many(1), o))
    end
  end)
end)

-- Central differences of f by each of the logits.
local function differences(f, logits, h)
  local out = {}
  for i = 1, #logits do
    out[i] = {}
    for e = 1, #logits[i] do
      local z = logits[i][e]
      logits[i][e] = z + h
      local above = f(logits)
      logits[i][e] = z - h
      local below = f(logits)
      logits[i][e] = z
      out[i][e] = (above - below) / (2 * h)
    end
  end
  return out
end

describe("the gradient by the logits", function()
  local logits = { { 0.3, -0.8, 1.1, 0.6 }, { -0.2, 0.9, -1.4, 2 }, { 0.5, 0.1, -0.6, -1.1 } }
  local by_weights = { { 0.7, -1.2 }, { 0.4, 0.3 }, { -0.9, 1.5 } }
  local by_probs = { { 0.2, -0.1, 0.9, 0.4 }, { -0.6, 0.3, 0.8, 0.1 }, { 0.5, -0.7, 0.2, 0.6 } }

  local function dot(a, b)
    local sum = 0
    for i, one in ipairs(a:totable()) do
      for k, x in ipairs(one) do sum = sum + x * b[i][k] end
    end
    return sum
  end

  -- f is Σ g w + Σ h p; what is selected does not change by the step
  local function check(options)
    local function f(z)
      local r = moe.route(z, options)
      return dot(r.weights, by_weights) + dot(r.probs, by_probs)
    end
    local r = moe.route(logits, options)
    local found = r:backward { weights = by_weights, probs = by_probs }
    near_rows(differences(f, logits, 0.01), found:totable(), 2e-4)
  end

  it("is that of finite differences for every score and temperature", function()
    for _, score in ipairs { "softmax", "sigmoid", "softmax_selected", "sqrt_softplus" } do
      for _, renormalize in ipairs { true, false } do
        for _, temperature in ipairs { 0.7, 1, 3 } do
          check { score = score, renormalize = renormalize, temperature = temperature, top_k = 2 }
        end
      end
    end
  end)

  it("goes through noise and jitter", function()
    check { top_k = 2, noise = 0.1, jitter = 0.3, seed = 3, training = true }
    check { top_k = 2, jitter = 0.5, seed = 3, training = true, score = "sigmoid" }
  end)

  it("counts what was divided by, though it was dropped since", function()
    for _, score in ipairs { "softmax", "sigmoid", "softmax_selected", "sqrt_softplus" } do
      check {
        top_k = 2, score = score, training = true, capacity_factor = 0.6,
      }
      check {
        top_k = 2, score = score, training = true, capacity_factor = 1, overflow = "next_best",
      }
    end
  end)

  it("is 0 for experts not allowed", function()
    local r = moe.route(logits, { top_k = 2, allowed = { true, true, false, true } })
    local found = r:backward({ weights = by_weights, probs = by_probs }):totable()
    for i = 1, 3 do assert.equal(0, found[i][3]) end
  end)

  it("by the deviations of the noise is that of finite differences", function()
    local deviations = { { 0.2, 0.1, 0.3, 0.2 }, { 0.1, 0.1, 0.1, 0.1 }, { 0.3, 0.2, 0.1, 0.2 } }
    local function route(noise)
      return moe.route(logits, { top_k = 2, noise = noise, seed = 5, training = true })
    end
    local _, found = route(deviations):backward { weights = by_weights }
    local expected = differences(function(noise)
      return dot(route(noise).weights, by_weights)
    end, deviations, 0.01)
    near_rows(expected, found:totable(), 2e-4)
  end)

  it("is finite where nothing is selected but what is all but impossible", function()
    local r = moe.route({ { 0, 2000, -2000 } }, { top_k = 2, bias = { 5, -5, 5 } })
    local found = r:backward({ weights = { { 1, -1 } } }):totable()[1]
    for e = 1, 3 do assert.is_true(math.abs(found[e]) < 10) end
  end)
end)

describe("moe.route", function()
  it("survives the failure of any allocation", function()
    local allocations = require "spec.support.allocations"
    local rows = { { 1, 2, 3 }, { 3, 2, 1 } }
    allocations.fail(function()
      local r = moe.route(rows, { top_k = 2, training = true, noise = { { 1, 1, 1 }, { 1, 1, 1 } },
        bias = { 0, 1, 0 }, allowed = { true, true, true }, capacity_factor = 1 })
      r:loss "load"
      r:backward { weights = { { 1, 1 }, { 1, 1 } } }
      r:stats()
      r:next_bias()
    end)
  end)

  it("is in moe.help, with all its options", function()
    local text = moe.help "route":gsub("%s+", " ")
    assert.truthy(moe.help():find("route", 1, true))
    for _, p in ipairs(require("moe.core")._function_types()[1].params) do
      assert.truthy(text:find(p.name, 1, true), p.name)
      assert.truthy(text:find(p.doc, 1, true), p.name)
    end
  end)

  it("can be closed by hand", function()
    local r = moe.route { { 1, 2 } }
    r:close()
    r:close()
    assert.same({ { 2, 1 } }, r.indices:totable())
    assert.has_error(function() r:stats() end)
  end)

  it("gives methods to no other table", function()
    local stats = moe.route({ { 1, 2 } }).stats
    assert.has_error(function() stats {} end)
    assert.has_error(function() stats(5) end)
    assert.has_error(function() stats(setmetatable({}, { routed = io.stdout })) end)
  end)
end)
