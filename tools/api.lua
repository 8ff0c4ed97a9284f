-- The functions that a script can call, as their comments tell of them, in three
-- forms: for people, for moe.help, and for editors.
local core = require "moe.core"
local moe = require "moe"
local ldoc = dofile "tools/ldoc.lua"
local text = require "moe.text"

local api = {}

-- What has methods, and how one comes by it.
local objects = {
  { "Object", "What every learner, gate, transform and detector has." },
  { "Learner", "An Object: what `moe.experts`, `moe.mixture` and `moe.pipeline` give." },
  { "Gate", "An Object: what `moe.gates` gives." },
  { "Transform", "An Object: what `moe.transforms` gives." },
  { "Detector", "An Object: what `moe.drift` gives." },
  { "Job", "Training in steps: what `start_fit` gives." },
  { "Table", "Named columns: what `moe.data` gives." },
  { "Tensor", "Numbers in rows, float32 or int32: what `moe.tensor` gives." },
  { "Sparse", "A matrix most of whose cells are 0: what `moe.sparse` gives." },
  { "Routing", "Which experts answer which rows: what `route` gives." },
  { "Module", "A neural module: what `moe.nn` makes." },
  { "MoE", "A Module: what `moe.nn.MoE` makes." },
  { "Optimiser", "What the functions of `moe.optim` give." },
  { "Schedule", "What `moe.schedule` gives." },
  { "History", "What happened in a run: what `Schedule:fit` gives." },
  { "Runs", "The runs of several seeds: what `Schedule:fit` gives with `seeds`." },
  { "Updatable", "A figure of merit for streams: what `moe.metrics.updatable` gives." },
  { "Summary", "Figures measured several times: what `moe.metrics.summary` gives." },
  { "Stream", "Samples one after the other: what `moe.streams` gives." },
  { "Prequential", "Figures of a stream: what `moe.eval.prequential` gives." },
  { "Calibrated", "A model with calibrated probabilities: what `moe.eval.calibrate` gives." },
}

local modules = {
  "moe", "moe.experts", "moe.data", "moe.streams", "moe.schedule", "moe.stages", "moe.eval",
  "moe.metrics", "moe.processes", "moe.nn", "moe.F", "moe.optim", "moe.optim.schedules",
}

-- What a name such as "moe.eval.search" leads to.
local function resolve(name)
  local value = { moe = moe }
  for part in name:gmatch "[^.]+" do value = type(value) == "table" and value[part] or nil end
  return value
end

