-- Neural modules as learners: what any learner does, and what a mixture asks of its experts.
local moe = require "moe"
local nn, F = moe.nn, moe.F

local networks = require "spec.support.networks"
local hidden, network, rule = networks.hidden, networks.network, networks.rule
local moons, train, test = networks.moons, networks.train, networks.test
local saved, same_answers = networks.saved, networks.same_answers

describe("a network", function()
  it("learns classes", function()
    local e = network { epochs = 60 }
    e:fit(train)
    assert.is_true(e:score(test) > 0.95)
    assert.equal(2, #e:classes())
    local p = e:predict_proba(test)
    for i = 1, #p do assert.near(1, p:get(i, 1) + p:get(i, 2), 1e-6) end
  end)

  it("learns numbers, in their own unit, one or several", function()
    local X, y, pairs_of = {}, {}, {}
    for i = 1, 200 do
      local x = i / 100 - 1
      X[i], y[i] = { x, -x * x }, 1000 + 500 * math.abs(x)
      pairs_of[i] = { y[i], -3 * x }
    end
    local e = network { epochs = 60, loss = "huber" }
    e:fit(X, y)
    assert.is_true(e:score(X, y) > 0.98)
    local two = network { epochs = 60 }
    two:fit(X, pairs_of)
    local answer = two:predict(X)
    assert.near(1250, answer[50][1], 40)
    assert.near(1.5, answer[50][2], 0.2)
  end)

  it("gives the same bits for the same seed, and others for another", function()
    local a, b, c = network(), network(), network { seed = 4 }
    a:fit(train)
    b:fit(train)
    c:fit(train)
    same_answers(a, b)
    assert.are_not.same(a:predict_proba(test):totable(), c:predict_proba(test):totable())
    a:fit(train)
    same_answers(a, b)
  end)

  it("counts a row by its weight", function()
    local X, y, weights = {}, {}, {}
    for i = 1, 40 do
      X[i], y[i], weights[i] = { i % 2 }, i <= 20 and "a" or "b", i <= 20 and 3 or 1
    end
    local e = network { module = hidden(4, "tanh"), epochs = 150 }
    e:fit(X, y, { weights = weights })
    assert.near(0.75, e:predict_proba { { 0 } }:get(1, 1), 0.03)
    local plain = network { module = hidden(4, "tanh"), epochs = 150 }
    plain:fit(X, y)
    assert.near(0.5, plain:predict_proba { { 0 } }:get(1, 1), 0.03)
    local numbers, values = network { epochs = 150 }, {}
    for i = 1, 40 do values[i] = i <= 20 and 0 or 4 end
    numbers:fit(X, values, { weights = weights })
    assert.near(1, numbers:predict({ { 0 } })[1], 0.1)
  end)

  it("with weights that are all one fits as without", function()
    local ones = {}
    for i = 1, #train do ones[i] = 1 end
    local a, b = network { epochs = 2 }, network { epochs = 2 }
    a:fit(train)
    b:fit(train, { weights = ones })
    local p, q = a:predict_proba(test), b:predict_proba(test)
    for i = 1, #p do assert.near(p:get(i, 1), q:get(i, 1), 1e-3) end
  end)

  it("does not see a row of weight 0, nor stumble over a batch that hardly counts", function()
    local X, y, weights, few, few_y = {}, {}, {}, {}, {}
    for i = 1, 64 do
      X[i], y[i], weights[i] = { i % 2, i % 3 }, i % 2 == 0 and "a" or "b", i <= 40 and 1 or 0
      if i <= 40 then few[i], few_y[i] = X[i], y[i] end
    end
    X[50] = { 1e6, 1e6 }
    local a, b = network { epochs = 3 }, network { epochs = 3 }
    a:fit(X, y, { weights = weights })
    b:fit(few, few_y, { weights = { (table.unpack or unpack)(weights, 1, 40) } })
    assert.same(b:predict_proba(few):totable(), a:predict_proba(few):totable())
    for i = 1, 64 do weights[i] = i == 1 and 1 or 1e-300 end
    a:fit(X, y, { weights = weights })
    for _, p in ipairs(a:predict_proba(few):reshape(-1):totable()) do
      assert.is_true(p >= 0 and p <= 1)
    end
  end)

  it("shows no row of weight 0 to a loss of one's own, whichever way it learns", function()
    local rows, most = 0, 0
    local e = network {
      epochs = 1, loss = function(output, y)
        rows, most = rows + #y, math.max(most, y:max())
        return F.mse(output, y)
      end,
    }
    local X, y = { { 1 }, { 2 }, { 3 }, { 4 } }, { 1, 2, 99, 4 }
    local function sees(n, learn)
      rows = 0
      learn()
      assert.equal(n, rows)
    end
    local weights = { weights = { 1, 1, 0, 1 } }
    sees(3, function() e:fit(X, y, weights) end)
    sees(3, function() e:partial_fit(X, y, weights) end)
    local line = moe.experts.linear()
    local m = moe.mixture { experts = { a = e, b = line }, task = "regression" }
    local stage = moe.stages.pretrain { where = function(_, target) return target < 50 end }
    sees(3, function() moe.schedule { stage }:fit(m, { X = X, y = y }) end)
    assert.is_true(most < 2) -- deviations of 1, 2 and 4
  end)

  it("takes weights with each of its losses, as so many of the row", function()
    local X, y, weights, doubled, doubled_y = {}, {}, {}, {}, {}
    for i = 1, 12 do
      X[i], y[i], weights[i] = { i / 6 - 1, i % 3 }, i * i, i % 2 + 1
      for _ = 1, weights[i] do
        doubled[#doubled + 1], doubled_y[#doubled + 1] = X[i], y[i]
      end
    end
    for _, loss in ipairs { "mse", "huber" } do
      local o = { loss = loss, epochs = 1, batch_size = 100, standardize = false, lr = 1e-3,
        optimizer = "sgd" }
      local a, b = network(o), network(o)
      for _, e in ipairs { a, b } do e:fit(X, y) end -- the unit of the targets
      a:fit(X, y, { weights = weights, warm = true })
      b:fit(doubled, doubled_y, { warm = true })
      local p, q = a:predict(X), b:predict(X)
      for i = 1, 12 do assert.near(q[i], p[i], 1e-3) end
    end
  end)

  it("takes a loss and an optimiser of one's own", function()
    local calls = 0
    local e = network {
      lr = false,
      loss = function(output, y)
        calls = calls + 1
        return F.cross_entropy(output, y, { smoothing = 0.1 })
      end,
      optimizer = function(parameters)
        return moe.optim.sgd(parameters, { lr = 0.1, momentum = 0.9 })
      end,
    }
    e:fit(train)
    assert.is_true(calls > 0 and e:score(test) > 0.9)
  end)

  it("stops by rows held out, at the best of the epochs", function()
    local epochs = 0
    local e = network {
      epochs = 200, validation = 0.3, patience = 3, lr = 0.1,
      schedule = function(optimiser, steps)
        local s = moe.optim.schedules.cosine(optimiser, { steps = steps })
        local step = s.step
        s.step = function(self) epochs = epochs + 1 / (steps / 200) return step(self) end
        return s
      end,
    }
    e:fit(train)
    assert.is_true(epochs < 150)
    assert.is_true(e:score(test) > 0.9)
  end)

  it("returns to the best epoch when later ones are worse", function()
    local e = network {
      epochs = 40, validation = 0.3, patience = 40, optimizer = "sgd", lr = 0.3,
      schedule = function(optimiser, steps)
        local done = 0
        return { step = function()
          done = done + 1
          if done > steps / 2 then optimiser.lr = 100 end
        end }
      end,
    }
    e:fit(train)
    assert.is_true(e:score(test) > 0.8)
  end)

  it("clips gradients, and balances a module's routing", function()
    local function answers(options)
      local e = network(options)
      e:fit(train)
      return e:predict_proba(test)
    end
    local still = answers { clip = 1e-12, optimizer = "sgd", lr = 1 }
    local begin = answers { optimizer = "sgd", lr = 1e-12 }
    for i = 1, #still do assert.near(begin:get(i, 1), still:get(i, 1), 1e-6) end
    local layer = nn.MoE { dim = 2, hidden = 4, experts = 3, router = "switch", seed = 1 }
    local loose, tight = { module = layer, balance = 0 }, { module = layer, balance = 10 }
    assert.are_not.same(answers(loose):totable(), answers(tight):totable())
  end)

  it("learns row by row", function()
    local e = network { lr = 0.01, module = hidden(16) }
    local right, n = 0, 0
    for pass = 1, 3 do
      for i = 1, #train do
        local row = train:row(i)
        local y = row[train.target]
        local x = { row[train.names[1]], row[train.names[2]] }
        if pass == 3 then
          n = n + 1
          if e:predict_one(x) == y then right = right + 1 end
        end
        e:learn_one(x, y)
      end
    end
    assert.is_true(right / n > 0.8)
  end)

  it("goes on where it was with warm, but not in a copy", function()
    local e, behind = network { epochs = 1, lr = 0.001 }
    e:fit(train)
    local once = e:score(test)
    behind.options.warm = true
    for _ = 1, 60 do e:fit(train) end
    assert.is_true(e:score(test) > math.max(once, 0.85))
    behind.options.warm = false
    local before = e:score(test)
    e:fit(train, { warm = true })
    assert.near(before, e:score(test), 0.03)
    behind.options.warm = true
    local copy = e:clone()
    same_answers(copy, e)
    copy:fit(train)
    assert.near(once, copy:score(test), 1e-9)
  end)

  it("goes on for as many epochs as are asked for", function()
    local function steps_of(options, warm)
      local steps = 0
      options.schedule = function()
        return { step = function() steps = steps + 1 end }
      end
      options.epochs, options.batch_size = 3, #train
      local e = network(options)
      e:fit(train)
      assert.equal(3, steps)
      e:fit(train, { warm = warm })
      return steps - 3
    end
    assert.equal(3, steps_of({ warm_epochs = 2 }, false))
    assert.equal(2, steps_of({ warm_epochs = 2 }, true))
    assert.equal(3, steps_of({}, true))
  end)

  it("of a function's making goes on when there are more classes than before", function()
    local function corner(i) return { math.floor(i / 2) % 2, i % 2 } end
    local X, y, all = {}, {}, {}
    for i = 1, 80 do
      X[i] = corner(i)
      y[i] = X[i][1] == 0 and "a" or "b"
      all[i] = y[i] == "b" and X[i][2] == 1 and "c" or y[i]
    end
    local e, behind = network { epochs = 60, module = hidden(8), standardize = false }
    e:fit(X, y)
    local weight = behind.module.w_in.weight:totable()
    behind.options.epochs, behind.options.lr = 1, 1e-9
    e:fit(X, all, { warm = true })
    assert.same({ "a", "b", "c" }, behind.classes)
    for i, row in ipairs(behind.module.w_in.weight:totable()) do
      for k, w in ipairs(row) do assert.near(weight[i][k], w, 1e-6) end
    end
    local p = e:predict_proba(X)
    for i = 1, 4 do
      assert.is_true(X[i][1] == 0 == (p:get(i, 1) > p:get(i, 2)))
    end
    for i = 1, 60 do e:learn_one(corner(i), "d") end
    assert.equal(4, #behind.classes)
    local fixed = network { module = nn.Linear { dim = 2, out_dim = 2 } }
    fixed:fit(X, y)
    assert.error_matches(function() fixed:fit(X, all, { warm = true }) end, "2 outputs for 3")
  end)

  it("with classes given has an output for each, also for those of no row", function()
    local e, behind = network { classes = { "b", "c", "a" }, module = hidden(4) }
    e:fit({ { 0 }, { 1 }, { 0 }, { 1 } }, { "a", "b", "a", "b" })
    assert.same({ "b", "c", "a" }, behind.classes)
    assert.equal(3, behind.module(moe.zeros(1, 1)).shape[2])
    assert.same({ "a", "b" }, e:classes())
    assert.same({ "a", "b" }, e:predict { { 0 }, { 1 } })
  end)

  it("in cross-validation scores as a learner does", function()
    local result = moe.eval.cross_validate(network(), moons, { folds = 3 })
    assert.truthy(tostring(result):find "accuracy")
  end)

  it("is one value, also at the end of a list, and tells what is behind it", function()
    local function one()
      return moe.experts.network { module = hidden(4), epochs = 2 }
    end
    local m = moe.mixture { experts = { moe.experts.logistic {}, one() } }
    m:fit(train)
    assert.equal(2, #m:explain({ 0.1, 0.2 }).experts)
    local p = moe.pipeline { moe.transforms.standard_scaler {}, one() }
    p:fit(train)
    assert.is_true(assert(saved(p)):score(test) == p:score(test))
    local e = one()
    e:fit(train)
    assert.is_true(assert(saved(e)):behind().module.is_module)
    assert.is_nil(moe.experts.logistic({}):behind())
    local value = rule()
    assert.equal(value, moe.experts.foreign(value):behind())
  end)

  it("tells its options as parameters, takes them, and weighs what it holds", function()
    local e = network { lr = 0.05, task = "classification" }
    local before = e:info().bytes
    local params = e:get_params()
    assert.same({ 0.05, 15, 32, "classification", 0.05 }, {
      params.lr, params.epochs, params.batch_size, params.task, e:get_params "lr" })
    local again = moe.experts.network(params)
    e:set_params { lr = 0.02, epochs = 3 }
    assert.same({ 0.02, 0.05 }, { e:get_params "lr", again:get_params "lr" })
    local X, y = { { 0 }, { 1 }, { 0 }, { 1 } }, { 1, 2, 1, 2 }
    e:fit(X, y)
    assert.same({ 1, 2 }, e:classes())
    -- 16 hidden units: weights and biases of 1 × 16 and 16 × 2, twice as much of moments.
    local floats = 3 * (16 + 16 + 32 + 2) + 2
    assert.is_true(e:info().bytes - before >= 4 * floats)
    assert.is_true(e:info().bytes - before < 4 * floats + 400)
    local found = moe.eval.search(network(), { epochs = { 1, 15 } }, train, { folds = 2 })
    assert.equal(15, found.best_params.epochs)
    for _, wrong in ipairs { { epochs = 0 }, { epoch = 3 }, { module = 3 }, { task = "sort" } } do
      assert.is_false(pcall(e.set_params, e, wrong))
      assert.is_false(pcall(network, wrong))
    end
    assert.equal(3, e:get_params "epochs")
  end)

  it("says what is wrong", function()
    assert.has_error(function() moe.experts.network {} end, "network: 'module' is needed")
    assert.has_error(function() moe.experts.network() end, "network: 'module' is needed")
    local function refused(pattern, options)
      assert.error_matches(function() network(options):fit(train) end, pattern)
    end
    local function refused_at_once(pattern, options)
      assert.error_matches(function() network(options) end, pattern)
    end
    refused_at_once("did you mean 'epochs'", { epoch = 3 })
    refused_at_once("'patience' is 3, but it would change nothing without 'validation'",
      { patience = 3 })
    refused_at_once("'lr' is 0.1, but the optimiser that the function 'optimizer' makes has its",
      { lr = 0.1, optimizer = function(p) return moe.optim.sgd(p) end })
    refused_at_once("'module' must be a module, or a function that makes one, got a number",
      { module = 3 })
    refused_at_once("'module' must be a module", { module = {} })
    refused_at_once("no optimizer 'adam2'; there are adam, adamw", { optimizer = "adam2" })
    refused_at_once("no optimizer 'average'", { optimizer = "average" })
    refused_at_once("no loss 'none'; there are cross_entropy", { loss = "none" })
    refused("1 outputs for 2 classes", { module = nn.Linear { dim = 2, out_dim = 1 } })
    assert.error_matches(function()
      network():fit({ { 0 / 0 }, { 1 } }, { 1.5, 2 })
    end, "feature 1 has missing")
  end)
end)

describe("the fit of a network as a job", function()
  it("comes to the same bits in steps, and leaves the network alone before its end", function()
    local whole, parts, behind = network { epochs = 4 }, network { epochs = 4 }
    whole:fit(train)
    parts:fit(train)
    local before = parts:predict_proba(test):totable()
    local job, steps = parts:start_fit(train), 0
    while not job:step { budget_ms = 1e-6 } do
      steps = steps + 1
      assert.same(before, parts:predict_proba(test):totable())
    end
    assert.is_true(steps > 10)
    job:commit()
    same_answers(whole, parts)
    assert.is_table(behind)
  end)

  it("tells the loss of each epoch", function()
    local _, history = network({ epochs = 5, validation = 0.3 }):fit(train)
    assert.equal(5, #history.loss)
    assert.equal(5, #history.validation_loss)
    assert.is_true(history.loss[5] < history.loss[1])
    _, history = network({ epochs = 2 }):fit(train)
    assert.equal(2, #history.loss)
    assert.is_nil(history.validation_loss)
    -- Of all rows in one batch and without a step that counts: ln 2 is that of even odds.
    _, history = network({ epochs = 1, batch_size = 1000, module = nn.Linear {
      dim = 2, out_dim = 2, init = "zeros",
    } }):fit(train)
    assert.near(math.log(2), history.loss[1], 1e-6)
  end)

  it("given up leaves it as it was", function()
    local e, behind = network { epochs = 1 }
    e:fit(train)
    local before, module = e:predict_proba(test):totable(), behind.module
    local job = e:start_fit(train)
    for _ = 1, 5 do job:step { budget_ms = 1e-6 } end
    job:close()
    assert.same(before, e:predict_proba(test):totable())
    assert.equal(module, behind.module)
  end)

  it("gives what there is when asked before its end, and goes on as if it had not", function()
    local a, b = network { epochs = 5 }, network { epochs = 5 }
    a:fit(train)
    local job, committed = b:start_fit(train), nil
    repeat
      local done = job:step { budget_ms = 1e-6 }
      if committed and not done then
        assert.same(committed, b:predict_proba(test):totable())
      end
      if not committed and pcall(job.commit, job) then
        committed = b:predict_proba(test):totable()
      end
    until done
    job:commit()
    same_answers(a, b)
    assert.are_not.same(committed, b:predict_proba(test):totable())
  end)

  it("may be a part of the fit of a mixture", function()
    local function mixture()
      return moe.mixture {
        experts = { net = network { epochs = 3 }, line = moe.experts.logistic {} }, seed = 1,
      }
    end
    local whole, parts = mixture(), mixture()
    whole:fit(train)
    local job, steps = parts:start_fit(train), 0
    repeat
      steps = steps + 1
    until job:step { budget_ms = 1e-6 }
    job:commit()
    assert.is_true(steps > 20)
    same_answers(whole, parts)
  end)
end)

describe("a saved network", function()
  it("comes back without the user's code, with the same bits", function()
    local parts = function(i, o)
      return nn.Sequential {
        nn.Linear { dim = i, out_dim = 8, seed = 1 }, nn.LayerNorm { dim = 8 },
        nn.Activation { name = "gelu" }, nn.Dropout { p = 0.1 }, nn.RMSNorm { dim = 8 },
        nn.MoE { dim = 8, hidden = 8, experts = 3, top_k = 2, out_dim = o, seed = 2 },
      }
    end
    local e = network { module = parts, epochs = 3 }
    e:fit(train)
    local again = assert(saved(e))
    same_answers(e, again)
    again:fit(train)
    assert.is_true(again:score(test) > 0.5)
  end)

  it("of a class of one's own needs the network in its place", function()
    local Own = nn.module "Own"
    function Own:init(o) self.map = nn.Linear(o) end
    function Own:forward(x) return self.map(x) end
    local function make()
      return network { module = Own { dim = 2, out_dim = 2, seed = 1 }, epochs = 2 }
    end
    local e = make()
    local m = moe.mixture { experts = { own = e, line = moe.experts.logistic {} } }
    m:fit(train)
    local none, message, code = saved(m)
    assert.is_nil(none)
    assert.truthy(message:find "'Own' is no module")
    assert.equal("EFORMAT", code)
    local _, behind = make()
    same_answers(m, assert(saved(m, { lua = { own = behind } })))
  end)

  it("may be of every module that there is, with moe.F's functions between them", function()
    local stored = require "moe.nn.stored"
    local x = moe.randn(2, 3, 4, { seed = 1 })
    local gates = { "linear", "cosine", "mlp" }
    local all = {
      nn.Sequential { nn.Embedding { items = 5, dim = 4, seed = 1 }, F.softmax, F.log_softmax },
      nn.TransformerBlock { dim = 4, heads = 2, rotary = true, dropout = 0.1, norm = "rms" },
      nn.TransformerBlock { dim = 4, ffn = nn.MoE { dim = 4, experts = {
        nn.Linear { dim = 4, out_dim = 4, seed = 3 }, nn.Linear { dim = 4, out_dim = 4, seed = 4 },
      }, bias_update = "sign" } },
      nn.MoE { dim = 4, hidden = 3, experts = 3, router = "soft_moe", slots = 2 },
      nn.MoE { dim = 4, hidden = 3, experts = 4, router = "noisy_top_k", noise = "learned" },
    }
    for _, name in ipairs { "relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid", "softplus" } do
      all[#all + 1] = nn.Sequential { nn.LayerNorm { dim = 4 }, F[name],
        nn.Activation { name = name } }
    end
    for _, gate in ipairs(gates) do
      all[#all + 1] = nn.MoE { dim = 4, hidden = 3, experts = 4, gate = gate, shared_experts = 1 }
    end
    local classes = {}
    for _, list in ipairs { nn, require "moe.nn.gates" } do
      for _, class in pairs(list) do
        if type(class) == "table" and class.type_name then classes[class.type_name] = class end
      end
    end
    for i, module in ipairs(all) do
      local input = i == 1 and moe.tensor({ 1, 5, 2 }):int() or x
      local again = stored.unpack(stored.pack(module:eval()), classes)
      assert.equal(#module:parameters(), #again:parameters())
      assert.same((module(input)):totable(), (again(input)):totable())
    end
    local packed = stored.pack(nn.Sequential { F.relu })
    packed.tree.fields[1][2].f = "operation"
    assert.error_matches(function() stored.unpack(packed, classes) end, "no function 'operation'")
  end)

  it("with a function in it that is nobody's is refused by name", function()
    local parts = nn.Sequential {
      nn.Linear { dim = 2, out_dim = 2 }, function(x) return F.relu(x) end,
    }
    local e = network { module = parts, epochs = 1 }
    e:fit(train)
    assert.error_matches(function() e:save(os.tmpname()) end, "'2' is a function")
  end)

  it("whose state is damaged gives nil and a message", function()
    local e = network { epochs = 1 }
    e:fit(train)
    local bytes = e:dump()
    for _, cut in ipairs { { "moe%.network", "moe_network" }, { "FeedForward", "FeedForwar_" } } do
      local changed, n = bytes:gsub(cut[1], cut[2])
      assert.is_true(n > 0)
      local none, message, code = moe.undump(changed)
      assert.is_nil(none)
      assert.is_string(message)
      assert.equal("EFORMAT", code)
    end
  end)
end)

describe("experts of four kinds", function()
  it("work behind one gate, and come back from a file", function()
    local m = moe.mixture {
      experts = {
        forest = moe.experts.forest { trees = 8, seed = 1 }, net = network(), rule = rule(),
        pair = moe.mixture {
          experts = { line = moe.experts.logistic {}, near = moe.experts.knn {} },
        },
      },
      gate = moe.gates.softmax {}, seed = 1,
    }
    m:fit(train)
    assert.is_true(m:score(test) > 0.9)
    local again = assert(saved(m, { lua = { rule = rule() } }))
    same_answers(m, again)
    same_answers(m, m:clone())
  end)

  it("in cross-validation are as good as alone", function()
    local m = moe.mixture {
      experts = { forest = moe.experts.forest { trees = 8, seed = 1 }, net = network() }, folds = 2,
    }
    local result = moe.eval.cross_validate(m, moons, { folds = 2 })
    assert.is_true(tonumber(tostring(result):match "accuracy%s+([%d.]+)") > 0.9, tostring(result))
  end)
end)

describe("a trained learner as a layer's gate", function()
  it("routes by its classes, and gets no gradient", function()
    local gate = moe.experts.logistic {}
    local X, y = {}, {}
    for i = 1, 60 do
      local x = (i - 30.5) / 15
      X[i], y[i] = { x, 1 }, x < 0 and "a" or "b"
    end
    gate:fit(X, y)
    local layer = nn.MoE {
      dim = 2, hidden = 4, experts = 2, router = "switch", gate = gate, seed = 1,
    }
    local out, routing = layer(moe.tensor(X))
    for i = 1, 60 do assert.equal(X[i][1] < 0 and 1 or 2, routing.indices:get(i, 1)) end
    F.mse(out, moe.zeros(60, 2)):backward()
    assert.truthy(layer.w_in.grad)
    local e = network { epochs = 3, module = layer:clone() }
    e:fit(train)
    same_answers(e, assert(saved(e)))
  end)
end)
