-- Gradients as scripts see them.
local moe = require "moe"

local F = moe.F

describe("a tensor that requires gradients", function()
  it("has them after backward, and adds to them in the next", function()
    local w = moe.tensor({ 1.5, -2, 3 }):requires_grad()
    local function loss() return (w * w):sum() end
    loss():backward()
    assert.same({ 3, -4, 6 }, w.grad:totable())
    loss():backward()
    assert.same({ 6, -8, 12 }, w.grad:totable())
    local held = w.grad
    w:zero_grad()
    assert.is_nil(w.grad)
    assert.same({ 6, -8, 12 }, held:totable())
    loss():backward()
    assert.same({ 3, -4, 6 }, w.grad:totable())
  end)

  it("gives interior values back, but scalars, leaves and what is retained", function()
    local w = moe.tensor({ 1.5, -2 }):requires_grad()
    local square, kept = w * w, (w * 2):retain()
    local loss = (square + kept):sum()
    loss:backward()
    assert.equal(1.5 ^ 2 + 4 + 3 - 4, loss:get(1))
    assert.same({ 3, -4 }, kept:totable())
    assert.same({ 1, 1 }, kept.grad:totable())
    local ok, message = pcall(function() return square:get(1) end)
    assert.is_false(ok)
    assert.truthy(message:find("given back by backward", 1, true), message)
  end)

  it("is recorded again after a coroutine tried to yield within no_grad", function()
    local w = moe.ones(2):requires_grad()
    local co = coroutine.create(function() moe.no_grad(coroutine.yield) end)
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.truthy(message:find "attempt to yield");
    (w * 2):sum():backward()
    assert.same({ 2, 2 }, w.grad:totable())
  end)

  it("goes through softmax along its last dimension, and through no other", function()
    local t = moe.ones(2, 3)
    for _, name in ipairs { "softmax", "log_softmax" } do
      assert.error_matches(function() moe.F[name](t, 1) end, "along the last dimension")
    end
  end)

  it("can be printed when its value was given back", function()
    local square = moe.tensor { 1, 2 }:requires_grad() * 3
    square:sum():backward()
    assert.equal("tensor that backward gave back", tostring(square))
  end)

  it("keeps a scalar's value, which is no part of another graph", function()
    local w = moe.tensor({ 1.5, -2 }):requires_grad()
    local loss = (w * w):sum()
    loss:backward()
    assert.equal(6.25, loss:get(1))
    assert.has_error(function() loss:get(2) end)
    assert.equal(1, loss.ndim)
    assert.is_true(loss.requires)
    assert.is_nil(loss.grad)
    assert.same({ 12.5 }, (loss * 2):totable())
    local ok, message = pcall(function() (loss * w):sum():backward() end)
    assert.is_false(ok)
    assert.truthy(message:find("given back by an earlier backward", 1, true), message)
    loss:close()
    assert.has_error(function() return loss:get(1) end, "attempt to use a closed Tensor")
  end)

  it("may be shown by views, which live on when it is collected", function()
    local view, wide
    do
      local t = moe.tensor { { 1, 2 }, { 3, 4 } }
      view, wide = t:rows(2), t:reshape(-1)
      t:set(2, 1, 7)
      t = nil -- luacheck: ignore 311
    end
    collectgarbage()
    collectgarbage()
    assert.same({ { 7, 4 } }, view:totable())
    assert.same({ 1, 2, 7, 4 }, wide:totable())
  end)

  it("refuses what would give wrong gradients", function()
    local w = moe.tensor({ 1.5, -2 }):requires_grad()
    local loss = (w * w):sum()
    w:set(1, 7)
    local ok, message = pcall(loss.backward, loss)
    assert.is_false(ok)
    assert.truthy(message:find("changed in place", 1, true), message)
    ok, message = pcall(function() (w * 2):backward() end)
    assert.is_false(ok)
    assert.truthy(message:find("2 items", 1, true), message)
    ok, message = pcall(function() moe.tensor({ 1, 2 }):int():requires_grad() end)
    assert.is_false(ok)
    assert.truthy(message:find("index tensor", 1, true), message)
  end)

  it("is not recorded within no_grad, which gives back what it does not return", function()
    local w, inside = moe.tensor({ 1.5, -2 }):requires_grad(), nil
    local out = moe.no_grad(function()
      inside = w * 3
      return inside * 2
    end)
    assert.same({ 9, -12 }, out:totable())
    assert.is_false(out.requires)
    assert.is_false((pcall(inside.get, inside, 1)))
    local raised = {}
    local ok, message = pcall(moe.no_grad, function() error(raised) end)
    assert.is_false(ok)
    assert.equal(raised, message)
    assert.is_true((w * 2).requires)
  end)

  it("passes through operations written in Lua", function()
    local x = moe.tensor({ 1.5, -2, 3 }):requires_grad()
    local value = x:detach()
    local cube = F.operation(function(g) return g * value * value * 3 end, value * value * value, x)
    cube:sum():backward()
    assert.same({ 3 * 1.5 ^ 2, 12, 27 }, x.grad:totable())
    local raised = {}
    local ok, message = pcall(function()
      F.operation(function() error(raised) end, value * 2, x):sum():backward()
    end)
    assert.is_false(ok)
    assert.equal(raised, message)
    assert.is_true((x * 2).requires)
  end)

  it("gives back what an operation in Lua made on the way back", function()
    local x, inside = moe.tensor({ 1.5, -2, 3 }):requires_grad(), nil
    local other = moe.ones(3):requires_grad()
    F.operation(function(g)
      inside = g * other
      assert.is_false(inside.requires)
      return inside * 2
    end, x:detach() * 2, x):sum():backward()
    assert.same({ 2, 2, 2 }, x.grad:totable())
    assert.is_false((pcall(inside.get, inside, 1)))
  end)

  it("goes on where an operation is refused in the middle of backward", function()
    local x = moe.tensor({ 1.5, -2 }):requires_grad()
    F.operation(function(g)
      assert.is_false((pcall(function() return g + moe.ones(3) end)))
      return g * 3
    end, x:detach() * 3, x):sum():backward()
    assert.same({ 3, 3 }, x.grad:totable())
  end)

  it("refuses to go through an operation that is on its own way back", function()
    local x = moe.tensor({ 1.5, -2 }):requires_grad()
    local out, message
    local value = x:detach() * 3
    out = F.operation(function(g)
      message = select(2, pcall(out.backward, out, { gradient = g }))
      return g * 3
    end, value, x * 1):retain()
    out:backward { gradient = moe.ones(2) }
    assert.matches("called by the backward of an operation in Lua", message)
    assert.same({ 3, 3 }, x.grad:totable())
  end)
end)
