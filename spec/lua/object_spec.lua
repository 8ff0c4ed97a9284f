-- What all objects have in common in Lua: parameters of every kind, boxes that
-- survive any misuse, trees of objects.  The generic object itself is proved in
-- spec/engine/object.c and param.c.
local moe = require "moe"
local core = require "moe.core"
local data = require "spec.support.data"
local refuses = require "spec.support.refuses"

local E, G, T = moe.experts, moe.gates, moe.transforms

local X, y = data.clouds(30, 2, 3)

describe("parameters from Lua", function()
  it("of every kind go in and come back", function()
    local f = E.forest {
      trees = 7, max_depth = 3, criterion = "entropy", bootstrap = false, seed = 5,
      class_weight = { c1 = 2, [3] = 0.5, [true] = 1 },
    }
    local params = f:get_params()
    assert.equal(7, params.trees)
    assert.equal("entropy", params.criterion)
    assert.is_false(params.bootstrap)
    assert.same({ c1 = 2, [3] = 0.5, [true] = 1 }, params.class_weight)
    assert.equal(5, f:get_params "seed")
    local hasher = T.text_hasher { columns = { "text" } }
    assert.same({ "text" }, hasher:get_params "columns")
    local m = moe.mixture { experts = { f, E.constant {} }, frozen = { "1" } }
    assert.is_true(rawequal(f, m:get_params("experts")[1]))
    assert.same({ "1" }, m:get_params "frozen")
    assert.equal("gate", m:get_params("gate"):info().family)
  end)

  it("are taken back with false where they are optional", function()
    local f = E.forest { max_depth = 3, class_weight = { c1 = 2 } }
    f:set_params { max_depth = false, class_weight = false }
    assert.is_nil(f:get_params "max_depth")
    assert.is_nil(f:get_params().class_weight)
    assert.equal(tostring(E.forest {}), tostring(f))
    refuses("got false", f.set_params, f, { trees = false })
  end)

  it("are found in children by their path, set together or not at all", function()
    local m = moe.mixture { experts = { a = E.tree {}, b = E.constant {} } }
    m:set_params { ["experts.a.max_depth"] = 4, top_k = 1 }
    assert.equal(4, m:get_params "experts.a.max_depth")
    assert.equal(4, m:expert("a"):get_params "max_depth")
    refuses("'max_depth' must be", m.set_params, m, { top_k = 2, ["experts.a.max_depth"] = -1 })
    assert.equal(1, m:get_params "top_k")
    refuses("did you mean 'max_depth'?", m.set_params, m, { ["experts.a.max_dept"] = 1 })
    refuses("no parameter at 'experts.c.max_depth'", m.get_params, m, "experts.c.max_depth")
    refuses("no parameter at", m.get_params, m, "experts.a")
  end)

  it("refuse what no engine value can be", function()
    refuses("zero byte", E.forest, { criterion = "gini\0" })
    refuses("a thread is no value", E.forest, { trees = coroutine.create(function() end) })
    refuses("userdata", E.forest, { trees = io.stdout })
    refuses("got a function", E.forest, { trees = print })
    refuses("got a list of 0", E.forest, { trees = {} })
    refuses("got a forest", E.forest, { trees = E.forest {} })
    refuses("by name", E.forest, { 5 })
    refuses("by name", E.forest, { [true] = 1 })
    refuses("a table of options expected", E.forest, 5)
    refuses("table expected", E.forest {}.set_params, E.forest {}, "trees")
    local deep = {}
    for _ = 1, 100 do deep = { deep } end
    refuses("nested more than", E.forest, { class_weight = deep })
    local loop = {}
    loop[1] = loop
    refuses("nested more than", E.forest, { class_weight = loop })
  end)

  it("do not ask metatables", function()
    local ghost = setmetatable({}, { __index = function() error "called" end })
    assert.equal(E.forest {}:get_params "trees", E.forest(ghost):get_params "trees")
  end)
end)

