local moe = require "moe"
local data = require "spec.support.data"
local files = require "spec.support.files"
local near = require("spec.support.near").within(1e-12)

local E, S = moe.experts, moe.stages

local X, y = data.clouds(90, 3, 3)
local Xv, yv = data.clouds(45, 3, 3, 17)
local all = { X = X, y = y, valid = { X = Xv, y = yv } }

-- A stand-in that is trained by nothing but what a stage asks: it notes every
-- fit and scores what it is told to.
local function mixture(seed)
  return moe.mixture {
    experts = { a = E.logistic {}, b = E.tree { max_depth = 2 } }, folds = 2, seed = seed or 1,
  }
end

-- A stage that fits to rows whose weights depend on the round, so that every
-- round gives another model.
local function shifting(m, given, context)
  local weights = {}
  for i = 1, #given.y do weights[i] = 1 + (i * context.round) % 3 end
  m:fit(given.X, given.y, { weights = weights })
  return { rows = #given.y }
end

-- A metric that takes these values, one a call.
local function scripted(values)
  local call = 0
  return function()
    call = call + 1
    return values[call]
  end
end

local function temporary()
  local path = os.tmpname()
  os.remove(path)
  return path
end

describe("a schedule", function()
  it("prints as its stages, those within a stage further in", function()
    local run = moe.schedule {
      S.freeze { "a" },
      S.repeat_until { S.evaluate {}, function() end, rounds = 3 },
    }
    assert.equal(table.concat({
      "schedule of 2 stages",
      "  1      freeze        a",
      "  2      repeat_until  rounds = 3",
      "    2.1  evaluate",
      "    2.2  function",
    }, "\n"), tostring(run))
  end)

  it("runs its stages in order and tells what each did", function()
    local seen = {}
    local run = moe.schedule {
      function(m, given, context)
        seen = { m, given.y, context.options.seed }
        m:fit(given.X, given.y)
        return { rows = 90 }
      end,
      S.evaluate { metrics = { "accuracy" } },
      S.evaluate { metrics = { worst = function() return 0 end }, on = "train" },
    }
    local m = mixture()
    local history = run:fit(m, all, { seed = 5 })
    assert.same({ m, y, 5 }, seen)
    assert.is_true(history.done)
    assert.same({ "function", "evaluate", "evaluate" },
      { history[1].stage, history[2].stage, history[3].stage })
    near(m:score(Xv, yv), history[2].scores.accuracy)
    assert.equal(0, history:last "worst")
    assert.equal(3, #history:table())
    assert.truthy(tostring(history):find("accuracy", 1, true))
  end)

  it("freezes experts and sets them free", function()
    local m, frozen = mixture(), {}
    local function look() frozen[#frozen + 1] = m:get_params().frozen or {} end
    moe.schedule { S.freeze { "b", "a" }, look, S.unfreeze "b", look }:fit(m, all)
    assert.same({ { "a", "b" }, { "a" } }, frozen)
  end)

  it("refuses what is no stage, unknown options, and a patience without a metric", function()
    assert.has_error(function() moe.schedule {} end)
    assert.has_error(function() moe.schedule { 7 } end,
      "schedule: stage 1 must be a stage or a function, got a number")
    assert.has_error(function() moe.schedule { S.gate } end,
      "schedule: stage 1 is moe.stages.gate itself; call it: gate {}")
    assert.has_error(function() S.pretrain { wheer = print } end,
      "pretrain: unknown option 'wheer'; did you mean 'where'?")
    assert.has_error(function() S.repeat_until { S.evaluate {}, patience = 2 } end,
      "repeat_until: 'patience' needs a 'metric' to wait for")
    assert.has_error(function() moe.schedule { S.evaluate { on = "valid" } }
      :fit(mixture(), { X = X, y = y }) end,
      "schedule: there are no validation rows: data.valid = { X = …, y = … }")
  end)

  it("stops when its time is over, and says that it did", function()
    local m, rounds = mixture(), 0
    local history = moe.schedule {
      function() rounds = rounds + 1 end,
      S.repeat_until { function() rounds = rounds + 1 end, rounds = 1e9 },
      function() rounds = -1 end,
    }:fit(m, all, { seconds = 0.05 })
    assert.is_false(history.done)
    assert.is_true(rounds > 1)
  end)

  it("tells each entry to a progress function", function()
    local told = {}
    moe.schedule { S.freeze "a", S.unfreeze "a" }:fit(mixture(), all, {
      progress = function(entry) told[#told + 1] = entry.stage end,
    })
    assert.same({ "freeze", "unfreeze" }, told)
  end)
end)

describe("the stages of two-stage training", function()
  local groups = {}
  for i, label in ipairs(y) do groups[i] = label == "c1" and "a" or "b" end

  it("are what fit does with subsets, to the bit", function()
    local short, long = mixture(), mixture()
    short:fit(X, y, { subsets = groups })
    moe.schedule { S.pretrain { subsets = groups }, S.gate {} }:fit(long, { X = X, y = y })
    assert.is_true(short:dump() == long:dump())
    local other = mixture()
    moe.schedule { S.pretrain {}, S.gate {} }:fit(other, { X = X, y = y, subsets = groups })
    assert.is_true(short:dump() == other:dump())
  end)

  it("set what they name in the mixture and its gate, and leave the experts", function()
    local m = mixture()
    moe.schedule { S.pretrain { subsets = groups } }:fit(m, { X = X, y = y })
    local expert = m:expert("b"):dump()
    moe.schedule { S.gate { objective = "best_expert", l2 = 0.5 } }
      :fit(m, { X = X, y = y, subsets = groups })
    assert.is_true(expert == m:expert("b"):dump())
    assert.equal("best_expert", m:get_params().objective)
    assert.equal(0.5, m:get_params "gate.l2")
    assert.has_error(function() moe.schedule { S.gate { l3 = 1 } }:fit(m, { X = X, y = y }) end)
  end)

  it("go on together, by em or by gradient, from where they are", function()
    for _, method in ipairs { "em", "gradient" } do
      local m = moe.mixture { experts = { a = E.logistic {}, b = E.logistic {} }, seed = 1 }
      local history = moe.schedule {
        S.pretrain { subsets = groups }, S.gate {},
        S.evaluate { metrics = "log_loss", on = "train" },
        S.joint { method = method, rounds = 5 }, S.evaluate { metrics = "log_loss", on = "train" },
      }:fit(m, { X = X, y = y })
      assert.is_true(history[5].scores.log_loss < history[3].scores.log_loss)
    end
  end)

  it("stop early and restore the best, where they are told to", function()
    local m = moe.mixture { experts = { a = E.logistic {}, b = E.logistic {} }, seed = 1 }
    local history = moe.schedule {
      S.joint { method = "gradient", rounds = 1,
        early_stopping = { metric = scripted { 0.3, 0.4, 0.2, 0.1 }, patience = 2, rounds = 50 } },
    }:fit(m, all)
    assert.same({ 5, 2, 0.4 }, { #history, history[5].round, history[5].scores.score })
  end)
end)

describe("the selection of a stage", function()
  -- A constant expert answers with the weighted mean of the rows that it saw.
  local function mean_after(options, rounds, weights)
    local n, rows, targets = 10, {}, {}
    for i = 1, n do rows[i], targets[i] = { i }, i end
    local m = moe.mixture {
      experts = { a = E.constant {}, b = E.constant {} }, gate = moe.gates.uniform {},
    }
    local stage = S.pretrain(options)
    moe.schedule { rounds and S.repeat_until { stage, rounds = rounds } or stage }
      :fit(m, { X = rows, y = targets, weights = weights })
    return m:expert("a"):predict_one { 0 }
  end

  it("is by a filter, by weights, or by both with those of the data", function()
    near(3, mean_after { where = function(i) return i <= 5 end })
    near(8, mean_after { where = function(_, target) return target > 5 end })
    near((1 * 1 + 3 * 2) / 4, mean_after { weights = { 1, 3, 0, 0, 0, 0, 0, 0, 0, 0 } })
    near((1 * 1 + 2 * 2) / 3, mean_after {
      weights = function(i) return i end, where = function(i) return i <= 2 end,
    })
    near((1 * 1 + 2 * 2 * 3) / 7, mean_after({
      weights = function(i) return i end, where = function(i) return i <= 2 end,
    }, nil, { 1, 3, 9, 9, 9, 9, 9, 9, 9, 9 }))
  end)

  it("is a curriculum, from the easiest rows to all", function()
    local curriculum = { difficulty = function(i) return -i end, from = 0.2, over = 3 }
    near(9.5, mean_after({ curriculum = curriculum }, 1)) -- 10, 9
    near(7.5, mean_after({ curriculum = curriculum }, 2)) -- the 6 easiest
    near(5.5, mean_after({ curriculum = curriculum }, 3))
  end)

  it("is a sample, another one each time, the same for a seed", function()
    near(5.5, mean_after { sample = 10 })
    local one = mean_after { sample = 3 }
    assert.equal(one, mean_after { sample = 3 })
    assert.equal(3, math.floor(one * 3 + 0.5) / one) -- a mean of three whole numbers
    local other = mean_after({ sample = 3 }, 2)
    assert.are_not.equal(one, other)
    near(mean_after { sample = 5 }, mean_after { sample = 0.5 })
  end)

  it("must leave rows, with weights that are numbers from 0", function()
    assert.has_error(function() mean_after { where = function() return false end } end,
      "schedule: the stage's selection leaves no rows")
    assert.has_error(function() mean_after { weights = function() return -1 end } end,
      "schedule: the weight of row 1 must be a number from 0, got -1")
  end)
end)

describe("a stream", function()
  it("predicts each row before it learns from it", function()
    local o, right = E.logistic {}, 0
    for i, x in ipairs(X) do
      if o:predict_one(x) == y[i] then right = right + 1 end
      o:learn_one(x, y[i])
    end
    local m = E.logistic {}
    local history = moe.schedule { S.stream {} }:fit(m, { X = X, y = y })
    near(right / #y, history[1].scores.accuracy)
    assert.is_true(o:dump() == m:dump())
    moe.schedule { S.stream { rows = 10 } }:fit(m, { X = moe.tensor(X), y = y })
    assert.equal(#y + 10, m:info().n_seen)
  end)

  it("goes on from experts and a gate that were fitted before", function()
    local function world(rows)
      local rows_of, targets = moe.streams.friedman({ seed = 1, noise = 0.1 }):take(rows)
      return { X = rows_of, y = targets }
    end
    local function new()
      return moe.mixture { task = "regression", seed = 1, gate = moe.gates.softmax {},
        experts = { line = E.linear {}, level = E.constant {} } }
    end
    local stream = S.stream { metric = "rmse", rows = 50 }
    local fitted, fresh = new(), new()
    local history = moe.schedule { S.pretrain {}, S.gate {}, stream }:fit(fitted, world(400))
    local from_nothing = moe.schedule { stream }:fit(fresh, world(400))
    assert.is_true(history:last "rmse" < 0.7 * from_nothing:last "rmse")
    assert.equal(50, history[3].rows)
    -- the same as a batch and single samples by hand
    local by_hand, rows = new(), world(400)
    moe.schedule { S.pretrain {}, S.gate {} }:fit(by_hand, rows)
    for i = 1, 50 do by_hand:test_then_learn(rows.X[i], rows.y[i]) end
    assert.is_true(by_hand:dump() == fitted:dump())
  end)

  -- SEA's first concept, then its third: what was a good forest is one no longer.
  it("goes on where the world changes, beside experts that stay as they are", function()
    local function sea(variant, seed, rows)
      local rows_of, targets =
        moe.streams.sea({ variant = variant, seed = seed, noise = 0 }):take(rows)
      return { X = rows_of, y = targets }
    end
    local function pretrained()
      local m = moe.mixture { seed = 1, gate = moe.gates.softmax {}, experts = {
        forest = E.forest { trees = 20 }, line = E.logistic {}, tree = E.hoeffding_tree {},
      } }
      moe.schedule { S.pretrain {}, S.gate {}, S.freeze "forest" }:fit(m, sea(1, 1, 500))
      return m
    end
    local m, probe = pretrained(), sea(1, 9, 20)
    local forest = m:expert "forest"
    local before, alone = m:predict(probe.X), forest:predict_proba(probe.X):totable()
    moe.schedule { S.stream { rows = 1 } }:fit(m, sea(1, 2, 1))
    assert.same(before, m:predict(probe.X)) -- the gate goes on from what it was fitted to

    local later = sea(3, 3, 3000)
    local history = moe.schedule { S.stream {} }:fit(m, later)
    assert.same(alone, forest:predict_proba(probe.X):totable())
    assert.is_true(history:last "accuracy" > 0.9)
    local new = sea(3, 4, 1000)
    assert.is_true(m:score(new.X, new.y) > pretrained():score(new.X, new.y) + 0.03)
    assert.same({ forest = 500, line = 3501, tree = 3501 }, m:stats().learned)
  end)

  it("takes samples of its own, from their beginning", function()
    local function new()
      return moe.mixture { seed = 1, gate = moe.gates.softmax {},
        experts = { line = E.logistic {}, tree = E.hoeffding_tree {} } }
    end
    local rows, targets = moe.streams.sea({ seed = 1 }):take(200)
    local samples = moe.streams.sea { variant = 3, seed = 2, rows = 300 }
    samples()
    local m, by_hand = new(), new()
    local schedule = moe.schedule { S.pretrain {}, S.gate {}, S.stream { samples = samples } }
    assert.matches("samples = Stream sea: 300 rows", tostring(schedule))
    local history = schedule:fit(m, { X = rows, y = targets })
    assert.equal(300, history[3].rows)
    assert.is_true(history[3].done)
    moe.schedule { S.pretrain {}, S.gate {} }:fit(by_hand, { X = rows, y = targets })
    for x, y_of_x in samples:reset():iter() do by_hand:test_then_learn(x, y_of_x) end
    assert.is_true(by_hand:dump() == m:dump())
  end)

  it("refuses samples that are none, or never end, and says where a file is bad", function()
    local function message(f, ...)
      local good, text = pcall(f, ...)
      assert.is_false(good)
      return text
    end
    assert.matches("'samples' must be a Stream or a function, got a number",
      message(S.stream, { samples = 5 }))
    local endless = moe.schedule { S.stream { samples = moe.streams.sea {} } }
    assert.matches("^prequential: the stream 'sea' is endless",
      message(endless.fit, endless, E.logistic {}, { X = X, y = y }))
    assert.matches("schedule: data: unknown option 'stream'",
      message(endless.fit, endless, E.logistic {}, { X = X, y = y, stream = 1 }))
    files.lend("a,b\n1,2\n3\n", function(path)
      local stage = S.stream { samples = assert(moe.streams.csv(path, { target = "b" })) }
      local history, why, code = moe.schedule({ stage }):fit(E.rls {}, { X = { { 1 } }, y = { 2 } })
      assert.is_nil(history)
      assert.matches("line 3: 1 cells; expected 2", why)
      assert.equal("EFORMAT", code)
    end)
  end)

  it("refuses a mixture with an expert that could not learn from it", function()
    local m = moe.mixture { seed = 1, gate = moe.gates.softmax {},
      experts = { forest = E.forest { trees = 5 }, line = E.logistic {} } }
    local schedule = moe.schedule { S.pretrain {}, S.gate {}, S.stream {} }
    local _, message = pcall(schedule.fit, schedule, m, { X = X, y = y })
    assert.truthy(message:find("'forest' cannot learn row by row; fit it before", 1, true))
  end)
end)

describe("repeat_until", function()
  it("waits `patience` rounds for a gain and restores the best mixture", function()
    local kept = {}
    local m = mixture()
    local history = moe.schedule {
      S.repeat_until {
        shifting,
        function(now) kept[#kept + 1] = now:dump() end,
        metric = scripted { 0.5, 0.7, 0.6, 0.7 }, patience = 2,
      },
    }:fit(m, all)
    assert.equal(4, #kept)
    assert.is_true(kept[2] == m:dump() and kept[2] ~= kept[4])
    local last = history[#history]
    assert.same({ "repeat_until", 2, 0.7 }, { last.stage, last.round, last.scores.score })
  end)

  it("wants a loss to fall", function()
    local rounds = 0
    local m = mixture()
    moe.schedule {
      function(_, given, context)
        context.round = 1
        return shifting(m, given, context)
      end,
      S.repeat_until { function() rounds = rounds + 1 end, metric = "log_loss", patience = 1 },
    }:fit(m, { X = X, y = y, valid = { X = X, y = y } })
    assert.equal(2, rounds) -- the second is no better than the first
  end)

  it("ends on a condition, and after `rounds`", function()
    local n = 0
    local function count() n = n + 1 end
    moe.schedule { S.repeat_until { count, condition = function() return n == 3 end } }
      :fit(mixture(), all)
    assert.equal(3, n)
    moe.schedule { S.repeat_until { count, rounds = 4 } }:fit(mixture(), all)
    assert.equal(7, n)
  end)

  it("nests", function()
    local places = {}
    moe.schedule {
      S.repeat_until {
        S.repeat_until { function(_, _, c) places[#places + 1] = c.number .. "/" .. c.round end,
          rounds = 2 },
        rounds = 2,
      },
    }:fit(mixture(), all)
    assert.same({ "1.1.1/1", "1.1.1/2", "1.1.1/1", "1.1.1/2" }, places)
  end)
end)

describe("a checkpoint", function()
  local calls, stop_at
  local function maybe_stop(m, given, context)
    calls = calls + 1
    if calls == stop_at then error("killed", 0) end
    context.round = context.round or 1
    return shifting(m, given, context)
  end
  local function schedule()
    return moe.schedule {
      maybe_stop,
      S.repeat_until { maybe_stop, S.evaluate {}, rounds = 4, metric = "accuracy", patience = 4 },
      S.freeze { "a" },
    }
  end
  local function scores(history)
    local list = {}
    for i, entry in ipairs(history) do
      list[i] = { entry.stage, entry.place, entry.round, (entry.scores or {}).accuracy }
    end
    return list
  end

  it("lets a run go on from wherever it was killed, to the same bits", function()
    calls, stop_at = 0, nil
    local whole = mixture()
    local expected = schedule():fit(whole, all)
    for at = 1, calls do
      local path = temporary()
      calls, stop_at = 0, at
      local killed = mixture()
      assert.has_error(function() schedule():fit(killed, all, { checkpoint = path }) end, "killed")
      stop_at = nil
      local again = mixture()
      local history = schedule():fit(again, all, { checkpoint = path })
      assert.same(scores(expected), scores(history))
      assert.is_true(whole:dump() == again:dump())
      assert.same({ "a" }, again:get_params().frozen)
      os.remove(path)
    end
  end)

  it("of another schedule, seed or size of data is refused", function()
    local path = temporary()
    calls, stop_at = 0, nil
    schedule():fit(mixture(), all, { checkpoint = path })
    local before = calls
    local _, message, code = schedule():fit(mixture(), all, { checkpoint = path, seed = 2 })
    assert.equal("ESTATE", code)
    assert.truthy(message:find("seed 2", 1, true))
    _, _, code = moe.schedule { S.freeze "a" }:fit(mixture(), all, { checkpoint = path })
    assert.equal("ESTATE", code)
    _, _, code = schedule():fit(mixture(), { X = Xv, y = yv }, { checkpoint = path })
    assert.equal("ESTATE", code)
    assert.equal(before, calls)
    os.remove(path)
  end)

  it("that is none, or only a part of one, is refused", function()
    local path = temporary()
    calls, stop_at = 0, nil
    schedule():fit(mixture(), all, { checkpoint = path })
    local file = assert(io.open(path, "rb"))
    local bytes = file:read "*a"
    file:close()
    for _, cut in ipairs { 0, 5, 30, math.floor(#bytes / 2), #bytes - 1 } do
      file = assert(io.open(path, "wb"))
      file:write(bytes:sub(1, cut))
      file:close()
      local history, _, code = schedule():fit(mixture(), all, { checkpoint = path })
      assert.is_nil(history)
      assert.equal("EFORMAT", code)
    end
    local at = bytes:find("__metadata__", 1, true) + 20 -- within the model's own bytes
    file = assert(io.open(path, "wb"))
    file:write(bytes:sub(1, at - 1), "\1", bytes:sub(at + 1))
    file:close()
    local history, message, code = schedule():fit(mixture(), all, { checkpoint = path })
    assert.is_nil(history)
    assert.equal("EFORMAT", code)
    assert.truthy(message:find(path, 1, true))
    os.remove(path)
  end)

  it("that cannot be written gives nil, message, code", function()
    local history, message, code = moe.schedule { S.freeze "a" }
      :fit(mixture(), all, { checkpoint = "/nowhere/run.ckpt" })
    assert.is_nil(history)
    assert.truthy(message:find("/nowhere", 1, true))
    assert.equal("EIO", code)
  end)
end)

describe("several seeds", function()
  it("give the same scores in one process and in two", function()
    local run = moe.schedule { function(m, given) m:fit(given.X, given.y) end }
    local m = mixture()
    local one = run:fit(m, all, { seeds = { 1, 2, 3 }, processes = 1 })
    local two = run:fit(m, all, { seeds = { 1, 2, 3 }, processes = 2 })
    assert.same(one.scores, two.scores)
    local a, b, c = one.scores[1], one.scores[2], one.scores[3]
    near((a + b + c) / 3, one.mean)
    near(one.scores[2], two:model(2):score(Xv, yv))
    assert.is_false(m:info().fitted)
    assert.equal("function", two.histories[3][1].stage)
    assert.truthy(tostring(one):find("standard deviation", 1, true))
  end)
end)
