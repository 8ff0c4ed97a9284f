-- The softmax gate against its stated objective, minimised by another library.
local moe = require "moe"
local data = require "spec.support.data"
local near = require("spec.support.near").within(1e-9)

local G = moe.gates

-- Log-likelihoods of three experts: the first knows rows with x[1] < 0, the
-- second those with x[2] > 50, the third little anywhere.
local function regions(n)
  local u, X, scores = data.uniform(21), {}, {}
  for i = 1, n or 80 do
    local row = { 4 * u() - 2, 100 * u(), 1e-3 * u() }
    X[i] = row
    scores[i] = {
      math.log(0.02 + 0.9 * u() * (row[1] < 0 and 1 or 0)),
      math.log(0.02 + 0.9 * u() * (row[2] > 50 and 1 or 0)),
      math.log(0.3 * u()),
    }
  end
  return X, scores
end

local function moments(X)
  local mean, square = {}, {}
  for j = 1, #X[1] do
    mean[j], square[j] = 0, 0
    for i = 1, #X do mean[j] = mean[j] + X[i][j] / #X end
    for i = 1, #X do square[j] = square[j] + (X[i][j] - mean[j]) ^ 2 / #X end
  end
  return mean, square
end

local function log_sum(z)
  local most, sum = -math.huge, 0
  for _, value in ipairs(z) do most = math.max(most, value) end
  for _, value in ipairs(z) do sum = sum + math.exp(value - most) end
  return most + math.log(sum)
end

-- −Σ log Σ_e g_e exp(v_e) + ½ Σ penalty_j W_ej², for weights and biases.
local function objective(X, scores, w, b, penalty)
  local total = 0
  for i, row in ipairs(X) do
    local z, a = {}, {}
    for e = 1, #b do
      z[e] = b[e]
      for j, x in ipairs(row) do z[e] = z[e] + w[e][j] * x end
      a[e] = z[e] + scores[i][e]
    end
    total = total + log_sum(z) - log_sum(a)
  end
  for e = 1, #b do
    for j, p in ipairs(penalty) do total = total + p / 2 * w[e][j] ^ 2 end
  end
  return total
end

local function fitted(X, scores, options)
  local gate = G.softmax(options)
  gate:fit(X, scores)
  return gate, gate:info().coefficients, gate:info().intercept
end

