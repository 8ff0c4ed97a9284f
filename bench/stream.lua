-- How many samples a second go through a streaming learner, from C and through Lua,
-- beside what the fastest peer that we know of publishes?
--
--   make bench-stream     or     moe bench/stream.lua [folder of elec2.csv [stream [long]]]
--
-- 16 features in (-1, 1), a line for each sign of the first, noise of 0.05, from
-- splitmix64 with seed 7; 200,000 samples, of boosted trees 20,000; the best of seven
-- rounds.  "both" is predict_one, then learn_one; test_then_learn does that in one call,
-- learn_many learns from the rows of a tensor.  `stream` is bench/stream.c, compiled; with
-- `long` it takes a balanced mixture through 100 million samples instead.  Instructions
-- are the slope between 1,000 and 11,000 samples under callgrind.
--
-- The peer is irithyll 9.8.5 in Rust.  Its rates are published for its own stream of this
-- kind and another machine of this size, so that the ratios say about how much; its errors
-- are those of its own stream.  Its mixture of 4 takes 9,561 instructions and 16
-- allocations a sample, ours no allocation (spec/engine/samples.c).
package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local text = require "moe.text"
local E, G = moe.experts, moe.gates

local ROUNDS = 7
local folder = arg[1] or os.getenv "MOE_DATA" or "."
local program = arg[2] or arg[-1]:gsub("[^/]*$", "") .. "stream"

-- --------------------------------------------------------------------- models

-- Linear experts whose steps are `first`, twice that and so on, two of which answer.
local function lines(n, first, expert, options)
  local own = { experts = {}, top_k = 2 }
  for k = 1, n do own.experts[k] = E.linear { lr = first * k, step = expert.step } end
  for name, value in pairs(options or {}) do own[name] = value end
  return moe.mixture(own)
end

-- As the peer has it: only what answered learns, and the gate who of them was best.
local function as_the_peer(n, first)
  return lines(n, first, { step = "sgd" }, {
    gate = G.softmax {
      target = "best_expert", online_lr = 0.01, prior = 0, decay = 0, clip = 0,
      implicit = false, standardize = false,
    },
    stream = moe.streaming { preset = "reference" },
  })
end

