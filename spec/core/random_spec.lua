-- The generator of all randomness; the values are in spec/engine/random.c.
local engine = require "spec.support.engine"

describe("the generator", function() engine.keeps("random", it, pending) end)