describe("the softmax gate", function()
  -- scipy 1.10.1, BFGS from 0 and eight random starts, the best of nine.
  it("reaches the minimum of the stated objective", function()
    local X, scores = regions()
    local _, square = moments(X)
    local function standard(l2) return { l2 * square[1], l2 * square[2], l2 * square[3] } end
    for _, case in ipairs {
      { options = { l2 = 1 }, penalty = standard(1), least = 118.076289 },
      { options = { l2 = 30 }, penalty = standard(30), least = 142.677556 },
      { options = { l2 = 5, standardize = false }, penalty = { 5, 5, 5 }, least = 114.901537 },
    } do
      local _, w, b = fitted(X, scores, case.options)
      near(case.least, objective(X, scores, w, b, case.penalty), 1e-5)
    end
  end)

  it("is never less likely than the best constant weights", function()
    local X, scores = regions()
    local constant = 151.775194 -- scipy 1.10.1, BFGS over the biases alone
    for _, l2 in ipairs { 0, 1, 100, 1e6, 1e300 } do
      local _, w, b = fitted(X, scores, { l2 = l2 })
      assert.is_true(objective(X, scores, w, b, {}) <= constant + 1e-5)
    end
  end)

  it("with nothing to go by gives each expert its share of the rows", function()
    local X, scores = {}, {}
    for i = 1, 40 do
      X[i] = { 7 }
      scores[i] = { i <= 10 and 0 or -math.huge, i > 10 and 0 or -math.huge }
    end
    local gate = fitted(X, scores)
    near(0.25, gate:forward({ { 7 } }):get(1, 1), 1e-6)
  end)

  it("passes over rows that say nothing", function()
    local X, scores = regions()
    local options = { l2 = 30, standardize = false, tol = 1e-9 }
    local _, w, b = fitted(X, scores, options)
    for i = 81, 90 do
      X[i] = { i, -i, 0 }
      scores[i] = { -math.huge, i % 2 == 0 and 0 / 0 or -math.huge, -math.huge }
    end
    local _, v, c = fitted(X, scores, options)
    for e = 1, 3 do
      near(b[e], c[e], 1e-5)
      for j = 1, 2 do near(w[e][j], v[e][j], 1e-5) end
    end
  end)

  it("takes any scores for the likelihoods that they are up to a factor", function()
    local X, scores = regions()
    local gate = fitted(X, scores)
    local before = gate:forward(X):totable()
    for i = 1, #scores do
      for e = 1, 3 do scores[i][e] = scores[i][e] + 2 ^ (i % 900) end
    end
    scores[1] = { -1e308, 1e308, -math.huge }
    for _, row in ipairs((fitted(X, scores)):forward(X):totable()) do
      near(1, row[1] + row[2] + row[3], 1e-6)
    end
    assert.equal(#X, #before)
  end)

  it("sharpens below temperature 1, and softens above", function()
    local X, scores = regions()
    local one, w = fitted(X, scores)
    local half, v = fitted(X, scores, { temperature = 0.5 })
    assert.same(w, v) -- the fit is at 1
    local p, q = one:forward(X), half:forward(X)
    for i = 1, #X do
      local sum = p:get(i, 1) ^ 2 + p:get(i, 2) ^ 2 + p:get(i, 3) ^ 2
      near(p:get(i, 1) ^ 2 / sum, q:get(i, 1), 1e-6)
    end
  end)

  it("counts a missing value as its column's mean", function()
    local X, scores = regions()
    for i = 1, #X, 5 do X[i][2] = 0 / 0 end
    local mean, n = 0, 0
    for _, row in ipairs(X) do
      if row[2] == row[2] then mean, n = mean + row[2], n + 1 end
    end
    local gate = fitted(X, scores)
    local said = gate:forward({ { 1, 0 / 0, 0 }, { 1, mean / n, 0 } }):totable()
    for e = 1, 3 do near(said[2][e], said[1][e], 1e-7) end
  end)

  it("gives sparse rows what it gives the same rows written out", function()
    local u, dense, sparse, scores = data.uniform(4), {}, { columns = 9 }, {}
    for i = 1, 70 do
      dense[i], sparse[i] = {}, {}
      for j = 1, 9 do
        local x = u() < 0.3 and math.floor(u() * 8 + 1) / 8 or 0
        dense[i][j] = x
        if x ~= 0 then sparse[i][j] = x end
      end
      scores[i] = { math.log(0.1 + dense[i][1]), math.log(0.2 + dense[i][2]) }
    end
    local a = fitted(dense, scores, { l2 = 1, tol = 1e-10 })
    local b = fitted(moe.sparse(sparse), scores, { l2 = 1, tol = 1e-10 })
    local p, q = a:forward(dense), b:forward(moe.sparse(sparse))
    for i = 1, 70 do near(p:get(i, 1), q:get(i, 1), 1e-6) end
  end)

  it("gives a row by itself the bits that it has among others", function()
    local X, scores = regions(37)
    local gate = fitted(X, scores)
    local all = gate:forward(X):totable()
    for i, row in ipairs(X) do assert.same(all[i], gate:forward({ row }):totable()[1]) end
  end)

  it("by mini-batches comes near the minimum", function()
    local X, scores = regions(400)
    local _, square = moments(X)
    for _, l2 in ipairs { 1, 30 } do
      local penalty = { l2 * square[1], l2 * square[2], l2 * square[3] }
      local function reached(solver)
        local _, w, b = fitted(X, scores, { l2 = l2, solver = solver, batch = 32, epochs = 300 })
        return objective(X, scores, w, b, penalty)
      end
      local least, found = reached "lbfgs", reached "adam"
      assert.is_true(found < least + 0.1, found - least) -- of about 600
    end
  end)

  it("by mini-batches of sparse rows does what it does of those written out", function()
    local u, dense, sparse, scores = data.uniform(4), {}, { columns = 9 }, {}
    for i = 1, 200 do
      dense[i], sparse[i] = {}, {}
      for j = 1, 9 do
        local x = u() < 0.4 and math.floor(u() * 8 + 1) / 8 or 0
        dense[i][j] = x
        if x ~= 0 then sparse[i][j] = x end
      end
      scores[i] = { math.log(0.1 + dense[i][1]), math.log(0.2 + dense[i][2]) }
    end
    local options = { l2 = 5, solver = "adam", batch = 20, epochs = 300 }
    local a = fitted(dense, scores, options)
    local b = fitted(moe.sparse(sparse), scores, options)
    local p, q = a:forward(dense), b:forward(moe.sparse(sparse))
    for i = 1, 200 do near(p:get(i, 1), q:get(i, 1), 0.02) end
  end)

  it("of one expert is certain of it", function()
    local gate = fitted({ { 1 }, { 2 } }, { { -1 }, { -2 } })
    assert.same({ { 1 } }, gate:forward({ { 5 } }):totable())
  end)
end)

-- Two experts for 200 rows.  Who is right follows from x[1] (sharply, but for one row
-- in 20), or from nothing at all; there are ten columns of noise.
local function choices(follows, n, seed)
  local u, X, scores = data.uniform(seed or 8), {}, {}
  for i = 1, n or 200 do
    X[i] = {}
    for j = 1, 11 do X[i][j] = 2 * u() - 1 end
    local first = follows and X[i][1] > 0.2
    if not follows or u() < 0.05 then first = u() < 0.5 end
    scores[i] = { math.log(first and 0.9 or 0.1), math.log(first and 0.1 or 0.9) }
  end
  return X, scores
end

describe("the softmax gate's penalty", function()
  local function chosen(X, scores, options, more)
    local gate = G.softmax(options)
    local _, history = gate:fit(X, scores, more)
    return gate:info().l2, history, gate
  end

  it("is strong where nothing tells the experts apart, weak where a column does", function()
    assert.equal(30, (chosen(choices(false))))
    assert.is_true(chosen(choices(true)) <= 3)
  end)

  it("is hardly ever weak by chance", function()
    local weak = 0
    for seed = 1, 20 do
      local X, scores = choices(false, 100, seed)
      for i = 1, #X do X[i] = { X[i][1] } end
      if chosen(X, scores) < 30 then weak = weak + 1 end
    end
    assert.is_true(weak <= 2, weak)
  end)

  it("serves rows of the same kind better than the strongest", function()
    local X, scores = choices(true, 1200)
    local test, truth = {}, {}
    for i = 1, 1000 do
      test[i], truth[i] = X[200 + i], scores[200 + i]
      X[200 + i], scores[200 + i] = nil, nil
    end
    local function likelihood(options)
      local _, _, gate = chosen(X, scores, options)
      local sum = 0
      for i, g in ipairs(gate:forward(test):totable()) do
        sum = sum + math.log(g[1] * math.exp(truth[i][1]) + g[2] * math.exp(truth[i][2]))
      end
      return sum
    end
    assert.is_true(likelihood {} > likelihood { l2 = 30 } + 20)
  end)

  it("gives the weights that it gives when it is asked for", function()
    local X, scores = choices(true)
    local l2, history, gate = chosen(X, scores)
    local _, _, asked = chosen(X, scores, { l2 = l2 })
    assert.same(asked:info(), gate:info())
    assert.truthy(tostring(history):find(("l2 = %g"):format(l2), 1, true))
  end)

  it("is what it is told to be", function()
    local X, scores = choices(true)
    for _, l2 in ipairs { 0, 7 } do assert.equal(l2, (chosen(X, scores, { l2 = l2 }))) end
  end)

  it("is strong for few rows, for one expert, and by mini-batches", function()
    assert.equal(30, (chosen(choices(true, 49))))
    local X, scores = choices(true)
    assert.equal(30, (chosen(X, scores, { solver = "adam" })))
    for i = 1, #scores do scores[i] = { scores[i][1] } end
    assert.equal(30, (chosen(X, scores)))
  end)

  -- Twelve rows of noise, each twenty times: they are known by heart by whoever may
  -- see them on both sides.
  it("keeps the rows of a group together", function()
    local X, scores = choices(false, 12)
    local groups = {}
    for i = 1, 240 do
      groups[i] = (i - 1) % 12 + 1
      X[i], scores[i] = X[groups[i]], scores[groups[i]]
    end
    assert.is_true(chosen(X, scores) < 1)
    assert.equal(30, (chosen(X, scores, {}, { groups = groups })))
  end)

  it("passes over rows without a weight", function()
    local X, scores = choices(true)
    local before, weights = (chosen(X, scores)), {}
    local noise, wrong = choices(false)
    for i = 1, 400 do
      weights[i] = i <= 200 and 1 or 0
      X[i], scores[i] = X[i] or noise[i - 200], scores[i] or wrong[i - 200]
    end
    assert.equal(before, (chosen(X, scores, {}, { weights = weights })))
  end)

  it("is the same of sparse rows", function()
    local X, scores = choices(true)
    local sparse = { columns = 11 }
    for i, row in ipairs(X) do sparse[i] = row end
    assert.equal((chosen(X, scores)), (chosen(moe.sparse(sparse), scores)))
  end)

  it("leaves a gate to be had before it is chosen", function()
    local X, scores = choices(true)
    local gate = G.softmax {}
    local job, early = gate:start_fit(X, scores), nil
    repeat
      local done = job:step { budget_ms = 1e-6 }
      if not early and pcall(job.commit, job) then early = gate:info().l2 end
    until done
    job:commit()
    assert.equal(30, early)
    assert.equal((chosen(X, scores)), gate:info().l2)
  end)
end)

describe("the uniform gate", function()
  it("weighs all experts the same", function()
    local X, scores = regions(5)
    local gate = G.uniform()
    gate:fit(X, scores)
    local third = moe.tensor({ { 1 / 3 } }):get(1, 1)
    assert.same({ { third, third, third } }, gate:forward({ { 0, 0 / 0, 0 } }):totable())
  end)
end)
