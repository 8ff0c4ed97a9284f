--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

local STEP = 0.01

local function slope(x, y, z) return 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z end

local function advance(x, y, z)
  local h = STEP / 2
  local a, b, c = slope(x, y, z)
  local a2, b2, c2 = slope(x + h * a, y + h * b, z + h * c)
  local a3, b3, c3 = slope(x + h * a2, y + h * b2, z + h * c2)
  local a4, b4, c4 = slope(x + STEP * a3, y + STEP * b3, z + STEP * c3)
  return x + STEP / 6 * (a + 2 * a2 + 2 * a3 + a4),
    y + STEP / 6 * (b + 2 * b2 + 2 * b3 + b4),
    z + STEP / 6 * (c + 2 * c2 + 2 * c3 + c4)
end

--- Lorenz's system (1963; σ = 10, ρ = 28, β = 8/3), by Runge & Kutta's method of order 4 in
-- steps of 0.01 from a point near (1, 1, 1): where it is (x, y, z) tells x some steps later.
-- @function lorenz
-- @param[opt] options a table of
--   horizon = 20: how many steps ahead the target lies
--   noise = 0.1: standard deviation of what is added to each feature
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "lorenz", task = "regression", features = { "x", "y", "z" },
  options = {
    horizon = { "integer", min = 1, max = 1e5, default = 20 },
    noise = { "number", min = 0, default = 0.1 },
  },
  start = function(o, random)
    local start, noise, past, at = random "start", random "noise", {}, 0
    local x, y, z = 1 + 0.1 * start.normal(), 1 + 0.1 * start.normal(), 1 + 0.1 * start.normal()
    for i = 0, o.horizon - 1 do
      past[i] = { x, y, z }
      x, y, z = advance(x, y, z)
    end
    return function(row)
      local old = past[at]
      for j = 1, 3 do row[j] = old[j] + o.noise * noise.normal() end
      old[1], old[2], old[3] = x, y, z
      at = (at + 1) % o.horizon
      local target = x
      x, y, z = advance(x, y, z)
      return target
    end
  end,
}
