-- Hashed text beside scikit-learn's HashingVectorizer and LogisticRegression: words
-- and pairs of words of 20,000 short messages, 2^18 columns, the same penalty.  The
-- messages are those of the compiler errors, each about three times, with other names
-- in them; the class is the family of the repair, and one program in five is held out.
--
-- Each runs in a process of its own, ours three times, before and after theirs; of ours
-- a figure is the median.  Peak memory is of the whole process, from when it has
-- read the data on; of that, what it held then, interpreter and libraries included.
--   make program && build/moe bench/text.lua [threads] [messages]

package.path = (arg[0]:match "^.*/" or "") .. "?.lua;" .. package.path
local moe = require "moe"
local support = require "support"
local E, T = moe.experts, moe.transforms

local BUCKETS, TURNS = 1 << 18, 3

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

local function timed(run)
  local start = moe.now()
  local result = run()
  return moe.now() - start, result
end

local function fit(folder, threads)
  moe.set_threads(tonumber(threads))
  local texts, y = read(folder, "train")
  local others, truth = read(folder, "test")
  local loaded = support.forget_peak()
  local hasher = T.text_hasher { words = { 1, 2 }, buckets = BUCKETS, tfidf = false }
  local hashing, X = timed(function() return hasher:fit_transform(texts) end)
  local model = E.logistic {}
  local fitting = timed(function() model:fit(X, y) end)
  local predicting, answers = timed(function()
    return model:predict(hasher:transform(others))
  end)
  print(hashing, fitting, predicting, loaded, support.resident "VmHWM",
    moe.metrics.accuracy(truth, answers))
end

-- ----------------------------------------------------------------- by turns

local figures = { "hash", "fit", "predict", "loaded", "peak", "score" }

local function compare(folder, threads)
  local ours, theirs = {}, {}
  for turn = 1, TURNS do
    ours[turn] = support.alone("fit", folder, threads)
    theirs[1] = theirs[1] or support.peer("text.py", folder, BUCKETS)[1]
  end
  support.print_beside(support.medians(figures, ours), support.medians(figures, theirs), {
    { "hash", "hash", "%.3f", "s" },
    { "fit", "fit", "%.3f", "s" },
    { "hash and predict", "predict", "%.4f", "s" },
    { "peak memory", "peak", "%.1f", "MB" },
    { "  before", "loaded", "%.1f", "MB" },
    { "accuracy", "score", "%.4f" },
  })
end

if arg[1] == "fit" then return fit(arg[2], arg[3]) end

local threads, count = tonumber(arg[1]) or 2, tonumber(arg[2]) or 20000
moe.set_threads(threads)
support.with_folder(function(folder)
  make(folder, count)
  print(("%d messages, %d columns, %d threads"):format(count, BUCKETS, threads))
  compare(folder, threads)
end)
