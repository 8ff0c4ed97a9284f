--- What a sparse layer's forward gives beside its answer: the selection, its losses
-- as tensors that gradients flow through, its statistics. backward gives it back, as it
-- does the values in between, unless routing:retain() was said before; what it leaves to
-- read are counts, dropped, stats() and the values of the losses that were asked for.
-- layer:stats() has the layer's running figures.
-- @module moe.nn.routing

local core = require "moe.core"

local F = core.F
local Routing = {}
local fields = {
  indices = true, weights = true, probs = true, rows = true, choices = true, places = true,
  dropped = true,
}

function Routing.__index(self, name)
  if name == "counts" then return core.tensor(rawget(self, "routed"):stats().counts):int() end
  if fields[name] then return rawget(self, "routed")[name] end
  return Routing[name]
end

--- A loss of the routing: "switch" (E Σ f P, f counted 1/k a selection: balanced 1),
-- "gshard", "importance" (CV², population variance), "collapse", "entropy", "z", "load"
-- (of noisy routing). Multiply it by its weight and add it to the task's.
function Routing:loss(kind)
  return F.routing_loss(self.routed, kind, self.logits, self.deviations)
end

--- loss "switch"; or with counted = "k" f is not divided by k, so that balance is k.
function Routing:balance_loss(counted)
  local loss = self:loss "switch"
  if counted == nil then return loss end
  if counted ~= "k" then error("balance_loss: nil or \"k\" expected", 2) end
  return loss * self.top_k
end

--- loss "z": mean (ln Σ e^z)².
function Routing:z_loss() return self:loss "z" end

--- loss "importance".
function Routing:importance_loss() return self:loss "importance" end

--- loss "load".
function Routing:load_loss() return self:loss "load" end

--- loss "entropy": of a row, in units of ln E.
function Routing:entropy() return self:loss "entropy" end

--- load, importance, counts, maxvio, entropy, dropped, dead … (balance.h); with those of
-- an earlier routing of the layer also the running maxvio.
function Routing:stats(before) return self.routed:stats(before) end

--- Keeps the routing, and the logits, where backward would give them back.
function Routing:retain()
  self.routed:retain()
  self.logits:retain()
  if self.deviations then self.deviations:retain() end
  return self
end

--- @param routed what moe.route gave: its indices, probs, counts … are the routing's too
-- @param logits the tensor that it was given
-- @param deviations of its noise, or nil
-- @param top_k selections of a row
return function(routed, logits, deviations, top_k)
  return setmetatable(
    { routed = routed, logits = logits, deviations = deviations, top_k = top_k }, Routing)
end
