--- The file of a run: a line that says what it is, then plain values and the
-- mixture's bytes, packed.  It is written whole or not at all.  Reading it runs
-- no code.  It is meant for the machine and the build that wrote it: a model to
-- keep is saved by the stage `save`.
-- @module moe.schedule.checkpoint

local core = require "moe.core"

local checkpoint = {}

local MARK = "moe run 1\n"

--- true, or nil, message, code.
function checkpoint.write(path, kept)
  return core._write_file(path, MARK .. core.processes.pack(kept))
end

--- What was kept; nil alone where there is no such file; nil, message, code for a
-- file that is no checkpoint, or one of a run with another mark.
function checkpoint.read(path, fingerprint)
  local file = io.open(path, "rb")
  if not file then return nil end
  local bytes = file:read "*a"
  file:close()
  local good, kept
  if bytes and bytes:sub(1, #MARK) == MARK then
    good, kept = pcall(core.processes.unpack, bytes:sub(#MARK + 1))
  end
  if not good or type(kept) ~= "table" then
    return nil, path .. ": this is not the checkpoint of a run, or only a part of one", "EFORMAT"
  end
  if kept.fingerprint ~= fingerprint then
    local message = "%s: this is the checkpoint of another run; it was made by\n%s\nand this is\n%s"
    return nil, message:format(path, tostring(kept.fingerprint), fingerprint), "ESTATE"
  end
  return kept
end

-- A copy of what is written in Lua at a path of the mixture ("experts.rule"), or nil.
local function copy_at(m, path)
  local object = m
  for part in path:gmatch "[^.]+" do
    if type(object) == "userdata" then object = object:get_params() end
    object = type(object) == "table" and object[part] or nil
  end
  local value = type(object) == "userdata" and core._behind(object) or nil
  return type(value) == "table" and value.clone and value:clone() or value
end

--- What a mixture was when it was dumped; the experts and gates in it that are written in
-- Lua are copies of the mixture's.
-- @return it, or nil, message, code
function checkpoint.undump(m, bytes)
  local copies = setmetatable({}, { __index = function(_, path) return copy_at(m, path) end })
  return core.undump(bytes, { lua = copies })
end

return checkpoint