describe("a box", function()
  -- Every kind of value that could be taken for another.
  local function values()
    local f = E.constant {}
    f:fit(X, y)
    return {
      5, -1, 0 / 0, "x", "a\0b", true, tostring,
      {}, { {} }, { 1 }, { { 1, 2 } }, { a = 1 }, io.stdout,
      coroutine.create(function() end), moe.zeros(2, 2), moe.sparse { { 1 }, columns = 1 },
      G.uniform {}, T.standard_scaler {}, f, f:clone():start_fit(X, y),
      moe.data.table { columns = { a = { 1 } } },
      setmetatable({}, { __index = function() error "called" end }),
    }
  end

  -- What writes files, opens libraries or changes settings is left out.
  local spared = {
    save = true, write_csv = true, load_backend = true, set_threads = true, _fail_after = true,
    _write_file = true, write_npy = true, write_npz = true,
    write_safetensors = true, _on_load = true,
  }

  local function each_function(visit)
    local seen = {}
    local function walk(t)
      if seen[t] then return end
      seen[t] = true
      for name, value in pairs(t) do
        if type(value) == "table" then walk(value) end
        if type(value) == "function" and not spared[name] then visit(value) end
      end
    end
    walk(core)
    for _, value in pairs(values()) do
      local metatable = type(value) == "userdata" and value ~= io.stdout and getmetatable(value)
      if metatable then walk(metatable) end
    end
  end

  it("survives every function with every wrong self and argument", function()
    local all, n = values(), 0
    each_function(function(f)
      pcall(f)
      for i = 1, #all do
        pcall(f, all[i])
        for j = 1 + (i + n) % 3, #all, 3 do -- a third of the pairs: there are many
          pcall(f, all[i], all[j])
          n = n + 1
        end
      end
    end)
    assert.is_true(n > 10000, tostring(n))
    assert.equal("file", io.type(io.stdout))
  end)

  it("is known by itself, not by its metatable", function()
    local f = E.constant {}
    local file = assert(io.tmpfile())
    local before = debug.getmetatable(file)
    debug.setmetatable(file, getmetatable(f))
    refuses("wants its object", f.predict, file, X)
    refuses("expected", f.close, file)
    assert.equal("closed object", tostring(file))
    debug.setmetatable(file, before)
    file:close()
    local z = moe.zeros(2, 2)
    before = getmetatable(z)
    debug.setmetatable(z, getmetatable(f))
    refuses("wants its object", z.info, z)
    refuses("expected", z.close, z)
    debug.setmetatable(z, before)
    assert.equal(4, z:sum() + 4)
  end)

  it("keeps what Lua added to its methods when the module is opened again", function()
    core.methods("Learner").spoken = function() return "still here" end
    local before = package.loaded["moe.core"]
    package.loaded["moe.core"] = nil
    require "moe.core"
    package.loaded["moe.core"] = before
    assert.equal("still here", E.constant({}):spoken())
    core.methods("Learner").spoken = nil
    assert.is_nil(E.constant({}).spoken)
  end)

  it("refuses the methods of another family", function()
    local gate, scaler, f = G.uniform {}, T.standard_scaler {}, E.constant {}
    refuses("moe.Learner expected", f.route, gate, X)
    refuses("moe.Transform expected", scaler.transform, f, X)
    refuses("moe.Tensor expected", moe.zeros(1).row, f, 1)
    refuses("number", moe.zeros(1).row, 5, 1)
  end)

  it("closes once, and says so when it is used again", function()
    local f = E.constant {}
    f:fit(X, y)
    f:close()
    f:close()
    assert.equal("closed object", tostring(f))
    for _, method in ipairs { "fit", "predict", "predict_one", "info", "clone", "reset", "dump" } do
      refuses("closed", f[method], f, X, y)
    end
    refuses("userdata", moe.mixture, { experts = { f } })
  end)

  it("lives on in a mixture after it was closed", function()
    local f = E.constant {}
    local m = moe.mixture { experts = { a = f } }
    f:close()
    m:fit(X, y)
    assert.equal("constant", m:expert("a"):info().type)
    assert.is_true(rawequal(f, m:expert "a"))
    m:close()
    collectgarbage()
    assert.equal("constant", f:info().type)
  end)

  it("is not taken for one that lay at its address before", function()
    local original = moe.mixture { experts = { a = E.constant {}, b = E.tree {} } }
    for _ = 1, 20 do
      local closed = {}
      for i = 1, 20 do closed[i] = E.constant {} end
      for i = 1, 20 do closed[i]:close() end
      local m = original:clone()
      assert.equal("constant", m:expert("a"):info().type)
      assert.equal("tree", m:expert("b"):info().type)
    end
  end)

  it("is collected in any order with what it belongs to", function()
    local before
    for round = 1, 3 do
      for _ = 1, 20 do
        local line = moe.pipeline { T.standard_scaler {}, E.tree {} }
        local m = moe.mixture { experts = { a = E.constant {}, b = line } }
        m:fit(X, y)
        m:expert("a"):start_fit(X, y)
        assert.equal(m:expert("b"):predict(X)[1], y[1])
      end
      collectgarbage()
      collectgarbage()
      collectgarbage()
      before = before or core._live()
      assert.is_true(core._live() <= before, round)
    end
  end)
end)

