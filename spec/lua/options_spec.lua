-- Options of functions in Lua.
local options = require "moe.options"

local known = {
  folds = { "integer", min = 2, default = 5 },
  share = { "number", min = 0, max = 1 },
  method = { { "grid", "random" }, default = "grid" },
  refit = { "boolean", default = true },
  anything = {},
}

local function check(given)
  local checked = options.check("work", given, known)
  return checked
end

local function message(given)
  local ok, text = pcall(check, given)
  assert.is_false(ok)
  return text
end

describe("options", function()
  it("have their defaults where they are not given", function()
    assert.same({ folds = 5, method = "grid", refit = true }, check())
    assert.same({ folds = 2, method = "random", refit = false, share = 0.5, anything = 1 },
      check { folds = 2, method = "random", refit = false, share = 0.5, anything = 1 })
  end)

  it("are refused by name, kind and range, saying what is allowed", function()
    local wrong = {
      { { fold = 3 }, "work: unknown option 'fold'; did you mean 'folds'?" },
      { { zzzzzzzz = 3 }, "work: unknown option 'zzzzzzzz'" },
      { { 3 }, "work: unknown option '1'" },
      { { folds = 1 }, "work: 'folds' must be an integer, at least 2, got 1" },
      { { folds = 2.5 }, "'folds' must be an integer, at least 2, got 2.5" },
      { { folds = "5" }, "'folds' must be an integer, at least 2, got '5'" },
      { { folds = 0 / 0 }, "'folds' must be an integer" },
      { { share = 2 }, "'share' must be a number in [0, 1], got 2" },
      { { share = 0 / 0 }, "'share' must be a number in [0, 1], got" },
      { { method = "all" }, "'method' must be one of grid, random, got 'all'" },
      { { refit = 1 }, "'refit' must be a boolean, got 1" },
      { 5, "work: a table of options expected, got a number" },
    }
    for _, case in ipairs(wrong) do
      assert.truthy(message(case[1]):find(case[2], 1, true), case[2])
    end
  end)

  it("blame the caller of the function, or nobody", function()
    local ok, text = pcall(function()
      local checked = check { fold = 3 }
      return checked
    end)
    assert.is_false(ok)
    assert.truthy(text:find "options_spec.lua:%d+: work")
    ok, text = pcall(options.check, "work", { fold = 3 }, known, 0)
    assert.is_false(ok)
    assert.truthy(text:find "^work: unknown")
  end)
end)
