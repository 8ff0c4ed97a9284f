-- Writes what can be said from the catalog's tables and from the comments over
-- functions alone: docs/experts.md and docs/api.md for people, docs/annotations.lua
-- for editors (LuaCATS), lua/moe/pages.lua for moe.help, and the names of other
-- libraries in docs/from_scikit_learn.md and docs/from_pytorch.md.  With --check it
-- writes nothing, and fails when a file is not what it would have written.
local api = dofile "tools/api.lua"
local core = require "moe.core"
local elsewhere = require "moe.elsewhere"

local families = {
  { name = "learner", title = "Experts", place = "moe.experts", class = "moe.Learner" },
  { name = "gate", title = "Gates", place = "moe.gates", class = "moe.Gate" },
  { name = "transform", title = "Transforms", place = "moe.transforms", class = "moe.Transform" },
  {
    name = "streaming", title = "Options of a stream", place = "moe", class = "moe.Streaming",
  },
  { name = "detector", title = "Detectors of drift", place = "moe.drift", class = "moe.Detector" },
}

-- What some functions take has a table too, though it is no type of the catalog.
local functions = core._function_types()

local function number(x) return ("%.10g"):format(x) end

local function allowed(p)
  if p.kind == "choice" then return "`" .. table.concat(p.choices, "` \\| `") .. "`" end
  if p.family then return p.kind == "children" and p.family .. "s" or "a " .. p.family end
  if p.kind == "flag" or not p.min then return p.kind end
  if p.max >= 2 ^ 53 then return p.kind .. (p.above_min and " > " or " ≥ ") .. number(p.min) end
  local open = p.above_min and "(" or "["
  return ("%s in %s%s, %s]"):format(p.kind, open, number(p.min), number(p.max))
end

local function default(p)
  if p.default == nil then return p.optional and "" or "required" end
  if type(p.default) == "number" then return number(p.default) end
  return tostring(p.default)
end

local function traits(t)
  local names = {}
  for name, has in pairs(t.traits or {}) do
    if has then names[#names + 1] = (name:gsub("_", " ")) end
  end
  table.sort(names)
  return #names > 0 and "\n*" .. table.concat(names, " · ") .. "*\n" or ""
end

local function add_options(out, t)
  out[#out + 1] = "| option | allowed | default | |\n| --- | --- | --- | --- |"
  for _, p in ipairs(t.params) do
    local cells = { "`" .. p.name .. "`", allowed(p), default(p), p.doc }
    out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  out[#out + 1] = ""
end

local function page()
  local out = {
    "# Experts, gates and transforms\n",
    "Generated from the catalog's own tables by `make docs`; `moe.help(name)` prints the same.\n",
  }
  for _, family in ipairs(families) do
    out[#out + 1] = ("## %s: `%s`\n"):format(family.title, family.place)
    for _, t in ipairs(core.types()) do
      if t.family == family.name then
        out[#out + 1] = ("### %s\n\n%s\n%s"):format(t.name, t.doc, traits(t))
        if #t.params > 0 then add_options(out, t) end
        if #t.gauges > 0 then
          out[#out + 1] = "`info()` also tells:\n"
          for _, g in ipairs(t.gauges) do out[#out + 1] = ("- `%s`: %s"):format(g.name, g.doc) end
          out[#out + 1] = ""
        end
      end
    end
  end
  out[#out + 1] = "## Options of functions\n"
  for _, t in ipairs(functions) do
    out[#out + 1] = ("### %s\n\n%s\n"):format(t.name, t.doc)
    add_options(out, t)
  end
  return table.concat(out, "\n")
end

local kinds = {
  int = "integer", real = "number", flag = "boolean", text = "string", ints = "integer[]",
  reals = "number[]", texts = "string[]", weights = "table<any, number>", callback = "function",
}

local function class_of(family) return "moe." .. family:gsub("^%l", string.upper) end

local function annotation(p)
  if p.kind == "choice" then return '"' .. table.concat(p.choices, '"|"') .. '"' end
  if p.kind == "child" then return class_of(p.family) end
  if p.kind == "children" then return "table<any, " .. class_of(p.family) .. ">" end
  return kinds[p.kind]
end

local function add_constructor(out, family, t)
  local options = ("moe.%s_%s_options"):format(family.name, t.name)
  out[#out + 1] = "---@class " .. options
  for _, p in ipairs(t.params) do
    out[#out + 1] = ("---@field %s%s %s %s"):format(
      p.name, (p.optional or p.default ~= nil) and "?" or "", annotation(p), p.doc
    )
  end
  out[#out + 1] = "\n---" .. t.doc
  out[#out + 1] = "---@param options? " .. options
  out[#out + 1] = "---@return " .. family.class
  out[#out + 1] = ("function %s.%s(options) end\n"):format(family.place, t.name)
end

-- A type without a constructor of its own has a function, which api.lua tells of.
local made_otherwise = { imported = true }

local function annotations()
  local out = {
    "---@meta moe",
    "-- Annotations for editors, generated from the catalog and from the comments over",
    "-- functions by `make docs`.  It is never loaded.",
    "",
    "---@class moe.Object\n",
    "local moe = {}\n",
  }
  for _, family in ipairs(families) do
    out[#out + 1] = ("---@class %s: moe.Object\n"):format(family.class)
    out[#out + 1] = family.place .. " = {}\n"
    for _, t in ipairs(core.types()) do
      if t.family == family.name and not made_otherwise[t.name] then
        add_constructor(out, family, t)
      end
    end
  end
  out[#out + 1] = api.annotations()
  out[#out + 1] = "return moe\n"
  return table.concat(out, "\n")
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a"
  if file then file:close() end
  return text
end

-- The page with its table of names, between two marks, made of the groups.
local function with_names(guide, groups)
  local out = {}
  for _, group in ipairs(groups) do
    out[#out + 1] = ("### %s\n\n| there | here | |\n| --- | --- | --- |"):format(group[1])
    for i = 2, #group do
      local theirs = group[i][1]:gsub("[^, ]+", "`%0`")
      out[#out + 1] = ("| %s | `%s` | %s |"):format(theirs, group[i][2], group[i][3] or "")
    end
    out[#out + 1] = ""
  end
  local head, tail = guide:match "^(.-<!%-%- made of[^\n]*\n).-(<!%-%- end %-%->.*)$"
  return head .. "\n" .. table.concat(out, "\n") .. "\n" .. tail
end

local stale = false
local outputs = {
  { "docs/experts.md", page() },
  { "docs/annotations.lua", annotations() },
  { "docs/api.md", api.page() },
  { "docs/from_scikit_learn.md", with_names(read "docs/from_scikit_learn.md", elsewhere.groups) },
  { "docs/from_pytorch.md", with_names(read "docs/from_pytorch.md", elsewhere.torch) },
  { "lua/moe/pages.lua", api.pages() },
}
for _, output in ipairs(outputs) do
  local path, text = output[1], output[2]
  if arg and arg[1] == "--check" then
    if read(path) ~= text then
      io.stderr:write(path, " is stale: run make docs\n")
      stale = true
    end
  else
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
  end
end
if stale then os.exit(1) end
