--- Streams.
-- @module moe.streams

local generator = require "moe.streams.generator"

local NAMES = {
  "salary", "commission", "age", "elevel", "car", "zipcode", "hvalue", "hyears", "loan",
}

-- Whether v is in the range that the age group is given: below 40, to 60, above.
local function in_range(age, v, young, middle, old)
  local range = age < 40 and young or age < 60 and middle or old
  return v >= range[1] and v <= range[2]
end

local K = 1000
local LOW, MIDDLE, HIGH = { 25 * K, 75 * K }, { 50 * K, 100 * K }, { 75 * K, 125 * K }
local SMALL, MEDIUM = { 100 * K, 300 * K }, { 200 * K, 400 * K }
local LARGE = { 300 * K, 500 * K }
local FIRST, SECOND, THIRD = { 0, 1 }, { 1, 3 }, { 2, 4 } -- levels of education

local function within(v, range) return v >= range[1] and v <= range[2] end

local function income(p) return 2 / 3 * (p.salary + p.commission) end

-- Whether a person is in group A, by each of the ten functions of the paper.
local functions = {
  function(p) return p.age < 40 or p.age >= 60 end,
  function(p) return in_range(p.age, p.salary, MIDDLE, HIGH, LOW) end,
  function(p) return in_range(p.age, p.elevel, FIRST, SECOND, THIRD) end,
  function(p)
    local educated = in_range(p.age, p.elevel, FIRST, SECOND, THIRD)
    if p.age < 40 then return within(p.salary, educated and LOW or MIDDLE) end
    if p.age < 60 then return within(p.salary, educated and MIDDLE or HIGH) end
    return within(p.salary, educated and MIDDLE or LOW)
  end,
  function(p)
    local paid = in_range(p.age, p.salary, MIDDLE, HIGH, LOW)
    if p.age < 40 then return within(p.loan, paid and SMALL or MEDIUM) end
    if p.age < 60 then return within(p.loan, paid and MEDIUM or LARGE) end
    return within(p.loan, paid and LARGE or SMALL)
  end,
  function(p) return in_range(p.age, p.salary + p.commission, MIDDLE, HIGH, LOW) end,
  function(p) return income(p) - p.loan / 5 - 20 * K > 0 end,
  function(p) return income(p) - 5 * K * p.elevel - 20 * K > 0 end,
  function(p) return income(p) - 5 * K * p.elevel - p.loan / 5 - 10 * K > 0 end,
  function(p)
    local equity = p.hyears >= 20 and p.hvalue * (p.hyears - 20) / 10 or 0
    return income(p) - 5 * K * p.elevel + equity / 5 - 10 * K > 0
  end,
}

local floor = math.floor

-- From nine numbers in [0, 1).
local function make_person(u, p)
  p.salary = 20 * K + 130 * K * u[1]
  p.commission = p.salary >= 75 * K and 0 or 10 * K + 65 * K * u[2]
  p.age = 20 + floor(61 * u[3])
  p.elevel = floor(5 * u[4])
  p.car = 1 + floor(20 * u[5])
  p.zipcode = floor(9 * u[6])
  p.hvalue = (9 - p.zipcode) * 100 * K * (0.5 + u[7])
  p.hyears = 1 + floor(30 * u[8])
  p.loan = 500 * K * u[9]
end

local function moved(v, low, high, by)
  return math.max(low, math.min(high, v + (high - low) * by))
end

-- Each number moves by its own of six numbers, within its range.
local function perturb(u, p)
  p.salary = moved(p.salary, 20 * K, 150 * K, u[1])
  if p.commission > 0 then p.commission = moved(p.commission, 10 * K, 75 * K, u[2]) end
  p.age = moved(p.age, 20, 80, u[3])
  p.hvalue = moved(p.hvalue, 50 * K, 1350 * K, u[4])
  p.hyears = moved(p.hyears, 1, 30, u[5])
  p.loan = moved(p.loan, 0, 500 * K, u[6])
end

local NOMINAL = { elevel = "level", car = "make", zipcode = "zip" }

--- Loan applications (Agrawal, Imielinski & Swami 1993, doi 10.1109/69.250074): six
-- numbers and three codes (elevel, car, zipcode) of a person, who is in group "A" or
-- "B" by one of the paper's ten functions.  Thereafter the numbers are moved by up to
-- the perturbation times their range, within it.
-- @function agrawal
-- @param[opt] options a table of
--   variant = 1: of the ten functions
--   perturbation = 0.05: in [0, 1]
--   nominal = false: the codes as strings
--   seed = 0, rows: how many; endless unless given
-- @return a Stream
return generator.new {
  name = "agrawal", task = "classification", features = NAMES, classes = { "A", "B" },
  options = {
    variant = { "integer", min = 1, max = 10, default = 1 },
    perturbation = { "number", min = 0, max = 1, default = 0.05 },
    nominal = { "boolean", default = false },
  },
  kinds = function(o)
    local kinds = {}
    for j, name in ipairs(NAMES) do
      kinds[j] = o.nominal and NOMINAL[name] and "string" or "number"
    end
    return kinds
  end,
  start = function(o, random)
    local r, noise, is_A = random "rows", random "noise", functions[o.variant]
    local u, v, p, share = {}, {}, {}, o.perturbation
    local nominal = o.nominal
    return function(x)
      r.fill(u, 9)
      make_person(u, p)
      local y = is_A(p) and "A" or "B"
      if share > 0 then
        noise.fill(v, 6, -share, share)
        perturb(v, p)
      end
      for j = 1, 9 do x[j] = p[NAMES[j]] end
      if nominal then
        for j = 4, 6 do x[j] = NOMINAL[NAMES[j]] .. x[j] end
      end
      return y
    end
  end,
}
