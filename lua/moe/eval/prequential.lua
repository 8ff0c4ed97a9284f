--- Prequential evaluation (Dawid 1984; Gama, Sebastião & Rodrigues 2013, doi
-- 10.1007/s10994-012-5320-9): each sample is predicted first and learned then.
-- @module moe.eval

local core = require "moe.core"
local new_ring = require "moe.eval.ring"
local options = require "moe.options"
local running = require "moe.eval.running"
local show = require "moe.eval.prequential_text"
local stream = require "moe.streams.stream"
local text = require "moe.text"
local trial = require "moe.eval.trial"

local judging = {}

local CHUNK = 64 -- samples that a model works on before the next one does

local known = {
  metrics = {}, task = { { "classification", "regression" } },
  every = { "integer", min = 1, default = 1000 },
  delay = { "integer", min = 0, default = 0 },
  warmup = { "integer", min = 0, default = 0 },
  after = { "integer", min = 1 },
  window = { "integer", min = 1, default = 1000 },
  fading = { "number", min = 1e-6, max = 1, default = 0.999 },
  rows = { "integer", min = 1 }, seconds = { "number", min = 0 },
  baselines = { "boolean", default = true }, experts = { "boolean", default = false },
  progress = { "function" },
}

-- ---------------------------------------------------------------------- models

local function is_model(value)
  return type(value) == "userdata"
    or type(value) == "table" and type(value.learn_one) == "function"
end

local function check_model(model, name)
  if is_model(model) and (type(model) == "userdata" and model.learn_one or model.predict_one) then
    return model
  end
  error(("prequential: %s must have learn_one and predict_one, got a %s"):format(
    name, type(model)), 0)
end

