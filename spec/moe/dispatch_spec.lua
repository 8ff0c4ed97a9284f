local moe = require "moe"
local data = require "spec.support.data"
local near, near_list = require("spec.support.near").within(1e-4)

-- Softmax of these is 0.6439, 0.2369, 0.0871, 0.0321.
local function identical(n)
  local rows = {}
  for i = 1, n do rows[i] = { 2, 1, 0, -1 } end
  return rows
end

local function limited(rows, options)
  options.training = true
  return moe.route(rows, options)
end

describe("the capacity of an expert", function()
  it("is its even share of the selections times the factor, rounded up", function()
    -- rows, k, experts, factor, capacity: worked out for entrenar's MoE layer
    for _, case in ipairs {
      { 8, 2, 4, 1.0, 4 }, { 7, 2, 4, 1.0, 4 }, { 1, 1, 100, 0.01, 1 }, { 8, 1, 4, 1.5, 3 },
      { 32, 2, 8, 1.25, 10 }, { 1, 2, 8, 1.25, 1 }, { 100, 1, 11, 1.1, 10 },
    } do
      local n, k, experts, factor, capacity = (table.unpack or unpack)(case)
      local rows = {}
      for i = 1, n do
        rows[i] = {}
        for e = 1, experts do rows[i][e] = -e end
      end
      local r = limited(rows, { top_k = k, capacity_factor = factor, renormalize = false })
      assert.equal(capacity, r.counts:get(1))
    end
  end)

  it("is at least min_capacity", function()
    local r = limited(identical(8), { top_k = 2, capacity_factor = 0.1, min_capacity = 3 })
    assert.same({ 3, 3, 0, 0 }, r.counts:totable())
  end)

  it("has a factor of its own outside training, and else no limit", function()
    local options = { top_k = 2, capacity_factor = 0.5 }
    assert.same({ 8, 8, 0, 0 }, moe.route(identical(8), options).counts:totable())
    options.eval_capacity_factor = 1
    assert.same({ 4, 4, 0, 0 }, moe.route(identical(8), options).counts:totable())
    options.training = true
    assert.same({ 2, 2, 0, 0 }, moe.route(identical(8), options).counts:totable())
  end)

  it("drops the share 1 - c/E where all rows want one expert", function()
    for _, factor in ipairs { 0.5, 1, 2 } do
      local r = limited(identical(40), { router = "switch", capacity_factor = factor })
      near(1 - factor / 4, r:stats().dropped)
      assert.equal(40 - 10 * factor, r.dropped)
    end
    local even = {}
    for i = 1, 40 do
      even[i] = { 0, 0, 0, 0 }
      even[i][i % 4 + 1] = 3
    end
    local r = limited(even, { router = "switch", capacity_factor = 1 })
    assert.equal(0, r.dropped)
    assert.equal(0, r:stats().dropped)
  end)
end)

describe("overflow = next_best", function()
  it("sends 8 equal rows to the next experts that have room", function()
    local r = limited(identical(8), { top_k = 2, capacity_factor = 1, overflow = "next_best" })
    for i = 1, 8 do
      assert.same(i <= 4 and { 1, 2 } or { 3, 4 }, r.indices:row(i):totable())
      near_list({ 0.7311, 0.2689 }, r.weights:row(i):totable())
    end
    assert.equal(0, r.dropped)
  end)

  it("leaves rows without an expert rather than exceed the capacity", function()
    local r = limited(identical(8), { top_k = 2, capacity_factor = 0.5, overflow = "next_best" })
    for i = 1, 8 do
      local expected = i <= 2 and { 1, 2 } or i <= 4 and { 3, 4 } or { 0, 0 }
      assert.same(expected, r.indices:row(i):totable())
      near_list(i <= 4 and { 0.7311, 0.2689 } or { 0, 0 }, r.weights:row(i):totable())
    end
    assert.same({ 2, 2, 2, 2 }, r.counts:totable())
    assert.equal(8, r.dropped)
  end)

  it("stays among the experts allowed and in the row's groups", function()
    local r = limited(identical(4), {
      top_k = 1, capacity_factor = 1, overflow = "next_best", renormalize = false,
      allowed = { true, false, true, true },
    })
    assert.same({ { 1 }, { 3 }, { 4 }, { 0 } }, r.indices:totable())
    r = limited(identical(4), {
      top_k = 1, capacity_factor = 1, overflow = "next_best", renormalize = false,
      groups = 2, top_groups = 1,
    })
    assert.same({ { 1 }, { 2 }, { 0 }, { 0 } }, r.indices:totable())
  end)
end)

