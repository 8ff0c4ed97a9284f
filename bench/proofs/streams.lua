-- Twenty-five streams, prequential: the mixture of boosted trees, a linear model,
-- recursive least squares and an echo state network beside each of these by itself, and
-- beside the same mixture trained as the original streaming mixture (irithyll's NeuralMoE)
-- is.  Accuracy, or RMSE, from the first sample on and after 1,000.  All of it is one
-- pass over each stream.
--
-- The bar: after 1,000 samples within 0.5 points (accuracy) or 3 % (RMSE) of the best
-- expert everywhere, and better than the original on at least 20.
--
-- The last columns are what the original's own benchmark printed for its mixture, and for
-- the best model in its run; its generators are not ours (moe.streams says what ours
-- are), so these are not compared.
--
--   moe bench/proofs/streams.lua [most rows of a stream [name of one stream]]
package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"
local contest = require "contest"
local S = moe.streams

local MOST, ONLY = tonumber(arg[1]) or math.huge, arg[2]

local function drifting_sea(rows)
  local quarter = rows / 4
  return S.sudden {
    S.sea { variant = 1, seed = 1 }, S.sea { variant = 2, seed = 2 },
    S.sea { variant = 3, seed = 3 }, S.sea { variant = 4, seed = 4 },
    at = { quarter, 2 * quarter, 3 * quarter }, rows = rows,
  }
end

local function drifting_agrawal(rows)
  return S.sudden {
    S.agrawal { variant = 1, seed = 1 }, S.agrawal { variant = 4, seed = 2 },
    S.agrawal { variant = 7, seed = 3 }, at = { rows / 3, 2 * rows / 3 }, rows = rows,
  }
end

-- Name, rows, the stream, and the original's figures: its mixture, the best of its run.
local streams = {
  { "sea", 100000, drifting_sea, ".8558", ".8805" },
  { "hyperplane", 50000, S.hyperplane, ".9382", ".9488" },
  { "agrawal", 100000, drifting_agrawal, ".8927", ".9403" },
  { "random_rbf", 50000, S.random_rbf, ".8489", ".9583" },
  { "spikes", 50000, S.spikes, ".8855", ".8927" },
  { "led", 20000, S.led, ".6140", ".6150" },
  { "waveform", 20000, S.waveform, ".8031", ".7992" },
  { "spiral", 20000, S.spiral, ".3730", ".3843" },
  { "waves", 10000, S.waves, ".5438", ".3586" },
  { "friedman, gra", 50000, S.friedman, "3.5917", "3.6234", { drift = "gra" } },
  { "sensor_drift", 30000, S.sensor_drift, ".6078", ".3815" },
  { "mackey_glass", 30000, S.mackey_glass, ".0376", ".0090", { noise = 0.005 } },
  { "lorenz", 30000, S.lorenz, "2.0732", "1.8783" },
  { "narma10", 20000, S.narma10, ".1179", ".1037" },
  { "regime_shift", 100000, S.regime_shift, "1.1728", "1.1362" },
  { "continuous_drift", 100000, S.continuous_drift, "1.6117", "1.4032" },
  { "few_shot, 100", 50000, S.few_shot, "3.4587", "3.1641", { context = 100 } },
  { "few_shot, 50", 50000, S.few_shot, "3.5902", "3.3662", { context = 50 } },
  { "long_ar", 30000, S.long_ar, ".1163", ".0599" },
  { "physics", 20000, S.physics, ".5436", ".3537" },
  { "feynman", 50000, S.feynman, "5814", "3103" },
  { "power_plant", 10000, S.power_plant, "8.9816", "5.4617" },
  { "sudden_drift", 50000, S.sudden_drift, "1.6353", "1.7641" },
  { "high_dim", 20000, S.high_dim, "1.7136", "1.4116" },
  { "nonstationary", 30000, S.nonstationary, "1.3324", "1.4172" },
}

local function open(row)
  local rows, own = math.min(row[2], MOST), { seed = 1 }
  for name, value in pairs(row[6] or {}) do own[name] = value end
  own.rows = rows
  if row[3] == drifting_sea or row[3] == drifting_agrawal then return row[3](rows) end
  return row[3](own)
end

-- Plain figures, since they come from another process.
local function run(row)
  local stream = open(row)
  local task = stream.task
  local metric = task == "classification" and "accuracy" or "rmse"
  local result = moe.eval.prequential(contest.models(task), stream, {
    metrics = metric, after = math.min(1000, math.floor(stream.n / 2)), every = 2 ^ 40,
  })
  local out = { task = task, rows = result.rows, seconds = result.seconds, names = result.names,
    total = {}, after = {} }
  for _, name in ipairs(result.names) do
    local m = result.models[name]
    out.total[name], out.after[name] = m.total[metric], m.after[metric]
  end
  return out
end

local wanted = {}
for _, row in ipairs(streams) do
  if not ONLY or row[1]:find(ONLY, 1, true) then wanted[#wanted + 1] = row end
end
local results = moe.processes.map(wanted, run, {
  processes = moe.threads(),
  progress = function(done, n) io.stderr:write(("\r%d of %d "):format(done, n)) end,
})
io.stderr:write "\n"

local shown = support.figures {
  "", "rows", "ours", "after", "best expert", "", "after", "gap", "original", "after",
  "theirs: moe", "best",
}
local within, better, above = 0, 0, 0
for i, row in ipairs(wanted) do
  local r, figure = results[i], contest.figure
  local judged = contest.judge(r)
  local best = judged.best
  within = within + (judged.within and 1 or 0)
  better = better + (judged.beats_original and 1 or 0)
  above = above + (judged.gap > 0 and 1 or 0)
  shown.add(row[1], tostring(r.rows), figure(r.total.mixture), figure(r.after.mixture),
    best, figure(r.total[best]), figure(r.after[best]),
    judged.shown .. (judged.within and "" or " !"), figure(r.total.original),
    figure(r.after.original) .. (judged.beats_original and "" or " !"), row[4], row[5])
end
shown.print "Accuracy, or RMSE; gap: ours to the best expert after 1,000, above 0 better"
print(("of %d: within the bar of the best expert %d, better than it %d; than the original %d")
  :format(#wanted, within, above, better))
