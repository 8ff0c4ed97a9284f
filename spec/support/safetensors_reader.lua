-- A reader of safetensors files that shares nothing with the engine's: written
-- from the format's rules alone, in plain Lua, strict about every one of them.
-- It also packs files, so that specs can make what no writer would.
local safetensors = {}

local bits = {
  BOOL = 8, U8 = 8, I8 = 8, U16 = 16, I16 = 16, F16 = 16, BF16 = 16,
  U32 = 32, I32 = 32, F32 = 32, U64 = 64, I64 = 64, F64 = 64,
}

-- ---------------------------------------------------------------------- JSON

local escapes = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/",
  b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local function utf8_of(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then
    return string.char(0xC0 + math.floor(code / 0x40), 0x80 + code % 0x40)
  end
  return string.char(
    0xE0 + math.floor(code / 0x1000),
    0x80 + math.floor(code / 0x40) % 0x40,
    0x80 + code % 0x40
  )
end

local decode_value

local function decode_string(s, at)
  local parts = {}
  while true do
    local plain, stop = s:match('^([^"\\%c]*)()', at)
    parts[#parts + 1], at = plain, stop
    local c = s:sub(at, at)
    if c == '"' then return table.concat(parts), at + 1 end
    assert(c == "\\", "a string without end")
    local escape = s:sub(at + 1, at + 1)
    if escape == "u" then
      parts[#parts + 1] = utf8_of(assert(tonumber(s:match("^%x%x%x%x", at + 2), 16)))
      at = at + 6
    else
      parts[#parts + 1] = assert(escapes[escape], "an unknown escape")
      at = at + 2
    end
  end
end

local function decode_items(s, at, closing, item)
  at = s:match("^%s*()", at)
  if s:sub(at, at) == closing then return at + 1 end
  while true do
    at = s:match("^%s*()", item(at))
    local c = s:sub(at, at)
    at = at + 1
    if c == closing then return at end
    assert(c == ",", "expected a comma")
  end
end

local function decode_map(s, at)
  local map = {}
  at = decode_items(s, at, "}", function(from)
    local key, value
    from = assert(s:match('^%s*"()', from), "expected a key")
    key, from = decode_string(s, from)
    assert(map[key] == nil, "a key is there twice")
    from = assert(s:match("^%s*:()", from), "expected a colon")
    value, from = decode_value(s, from)
    map[key] = value
    return from
  end)
  return map, at
end

local function decode_list(s, at)
  local list = {}
  at = decode_items(s, at, "]", function(from)
    list[#list + 1], from = decode_value(s, from)
    return from
  end)
  return list, at
end

safetensors.null = setmetatable({}, { __tostring = function() return "null" end })
local words = { ["true"] = true, ["false"] = false, null = safetensors.null }

function decode_value(s, at)
  at = s:match("^%s*()", at)
  local c = s:sub(at, at)
  if c == '"' then return decode_string(s, at + 1) end
  if c == "{" then return decode_map(s, at + 1) end
  if c == "[" then return decode_list(s, at + 1) end
  local word, after = s:match("^(%a+)()", at)
  if word then
    assert(words[word] ~= nil, "an unknown word")
    return words[word], after
  end
  word, after = s:match("^(%-?%d+%.?%d*[eE]?[+-]?%d*)()", at)
  return assert(tonumber(word), "expected a value"), after
end

--- The value of a JSON text; null is safetensors.null.
function safetensors.decode(text)
  local value, at = decode_value(text, 1)
  assert(text:find("^%s*$", at), "more than one value")
  return value
end

--- The text as a JSON string.
function safetensors.quote(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return ("\\u%04x"):format(c:byte())
  end) .. '"'
end

-- ------------------------------------------------------------------- reading

local function little_endian(bytes, first, n)
  local x = 0
  for i = first + n - 1, first, -1 do x = x * 256 + bytes:byte(i) end
  return x
end

local function signed(bytes, first, n)
  local x = little_endian(bytes, first, n)
  return x < 2 ^ (8 * n - 1) and x or x - 2 ^ (8 * n)
end

-- An IEEE 754 number of n bytes with so many bits of exponent.
local function floating(bytes, first, n, exponent_bits)
  local mantissa_bits = 8 * n - 1 - exponent_bits
  local high = little_endian(bytes, first + n - 4, 4)
  local sign = high >= 2 ^ 31 and -1 or 1
  local exponent = math.floor(high % 2 ^ 31 / 2 ^ (31 - exponent_bits))
  local mantissa = high % 2 ^ (31 - exponent_bits)
  if n == 8 then mantissa = mantissa * 2 ^ 32 + little_endian(bytes, first, 4) end
  local bias = 2 ^ (exponent_bits - 1) - 1
  if exponent == 2 * bias + 1 then return mantissa == 0 and sign / 0 or 0 / 0 end
  if exponent == 0 then return sign * mantissa * 2 ^ (1 - bias - mantissa_bits) end
  return sign * (1 + mantissa / 2 ^ mantissa_bits) * 2 ^ (exponent - bias)
end

local readers = {
  F64 = function(bytes, first) return floating(bytes, first, 8, 11) end,
  F32 = function(bytes, first) return floating(bytes, first, 4, 8) end,
  I64 = function(bytes, first) return signed(bytes, first, 8) end,
  I32 = function(bytes, first) return signed(bytes, first, 4) end,
  U8 = function(bytes, first) return bytes:byte(first) end,
}

local function check_entry(name, t, size)
  assert(type(name) == "string" and type(t) == "table", name)
  for key in pairs(t) do
    assert(key == "dtype" or key == "shape" or key == "data_offsets", key)
  end
  local items = assert(bits[t.dtype], t.dtype)
  for _, n in ipairs(t.shape) do
    assert(n >= 0 and n == math.floor(n), name)
    items = items * n
  end
  t.first, t.last = t.data_offsets[1], t.data_offsets[2]
  assert(#t.data_offsets == 2 and t.first <= t.last and t.last <= size, name)
  assert(t.last - t.first == items / 8, name .. " has another size than its shape")
end

--- Reads the bytes of a file, or raises where they break a rule of the format.
-- @return { metadata, tensors = { name → { dtype, shape, bytes } }, order },
-- `order` being the names as they follow each other in the file
function safetensors.read(bytes)
  assert(#bytes >= 8, "too short")
  local length = little_endian(bytes, 1, 8)
  assert(length <= 100000000 and 8 + length <= #bytes, "the header's length")
  local header = bytes:sub(9, 8 + length)
  assert(header:sub(1, 1) == "{", "the header's first byte")
  assert(header:find "} *$", "the header's padding")
  local tensors = safetensors.decode(header)
  local metadata, order = tensors.__metadata__ or {}, {}
  tensors.__metadata__ = nil
  for _, text in pairs(metadata) do assert(type(text) == "string") end
  local data = bytes:sub(9 + length)
  for name, t in pairs(tensors) do
    check_entry(name, t, #data)
    t.bytes = data:sub(t.first + 1, t.last)
    order[#order + 1] = name
  end
  table.sort(order, function(a, b)
    local x, y = tensors[a], tensors[b]
    if x.first ~= y.first then return x.first < y.first end
    if x.last ~= y.last then return x.last < y.last end
    return a < b
  end)
  local at = 0
  for _, name in ipairs(order) do
    assert(tensors[name].first == at, "a hole or an overlap before " .. name)
    at = tensors[name].last
  end
  assert(at == #data, "bytes after the last tensor")
  return { metadata = metadata, tensors = tensors, order = order, header_length = length }
end

--- The tensor's numbers, in one flat array.
function safetensors.numbers(tensor)
  local out, step = {}, bits[tensor.dtype] / 8
  for first = 1, #tensor.bytes, step do
    out[#out + 1] = readers[tensor.dtype](tensor.bytes, first)
  end
  return out
end

-- ------------------------------------------------------------------- packing

--- A container of that header text and data, be they right or wrong.
function safetensors.container(header, data, length)
  local bytes, n = {}, length or #header
  for i = 1, 8 do
    bytes[i] = string.char(n % 256)
    n = math.floor(n / 256)
  end
  return table.concat(bytes) .. header .. (data or "")
end

--- The bytes of what read() gave, perhaps changed since.
function safetensors.pack(file)
  local entries, data, at = {}, {}, 0
  local metadata = {}
  for key, text in pairs(file.metadata) do
    metadata[#metadata + 1] = safetensors.quote(key) .. ":" .. safetensors.quote(text)
  end
  entries[1] = '"__metadata__":{' .. table.concat(metadata, ",") .. "}"
  for _, name in ipairs(file.order) do
    local t = file.tensors[name]
    entries[#entries + 1] = ('%s:{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}'):format(
      safetensors.quote(name), t.dtype, table.concat(t.shape, ","), at, at + #t.bytes
    )
    data[#data + 1] = t.bytes
    at = at + #t.bytes
  end
  return safetensors.container("{" .. table.concat(entries, ",") .. "}", table.concat(data))
end

return safetensors
