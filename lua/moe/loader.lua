--- Batches of rows, in order or shuffled.
--
--    local batches = moe.data.loader { X = rows, y = targets, batch = 32, shuffle = true }
--    for epoch = 1, 10 do
--      for X, y in batches do … end
--    end
-- @module moe.data.loader

local core = require "moe.core"
local check = require("moe.options").check
local random = require "moe.random"

local known = {
  X = {}, y = {}, weights = {}, batch = { "integer", min = 1, default = 32 },
  shuffle = { "boolean", default = false }, seed = { "integer", min = 0, default = 0 },
  drop_last = { "boolean", default = false },
}

local function pick(values, rows)
  if not values then return nil end
  if core.is_tensor(values) then return values:select(rows) end
  if type(values) == "userdata" then return values:pick(rows) end
  local some = {}
  for i, row in ipairs(rows) do some[i] = values[row] end
  return some
end

local function check_lengths(o)
  if type(o.X) ~= "userdata" and type(o.X) ~= "table" then
    error("loader: 'X' must be a tensor, a table or an array, got a " .. type(o.X), 3)
  end
  for _, name in ipairs { "y", "weights" } do
    if o[name] and #o[name] ~= #o.X then
      error(("loader: %d rows of X, but %d of %s"):format(#o.X, #o[name], name), 3)
    end
  end
end

local Loader = {}
Loader.__index = Loader

--- Begins the next pass, of which the number and the seed alone give the order.
function Loader:rewind()
  local n, o = #self.options.X, self.options
  self.passes, self.at, self.order = self.passes + 1, 0, {}
  if o.shuffle then
    self.order = random(o.seed, self.passes):permutation(n)
  else
    for i = 1, n do self.order[i] = i end
  end
  return self
end

-- The next batch; nil at the end of a pass, after which the next one begins.
function Loader:__call()
  local o, rows = self.options, {}
  local last = math.min(self.at + o.batch, #self.order)
  for i = self.at + 1, last do rows[#rows + 1] = self.order[i] end
  self.at = last
  if #rows == 0 or o.drop_last and #rows < o.batch then
    self:rewind()
    return nil
  end
  return pick(o.X, rows), pick(o.y, rows), pick(o.weights, rows)
end

--- How many batches a pass has.
function Loader:count()
  local share = #self.options.X / self.options.batch
  return self.options.drop_last and math.floor(share) or math.ceil(share)
end

--- An iterator over batches, for passes one after the other; `rewind` begins a pass
-- anew after a `break`.
-- @param options { X, y, weights }: tensors, tables or arrays of as many rows; batch (32),
-- shuffle (false), seed (0), drop_last (false): leave out what fills no batch
-- @return what gives X, y and weights of the next batch, each of the kind it was given as
-- @raise if an option is wrong, or the rows are not as many
return function(options)
  local o = check("loader", options, known, 2)
  check_lengths(o)
  return setmetatable({ options = o, passes = 0 }, Loader):rewind()
end
