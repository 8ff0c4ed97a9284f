--- Work spread over processes: children forked from this one, each of which has
-- all that this one had, does one piece of work and sends the result back.
--
-- Nothing is forked unless it is asked for: without `processes` there are as
-- many as this Lua state may use threads, which is 1 in a host and all cores in
-- `moe`; and 1 does the work here, without a fork.
-- @module moe.processes

local core = require "moe.core"
local options = require "moe.options"

local processes = {}

local function failure(i, message)
  return ("processes: item %d: %s"):format(i, tostring(message))
end

-- In place the pieces run one after the other, to the first that fails.
local function map_here(items, fn, progress)
  local results = {}
  for i = 1, #items do
    local good, value = pcall(fn, items[i], i)
    if not good then error(failure(i, value), 0) end
    results[i] = value
    if progress then progress(i, #items) end
  end
  return results
end

local function start(fn, item, i)
  return core.processes.fork(function()
    core.set_threads(1)
    local good, packed = pcall(function() return core.processes.pack { true, fn(item, i) } end)
    return good and packed or core.processes.pack { false, tostring(packed) }
  end)
end

-- What a child that has come to its end has sent: true and its value, or false
-- and a message.
local function read(job)
  local ending = job.process:close()
  local good, answer = pcall(core.processes.unpack, table.concat(job.parts))
  if good then return answer[1], answer[2] end
  return false, ending or "its process ended before it had a result"
end

local Run = {}
Run.__index = Run

-- Fills the free places.  After a failure nothing new is started, but what was
-- before it goes on: the failure that is told is that of the first item, not of
-- the fastest child.
function Run:fill()
  while not self.failed and #self.running < self.limit and self.next <= #self.items do
    local process, message = start(self.fn, self.items[self.next], self.next)
    if not process then
      if #self.running > 0 then return end
      error("processes: no process can be started: " .. message, 0)
    end
    self.running[#self.running + 1] = { process = process, item = self.next, parts = {} }
    self.next = self.next + 1
  end
end

function Run:finish(job)
  local good, value = read(job)
  self.done = self.done + 1
  if good then
    self.results[job.item] = value
  elseif not self.failed or job.item < self.failed then
    self.failed, self.message = job.item, value
  end
  if self.progress then self.progress(self.done, #self.items) end
end

function Run:go()
  self:fill()
  while #self.running > 0 do
    local children = {}
    for k, job in ipairs(self.running) do children[k] = job.process end
    local k, bytes = core.processes.wait(children)
    if k and bytes == "" then
      self:finish(table.remove(self.running, k))
      self:fill()
    elseif k then
      table.insert(self.running[k].parts, bytes)
    end
  end
  if self.failed then error(failure(self.failed, self.message), 0) end
end

local function map_in_processes(items, fn, limit, progress)
  local run = setmetatable({
    items = items, fn = fn, limit = limit, progress = progress,
    next = 1, done = 0, running = {}, results = {},
  }, Run)
  local good, message = pcall(run.go, run)
  for _, job in ipairs(run.running) do job.process:close() end
  if not good then error(message, 0) end
  return run.results
end

--- fn(item, i) of every item, in as many processes at a time.  A result is a
-- plain value: nil, a boolean, a number, a string, or a table of those; it
-- arrives exactly as it was sent.  What else a child changes is lost.  A child
-- works on one thread.  Results do not depend on the number of processes as long
-- as fn depends on its arguments alone (a seed belongs into the item); but a child
-- of a process that has used oneDNN multiplies matrices with CBLAS, which agrees
-- to float32's precision.
-- @param items an array
-- @param fn a function of an item and its place
-- @param[opt] options { processes = how many at a time (1: all here, without a
-- fork; as many as `moe.threads()` unless given), progress = a function of how
-- many are done and how many there are }
-- @return the results, in the order of the items
-- @raise with the message and the place of the first item that fails
-- @usage moe.processes.map({ 1, 2, 3 }, function(seed) return train(seed) end, { processes = 2 })
function processes.map(items, fn, given)
  if type(items) ~= "table" then error("processes: items must be an array", 2) end
  if type(fn) ~= "function" then error("processes: fn must be a function", 2) end
  local o = options.check("processes", given, {
    processes = { "integer", min = 1, max = 4096, default = core.threads() },
    progress = { "function" },
  })
  local limit = math.min(o.processes, #items)
  if limit <= 1 then return map_here(items, fn, o.progress) end
  return map_in_processes(items, fn, limit, o.progress)
end

return processes
