--- moe.help(): what there is; moe.help "forest": its options; moe.help "fit": what
-- that function does.  Types are told from the catalog's own tables, functions from
-- the comments over them.
-- @module moe.help

local core = require "moe.core"
local elsewhere = require "moe.elsewhere"
local text = require "moe.text"

local families = {
  { name = "learner", title = "moe.experts" },
  { name = "gate", title = "moe.gates" },
  { name = "transform", title = "moe.transforms" },
  { name = "streaming", title = "moe" },
  { name = "detector", title = "moe.drift" },
}

local places = {}
for _, family in ipairs(families) do places[family.name] = family.title end

local function all_types()
  local types = core.types()
  for _, type in ipairs(core._function_types()) do types[#types + 1] = type end
  return types
end

-- ----------------------------------------------------------------------- types

local function range(p)
  if p.kind == "choice" then return table.concat(p.choices, " | ") end
  if p.family then return p.kind == "children" and p.family .. "s" or p.family end
  if p.kind == "flag" then return "true | false" end
  if not p.min then return p.kind end
  local open = p.above_min and "above " or "from "
  if p.max >= 2 ^ 31 - 1 then return ("%s %s%.10g"):format(p.kind, open, p.min) end
  return ("%s %s%.10g to %.10g"):format(p.kind, open, p.min, p.max)
end

local function default(p)
  if p.default == nil then return p.optional and "absent" or "required" end
  return text.value(p.default)
end

-- What an option may be and is unless given, and below it what it means.
local function describe_option(p, width)
  local name = ("  %s%s  "):format(p.name, (" "):rep(width - #p.name))
  local unless = default(p) == "required" and "required" or "(" .. default(p) .. ")"
  return text.wrap(range(p) .. " " .. unless, name) .. "\n" .. text.wrap(p.doc, "      ")
end

local function describe(type)
  local head = ("%s (%s): %s"):format(type.name, type.family, type.doc)
  local out, width = { text.wrap(head) }, 0
  for _, p in ipairs(type.params) do width = math.max(width, #p.name) end
  for _, p in ipairs(type.params) do out[#out + 1] = describe_option(p, width) end
  if #type.gauges > 0 then out[#out + 1] = "  info() also tells:" end
  for _, g in ipairs(type.gauges) do
    out[#out + 1] = ("  %s\n%s"):format(g.name, text.wrap(g.doc, "      "))
  end
  return table.concat(out, "\n")
end

-- ------------------------------------------------------------------- functions
-- A group is a module or a kind of object: its name, heading, and functions.

local function groups() return require "moe.pages" end

local function short(name) return name:match "[^.:]+$" end

local function names_of(group)
  local names = {}
  for i, page in ipairs(group[3]) do names[i] = short(page[1]) end
  return names
end

local function describe_group(group)
  local names = text.wrap(table.concat(names_of(group), " "), "  ")
  return ("%s\n%s\n\n%s"):format(group[1], group[2], names)
end

-- The function that a page is about, "moe.eval.search" or "Learner:fit".
local function callee(page)
  local class, method = page:match "^(%w+):([%w_]+)$"
  if class then
    local found, methods = pcall(core.methods, class)
    return found and methods and methods[method] or nil
  end
  local value = package.loaded
  for part in page:gmatch "[^.]+" do value = type(value) == "table" and value[part] or nil end
  return value
end

-- A page is asked for by its whole name, without "moe.", by its last part, or by the
-- function itself.
local function is_called(page, name)
  if type(name) == "function" then return callee(page) == name end
  return page == name or page == "moe." .. name or short(page) == name
end

-- ------------------------------------------------------------------ everything

-- Names with what is said of each.
local function add_list(lines, rows)
  local width = 0
  for _, row in ipairs(rows) do width = math.max(width, #row[1]) end
  for _, row in ipairs(rows) do
    lines[#lines + 1] = text.wrap(row[2], "  " .. row[1] .. (" "):rep(width - #row[1] + 2))
  end
end

-- The types of a family, each with its first sentence.
local function describe_family(family)
  local members, lines = {}, { family.title }
  for _, type in ipairs(core.types()) do
    local first = type.doc:match "^(.-%.)%s" or type.doc
    if type.family == family.name then members[#members + 1] = { type.name, first } end
  end
  add_list(lines, members)
  return table.concat(lines, "\n")
end

local function overview()
  local lines, rows = {}, {}
  for _, family in ipairs(families) do
    lines[#lines + 1] = (#lines > 0 and "\n" or "") .. describe_family(family)
  end
  for _, group in ipairs(groups()) do
    rows[#rows + 1] = { group[1], table.concat(names_of(group), " ") }
  end
  lines[#lines + 1] = "\nfunctions and methods"
  add_list(lines, rows)
  lines[#lines + 1] = '\nmoe.help "forest", moe.help "fit", moe.help "moe.eval" tell more.'
  return table.concat(lines, "\n")
end

local function find(name)
  local found = {}
  for _, family in ipairs(families) do
    local is_module = family.title:find(".", 1, true)
    if is_module and is_called(family.title, name) then found[1] = describe_family(family) end
  end
  for _, group in ipairs(groups()) do
    local whole = #group[3] > 1 and is_called(group[1], name)
    if whole then found[#found + 1] = describe_group(group) end
    for _, page in ipairs(group[3]) do
      if is_called(page[1], name) then found[#found + 1] = page[2] end
    end
  end
  for _, type in ipairs(all_types()) do
    local full = (places[type.family] or "moe") .. "." .. type.name
    if type.name == name or full == name then found[#found + 1] = describe(type) end
  end
  return found
end

-- The name nearest to one that there is not.
local function suggest(name)
  local known = {}
  for _, type in ipairs(all_types()) do known[#known + 1] = type.name end
  for _, group in ipairs(groups()) do
    for _, other in ipairs(names_of(group)) do known[#known + 1] = other end
  end
  local near = core.nearest(name, known)
  return near and ("; did you mean '%s'?"):format(near) or "; moe.help() lists what there is"
end

-- An object of the engine is asked for by its type.
local function name_of(value)
  if type(value) == "function" then return value end
  if type(value) ~= "userdata" then return tostring(value) end
  local good, info = pcall(function() return value:info() end)
  return good and info.type or tostring(value):match "^%w+"
end

--- The help as a string; the prompt of `moe` prints it.
-- @param[opt] name of an expert, gate, transform, function, method, module or kind of
-- object; or such a function or object itself; without it the list of them
-- @return a string of lines; the pages of all that have this name
-- @raise if there is nothing of that name
-- @usage moe.help "forest"
-- moe.help "moe.eval.search"
-- moe.help "Table"
return function(name)
  if name == nil then return overview() end
  name = name_of(name)
  local found = find(name)
  if #found > 0 then return table.concat(found, "\n\n") end
  local ours = elsewhere.name(name)
  if ours then return ("%s is here %s"):format(name, ours) end
  if type(name) == "function" then error("help: nothing is said of this function", 2) end
  error(("help: there is no '%s'%s"):format(name, suggest(name)), 2)
end
