-- How the prompt reads, shows and completes; spec/cli/moe_spec.lua runs it whole.

local repl = require "moe.repl"

describe("the prompt's reader", function()
  -- Reads one chunk from these lines (false: Ctrl-C), noting complaints and prompts.
  local function read(lines)
    local i, prompts, complaints = 0, {}, {}
    local chunk = repl.read(function(prompt)
      prompts[#prompts + 1] = prompt
      i = i + 1
      return lines[i]
    end, function(message) complaints[#complaints + 1] = message end)
    return chunk, table.concat(complaints, "|"), table.concat(prompts)
  end

  it("prefers an expression to a statement", function()
    assert.equal(3, (read { "1 + 2" })())
    assert.equal("s", (read { "= 's'" })())
    assert.same({ 1, 2 }, { (read { "1, 2" })() })
    assert.is_nil((read { "local x = 1" })())
    assert.is_nil((read { "" })())
    assert.is_nil((read { "-- nothing" })())
  end)

  it("asks for more until the chunk is complete", function()
    local chunk, _, prompts = read { "(function()", "return 4", "end)()" }
    assert.equal(4, chunk())
    assert.equal("> >> >> ", prompts)
    assert.equal("a\nb", (read { "[[a", "b]]" })())
  end)

  it("prints a syntax error and asks again", function()
    local chunk, text, prompts = read { "x = = 2", "7" }
    assert.equal(7, chunk())
    assert.matches("^stdin:1: unexpected symbol near '='$", text)
    assert.equal("> > ", prompts)
  end)

  it("forgets unfinished lines after Ctrl-C", function()
    local chunk, _, prompts = read { "f(", false, "8" }
    assert.equal(8, chunk())
    assert.equal("> >> > ", prompts)
  end)

  it("ends where the input ends", function()
    assert.is_nil((read {}))
    assert.is_nil((read { "f(" }))
  end)
end)

describe("the prompt's printer", function()
  local function object(text)
    return setmetatable({}, { __tostring = function() return text end })
  end

  it("prints nothing for nothing, and nil for nil", function()
    assert.is_nil(repl.text())
    assert.equal("nil", repl.text(nil))
    assert.equal("nil\tnil", repl.text(nil, nil))
  end)

  it("prints strings and objects as they say themselves", function()
    assert.equal("a\nb", repl.text("a\nb"))
    assert.equal("OBJECT", repl.text(object "OBJECT"))
    assert.equal("two\nlines\n1", repl.text(object "two\nlines", 1))
  end)

  it("prints what is in a table, fields in order of name", function()
    assert.equal("{}", repl.text {})
    assert.equal('{ 1, "x", a = true, b = 2, ["c d"] = 3, ["end"] = 4 }',
      repl.text { 1, "x", b = 2, a = true, ["c d"] = 3, ["end"] = 4 })
    assert.equal("{ { 1, 2 }, { n = {} } }", repl.text { { 1, 2 }, { n = {} } })
    assert.equal("{ [true] = 2, [1.5] = 1 }", repl.text { [true] = 2, [1.5] = 1 })
  end)

  it("hints at what is deep, so that a cycle ends", function()
    local t = {}
    t.t = t
    assert.equal("{ t = { t = { t = {…} } } }", repl.text(t))
  end)

  it("breaks what does not fit into lines, and clips what is long", function()
    local labels = {}
    for i = 1, 250 do labels[i] = "label " .. i end
    local text = repl.text(labels)
    assert.matches('^{\n  "label 1", "label 2",', text)
    assert.matches('"label 100", … 150 more,\n}$', text)
    for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 80) end
    assert.equal('{\n  "' .. ("x"):rep(200) .. '…",\n}', repl.text { ("x"):rep(900) })
  end)

  it("escapes strings inside tables, and keeps their characters whole", function()
    assert.equal('{ "a\\n\\"\\\\\\001é" }', repl.text { 'a\n"\\\1é' })
    assert.equal('{\n  "' .. ("x"):rep(199) .. '…",\n}', repl.text { ("x"):rep(199) .. "éé" })
  end)
end)

describe("the prompt's completion", function()
  before_each(function()
    rawset(_G, "fixture", {
      alpha = 1,
      beta = setmetatable({ own = 1 }, { __index = { inherited = print, other = 2 } }),
      method = function() end,
      _hidden = 1,
      ["not a name"] = 1,
    })
  end)

  after_each(function() rawset(_G, "fixture", nil) end)

  it("completes globals and keywords", function()
    assert.equal("ture", (repl.complete("x = fix")))
    assert.equal("ction", (repl.complete("fun")))
  end)

  it("completes fields, own and inherited", function()
    assert.equal("pha", (repl.complete("fixture.al")))
    assert.equal("herited", (repl.complete("print(fixture.beta.in")))
    assert.equal("er", (repl.complete("fixture.beta.oth")))
  end)

  it("completes only what can be called after a colon", function()
    assert.equal("method", (repl.complete("fixture:")))
    assert.equal("nherited", (repl.complete("fixture.beta:i")))
  end)

  it("shows the choice where there is one", function()
    local insert, choice = repl.complete("fixture.")
    assert.is_nil(insert)
    assert.equal("alpha   beta    method", choice)
  end)

  it("finds methods behind a function in __index", function()
    local methods = { predict = print }
    fixture.object = setmetatable({}, { -- luacheck: ignore
      __index = function(_, key) return methods[key] end,
    })
    assert.equal("edict", (repl.complete("fixture.object:pr")))
  end)

  it("says nothing where it knows nothing", function()
    assert.is_nil(repl.complete("fixture.zzz"))
    assert.is_nil(repl.complete("nowhere.to.be"))
    assert.is_nil(repl.complete("f().al"))
    assert.is_nil(repl.complete("x = 1 + "))
  end)

  it("indents at the beginning of a line", function()
    assert.equal("  ", (repl.complete("")))
  end)
end)
