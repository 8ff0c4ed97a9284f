-- Hashed text beside scikit-learn's HashingVectorizer and LogisticRegression: words
-- and pairs of words of 20,000 short messages, 2^18 columns, the same penalty.  The
-- messages are those of the compiler errors, each about three times, with other names
-- in them; the class is the family of the repair, and one program in five is held out.
--
-- Each runs in a process of its own, ours three times, before and after theirs; of ours
-- a figure is the median.  Peak memory is of the whole process, from when it has
-- read the data on; of that, what it held then, interpreter and libraries included.
--   make program && build/moe bench/text.lua [threads] [messages]

local moe = require "moe"
local E, T = moe.experts, moe.transforms

local SCRIPT, BUCKETS, TURNS = arg and arg[0] or "bench/text.lua", 1 << 18, 3

-- ---------------------------------------------------------------- the messages

local syllables = { "ba", "de", "fi", "go", "lu", "me", "na", "po", "ri", "su", "ta", "ve" }

local function new_name()
  local parts = {}
  for i = 1, math.random(2, 4) do parts[i] = syllables[math.random(#syllables)] end
  return table.concat(parts)
end

-- The same new name for the same old one, within a message.
local function rename(message)
  local names = {}
  return (message:gsub("[%l_]+", function(word)
    if not message:find("`" .. word .. "`", 1, true) then return end
    names[word] = names[word] or new_name()
    return names[word]
  end))
end

local function quote(value) return '"' .. value:gsub('"', '""') .. '"' end

local function make(folder, count)
  local errors = assert(moe.data.read_csv "examples/data/compiler_errors.csv")
  local files = {}
  for _, part in ipairs { "train", "test" } do
    files[part] = assert(io.open(("%s/%s.csv"):format(folder, part), "w"))
    files[part]:write "message,family\n"
  end
  math.randomseed(1)
  for i = 1, count do
    local row = errors:row((i - 1) % #errors + 1)
    local message = rename(row.message .. ": " .. (row.labels or ""))
    local part = tonumber(row.program:match "^%d+") % 5 == 0 and "test" or "train"
    files[part]:write(quote(message), ",", row.family, "\n")
  end
  for _, file in pairs(files) do file:close() end
end

-- ---------------------------------------------------------------- ours, alone

local function read(folder, part)
  local path = ("%s/%s.csv"):format(folder, part)
  local t = assert(moe.data.read_csv(path, { target = "family" }))
  return t:select { "message" }, t:column "family"
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

local function timed(run)
  local start = moe.now()
  local result = run()
  return moe.now() - start, result
end

local function fit(folder, threads)
  moe.set_threads(tonumber(threads))
  local texts, y = read(folder, "train")
  local others, truth = read(folder, "test")
  collectgarbage()
  forget_peak()
  local loaded = resident "VmRSS"
  local hasher = T.text_hasher { words = { 1, 2 }, buckets = BUCKETS, tfidf = false }
  local hashing, X = timed(function() return hasher:fit_transform(texts) end)
  local model = E.logistic {}
  local fitting = timed(function() model:fit(X, y) end)
  local predicting, answers = timed(function()
    return model:predict(hasher:transform(others))
  end)
  print(hashing, fitting, predicting, loaded, resident "VmHWM",
    moe.metrics.accuracy(truth, answers))
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

local figures = { "hash", "fit", "predict", "loaded", "peak", "score" }

local function new_notes()
  local seen = {}
  for _, figure in ipairs(figures) do seen[figure] = {} end
  return seen
end

local function note(seen, line)
  local k = 0
  for value in line:gmatch "%S+" do
    k = k + 1
    local values = seen[figures[k]]
    values[#values + 1] = tonumber(value)
    table.sort(values)
  end
end

local function medians(seen)
  local out = {}
  for figure, values in pairs(seen) do out[figure] = values[(#values + 1) / 2] end
  return out
end

local function compare(folder, threads)
  local ours, theirs = new_notes(), new_notes()
  for turn = 1, TURNS do
    note(ours, run(("%s %s fit %s %d"):format(arg[-1], SCRIPT, folder, threads)))
    if turn == 1 then note(theirs, python(folder, BUCKETS, threads)) end
  end
  ours, theirs = medians(ours), medians(theirs)
  local function line(label, figure, format, unit)
    local a, b = ours[figure], theirs[figure]
    print(("%-16s %9s %-2s scikit-learn %9s %-2s %6.2f times as much"):format(
      label, format:format(a), unit, format:format(b), unit, b / a))
  end
  line("hash", "hash", "%.3f", "s")
  line("fit", "fit", "%.3f", "s")
  line("hash and predict", "predict", "%.4f", "s")
  line("peak memory", "peak", "%.1f", "MB")
  line("  before", "loaded", "%.1f", "MB")
  print(("%-16s %9.4f    scikit-learn %9.4f"):format("accuracy", ours.score, theirs.score))
end

if arg and arg[1] == "fit" then return fit(arg[2], arg[3]) end

local threads, count = tonumber(arg and arg[1]) or 2, tonumber(arg and arg[2]) or 20000
local folder = os.tmpname()
os.remove(folder)
assert(os.execute("mkdir " .. folder))
make(folder, count)
print(("%d messages, %d columns, %d threads"):format(count, BUCKETS, threads))
compare(folder, threads)
os.execute("rm -r " .. folder)
