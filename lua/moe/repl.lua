--- The prompt of the `moe` program: how typed lines become chunks, how values
-- are shown, and how a name is completed.  The program (src/cli) reads the
-- lines and makes the calls.
-- @module moe.repl

local repl = {}

local WIDTH = 78 -- columns of what is printed
local ITEMS = 100 -- shown of a table, and
local DEPTH = 3 -- tables in tables, before they are only hinted at
local TEXT = 200 -- bytes shown of a string in a table

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or
    repeat return then true until while]]):gmatch("%a+") do
  keywords[word] = true
end

local function is_name(key)
  return type(key) == "string" and key:find("^[%a_][%w_]*$") and not keywords[key]
end

--- The line that is printed first.
function repl.greeting()
  return ("lua-moe %s on %s. moe.help() lists what there is; Ctrl-D leaves."):format(
    require("moe")._VERSION, _VERSION)
end

--- The name of the file that keeps what was typed, or nil.
function repl.history()
  local state = os.getenv("XDG_STATE_HOME")
  local home = os.getenv("HOME")
  if state and state ~= "" then return state .. "/moe_history" end
  return home and home .. "/.moe_history"
end

-- ---------------------------------------------------------------------------
-- Reading

local compile = rawget(_G, "loadstring") or load

-- An expression is as good as a statement; `= x` is the older way to say so.
local function parse(text)
  local expression = compile("return " .. (text:gsub("^%s*=", "")), "=stdin")
  if expression then return expression end
  return compile(text, "=stdin")
end

local function incomplete(message)
  return message:find("<eof>'?$") ~= nil
end

--- The next chunk as a function, or nil at the end of the input.  `readline`
-- takes a prompt and returns a line, nil at the end, false after Ctrl-C;
-- `complain` is told what is wrong with a chunk, and the next one is read.
function repl.read(readline, complain)
  local text
  while true do
    local line = readline(text and ">> " or "> ")
    if line then
      text = text and text .. "\n" .. line or line
      local chunk, message = parse(text)
      if chunk then return chunk end
      if not incomplete(message) then
        complain(message)
        text = nil
      end
    elseif line == nil then
      return nil
    else
      text = nil -- Ctrl-C forgets what was typed so far
    end
  end
end

-- ---------------------------------------------------------------------------
-- Showing

local escapes = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

-- Cut to TEXT bytes, or to fewer where that would split a UTF-8 character.
local function clip(text)
  if #text <= TEXT then return text end
  local last = TEXT
  while last > 0 and text:find("^[\128-\191]", last + 1) do last = last - 1 end
  return text:sub(1, last) .. "…"
end

local function quote(text)
  return '"' .. clip(text):gsub('[%c"\\]', function(c)
    return escapes[c] or ("\\%03d"):format(c:byte())
  end) .. '"'
end

local function says_itself(value)
  local meta = debug.getmetatable(value)
  return type(value) ~= "table" or (meta and rawget(meta, "__tostring") ~= nil)
end

local function in_order(a, b)
  if type(a) ~= type(b) then return type(a) < type(b) end
  if type(a) == "number" or type(a) == "string" then return a < b end
  return tostring(a) < tostring(b)
end

