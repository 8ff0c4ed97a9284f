--- The mixture: its constructor, and what it can tell about itself.
-- @module moe.mixture

local core = require "moe.core"
local check_options = require("moe.options").check
local make = require "moe.make"
local streaming = require "moe.streaming"
local text = require "moe.text"

local Learner = core.methods "Learner"

core._on_table("streaming", streaming)

local function check_mixture(m, method)
  if m:info().type ~= "mixture" then
    error(("%s: %s is not a mixture"):format(method, m:info().type), 3)
  end
end

-- A pipeline answers for the mixture behind its transforms.
local function is_pipeline(m) return m:info().type == "pipeline" end

local function find_expert(m, method, name)
  check_mixture(m, method)
  local experts = m:get_params "experts"
  local expert = experts[name] or experts[tonumber(name)]
  if not expert then
    error(("%s: there is no expert '%s'"):format(method, tostring(name)), 3)
  end
  return expert, experts
end

-- Where a stream cannot go on with these experts, those of before are back.
local function replace_experts(m, method, experts)
  local before = m:get_params "experts"
  local good, reason = pcall(m.set_params, m, { experts = experts })
  if good then
    good, reason = pcall(m._follow, m)
    if not good then m:set_params { experts = before } end
  end
  if not good then
    error(type(reason) == "string" and ("%s: %s"):format(method, reason) or reason, 3)
  end
end

--- The expert of that name: the very object that was put in.
-- @param name its name, or its place where the experts are a list
-- @raise if this is no mixture, or has no such expert
function Learner:expert(name)
  local expert = find_expert(self, "expert", name)
  return expert
end

--- Adds an expert.  On a stream the mixture goes on with it at once; one that was
-- fitted answers again after the next fit.
-- @param name a string that none of the experts has, or the place after the last
-- where they are a list
-- @param expert a learner that is in no mixture yet
-- @return the mixture
-- @raise if the name is taken, the experts would be neither all named nor a list, or
-- the stream cannot go on with this one; the mixture is then as it was
function Learner:add_expert(name, expert)
  check_mixture(self, "add_expert")
  local experts = self:get_params "experts"
  if experts[name] then
    error(("add_expert: there is an expert '%s' already"):format(tostring(name)), 2)
  end
  if name == nil or expert == nil then error("add_expert: a name and a learner expected", 2) end
  experts[name] = expert
  replace_experts(self, "add_expert", experts)
  return self
end

--- Takes an expert out.  On a stream the mixture goes on without it at once; one
-- that was fitted answers again after the next fit.
-- @param name as for `expert`
-- @return the expert
-- @raise as `expert`, or if the stream cannot go on without it, as it cannot without the
-- last; the mixture is then as it was
function Learner:remove_expert(name)
  local expert, experts = find_expert(self, "remove_expert", name)
  if #experts > 0 then
    table.remove(experts, tonumber(name))
  else
    experts[name] = nil
  end
  replace_experts(self, "remove_expert", experts)
  return expert
end

local SHOWN = 4 -- events

