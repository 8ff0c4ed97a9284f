--- What the benchmarks share: a peer in Python and what it prints, files that it can
-- read, figures of time and memory, and ours beside theirs.
local moe = require "moe"

local support = {}

local folder = arg[0]:match "^.*/" or ""

-- ------------------------------------------------------------------- programs

-- The lines that a program prints, each a list of its words, numbers as numbers.
local function answers(program, ...)
  local command = { program }
  for _, argument in ipairs { ... } do
    command[#command + 1] = "'" .. tostring(argument):gsub("'", "'\\''") .. "'"
  end
  local pipe, lines = assert(io.popen(table.concat(command, " "))), {}
  for line in pipe:lines() do
    local words = {}
    for word in line:gmatch "%S+" do words[#words + 1] = tonumber(word) or word end
    lines[#lines + 1] = words
  end
  pipe:close()
  return lines
end

-- Python with as many threads as we have.
local function python()
  return ("env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OMP_WAIT_POLICY=passive "
    .. "OMP_NUM_THREADS=%d OPENBLAS_NUM_THREADS=%d /usr/bin/python3 -I -B"):format(
    moe.threads(), moe.threads())
end

--- What a script beside this one prints, run by Python with as many threads as we
-- have.
function support.peer(script, ...) return answers(python(), folder .. script, ...) end

--- A script beside this one that answers lines: a function that gives the number in the
-- answer to what it is given, and ends the script when given nothing.
function support.partner(script)
  local pipe = os.tmpname()
  os.remove(pipe)
  assert(os.execute("mkfifo " .. pipe))
  local command = ("%s '%s' > %s"):format(python(), folder .. script, pipe)
  local to = assert(io.popen(command, "w"))
  local from = assert(io.open(pipe))
  os.remove(pipe)
  return function(...)
    if select("#", ...) == 0 then
      to:close()
      return from:close()
    end
    to:write(table.concat({ ... }, " "), "\n")
    to:flush()
    return tonumber(from:read()) or error("no answer from " .. script)
  end
end

--- The line that this script prints in a process of its own.
function support.alone(...) return answers(arg[-1], arg[0], ...)[1] end

-- ----------------------------------------------------------------------- data

--- A number that is normal enough: a sum of four uniform ones.
function support.number()
  return math.random() + math.random() - math.random() - math.random()
end

--- Calls use(folder) with a new folder, which is removed thereafter.
function support.with_folder(use)
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir " .. path))
  local ok, message = xpcall(use, debug.traceback, path)
  os.execute("rm -r " .. path)
  if not ok then error(message, 0) end
end

--- The table that a peer wrote there, its last column the target.
function support.read(path, name, part, options)
  local own = { target = "target" }
  for key, value in pairs(options or {}) do own[key] = value end
  return assert(moe.data.read_csv(("%s/%s_%s.csv"):format(path, name, part), own))
end

--- A temporary file of rows as float32, behind each its number of every list that
-- follows.
function support.write_rows(rows, ...)
  local behind, path = { ... }, os.tmpname()
  local file = assert(io.open(path, "wb"))
  local format = "<" .. ("f"):rep(#rows[1] + #behind)
  for i, row in ipairs(rows) do
    local whole = table.move(row, 1, #row, 1, {})
    for _, list in ipairs(behind) do whole[#whole + 1] = list[i] end
    file:write(format:pack(table.unpack(whole)))
  end
  file:close()
  return path
end

-- ----------------------------------------------------------------------- time

--- How often `least` measures, and a peer that is told so.
support.TIMES = 5

--- Seconds of a visit, the mean of so many.
function support.mean(clock, visits, visit)
  local start = clock()
  for i = 1, visits do visit(i) end
  return (clock() - start) / visits
end

--- The least of five means, each over so many visits that the clock is exact.
function support.least(clock, visits, visit)
  local best = math.huge
  for _ = 1, support.TIMES do best = math.min(best, support.mean(clock, visits, visit)) end
  return best
end

--- The middle one of an odd number of values.
function support.median(values)
  table.sort(values)
  return values[(#values + 1) / 2]
end

--- Seconds of a fit.
function support.time_fit(model, X, y)
  local _, history = model:fit(X, y)
  return history.seconds
end

--- Seconds of predicting all rows; of few rows several times.
function support.time_predict(model, X)
  return support.least(moe.now, math.ceil(20000 / X.shape[1]), function() model:predict(X) end)
end

--- Seconds of a single row, the mean over up to 2,000 different ones.
function support.time_predict_one(model, X)
  local rows = X:totable()
  return support.least(os.clock, math.min(#rows, 2000), function(i)
    model:predict_one(rows[i])
  end)
end

-- --------------------------------------------------------------------- memory

--- Megabytes that are resident, or (VmHWM) have been at most.
function support.resident(what)
  local file = assert(io.open "/proc/self/status")
  local kilobytes = file:read("*a"):match(what .. ":%s+(%d+)")
  file:close()
  return kilobytes / 1024
end

--- The most memory counts from here on; gives what is resident now.
function support.forget_peak()
  collectgarbage()
  local file = assert(io.open("/proc/self/clear_refs", "w"))
  file:write "5"
  file:close()
  return support.resident "VmRSS"
end

-- -------------------------------------------------------------------- figures

--- Of lists of figures with these names the medians, by name.
function support.medians(names, lists)
  local medians = {}
  for k, name in ipairs(names) do
    local values = {}
    for i, list in ipairs(lists) do values[i] = list[k] end
    medians[name] = support.median(values)
  end
  return medians
end

--- Prints for each { label, figure, format, unit } ours, theirs and their ratio; no
-- ratio where there is no unit.
function support.print_beside(ours, theirs, lines)
  for _, line in ipairs(lines) do
    local label, figure, format, unit = table.unpack(line, 1, 4)
    local a, b = ours[figure], theirs[figure]
    local shown = ("  %-16s %9s %-2s scikit-learn %9s"):format(
      label, format:format(a), unit or "", format:format(b))
    if unit then shown = shown .. (" %-2s %6.2f times as much"):format(unit, b / a) end
    print(shown)
  end
end

return support
