--- moe.help(): what there is; moe.help("forest"): its options.  Made from the
-- catalog's own tables, like docs/experts.md and the editor annotations.
-- @module moe.help

local core = require "moe.core"
local text = require "moe.text"

local families = {
  { name = "learner", title = "moe.experts" },
  { name = "gate", title = "moe.gates" },
  { name = "transform", title = "moe.transforms" },
}

local function range(p)
  if p.kind == "choice" then return table.concat(p.choices, " | ") end
  if p.family then return p.kind == "children" and p.family .. "s" or p.family end
  if p.kind == "flag" then return "true | false" end
  if not p.min then return p.kind end
  local open = p.above_min and "above " or "from "
  if p.max >= 2 ^ 53 then return ("%s %s%.10g"):format(p.kind, open, p.min) end
  return ("%s %s%.10g to %.10g"):format(p.kind, open, p.min, p.max)
end

local function default(p)
  if p.default == nil then return p.optional and "absent" or "required" end
  return text.value(p.default)
end

local function describe(type)
  local rows = {}
  for _, p in ipairs(type.params) do
    rows[#rows + 1] = { "  " .. p.name, range(p), default(p), p.doc }
  end
  local out = ("%s (%s): %s"):format(type.name, type.family, type.doc)
  if #rows > 0 then
    table.insert(rows, 1, { "  option", "allowed", "default", "" })
    out = out .. "\n" .. text.columns(rows)
  end
  rows = {}
  for _, g in ipairs(type.gauges) do rows[#rows + 1] = { "  " .. g.name, g.doc } end
  if #rows > 0 then out = out .. "\n  info() also tells:\n" .. text.columns(rows) end
  return out
end

local function overview()
  local lines = {}
  for _, family in ipairs(families) do
    local rows = {}
    for _, type in ipairs(core.types()) do
      if type.family == family.name then rows[#rows + 1] = { "  " .. type.name, type.doc } end
    end
    lines[#lines + 1] = family.title .. "\n" .. text.columns(rows)
  end
  return table.concat(lines, "\n\n") .. '\n\nmoe.help "forest" tells more about one of them.'
end

--- The help as a string; the prompt of `moe` prints it.
-- @param[opt] name of an expert, gate or transform; without it the list of them
-- @return a string of lines; the pages of all types that have this name
-- @raise if there is no type of that name
return function(name)
  if name == nil then return overview() end
  local found, known = {}, {}
  for _, type in ipairs(core.types()) do
    known[#known + 1] = type.name
    if type.name == name then found[#found + 1] = describe(type) end
  end
  if #found > 0 then return table.concat(found, "\n\n") end
  local message = "help: there is no '%s'; there are %s"
  error(message:format(tostring(name), table.concat(known, ", ")), 2)
end
