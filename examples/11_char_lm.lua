-- A language model of characters on the first scenes of Shakespeare's Coriolanus, with 1, 4
-- and 8 experts of which each character asks one: all do as many products for it.
local moe = require "moe"
local nn, F = moe.nn, moe.F
local CONTEXT, DIM, STEPS = 32, 24, 480

local file = assert(io.open((arg[0]:match "^.*/" or "") .. "data/coriolanus.txt"))
local symbols, ids, places, held = {}, {}, {}, {}
for c in file:read("*a"):gmatch "." do
  if not symbols[c] then symbols[#symbols + 1], symbols[c] = c, #symbols + 1 end
  ids[#ids + 1] = symbols[c]
end
for at = 1, #ids - CONTEXT do -- the last tenth is for validation
  if at < 0.9 * #ids - CONTEXT then places[at] = at end
  if at > 0.9 * #ids and at % CONTEXT == 0 then held[#held + 1] = at end
end

local Model = nn.module "Model"
function Model:init(o)
  local ffn = nn.MoE { dim = DIM, hidden = DIM, experts = o.experts, router = "switch", seed = 2 }
  self.tokens = nn.Embedding { items = #symbols, dim = DIM, init = "uniform", seed = 1 }
  self.block = nn.TransformerBlock { dim = DIM, heads = 4, rotary = true, ffn = ffn, seed = 3 }
  self.out = nn.Linear { dim = DIM, out_dim = #symbols, seed = 4 }
end
function Model:forward(x)
  local h, routing = self.block(self.tokens(x:int()))
  return self.out(h):reshape(-1, #symbols), routing
end
local function loss_of(model, starts) -- of the windows that begin there, and the routing
  local x, y = {}, {}
  for _, at in ipairs(starts) do
    for t = at, at + CONTEXT - 1 do x[#x + 1], y[#y + 1] = ids[t], ids[t + 1] end
  end
  local logits, routing = model(moe.tensor(x):reshape(-1, CONTEXT))
  return F.cross_entropy(logits, moe.tensor(y):int()), routing
end
local function say(model, text, n)
  while #text < n do
    local last = {}
    for c in text:sub(-CONTEXT):gmatch "." do last[#last + 1] = symbols[c] end
    local logits = model(moe.tensor { last }):row(#last)
    text = text .. symbols[(logits + moe.randn(#symbols, { seed = #text }) * 0.7):argmax()]
  end
  print(text)
end

for _, experts in ipairs { 1, 4, 8 } do
  local model = Model { experts = experts }
  local optimiser = moe.optim.adamw(model:parameters(), { lr = 0.005 })
  local batches = moe.data.loader { X = places, batch = 16, shuffle = true }
  for step = 1, STEPS do
    local loss, routing = loss_of(model, (batches()))
    optimiser:zero_grad()
    loss = loss + routing:balance_loss() * 0.01
    loss:backward()
    optimiser:step()
    if step % (STEPS / 4) == 0 then
      moe.no_grad(function()
        loss, routing = loss_of(model, held)
        print(("%d expert(s)  step %d  loss %.3f  MaxVio %.2f"):format(
          experts, step, loss:get(1), routing:stats().maxvio))
      end)
    end
  end
  if experts == 8 then moe.no_grad(say, model:eval(), "First ", 200) end
end
