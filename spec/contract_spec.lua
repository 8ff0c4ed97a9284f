-- Promises that every entry of the catalog keeps.  A new expert or gate is
-- covered as soon as it is in the catalog.
local moe = require "moe"
local core = require "moe.core"
local allocations = require "spec.support.allocations"
local catalog = require "spec.support.catalog"
local data = require "spec.support.data"

-- A place to learn from for each task.
local worlds = {
  classification = {
    train = function() return data.clouds(60, 3, 3) end,
    test = function() return (data.clouds(21, 3, 3, 99)) end,
  },
  binary = {
    train = function() return data.clouds(60, 3, 2) end,
    test = function() return (data.clouds(21, 3, 2, 99)) end,
  },
  regression = {
    train = function() return data.plane(60, 3, 0.1) end,
    test = function() return (data.plane(21, 3, 0.1, 99)) end,
  },
  gating = {
    train = function() return data.scores(60) end,
    test = function() return (data.scores(21, 99)) end,
  },
}

-- Those that tell no more than two classes apart.
local binary = { glm = true }

local function tasks_of(type)
  local tasks = {}
  if type.traits.classifies then tasks[#tasks + 1] = "classification" end
  if type.traits.regresses then tasks[#tasks + 1] = "regression" end
  if type.traits.gates then tasks[#tasks + 1] = "gating" end
  return tasks
end

-- Predictions as numbers, in one flat array.
local function answers(object, X)
  if object.forward then return object:forward(X):totable() end
  if object:classes() then return object:predict_proba(X):totable() end
  return object:predict(X)
end

local function first_column(X)
  local out = {}
  for i, row in ipairs(X) do out[i] = { row[1] } end
  return out
end

local baselines = { constant = true, ewma = true, last_value = true, uniform = true }
-- Those that remember the rows before, of whatever weight; and what is learned
-- of rows in the order of their classes is that order.
local sequences = { ar = true, esn = true, ssm = true }

local function is_baseline(type) return baselines[type.name] end

local function each_learner(visit)
  for _, type in ipairs(core.types()) do
    -- a fixed gate reads named columns, what is imported is never fitted: they have
    -- specs of their own
    if type.traits and type.name ~= "fixed" and type.name ~= "imported" then
      for _, task in ipairs(tasks_of(type)) do
        local two = task == "classification" and binary[type.name]
        visit(type, task, worlds[two and "binary" or task])
      end
    end
  end
end

describe("every type", function()
  for _, type in ipairs(core.types()) do
    it(("%s %s documents itself and its parameters"):format(type.family, type.name), function()
      assert.is_true(#type.doc > 10)
      for _, p in ipairs(type.params) do assert.is_true(#p.doc > 3, p.name) end
      assert.truthy(moe.help(type.name):gsub("%s+", " "):find(type.doc, 1, true))
    end)

    it(("%s %s has defaults inside their ranges"):format(type.family, type.name), function()
      for _, p in ipairs(type.params) do
        if p.min and _G.type(p.default) == "number" then
          assert.is_true(p.min <= p.default and p.default <= p.max, p.name)
        end
      end
    end)

    it(("%s %s refuses what a parameter does not allow"):format(type.family, type.name), function()
      if type.name == "foreign" then return end
      local function refuses(name, value)
        local ok, message = pcall(catalog.new, type, nil, { [name] = value })
        assert.is_false(ok, name .. " = " .. tostring(value))
        assert.truthy(tostring(message):find(name, 1, true), message)
      end
      for _, p in ipairs(type.params) do
        -- a function is a gate by rule
        if p.family ~= "gate" and p.kind ~= "callback" then refuses(p.name, function() end) end
        if p.kind == "int" or p.kind == "real" then
          refuses(p.name, 0 / 0)
          refuses(p.name, p.min - 1 - math.abs(p.min))
          refuses(p.name, p.max * 2 + 1)
          refuses(p.name, "1")
        end
        if p.kind == "int" then refuses(p.name, p.min + 0.5) end
        if p.kind == "choice" then refuses(p.name, "no such choice") end
        refuses(p.name .. "x", 1)
      end
      if #type.params > 0 then
        local name = type.params[1].name
        local _, message = pcall(catalog.new, type, nil, { [name .. "x"] = 1 })
        assert.truthy(message:find("did you mean '" .. name .. "'", 1, true), message)
      end
    end)
  end
end)

each_learner(function(type, task, world)
  describe(("%s %s (%s)"):format(type.family, type.name, task), function()
    local X, y = world.train()
    local test = world.test()

    local function fitted(options)
      local object = catalog.new(type, task, options)
      object:fit(X, y)
      return object
    end

    -- What moe.undump needs where the object was written in Lua.
    local function given()
      local gates = type.family == "gate"
      return { lua = { [""] = gates and catalog.gate_in_lua() or catalog.expert_in_lua() } }
    end

    it("refuses to answer before it is fitted", function()
      local object = catalog.new(type, task)
      assert.is_false(object:info().fitted)
      local ok, message = pcall(answers, object, test)
      assert.is_false(ok)
      assert.truthy(tostring(message):find "not been fitted")
    end)

    it("rebuilds an equal object from its parameters", function()
      if type.name == "foreign" then return end
      local object = catalog.new(type, task)
      local params = object:get_params()
      if params.experts or params.model then return end -- an object has one parent
      local again = core.new(type.family, type.name, params)
      assert.equal(tostring(object), tostring(again))
    end)

    it("learns what can be learned here", function()
      if is_baseline(type) or sequences[type.name] or type.name == "foreign" then return end
      local object = fitted()
      if task == "gating" then
        local out = object:forward(X)
        local right = 0
        for i = 1, #X do
          if (out:get(i, 1) > out:get(i, 2)) == (y[i][1] > y[i][2]) then right = right + 1 end
        end
        assert.is_true(right / #X > 0.7, tostring(right))
      else
        assert.is_true(object:score(X, y) > 0.85, tostring(object:score(X, y)))
      end
    end)

    it("gives finite answers, probabilities that sum to 1", function()
      local object = fitted()
      for _, row in ipairs(answers(object, test)) do
        local sum = 0
        for _, p in ipairs(_G.type(row) == "table" and row or { row }) do
          assert.is_true(p == p and math.abs(p) < math.huge)
          sum = sum + p
        end
        if task ~= "regression" then assert.is_true(math.abs(sum - 1) < 1e-6, tostring(sum)) end
      end
    end)

    it("answers a batch as row by row", function()
      if task == "gating" then return end
      local object = fitted()
      local labels = object:predict(test)
      for i, row in ipairs(test) do
        local one = object:predict_one(row)
        if task == "regression" then
          assert.is_true(math.abs(one - labels[i]) <= 1e-6 * math.max(1, math.abs(one)))
        else
          assert.equal(labels[i], one)
        end
      end
    end)

    it("gives the same bits again, with one thread or with two", function()
      if type.name == "foreign" then return end
      local before = moe.threads()
      moe.set_threads(1)
      local one = fitted():dump()
      moe.set_threads(2)
      local two = fitted():dump()
      moe.set_threads(before)
      assert.is_true(one == two)
    end)

    it("leaves its input as it was", function()
      local own = data.copy(X)
      local object = catalog.new(type, task)
      object:fit(own, y)
      answers(object, own)
      assert.same(X, own)
    end)

    it("has clones that share nothing with it", function()
      local object = fitted()
      local copy = object:clone()
      local said = answers(object, test)
      assert.same(said, answers(copy, test))
      object:reset()
      assert.same(said, answers(copy, test))
    end)

    it("comes back from dump and undump with the same answers", function()
      local object = fitted()
      local again = assert(moe.undump(object:dump(), given()))
      assert.same(answers(object, test), answers(again, test))
      if type.name ~= "foreign" then
        assert.equal(tostring(object), tostring(again))
        assert.is_true(object:dump() == again:dump())
      end
    end)

    it("goes on learning after undump as if nothing had happened", function()
      if not type.traits.online or type.name == "foreign" or task == "gating" then return end
      local object = catalog.new(type, task)
      object:learn_many(X, y)
      local again = assert(moe.undump(object:dump()))
      object:learn_many(X, y)
      again:learn_many(X, y)
      assert.is_true(object:dump() == again:dump())
    end)

    it("learns many rows as one by one", function()
      if not type.traits.online or type.name == "foreign" or task == "gating" then return end
      local many, one = catalog.new(type, task), catalog.new(type, task)
      for i = 1, #X do one:learn_one(X[i], y[i]) end
      many:learn_many(X, y)
      assert.same(answers(one, test), answers(many, test))
    end)

    it("is fitted to the same bits in small steps", function()
      if type.name == "foreign" then return end
      local whole, object = fitted():dump(), catalog.new(type, task)
      local job = object:start_fit(X, y)
      local steps = 0
      while not job:step { budget_ms = 1e-6 } do
        steps = steps + 1
        assert.is_true(steps < 1e6)
      end
      job:commit()
      assert.is_true(whole == object:dump())
    end)

    it("stays as it was when a job is dropped, and refuses two at a time", function()
      local object = fitted()
      local said = answers(object, test)
      local job = object:start_fit(first_column(X), y)
      assert.has_error(function() object:start_fit(X, y) end)
      assert.has_error(function() object:set_params { nothing = 1 } end)
      if type.name ~= "foreign" then assert.same(said, answers(object, test)) end
      job:close()
      assert.same(said, answers(object, test))
      assert.has_error(function() job:step() end)
      object:fit(X, y)
    end)

    it("refuses hostile data and stays as it was", function()
      local object = fitted()
      local said = answers(object, test)
      local function refuses(badX, badY, word)
        local ok, message = pcall(object.fit, object, badX, badY)
        assert.is_false(ok)
        if word then assert.truthy(tostring(message):find(word), message) end
      end
      local bad = data.copy(X)
      bad[17][2] = math.huge
      refuses(bad, y, "row 17")
      refuses({}, {})
      refuses({ {} }, { y[1] })
      refuses({ { 1, 2 }, { 1 } }, { y[1], y[2] })
      refuses(X, { y[1], y[2] }, "y%[3%]")
      refuses({ X[1] }, { y[1], y[2] })
      refuses("text", y)
      refuses(X, nil)
      local holes = data.copy(X)
      holes[5] = nil
      refuses(holes, y, "X%[5%]")
      bad = data.copy(X)
      bad[17][2] = 0 / 0
      if not type.traits.takes_missing then refuses(bad, y, "impute") end
      assert.same(said, answers(object, test))
      assert.has_error(function() answers(object, first_column(test)) end)
      assert.has_error(function() object:fit(X, y, { weight = {} }) end)
    end)

    it("copes with one column, constant columns, one row and huge numbers", function()
      local object = catalog.new(type, task)
      local function works(rows, targets)
        object:fit(rows, targets)
        for _, row in ipairs(answers(object, rows)) do
          for _, p in ipairs(_G.type(row) == "table" and row or { row }) do
            assert.is_true(p == p and math.abs(p) < math.huge)
          end
        end
      end
      works(first_column(X), y)
      local constant, huge = data.copy(X), data.copy(X)
      for i = 1, #X do
        constant[i][1] = 5
        huge[i][2] = huge[i][2] * 1e30
      end
      works(constant, y)
      works(huge, y)
      if type.name ~= "mixture" then works({ X[1] }, { y[1] }) end
      works({ X[1], X[2], X[3], X[4] }, { y[1], y[1], y[1], y[1] })
    end)

    it("weighs its rows: weight 0 is as if the row were not there", function()
      if type.name == "foreign" or is_baseline(type) and task == "gating" then return end
      if type.name == "forest" or type.name == "mixture" then return end -- they draw rows
      if sequences[type.name] then return end
      local kept, keptY, weights, all, allY = {}, {}, {}, {}, {}
      for i = 1, #X do
        all[i], allY[i], weights[i] = X[i], y[i], i % 4 == 0 and 0 or 1
        if weights[i] == 1 then
          kept[#kept + 1], keptY[#keptY + 1] = X[i], y[i]
        end
      end
      local a, b = catalog.new(type, task), catalog.new(type, task)
      a:fit(all, allY, { weights = weights })
      b:fit(kept, keptY)
      local said, expected = answers(a, test), answers(b, test)
      for i = 1, #said do
        local p = _G.type(said[i]) == "table" and said[i] or { said[i] }
        local q = _G.type(expected[i]) == "table" and expected[i] or { expected[i] }
        for k = 1, #q do
          assert.is_true(math.abs(p[k] - q[k]) < 1e-4, ("%g %g"):format(p[k], q[k]))
        end
      end
      assert.has_error(function() a:fit(all, allY, { weights = { -1 } }) end)
    end)

    it("closes politely", function()
      local object = fitted()
      object:close()
      object:close()
      assert.has_error(function() answers(object, test) end)
      assert.equal("closed object", tostring(object))
    end)

    it("survives a failed allocation anywhere, and leaks nothing", function()
      local function life()
        local object = catalog.new(type, task)
        object:fit(X, y)
        answers(object, test)
        local copy = object:clone()
        local again = assert(moe.undump(copy:dump(), given()))
        copy:close()
        object:close()
        again:close()
      end
      assert.is_true(allocations.fail(life) > 3)
    end)
  end)
end)
