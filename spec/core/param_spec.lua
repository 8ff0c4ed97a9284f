-- Parameters; the promises are in spec/engine/param.c, which sets those of a
-- type that has one of every kind.
local engine = require "spec.support.engine"

describe("an object", function() engine.keeps("param", it, pending) end)
