-- An expert and a gate written in Lua, mixed with one written in C, saved to a
-- file and loaded again.
local moe = require "moe"

-- The nearest of the training rows answers. An expert is any table with fit and
-- predict; clone lets the mixture hold out rows, get_state and set_state let it
-- be saved.
local function nearest()
  local known = { X = {}, y = {} }
  return {
    fit = function(_, X, y) known = { X = X:totable(), y = y } end,
    predict = function(_, X)
      local answers = {}
      for i, row in ipairs(X:totable()) do
        local least = math.huge
        for k, other in ipairs(known.X) do
          local distance = 0
          for j = 1, #row do distance = distance + (row[j] - other[j]) ^ 2 end
          if distance < least then least, answers[i] = distance, known.y[k] end
        end
      end
      return answers
    end,
    clone = function() return nearest() end,
    get_state = function() return known end,
    set_state = function(_, state) known = state end,
  }
end

-- A gate by rule: far out, where rows are few, the straight line is trusted.
local function rule()
  return {
    fit = function() end,
    forward = function(_, X)
      local probabilities = {}
      for i, row in ipairs(X:totable()) do
        -- experts in the order of their names: line, near
        probabilities[i] = math.abs(row[1]) > 2 and { 0.9, 0.1 } or { 0.3, 0.7 }
      end
      return probabilities
    end,
    clone = function() return rule() end,
    get_state = function() return {} end,
    set_state = function() end,
  }
end

local t = moe.data.make_moons { rows = 300, noise = 0.25, seed = 5 }
local train, test = t:split(0.7, { seed = 1, stratify = true })
local experts = { near = nearest(), line = moe.experts.logistic {} }
local m = moe.mixture { experts = experts, gate = rule() }
print(select(2, m:fit(train)))
print(m:report(test))

local path = os.tmpname()
assert(m:save(path))
local again = assert(moe.load(path, { lua = { near = nearest(), gate = rule() } }))
os.remove(path)
print("the same after loading:", again:score(test) == m:score(test))
