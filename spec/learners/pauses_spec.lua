-- Jobs and the clock of their host; the promises are in spec/engine/pauses.c.
local engine = require "spec.support.engine"

describe("jobs under a clock that wavers", function() engine.keeps("pauses", it, pending) end)
