--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

--- Tasks of a few rows each: after every `context` rows another law is drawn, y = w x +
-- a sin(b x1) and noise, w, a and b normal.  Five normal numbers; that the law has changed
-- is not told.
-- @function few_shot
-- @param[opt] options a table of
--   context = 100: rows of a task
--   noise = 0.5: standard deviation
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "few_shot", task = "regression", features = 5,
  options = {
    context = { "integer", min = 1, default = 100 },
    noise = { "number", min = 0, default = 0.5 },
  },
  start = function(o, random)
    local r, noise, tasks, w, t = random "rows", random "noise", random "tasks", {}, 0
    return function(x)
      if t % o.context == 0 then tasks.scatter(w, 7) end
      t = t + 1
      r.scatter(x, 5)
      local y = 2 * w[6] * math.sin(w[7] * x[1]) + o.noise * noise.normal()
      for j = 1, 5 do y = y + w[j] * x[j] end
      return y
    end
  end,
}
