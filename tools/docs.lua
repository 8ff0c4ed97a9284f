-- Writes what can be said from the catalog's tables alone: docs/experts.md for
-- people and docs/annotations.lua for editors (LuaCATS).  With --check it writes
-- nothing, and fails when a file is not what it would have written.
local core = require "moe.core"

local families = {
  { name = "learner", title = "Experts", place = "moe.experts", class = "moe.Learner" },
  { name = "gate", title = "Gates", place = "moe.gates", class = "moe.Gate" },
  { name = "transform", title = "Transforms", place = "moe.transforms", class = "moe.Transform" },
}

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
        if #t.params > 0 then
          out[#out + 1] = "| option | allowed | default | |\n| --- | --- | --- | --- |"
          for _, p in ipairs(t.params) do
            local cells = { "`" .. p.name .. "`", allowed(p), default(p), p.doc }
            out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |"
          end
          out[#out + 1] = ""
        end
        if #t.gauges > 0 then
          out[#out + 1] = "`info()` also tells:\n"
          for _, g in ipairs(t.gauges) do out[#out + 1] = ("- `%s`: %s"):format(g.name, g.doc) end
          out[#out + 1] = ""
        end
      end
    end
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

local function annotations()
  local out = {
    "---@meta",
    "-- Annotations for editors, generated from the catalog by `make docs`.",
    "-- It is never loaded.",
    "",
  }
  for _, family in ipairs(families) do
    out[#out + 1] = "---@class " .. family.class
    out[#out + 1] = ""
    out[#out + 1] = "---@class " .. family.place
    out[#out + 1] = ("local %ss = {}"):format(family.name)
    out[#out + 1] = ""
    for _, t in ipairs(core.types()) do
      if t.family == family.name then
        local options = ("moe.%s_%s_options"):format(family.name, t.name)
        out[#out + 1] = "---@class " .. options
        for _, p in ipairs(t.params) do
          out[#out + 1] = ("---@field %s%s %s %s"):format(
            p.name, (p.optional or p.default ~= nil) and "?" or "", annotation(p), p.doc
          )
        end
        out[#out + 1] = ""
        out[#out + 1] = "---" .. t.doc
        out[#out + 1] = "---@param options? " .. options
        out[#out + 1] = "---@return " .. family.class
        out[#out + 1] = ("function %ss.%s(options) end"):format(family.name, t.name)
        out[#out + 1] = ""
      end
    end
  end
  return table.concat(out, "\n")
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a"
  if file then file:close() end
  return text
end

local stale = false
local outputs = {
  { "docs/experts.md", page() },
  { "docs/annotations.lua", annotations() },
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