-- "6, lastly drift of line at 2044, reset of tree at 2811".
local events_printed = {
  __tostring = function(events)
    if #events == 0 then return "none" end
    local newest = {}
    for i = math.max(1, #events - SHOWN + 1), #events do
      local event = events[i]
      local whose = event.expert or "one removed since"
      newest[#newest + 1] = ("%s of %s at %d"):format(event.kind, whose, event.at)
    end
    return ("%d, lastly %s"):format(#events, table.concat(newest, ", "))
  end,
}

-- What a mixture on a stream remembers.
local function stream_stats(m)
  local stats = m:_stream_stats()
  if not stats then return end
  setmetatable(stats.events, events_printed)
  return setmetatable(stats, text.printed)
end

--- How a mixture spreads its rows.
-- @param[opt] X rows as `predict` takes them; without it, the rows it was fitted to,
-- or the stream that it learns from
-- @return { load, importance, samples, dead }, which prints as lines: load and
-- importance are shares in [0, 1] by the expert's name ("1", "2", … in a list), samples
-- the rows that each was trained on, dead the names of those with load 0.  Of given rows also
-- { rows, names, cv_load, cv_importance, maxvio, entropy, confidence }.
-- On a stream, and without rows, running figures by expert: load, the share of the
-- samples that selected it; utilisation, its mean probability since it was new; loss,
-- −log p of the class or squared error, of experts that were asked; learned, the samples
-- that it learned since it was new; warmup, the part of its warm-up that is over; and
-- bias, what the balance adds to it.  And of the whole: steps, the samples learned;
-- disagreement, the deviation between the experts' answers to the newest sample, and
-- mean_disagreement; entropy of the gate in [0, 1]; alignment, in [-1, 1], whether the
-- answer turns as it did; dead, the names of experts whose share is below `dead_below`;
-- and events, the newest 64, { at, kind, expert }: kind is "drift", "reset", "clone",
-- "fork" or "take_over", at the number of the sample; expert nil once it was removed.
-- @raise if this is no mixture; of given rows, as `route`
function Learner:stats(X)
  if is_pipeline(self) then
    return self:get_params("model"):stats(X and self:transform(X))
  end
  check_mixture(self, "stats")
  local running = not X and stream_stats(self)
  if running then return running end
  local info = self:info()
  local stats = X and self:_stats_of(X) or { load = info.load, importance = info.importance }
  stats.samples, stats.dead = info.samples, {}
  for name, load in pairs(stats.load or {}) do
    if load == 0 then stats.dead[#stats.dead + 1] = name end
  end
  table.sort(stats.dead)
  return setmetatable(stats, text.printed)
end

local function answer_text(answer)
  local said, confidence = text.value(answer.prediction), answer.confidence
  return confidence and ("%s (%.2f)"):format(said, confidence) or said
end

-- "age +1.2, size -0.31": features by falling size of what they contribute.
local function features_text(features)
  local parts = {}
  for i, one in ipairs(features or {}) do
    local name = type(one.name) == "number" and ("x[%d]"):format(one.name) or one.name
    parts[i] = ("%s %+.3g"):format(name, one.value)
  end
  return #parts > 0 and table.concat(parts, ", ") or "-"
end

local function explanation_text(e)
  local rows = { { "expert", "prob", "weight", "answer", "moved by", "gate moved by" } }
  local columns = 4
  for _, one in ipairs(e.experts) do
    if one.features then columns = math.max(columns, 5) end
    if one.gate_features then columns = 6 end
    rows[#rows + 1] = {
      (one.chosen and "* " or "  ") .. one.name,
      ("%.3f"):format(one.prob),
      one.chosen and ("%.3f"):format(one.weight) or "-",
      answer_text(one),
      features_text(one.features),
      features_text(one.gate_features),
    }
  end
  for _, row in ipairs(rows) do
    for k = #row, columns + 1, -1 do row[k] = nil end
  end
  return ("prediction: %s\n%s"):format(answer_text(e), text.columns(rows))
end

-- The n features that contribute most, either way.
local function largest(contributions, n)
  local list = {}
  for name, value in pairs(contributions) do
    if value ~= 0 then list[#list + 1] = { name = name, value = value } end
  end
  table.sort(list, function(a, b)
    local x, y = math.abs(a.value), math.abs(b.value)
    if x ~= y then return x > y end
    return tostring(a.name) < tostring(b.name)
  end)
  for i = #list, n + 1, -1 do list[i] = nil end
  return list
end

-- What the features contribute to each output, or to the only one; nil of a
-- learner that cannot tell, as one that has begun anew and learned nothing yet.
local function contributions_of(learner, x)
  local info = learner:info()
  if info.n_seen == 0 and not info.program then return end
  local found = learner:contributions(x)
  if type(found) ~= "table" then return end
  local _, first = next(found)
  return found, type(first) == "table"
end

local function expert_features(expert, x, answer, n)
  local found, by_output = contributions_of(expert, x)
  if by_output then found = found[answer] end
  return found and largest(found, n)
end

-- Of each expert, what moved the gate to it more than to the others on average:
-- adding a number to all logits changes no probability.
local function gate_features(gate, x, n)
  local found, by_output = contributions_of(gate, x)
  if not by_output then return {} end
  local mean, out = {}, {}
  for _, features in ipairs(found) do
    for name, value in pairs(features) do mean[name] = (mean[name] or 0) + value / #found end
  end
  for e, features in ipairs(found) do
    for name, value in pairs(features) do features[name] = value - mean[name] end
    out[e] = largest(features, n)
  end
  return out
end

-- The experts by falling probability.
local function by_probability(a, b)
  if a.prob ~= b.prob then return a.prob > b.prob end
  return a.index < b.index
end

-- What an expert says by output: its classes' probabilities, or its numbers.
local function outputs_of(expert, x, answer)
  if expert:classes() then return expert:predict_proba_one(x) end
  return type(answer) == "table" and answer or { answer }
end

-- The deviation between such answers, n − 1 counted; of several outputs the root of their
-- summed variances.
local function disagreement(answers, outputs)
  local n, total = #answers, 0
  for _, k in ipairs(outputs) do
    local mean, squares = 0, 0
    for _, said in ipairs(answers) do mean = mean + (said[k] or 0) / n end
    for _, said in ipairs(answers) do squares = squares + ((said[k] or 0) - mean) ^ 2 end
    total = total + squares
  end
  return n > 1 and math.sqrt(total / (n - 1)) or 0
end

local function places_of(list)
  local places = {}
  for k = 1, #list do places[k] = k end
  return places
end

--- Who answered a sample, and why: the experts by falling probability of the
-- gate, each with its own answer, and the features that moved it and the gate.
-- @param x an array of numbers, or name → value
-- @param[opt] options { features }: the most features that each list names, 3 unless
-- given
-- @return { prediction, confidence, disagreement, experts = { { name, prob, weight, chosen,
-- prediction, confidence, index, features, gate_features }, … } }, which prints as a
-- table; confidence is nil in regression, disagreement the deviation between the experts'
-- numbers, or their probabilities, weight 0 where an expert is not chosen,
-- index its column in what `route` gives.  features, of the experts that are chosen,
-- is a list of { name, value }: what a feature contributes to the expert's answer, by
-- falling size; gate_features what it contributes to the gate's logit for this
-- expert, beyond the mean of the experts'.  Both are as `contributions` tells them:
-- nil where it tells none, or x is no array and no name → value
-- @raise if this is no mixture; as `predict_one`
function Learner:explain(x, options)
  if is_pipeline(self) then
    return self:get_params("model"):explain(self:transform_one(x), options)
  end
  check_mixture(self, "explain")
  local most = check_options("explain", options, {
    features = { "integer", min = 0, default = 3 },
  }).features
  local good, routing = pcall(self.route_one, self, x)
  if not good then error(routing, 2) end
  local weights, experts, answers = {}, {}, {}
  for k = 1, routing.indices.shape[2] do
    weights[routing.indices:get(1, k)] = routing.weights:get(1, k)
  end
  local moved = gate_features(self:get_params "gate", x, most)
  for e, name in ipairs(routing.names) do
    local expert = self:expert(name)
    local answer, confidence = expert:predict_one(x)
    answers[e] = outputs_of(expert, x, answer)
    experts[e] = {
      name = name,
      prob = routing.probs:get(1, e),
      weight = weights[e] or 0,
      chosen = weights[e] ~= nil,
      prediction = answer,
      confidence = confidence,
      index = e,
      features = weights[e] and expert_features(expert, x, answer, most) or nil,
      gate_features = moved[e],
    }
  end
  table.sort(experts, by_probability)
  local prediction, confidence = self:predict_one(x)
  return setmetatable({
    prediction = prediction, confidence = confidence, experts = experts,
    disagreement = disagreement(answers, self:classes() or places_of(answers[1])),
  }, { __tostring = explanation_text })
end

-- ", one of stream = { … }" for an option that belongs there.
local function place_of(message)
  local name = message:match "^mixture: unknown parameter '([^']*)'"
  for _, entry in ipairs(name and core.types() or {}) do
    for _, param in ipairs(entry.family == "streaming" and entry.params or {}) do
      if param.name == name then
        return ("mixture: unknown parameter '%s'; it is one of stream = { … }"):format(name)
      end
    end
  end
  return message
end

local function check_named(option, names, experts)
  for _, name in ipairs(names) do
    if experts[name] == nil and experts[tonumber(name)] == nil then
      error(("mixture: '%s' names '%s', which is no expert"):format(option, tostring(name)), 0)
    end
  end
end

local function stream_of(given)
  if type(given) == "table" then return streaming(given) end
  if given == nil or type(given) == "userdata" then return given end
  error(("mixture: 'stream' must be a table of the options of moe.streaming; got %s"):format(
    tostring(given)), 0)
end

local function new(options)
  local own, warming = {}, {}
  for name, value in pairs(options) do own[name] = value end
  own.gate = own.gate or core.new("gate", "softmax")
  own.stream = stream_of(own.stream)
  local m = make("learner", "mixture", own)
  for name in pairs(own.stream and own.stream:get_params "warmups" or {}) do
    warming[#warming + 1] = name
  end
  local experts = m:get_params "experts"
  check_named("frozen", m:get_params "frozen" or {}, experts)
  check_named("warmups", warming, experts)
  return m
end

--- Experts behind a gate: moe.mixture { experts = { … }, gate = G.softmax {} }.
-- @param options as `moe.help "mixture"` lists them; experts is name → learner, or
-- a list of learners
-- @return a learner
-- @raise if an option is unknown or out of its range, or names an expert that is none
return function(options)
  if type(options) ~= "table" then
    error("mixture: a table of options expected, got " .. type(options), 2)
  end
  if options.experts == nil then error("mixture: 'experts' is needed: a table of experts", 2) end
  local good, m = pcall(new, options)
  if good then return m end
  local reason = text.reason(m)
  error(type(reason) == "string" and place_of(reason) or reason, 2)
end
