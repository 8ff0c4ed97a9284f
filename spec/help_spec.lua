-- What moe.help says of everything, and the pages made of the same tables.
local moe = require "moe"
local core = require "moe.core"

local places = { learner = moe.experts, gate = moe.gates, transform = moe.transforms }

describe("moe.help", function()
  it("lists every type with its constructor", function()
    local text = moe.help()
    for _, type in ipairs(core.types()) do
      assert.truthy(text:find(type.name, 1, true), type.name)
      assert.equal("function", _G.type(places[type.family][type.name]))
    end
  end)

  it("tells of each type its options, with what is allowed, and its figures", function()
    for _, type in ipairs(core.types()) do
      local text = moe.help(type.name)
      assert.truthy(text:find(type.doc, 1, true), type.name)
      for _, p in ipairs(type.params) do
        assert.truthy(text:find(p.name, 1, true), p.name)
        assert.truthy(text:find(p.doc, 1, true), p.name)
        for _, choice in ipairs(p.choices or {}) do
          assert.truthy(text:find(choice, 1, true), choice)
        end
      end
      for _, g in ipairs(type.gauges) do assert.truthy(text:find(g.doc, 1, true), g.name) end
    end
  end)

  it("tells both where two families share a name", function()
    local text = moe.help "foreign"
    assert.truthy(text:find("foreign (learner)", 1, true))
    assert.truthy(text:find("foreign (gate)", 1, true))
  end)

  it("names what there is when asked for something else", function()
    local ok, message = pcall(moe.help, "florest")
    assert.is_false(ok)
    assert.truthy(message:find("there is no 'florest'", 1, true))
    assert.truthy(message:find("forest", 1, true))
    assert.is_false(pcall(moe.help, 5))
  end)
end)

describe("the pages made from the catalog", function()
  it("are what the catalog says today", function()
    local arguments, exit = rawget(_G, "arg"), os.exit
    local left = false
    rawset(_G, "arg", { "--check" })
    os.exit = function() left = true end -- luacheck: ignore 122
    local ok, message = pcall(dofile, "tools/docs.lua")
    os.exit = exit -- luacheck: ignore 122
    rawset(_G, "arg", arguments)
    assert.is_true(ok, message)
    assert.is_false(left)
  end)
end)
