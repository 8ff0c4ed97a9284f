-- Models as files and bytes: what comes back, what others can read in them, and
-- what becomes of files that are not what they should be.
local moe = require "moe"
local core = require "moe.core"
local allocations = require "spec.support.allocations"
local catalog = require "spec.support.catalog"
local data = require "spec.support.data"
local safetensors = require "spec.support.safetensors_reader"

local deep = os.getenv "MOE_DEEP" ~= nil
local E, G = moe.experts, moe.gates

local X, y = data.clouds(30, 2, 3)

local function in_lua()
  return { lua = { [""] = catalog.expert_in_lua() } }
end

-- Undumping says no as it should: nil, a message that has the word, EFORMAT.
local function refuses(bytes, word)
  local object, message, code = moe.undump(bytes)
  assert.is_nil(object)
  assert.equal("EFORMAT", code)
  if word then assert.truthy(message:find(word, 1, true), message) end
end

-- The dump with `edit` applied to what the reader gives, and no checksum, which
-- would refuse every edit by itself.
local function edited(bytes, edit)
  local file = safetensors.read(bytes)
  file.metadata.checksum = nil
  edit(file)
  return safetensors.pack(file)
end

local function with_tree(bytes, from, to)
  return edited(bytes, function(file)
    local text, n = file.metadata.moe:gsub(from, to)
    assert(n > 0, from)
    file.metadata.moe = text
  end)
end

-- Uses an object that came out of altered bytes: it may answer anything, or
-- raise, but only within its memory.
local function use(object, rows)
  if object.transform then
    pcall(object.transform, object, rows)
  elseif object.forward then
    pcall(object.forward, object, rows)
  else
    pcall(object.predict, object, rows)
    pcall(object.learn_one, object, { 1, 2 }, y[1])
  end
  assert(tostring(object))
  object:close()
end

-- A little data, whose columns have names, for a type of the catalog.
local takes_strings = { one_hot = true, ordinal = true, text_hasher = true }
local function little(type, task)
  local rows, targets = X, y
  if type.family == "transform" then
    return moe.data.table {
      names = takes_strings[type.name] and { "a", "b", "text" } or { "a", "b" },
      columns = {
        a = { 1, 2, 3, 4, 5, 6 },
        b = { 0.5, 1.5, 2.5, 3.5, 4.5, 5.5 },
        text = takes_strings[type.name] and { "one", "two words", "", "one", "ü", "three" } or nil,
      },
    }
  elseif type.traits.gates then
    rows, targets = data.scores(12)
  elseif task then
    rows, targets = data.plane(12, 2, 0.1)
  end
  rows = moe.tensor(rows)
  rows.names = rows.shape[2] == 3 and { "expert", "b", "c" } or { "a", "b" }
  return rows, targets
end

local options = { fixed = { column = "expert" }, text_hasher = { buckets = 16 } }