describe("overflow = drop", function()
  it("leaves the other weights of the row as they were", function()
    local r = limited(identical(8), { top_k = 2, capacity_factor = 1 })
    for i = 1, 8 do
      assert.same(i <= 4 and { 1, 2 } or { 0, 0 }, r.indices:row(i):totable())
    end
    r = limited({ { 1, 0, -9 }, { 1, -9, 0 }, { -9, 1, 0 } }, { top_k = 2, capacity_factor = 0.5 })
    -- capacity 1: the second row loses its first choice, the third both
    assert.same({ { 1, 0 }, { 0, 3 }, { 2, 0 } }, r.indices:totable())
    near_list({ 0, 0.2689 }, r.weights:row(2):totable())
    assert.equal(3, r.dropped)
  end)

  it("serves all first choices before any second one", function()
    local r = limited({ { 1, 0 }, { 0, 1 } }, { top_k = 2, capacity_factor = 0.5 })
    assert.same({ { 1, 0 }, { 2, 0 } }, r.indices:totable())
  end)

  it("drops nothing while there is room, however low the logits", function()
    local rows = { { -5, -9 }, { -7, -6 }, { -8, -9 }, { -3, -4 } }
    local r = limited(rows, { router = "switch", capacity_factor = 2 })
    assert.same({ { 1 }, { 2 }, { 1 }, { 1 } }, r.indices:totable())
    r = limited(rows, { router = "switch", capacity_factor = 1 })
    assert.same({ { 1 }, { 2 }, { 1 }, { 0 } }, r.indices:totable())
    r = limited(rows, { router = "switch", capacity_factor = 1, drop_order = "score" })
    -- by probability: rows 1 (0.98), then 2, 3 and 4 (0.73): the earlier wins
    assert.same({ { 1 }, { 2 }, { 1 }, { 0 } }, r.indices:totable())
  end)
end)

-- What is left of unlimited choices when each expert takes `capacity`, rows in
-- that order, a choice at a time.
local function dropped_by_hand(choices, order, capacity, experts)
  local used, out, dropped = {}, {}, 0
  for e = 1, experts do used[e] = 0 end
  for i = 1, #choices do out[i] = {} end
  for k = 1, #choices[1] do
    for _, i in ipairs(order) do
      local e = choices[i][k]
      if used[e] < capacity then
        used[e], out[i][k] = used[e] + 1, e
      else
        out[i][k], dropped = 0, dropped + 1
      end
    end
  end
  return out, dropped
end

-- The same for rows that each take their k best open experts in turn.
local function moved_by_hand(rows, order, k, capacity)
  local used, out, dropped = {}, {}, 0
  for _, i in ipairs(order) do
    local open = {}
    for e = 1, #rows[i] do
      if (used[e] or 0) < capacity then open[#open + 1] = e end
    end
    table.sort(open, function(a, b)
      return rows[i][a] > rows[i][b] or (rows[i][a] == rows[i][b] and a < b)
    end)
    out[i] = {}
    for rank = 1, k do
      local e = open[rank]
      out[i][rank] = e or 0
      if e then
        used[e] = (used[e] or 0) + 1
      else
        dropped = dropped + 1
      end
    end
  end
  return out, dropped
end

describe("the limit", function()
  it("is what it is by hand, for small numbers of rows, experts and k", function()
    local uniform = data.uniform(21)
    for experts = 1, 5 do
      for k = 1, experts do
        for n = 1, 7, 2 do
          local rows = {}
          for i = 1, n do
            rows[i] = {}
            for e = 1, experts do rows[i][e] = math.floor(uniform() * 13) / 4 end
          end
          local free = moe.route(rows, { top_k = k, renormalize = false })
          local probs, by_score, by_position = free.probs:totable(), {}, {}
          local largest = {}
          for i = 1, n do
            by_score[i], by_position[i] = i, i
            largest[i] = math.max((table.unpack or unpack)(probs[i]))
          end
          table.sort(by_score, function(a, b)
            return largest[a] > largest[b] or (largest[a] == largest[b] and a < b)
          end)
          for _, factor in ipairs { 0.4, 1, 1.5 } do
            local capacity = math.max(1, math.ceil(factor * n * k / experts - 1e-9))
            for name, order in pairs { score = by_score, position = by_position } do
              local options = {
                top_k = k, renormalize = false, capacity_factor = factor, drop_order = name,
              }
              local r = limited(rows, options)
              local indices, dropped =
                dropped_by_hand(free.indices:totable(), order, capacity, experts)
              assert.same(indices, r.indices:totable())
              assert.equal(dropped, r.dropped)
              options.overflow = "next_best"
              r = limited(rows, options)
              indices, dropped = moved_by_hand(rows, order, k, capacity)
              assert.same(indices, r.indices:totable())
              for i, own in ipairs(indices) do
                for rank, e in ipairs(own) do
                  near(e > 0 and probs[i][e] or 0, r.weights:get(i, rank))
                end
              end
              assert.equal(dropped, r.dropped)
            end
          end
        end
      end
    end
  end)

  it("in random order depends on the seed alone", function()
    local function survivors(seed)
      local r = limited(identical(20), {
        router = "switch", capacity_factor = 1, drop_order = "random", seed = seed,
      })
      assert.equal(5, r.counts:get(1))
      return r.rows:totable()
    end
    assert.same(survivors(1), survivors(1))
    assert.not_same(survivors(1), survivors(2))
    assert.not_same({ 1, 2, 3, 4, 5 }, survivors(1))
  end)
end)

describe("the selections by expert", function()
  it("are all that were kept, sorted by expert and then by row", function()
    local uniform, rows = data.uniform(4), {}
    for i = 1, 30 do
      rows[i] = {}
      for e = 1, 6 do rows[i][e] = uniform() end
    end
    local r = limited(rows, { top_k = 3, capacity_factor = 0.8 })
    local at = 0
    for e = 1, 6 do
      local last = 0
      for _ = 1, r.counts:get(e) do
        at = at + 1
        local i, k = r.rows:get(at), r.choices:get(at)
        assert.equal(e, r.indices:get(i, k))
        assert.is_true(i > last)
        last = i
      end
    end
    assert.equal(at, r.rows.shape[1])
    assert.equal(90, at + r.dropped)
  end)
end)
