--- What the proofs on streams share: a mixture, its experts by themselves, and the same
-- mixture trained as the original is; who won.
local moe = require "moe"
local E, G = moe.experts, moe.gates

local contest = {}

-- A regressor that answers with classes.
local function classifying(task, expert)
  return task == "classification" and E.one_vs_rest { model = expert } or expert
end

--- New experts for a task, by name.
function contest.experts(task)
  return {
    sgbt = E.sgbt { trees = 25, lr = 0.05 },
    linear = task == "classification" and E.logistic { standardize = true }
      or E.linear { standardize = true },
    rls = classifying(task, E.rls { forgetting = 0.999 }),
    esn = E.esn { size = 50, spectral_radius = 0.95, task = task },
  }
end

--- Our mixture, all defaults.
function contest.mixture(task, experts)
  return moe.mixture { experts = experts or contest.experts(task), task = task, seed = 1 }
end

--- The same experts as the original combines and trains them: two at a time, warmed up by
-- a penalty, its gate a step of 0.01 towards the better of the two, a bias in the logits
-- towards a load of one over the experts, dead experts reset.
function contest.original(task, experts)
  return moe.mixture {
    experts = experts or contest.experts(task), task = task, top_k = 2, seed = 42,
    calibrate = false,
    gate = G.softmax {
      online_lr = 0.01, implicit = false, clip = 0, decay = 0, target = "best_expert",
      prior = 0, standardize = false,
    },
    stream = moe.streaming {
      feedback = "partial", teach = "chosen", warming = "penalty", warmups = { esn = 30 },
      balance = "logits", balance_rate = 0.01, span = 500, dead_below = 0.01,
      dead_by = "probability", revive = "reset", measure = "after",
    },
  }
end

--- All of them, for one pass.
function contest.models(task)
  local models = contest.experts(task)
  models.mixture, models.original = contest.mixture(task), contest.original(task)
  return models
end

local names = { "sgbt", "linear", "rls", "esn" }

--- Who won, by what came after the first samples.
-- @param r { task, after = name → figure, … }
-- @return { best = the best expert, gap = how much better ours is, as a share of RMSE or in
-- points of accuracy, shown, within = whether the bar is met, beats_original }
function contest.judge(r)
  local higher, best = r.task == "classification", nil
  for _, name in ipairs(names) do
    local value, most = r.after[name], r.after[best]
    if value and (not best or higher and value > most or not higher and value < most) then
      best = name
    end
  end
  local ours, theirs, original = r.after.mixture, r.after[best], r.after.original
  local gap = higher and 100 * (ours - theirs) or 100 * (theirs - ours) / theirs
  return {
    best = best, gap = gap, within = gap >= (higher and -0.5 or -3),
    shown = ("%+.2f %s"):format(gap, higher and "pt" or "%"),
    beats_original = higher and ours > original or not higher and ours < original,
  }
end

--- Four digits, fewer of what is large.
function contest.figure(v)
  return math.abs(v) < 100 and ("%.4f"):format(v) or ("%.5g"):format(v)
end

return contest
