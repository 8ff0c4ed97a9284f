-- Maps from a score to a probability, fitted to what came true.

local calibrators = {}

-- ------------------------------------------------------------------- sigmoid

-- Platt's targets: not 0 and 1, but what a uniform prior leaves of them.
local function targets(hits, weights)
  local yes, no = 0, 0
  for i, hit in ipairs(hits) do
    if hit then yes = yes + weights[i] else no = no + weights[i] end
  end
  return (yes + 1) / (yes + 2), 1 / (no + 2), math.log((no + 1) / (yes + 1))
end

-- log(1 + exp z) without overflow, and the logistic function of −z.
local function softplus(z) return math.max(z, 0) + math.log(1 + math.exp(-math.abs(z))) end

local function probability(z)
  if z >= 0 then
    local e = math.exp(-z)
    return e / (1 + e)
  end
  return 1 / (1 + math.exp(z))
end

local function loss(scores, t, weights, a, b)
  local sum = 0
  for i, s in ipairs(scores) do
    local z = a * s + b
    sum = sum + weights[i] * (softplus(z) - (1 - t[i]) * z)
  end
  return sum
end

-- Gradient and Hessian of that loss.
local function derivatives(scores, t, weights, a, b)
  local ga, gb, haa, hab, hbb = 0, 0, 0, 0, 0
  for i, s in ipairs(scores) do
    local p = probability(a * s + b)
    local g, h = weights[i] * (t[i] - p), weights[i] * p * (1 - p)
    ga, gb = ga + g * s, gb + g
    haa, hab, hbb = haa + h * s * s, hab + h * s, hbb + h
  end
  return ga, gb, haa, hab, hbb
end

local ROUNDS, HALVINGS, RIDGE = 100, 40, 1e-12

-- Half, quarter, … of a Newton step until the loss falls; false where it does
-- not fall any more.
local function descend(scores, t, weights, a, b, da, db)
  local before, share = loss(scores, t, weights, a, b), 1
  for _ = 1, HALVINGS do
    if loss(scores, t, weights, a + share * da, b + share * db) < before then
      return a + share * da, b + share * db
    end
    share = share / 2
  end
  return false
end

--- p = 1 / (1 + exp(a·score + b)), by Newton's method on Platt's likelihood (Platt
-- 1999; Lin, Lin & Weng 2007, doi 10.1007/s10994-007-5018-6).
-- @param scores numbers
-- @param hits whether each came true
-- @param weights one number each
-- @return { a, b }
function calibrators.sigmoid(scores, hits, weights)
  local high, low, b = targets(hits, weights)
  local a, t = 0, {}
  for i, hit in ipairs(hits) do t[i] = hit and high or low end
  for _ = 1, ROUNDS do
    local ga, gb, haa, hab, hbb = derivatives(scores, t, weights, a, b)
    haa, hbb = haa + RIDGE, hbb + RIDGE
    local det = haa * hbb - hab * hab
    local da, db = -(hbb * ga - hab * gb) / det, -(haa * gb - hab * ga) / det
    local next_a, next_b = descend(scores, t, weights, a, b, da, db)
    if not next_a then break end
    a, b = next_a, next_b
  end
  return { a = a, b = b }
end

-- ------------------------------------------------------------------ isotonic

-- The distinct scores, rising, each with the mean of what came true and its
-- weight.
local function merge_equal(scores, hits, weights)
  local order, blocks = {}, {}
  for i = 1, #scores do order[i] = i end
  table.sort(order, function(i, j) return scores[i] < scores[j] end)
  for _, i in ipairs(order) do
    local last = blocks[#blocks]
    if not last or last.score ~= scores[i] then
      last = { score = scores[i], sum = 0, weight = 0 }
      blocks[#blocks + 1] = last
    end
    last.sum = last.sum + (hits[i] and weights[i] or 0)
    last.weight = last.weight + weights[i]
  end
  return blocks
end

-- Pools neighbours until the means do not fall (pool adjacent violators).
local function pool(blocks)
  local pools = {}
  for k, block in ipairs(blocks) do
    local top = { sum = block.sum, weight = block.weight, first = k, last = k }
    while #pools > 0 and pools[#pools].sum * top.weight >= top.sum * pools[#pools].weight do
      local below = table.remove(pools)
      top.sum, top.weight = top.sum + below.sum, top.weight + below.weight
      top.first = below.first
    end
    pools[#pools + 1] = top
  end
  return pools
end

--- The best rising step function (Ayer et al. 1955), drawn through as lines.
-- @param scores, hits, weights as for sigmoid
-- @return { x, y }: its knots, rising
function calibrators.isotonic(scores, hits, weights)
  local kept = { {}, {}, {} }
  for i, w in ipairs(weights) do
    if w > 0 then
      table.insert(kept[1], scores[i])
      table.insert(kept[2], hits[i])
      table.insert(kept[3], w)
    end
  end
  local blocks = merge_equal(kept[1], kept[2], kept[3])
  local x, y = {}, {}
  for _, p in ipairs(pool(blocks)) do
    for _, at in ipairs(p.first == p.last and { p.first } or { p.first, p.last }) do
      x[#x + 1], y[#y + 1] = blocks[at].score, p.sum / p.weight
    end
  end
  return { x = x, y = y }
end

-- ----------------------------------------------------------------- both kinds

-- The last knot at or below the score, by halving.
local function find(x, score)
  local low, high = 1, #x
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if x[middle] <= score then low = middle else high = middle end
  end
  return low
end

--- The probability that a fitted map gives a score; beyond the knots that of the
-- nearest one.
function calibrators.apply(map, score)
  if map.a then return probability(map.a * score + map.b) end
  local x, y = map.x, map.y
  if score <= x[1] then return y[1] end
  if score >= x[#x] then return y[#y] end
  local k = find(x, score)
  return y[k] + (y[k + 1] - y[k]) * (score - x[k]) / (x[k + 1] - x[k])
end

return calibrators
