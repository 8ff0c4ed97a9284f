--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

local function direction(r, d)
  local v, square = {}, 0
  r.fill(v, d, -1, 1)
  for j = 1, d do square = square + v[j] ^ 2 end
  for j = 1, d do v[j] = v[j] / math.sqrt(square) end
  return v
end

-- Centroids with the running sum of their weights, which chooses among them.
local function draw_centroids(r, o)
  local list, total = {}, 0
  for i = 1, o.centroids do
    local centre = {}
    r.fill(centre, o.features)
    total = total + r.unit()
    list[i] = {
      centre = centre, class = "c" .. r.below(o.classes), deviation = r.unit(), upto = total,
      way = i <= o.drifting and direction(r, o.features) or nil,
    }
  end
  return list, total
end

local function choose(list, at)
  local low, high = 1, #list
  while low < high do
    local middle = math.floor((low + high) / 2)
    if list[middle].upto > at then high = middle else low = middle + 1 end
  end
  return list[low]
end

-- A centroid goes on straight, and back where it leaves the unit cube.
local function move(centroid, speed)
  local centre, way = centroid.centre, centroid.way
  for j = 1, #centre do
    centre[j] = centre[j] + speed * way[j]
    if centre[j] < 0 or centre[j] > 1 then
      centre[j] = math.max(0, math.min(1, centre[j]))
      way[j] = -way[j]
    end
  end
end

--- Radial basis functions, as in MOA (Bifet et al. 2010): around centroids with a class,
-- a weight and a deviation of their own, all in [0, 1), rows lie in any direction at a
-- normal distance.
-- @function random_rbf
-- @param[opt] options a table of
--   features = 10, classes = 2, centroids = 50: how many
--   drifting = 0: how many centroids move
--   speed = 0.0001: their way a row
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "random_rbf", task = "classification",
  features = function(o) return o.features end,
  classes = function(o) return generator.numbered(o.classes, "c") end,
  options = {
    features = { "integer", min = 1, max = 1e6, default = 10 },
    classes = { "integer", min = 2, default = 2 },
    centroids = { "integer", min = 1, default = 50 },
    drifting = { "integer", min = 0, default = 0 },
    speed = { "number", min = 0, default = 1e-4 },
  },
  start = function(o, random)
    local r, d = random "rows", o.features
    local list, total = draw_centroids(random "centroids", o)
    local drifting = math.min(o.drifting, #list)
    return function(x)
      for i = 1, drifting do move(list[i], o.speed) end
      local chosen, square = choose(list, total * r.unit()), 0
      r.fill(x, d, -1, 1)
      for j = 1, d do square = square + x[j] * x[j] end
      local far = r.normal() * chosen.deviation / math.sqrt(square)
      for j = 1, d do x[j] = chosen.centre[j] + far * x[j] end
      return chosen.class
    end
  end,
}
