-- Warm jobs; the promises are in spec/engine/warm.c.
local engine = require "spec.support.engine"

describe("warm jobs", function() engine.keeps("warm", it, pending) end)
