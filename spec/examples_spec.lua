-- The examples run as they stand, and say what the README says of them.

-- Runs a script with its output captured.
local function run(path)
  local lines, print_before, arg_before = {}, _G.print, _G.arg
  _G.print = function(...)
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
    lines[#lines + 1] = table.concat(parts, "\t")
  end
  _G.arg = { [0] = path }
  local ok, message = pcall(dofile, path)
  _G.print, _G.arg = print_before, arg_before
  assert(ok, message)
  return table.concat(lines, "\n")
end

local function number(text, pattern)
  return tonumber((assert(text:match(pattern), "no " .. pattern .. " in\n" .. text)))
end

local names = { "01_compiler_errors", "02_two_stage", "03_regression", "04_your_own_expert" }

describe("examples", function()
  it("02: the gate finds the specialist", function()
    local out = run "examples/02_two_stage.lua"
    local mixture = number(out, "mixture%s+([%d.]+)")
    local best_single = number(out, "best single: %w+%s+([%d.]+)")
    assert.is_true(mixture > best_single + 0.2)
  end)

  it("03: two lines and a gate beat one line", function()
    local out = run "examples/03_regression.lua"
    local mixture = number(out, "RMSE of the mixture: ([%d.]+)")
    local line = number(out, "RMSE of one line:%s+([%d.]+)")
    assert.is_true(mixture < line / 3)
  end)

  it("04: an expert and a gate in Lua come back from a file", function()
    assert.truthy(run("examples/04_your_own_expert.lua"):find "the same after loading:\ttrue")
  end)

  -- Ten seconds of training: under one Lua is enough.
  if _VERSION == "Lua 5.4" then
    it("01: specialists and a gate read compiler errors", function()
      local out = run "examples/01_compiler_errors.lua"
      assert.is_true(number(out, "five forests of 20 trees and a gate%s+([%d.]+)") > 0.92)
      assert.is_true(number(out, "error code alone%s+([%d.]+)") < 0.6)
      local _, explained = out:gsub("prediction: ", "")
      assert.equal(3, explained)
    end)
  end

  it("stay short, and use the module alone", function()
    for _, name in ipairs(names) do
      local file = assert(io.open("examples/" .. name .. ".lua"))
      local text = file:read "*a"
      file:close()
      local _, lines = text:gsub("\n", "")
      assert.is_true(lines < 60, name .. " has " .. lines .. " lines")
      assert.is_nil(text:find "moe%.core")
    end
  end)
end)
