-- What moe.help says of everything, and the pages made of the same tables.
local moe = require "moe"
local core = require "moe.core"

local places = {
  learner = moe.experts, gate = moe.gates, transform = moe.transforms, detector = moe.drift,
  streaming = moe,
}

describe("moe.help", function()
  it("lists every type with its constructor", function()
    local text = moe.help()
    for _, type in ipairs(core.types()) do
      assert.truthy(text:find(type.name, 1, true), type.name)
      assert.equal("function", _G.type(places[type.family][type.name]))
    end
  end)

  -- Lines are broken where they would be too long.
  local function words(text) return (text:gsub("%s+", " ")) end

  it("tells of each type its options, with what is allowed, and its figures", function()
    for _, type in ipairs(core.types()) do
      local text = words(moe.help(type.name))
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

  it("names what is near when asked for something else", function()
    local ok, message = pcall(moe.help, "florest")
    assert.is_false(ok)
    assert.truthy(message:find("there is no 'florest'; did you mean 'forest'?", 1, true))
    assert.is_false(pcall(moe.help, 5))
    assert.is_false(pcall(moe.help, function() end))
  end)

  it("tells of functions what the comment over them says", function()
    local text = moe.help "cross_validate"
    local signature = "moe.eval.cross_validate(model, X [, y] [, options])"
    assert.equal(signature, text:match "^[^\n]*")
    assert.truthy(words(text):find("judges each on the rows that it has not seen", 1, true))
    assert.truthy(text:find("\n%s+folds = 5: how many\n"))
    assert.equal(text, moe.help "eval.cross_validate")
    assert.equal(text, moe.help "moe.eval.cross_validate")
  end)

  it("tells of methods, wherever there is one of that name", function()
    local text = moe.help "fit"
    assert.truthy(text:find("Learner:fit(X [, y] [, options])", 1, true))
    assert.truthy(text:find("Transform:fit(X)", 1, true))
    assert.is_nil(moe.help "Learner:fit":find("Transform", 1, true))
  end)

  it("takes functions, and objects for their type", function()
    assert.equal(moe.help "moe.processes.map", moe.help(moe.processes.map))
    assert.equal(moe.help "Table:pick", moe.help(moe.data.make_moons().pick))
    assert.equal(moe.help "forest", moe.help(moe.experts.forest {}))
    assert.equal(moe.help "Table", moe.help(moe.data.make_moons { rows = 4 }))
  end)

  it("lists what a module or a kind of object has", function()
    assert.truthy(moe.help "stages":find "pretrain.*gate.*joint")
    assert.truthy(moe.help "Tensor":find "matmul")
    assert.truthy(moe.help "moe.drift":find "adwin.*kswin")
    assert.truthy(moe.help "experts":find "forest")
  end)

  it("knows what other libraries call things, and has what it names", function()
    assert.equal("train_test_split is here Table:split", moe.help "train_test_split")
    local elsewhere = require "moe.elsewhere"
    for _, groups in ipairs { elsewhere.groups, elsewhere.torch } do
      for _, group in ipairs(groups) do
        for i = 2, #group do
          local ours = group[i][2]
          if ours:find "[.:]" then assert.truthy(moe.help(ours)) end
        end
      end
    end
    assert.equal("CrossEntropyLoss is here moe.F.cross_entropy (classes from 1)",
      moe.help "CrossEntropyLoss")
    local _, message = pcall(moe.experts.forest, { n_estimators = 5 })
    assert.truthy(message:find("unknown parameter 'n_estimators'; here that is trees", 1, true))
    _, message = pcall(moe.eval.cross_validate, moe.experts.tree {}, { { 1 } }, { 1 }, { cv = 2 })
    assert.truthy(message:find("unknown option 'cv'; here that is folds", 1, true))
  end)

  it("fits a narrow screen", function()
    local asked = { false, "mixture", "gbt", "fit", "report", "metrics", "search" }
    for _, name in ipairs(asked) do
      for line in moe.help(name or nil):gmatch "[^\n]+" do
        local _, continued = line:gsub("[\128-\191]", "")
        assert.is_true(#line - continued <= 84, line)
      end
    end
  end)

  it("says something of every function that a script can call", function()
    assert.same({}, dofile("tools/api.lua").silent())
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
