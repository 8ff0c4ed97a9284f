-- Memory; the promises are in spec/engine/memory.c.
local engine = require "spec.support.engine"

describe("memory", function() engine.keeps("memory", it, pending) end)