local function expert_clones(name, model, task, list)
  if type(model) ~= "userdata" or model:info().type ~= "mixture" then return end
  local names, experts = {}, model:get_params().experts
  for key in pairs(experts) do names[#names + 1] = key end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(names) do
    local clone = experts[key]:clone()
    if clone:get_params().task == "auto" then clone:set_params { task = task } end
    list[#list + 1] = { name = ("%s.%s"):format(name, key), model = clone }
  end
end

-- What cannot learn from a stream would be asked first, and say something else.
local function check_online(name, model)
  local type_name = type(model) == "userdata" and model:info().type
  for _, entry in ipairs(type_name and core.types() or {}) do
    if entry.family == "learner" and entry.name == type_name and not entry.traits.online then
      error(("prequential: '%s', a %s, cannot learn row by row"):format(name, type_name), 0)
    end
  end
end

local function check_names(list)
  local seen = {}
  for _, one in ipairs(list) do
    if seen[one.name] then
      error(("prequential: two are called '%s'; baselines = false leaves out those that need no "
        .. "model"):format(one.name), 0)
    end
    seen[one.name] = true
  end
end

local function check_each(list)
  local seen = {}
  for _, one in ipairs(list) do
    check_online(one.name, one.model)
    if seen[one.model] then
      error(("prequential: '%s' and '%s' are one model"):format(seen[one.model], one.name), 0)
    end
    seen[one.model] = one.name
  end
end

-- { { name, model }, … }: one model, or those of a table by name; their experts; what
-- needs no model.
local function contestants(given, task, wants, o)
  local list, named = {}, is_model(given) and {} or given
  if is_model(given) then
    local name = type(given) == "userdata" and given:info().type or "model"
    list[1] = { name = name, model = check_model(given, "the model") }
  elseif type(given) ~= "table" or next(given) == nil then
    error("prequential: a model, or a table of models by name, expected", 0)
  end
  local names = {}
  for name in pairs(named) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, name in ipairs(names) do
    list[#list + 1] = { name = tostring(name), model = check_model(named[name], tostring(name)) }
  end
  check_each(list)
  for i = 1, o.experts and #list or 0 do expert_clones(list[i].name, list[i].model, task, list) end
  for _, baseline in ipairs(o.baselines and trial.baselines(task, wants) or {}) do
    list[#list + 1] = baseline
  end
  check_names(list)
  return list
end

-- Arrays are taken in the order of the columns: what has learned them in another is
-- refused.
local function check_columns(list, x)
  local given = stream.names_of(x)
  for _, one in ipairs(given and list or {}) do
    local learned = type(one.model) == "userdata" and one.model:info().names or given
    for j = 1, math.min(#learned, #given) do
      if learned[j] ~= given[j] then
        local said = "prequential: column %d of the stream is '%s', of what '%s' has learned '%s'"
        error(said:format(j, given[j], one.name, learned[j]), 0)
      end
    end
  end
end

-- ------------------------------------------------------------------------ runs

local function read_stream(given)
  if stream.is_stream(given) then return given end
  if type(given) == "function" then return setmetatable({ name = "samples" }, {
    __call = function() return given() end,
  }) end
  local hint = type(given) == "userdata" and " (moe.streams.rows makes one of rows)" or ""
  error("prequential: a stream of moe.streams, or a function → x, y, expected; got a "
    .. type(given) .. hint, 0)
end

local function task_of(given, source, o, first, read)
  if o.task or source.task then return o.task or source.task end
  for _, model in pairs(is_model(given) and { given } or given) do
    local params = type(model) == "userdata" and model:get_params() or {}
    if params.task and params.task ~= "auto" then return params.task end
  end
  if first == nil and read > 0 then
    error(("prequential: the first %d samples have no label that would tell the task; give "
      .. "'task'"):format(read), 0)
  end
  local of_numbers = type(first) == "number" or type(first) == "table"
  return of_numbers and "regression" or "classification"
end

local Prequential = { __tostring = show.result }
Prequential.__index = Prequential

--- The history as a table: a row for each model at each mark, with its place, the
-- figures of the window, the microseconds a sample and the bytes.  Of one metric a row for
-- each mark, with a column for each model, as programs that plot like to have it.
-- @param[opt] metric its name, or "microseconds" or "bytes"
-- @return a Table
-- @raise if there is no such metric
-- @usage result:table("accuracy"):write_csv "history.csv"
-- -- gnuplot: set datafile separator ","; set key autotitle columnhead
-- -- plot for [k = 2:4] "history.csv" using 1:k with lines
function Prequential:table(metric)
  if metric == nil then return show.table(self) end
  if not self.history[self.names[1]][metric] then
    error(("table: there is no metric '%s' in the history"):format(tostring(metric)), 2)
  end
  return show.table_of(self, metric)
end

-- What is known at this point of the stream, of every model.
local function mark(result, trials, rows)
  table.insert(result.history.rows, rows)
  for _, one in ipairs(trials) do one:mark(result.history[one.name]) end
end

local function finish(result, trials, rows, began)
  result.rows, result.seconds = rows, core.now() - began
  for _, one in ipairs(trials) do result.models[one.name] = one:figures(rows) end
  local first = result.models[result.names[1]]
  result.total, result.window, result.fading = first.total, first.window, first.fading
  result.after = first.after
  return result
end

local function begin(source, list, metrics, task, first, o)
  local result = setmetatable({
    name = source.name, task = task, names = {}, metrics = metrics, models = {},
    history = { rows = {} }, options = o,
  }, Prequential)
  local trials = {}
  for i, one in ipairs(list) do
    local outputs = type(first) == "table" and #first or nil
    trials[i] = trial.new(one.name, one.model, metrics, task, outputs, o)
    result.names[i] = one.name
    result.history[one.name] = trials[i]:history()
  end
  return result, trials
end

local function is_late(ends) return ends ~= nil and core.now() >= ends end

-- Reads to the next mark, or as long as there is time; how many samples that was.
local function go_on(ring, trials, upto, ends)
  local before = ring.read
  repeat
    local first, wanted = ring.read + 1, math.min(CHUNK, upto - ring.read)
    local message, code = ring:fill(wanted)
    for _, one in ipairs(trials) do one:run(ring, first, ring.read) end
    if code then return nil, message, code end
  until ring.read < first - 1 + wanted or ring.read == upto or is_late(ends)
  return ring.read - before
end

-- From the samples that were read already to the end, or the limits.
local function go_through(ring, trials, result, ends)
  local o, n, message, code = result.options, ring.read
  local most = o.rows or math.huge
  while n > 0 do
    if ring.read % o.every == 0 then
      mark(result, trials, ring.read)
      if o.progress then o.progress(ring.read, result) end
    end
    if ring.read == most or is_late(ends) then break end
    local upto = math.min((math.floor(ring.read / o.every) + 1) * o.every, most)
    n, message, code = go_on(ring, trials, upto, ends)
    if not n then return nil, message, code end
  end
  return true
end

local function evaluate(model, given, o)
  local source, began = read_stream(given), core.now()
  if source.endless and not o.rows and not o.seconds then
    error(("prequential: the stream '%s' is endless; say how many rows"):format(source.name), 0)
  end
  local ring = new_ring(source, o.delay + CHUNK)
  local first, message, code = ring:first_target(math.min(CHUNK, o.every, o.rows or CHUNK))
  if code then return nil, message, code end
  if ring.read == 0 and stream.is_stream(given) and given.at > 0 then
    error(("prequential: the stream '%s' has come to its end; reset() begins it anew"):format(
      given.name), 0)
  end
  local task = task_of(model, source, o, first, ring.read)
  local ends = o.seconds and began + o.seconds or nil
  if task == "regression" and type(first) == "string" then
    error("prequential: y holds strings, and the task is regression", 0)
  end
  ring.targets = task == "regression" and type(first) == "number" and "number" or nil
  local metrics = running.metrics(o.metrics, task)
  local list = contestants(model, task, running.wants_probabilities(metrics), o)
  check_columns(list, ring[1].x)
  local result, trials = begin(source, list, metrics, task, first, o)
  for _, one in ipairs(trials) do one:run(ring, 1, ring.read) end
  local good
  good, message, code = go_through(ring, trials, result, ends)
  if not good then return nil, message, code end
  for _, one in ipairs(trials) do one:settle_all(ring) end
  return finish(result, trials, ring.read, began)
end

--- Judges models on a stream: each sample is predicted, then learned from.  A sample
-- that a model has no answer to yet (nil) counts neither for nor against it.
-- @param model a learner, of the engine or with learn_one and predict_one in Lua; or a
-- table of them, name → model, for one pass over the same samples
-- @param samples a Stream, or a function that gives x, y and at last nil
-- @param[opt] options a table of
--   metrics: a name, or a list of names or { name, option = value }; accuracy,
--     kappa_temporal and kappa_m, or rmse, mae and r2, unless given
--   delay = 0: so many samples later the label of a sample arrives, after the prediction
--     of the one that comes with it; at the stream's end those that are still missing do
--   warmup = 0: so many samples at the beginning are learned from without being judged
--   after: figures also of what is judged after so many samples alone
--   window = 1000: how many of the last samples the windowed figures are of
--   fading = 0.999: by which each sample counts less than the next in the faded figures
--   every = 1000: samples between two entries of the history
--   rows, seconds: the most; all samples unless given
--   baselines = true: beside the models, the last label or number there was, and the
--     commonest label or the mean
--   experts = false: beside each mixture clones of its experts, which learn alone
--   task: "classification" or "regression"; that of the stream unless given
--   progress: a function of the samples so far and the result, at each entry
-- Targets may be tables of several numbers: figures are then means over these.
-- @return a result that prints, with a line of the windowed figure of the first metric for
-- each model: { rows, seconds, names, models = { name → { total, window, fading, after =
-- metric → number, microseconds = a sample's, bytes = of the model, bytes_per_row, judged }
-- }, history = { rows, name → { metric → list, of the window } } }; total, window, fading
-- and after of the first model are also there by themselves.  Or nil, message, code where
-- a file ends badly
-- @raise if a model cannot learn one by one, or has learned columns in another order
-- than the stream's; and, with the sample, as the model does, or where one in Lua answers
-- what is no finite number or no label
-- @usage print(moe.eval.prequential(m, moe.streams.sea { rows = 10000 }))
function judging.prequential(model, samples, given)
  local o = options.check("prequential", given, known)
  local good, result, message, code = pcall(evaluate, model, samples, o)
  if not good then error(text.reason(result), 2) end
  if not result then return nil, message, code end
  return result
end

return judging
