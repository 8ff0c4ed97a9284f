--- What the stages of a run did: a list of entries that prints, turns into a
-- table of named columns (which can be written as CSV), and is kept in
-- checkpoints.  Its `done` says whether the last stage was reached.
-- @module moe.schedule.history

local data = require "moe.data"
local text = require "moe.text"

local History = {}
History.__index = History

local history = {}

--- A history over entries, each { stage, place, round, rows, seconds, done,
-- notes, scores = { name = number }, log_likelihood = { … } }.
function history.new(entries) return setmetatable(entries or {}, History) end

local function scores_text(entry)
  local parts = {}
  for i, name in ipairs(text.names(entry.scores or {})) do
    parts[i] = ("%s %.4f"):format(name, entry.scores[name])
  end
  local trace = entry.log_likelihood
  if trace and #trace > 0 then
    parts[#parts + 1] = ("log-likelihood %.6g to %.6g in %d rounds")
      :format(trace[1], trace[#trace], #trace - 1)
  end
  if entry.done == false then parts[#parts + 1] = "not to its end" end
  return table.concat(parts, "; ")
end

--- One entry as cells of a line.
function history.cells(entry)
  return {
    entry.place,
    entry.stage .. (entry.round and (" (round %d)"):format(entry.round) or ""),
    entry.rows and ("%d rows"):format(entry.rows) or "",
    ("%.3f s"):format(entry.seconds),
    scores_text(entry),
  }
end

-- The notes of an entry as lines, but for what the stage has said before.
local function add_notes(lines, entry, said)
  for _, note in ipairs(entry.notes or {}) do
    local known = entry.place .. " " .. note
    if not said[known] then lines[#lines + 1] = "   " .. note end
    said[known] = true
  end
end

function History:__tostring()
  local rows, lines, said, k = {}, {}, {}, 0
  for i, entry in ipairs(self) do rows[i] = history.cells(entry) end
  for line in text.columns(rows):gmatch "[^\n]+" do
    k = k + 1
    lines[#lines + 1] = line
    add_notes(lines, self[k], said)
  end
  return table.concat(lines, "\n")
end

--- The last score of that name, or nil.
-- @param name of a metric
function History:last(name)
  for i = #self, 1, -1 do
    local score = (self[i].scores or {})[name]
    if score then return score end
  end
end

--- A Table with a row an entry: place, stage, round, rows, seconds, and a column
-- for each score; `history:table():write_csv(path)` keeps it.
function History:table()
  local columns = { place = {}, stage = {}, round = {}, rows = {}, seconds = {} }
  local names = { "place", "stage", "round", "rows", "seconds" }
  local missing = 0 / 0
  for _, entry in ipairs(self) do
    for _, name in ipairs(text.names(entry.scores or {})) do
      if not columns[name] then columns[name], names[#names + 1] = {}, name end
    end
  end
  for i, entry in ipairs(self) do
    for _, name in ipairs(names) do
      columns[name][i] = entry[name] or (entry.scores or {})[name] or missing
    end
  end
  return data.table { columns = columns, names = names }
end

return history
