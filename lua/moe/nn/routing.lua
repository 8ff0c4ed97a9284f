--- What a sparse layer's forward gives beside its answer: the selection, its losses
-- as tensors that gradients flow through, its statistics.
-- @module moe.nn.routing

local core = require "moe.core"

local F = core.F
local Routing = {}
Routing.__index = Routing

-- A tensor of the value, whose gradient by the logits (and by the deviations of
-- their noise) is known.
local function known(self, value, by_logits, by_noise)
  local out = core.tensor { value + 0.0 }
  local function backward(g)
    local factor = g:get(1)
    return by_logits * factor, self.deviations and by_noise * factor or nil
  end
  if self.deviations then return F.operation(backward, out, self.logits, self.deviations) end
  return F.operation(backward, out, self.logits)
end

--- A loss of the routing: "switch" (E Σ f P, f counted 1/k a selection: balanced 1),
-- "gshard", "importance" (CV², population variance), "collapse", "entropy", "z", "load"
-- (of noisy routing). Multiply it by its weight and add it to the task's.
function Routing:loss(kind) return known(self, self.routed:loss(kind)) end

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

--- load, importance, maxvio, entropy, dropped, dead … (balance.h); with those of an
-- earlier routing of the layer also the running maxvio.
function Routing:stats(before) return self.routed:stats(before) end

--- @param routed what moe.route gave
-- @param logits the tensor that it was given
-- @param deviations of its noise, or nil
-- @param top_k selections of a row
return function(routed, logits, deviations, top_k)
  return setmetatable({
    routed = routed, logits = logits, deviations = deviations, top_k = top_k,
    indices = routed.indices, probs = routed.probs,
  }, Routing)
end
