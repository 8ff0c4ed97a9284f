-- Kernels of networks, activations and Adam; the promises are in
-- spec/engine/activation.c.
local engine = require "spec.support.engine"

describe("kernels of networks", function() engine.keeps("activation", it, pending) end)
