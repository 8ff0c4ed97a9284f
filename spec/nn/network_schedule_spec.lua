-- Networks trained by schedules and in mixtures: in stages, by em, from seeds.
local moe = require "moe"
local networks = require "spec.support.networks"

local nn = moe.nn
local network, rule, train, test = networks.network, networks.rule, networks.train, networks.test
local same_answers = networks.same_answers

describe("the seed of a network in a mixture", function()
  local function weights(options, training, mixture_seed)
    local seeds = {}
    local e = moe.experts.network {
      module = function(i, o, seed)
        seeds[#seeds + 1] = seed
        return nn.Linear { dim = i, out_dim = o, seed = 1 }
      end, epochs = 1, seed = options.seed,
    }
    local m = moe.mixture {
      experts = { net = e, line = moe.experts.logistic {} }, folds = 2, seed = mixture_seed,
      training = training, rounds = 1,
    }
    if options.deep then
      m = moe.mixture { experts = { m = m, k = moe.experts.constant {} }, seed = options.deep,
        training = training, rounds = 1, folds = 2 }
    end
    m:fit(train)
    return e:behind().module.weight:totable(), seeds[1]
  end

  it("is of the mixture's and its name, unless it has one", function()
    for _, training in ipairs { "two_stage", "em" } do
      local one, seed = weights({}, training, 1)
      local again, same = weights({}, training, 1)
      assert.same(one, again)
      assert.equal(seed, same)
      local two, other = weights({}, training, 2)
      assert.are_not.same(one, two)
      assert.are_not.equal(seed, other)
      local _, own = weights({ seed = 5 }, training, 1)
      assert.equal(5, own)
      assert.same(weights({ seed = 5 }, training, 1), weights({ seed = 5 }, training, 2))
      local deep = { select(2, weights({ deep = 1 }, training)), select(2,
        weights({ deep = 2 }, training)) }
      assert.are_not.equal(deep[1], deep[2])
    end
  end)

  it("alone is 0", function()
    local seen
    moe.experts.network({ epochs = 1, module = function(i, o, seed)
      seen = seed
      return nn.Linear { dim = i, out_dim = o }
    end }):fit(train)
    assert.equal(0, seen)
  end)

  it("makes runs of a schedule differ, whose models can be had", function()
    local S = moe.stages
    local m = moe.mixture { experts = { net = network { epochs = 1 }, rule = rule() } }
    m:expert("net"):behind().options.seed = nil
    local runs = moe.schedule { S.pretrain {}, S.gate {} }:fit(m, train,
      { seeds = { 1, 2 }, processes = 1, metric = "log_loss" })
    assert.are_not.equal(runs.scores[1], runs.scores[2])
    local one, two = runs:model(1), runs:model(2)
    assert.are_not.same(one:expert("net"):behind().module.w_in.weight:totable(),
      two:expert("net"):behind().module.w_in.weight:totable())
    assert.is_false(one:expert("rule"):behind() == m:expert("rule"):behind())
  end)
end)

describe("a schedule of networks", function()
  local S = moe.stages
  local subsets = {}
  for i = 1, #train do subsets[i] = train:row(i)[train.names[1]] < 0.5 and "left" or "right" end
  local data = { X = train:xy(), y = select(2, train:xy()), subsets = subsets }

  local function mixture(options)
    local o = { epochs = 4, warm_epochs = 2 }
    for name, value in pairs(options or {}) do o[name] = value end
    local left, of_left = network(o)
    local right, of_right = network(o)
    return moe.mixture { experts = { left = left, right = right }, seed = 1 }, of_left, of_right
  end

  local function weights_of(behind) return behind.module.w_in.weight:totable() end

  it("pretrains, freezes, teaches the router, and fine-tunes the same networks", function()
    local m, left, right = mixture()
    local seen = {}
    local function look() seen[#seen + 1] = { weights_of(left), weights_of(right) } end
    local history = moe.schedule {
      S.pretrain {}, look, S.freeze { "left", "right" }, S.gate { load_balance = 0.01 }, look,
      S.unfreeze { "left", "right" }, S.joint { rounds = 3 }, look,
    }:fit(m, data)
    assert.same(seen[1], seen[2])
    for k = 1, 2 do assert.are_not.same(seen[2][k], seen[3][k]) end
    local trace = history[7].log_likelihood
    assert.equal(4, #trace)
    for k = 2, #trace do assert.is_true(trace[k] > trace[k - 1]) end
    assert.is_true(m:score(test) > 0.85)
  end)

  it("leaves a network that is frozen as it is", function()
    local m, left, right = mixture()
    local before
    moe.schedule {
      S.pretrain {}, S.gate {}, S.freeze { "left" },
      function() before = { weights_of(left), weights_of(right) } end, S.joint { rounds = 2 },
    }:fit(m, data)
    assert.same(before[1], weights_of(left))
    assert.are_not.same(before[2], weights_of(right))
  end)

  it("learns in em from experts that know other classes, and from none", function()
    local m = mixture { epochs = 20 }
    local own = {}
    for i, label in ipairs(data.y) do own[i] = label == data.y[1] and "left" or "right" end
    moe.schedule { S.pretrain { subsets = own }, S.gate {}, S.joint { rounds = 3 } }:fit(m, data)
    assert.is_true(m:score(test) > 0.8)
    local fresh = mixture { epochs = 10 }
    fresh:fit(train, { method = "em", rounds = 5 })
    assert.is_true(fresh:score(test) > 0.8)
  end)

  it("goes back to the best round, and on from a checkpoint, to the same bits", function()
    local path, power = os.tmpname(), true
    os.remove(path)
    local function both()
      local m = mixture()
      m:add_expert("rule", rule())
      return m
    end
    local run = moe.schedule {
      S.pretrain {}, S.gate {}, function() assert(power, "the power is gone") end,
      S.joint { rounds = 1, early_stopping = { metric = "accuracy", patience = 1, rounds = 3 } },
    }
    local whole = { X = data.X, y = data.y, valid = { X = test:xy(), y = select(2, test:xy()) } }
    local a, b = both(), both()
    assert(run:fit(a, whole, { seed = 1 }))
    power = false
    assert.is_false((pcall(run.fit, run, b, whole, { seed = 1, checkpoint = path })))
    power = true
    local other = both()
    assert(run:fit(other, whole, { seed = 1, checkpoint = path }))
    os.remove(path)
    assert.is_true(a:info().fitted)
    same_answers(a, other)
  end)
end)
