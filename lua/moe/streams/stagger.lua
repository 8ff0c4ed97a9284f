--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

local LEVELS = {
  { "small", "medium", "large" }, { "red", "green", "blue" }, { "square", "circle", "triangle" },
}

local concepts = {
  function(size, color) return size == 1 and color == 1 end,
  function(_, color, shape) return color == 2 or shape == 2 end,
  function(size) return size > 1 end,
}

--- STAGGER (Schlimmer & Granger 1986, doi 10.1023/A:1022810614389): size, color and shape
-- of a thing, "yes" by one of three rules: small and red; green or a circle; medium or
-- large.  There is no noise.
-- @function stagger
-- @param[opt] options a table of
--   variant = 1: of the three rules
--   nominal = true: strings; otherwise the codes 0, 1, 2
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "stagger", task = "classification", classes = { "no", "yes" },
  features = { "size", "color", "shape" },
  options = {
    variant = { "integer", min = 1, max = 3, default = 1 },
    nominal = { "boolean", default = true },
  },
  kinds = function(o)
    local kind = o.nominal and "string" or "number"
    return { kind, kind, kind }
  end,
  start = function(o, random)
    local r, is_yes = random "rows", concepts[o.variant]
    return function(x)
      local size, color, shape = r.below(3), r.below(3), r.below(3)
      x[1], x[2], x[3] = size - 1, color - 1, shape - 1
      if o.nominal then
        x[1], x[2], x[3] = LEVELS[1][size], LEVELS[2][color], LEVELS[3][shape]
      end
      return is_yes(size, color, shape) and "yes" or "no"
    end
  end,
}
