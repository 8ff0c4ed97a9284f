-- Decimal to double and back, as CSV does it.  Expected values are the C
-- library's (tonumber is strtod in the C locale) or, written out, Python 3.11's
-- float() and repr().

local data = require "moe.data"
local random = require("spec.support.data").uniform

local function read(texts)
  return assert(data.parse_csv("x\n" .. table.concat(texts, "\n"))):column "x"
end

-- What write_csv makes of the numbers.
local function written(numbers)
  local path, lines = os.tmpname(), {}
  assert(data.table({ columns = { x = numbers } }):write_csv(path))
  for line in io.lines(path) do lines[#lines + 1] = line end
  os.remove(path)
  table.remove(lines, 1)
  return lines
end

local function digits(n, uniform)
  local out = {}
  for i = 1, n do out[i] = math.floor(uniform() * 10) end
  return table.concat(out)
end

local function significant(s)
  return #s:gsub("e.*", ""):gsub("[-.]", ""):gsub("^0+", ""):gsub("0+$", "")
end

-- How many digits a number needs at most, by trying all the C library's.
local function fewest(x)
  for precision = 0, 16 do
    local s = ("%." .. precision .. "e"):format(x)
    if tonumber(s) == x then return significant(s) end
  end
end

-- Equal, and zeros of one sign.
local function same(a, b) return a == b and 1 / a == 1 / b end

describe("reading a number", function()
  it("gives the nearest double in the hard cases", function()
    local cases = {
      { "9007199254740993", "9007199254740992" }, -- 2^53 + 1: a tie, to even
      { "9007199254740993.0000000000000000000000000000000000001", "9007199254740994" },
      { "9007199254740992.9999999999999999999999999999999999999", "9007199254740992" },
      { "9007199254740993." .. ("0"):rep(1000) .. "1", "9007199254740994" },
      { "9007199254740995", "9007199254740996" },
      { "5e-324", "4.9406564584124654e-324" },
      { "2.4703282292062327208e-324", "0" }, -- half the least double, and just above
      { "2.4703282292062328e-324", "4.9406564584124654e-324" },
      { "2.2250738585072011e-308", "2.2250738585072009e-308" }, -- once hung PHP and Java
      { "2.2250738585072014e-308", "2.2250738585072014e-308" },
      { "1.7976931348623157e308", "1.7976931348623157e+308" },
      { "1.7976931348623158e308", "1.7976931348623157e+308" },
      { "6.631236846766476e-316", "6.631236846766476e-316" },
      { "8.5e22", "8.4999999999999998e+22" },
      { "1e23", "9.9999999999999992e+22" },
      { "0.1e-400", "0" },
      { "123456789012345678901234567890", "1.2345678901234568e+29" },
      { "00000000000000000000000000001.5", "1.5" },
      { "0.00000000000000000000000000000000000000000001", "9.9999999999999995e-45" },
      { "1" .. ("0"):rep(400) .. "e-400", "1" },
      { "0." .. ("0"):rep(400) .. "1e401", "1" },
      { "+5", "5" }, { ".5", "0.5" }, { "5.", "5" }, { "1E+2", "100" }, { "-.25e1", "-2.5" },
    }
    local texts = {}
    for i, case in ipairs(cases) do texts[i] = case[1] end
    for i, value in ipairs(read(texts)) do
      assert.equal(cases[i][2], ("%.17g"):format(value), cases[i][1]:sub(1, 60))
    end
  end)

  -- (2^53 + 1) / 2^k lies midway between two doubles, and has all its digits
  -- within reach: doubling decimal digits by hand gives them exactly.
  it("gives the even one at every midpoint, and leaves it for the last digit", function()
    local texts, up = {}, {}
    for k = 1, 60 do
      local number, point = {}, 0
      for c in ("9007199254740993"):gmatch "%d" do number[#number + 1] = tonumber(c) end
      for _ = 1, k do -- times 5, and a place to the right: divided by 2
        local carry = 0
        for i = #number, 1, -1 do
          local v = number[i] * 5 + carry
          number[i], carry = v % 10, math.floor(v / 10)
        end
        if carry > 0 then table.insert(number, 1, carry) end
        point = point + 1
      end
      local s = table.concat(number)
      s = ("0"):rep(point + 1 - #s) .. s
      s = s:sub(1, #s - point) .. "." .. s:sub(-point)
      texts[k], up[k] = s, s .. "0000000000000000000000000001"
    end
    local even, above = read(texts), read(up)
    for k = 1, 60 do
      assert.equal(2 ^ 53 / 2 ^ k, even[k])
      assert.equal((2 ^ 53 + 2) / 2 ^ k, above[k])
    end
  end)

  it("equals strtod to the last bit, whatever the digits", function()
    local uniform, texts = random(42), {}
    for i = 1, 20000 do
      local n = 1 + math.floor(uniform() * 30)
      local s = digits(1 + math.floor(uniform() * n), uniform) .. "." .. digits(n, uniform)
      if uniform() < 0.5 then s = s .. "e" .. math.floor(uniform() * 660 - 340) end
      texts[i] = uniform() < 0.5 and "-" .. s or s
    end
    local finite = {}
    for _, s in ipairs(texts) do
      if math.abs(tonumber(s)) < math.huge then finite[#finite + 1] = s end
    end
    for i, value in ipairs(read(finite)) do
      if not same(tonumber(finite[i]), value) then
        error(("%s gave %.17g"):format(finite[i], value))
      end
    end
  end)

  it("takes nothing for a number that is only partly one, or too large", function()
    for _, s in ipairs {
      "1x", "1e", "1e+", "--1", "+", ".", "-.", "1 2", "1,5", "0x10", "inf", "-Infinity", "1e309",
      "1_000", "1.5.5", "١",
    } do
      local t = assert(data.parse_csv("x\n" .. s:gsub(",", ";") .. "\n"))
      assert.equal("string", t:kind "x", s)
    end
  end)
end)

describe("writing a number", function()
  it("takes the fewest digits that read back the same", function()
    local numbers = {
      0.1, 1 / 3, 2 / 3, 1e21, 1e22, 1e23, 123456789.125, 5e-324, 2.2250738585072014e-308,
      1.7976931348623157e308, 100, 0.0001, 0.00001, 1e15, 1e16, 123456789012345678.0, 2 ^ 53,
      0.1 + 0.2, 4.35, 1.5e-323, 1e-7, 299792458, 6.02214076e23, -2.5,
    }
    assert.same({
      "0.1", "0.3333333333333333", "0.6666666666666666", "1e21", "1e22", "1e23", "123456789.125",
      "5e-324", "2.2250738585072014e-308", "1.7976931348623157e308", "100", "0.0001", "1e-5",
      "1000000000000000", "1e16", "1.2345678901234568e17", "9007199254740992",
      "0.30000000000000004", "4.35", "1.5e-323", "1e-7", "299792458", "6.02214076e23", "-2.5",
    }, written(numbers))
  end)

  it("comes back as the same bits, from anywhere in the range", function()
    local uniform, numbers = random(7), {}
    for i = 1, 5000 do
      local x = (uniform() - 0.5) * 10 ^ math.floor(uniform() * 600 - 300)
      numbers[i] = i % 2 == 0 and x or math.floor(uniform() * 1e6) / 1000
    end
    for k = -1074, 1023 do numbers[#numbers + 1] = 2 ^ k end
    local lines = written(numbers)
    local back = read(lines)
    for i, x in ipairs(numbers) do
      if not same(x, back[i]) or not same(x, tonumber(lines[i])) then
        error(("%.17g was written %s"):format(x, lines[i]))
      end
      if i % 11 == 0 then assert.is_true(significant(lines[i]) <= fewest(x)) end
    end
  end)
end)

describe("powers.h", function()
  it("is what powers.lua writes", function()
    local lines, real = {}, print
    rawset(_G, "print", function(line) lines[#lines + 1] = line end)
    dofile "src/data/powers.lua"
    rawset(_G, "print", real)
    lines[#lines + 1] = ""
    local file = assert(io.open "src/data/powers.h")
    local text = file:read "*a"
    file:close()
    assert.is_true(text == table.concat(lines, "\n"))
  end)
end)
