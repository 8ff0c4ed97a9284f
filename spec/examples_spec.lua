-- The examples run as they stand, and say what the README says of them.

-- Runs a script with its output captured.
local function run(path, given)
  local lines, print_before, arg_before = {}, _G.print, _G.arg
  _G.print = function(...)
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
    lines[#lines + 1] = table.concat(parts, "\t")
  end
  _G.arg = given or {}
  _G.arg[0] = path
  local ok, message = pcall(dofile, path)
  _G.print, _G.arg = print_before, arg_before
  assert(ok, message)
  return table.concat(lines, "\n")
end

local function number(text, pattern)
  return tonumber((assert(text:match(pattern), "no " .. pattern .. " in\n" .. text)))
end

local names = {
  "01_compiler_errors", "02_two_stage", "03_regression", "04_your_own_expert", "05_schedule",
  "06_selection", "07_dynamic_selection", "08_em", "09_stream", "10_moe_layer", "11_char_lm",
  "12_custom_router", "13_fashion", "14_two_stage_networks",
}

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

  it("05: what is trained together gains, and what is cut off goes on", function()
    local out = run "examples/05_schedule.lua"
    assert.is_true(number(out, "R² on new rows: ([%d.]+)")
      > 0.4 + number(out, "one linear model ([%d.]+)"))
    assert.truthy(out:find "the power is gone")
    assert.truthy(out:find "went on at stage 4, and came to the same model:\ttrue")
  end)

  it("07: who is asked matters more than who answers", function()
    local out = run "examples/07_dynamic_selection.lua"
    local one = number(out, "one line%s+([%d.]+)")
    assert.is_true(number(out, "forest gate%s+([%d.]+)") > one + 0.1)
    assert.is_true(number(out, "neighbours%s+([%d.]+)") > one + 0.1)
    assert.truthy(out:find "KNORA%-E" and out:find "gate moved by")
  end)

  it("08: EM finds the laws, and its likelihood never falls", function()
    local out = run "examples/08_em.lua"
    local before = -math.huge
    for value in out:gmatch "\n%s+%d+%s+(%-?[%d.]+) #*" do
      assert.is_true(tonumber(value) >= before)
      before = tonumber(value)
    end
    assert.is_true(before > 0)
    assert.is_true(number(out, "three lines, by EM%s+([%d.]+)") < 0.25)
    assert.is_true(number(out, "two pairs of lines, by EM%s+([%d.]+)") < 0.25)
  end)

  it("09: the gate follows the expert of the moment, and what is saved goes on", function()
    local out = run "examples/09_stream.lua"
    local function after(name)
      return number(out, "\n" .. name .. "%s+[%d.]+%s+%-?[%d.]+%s+([%d.]+)")
    end
    local mixture = after "mixture"
    for _, expert in ipairs { "line", "rls", "tree" } do
      assert.is_true(mixture < after("mixture%." .. expert))
    end
    assert.truthy(out:find "sample %d+: drift of %w+")
    assert.truthy(out:find "the same as without:\ttrue")
  end)

  -- Seconds of training: under one Lua is enough.
  if _VERSION == "Lua 5.4" then
    it("06: selects, and says how sure it is", function()
      local out = run "examples/06_selection.lua"
      local low, high = out:match "mixture − line,.-interval %[(%-?[%d.]+), (%-?[%d.]+)%]"
      assert.is_true(tonumber(low) < 0 and tonumber(high) < 0)
      assert.truthy(out:find "experts.boosted.learning_rate")
    end)

    it("10: eight experts see the pieces that one layer blurs", function()
      local out = run "examples/10_moe_layer.lua"
      assert.is_true(number(out, "sparse.-epoch 80  RMSE on new rows ([%d.]+)")
        < 0.85 * number(out, "dense.-epoch 80  RMSE on new rows ([%d.]+)"))
      assert.equal(11, select(2, out:gsub("\n  [1-8]+%f[\n%z]", "")))
    end)

    it("12: a gate that knows the shape of the problem finds it", function()
      local out = run "examples/12_custom_router.lua"
      assert.is_true(number(out, "rings%s+RMSE on new rows ([%d.]+)")
        < number(out, "linear gate%s+RMSE on new rows ([%d.]+)") / 2)
      local inner, outer = out:match "that gate at ([%d.]+) and ([%d.]+)"
      assert.is_true(math.abs(inner - 1) < 0.1 and math.abs(outer - 2) < 0.1)
    end)

    it("11: experts read better than one, at the same cost", function()
      local out = run "examples/11_char_lm.lua"
      local one = number(out, "dense.-step 500  validation loss ([%d.]+)")
      assert.is_true(number(out, "8 experts.-step 500  validation loss ([%d.]+)") < one)
      assert.is_true(one < 2.1)
      assert.truthy(out:find "\nFirst ")
    end)

    it("13: pretrained networks, a gate, and all together", function()
      local out = run("examples/13_fashion.lua", { "3000" })
      if out:find "apt%-get install" then return end
      local function accuracy(of) return number(out, of .. "%s+accuracy on new rows ([%d.]+)") end
      assert.is_true(accuracy "trained together" > 0.72)
      assert.is_true(accuracy "and a gate over them" > 2 * accuracy "expert of tops")
      assert.is_true(number(out, "\nboot%s+%d+%%%s+(%d+)%%") > 90)
    end)

    it("14: each stage of networks buys something", function()
      local out = run "examples/14_two_stage_networks.lua"
      local gated = number(out, "behind a gate%s+accuracy on new rows ([%d.]+)")
      assert.is_true(gated > 0.3 + number(out, "round, pretrained%s+accuracy on new rows ([%d.]+)"))
      assert.is_true(number(out, "fine%-tuned together%s+accuracy on new rows ([%d.]+)")
        > gated + 0.05)
    end)

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
      assert.is_true(lines < 70, name .. " has " .. lines .. " lines")
      assert.is_nil(text:find "moe%.core")
    end
  end)
end)