local function is_callable(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(value) == "function" or meta and meta.__call ~= nil
end

local function paths()
  local list = { "tools/engine.lua", "tools/networks.lua", "tools/operations.lua" }
  local pipe = assert(io.popen "find lua/moe -name '*.lua' | LC_ALL=C sort")
  for path in pipe:lines() do list[#list + 1] = path end
  pipe:close()
  return list
end

-- Each figure of merit has a line in a table instead of a comment.
local function add_metrics(groups)
  local names, arguments = {}, {
    confusion = { { name = "y" }, { name = "predicted" } },
    regression = { { name = "y" }, { name = "predicted" } },
    probability = { { name = "y" }, { name = "proba" }, { name = "classes", optional = true } },
  }
  local types = moe.metrics.types()
  for name in pairs(types) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local type = types[name]
    local entry = { name = "moe.metrics." .. name, params = {} }
    for k, param in ipairs(arguments[type.kind]) do entry.params[k] = param end
    table.insert(entry.params, { name = "options", optional = true })
    entry[1] = { text = type.doc:gsub("^%l", string.upper) .. "." }
    table.insert(groups["moe.metrics"], entry)
  end
end

-- Name of a module or an object → its functions, and its heading.
local function collect()
  local groups, headings = {}, {}
  for _, name in ipairs(modules) do groups[name] = {} end
  for _, object in ipairs(objects) do
    groups[object[1]], headings[object[1]] = {}, { { text = object[2] } }
  end
  for _, path in ipairs(paths()) do
    local heading, list = ldoc.read(path)
    if heading then headings[heading.module] = headings[heading.module] or heading end
    for _, entry in ipairs(list) do
      local owner = entry.name:match "^(%u%w*):" or entry.name:match "^(.*)%.[%w_]+$"
      if groups[entry.name] then owner = entry.name end
      local method = entry.name:find ":" and not entry.name:find ":init$"
      local public = method or is_callable(resolve(entry.name)) or groups[entry.name]
      if groups[owner] and public then table.insert(groups[owner], entry) end
    end
  end
  add_metrics(groups)
  return groups, headings
end

local function ordered()
  local list = {}
  for i, name in ipairs(modules) do list[i] = name end
  for _, object in ipairs(objects) do list[#list + 1] = object[1] end
  return list
end

local groups, headings = collect()

-- ------------------------------------------------------------------ for people

local function add_blocks(out, blocks, indent)
  for _, block in ipairs(blocks) do
    out[#out + 1] = indent .. (block.item and "  - " or "") .. block.text
    if not block.item and indent == "" then out[#out + 1] = "" end
  end
end

-- One field of a list: its name in bold or as code, and what is said of it.
local function add_field(out, name, blocks)
  local first = blocks[1] and blocks[1].text or ""
  out[#out + 1] = ("- %s%s"):format(name, first ~= "" and ": " .. first or "")
  local rest = {}
  for k = 2, #blocks do rest[k - 1] = blocks[k] end
  add_blocks(out, rest, "")
end

local function add_entry(out, entry)
  out[#out + 1] = "### `" .. ldoc.signature(entry) .. "`\n"
  add_blocks(out, entry, "")
  for _, param in ipairs(entry.params) do
    if param[1] then add_field(out, "`" .. param.name .. "`", param) end
  end
  if entry.returns then add_field(out, "returns", entry.returns) end
  if entry.raises then add_field(out, "raises", entry.raises) end
  if entry.usage then
    out[#out + 1] = "\n```lua\n" .. table.concat(entry.usage, "\n") .. "\n```"
  end
  out[#out + 1] = ""
end

--- docs/api.md
function api.page()
  local out = {
    "# Functions\n",
    "Generated from the comments over them by `make docs`; `moe.help(name)` prints the same.",
    "[experts.md](experts.md) has the options of experts, gates and transforms.\n",
  }
  for _, name in ipairs(ordered()) do
    out[#out + 1] = ("## %s\n"):format(name)
    if headings[name] then add_blocks(out, headings[name], "") end
    for _, entry in ipairs(groups[name]) do add_entry(out, entry) end
  end
  return (table.concat(out, "\n"):gsub("\n\n\n+", "\n\n"))
end

-- ---------------------------------------------------------------- for moe.help

local function add_wrapped(out, blocks, first)
  for k, block in ipairs(blocks) do
    local from = k == 1 and first or (" "):rep(#first)
    out[#out + 1] = text.wrap(block.text, block.item and from .. "  " or from, block.item and 2)
  end
end

local function add_fields(out, entry)
  local fields, width = {}, 0
  for _, param in ipairs(entry.params) do
    if param[1] then fields[#fields + 1] = { param.name, param } end
  end
  if entry.returns then fields[#fields + 1] = { "returns", entry.returns } end
  if entry.raises then fields[#fields + 1] = { "raises", entry.raises } end
  for _, field in ipairs(fields) do width = math.max(width, #field[1]) end
  if #fields > 0 then out[#out + 1] = "" end
  for _, field in ipairs(fields) do
    local name = field[1] .. (" "):rep(width - #field[1])
    add_wrapped(out, field[2], "  " .. name .. "  ")
  end
end

local function help_of(entry)
  local out = { ldoc.signature(entry) }
  add_wrapped(out, entry, "  ")
  add_fields(out, entry)
  if entry.usage then
    out[#out + 1] = ""
    for _, line in ipairs(entry.usage) do out[#out + 1] = "  " .. line end
  end
  return table.concat(out, "\n")
end

--- lua/moe/pages.lua
function api.pages()
  local out = {
    "-- What moe.help says of functions, generated by `make docs` from the comments over",
    "-- them: for each module and kind of object its heading, then its functions.",
    "return {",
  }
  for _, name in ipairs(ordered()) do
    local heading = {}
    for _, block in ipairs(headings[name] or {}) do
      heading[#heading + 1] = text.wrap(block.text, "  ")
    end
    out[#out + 1] = ("{ %q, [[\n%s]], {"):format(name, table.concat(heading, "\n\n"))
    for _, entry in ipairs(groups[name]) do
      out[#out + 1] = ("{ %q, [[\n%s]] },"):format(entry.name, help_of(entry))
    end
    out[#out + 1] = "} },"
  end
  out[#out + 1] = "}\n"
  return table.concat(out, "\n")
end

-- ----------------------------------------------------------------- for editors

local types = {
  path = "string", name = "string", options = "table", x = "table", weight = "number",
}

local function one_line(blocks)
  local parts = {}
  for k, block in ipairs(blocks or {}) do parts[k] = block.text end
  return table.concat(parts, "; ")
end

local function add_annotation(out, entry)
  out[#out + 1] = "---" .. one_line(entry)
  local names = {}
  for k, param in ipairs(entry.params) do
    names[k] = param.name
    local mark = param.optional and param.name ~= "..." and "?" or ""
    out[#out + 1] = ("---@param %s%s %s %s"):format(
      param.name, mark, types[param.name] or "any", one_line(param))
  end
  if entry.returns then out[#out + 1] = "---@return any # " .. one_line(entry.returns) end
  out[#out + 1] = ("function %s(%s) end\n"):format(entry.name, table.concat(names, ", "))
end

local function is_object(name) return name:find "^%u" ~= nil end

--- The part of docs/annotations.lua that is about functions.
function api.annotations()
  local out = {}
  for _, name in ipairs(ordered()) do
    if is_object(name) then
      local family = ({ Learner = 1, Gate = 1, Transform = 1, Detector = 1 })[name]
      out[#out + 1] = ("---@class moe.%s%s"):format(name, family and ": moe.Object" or "")
      out[#out + 1] = ("local %s = {}\n"):format(name)
    elseif name ~= "moe" and type(resolve(name)) == "table" and name ~= "moe.experts" then
      out[#out + 1] = name .. " = {}\n"
    end
    for _, entry in ipairs(groups[name]) do add_annotation(out, entry) end
  end
  return table.concat(out, "\n")
end

-- ------------------------------------------------------------------- is it all?

--- The names of functions that a script can call and nothing is said of.
function api.silent()
  local said, missing = {}, {}
  for _, list in pairs(groups) do
    for _, entry in ipairs(list) do said[entry.name] = true end
  end
  for _, name in ipairs(modules) do
    for key, value in pairs(type(resolve(name)) == "table" and resolve(name) or {}) do
      local full = name .. "." .. key
      local typed = name == "moe.experts" and key ~= "import"
      if type(value) == "function" and not typed and not said[full] then
        missing[#missing + 1] = full
      end
    end
  end
  for _, object in ipairs(objects) do
    local found, methods = pcall(core.methods, object[1])
    for key in pairs(found and methods or {}) do
      local full = object[1] .. ":" .. key
      local shared = said["Object:" .. key] or key == "close"
      if not key:find "^_" and not shared and not said[full] then missing[#missing + 1] = full end
    end
  end
  table.sort(missing)
  return missing
end

return api
