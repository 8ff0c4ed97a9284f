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

local moe = require "moe"
local E, G, S = moe.experts, moe.gates, moe.stages

local SCRIPT, TREES, TURNS = arg and arg[0] or "bench/two_stage.lua", 100, 3

-- ---------------------------------------------------------------- ours, alone

local function read(folder, name, part)
  local path = ("%s/%s_%s.csv"):format(folder, name, part)
  local t = assert(moe.data.read_csv(path, { target = "class", categorical = { "group" } }))
  local X, y = t:drop({ "group" }):xy()
  return X, y, t:column "group"
end

-- Megabytes that are resident, or (VmHWM) have been at most.
local function resident(what)
  local file = assert(io.open "/proc/self/status")
  local kilobytes = file:read("*a"):match(what .. ":%s+(%d+)")
  file:close()
  return kilobytes / 1024
end

local function forget_peak()
  local file = assert(io.open("/proc/self/clear_refs", "w"))
  file:write "5"
  file:close()
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
  collectgarbage()
  forget_peak()
  local loaded, m = resident "VmRSS", mixture()
  local _, history = m:fit(X, y, { subsets = groups })
  local predicted = math.huge
  for _ = 1, 5 do
    local start = moe.now()
    m:predict(Xt)
    predicted = math.min(predicted, moe.now() - start)
  end
  local peak, score = resident "VmHWM", m:score(Xt, yt)
  local pretrain = moe.schedule { S.pretrain { subsets = groups } }
    :fit(mixture(), { X = X, y = y })[1].seconds
  print(history.seconds, pretrain, predicted, loaded, peak, score)
end

-- ----------------------------------------------------------------- by turns

local function run(line)
  local pipe = io.popen(line)
  local out = pipe:read "*a"
  pipe:close()
  return out
end

local function python(...)
  return run(("env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE /usr/bin/python3 -I %s %s"):format(
    SCRIPT:gsub("lua$", "py"), table.concat({ ... }, " ")))
end

local figures = { "fit", "pretrain", "predict", "loaded", "peak", "score" }

local function note(seen, line)
  local k = 0
  for value in line:gmatch "%S+" do
    k = k + 1
    local values = seen[figures[k]]
    values[#values + 1] = tonumber(value)
    table.sort(values)
  end
end

local function new_notes()
  local seen = {}
  for _, figure in ipairs(figures) do seen[figure] = {} end
  return seen
end

local function medians(seen)
  local out = {}
  for figure, values in pairs(seen) do out[figure] = values[(#values + 1) / 2] end
  out.gate = out.fit - out.pretrain
  return out
end

local function compare(folder, name, threads)
  local ours, theirs = new_notes(), new_notes()
  for _ = 1, TURNS do
    note(ours, run(("%s %s fit %s %s %d"):format(arg[-1], SCRIPT, folder, name, threads)))
    note(theirs, python("fit", folder, name, TREES, threads))
  end
  ours, theirs = medians(ours), medians(theirs)
  local function line(label, figure, format, unit)
    local a, b = ours[figure], theirs[figure]
    print(("  %-16s %9s %-2s scikit-learn %9s %-2s %6.2f times as much"):format(
      label, format:format(a), unit, format:format(b), unit, b / a))
  end
  print(("%s, %d threads"):format(name, threads))
  line("fit", "fit", "%.3f", "s")
  line("  pretrain", "pretrain", "%.3f", "s")
  line("  gate", "gate", "%.3f", "s")
  line("predict", "predict", "%.4f", "s")
  line("peak memory", "peak", "%.1f", "MB")
  line("  before the fit", "loaded", "%.1f", "MB")
  print(("  %-16s %9.4f    scikit-learn %9.4f"):format("accuracy", ours.score, theirs.score))
end

if arg and arg[1] == "fit" then return fit(arg[2], arg[3], arg[4]) end

local folder = os.tmpname()
os.remove(folder)
assert(os.execute("mkdir " .. folder))
python("make", folder, arg and arg[2] or 20000)
for _, name in ipairs { "digits", "synthetic" } do
  compare(folder, name, tonumber(arg and arg[1]) or 2)
end
os.execute("rm -r " .. folder)
