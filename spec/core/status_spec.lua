-- Statuses and calls; the promises are in spec/engine/call.c.
local engine = require "spec.support.engine"

describe("a call", function() engine.keeps("call", it, pending) end)
