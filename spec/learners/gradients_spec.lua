-- Derivatives of everything that has them; the promises are in
-- spec/engine/gradients.c.
local engine = require "spec.support.engine"

describe("derivatives", function() engine.keeps("gradients", it, pending) end)
