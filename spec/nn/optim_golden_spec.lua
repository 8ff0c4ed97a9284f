-- Optimisers, schedules and clipping against PyTorch's own steps (bench/golden/optim.py).
local golden = require "spec.fixtures.optim_golden"
local moe = require "moe"

local function same(expected, found, tolerance, what)
  for i = 1, #expected do
    local text = ("%s, %d: expected %.8g, found %.8g"):format(what, i, expected[i], found[i])
    local off = math.abs(expected[i] - found[i])
    assert.is_true(off <= tolerance * (1 + math.abs(expected[i])), text)
  end
end

local function describe_options(case)
  local parts = {}
  for name, value in pairs(case.options) do parts[#parts + 1] = name .. " " .. tostring(value) end
  table.sort(parts)
  return case.name .. (#parts > 0 and ": " or ", as it is") .. table.concat(parts, ", ")
end

describe("the steps of PyTorch are those of moe.optim's", function()
  for _, case in ipairs(golden.optimisers) do
    it(describe_options(case), function()
      local w = moe.tensor({ 1, -2, 0.5 }):float():requires_grad()
      local optimiser = moe.optim[case.name]({ w }, case.options)
      for t, expected in ipairs(case.path) do
        local v = w:totable()
        local g = moe.tensor { 0.5 + v[1] / t, -1 + math.sin(t), t * v[3] }
        optimiser:zero_grad();
        (w * g):sum():backward()
        optimiser:step()
        same(expected, w:totable(), 2e-6, "step " .. t)
      end
    end)
  end
end)

describe("the rates of PyTorch are those of moe.optim.schedules'", function()
  for _, case in ipairs(golden.schedules) do
    it(describe_options(case), function()
      local optimiser = moe.optim.sgd({ moe.zeros(1):requires_grad() }, { lr = 2 })
      local schedule = moe.optim.schedules[case.name](optimiser, case.options)
      local found = { optimiser.lr }
      for i = 2, #case.rates do found[i] = schedule:step() end
      same(case.rates, found, 1e-8, "rate")
    end)
  end
end)

describe("gradients", function()
  it("are clipped by the norm of all of them, as PyTorch does", function()
    for _, case in ipairs(golden.clipped) do
      local a, b = moe.zeros(2):requires_grad(), moe.zeros(1):requires_grad();
      ((a * moe.tensor { 3, -1 }):sum() + (b * 2):sum()):backward()
      local found = { moe.nn.clip_grad_norm({ a, b }, case[1]) }
      found[2], found[3], found[4] = a.grad:get(1), a.grad:get(2), b.grad:get(1)
      same(case[2], found, 1e-6, "clipped at " .. case[1])
    end
  end)

  it("of parts of a batch add up to those of the batch", function()
    local F, draw = moe.F, require("spec.support.golden").draw
    local layer = moe.nn.FeedForward { dim = 4, hidden = 5, out_dim = 2, seed = 1 }
    local x, y = draw({ 9, 4 }, 1), draw({ 9, 2 }, 2)
    F.mse(layer(x), y):backward()
    local whole = {}
    for name, t in pairs(layer:state_dict()) do whole[name] = t.grad:clone() end
    layer:zero_grad()
    for _, part in ipairs { { 1, 2 }, { 3, 6 }, { 7, 9 } } do
      local first, last = part[1], part[2];
      (F.mse(layer(x:rows(first, last)), y:rows(first, last)) * ((last - first + 1) / 9)):backward()
    end
    for name, t in pairs(layer:state_dict()) do
      same(whole[name]:reshape(-1):totable(), t.grad:reshape(-1):totable(), 1e-6, name)
    end
  end)
end)

describe("the average of weights", function()
  it("is the exponential one, and changes places with them to the bit", function()
    local w = moe.tensor({ 1, -2 }):float():requires_grad()
    local average, expected = moe.optim.average({ w }, 0.8), { 1, -2 }
    for t = 1, 5 do
      w:set(1, t * t)
      w:set(2, 1 / t)
      average:update()
      for i, v in ipairs(w:totable()) do expected[i] = 0.8 * expected[i] + 0.2 * v end
    end
    local before = w:totable()
    average:swap()
    same(expected, w:totable(), 1e-6, "average")
    average:swap()
    assert.same(before, w:totable())
  end)
end)