describe("objects within objects", function()
  local function nested(depth)
    local m = E.constant {}
    for _ = 2, depth do m = moe.pipeline { T.standard_scaler {}, m } end
    return m
  end

  it("are as deep as 64, and work there", function()
    local m = nested(64)
    m:fit({ { 1 }, { 2 }, { 3 }, { 4 } }, { 1, 2, 3, 4 })
    assert.equal(2.5, m:predict_one { 1 })
    local again = assert(moe.undump(m:dump()))
    assert.equal(2.5, again:predict_one { 1 })
    assert.equal(2.5, m:clone():predict_one { 1 })
    assert.truthy(tostring(m):find "constant")
  end)

  it("are refused beyond that, from whichever end they are built", function()
    refuses("more than 64 deep", nested, 65)
    refuses("more than 64 deep", function()
      local m = moe.mixture { experts = { a = E.constant {} } }
      local top = m
      for _ = 1, 1000 do
        local inner = moe.mixture { experts = { a = E.constant {} } }
        m:set_params { experts = { a = inner } }
        m = inner
      end
      return top
    end)
  end)

  it("never contain themselves", function()
    local m = moe.mixture { experts = { a = E.constant {} } }
    local n = m:clone()
    refuses("contain itself", m.set_params, m, { experts = { m } })
    local top = moe.mixture { experts = { m = m, n = n } }
    refuses("contain itself", m.add_expert, m, "top", top)
    refuses("contain itself", top.set_params, top,
      { ["experts.m.experts"] = { x = n }, ["experts.n.experts"] = { y = m } })
    assert.equal("constant", m:expert("a"):info().type)
    refuses("each object once", moe.mixture, { experts = { a = m, b = m } })
  end)

  it("can replace an expert and set it in one call", function()
    local m = moe.mixture { experts = { a = E.tree { max_depth = 1 } } }
    local fresh = E.tree { max_depth = 2 }
    m:set_params { experts = { a = fresh }, ["experts.a.max_depth"] = 9 }
    assert.is_true(rawequal(fresh, m:expert "a"))
    assert.equal(2, fresh:get_params "max_depth")
  end)
end)

describe("coroutines", function()
  it("each train their own model, a step at a time", function()
    local function trainer(seed)
      return coroutine.wrap(function()
        local f = E.forest { trees = 4, seed = seed }
        local job = f:start_fit(X, y)
        while not job:step { budget_ms = 1e-6 } do coroutine.yield() end
        job:commit()
        coroutine.yield(f:dump())
      end)
    end
    local trainers, results = {}, {}
    for i = 1, 3 do trainers[i] = trainer(i) end
    local left = 3
    while left > 0 do
      for i = 1, 3 do
        if not results[i] then
          results[i] = trainers[i]()
          left = left - (results[i] and 1 or 0)
        end
      end
    end
    for i = 1, 3 do
      local alone = E.forest { trees = 4, seed = i }
      alone:fit(X, y)
      assert.is_true(results[i] == alone:dump())
    end
  end)

  it("may end in the middle of a call: what they held is let go", function()
    local expert = { fit = function() end, predict = function() return coroutine.yield() end }
    local m = moe.mixture { experts = { a = expert }, gate = G.uniform {} }
    local co = coroutine.create(function()
      m:expert("a"):fit(X, y)
      return m:expert("a"):predict(X)
    end)
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.truthy(tostring(message):find "yield")
    m:reset()
  end)
end)
