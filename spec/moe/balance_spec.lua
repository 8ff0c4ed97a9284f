local moe = require "moe"
local data = require "spec.support.data"
local near, near_list = require("spec.support.near").within(1e-6)
local near_rows = require("spec.support.near").rows

-- Rows that all want one expert, certainly; rows that want each in turn.
local function rows_for(n, experts, which, height)
  local rows = {}
  for i = 1, n do
    rows[i] = {}
    for e = 1, experts do rows[i][e] = 0 end
    rows[i][which or (i - 1) % experts + 1] = height or 200
  end
  return rows
end

local function zeros(n, experts)
  return rows_for(n, experts, 1, 0)
end

describe("the balance losses", function()
  it("have their known values at balance and at collapse", function()
    for _, E in ipairs { 2, 4, 8 } do
      local even = moe.route(rows_for(8 * E, E), { router = "switch" })
      local one = moe.route(rows_for(8 * E, E, 2), { router = "switch" })
      for kind, values in pairs {
        switch = { 1, E }, gshard = { 1, E }, importance = { 0, E - 1 }, collapse = { 0, 1 },
        entropy = { 0, 0 },
      } do
        near(values[1], (even:loss(kind)), 1e-5)
        near(values[2], (one:loss(kind)), 1e-5)
      end
    end
  end)

  it("count a selection of k as 1/k, so that balance is 1 for every k", function()
    for k = 1, 4 do near(1, (moe.route(zeros(6, 4), { top_k = k }):loss "switch")) end
    -- all rows to the first of 4, p = 1/4 each: E Σ f P = 1 whatever f is
    near(1, (moe.route(zeros(6, 4), { top_k = 1, renormalize = false }):loss "gshard"))
  end)

  -- aprender's softmax gate without training: w[i][j] = s (0.1 (i + j) − 0.5),
  -- s = √(2 / (features + experts)); its published losses
  it("of k = 1 and 2 are those of another system on its data", function()
    local function gate(rows, experts)
      local out, s = {}, math.sqrt(2 / (#rows[1] + experts))
      for i, x in ipairs(rows) do
        out[i] = {}
        for j = 0, experts - 1 do
          local z = 0
          for f = 0, #x - 1 do z = z + x[f + 1] * s * (0.1 * (f + j) - 0.5) end
          out[i][j + 1] = z
        end
      end
      return out
    end
    local rows = { { 3, 1, 1 }, { -3, -1, -1 }, { 2, 2, 2 }, { -4, -1, -1 } }
    near(0.010419972, 0.01 * moe.route(gate(rows, 4), { top_k = 1 }):loss "switch", 1e-8)
    rows = { { 4, 1, 1 }, { -4, -1, -1 }, { 3, 2, 1 }, { -3, -2, -1 }, { 5, 1, 1 } }
    near(0.020286104, 0.02 * moe.route(gate(rows, 4), { top_k = 2 }):loss "switch", 1e-8)
    near(0.05, 0.05 * moe.route(gate({ { 0, 0, 0 } }, 4), {}):loss "switch", 1e-8)
  end)

  it("do not change when all logits of a row are shifted, but for z", function()
    local uniform, rows, shifted = data.uniform(2), {}, {}
    for i = 1, 6 do
      rows[i], shifted[i] = {}, {}
      for e = 1, 4 do
        rows[i][e] = uniform()
        shifted[i][e] = rows[i][e] + i
      end
    end
    local a, b = moe.route(rows, { top_k = 2 }), moe.route(shifted, { top_k = 2 })
    for _, kind in ipairs { "switch", "gshard", "importance", "collapse", "entropy" } do
      near((a:loss(kind)), (b:loss(kind)))
    end
    assert.is_true(b:loss "z" > a:loss "z" + 1)
  end)

  it("z is the mean squared log of the sum", function()
    near(math.log(8) ^ 2, (moe.route(zeros(3, 8)):loss "z"))
    local z = math.log(math.exp(1) + math.exp(-2))
    near((z ^ 2 + math.log(2) ^ 2) / 2, (moe.route({ { 1, -2 }, { 0, 0 } }):loss "z"))
  end)

  it("names them when asked for another", function()
    local ok, message = pcall(function() return moe.route({ { 1, 2 } }):loss "swich" end)
    assert.is_false(ok)
    assert.truthy(message:find("switch, gshard, importance", 1, true))
  end)
end)

-- Central differences of f by each number.
local function differences(f, rows, h)
  local out = {}
  for i = 1, #rows do
    out[i] = {}
    for e = 1, #rows[i] do
      local z = rows[i][e]
      rows[i][e] = z + h
      local above = f(rows)
      rows[i][e] = z - h
      local below = f(rows)
      rows[i][e] = z
      out[i][e] = (above - below) / (2 * h)
    end
  end
  return out
end

describe("their gradients by the logits", function()
  local logits = {
    { 0.3, -0.8, 1.1, 0.6 }, { -0.2, 0.9, -1.4, 2 }, { 0.5, 0.1, -0.6, -1.1 }, { 1.2, 0, 0.4, 0.9 },
  }

  it("are those of finite differences, for every score", function()
    for _, kind in ipairs { "switch", "gshard", "importance", "collapse", "entropy", "z" } do
      for _, score in ipairs { "softmax", "sigmoid", "softmax_selected", "sqrt_softplus" } do
        local options = { top_k = 2, score = score, temperature = 1.5 }
        local _, gradient = moe.route(logits, options):loss(kind)
        local expected = differences(function(z)
          return (moe.route(z, options):loss(kind))
        end, logits, 1e-4)
        near_rows(expected, gradient:totable(), 1e-6)
      end
    end
  end)

  local deviations = {
    { 0.5, 0.7, 0.6, 0.4 }, { 0.8, 0.6, 0.9, 0.5 }, { 0.4, 0.6, 0.7, 0.8 }, { 0.5, 0.5, 0.5, 0.5 },
  }
  local function noisy(z, noise, k)
    return moe.route(z, { top_k = k, noise = noise, training = true, seed = 3, score = "sigmoid",
      renormalize = false })
  end

  it("are so for the load, also by the deviations", function()
    for k = 1, 3 do
      local _, by_logits, by_noise = noisy(logits, deviations, k):loss "load"
      near_rows(differences(function(z)
        return (noisy(z, deviations, k):loss "load")
      end, logits, 1e-5), by_logits:totable(), 1e-5)
      near_rows(differences(function(noise)
        return (noisy(logits, noise, k):loss "load")
      end, deviations, 1e-5), by_noise:totable(), 1e-5)
    end
    assert.equal(0, (noisy(logits, deviations, 4):loss "load"))
    assert.has_error(function() moe.route(logits, { top_k = 2 }):loss "load" end)
  end)

  -- Φ by Simpson's rule
  local function normal_below(x)
    local n, sum = 400, 0
    local h = (x + 9) / n
    for i = 0, n do
      local t = -9 + i * h
      local weight = (i == 0 or i == n) and 1 or i % 2 == 1 and 4 or 2
      sum = sum + weight * math.exp(-t * t / 2)
    end
    return sum * h / 3 / math.sqrt(2 * math.pi)
  end

  it("and the load loss is CV² of the probabilities to be selected again", function()
    for k = 1, 3 do
      local r = noisy(logits, deviations, k)
      local load, sum, square = { 0, 0, 0, 0 }, 0, 0
      for i, probs in ipairs(r.probs:totable()) do
        for e = 1, 4 do
          local others = {}
          for j = 1, 4 do
            if j ~= e then others[#others + 1] = math.log(probs[j] / (1 - probs[j])) end
          end
          table.sort(others, function(a, b) return a > b end)
          load[e] = load[e] + normal_below((logits[i][e] - others[k]) / deviations[i][e])
        end
      end
      for e = 1, 4 do
        sum, square = sum + load[e], square + load[e] ^ 2
      end
      near(4 * square / sum ^ 2 - 1, (r:loss "load"), 1e-5)
    end
  end)
end)

describe("the statistics", function()
  it("have their known values at balance and at collapse", function()
    for _, case in ipairs { { 4, 1 }, { 4, 2 }, { 8, 2 } } do
      local E, k = case[1], case[2]
      local one = moe.route(rows_for(16, E, 1), { top_k = k }):stats()
      near(E / k - 1, one.maxvio)
      near(math.sqrt(E / k - 1), one.cv_load) -- √3 for 4 and 1, 1 for 4 and 2
      near(1, one.confidence)
      near(0, one.entropy)
      assert.equal(E - k, #one.dead)
      assert.equal(E, one.dead[#one.dead])
    end
    local even = moe.route(rows_for(16, 4), { top_k = 1 }):stats()
    for _, name in ipairs { "maxvio", "cv_load", "cv_importance", "dropped" } do
      near(0, even[name])
    end
    near(1, even.entropy)
    near_list({ 0.25, 0.25, 0.25, 0.25 }, even.load)
    near_list({ 0.25, 0.25, 0.25, 0.25 }, even.importance)
    assert.same({}, even.dead)
    assert.equal(16, even.rows)
  end)

  it("go on from earlier ones", function()
    local first = moe.route(rows_for(6, 3, 1), { top_k = 1 }):stats()
    local second = moe.route(rows_for(6, 3, 2), { top_k = 1 }):stats(first)
    near(2, first.maxvio_running)
    near(2, second.maxvio)
    near(0.5, second.maxvio_running) -- loads 6, 6, 0
    near_list({ 6, 6, 0 }, second.total)
    assert.has_error(function() moe.route(rows_for(6, 2), {}):stats(first) end)
  end)

  it("count what was dropped as load", function()
    local options = { router = "switch", training = true, capacity_factor = 1 }
    local stats = moe.route(rows_for(8, 4, 1), options):stats()
    near(3, stats.maxvio)
    near(0.75, stats.dropped)
  end)
end)

describe("the selection bias", function()
  local function next_bias(rows, options)
    return moe.route(rows, options):next_bias()
  end

  it("steps against the sign of the excess, and stays centred", function()
    -- loads 3, 1, 0 of a mean of 4/3: −, +, +, less their mean 1/3 · 0.001
    local rows = { { 9, 0, 0 }, { 9, 0, 0 }, { 9, 0, 0 }, { 0, 9, 0 } }
    local options = { top_k = 1, renormalize = false, bias_update = "sign" }
    near_list({ -4 / 3000, 2 / 3000, 2 / 3000 }, next_bias(rows, options), 1e-12)
    options.bias_rate, options.bias = 0.5, { 0.1, 0.2, -0.3 }
    near_list({ 0.1 - 2 / 3, 0.2 + 1 / 3, -0.3 + 1 / 3 }, next_bias(rows, options), 1e-12)
  end)

  it("or against its size", function()
    local rows = { { 9, 0, 0 }, { 9, 0, 0 }, { 9, 0, 0 }, { 0, 9, 0 } }
    -- excesses 1 − 3·load: −5/4, 1/4, 1
    near_list({ -0.125, 0.025, 0.1 }, next_bias(rows, {
      top_k = 1, renormalize = false, bias_update = "magnitude", bias_rate = 0.1,
    }), 1e-12)
  end)

  it("or goes to the quantile that balances the rows", function()
    -- sigmoid scores s: α is the 2nd of a row, the margins of column 1 are
    -- s − α in each row, and with k n / E = 2 the third largest is its bar
    local s = { { 0.9, 0.5 }, { 0.8, 0.6 }, { 0.7, 0.6 }, { 0.6, 0.55 } }
    local rows = {}
    for i, p in ipairs(s) do
      rows[i] = { math.log(p[1] / (1 - p[1])), math.log(p[2] / (1 - p[2])) }
    end
    local options = {
      top_k = 1, renormalize = false, score = "sigmoid", bias_update = "quantile", bias_rate = 1,
    }
    -- margins 0.4 0.2 0.1 0.05 and 0 0 0 0: b = −0.1, 0, centred
    local bias = next_bias(rows, options)
    near_list({ -0.05, 0.05 }, bias, 1e-12)
    options.bias_rate = 0.5
    near_list({ -0.025, 0.025 }, next_bias(rows, options), 1e-12)
  end)

  it("changes nothing when it is fixed", function()
    near_list({ 0.5, 2 }, next_bias({ { 9, 0 } }, { bias = { 0.5, 2 } }))
  end)

  it("balances skewed rows by each of the rules, with weights untouched", function()
    local uniform, rows = data.uniform(17), {}
    for i = 1, 240 do
      rows[i] = {}
      for e = 1, 6 do rows[i][e] = 2 * uniform() + (e == 1 and 1.5 or 0) - (e == 6 and 1 or 0) end
    end
    local before = moe.route(rows, { top_k = 2 }):stats().maxvio
    assert.is_true(before > 0.9)
    for rule, setting in pairs {
      quantile = { 1, 10 }, sign = { 0.005, 150 }, magnitude = { 0.05, 100 },
    } do
      local options = { top_k = 2, bias_update = rule, bias_rate = setting[1] }
      for _ = 1, setting[2] do
        options.bias = next_bias(rows, options)
      end
      local r = moe.route(rows, options)
      assert.is_true(r:stats().maxvio < 0.1, rule .. " leaves " .. r:stats().maxvio)
      local sum = 0
      for e = 1, 6 do sum = sum + options.bias[e] end
      near(0, sum, 1e-9)
      local p, k = r.probs:row(1):totable(), r.indices:row(1):totable()
      near(p[k[1]] / (p[k[1]] + p[k[2]]), r.weights:get(1, 1))
    end
  end)
end)
