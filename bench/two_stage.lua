-- The two-stage mixture beside one written in scikit-learn: three forests of 100
-- trees, each trained on the rows of its group, and a logistic gate over them; a
-- row is answered by the two likeliest experts.  Theirs learns the groups; ours
-- learns, as it does by default, how well each forest did on rows that it had not
-- seen, so that its gate's time has the answers of every forest for every row in it.
--
-- Ours and theirs run by turns, each in a process of its own, three times; a figure
-- is the median of the three.  Peak memory is of the whole process, from when it has
-- read the data on; of that, what it held then, interpreter and libraries included.
--   make program && build/moe bench/two_stage.lua [threads] [rows]

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"
local E, G, S = moe.experts, moe.gates, moe.stages

local TREES, TURNS = 100, 3

-- ---------------------------------------------------------------- ours, alone

local function read(folder, name, part)
  local t = support.read(folder, name, part, { categorical = { "group" } })
  local X, y = t:drop({ "group" }):xy()
  return X, y, t:column "group"
end

local function mixture()
  local experts = {}
  for _, name in ipairs { "g0", "g1", "g2" } do experts[name] = E.forest { trees = TREES } end
  return moe.mixture { experts = experts, gate = G.softmax {}, top_k = 2 }
end

local function fit(folder, name, threads)
  moe.set_threads(tonumber(threads))
  local X, y, groups = read(folder, name, "train")
  local Xt, yt = read(folder, name, "test")
  local loaded, m = support.forget_peak(), mixture()
  local _, history = m:fit(X, y, { subsets = groups })
  local predicted = support.least(moe.now, 1, function() m:predict(Xt) end)
  local peak, score = support.resident "VmHWM", m:score(Xt, yt)
  local pretrain = moe.schedule { S.pretrain { subsets = groups } }
    :fit(mixture(), { X = X, y = y })[1].seconds
  print(history.seconds, pretrain, predicted, loaded, peak, score)
end

-- ----------------------------------------------------------------- by turns

local figures = { "fit", "pretrain", "predict", "loaded", "peak", "score" }

local function medians(lists)
  local out = support.medians(figures, lists)
  out.gate = out.fit - out.pretrain
  return out
end

local function compare(folder, name, threads)
  local ours, theirs = {}, {}
  for turn = 1, TURNS do
    ours[turn] = support.alone("fit", folder, name, threads)
    theirs[turn] = support.peer("two_stage.py", "fit", folder, name, TREES, threads)[1]
  end
  print(("%s, %d threads"):format(name, threads))
  support.print_beside(medians(ours), medians(theirs), {
    { "fit", "fit", "%.3f", "s" },
    { "  pretrain", "pretrain", "%.3f", "s" },
    { "  gate", "gate", "%.3f", "s" },
    { "predict", "predict", "%.4f", "s" },
    { "peak memory", "peak", "%.1f", "MB" },
    { "  before the fit", "loaded", "%.1f", "MB" },
    { "accuracy", "score", "%.4f" },
  })
end

if arg[1] == "fit" then return fit(arg[2], arg[3], arg[4]) end

local threads, count = tonumber(arg[1]) or 2, tonumber(arg[2]) or 20000
moe.set_threads(threads)
support.with_folder(function(folder)
  support.peer("two_stage.py", "make", folder, count)
  for _, name in ipairs { "digits", "synthetic" } do compare(folder, name, threads) end
end)
