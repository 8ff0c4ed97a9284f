-- mlp beside scikit-learn's MLPClassifier and MLPRegressor: the same layer,
-- batches, epochs and first step of Adam, float32, one thread; CPU times, one
-- after the other.  Ours lets the step fall along a cosine, which theirs cannot.
--   make program && build/moe bench/mlp.lua FOLDER_OF_CSV [epochs, 50]

local moe = require "moe"

local folder, epochs = arg and arg[1] or ".", tonumber(arg and arg[2]) or 50
local HIDDEN, BATCH = 64, 32
local problems = {
  { "digits", "classification", "accuracy" },
  { "kin8nm", "regression", "RMSE" },
}

local function last_column(path)
  local file = assert(io.open(path))
  local head = file:read "*l"
  file:close()
  return (head:match "([^,]+)$":gsub("%s+$", ""))
end

-- Rows of float32, each with its target behind it.
local function write(X, y)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  local format = "<" .. ("f"):rep(X.shape[2] + 1)
  for i, row in ipairs(X:totable()) do
    row[#row + 1] = y[i]
    file:write(format:pack(table.unpack(row)))
  end
  file:close()
  return path
end

local function theirs(kind, train, test, columns)
  local script = (arg and arg[0] or "bench/mlp.lua"):gsub("lua$", "py")
  local pipe = io.popen(("/usr/bin/python3 -I %s %s %s %s %d %d %d %d"):format(
    script, kind, train, test, columns, HIDDEN, BATCH, epochs))
  local fit, score, predict = pipe:read("*a"):match "(%S+) (%S+) (%S+)"
  pipe:close()
  return tonumber(fit), tonumber(score), tonumber(predict)
end

local function score(kind, model, X, y)
  if kind == "classification" then return model:score(X, y) end
  local sum = 0
  for i, value in ipairs(model:predict(X)) do sum = sum + (value - y[i]) ^ 2 end
  return math.sqrt(sum / #y)
end

local function time(run)
  local start = os.clock()
  run()
  return os.clock() - start
end

moe.set_threads(1)
for _, problem in ipairs(problems) do
  local name, kind, measure = table.unpack(problem)
  local path = folder .. "/" .. name .. ".csv"
  local t = assert(moe.data.read_csv(path, { target = last_column(path) }))
  local train, test = t:split(0.9, { seed = 1 })
  local X, y = train:xy()
  local Xt, yt = test:xy()
  local first, second = write(X, y), write(Xt, yt)
  local model = moe.experts.mlp {
    hidden = { HIDDEN }, batch = BATCH, epochs = epochs, task = kind,
  }
  local fit = time(function() model:fit(X, y) end)
  local predict = time(function() model:predict(Xt) end)
  local fit2, score2, predict2 = theirs(kind, first, second, X.shape[2])
  os.remove(first)
  os.remove(second)
  print(("%-8s fit %7.3f s, %s %.4f"):format(name, fit, measure, score(kind, model, Xt, yt)))
  if fit2 then
    print(("  scikit-learn %7.3f s, %s %.4f: %.1f times as long; predict %.1f times"):format(
      fit2, measure, score2, fit2 / fit, predict2 / predict))
  end
end
