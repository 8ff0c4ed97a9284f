-- Networks as experts, two moons, and what specs ask of both.
local luassert = require "luassert"
local moe = require "moe"
local nn = moe.nn

local networks = {}

function networks.hidden(n, activation)
  return function(inputs, outputs)
    return nn.FeedForward {
      dim = inputs, hidden = n, out_dim = outputs, activation = activation, seed = 1,
    }
  end
end

--- A network and what is behind it.
function networks.network(options)
  local o = { module = networks.hidden(16), epochs = 15, lr = 0.02, seed = 3 }
  for name, value in pairs(options or {}) do o[name] = value end
  local e = moe.experts.network(o)
  return e, e:behind()
end

local moons = moe.data.make_moons { rows = 240, noise = 0.15, seed = 1 }
networks.moons = moons
networks.train, networks.test = moons:split(0.7, { seed = 1, stratify = true })

-- Answers 0 or 1 by the first feature alone.
function networks.rule()
  return {
    fit = function() end,
    predict_proba = function(_, X)
      local rows = {}
      for i, row in ipairs(X:totable()) do
        rows[i] = row[1] > 0.5 and { 0.3, 0.7 } or { 0.7, 0.3 }
      end
      return rows
    end,
    clone = function() return networks.rule() end,
    get_state = function() return {} end,
    set_state = function() end,
  }
end

--- A model as it comes back from a file.
function networks.saved(model, options)
  local path = os.tmpname()
  assert(model:save(path))
  local again, message, code = moe.load(path, options)
  os.remove(path)
  return again, message, code
end

--- Fails unless two models say the same, to the bit.
function networks.same_answers(a, b)
  local test = networks.test
  luassert.same(a:predict_proba(test):totable(), b:predict_proba(test):totable())
end

return networks
