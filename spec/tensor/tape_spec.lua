-- Gradients of every operation against differences; the promises are in
-- spec/engine/tape.c.
local engine = require "spec.support.engine"

describe("gradients of operations", function() engine.keeps("tape", it, pending) end)
