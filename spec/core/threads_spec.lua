-- The pool of threads; the promises are in spec/engine/threads.c.
local engine = require "spec.support.engine"

describe("the pool of threads", function() engine.keeps("threads", it, pending) end)
