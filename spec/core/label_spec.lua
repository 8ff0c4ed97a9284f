-- Labels and names; the promises are in spec/engine/label.c.
local engine = require "spec.support.engine"

describe("labels", function() engine.keeps("label", it, pending) end)