-- Puts the texts side by side, with commas, into lines that fit.
local function fill(texts, indent)
  local lines, line = {}, ""
  for _, text in ipairs(texts) do
    if line ~= "" and #indent + #line + #text + 2 > WIDTH then
      lines[#lines + 1], line = line, ""
    end
    line = line .. (line == "" and "" or " ") .. text .. ","
  end
  if line ~= "" then lines[#lines + 1] = line end
  return lines
end

local text_of

-- The array part of t, the rest in order of its keys, and how many were left
-- out of each.
local function parts(t, indent, depth)
  local array, fields, keys, n = {}, {}, {}, 0
  while rawget(t, n + 1) ~= nil do n = n + 1 end
  for i = 1, math.min(n, ITEMS) do array[i] = text_of(t[i], indent, depth) end
  for key in next, t do
    local in_array = type(key) == "number" and key >= 1 and key <= n and key % 1 == 0
    if not in_array then keys[#keys + 1] = key end
  end
  table.sort(keys, in_order)
  for i = 1, math.min(#keys, ITEMS) do
    local key = keys[i]
    local name = is_name(key) and key or "[" .. text_of(key, indent, 0) .. "]"
    fields[i] = name .. " = " .. text_of(rawget(t, key), indent, depth)
  end
  if n > #array then array[#array + 1] = ("… %d more"):format(n - #array) end
  if #keys > #fields then fields[#fields + 1] = ("… %d more"):format(#keys - #fields) end
  return array, fields
end

local function table_text(t, indent, depth)
  if next(t) == nil then return "{}" end
  if depth == 0 then return "{…}" end
  local inner = indent .. "  "
  local array, fields = parts(t, inner, depth - 1)
  local all = table.concat(array, ", ")
  if #array > 0 and #fields > 0 then all = all .. ", " end
  all = "{ " .. all .. table.concat(fields, ", ") .. " }"
  if #indent + #all <= WIDTH and not all:find("\n", 1, true) then return all end
  local lines = fill(array, inner)
  for _, field in ipairs(fields) do lines[#lines + 1] = field .. "," end
  return "{\n" .. inner .. table.concat(lines, "\n" .. inner) .. "\n" .. indent .. "}"
end

function text_of(value, indent, depth)
  if type(value) == "string" then return quote(value) end
  if says_itself(value) then
    local text = tostring(value)
    return text:find("\n", 1, true) and text:match("^[^\n]*") .. "…" or text
  end
  return table_text(value, indent, depth)
end

--- What to print for the results of a chunk, nil if there are none: strings and
-- objects as print would, tables with what is in them.
function repl.text(...)
  local texts, long = {}, false
  for i = 1, select("#", ...) do
    local value = (select(i, ...))
    texts[i] = says_itself(value) and tostring(value) or table_text(value, "", DEPTH)
    long = long or texts[i]:find("\n", 1, true)
  end
  if #texts > 0 then return table.concat(texts, long and "\n" or "\t") end
end

-- ---------------------------------------------------------------------------
-- Completing

local function index(value, key)
  local found, field = pcall(function() return value[key] end)
  if found then return field end
end

local function is_callable(value)
  local meta = debug.getmetatable(value)
  return type(value) == "function" or (meta and meta.__call ~= nil) or false
end

-- Adds to `set` the names that a value answers to: its own, and those of the
-- tables that its metatable looks in, be it through a function.
local function collect(value, set, depth)
  if depth == 0 then return end
  if type(value) == "table" then
    for key in next, value do
      if is_name(key) then set[key] = true end
    end
  end
  local meta = debug.getmetatable(value)
  local lookup = meta and rawget(meta, "__index")
  if type(lookup) == "table" then
    collect(lookup, set, depth - 1)
  elseif type(lookup) == "function" then
    local i, name, held = 1, debug.getupvalue(lookup, 1)
    while name do
      if type(held) == "table" then collect(held, set, depth - 1) end
      i = i + 1
      name, held = debug.getupvalue(lookup, i)
    end
  end
end

local function candidates(path, separator, prefix)
  local value, set, list = _G, {}, {}
  for name in path:gmatch("[%w_]+") do value = index(value, name) end
  if value == nil then return list end
  collect(value, set, 5)
  if separator == "" then
    for word in pairs(keywords) do set[word] = true end
  end
  for name in pairs(set) do
    local wanted = name:sub(1, #prefix) == prefix and (prefix ~= "" or name:sub(1, 1) ~= "_")
    if wanted and (separator ~= ":" or is_callable(index(value, name))) then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

-- What the sorted names begin with in common.
local function common(names)
  local first, last, n = names[1], names[#names], 0
  while n < #first and first:byte(n + 1) == last:byte(n + 1) do n = n + 1 end
  return first:sub(1, n)
end

local function columns(names)
  local width, lines = 0, {}
  for _, name in ipairs(names) do width = math.max(width, #name + 2) end
  local across = math.max(1, math.floor(WIDTH / width))
  for i = 1, #names, across do
    local row = {}
    for j = i, math.min(i + across - 1, #names) do
      row[#row + 1] = names[j] .. (" "):rep(width - #names[j])
    end
    lines[#lines + 1] = table.concat(row):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- From the text before the cursor to what to insert and what to show, each a
-- string or nil.
function repl.complete(before)
  if not before:find("%S") then return "  " end
  local rest, name = before:match("^(.-)([%a_][%w_%.:]*)$")
  if not name or rest:find("[%.:%w_]$") then return end
  local path, separator, prefix = name:match("^(.*)([%.:])([%w_]*)$")
  if not path then path, separator, prefix = "", "", name end
  local names = candidates(path, separator, prefix)
  if #names == 0 then return end
  local insert = common(names):sub(#prefix + 1)
  if insert ~= "" then return insert end
  if #names > 1 then return nil, columns(names) end
end

return repl
