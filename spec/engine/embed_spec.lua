-- The engine without Lua: the program that a host's author would begin with.
local moe = require "moe"
local engine = require "spec.support.engine"

describe("a program that embeds the engine", function()
  if not engine.has_compiler() then
    pending "embed.c needs a C compiler"
    return
  end
  local program, complaint = engine.compile("embed", "-Wshadow -Wpedantic")

  teardown(function() os.remove(program or "") end)

  it("has one header to include, and compiles without a warning", function()
    assert(program, complaint)
  end)

  it("trains, answers, saves and loads, and gives all memory back", function()
    local path = os.tmpname()
    local text, good = engine.output(program .. " " .. path)
    local first, again = text:match "unseen rows: (%S+)\nloaded again: +(%S+)"
    assert(good, text)
    assert.equal(first, again)
    -- The noiseless target has variance about 3.5; a mean alone errs by 1.9.
    assert.is_true(tonumber(first) < 0.15, first)
    local model = assert(moe.load(path))
    assert.equal("mixture", model:info().type)
    assert.equal(300, model:info().n_seen)
    assert.is_true(math.abs(model:predict_one { -0.5, 0.4 } - 1.2) < 0.3)
    assert.is_true(math.abs(model:predict_one { 0.5, -0.4 } + 2) < 0.3)
    os.remove(path)
  end)

  it("hears what went wrong", function()
    local text, good = engine.output(program .. " /nowhere/model.moe")
    assert.is_false(good)
    assert.matches("EIO: .*/nowhere/model.moe", text)
  end)
end)
