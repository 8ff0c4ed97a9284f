-- Reads comments in the form of LDoc: of a file the heading of its module, and of
-- each function what it does, its parameters, what it returns and raises.
--
-- A line that stands two spaces further in than its comment is an item of a list,
-- and one that stands four further in goes on with it.
local ldoc = {}

local function read_lines(path)
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line end
  return lines
end

-- A text as blocks: paragraphs, and the items of lists.
local function add_line(blocks, line)
  local indent, rest = line:match "^(%s*)(.-)%s*$"
  local last = blocks[#blocks]
  if rest == "" then
    blocks.ended = true
  elseif #indent == 2 or #indent == 3 then
    blocks[#blocks + 1] = { item = true, text = rest }
    blocks.ended = false
  elseif not last or blocks.ended or last.item and #indent < 4 then
    blocks[#blocks + 1] = { text = rest }
    blocks.ended = false
  else
    last.text = last.text .. " " .. rest
  end
end

local tags = {}

function tags.module(entry, rest) entry.module = rest end

tags["function"] = function(entry, rest) entry.name = rest end

function tags.param(entry, rest, option)
  local name, text = rest:match "^(%S+)%s*(.*)$"
  local param = { name = name, optional = option ~= "" }
  if option:find "=" then text = text .. " (" .. option:match "=([^%]]*)" .. " unless given)" end
  add_line(param, text)
  table.insert(entry.params, param)
  return param
end

tags["return"] = function(entry, rest)
  entry.returns = {}
  add_line(entry.returns, rest)
  return entry.returns
end

function tags.raise(entry, rest)
  entry.raises = {}
  add_line(entry.raises, rest)
  return entry.raises
end

function tags.usage(entry, rest)
  entry.usage = { rest }
  return entry.usage
end

-- The comment that begins at lines[i], and the place of the line after it.
local function read_comment(lines, i)
  local entry = { params = {} }
  local into = entry
  add_line(into, (lines[i]:match "^%-%-%-%s(.*)$"))
  i = i + 1
  while lines[i] and lines[i]:find "^%-%-" do
    local line = lines[i]:match "^%-%-%s?(.*)$"
    local tag, option, rest = line:match "^@(%l+)(%S*)%s*(.*)$"
    if tag then
      into = assert(tags[tag], "no tag " .. tag)(entry, rest, option) or into
    elseif into == entry.usage then
      into[#into + 1] = line
    else
      add_line(into, line)
    end
    i = i + 1
  end
  return entry, i
end

-- The name by which a file calls what this line defines; "" is what it returns.
local function defined(line)
  line = line or ""
  if line:find "^return function" then return "" end
  return line:match "^function ([%w_.:]+)"
end

-- "cutting.split" of moe.data is moe.data.split; "Table:rows" stays.
local function full_name(module, name, given)
  if name:find ":" then return name end
  if given then return module .. "." .. name end
  return name == "" and module or module .. "." .. name:match "([%w_]+)$"
end

--- What the comments of a file say.
-- @return the heading { module, blocks… }, or nil; and a list of functions { name,
-- params, returns, raises, usage, blocks… }
function ldoc.read(path)
  local lines, list, heading, i = read_lines(path), {}, nil, 1
  while i <= #lines do
    if lines[i]:find "^%-%-%-%s" then
      local entry
      entry, i = read_comment(lines, i)
      local name = entry.name or defined(lines[i])
      if entry.module then
        heading = entry
      elseif name and heading then
        entry.name = full_name(heading.module, name, entry.name ~= nil)
        list[#list + 1] = entry
      end
    else
      i = i + 1
    end
  end
  return heading, list
end

--- How a function is called: its name and parameters.
function ldoc.signature(entry)
  local out = ""
  for k, param in ipairs(entry.params) do
    local comma = k > 1 and ", " or ""
    if param.optional then
      out = out .. (k > 1 and " [" or "[") .. comma .. param.name .. "]"
    else
      out = out .. comma .. param.name
    end
  end
  return entry.name .. "(" .. out .. ")"
end

return ldoc
