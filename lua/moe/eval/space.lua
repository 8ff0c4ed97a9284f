-- What a search tries: for each path of a parameter an array of choices, or a
-- range: { uniform = { low, high } }, { log_uniform = … }, { int = … },
-- { log_int = … }, { choice = { … } }.

local random = require "moe.random"

local space = {}

local function between(low, high, r) return low + (high - low) * r:uniform() end

local ranges = {}

function ranges.uniform(low, high, r) return between(low, high, r) end

function ranges.log_uniform(low, high, r)
  return math.exp(between(math.log(low), math.log(high), r))
end

function ranges.int(low, high, r) return low + r:below(high - low + 1) - 1 end

-- Each whole number has the share of its neighbourhood, half of it at the ends.
function ranges.log_int(low, high, r)
  local x = math.exp(between(math.log(low), math.log(high), r))
  return math.min(high, math.max(low, math.floor(x + 0.5)))
end

local function check_range(path, kind, limits)
  local low, high = limits[1], limits[2]
  local whole, log = kind:find "int" ~= nil, kind:find "log" ~= nil
  local wrong = type(low) ~= "number" or type(high) ~= "number" or low > high
    or high - low == math.huge or log and low <= 0
    or whole and (low ~= math.floor(low) or high ~= math.floor(high))
  if wrong then
    error(("search: '%s': %s takes { low, high }%s%s"):format(path, kind,
      whole and ", whole numbers" or "", log and ", above 0" or ""), 0)
  end
end

local function read_one(path, given)
  if type(given) ~= "table" or next(given) == nil then
    error(("search: '%s' takes an array of choices or a range"):format(path), 0)
  end
  if given[1] ~= nil then return { path = path, choices = given } end
  local kind, limits = next(given)
  if kind == "choice" and type(limits) == "table" and limits[1] ~= nil then
    return { path = path, choices = limits }
  end
  if not ranges[kind] or next(given, kind) ~= nil or type(limits) ~= "table" then
    error(("search: '%s': one of uniform, log_uniform, int, log_int, choice expected, got %s")
      :format(path, tostring(kind)), 0)
  end
  check_range(path, kind, limits)
  return { path = path, range = ranges[kind], low = limits[1], high = limits[2] }
end

--- Reads a space: a list of axes, ordered by path.
function space.read(given)
  if type(given) ~= "table" or next(given) == nil then
    error("search: the space must be a table: path of a parameter → what to try", 0)
  end
  local paths, axes = {}, {}
  for path in pairs(given) do
    if type(path) ~= "string" then error("search: paths of parameters are strings", 0) end
    paths[#paths + 1] = path
  end
  table.sort(paths)
  for i, path in ipairs(paths) do axes[i] = read_one(path, given[path]) end
  return axes
end

--- Whether every axis has choices alone.
function space.is_finite(axes)
  for _, axis in ipairs(axes) do
    if not axis.choices then return false, axis.path end
  end
  return true
end

--- Every combination, the last axis changing fastest.
function space.grid(axes)
  local all = { {} }
  for _, axis in ipairs(axes) do
    local longer = {}
    for _, params in ipairs(all) do
      for _, value in ipairs(axis.choices) do
        local copy = {}
        for path, v in pairs(params) do copy[path] = v end
        copy[axis.path] = value
        longer[#longer + 1] = copy
      end
    end
    all = longer
  end
  return all
end

--- The n-th of a seed's random combinations: it does not depend on the others.
function space.sample(axes, seed, n)
  local r, params = random(seed, n), {}
  for _, axis in ipairs(axes) do
    if axis.choices then
      params[axis.path] = axis.choices[r:below(#axis.choices)]
    else
      params[axis.path] = axis.range(axis.low, axis.high, r)
    end
  end
  return params
end

return space
