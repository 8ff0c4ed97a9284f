-- One model on a stream: asked, judged when the label arrives, taught.

local core = require "moe.core"
local judged = require "moe.eval.judged"
local running = require "moe.eval.running"
local text = require "moe.text"

local trial = {}

local Trial = {}
Trial.__index = Trial

-- The rows by which a model is judged, of each output by itself, and of its probabilities;
-- and { { metric, the figure of each output }, … }.
local function measures(self, list, outputs, o)
  local rows, measured = {}, {}
  for k = 1, outputs or 1 do rows[k] = judged.new(o.window, o.fading, outputs and k) end
  local probable = self.wants and judged.new(o.window, o.fading)
  for i, metric in ipairs(list) do
    measured[i] = { metric = metric }
    for k, of in ipairs(running.of_probabilities(metric) and { probable } or rows) do
      measured[i][k] = running.new(metric, of)
      table.insert(of.figures, measured[i][k])
    end
  end
  return rows, probable, measured
end

--- @param task and outputs of the targets: how many numbers each has, nil of single ones
-- @param o the options of prequential
function trial.new(name, model, list, task, outputs, o)
  local self = setmetatable({
    name = name, model = model, delay = o.delay, warmup = o.warmup, after = o.after,
    outputs = outputs, said = {}, guessed = {}, seconds = 0, seen = 0, settled = 0,
    wants = running.wants_probabilities(list),
  }, Trial)
  self.rows, self.probable, self.measures = measures(self, list, outputs, o)
  local of_engine = type(model) == "userdata"
  self.whole = of_engine and o.delay == 0 and not self.wants
  self.of_numbers = task == "regression"
  self.checks = not of_engine and not model.is_baseline
  -- Before it is taught it may answer 0, as it does not know what it is asked for.
  local is_number = task == "regression" and not outputs
  self.ignorant = of_engine and not is_number and not model:info().fitted
  return self
end

local function is_finite(v) return type(v) == "number" and v - v == 0 end

-- What a model in Lua may answer is a label, or a finite number, or several.
local function check_answer(self, answer)
  local good = answer == answer
  if self.outputs then
    good = type(answer) == "table"
    for k = 1, self.outputs do good = good and is_finite(answer[k]) end
  elseif self.of_numbers then
    good = is_finite(answer)
  end
  if good then return end
  local wanted = self.outputs and ("%d finite numbers"):format(self.outputs)
    or self.of_numbers and "a finite number" or "a label"
  local got = answer ~= answer and "NaN" or type(answer) == "number" and tostring(answer)
    or "a " .. type(answer)
  error(("predict_one must give %s, or nil, gave %s"):format(wanted, got), 0)
end

-- Asked of each sample, where a figure asks for them also for probabilities, and taught
-- the one whose label comes with it.
local function ask_then_teach(self, ring, first, last)
  local model, said, guessed, size = self.model, self.said, self.guessed, ring.size
  local ask_both = self.wants and model.predict_proba_one
  for t = first, last do
    local at, due = (t - 1) % size + 1, t - self.delay
    local x = ring[at].x
    self.at = t
    if ask_both then guessed[at] = model:predict_proba_one(x) end
    said[at] = model:predict_one(x)
    if self.checks and said[at] ~= nil then check_answer(self, said[at]) end
    if self.ignorant or said[at] == nil then said[at], guessed[at] = nil, nil end
    local row = ring[(due - 1) % size + 1]
    if due > 0 and row.y ~= nil then
      model:learn_one(row.x, row.y)
      self.ignorant = false
    end
  end
end

-- Both at once.
local function test_then_learn(self, ring, first, last)
  local model, said, size = self.model, self.said, ring.size
  for t = first, last do
    local at = (t - 1) % size + 1
    local row = ring[at]
    self.at = t
    if row.y == nil then
      said[at] = (model:predict_one(row.x))
    else
      said[at] = (model:test_then_learn(row.x, row.y))
    end
    if self.ignorant then
      said[at], self.ignorant = nil, row.y == nil
    end
  end
end

-- The labels of samples first … last are known.
function Trial:judge(ring, first, last)
  self.settled = math.max(last, 0)
  first = math.max(first, self.warmup + 1)
  local before = self.after and math.min(math.max(self.after, first - 1), last) or last
  local function enter(rows, answers)
    rows:enter(ring, answers, first, before, false)
    rows:enter(ring, answers, before + 1, last, true)
  end
  for _, rows in ipairs(self.rows) do enter(rows, self.said) end
  if self.probable then enter(self.probable, self.guessed) end
