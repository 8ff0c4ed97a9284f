-- The generic object; the promises are in spec/engine/object.c.
local engine = require "spec.support.engine"

describe("an object", function() engine.keeps("object", it, pending) end)