-- Every type of the catalog, fitted.
local function each_fitted(visit)
  local fitted = {}
  for _, type in ipairs(core.types()) do
    if type.traits or type.family == "transform" then fitted[#fitted + 1] = type end
  end
  for _, type in ipairs(fitted) do
    local numbers = type.traits and (not type.traits.classifies or type.name == "glm")
    local task = numbers and "regression" or nil
    local object, rows, targets = catalog.new(type, task, options[type.name]), little(type, task)
    if type.name == "imported" then
      rows = moe.tensor { { 1, 2, 3, 4 }, { -1, -2, -3, -4 } }
    else
      object:fit(rows, targets)
    end
    visit(object, type, rows)
  end
end

describe("a saved model", function()
  local small = E.constant {}
  small:fit({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, { "yes", "no", "yes" })
  local bytes = small:dump()

  it("is a safetensors file, whose arrays anyone can read", function()
    local file = safetensors.read(bytes)
    assert.same({ "total", "value" }, file.order)
    -- The class frequencies, in the classes' order: no, yes.
    assert.same({ 1 / 3, 2 / 3 }, safetensors.numbers(file.tensors.value))
    assert.same({ 1, 2 }, safetensors.numbers(file.tensors.total))
    assert.equal("lua-moe 1", file.metadata.format)
    assert.equal(0, (8 + file.header_length) % 8)
    local tree = safetensors.decode(file.metadata.moe)
    assert.equal("learner constant", tree.family .. " " .. tree.type)
    assert.same({ "no", "yes" }, tree.state.classes)
    assert.same({ 2 }, tree.state.value)
    assert.equal(3, tree.state.n_seen)
  end)

  it("keeps to the format in every type, wider elements first", function()
    local width = { F64 = 8, I64 = 8, F32 = 4, I32 = 4, U8 = 1 }
    each_fitted(function(object)
      local file, last = safetensors.read(object:dump()), 8
      for _, name in ipairs(file.order) do
        local t = file.tensors[name]
        assert.is_true(width[t.dtype] <= last)
        last = width[t.dtype]
        assert.equal(1, #t.shape)
        if t.shape[1] < 1000 then assert.equal(t.shape[1], #safetensors.numbers(t)) end
      end
    end)
  end)

  it("names arrays by their path among the objects", function()
    local m = moe.mixture {
      experts = { scope = E.constant {}, type = E.constant {} }, gate = G.uniform {},
    }
    m:fit(X, y)
    local file = safetensors.read(m:dump())
    assert.same({ 3 }, file.tensors["experts.scope.value"].shape)
    assert.same({ 3 }, file.tensors["experts.type.value"].shape)
  end)

  -- The arithmetic of docs/file_format.md on four limbs of 16 bits.
  it("carries the checksum that its documentation describes", function()
    local function times(a, b)
      local out, carry = {}, 0
      for i = 1, 4 do
        for j = 1, i do carry = carry + a[j] * b[i - j + 1] end
        out[i] = carry % 65536
        carry = math.floor(carry / 65536)
      end
      return out
    end
    local function xor(a, b)
      local out = {}
      for i = 1, 4 do
        local x, u, v, bit = 0, a[i], b[i], 1
        for _ = 1, 16 do
          if u % 2 ~= v % 2 then x = x + bit end
          u, v, bit = math.floor(u / 2), math.floor(v / 2), bit * 2
        end
        out[i] = x
      end
      return out
    end
    local golden = { 0x7c15, 0x7f4a, 0x79b9, 0x9e37 }
    local function mix(h, word)
      local x = times(xor(h, word), golden)
      return xor(x, { x[3], x[4], 0, 0 })
    end
    local function digest(h, s)
      local padded = s .. ("\0"):rep(-#s % 8)
      for at = 1, #padded, 8 do
        local word = {}
        for i = 0, 3 do
          word[i + 1] = padded:byte(at + 2 * i) + 256 * padded:byte(at + 2 * i + 1)
        end
        h = mix(h, word)
      end
      return mix(h, { #s % 65536, math.floor(#s / 65536), 0, 0 })
    end
    local function plus(a, b)
      local out, carry = {}, 0
      for i = 1, 4 do
        carry = carry + a[i] + b[i]
        out[i], carry = carry % 65536, math.floor(carry / 65536)
      end
      return out
    end
    local zero = { 0, 0, 0, 0 }
    local file = safetensors.read(bytes)
    local sum = digest(zero, file.metadata.moe)
    for name, t in pairs(file.tensors) do
      sum = plus(sum, digest(digest(zero, name), t.bytes))
    end
    local digits = ("%04x%04x%04x%04x"):format(sum[4], sum[3], sum[2], sum[1])
    assert.equal(digits, file.metadata.checksum)
  end)

  it("may come without a checksum, and edited", function()
    local again = assert(moe.undump(edited(bytes, function() end)))
    assert.equal("yes", again:predict_one { 0, 0 })
    local other = edited(bytes, function(file)
      local value = file.tensors.value
      value.bytes = value.bytes:sub(9) .. value.bytes:sub(1, 8)
    end)
    assert.equal("no", assert(moe.undump(other)):predict_one { 0, 0 })
  end)

  it("gives the same bytes to a file, a string and a second time", function()
    local path = os.tmpname()
    each_fitted(function(object, type)
      local dumped = object:dump()
      assert(object:save(path))
      local f = assert(io.open(path, "rb"))
      assert.is_true(f:read "*a" == dumped)
      f:close()
      local again = assert(moe.load(path, in_lua()))
      if type.name ~= "foreign" then assert.is_true(again:dump() == dumped) end
    end)
    os.remove(path)
  end)

  it("may not have been trained yet", function()
    for _, type in ipairs(core.types()) do
      if type.name ~= "foreign" then
        local object = catalog.new(type)
        local again = assert(moe.undump(object:dump()))
        assert.equal(tostring(object), tostring(again))
      end
    end
  end)

  it("has labels of all kinds, of any bytes, and columns of any name", function()
    local odd = {
      "caf\233", "\255\254", 'say "hi"\\', "line\nbreak", "ü", true, false, 0.1, -3, 2 ^ 53,
    }
    local rows, labels = {}, {}
    for i, label in ipairs(odd) do rows[i], labels[i] = { i }, label end
    local m = E.constant { task = "classification" }
    m:fit(rows, labels)
    assert.same(m:classes(), assert(moe.undump(m:dump())):classes())
    assert.equal(10, #m:classes())
  end)

  it("nests, and keeps lists lists", function()
    local inner = moe.mixture { experts = { E.constant {}, E.logistic {} }, gate = G.uniform {} }
    local experts = { ["ä"] = inner, b = E.constant {} }
    local outer = moe.mixture { experts = experts, gate = G.uniform {} }
    outer:fit(X, y)
    local again = assert(moe.undump(outer:dump()))
    assert.equal(tostring(outer), tostring(again))
    assert.equal(2, #again:expert("ä"):get_params("experts"))
    assert.same(outer:predict(X), again:predict(X))
  end)

  it("holds any plain table that an object written in Lua keeps", function()
    local state = {
      list = { 1, 2.5, "three", { nested = true } }, empty = {}, ["@odd"] = 1, ["\255"] = "\254",
      sparse = { [3] = "c", [10] = "j" }, mixed = { "one", x = 1 },
      flags = { [true] = 1, [false] = 2 },
      numbers = { [0.5] = 1e300, [-1] = -0.1, huge = math.huge, low = -math.huge },
    }
    local expert, given = catalog.expert_in_lua(), catalog.expert_in_lua()
    local object = E.foreign(expert)
    object:fit(X, y)
    expert.state = state
    local dumped = object:dump()
    assert(moe.undump(dumped, { lua = { [""] = given } }))
    assert.same(state, given.state)
    given.state = nil
    expert.state = { numbers = state.numbers, list = state.list }
    for name, value in pairs(state) do expert.state[name] = value end
    assert.is_true(object:dump() == dumped) -- the order of the keys is not Lua's
    state.nan = 0 / 0
    expert.state = state
    assert(moe.undump(object:dump(), { lua = { [""] = given } }))
    assert.is_true(given.state.nan ~= given.state.nan)
    state.f = print
    assert.has_error(function() object:dump() end)
  end)

  it("refuses to be written when it could not be read again", function()
    local m = moe.mixture { experts = { ["\255"] = E.constant {} }, gate = G.uniform {} }
    local ok, message = pcall(m.dump, m)
    assert.is_false(ok)
    assert.truthy(tostring(message):find "UTF%-8")
  end)

  it("nests as deep as objects can", function()
    local deepest
    local tower = E.constant {}
    repeat
      deepest = tower
      local built = pcall(function()
        tower = moe.mixture { experts = { tower }, gate = G.uniform {} }
      end)
    until not built
    assert.equal(tostring(deepest), tostring(assert(moe.undump(deepest:dump()))))
  end)

  it("leaves nothing behind in memory, loaded or refused", function()
    local before = allocations.live()
    for n = 0, #bytes, 7 do moe.undump(bytes:sub(1, n)) end
    moe.undump(bytes):close()
    assert.equal(before, allocations.live())
  end)
end)

describe("a damaged model", function()
  local small = E.constant {}
  small:fit(X, y)
  local bytes = small:dump()

  local function flipped(s, at, bit)
    local c = s:byte(at)
    local on = math.floor(c / 2 ^ bit) % 2 == 1
    return s:sub(1, at - 1) .. string.char(on and c - 2 ^ bit or c + 2 ^ bit) .. s:sub(at + 1)
  end

  it("is refused at every length that it is cut to, and with more after it", function()
    for n = 0, #bytes - 1 do refuses(bytes:sub(1, n)) end
    refuses(bytes .. "\0")
  end)

  it("is refused with any one bit flipped", function()
    for at = 1, #bytes do
      for bit = 0, 7 do
        if moe.undump(flipped(bytes, at, bit)) then
          error(("bit %d of byte %d went unnoticed"):format(bit, at))
        end
      end
    end
  end)

  it("of any type, without its checksum, is refused or answers in bounds", function()
    local uniform = data.uniform(23)
    each_fitted(function(object, _, rows)
      local whole = edited(object:dump(), function() end)
      local function try(at, bit)
        local again = moe.undump(flipped(whole, at, bit))
        if again then use(again, rows) end
      end
      if deep then
        for at = 1, #whole do
          for bit = 0, 7 do try(at, bit) end
        end
      else
        for _ = 1, 60 do try(1 + math.floor(uniform() * #whole), math.floor(uniform() * 8)) end
      end
    end)
  end)

  -- Undumps a file whose tree's text is another, and uses what comes out.
  local function try_tree(file, text, rows)
    local own = file.metadata.moe
    file.metadata.moe = text
    local again = moe.undump(safetensors.pack(file))
    file.metadata.moe = own
    if again then use(again, rows) end
  end

  local function without_checksum(object)
    local file = safetensors.read(object:dump())
    file.metadata.checksum = nil
    return file
  end

  it("of any type, with an array left out or of odd numbers, too", function()
    local hostile = { -- as doubles: NaN, 0, another NaN, infinity
      ("\255"):rep(8), ("\0"):rep(8), ("\255"):rep(7) .. "\127", ("\0"):rep(6) .. "\240\127",
    }
    each_fitted(function(object, _, rows)
      local file = without_checksum(object)
      for k = #file.order, 1, -1 do
        local name = file.order[k]
        local t = file.tensors[name]
        local own = t.bytes
        for _, number in ipairs(hostile) do
          t.bytes = number:rep(math.ceil(#own / 8)):sub(1, #own)
          try_tree(file, file.metadata.moe, rows)
        end
        t.bytes = own
        table.remove(file.order, k)
        -- Every array of that name, in whatever object: the rest has no place.
        local key = '("' .. name:match "[^.]+$" .. '":)%[%d+%]'
        try_tree(file, (file.metadata.moe:gsub(key, "%1null")), rows)
        table.insert(file.order, k, name)
      end
    end)
  end)

  it("of any type, with any one parameter of another value or none, too", function()
    each_fitted(function(object, type, rows)
      local file = without_checksum(object)
      for _, param in ipairs(type.params) do
        local key = '("' .. param.name .. '":)[^%[{,}]+([,}])'
        for _, value in ipairs { "null", "true", "1", '"x"' } do
          try_tree(file, (file.metadata.moe:gsub(key, "%1" .. value .. "%2", 1)), rows)
        end
      end
    end)
  end)

  it("of any type, with any number of its state changed, too", function()
    local numbers = { "0", "-1", "1", "2147483648", "9223372036854775807", "4611686018427387904" }
    each_fitted(function(object, _, rows)
      local file = without_checksum(object)
      local text = file.metadata.moe
      local at = text:find('"state"', 1, true)
      while true do
        local first, last = text:find("%-?%d[%d.e+-]*", at)
        if not first then break end
        for _, number in ipairs(numbers) do
          try_tree(file, text:sub(1, first - 1) .. number .. text:sub(last + 1), rows)
        end
        at = last + 1
      end
    end)
  end)
end)

describe("a hostile file", function()
  local pack = safetensors.container
  local entry = '"a":{"dtype":%s,"shape":%s,"data_offsets":%s}'
  local function one(dtype, shape, offsets, bytes)
    return pack("{" .. entry:format(dtype, shape, offsets) .. "}", ("\0"):rep(bytes or 0))
  end

  it("that is hardly a file is refused", function()
    refuses("")
    for n = 1, 7 do refuses(("\0"):rep(n)) end
    refuses(("\0"):rep(8))
    refuses(pack("{}", "", 3), "ends within")
    refuses(pack("{}", "", 100000001), "too long")
    refuses(pack("{}", "", 2 ^ 63))
    refuses(("\255"):rep(8) .. "{}")
    refuses(pack("{}"), "not one of lua-moe's")
    refuses(pack("{}", "x"), "belong to no tensor")
    refuses(pack "", "expected a map")
    refuses(pack " {}", "expected a map")
    refuses(pack "[]", "expected a map")
    refuses(pack "{} {}", "more than was expected")
    refuses(pack "{}\0", "more than was expected")
  end)

  it("with a broken header is refused", function()
    refuses(pack '{"a\255":1}', "invalid UTF-8")
    refuses(pack '{"\237\160\128":1}', "invalid UTF-8")
    refuses(pack '{"a', "a string without end")
    refuses(pack '{"a\1":1}', "control character")
    refuses(pack '{"\\u0000":1}', "zero character")
    refuses(pack '{"\\ud800":1}', "half a character")
    refuses(pack '{"\\x":1}', "unknown escape")
    refuses(pack("{" .. ("["):rep(100000)))
    refuses(pack('{"a":' .. ("["):rep(100000)))
    refuses(pack('{"__metadata__":{"moe":' .. ("{\"a\":"):rep(100000)))
    refuses(pack '{"a":}', "expected a map")
    refuses(pack '{"a":1}', "expected a map")
    refuses(pack '{"__metadata__":{"a":1}}', "expected a string")
    refuses(pack '{"__metadata__":{},"__metadata__":{}}', "twice")
    refuses(pack '{"__metadata__":{"a":"","a":""}}', "twice")
    refuses(pack '{"__metadata__":{},}', "expected a string")
  end)

  it("with a wrong entry is refused", function()
    refuses(one('"F65"', "[]", "[0,0]"), "unknown element type")
    refuses(one('"F64"', "[1]", "[0,7]", 7), "needs 8 bytes")
    refuses(one('"F64"', "[1]", "[0,16]", 8), "invalid offsets")
    refuses(one('"F64"', "[1]", "[8,0]", 8), "invalid offsets")
    refuses(one('"F64"', "[1]", "[-8,0]", 8), "negative")
    refuses(one('"F64"', "[1]", "[0,8.0]", 8), "expected an integer")
    refuses(one('"F64"', "[1]", "[0,1e300]", 8), "expected an integer")
    refuses(one('"F64"', "[1]", '[0,"8"]', 8), "expected an integer")
    refuses(one('"F64"', "[1]", "[0,99999999999999999999]", 8), "beyond 64 bits")
    refuses(one('"F64"', "[1]", "[0]", 8), "invalid offsets")
    refuses(one('"F64"', "[1]", "[0,8,8]", 8), "expected two offsets")
    refuses(one('"F64"', "[-1]", "[0,8]", 8), "negative")
    refuses(one('"F64"', "[4294967296,4294967296]", "[0,8]", 8), "overflows")
    refuses(one('"F64"', "[4294967296,536870912]", "[0,0]"), "overflows")
    refuses(one('"F64"', "[1" .. (",1"):rep(1000) .. "]", "[0,8]", 8), "too many dimensions")
    refuses(one('"F4"', "[3]", "[0,2]", 2), "ends within a byte")
    refuses(pack('{"a":{"dtype":"U8","shape":[1]}}', "x"), "lacks a part")
    refuses(pack('{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}', "x"), "twice")
    refuses(pack('{"a":{"dtype":"U8","shape":[1],"x":1}}', "x"), "unknown part")
    refuses(pack('{"a":{"dtype":"U8","shape":[1},"data_offsets":[0,1]}}', "x"), "closing bracket")
    refuses(pack('{"a\\n":{"dtype":"U8","shape":[1]}}', "x"), "control character")
  end)

  it("whose tensors overlap, leave holes or have one name is refused", function()
    local function two(name, first, second, bytes)
      local form = '"%s":{"dtype":"U8","shape":[2],"data_offsets":%s}'
      local header = "{" .. form:format("a", first) .. "," .. form:format(name, second) .. "}"
      return pack(header, ("x"):rep(bytes))
    end
    refuses(two("b", "[0,2]", "[1,3]", 3), "overlaps")
    refuses(two("b", "[0,2]", "[0,2]", 2), "overlaps")
    refuses(two("b", "[0,2]", "[3,5]", 5), "hole")
    refuses(two("b", "[1,3]", "[3,5]", 5), "hole")
    refuses(two("a", "[0,2]", "[2,4]", 4), "twice")
    refuses(two("b", "[0,2]", "[2,4]", 5), "belong to no tensor")
    refuses(two("b", "[2,4]", "[0,2]", 4), "not one of lua-moe's")
  end)

  it("of very many tiny tensors is read, and refused for what it is", function()
    local entries, n = {}, 20000
    for i = 1, n do
      entries[i] = ('"t%d":{"dtype":"U8","shape":[],"data_offsets":[%d,%d]}'):format(i, i - 1, i)
    end
    refuses(pack("{" .. table.concat(entries, ",") .. "}", ("x"):rep(n)), "not one of lua-moe's")
  end)
end)

describe("a model of false statements", function()
  local small = E.constant {}
  small:fit({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, { "yes", "no", "yes" })
  local bytes = small:dump()
  local function false_tree(from, to, word) refuses(with_tree(bytes, from, to), word) end

  it("about its format is refused", function()
    refuses(edited(bytes, function(file) file.metadata.format = "lua-moe 2" end), "lua-moe 2")
    refuses(edited(bytes, function(file) file.metadata.format = nil end), "not one of lua-moe's")
    refuses(edited(bytes, function(file) file.metadata.moe = nil end), "not one of lua-moe's")
    refuses(edited(bytes, function(file) file.metadata.more = "" end), "unknown metadata")
    refuses(edited(bytes, function(file) file.metadata.checksum = "0" end), "altered")
  end)

  it("about its types and parameters is refused", function()
    false_tree('"constant"', '"nothing"', "there is no learner 'nothing'")
    false_tree('"learner"', '"gate"', "there is no gate 'constant'")
    false_tree('"constant"', '"linear"')
    false_tree('"constant"', "7", "expected a string")
    false_tree('"family"', '"kind"', "'kind' stands where 'family' should")
    false_tree('"task":"auto"', '"task":"guess"', "'task' must be")
    false_tree('"task":"auto"', '"task":null', "'task' must be")
    false_tree('"task":"auto"', '"task":["auto"]', "'task' must be")
    false_tree('"task":"auto"', '"task":{"@pairs":1}')
    false_tree('"task":"auto"', '"task":{"@code":"os.exit()"}', "unknown notation")
    false_tree('"task":"auto"', '"tusk":"auto"', "no parameter 'tusk'")
    false_tree('"task":"auto"', '"task":"auto","task":"auto"', "twice")
    false_tree('"task":"auto"', '"task":NaN', "expected a value")
    false_tree("}$", ',"more":1}', "more items than expected")
    false_tree("}$", "}{}", "more than was expected")
    false_tree("}$", "", "byte")
  end)

  it("lacking a parameter has its default", function()
    local again = assert(moe.undump(with_tree(bytes, '"task":"auto",', "")))
    assert.equal("auto", again:get_params("task"))
  end)

  it("about its state is refused, saying where", function()
    false_tree('"n_outputs":2', '"n_outputs":3', "'value'")
    false_tree('"n_outputs":2', '"n_outputs":2.0', "'n_outputs'")
    false_tree('"n_outputs":2', '"n_outputs":9223372036854775808', "beyond 64 bits")
    false_tree('"n_outputs":2', '"n_output":2', "'n_output' stands where 'n_outputs' should")
    false_tree('"n_features":2', '"n_features":0', "numbers of columns")
    false_tree('"n_features":2', '"n_features":3', "columns")
    false_tree('"n_seen":3', '"n_seen":-1', "rows are wrong")
    false_tree('"task":1', '"task":0')
    false_tree('"task":1', '"task":2', "such a task")
    false_tree('"task":1', '"task":4294967296', "beyond 32 bits")
    false_tree('"no","yes"', '"yes","no"', "not in order")
    false_tree('"no","yes"', '"yes","yes"', "not in order")
    false_tree('"no","yes"', '"yes"', "one an output")
    false_tree('"no","yes"', 'null,"yes"', "'classes'")
    false_tree('"no","yes"', '[],"yes"', "'classes'")
    false_tree('"no","yes"', '{"@bytes":"f"},"yes"', "expected bytes")
    false_tree('"no","yes"', '{"@bytes":"00"},"yes"', "expected bytes")
    false_tree('"no","yes"', '{"@number":"nan"},"yes"', "'classes'")
    false_tree('"value":%[2%]', '"value":[3]', "'value': it has 3 items and should have 2")
    false_tree('"value":%[2%]', '"value":[2,1]', "more items")
    false_tree('"value":%[2%]', '"value":[-1]')
    false_tree('"value":%[2%]', '"value":2', "expected a list")
    false_tree('"value":%[2%]', '"value":null')
  end)

  it("about its tensors is refused", function()
    local function false_value(edit, word)
      refuses(edited(bytes, function(file) edit(file.tensors.value, file) end), word)
    end
    false_value(function(t) t.dtype = "I64" end, "not 2 items of F64")
    false_value(function(t) t.shape = { 2, 1 } end, "not 2 items of F64")
    false_value(function(t) t.shape = { 1, 2 } end, "not 2 items of F64")
    false_value(function(t) t.shape, t.bytes = { 1 }, t.bytes:sub(9) end, "not 2 items of F64")
    false_value(function(_, file) table.remove(file.order, 2) end, "'value': its tensor is missing")
    false_value(function(t, file)
      file.order[3], file.tensors.extra = "extra", t
    end, "'extra' has no place")
    false_value(function(t) t.bytes = ("\255"):rep(16) end, "not finite")
  end)

  it("about what a stream counts and begins with is refused", function()
    local m = moe.mixture { experts = { a = E.linear {}, b = E.constant {} } }
    for i = 1, 9 do m:learn_one({ i % 3, i % 2 }, i) end
    local dump = m:dump()
    refuses(edited(dump, function(file)
      file.tensors.samples.bytes = (("\255"):rep(7) .. "\127"):rep(2)
    end), "not those that it was fitted with")
    refuses(edited(dump, function(file) -- -1.35e308: finite, but not what is added to it
      file.tensors.bias.bytes = (("\0"):rep(6) .. "\232\255"):rep(2)
    end), "not those that it was fitted with")
    for _, name in ipairs { "prior", "factor" } do
      refuses(edited(dump, function(file)
        local t = file.tensors["gate." .. name]
        t.shape, t.bytes = { 0 }, ""
        file.metadata.moe = file.metadata.moe:gsub(('("%s":)%%[%%d+%%]'):format(name), "%1[0]")
      end))
    end
  end)

  it("about what runs with the experts of a stream is refused", function()
    local m = moe.mixture { experts = { a = E.linear {}, b = E.linear {} }, stream = {} }
    for i = 1, 9 do m:learn_one({ i % 3, i % 2 }, i) end
    for _, name in ipairs { "run_used", "run_loss", "run_taught" } do
      refuses(edited(m:dump(), function(file) -- -1.4e308
        file.tensors[name].bytes = (("\0"):rep(6) .. "\239\255"):rep(2)
      end), "not those that it was fitted with")
    end
    refuses(edited(m:dump(), function(file) -- -1 sample
      file.tensors.run_taught.bytes = (("\0"):rep(6) .. "\240\191"):rep(2)
    end), "not those that it was fitted with")
  end)

  it("about what a stream has still to measure is refused", function()
    local m = moe.mixture {
      experts = { a = E.linear {}, b = E.linear {} }, stream = { measure = "after" },
    }
    for i = 1, 9 do m:learn_one({ i % 3, i % 2 }, i) end
    local dump = m:dump()
    for _, number in ipairs { "-1", "2", "9223372036854775807" } do
      refuses(with_tree(dump, '"waits":1', '"waits":' .. number))
    end
    for _, number in ipairs { "-1", "5", "9223372036854775807" } do
      refuses(with_tree(dump, '"sums":%d', '"sums":' .. number))
    end
    for _, top in ipairs { "\240\127", "\248\255" } do -- of Inf and NaN
      refuses(edited(dump, function(file)
        file.tensors.waiting.bytes = (("\0"):rep(6) .. top):rep(17)
      end))
    end
    for _, top in ipairs { "\239\127", "\239\255" } do -- sums and means of 1.4e308
      for _, from in ipairs { 9, 13 } do
        refuses(edited(dump, function(file)
          local waiting = file.tensors.waiting
          waiting.bytes = waiting.bytes:sub(1, 8 * from) .. (("\0"):rep(6) .. top):rep(4)
            .. waiting.bytes:sub(8 * from + 33)
        end))
      end
    end
  end)

  it("about its children is refused", function()
    local experts = { a = E.constant {}, b = E.constant {} }
    local m = moe.mixture { experts = experts, gate = G.uniform {} }
    m:fit(X, y)
    local whole = m:dump()
    local function false_child(from, to, word) refuses(with_tree(whole, from, to), word) end
    false_child('"b":{"family"', '"a":{"family"', "not in order")
    false_child('"b":{"family"', '"":{"family"')
    false_child('"b":{"family"', '"b.c":{"family"')
    false_child('"family":"gate","type":"uniform"', '"family":"learner","type":"constant"')
    false_child('"type":"constant"', '"type":"mixture"')
    local tower = whole
    tower = with_tree(tower, "^(.*)$", function(text)
      return ('{"family":"learner","type":"mixture","params":{"experts":{"a":'):rep(100) .. text
    end)
    refuses(tower, "nested too deeply")
  end)
end)

describe("a path", function()
  local model = E.constant {}
  model:fit(X, y)
  local directory

  before_each(function()
    directory = os.tmpname()
    os.remove(directory)
    os.execute("mkdir " .. directory)
  end)
  after_each(function() os.execute("rm -rf " .. directory) end)

  local function fails(path)
    local object, message, code = moe.load(path)
    assert.is_nil(object)
    assert.equal("EIO", code)
    assert.truthy(message:find(path, 1, true), message)
    local ok
    ok, message, code = model:save(path)
    assert.is_nil(ok)
    assert.equal("EIO", code)
    assert.truthy(message:find(path, 1, true), message)
  end

  it("that is a directory, a FIFO or a device is refused at once", function()
    os.execute("mkfifo " .. directory .. "/fifo")
    fails(directory)
    fails(directory .. "/fifo")
    fails "/dev/zero"
    fails(directory .. "/nowhere/model.moe")
    os.execute("ln -s loop " .. directory .. "/loop")
    fails(directory .. "/loop")
    assert(model:save(directory .. "/model"))
    fails(directory .. "/model/below")
  end)

  it("that cannot be read is refused", function()
    local path = directory .. "/secret"
    assert(model:save(path))
    os.execute("chmod 0 " .. path)
    local f = io.open(path)
    if f then
      f:close()
      pending "this user may read everything"
      return
    end
    local object, _, code = moe.load(path)
    assert.is_nil(object)
    assert.equal("EIO", code)
  end)

  it("of something else is refused, and named", function()
    local path = directory .. "/text"
    local f = assert(io.open(path, "w"))
    f:write "This is not a model.\n"
    f:close()
    local object, message, code = moe.load(path)
    assert.is_nil(object)
    assert.equal("EFORMAT", code)
    assert.truthy(message:find(path, 1, true), message)
  end)

  -- The shell keeps files to a few blocks; with the signal ignored the write
  -- fails, and without it the process dies in the middle of it.
  it("keeps the old file when the disk is full or the saver dies", function()
    local path = directory .. "/model.moe"
    local lua = arg and arg[-1]
    for i = -2, -9, -1 do lua = arg and arg[i] or lua end
    if not lua or os.execute(lua .. " -v > /dev/null 2>&1") == nil then
      pending "no interpreter to run"
      return
    end
    assert(model:save(path))
    local old = assert(io.open(path, "rb")):read "*a"
    local script = directory .. "/save.lua"
    local f = assert(io.open(script, "w"))
    f:write([[
      local moe = require "moe"
      local m, X, y = moe.experts.constant { task = "classification" }, {}, {}
      for i = 1, 2000 do X[i], y[i] = { i }, "class " .. i end
      m:fit(X, y)
      local ok, message, code = m:save(...)
      print(ok, message, code)
    ]])
    f:close()
    for _, trap in ipairs { "trap '' XFSZ; ", "" } do
      local command = "exec 2>&1; ( %sulimit -f 8; exec %s %s %s )"
      local pipe = io.popen(command:format(trap, lua, script, path))
      local said = pipe:read "*a"
      pipe:close()
      if trap ~= "" then
        assert.truthy(said:find("EIO", 1, true), said)
        local names = io.popen("ls -A " .. directory)
        assert.equal("model.moe\nsave.lua\n", names:read "*a") -- nothing written aside is left
        names:close()
      end
      assert.is_true(assert(io.open(path, "rb")):read "*a" == old)
    end
    assert.truthy(moe.load(path))
  end)
end)