end

--- Samples first … last of the ring have come.
function Trial:run(ring, first, last)
  local began = os.clock()
  local step = self.whole and test_then_learn or ask_then_teach
  local good, reason = pcall(step, self, ring, first, last)
  if not good then
    local said = type(reason) == "string"
    error(said and ("%s: sample %d: %s"):format(self.name, self.at, text.reason(reason))
      or reason, 0)
  end
  self.seconds = self.seconds + os.clock() - began
  self.seen = last
  self:judge(ring, self.settled + 1, last - self.delay)
end

--- The labels that are still missing arrive.
function Trial:settle_all(ring)
  for t = self.settled + 1, ring.read do
    local row = ring[(t - 1) % ring.size + 1]
    if row.y ~= nil then self.model:learn_one(row.x, row.y) end
  end
  self:judge(ring, self.settled + 1, ring.read)
end

-- ---------------------------------------------------------------------- figures

local function bytes_of(model)
  return type(model) == "userdata" and model:info().bytes or nil
end

-- A figure by the name of its method: of several outputs the mean of theirs.
function Trial:figure(measure, what)
  if not self.outputs then return measure[1][what](measure[1]) end
  local sum = 0
  for k = 1, self.outputs do
    local value = measure[k][what](measure[k])
    if not value then return nil end
    sum = sum + value
  end
  return sum / self.outputs
end

--- An empty history: a list for each metric, of microseconds and of bytes.
function Trial:history()
  local history = { microseconds = {}, bytes = {} }
  for _, measure in ipairs(self.measures) do history[measure.metric.name] = {} end
  return history
end

local NAN = 0 / 0

--- One more entry of it: figures of the window, what a sample took since the last.
function Trial:mark(history)
  local n = #history.microseconds + 1
  for _, measure in ipairs(self.measures) do
    history[measure.metric.name][n] = self:figure(measure, "window") or NAN
  end
  local rows = self.seen - (self.marked or 0)
  history.microseconds[n] = 1e6 * (self.seconds - (self.before or 0)) / math.max(rows, 1)
  history.bytes[n] = bytes_of(self.model) or NAN
  self.marked, self.before = self.seen, self.seconds
  self.first_bytes = self.first_bytes or history.bytes[n]
  self.first_rows = self.first_rows or self.marked
end

--- What there is to say at the end of so many rows.
function Trial:figures(rows)
  local out = { total = {}, window = {}, fading = {}, judged = self.rows[1].n }
  if self.after then out.after = {} end
  for _, measure in ipairs(self.measures) do
    local name = measure.metric.name
    out.total[name] = self:figure(measure, "total")
    out.fading[name] = self:figure(measure, "faded")
    out.window[name] = self:figure(measure, "window")
    if self.after then out.after[name] = self:figure(measure, "later") end
  end
  out.microseconds = 1e6 * self.seconds / math.max(rows, 1)
  out.bytes = bytes_of(self.model)
  if out.bytes and self.first_rows and rows > self.first_rows then
    out.bytes_per_row = (out.bytes - self.first_bytes) / (rows - self.first_rows)
  end
  return out
end

-- -------------------------------------------------------------------- baselines

-- Functions of their own: a metatable would be asked for them at every sample.
local function baseline(learn_one, model)
  model.is_baseline = true
  model.predict_one = function(self) return self.y end
  model.learn_one = learn_one
  return model
end

local function learn_last(self, _, y) self.y = y end

local function count(self, _, y)
  local counts = self.counts
  counts[y] = (counts[y] or 0) + 1
  if self.y == nil or counts[y] > counts[self.y] then self.y = y end
end

local function average(self, _, y)
  local before, n = self.y, self.n + 1
  self.n = n
  if type(y) ~= "table" then
    before = before or 0
    self.y = before + (y - before) / n
    return
  end
  self.y = {}
  for k = 1, #y do
    local mean = before and before[k] or 0
    self.y[k] = mean + (y[k] - mean) / n
  end
end

local function of_engine(name) return core.new("learner", name, { task = "classification" }) end

--- What needs no model: { { name, model }, … }.
-- @param wants whether they shall have probabilities
function trial.baselines(task, wants)
  local last = wants and of_engine "last_value" or baseline(learn_last, {})
  local second = { name = "majority", model = wants and of_engine "constant" }
  if task == "regression" then
    second = { name = "mean", model = baseline(average, { n = 0 }) }
  end
  second.model = second.model or baseline(count, { counts = {} })
  return { { name = "last value", model = last }, second }
end

return trial
