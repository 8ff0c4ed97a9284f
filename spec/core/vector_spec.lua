-- Kernels on doubles; the promises are in spec/engine/vector.c.
local engine = require "spec.support.engine"

describe("kernels on doubles", function() engine.keeps("vector", it, pending) end)
