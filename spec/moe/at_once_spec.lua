-- Samples that a mixture takes at once; the promises are in
-- spec/engine/at_once.c.
local engine = require "spec.support.engine"

describe("samples of a mixture of lines", function() engine.keeps("at_once", it, pending) end)
