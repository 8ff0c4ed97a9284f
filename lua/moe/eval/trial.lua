-- One model on a stream: asked, judged when the label arrives, taught.

local core = require "moe.core"
local running = require "moe.eval.running"
local text = require "moe.text"

local trial = {}

local Trial = {}
Trial.__index = Trial

--- @param task and outputs of the targets: how many numbers each has, nil of single ones
-- @param o the options of prequential
function trial.new(name, model, list, task, outputs, o)
  local self = setmetatable({
    name = name, model = model, delay = o.delay, warmup = o.warmup, window = o.window,
    after = o.after, said = {}, guessed = {}, y = {}, p = {}, q = {}, measures = {}, later = {},
    judged = 0, seconds = 0, seen = 0, settled = 0, wants = running.wants_probabilities(list),
  }, Trial)
  for k, metric in ipairs(list) do
    self.measures[k] = running.new(metric, o.fading, outputs)
    if o.after then self.later[k] = running.new(metric, 1, outputs) end
  end
  local of_engine = type(model) == "userdata"
  self.whole = of_engine and o.delay == 0 and not self.wants
  -- Before it is taught it may answer 0, as it does not know what it is asked for.
  local is_number = task == "regression" and not outputs
  self.ignorant = of_engine and not is_number and not model:info().fitted
  return self
end

-- p: what was predicted; q: its probabilities, where a figure asks for them.
function Trial:judge(t, y, p, q)
  if p == nil or t <= self.warmup then return end
  local at = self.judged % self.window + 1
  self.judged = self.judged + 1
  self.y[at], self.p[at], self.q[at] = y, p, q
  local measures, later = self.measures, self.after and t > self.after and self.later
  for k = 1, #measures do
    local measure = measures[k]
    local answer = p
    if measure.metric.type.kind == "probability" then answer = q end
    if answer ~= nil then
      measure:update(y, answer)
      if later then later[k]:update(y, answer) end
    end
  end
end

-- What it says, and where a figure asks for them its probabilities.
function Trial:ask(x)
  local model = self.model
  local q = self.wants and model.predict_proba_one and model:predict_proba_one(x) or nil
  local p = model:predict_one(x)
  if self.ignorant then return nil end
  return p, q
end

-- Asked of sample t, and taught the one whose label comes with it.
function Trial:learn(ring, t)
  local model, size = self.model, ring.size
  local at = (t - 1) % size + 1
  local row = ring[at]
  if self.whole and row.y ~= nil then
    self.said[at] = (model:test_then_learn(row.x, row.y))
    if self.ignorant then self.said[at], self.ignorant = nil, false end
    return
  end
  self.said[at], self.guessed[at] = self:ask(row.x)
  if t > self.delay then self:teach(ring, t - self.delay) end
end

function Trial:teach(ring, t)
  local row = ring[(t - 1) % ring.size + 1]
  if row.y == nil then return end
  self.model:learn_one(row.x, row.y)
  self.ignorant = false
end

-- The labels of samples first … last are known.
function Trial:judge_all(ring, first, last)
  for t = first, last do
    local at = (t - 1) % ring.size + 1
    if ring[at].y ~= nil then self:judge(t, ring[at].y, self.said[at], self.guessed[at]) end
  end
  self.settled = math.max(last, 0)
end

local function learn_all(self, ring, first, last)
  for t = first, last do self:learn(ring, t) end
end

--- Samples first … last of the ring have come.
function Trial:run(ring, first, last)
  local began = os.clock()
  local good, reason = pcall(learn_all, self, ring, first, last)
  if not good then
    local said = type(reason) == "string"
    error(said and ("%s: %s"):format(self.name, text.reason(reason)) or reason, 0)
  end
  self.seconds = self.seconds + os.clock() - began
  self.seen = last
  self:judge_all(ring, self.settled + 1, last - self.delay)
end

--- The labels that are still missing arrive.
function Trial:settle_all(ring)
  for t = self.settled + 1, ring.read do self:teach(ring, t) end
  self:judge_all(ring, self.settled + 1, ring.read)
end

-- ---------------------------------------------------------------------- figures

local function bytes_of(model)
  return type(model) == "userdata" and model:info().bytes or nil
end

function Trial:windowed(k)
  local measure = self.measures[k]
  local answers = measure.metric.type.kind == "probability" and self.q or self.p
  local first = math.max(1, self.judged - self.window + 1)
  return measure:of(self.y, answers, first, self.judged, self.window)
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
  for k, measure in ipairs(self.measures) do
    history[measure.metric.name][n] = self:windowed(k) or NAN
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
  local out = { total = {}, window = {}, fading = {}, judged = self.judged }
  if self.after then out.after = {} end
  for k, measure in ipairs(self.measures) do
    local name = measure.metric.name
    out.total[name], out.fading[name] = measure:total(), measure:faded()
    out.window[name] = self:windowed(k)
    if self.after then out.after[name] = self.later[k]:total() end
  end
  out.microseconds = 1e6 * self.seconds / math.max(rows, 1)
  out.bytes = bytes_of(self.model)
  if out.bytes and self.first_rows and rows > self.first_rows then
    out.bytes_per_row = (out.bytes - self.first_bytes) / (rows - self.first_rows)
  end
  return out
end

-- -------------------------------------------------------------------- baselines

local Last = { __index = {
  predict_one = function(self) return self.y end,
  learn_one = function(self, _, y) self.y = y end,
} }

local Most = { __index = {
  predict_one = function(self) return self.y end,
  learn_one = function(self, _, y)
    local counts = self.counts
    counts[y] = (counts[y] or 0) + 1
    if self.y == nil or counts[y] > counts[self.y] then self.y = y end
  end,
} }

local Mean = { __index = {
  predict_one = function(self) return self.y end,
  learn_one = function(self, _, y)
    local before, n = self.y, self.n + 1
    self.n = n
    if type(y) ~= "table" then
      self.y = (before or 0) + (y - (before or 0)) / n
      return
    end
    self.y = {}
    for k = 1, #y do
      local mean = before and before[k] or 0
      self.y[k] = mean + (y[k] - mean) / n
    end
  end,
} }

local function of_engine(name) return core.new("learner", name, { task = "classification" }) end

--- What needs no model: { { name, model }, … }.
-- @param wants whether they shall have probabilities
function trial.baselines(task, wants)
  local last = wants and of_engine "last_value" or setmetatable({}, Last)
  local second = { name = "majority", model = wants and of_engine "constant" }
  if task == "regression" then
    second = { name = "mean", model = setmetatable({ n = 0 }, Mean) }
  end
  second.model = second.model or setmetatable({ counts = {} }, Most)
  return { { name = "last value", model = last }, second }
end

return trial
