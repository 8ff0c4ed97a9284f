--- Streams.
-- @module moe.streams

local core = require "moe.core"
local stream = require "moe.streams.stream"
local text = require "moe.text"

-- What the reader is given, and the task where the target does not tell it.
local function split(given)
  local own, task = {}, nil
  for name, value in pairs(given or {}) do
    if name == "task" then task = value else own[name] = value end
  end
  if task and task ~= "classification" and task ~= "regression" then
    error("csv: 'task' must be classification or regression, got " .. tostring(task), 3)
  end
  return own, task
end

--- The rows of a CSV file of any size, in memory that does not grow: the same cells as
-- moe.data.read_csv gives.  A column is of strings if it is named in `categorical`, or
-- if a cell in the first 256 KB of the file is no number; what comes later must be as it
-- was there.
-- @function csv
-- @param path of the file
-- @param[opt] options a table of
--   target: the column that is y
--   task: "classification" or "regression"; by what the target holds unless given
--   drop, categorical, missing: lists, as for read_csv
--   sep = ",", header = true
-- @return a Stream; or nil, message, code for a file that cannot be read.  A bad row in
-- its middle, named by line and column, ends it: `s()` gives nil, message, code, and
-- `s:iter()` raises
return function(path, given)
  local options, task = split(given)
  local good, file, message, code = pcall(core.csv_stream, path, options)
  if not good then error("csv: " .. text.reason(file):gsub("^read_csv: ", ""), 2) end
  if not file then return nil, message, code end
  if file.target then
    task = task or (file.target_kind == "string" and "classification" or "regression")
  end
  local is_open
  return stream.new {
    name = path, features = file.names, kinds = file.kinds, task = task,
    open = function()
      local x = stream.named(file.names)
      if is_open then
        local began, why, kind = file.rewind()
        if not began then return function() return nil, why, kind end end
      end
      is_open = true
      return function() return file.next(x) end
    end,
  }
end
