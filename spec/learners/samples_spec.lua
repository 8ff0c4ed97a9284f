-- Learners of single samples; the promises are in spec/engine/samples.c.
local engine = require "spec.support.engine"

describe("single samples", function() engine.keeps("samples", it, pending) end)