-- { label, samples, maker, the peer's rates (learned, answered, both) and error }; the
-- maker gives nil where there is no such expert.
local models = {
  { "linear, 0.01", 200000,
    function() return E.linear { lr = 0.01, step = "sgd" } end,
    { 63e6, 210e6, 55e6, 0.847303 } },
  { "rls, 0.99", 200000,
    function() return E.rls { forgetting = 0.99 } end,
    { 4.4e6, 209e6, 4.3e6, 0.907797 } },
  { "sgbt, 10 trees, 0.01", 20000,
    function() return E.sgbt { trees = 10, lr = 0.01 } end,
    { 131e3, 275e3, 106e3, 1.391459 } },
  { "sgbt, 50 trees, 0.01", 20000,
    function() return E.sgbt { trees = 50, lr = 0.01 } end,
    { 18e3, 58e3, 15e3, 1.293981 } },
  { "mixture of 4 linear, top 2, as the peer has it", 200000,
    function() return as_the_peer(4, 0.01) end,
    { 2.15e6, 4.9e6, 1.50e6, 0.197485 } },
  { "mixture of 4 linear, top 2", 200000,
    function() return lines(4, 0.01, {}) end,
    { 2.15e6, 4.9e6, 1.50e6, 0.197485 } },
  { "mixture of 8 linear, top 2, as the peer has it", 200000,
    function() return as_the_peer(8, 0.005) end,
    { 1.45e6, 3.6e6, 1.03e6, 0.410465 } },
  { "mixture of 8 linear, top 2", 200000,
    function() return lines(8, 0.005, {}) end,
    { 1.45e6, 3.6e6, 1.03e6, 0.410465 } },
}

-- ----------------------------------------------------------------- the stream

-- splitmix64, as bench/stream.c has it: numbers in (-1, 1).
local function numbers(state)
  return function()
    state = state + 0x9E3779B97F4A7C15
    local z = (state ~ (state >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ~ (z >> 27)) * 0x94D049BB133111EB
    return 2.0 * ((z ~ (z >> 31)) >> 11) * 0x1p-53 - 1
  end
end

local function make_samples(n)
  local number, line, X, y = numbers(7), { {}, {} }, {}, {}
  for k = 1, 2 do
    for j = 1, 16 do line[k][j] = number() end
  end
  for i = 1, n do
    local x, sum = {}, 0.0
    for j = 1, 16 do x[j] = number() end
    local w = line[x[1] < 0 and 2 or 1]
    for j = 1, 16 do sum = sum + w[j] * x[j] end
    X[i], y[i] = x, sum + 0.05 * number()
  end
  return X, y
end

-- ------------------------------------------------------------------ from Lua

local ways = {}

function ways.learned(m, s)
  local X, y = s.X, s.y
  for i = 1, s.n do m:learn_one(X[i], y[i]) end
end

function ways.answered(m, s)
  local X = s.X
  for i = 1, s.n do m:predict_one(X[i]) end
end

function ways.both(m, s)
  local X, y, sum = s.X, s.y, 0.0
  for i = 1, s.n do
    local error = m:predict_one(X[i]) - y[i]
    sum = sum + error * error
    m:learn_one(X[i], y[i])
  end
  return math.sqrt(sum / s.n)
end

function ways.test_then_learn(m, s)
  local X, y, sum = s.X, s.y, 0.0
  for i = 1, s.n do
    local error = m:test_then_learn(X[i], y[i]) - y[i]
    sum = sum + error * error
  end
  return math.sqrt(sum / s.n)
end

function ways.learn_many(m, s) m:learn_many(s.rows, s.targets) end

-- Samples a second of each way, the best of so many rounds; the last errors.
local function time_lua(make, s)
  local rates, errors = {}, {}
  for _ = 1, ROUNDS do
    for name, way in pairs(ways) do
      local m = make()
      if name == "answered" then ways.learned(m, s) end
      collectgarbage()
      local start = moe.now()
      errors[name] = way(m, s)
      rates[name] = math.max(rates[name] or 0, s.n / (moe.now() - start))
      m:close()
    end
  end
  return rates, errors
end

-- ---------------------------------------------------------------------- from C

local function is_there(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- The numbers that the program prints about the model.
local function ask_program(m, ...)
  local path, words = os.tmpname(), {}
  assert(m:save(path))
  local pipe = assert(io.popen(table.concat({ program, path, ... }, " ")))
  for word in pipe:read("a"):gmatch "%S+" do words[#words + 1] = tonumber(word) end
  pipe:close()
  os.remove(path)
  return words
end

-- Instructions that one more step takes, as callgrind counts them; nil without it.
local function count_instructions(m)
  local path, counts = os.tmpname(), {}
  assert(m:save(path))
  for k, steps in ipairs { 1000, 11000 } do
    local pipe = assert(io.popen(table.concat({
      "valgrind --tool=callgrind --callgrind-out-file=/dev/null",
      program, path, "steps", steps, "2>&1",
    }, " ")))
    counts[k] = tonumber(pipe:read("a"):match "Collected : (%d+)")
    pipe:close()
  end
  os.remove(path)
  return counts[2] and (counts[2] - counts[1]) / 10000
end

local function time_c(make, n)
  local words = ask_program(make(), "rates", n)
  return { learned = words[1], answered = words[2], both = words[3] }, words[4]
end

-- -------------------------------------------------------------------- figures

local function rate(x)
  if not x then return "-" end
  return x >= 1e6 and ("%.2f M"):format(x / 1e6) or ("%.1f k"):format(x / 1e3)
end

local function times(ours, theirs)
  return ours and ("%.2f"):format(ours / theirs) or "-"
end

local function show(label, make, s, peer)
  local c, c_error = {}, nil
  if is_there(program) then c, c_error = time_c(make, s.n) end
  local ours, errors = time_lua(make, s)
  assert(errors.both == errors.test_then_learn, "test_then_learn answers otherwise")
  assert(not c_error or c_error == errors.both, "C answers otherwise")
  print(("%s, %d samples, RMSE %.6f"):format(label, s.n, errors.both))
  local instructions = is_there(program) and count_instructions(make())
  if instructions then print(("  %.0f instructions to learn a sample"):format(instructions)) end
  print(text.columns {
    { "", "learned", "answered", "both", "test_then_learn", "learn_many" },
    { "  C", rate(c.learned), rate(c.answered), rate(c.both), "", "" },
    { "  " .. _VERSION, rate(ours.learned), rate(ours.answered), rate(ours.both),
      rate(ours.test_then_learn), rate(ours.learn_many) },
    { "  peer, published", rate(peer[1]), rate(peer[2]), rate(peer[3]), "",
      ("RMSE %.6f"):format(peer[4]) },
    { "  C / peer", times(c.learned, peer[1]), times(c.answered, peer[2]),
      times(c.both, peer[3]), "", "" },
    { "  Lua / peer", times(ours.learned, peer[1]), times(ours.answered, peer[2]),
      times(ours.both, peer[3]), times(ours.test_then_learn, peer[3]),
      times(ours.learn_many, peer[1]) },
  } .. "\n")
end

local function compare()
  local X, y = make_samples(200000)
  local made = {}
  for _, model in ipairs(models) do
    local label, n, make, peer = table.unpack(model)
    local s = made[n]
    if not s then
      s = { n = n, X = X, y = y, rows = moe.tensor(table.move(X, 1, n, 1, {})) }
      s.targets = table.move(y, 1, n, 1, {})
      made[n] = s
    end
    if make() then
      show(label, make, s, peer)
    else
      print(label .. ": left out: there is no such expert\n")
    end
  end
end

-- ------------------------------------------------------------------- a long run

-- A hundred million samples, from C: what stays where it belongs?
local function endure(n)
  local model, path = lines(4, 0.01, {}, { stream = moe.streaming { balance = "integral" } }),
    os.tmpname()
  local start = moe.now()
  local words = ask_program(model, "long", n, path)
  print(("mixture of 4 linear, top 2, balanced: %.0f million samples in %.0f s"):format(
    n / 1e6, moe.now() - start))
  for tenth = 1, 10 do
    print(("  %3d %%: RMSE %.6f, %d KB resident"):format(
      10 * tenth, words[2 * tenth - 1], words[2 * tenth]))
  end
  local biases = assert(moe.load(path)):info().bias
  os.remove(path)
  for name, bias in pairs(biases) do print(("  bias of expert %s: %.6f"):format(name, bias)) end
  print()
end

-- ----------------------------------------------------------------------- Elec2

-- { label, maker, rows a second and accuracy that are published for it }
local trees = {
  { "hoeffding_tree", function() return E.hoeffding_tree {} end, 12029 },
  { "adaptive_random_forest", function()
    return E.adaptive_random_forest and E.adaptive_random_forest {}
  end, 200 },
}

local function run_elec2()
  local t, message = moe.data.read_csv(folder .. "/elec2.csv", { target = "class" })
  if not t then
    print("elec2.csv: left out: " .. message)
    return
  end
  local X, y = t:xy()
  X = X:totable()
  print(("Elec2, %d rows, test_then_learn; the published rates are another machine's"):format(#y))
  for _, tree in ipairs(trees) do
    local label, make, published = table.unpack(tree)
    local m, right, start = make(), 0, moe.now()
    for i = 1, m and #y or 0 do
      if m:test_then_learn(X[i], y[i]) == y[i] then right = right + 1 end
    end
    if m then
      print(("  %-24s %8.0f rows a second, accuracy %.4f; published %d rows a second"):format(
        label, #y / (moe.now() - start), right / #y, published))
    end
  end
end

if is_there(program) then
  if arg[3] == "long" then endure(tonumber(arg[4]) or 1e8) end
else
  print(program .. " is not there (`make bench-stream` builds it): from Lua alone\n")
end
if arg[3] ~= "long" then
  compare()
  run_elec2()
end
