-- What the pages for people show, runs: the blocks of a page one after the other,
-- as a reader would type them.
local moe = require "moe"

-- A file that a reader has and a spec has not: letters of the same form.
local function letters()
  return moe.data.make_classification { rows = 300, features = 16, classes = 4, seed = 1 }
end

-- And a stream.
local function prices() return moe.streams.led { rows = 300, seed = 1 } end

-- The page's Lua, every line where it is in the page.
local function read(path)
  local lines, inside = {}, false
  for line in io.lines(path) do
    local fence = line:match "^```(%l*)"
    if fence then inside = fence == "lua" end
    lines[#lines + 1] = inside and not fence and line or ""
  end
  return table.concat(lines, "\n")
end

local function run(path)
  local printed, print_before = {}, _G.print
  local read_before, stream_before = moe.data.read_csv, moe.streams.csv
  _G.print = function(...)
    for i = 1, select("#", ...) do printed[#printed + 1] = tostring((select(i, ...))) end
  end
  moe.data.read_csv, moe.streams.csv = letters, prices
  local compile = rawget(_G, "loadstring") or load
  local ok, message = pcall(assert(compile(read(path), "@" .. path)))
  _G.print, moe.data.read_csv, moe.streams.csv = print_before, read_before, stream_before
  assert(ok, message)
  return printed
end

describe("the Lua in", function()
  after_each(function() os.remove "letter.moe" end)

  it("README.md runs", function()
    local printed = run "README.md"
    assert.truthy(printed[1]:find "mixture")
    assert.truthy(printed[2]:find "prediction: ")
    assert.truthy(printed[3]:find "steps +300")
    assert.truthy(printed[4]:find "led: 300 samples.*mixture.tree.*majority")
  end)

  it("docs/from_scikit_learn.md runs, and what is saved comes back the same", function()
    local printed = run "docs/from_scikit_learn.md"
    assert.is_true(#printed > 15)
    assert.is_true(tonumber(printed[1]) > 0.8)
    assert.equal("true", printed[#printed])
  end)

  it("docs/from_pytorch.md runs, and what is saved answers the same", function()
    local printed = run "docs/from_pytorch.md"
    assert.is_true(tonumber(printed[14]) < tonumber(printed[2])) -- the loss, of epochs 5 and 1
    assert.equal("true", printed[#printed])
  end)
end)
