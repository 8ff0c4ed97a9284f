-- Gates that learn sample by sample.
local moe = require "moe"
local data = require "spec.support.data"

local G, E = moe.gates, moe.experts
local nan = 0 / 0

-- The plain rule: a step of stochastic gradient descent.
local function plain(options)
  local all = {
    prior = 0, standardize = false, implicit = false, clip = 0, decay = 0, online_lr = 0.1,
  }
  for name, value in pairs(options or {}) do all[name] = value end
  return G.softmax(all)
end

local function learn(gate, x, scores) gate:partial_fit({ x }, { scores }) end
local function list(p) return type(p) == "table" and p or { p } end
local function ask(gate, x) return gate:forward({ x }):totable()[1] end

local function softmax(z)
  local sum, p = 0, {}
  for e = 1, #z do sum = sum + math.exp(z[e]) end
  for e = 1, #z do p[e] = math.exp(z[e]) / sum end
  return p
end

-- W row by row, then b.
local function weights_of(gate)
  local info, out = gate:info(), {}
  for _, row in ipairs(info.coefficients) do
    for _, w in ipairs(row) do out[#out + 1] = w end
  end
  for _, b in ipairs(info.intercept) do out[#out + 1] = b end
  return out
end

local function logits(w, x, experts)
  local z, d = {}, #x
  for e = 1, experts do
    z[e] = w[experts * d + e]
    for j = 1, d do z[e] = z[e] + w[(e - 1) * d + j] * x[j] end
  end
  return z
end

-- −log Σ p exp(y) over the experts that were asked.
local function loss(p, y)
  local joint, asked = 0, 0
  for e = 1, #p do
    if y[e] == y[e] then
      joint = joint + p[e] * math.exp(y[e])
      asked = asked + p[e]
    end
  end
  return -math.log(joint / asked)
end

-- Three linear experts; `owner(x, i)` says whose law a sample follows.
local function world(owner, n, seed)
  local u = data.uniform(seed)
  local law = {}
  for k = 1, 3 do law[k] = { 4 * u() - 2, 4 * u() - 2, 4 * u() - 2 } end
  local X, scores = {}, {}
  for i = 1, n do
    local x = { 2 * u() - 1, 2 * u() - 1 }
    local says = {}
    for k = 1, 3 do says[k] = law[k][1] * x[1] + law[k][2] * x[2] + law[k][3] end
    local y = says[owner(x, i)] + 0.6 * (u() + u() + u() - 1.5)
    local row = {}
    for k = 1, 3 do row[k] = -0.5 * ((y - says[k]) / 0.3) ^ 2 end
    X[i], scores[i] = x, row
  end
  return X, scores
end

-- The mean loss of what the gate says before it learns, above that of who knows
-- the owners, from sample 200 on.
local function regret(gate, owner, X, scores)
  local sum = 0
  for i = 1, #X do
    local p = i > 1 and ask(gate, X[i]) or { 1 / 3, 1 / 3, 1 / 3 }
    if i > 200 then sum = sum + loss(p, scores[i]) + scores[i][owner(X[i], i)] end
    learn(gate, X[i], scores[i])
  end
  return sum / (#X - 200)
end

local function near(expected, found, tolerance)
  assert.equal(#expected, #found)
  for k = 1, #expected do assert.near(expected[k], found[k], tolerance or 1e-6) end
end

describe("the softmax gate, sample by sample", function()
  it("takes the plain step that one computes by hand", function()
    local gate = plain {
      target = "best_expert", weights = { 0.1, 0.2, -0.1, 0.3, 0, 0, 0.5, -0.5, 0 },
    }
    learn(gate, { 1, 2 }, { -1, -2, -3 })
    -- z = (1, 0, 0), p = softmax(z); W −= 0.1 (p − (1, 0, 0)) xᵀ, b likewise
    local p = softmax { 1, 0, 0 }
    local g = { p[1] - 1, p[2], p[3] }
    near({
      0.1 - 0.1 * g[1], 0.2 - 0.2 * g[1], -0.1 - 0.1 * g[2], 0.3 - 0.2 * g[2],
      -0.1 * g[3], -0.2 * g[3], 0.5 - 0.1 * g[1], -0.5 - 0.1 * g[2], -0.1 * g[3],
    }, weights_of(gate), 1e-14)
  end)

  it("has the first of equals as its hard target, among those asked", function()
    local cases = { { { -2, -1, -1 }, 2 }, { { nan, -5, -4 }, 3 }, { { nan, -9, nan }, 2 } }
    for _, case in ipairs(cases) do
      local gate = plain { target = "best_expert" }
      learn(gate, { 0 }, case[1])
      local b = gate:info().intercept
      for e = 1, 3 do assert.near(-0.1 * (1 / 3 - (e == case[2] and 1 or 0)), b[e], 1e-15) end
    end
  end)

  it("goes down its loss: the step is the derivative by central differences", function()
    local u = data.uniform(4)
    for _, y in ipairs { { -1, -2.5, -0.3 }, { -1, nan, -0.3 }, { nan, nan, -2 } } do
      local w = {}
      for k = 1, 9 do w[k] = 2 * u() - 1 end
      local x = { u(), -u() }
      local gate = plain { weights = w, online_lr = 1 }
      learn(gate, x, y)
      local after = weights_of(gate)
      for k = 1, 9 do
        local function at(h)
          local moved = {}
          for i = 1, 9 do moved[i] = w[i] + (i == k and h or 0) end
          return loss(softmax(logits(moved, x, 3)), y)
        end
        assert.near((at(1e-5) - at(-1e-5)) / 2e-5, w[k] - after[k], 1e-8)
      end
    end
  end)

  it("shortens a step so that it cannot overshoot, and clips a long gradient", function()
    local g = 0.5 -- of two experts, p less the hard target
    local function step(options)
      options.target = "best_expert"
      local gate = plain(options)
      learn(gate, { 3 }, { -1, -2 })
      return gate:info().coefficients[1][1]
    end
    assert.near(2 * g * 3, step { online_lr = 2 }, 1e-14)
    -- s = lr / (1 + lr (1 + |x|²) / 2)
    assert.near(2 / (1 + 10) * g * 3, step { online_lr = 2, implicit = true }, 1e-14)
    -- the gradient is as long as |(−g, g)| |(x, 1)| = √0.5 √10
    assert.near(2 * g * 3 / math.sqrt(5), step { online_lr = 2, clip = 1 }, 1e-14)
    assert.near(2 * g * 3, step { online_lr = 2, clip = 3 }, 1e-14)
  end)

  it("weighs its samples", function()
    local X, scores = world(function(x) return x[1] > 0 and 1 or 2 end, 40, 3)
    local once, twice = plain(), plain { online_lr = 0.05 }
    once:partial_fit(X, scores)
    local weights = {}
    for i = 1, #X do weights[i] = 2 end
    twice:partial_fit(X, scores, { weights = weights })
    near(weights_of(once), weights_of(twice), 1e-12)
    -- in the prior a weight of 2 is the sample twice, but that it is shared once
    local a = G.softmax { online_lr = 0, share = 0 }
    local b = G.softmax { online_lr = 0, share = 0 }
    a:partial_fit({ { 1 }, { 1 } }, { { -1, -2 }, { -1, -2 } })
    b:partial_fit({ { 1 } }, { { -1, -2 } }, { weights = { 2 } })
    near(ask(a, { 1 }), ask(b, { 1 }))
  end)

  it("does not care about the units of its columns", function()
    local X, scores = world(function(x) return x[1] > 0.2 and 1 or 3 end, 400, 5)
    local one, other = G.softmax {}, G.softmax {}
    for i = 1, #X do
      learn(one, X[i], scores[i])
      learn(other, { 1e6 * X[i][1] + 1e7, 1e-5 * X[i][2] - 3e-4 }, scores[i])
      if i % 50 == 0 then
        local x = { 0.3, -0.1 }
        near(ask(one, x), ask(other, { 1e6 * x[1] + 1e7, 1e-5 * x[2] - 3e-4 }), 1e-6)
      end
    end
  end)

  it("leaves columns alone that are constant", function()
    local gate = G.softmax {}
    for i = 1, 100 do learn(gate, { 5, i % 2 }, i % 2 == 0 and { -1, -3 } or { -3, -1 }) end
    local c = gate:info().coefficients
    assert.equal(0, c[1][1])
    assert.is_true(c[1][2] < 0)
  end)

  it("takes missing values for the mean so far", function()
    local X, scores = world(function(x) return x[1] > 0 and 1 or 2 end, 300, 6)
    local gate, mean, rows = G.softmax {}, 0, 0
    for i = 1, 300 do
      learn(gate, X[i], scores[i])
      rows = rows * (1 - 1e-4) + 1 -- it remembers some 10,000 samples
      mean = mean + (X[i][1] - mean) / rows
    end
    near(ask(gate, { mean, 0.5 }), ask(gate, { nan, 0.5 }), 1e-6)
    learn(gate, { nan, nan }, { -1, -2, -3 })
    for _, p in ipairs(ask(gate, { nan, nan })) do assert.is_true(p > 0 and p < 1) end
  end)

  it("goes on from where a fit has left its weights", function()
    local X, scores = world(function(x) return x[1] > 0 and 1 or 2 end, 200, 8)
    local gate = G.softmax { online_lr = 0, prior = 0, decay = 0 }
    gate:fit(X, scores)
    local before = ask(gate, X[3])
    for i = 1, 50 do learn(gate, X[i], scores[i]) end
    near(before, ask(gate, X[3]), 1e-7)
    gate:set_params { online_lr = 0.3, prior = 1 }
    for i = 1, 100 do learn(gate, X[i], { -9, -9, -1 }) end
    assert.is_true(ask(gate, X[3])[3] > 0.9)
  end)

  it("refuses weights of another number", function()
    local ok, message = pcall(learn, G.softmax { weights = { 1, 2, 3 } }, { 1 }, { -1, -2 })
    assert.is_false(ok)
    assert.truthy(tostring(message):find "2 experts and 1 columns 4 are needed, got 3")
  end)

  -- The whole rule of gate_online.h with its defaults, line by line, as long as
  -- factors and decay are kept up to date (64 samples).
  local function by_hand(m, d)
    local W, b, mean, var, factor, v, rows, steps = {}, {}, {}, {}, {}, {}, 0, 0
    for e = 1, m do W[e], b[e] = {}, 0 end
    for j = 1, d do
      mean[j], var[j], factor[j] = 0, 0, 0
      for e = 1, m do W[e][j] = 0 end
    end
    for e = 1, m + 1 do v[e] = 1 / (m + 1) end
    local function dot(a, c)
      local sum = 0
      for j = 1, d do sum = sum + a[j] * c[j] end
      return sum
    end
    local function q_of(x)
      local z = {}
      for e = 1, m do z[e] = dot(W[e], x) + b[e] end
      return softmax(z)
    end
    local function answer(x)
      local q = q_of(x)
      for e = 1, m do q[e] = v[m + 1] * q[e] + v[e] end
      return q
    end
    return answer, function(x, y)
      local q, like, all, joint, before, after = q_of(x), {}, 0, 0, v[m + 1], 0
      for e = 1, m do
        local asked = y[e] == y[e]
        like[e] = asked and math.exp(y[e]) or 0
        all = all + (asked and q[e] or 0)
        joint, after = joint + q[e] * like[e], after + v[e] * like[e]
        before = before + (asked and v[e] or 0)
      end
      rows, steps = rows * (1 - 1e-4) + 1, steps + 1
      local u, along, length, square = {}, 0, 1, 0
      for j = 1, d do
        local gap = x[j] - mean[j]
        var[j] = (1 - 1 / rows) * (var[j] + gap * gap / rows)
        mean[j] = mean[j] + gap / rows
        local standard = (x[j] - mean[j]) * factor[j]
        u[j] = standard * factor[j]
        along, length = along + u[j] * mean[j], length + standard * standard
      end
      local slope = {}
      for e = 1, m do
        slope[e] = q[e] * ((y[e] == y[e] and 1 / all or 0) - like[e] / joint)
        square = square + slope[e] ^ 2 * length
      end
      local step = 0.3 * math.min(1, 10 / math.sqrt(square))
      step = step / (1 + step * length / 2)
      local left = 1 / (1 + 0.3 * 1e-4)
      for j = 1, d do
        if steps >= 10 then factor[j] = var[j] > 0 and 1 / math.sqrt(var[j]) or 0 end
      end
      for e = 1, m do
        b[e] = b[e] - step * slope[e] * (1 - along)
        for j = 1, d do W[e][j] = W[e][j] - step * slope[e] * u[j] end
        b[e] = b[e] + (1 - left) * dot(W[e], mean)
        for j = 1, d do W[e][j] = left * W[e][j] end
      end
      local fit = joint / all
      after = after + v[m + 1] * fit
      for e = 1, m + 1 do
        local said = e > m and fit or like[e]
        local counts = e > m or y[e] == y[e]
        v[e] = 0.995 * v[e] * (counts and said * before / after or 1) + 0.005 / (m + 1)
      end
    end
  end

  it("is what one computes by hand, for any number of experts and columns", function()
    local u = data.uniform(21)
    for _, m in ipairs { 1, 2, 3, 4, 5, 9, 70 } do
      for _, d in ipairs { 1, 3, 4, 9, 16 } do
        local gate, x, y = G.softmax {}, {}, {}
        local answer, teach = by_hand(m, d)
        for i = 1, 30 do
          for j = 1, d do x[j] = (u() - 0.3) * j end
          for e = 1, m do y[e] = -3 * u() - (x[1] > e / m and 1 or 0) end
          if i % 7 == 0 and m > 1 then y[1 + i % m] = nan end
          if i > 1 then near(answer(x), list(gate:predict_one(x)), 1e-11) end
          gate:learn_one(x, y)
          teach(x, y)
        end
      end
    end
  end)

  it("answers a row among others as by itself, to the last bit", function()
    local u = data.uniform(22)
    for _, options in ipairs { {}, { temperature = 3 }, { prior = 0, target = "best_expert" } } do
      for _, m in ipairs { 1, 3, 4, 5, 9 } do
        local gate, rows = G.softmax(options), {}
        for i = 1, 30 do
          local y = {}
          rows[i] = { math.floor(64 * u()) / 8, i % 9 == 4 and nan or i / 8, -i % 4, 0.5, i % 5 }
          for e = 1, m do y[e] = -4 * u() end
          gate:learn_one(rows[i], y)
        end
        local many = gate:forward(rows)
        for i = 1, 30 do
          assert.same(many:totable()[i], gate:forward({ rows[i] }):totable()[1])
          near(list(gate:predict_one(rows[i])), many:totable()[i], 1e-7)
        end
      end
    end
  end)

  it("comes back from a file in mid-stream with the same bits", function()
    local X, scores = world(function(_, i) return i % 100 < 50 and 1 or 2 end, 300, 9)
    for _, options in ipairs { {}, { prior = 0 }, { standardize = false } } do
      local gate = G.softmax(options)
      for i = 1, 150 do learn(gate, X[i], scores[i]) end
      local copy, again = gate:clone(), assert(moe.undump(gate:dump()))
      for i = 151, 300 do
        for _, g in ipairs { gate, copy, again } do learn(g, X[i], scores[i]) end
      end
      assert.is_true(gate:dump() == copy:dump() and gate:dump() == again:dump())
      local many = G.softmax(options)
      many:partial_fit(X, scores)
      assert.is_true(gate:dump() == many:dump())
    end
  end)

  it("comes back where its columns are beyond what steps go by", function()
    local m = moe.mixture { experts = { E.constant {}, E.last_value {} }, task = "regression" }
    local again
    for i = 1, 60 do
      local x, y = { (i * 7 % 5 - 2) * 1e140, i % 3 }, i % 4
      m:learn_one(x, y)
      if again then again:learn_one(x, y) end
      if i == 31 then again = assert(moe.undump(m:dump())) end
    end
    assert.is_true(m:dump() == again:dump())
  end)

  it("stays finite among huge numbers and for a million samples", function()
    local u = data.uniform(2)
    local huge = { 1e308, -1e308, 1e-308, 0, 1e30, -1, 3 }
    for _, options in ipairs {
      {}, { standardize = false }, { standardize = false, implicit = false, clip = 0 },
      { target = "best_expert", implicit = false, clip = 0, online_lr = 1e6 },
      { share = 0, prior = 100 }, { share = 1 },
    } do
      local gate = G.softmax(options)
      for _ = 1, 300 do
        local x = { huge[1 + math.floor(7 * u())], huge[1 + math.floor(7 * u())] }
        local y = {}
        for e = 1, 3 do y[e] = huge[1 + math.floor(7 * u())] end
        local weight = math.abs(huge[1 + math.floor(7 * u())]) + 1e-300
        gate:partial_fit({ x }, { y }, { weights = { weight } })
        local sum = 0
        for _, p in ipairs(ask(gate, x)) do sum = sum + p end
        assert.near(1, sum, 1e-5)
      end
      assert(moe.undump(gate:dump()))
    end
    local X, scores = world(function(x) return x[1] > 0 and 1 or 2 end, 1000, 4)
    local gate, xs, ys = G.softmax {}, moe.tensor(X), moe.tensor(scores)
    for _ = 1, 1000 do gate:partial_fit(xs, ys) end
    for _, w in ipairs(weights_of(gate)) do assert.is_true(math.abs(w) < 1e3) end
    assert.is_true(ask(gate, { 0.7, 0 })[1] > 0.9)
  end)
end)

describe("the prior beside the logits", function()
  local function gate_of(share) return G.softmax { online_lr = 0, share = share } end

  it("is what one computes by hand", function()
    -- hypotheses: expert 1, expert 2, the logits, which say ½ each
    local gate = gate_of(0.1)
    learn(gate, { 0 }, { math.log(0.8), math.log(0.2) })
    local v = { 0.9 * 0.8 / 1.5 + 0.1 / 3, 0.9 * 0.2 / 1.5 + 0.1 / 3, 0.9 * 0.5 / 1.5 + 0.1 / 3 }
    near({ v[1] + v[3] / 2, v[2] + v[3] / 2 }, ask(gate, { 0 }), 1e-7)
    learn(gate, { 0 }, { math.log(0.1), math.log(0.9) })
    local sum = v[1] * 0.1 + v[2] * 0.9 + v[3] * 0.5
    v = {
      0.9 * v[1] * 0.1 / sum + 0.1 / 3, 0.9 * v[2] * 0.9 / sum + 0.1 / 3,
      0.9 * v[3] * 0.5 / sum + 0.1 / 3,
    }
    near({ v[1] + v[3] / 2, v[2] + v[3] / 2 }, ask(gate, { 0 }), 1e-7)
  end)

  it("comes back from a file where rounding has added up", function()
    for seed = 1, 20 do
      local u, experts = data.uniform(seed), { E.linear {}, E.constant {}, E.last_value {} }
      local m = moe.mixture { experts = experts, gate = G.softmax { share = 0 } }
      for _ = 1, 2000 do
        local x = { u(), u() }
        m:learn_one(x, 3 * x[1] - x[2])
      end
      assert(moe.undump(m:dump()))
    end
  end)

  it("leaves the shares of experts alone that were not asked", function()
    local gate = gate_of(0)
    learn(gate, { 0 }, { math.log(0.8), math.log(0.2), nan })
    -- of ¾ those asked and the logits have (0.8, 0.2, ½) parts of 1.5
    near({ 0.75 * 0.8 / 1.5 + 0.25 / 3, 0.75 * 0.2 / 1.5 + 0.25 / 3, 0.25 + 0.25 / 3 },
      ask(gate, { 0 }), 1e-7)
    local alone = gate_of(0)
    learn(alone, { 0 }, { nan, -3, nan })
    near({ 1 / 3, 1 / 3, 1 / 3 }, ask(alone, { 0 }), 1e-7)
  end)

  it("loses no more than fixed share may, against any sequence of experts", function()
    local share, n, u = 0.05, 400, data.uniform(12)
    local gate, total, best = gate_of(share), 0, 0
    local switches = 0
    for i = 1, n do
      local leader = math.floor((i - 1) / 80) % 2 + 1
      if i > 1 and (i - 1) % 80 == 0 then switches = switches + 1 end
      local y = { -2 * u(), -2 * u() }
      y[leader] = y[leader] / 4
      total = total + loss(i > 1 and ask(gate, { 0 }) or { 0.5, 0.5 }, y)
      best = best - y[leader]
      learn(gate, { 0 }, y)
    end
    -- Herbster & Warmuth (1998), of three hypotheses
    local bound = math.log(3) - (n - 1 - switches) * math.log(1 - share + share / 3)
      - switches * math.log(share / 3)
    assert.is_true(total <= best + bound, ("%g %g %g"):format(total, best, bound))
    assert.is_true(total > best)
  end)

  it("follows the best expert within a few samples of a change", function()
    local X, scores = world(function(_, i) return math.floor(i / 200) % 3 + 1 end, 1200, 1)
    local gate = G.softmax {}
    for i = 1, #X do
      if i > 20 and i % 200 >= 15 then
        assert.is_true(ask(gate, X[i])[math.floor(i / 200) % 3 + 1] > 0.5, tostring(i))
      end
      learn(gate, X[i], scores[i])
    end
  end)

  it("beats the logits alone where laws change, and costs little where they do not", function()
    local function regrets(owner)
      local X, scores = world(owner, 1500, 2)
      return regret(G.softmax {}, owner, X, scores),
        regret(G.softmax { prior = 0 }, owner, X, scores)
    end
    local with, without = regrets(function(_, i) return math.floor(i / 250) % 3 + 1 end)
    assert.is_true(with < 0.2 * without, with .. " " .. without)
    with, without = regrets(function(x) return x[1] > 0.3 and 1 or x[2] > 0 and 2 or 3 end)
    assert.is_true(with < without + 0.02, with .. " " .. without)
  end)
end)

describe("other gates, sample by sample", function()
  local X, scores = world(function(x) return x[1] > 0 and 1 or 2 end, 600, 3)
  local function share_right(gate, holes)
    local right = 0
    for i = 1, #X do
      local y = { scores[i][1], scores[i][2], scores[i][3] }
      if holes then y[i % 3 + 1] = nan end
      if i > 300 then
        local p = ask(gate, X[i])
        right = right + ((p[1] > p[2]) == (X[i][1] > 0) and 1 or 0)
      end
      learn(gate, X[i], y)
    end
    return right / (#X - 300)
  end

  it("mlp and classifier learn who is best where", function()
    for _, holes in ipairs { false, true } do
      assert.is_true(share_right(G.mlp { lr = 0.01 }, holes) > 0.78)
      assert.is_true(share_right(G.classifier { model = E.naive_bayes {} }, holes) > 0.78)
      assert.is_true(share_right(G.classifier { model = E.logistic {}, soft = true }, holes) > 0.78)
      assert.is_true(share_right(G.softmax {}, holes) > 0.78)
    end
  end)

  it("uniform stays even, and fixed goes by its column, of names or numbers", function()
    local even = G.uniform {}
    learn(even, { 1 }, { -1, -2, -3, -4 })
    near({ 0.25, 0.25, 0.25, 0.25 }, ask(even, { 1 }))
    local gate = G.fixed { column = "site" }
    local rows = moe.data.table { columns = { site = { 1, 2, 3 }, x = { 5, 6, 7 } } }
    gate:partial_fit(rows, { { -1, -2 }, { -1, -2 }, { -1, -2 } })
    assert.same({ { 1, 0 }, { 0, 1 }, { 0.5, 0.5 } }, gate:forward(rows):totable())
  end)

  it("one sample at a time, to the same bits", function()
    local single, many = G.softmax {}, G.softmax {}
    for i = 1, 20 do
      local x, told = { i % 3, i % 5 }, { -(i % 3), -(i % 2) }
      single:learn_one(x, told)
      learn(many, x, told)
    end
    local x = { 1, 2 }
    assert.same(many:forward_one(x), single:predict_one(x))
    assert.equal(many:dump(), single:dump())
  end)

  it("those that cannot say so", function()
    for _, name in ipairs { "gaussian", "knn" } do
      local ok, message = pcall(learn, G[name] {}, { 1 }, { -1, -2 })
      assert.is_false(ok)
      assert.truthy(tostring(message):find(name .. " cannot learn row by row", 1, true), message)
    end
    local ok, message = pcall(learn, G.classifier { model = E.tree {} }, { 1 }, { -1, -2 })
    assert.is_false(ok)
    assert.truthy(tostring(message):find("row by row", 1, true), message)
  end)
end)
