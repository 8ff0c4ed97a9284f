-- A language model of characters on the first half of Shakespeare's Coriolanus: a dense one,
-- and two whose feed-forward part is 4 or 8 experts, of which each character asks one. All do
-- as many products for a character; what the experts bring is room to know more.
local moe = require "moe"
local nn, F = moe.nn, moe.F
local CONTEXT, DIM, STEPS = 32, 48, 500
local file = assert(io.open((arg[0]:match "^.*/" or "") .. "data/coriolanus.txt"))
local symbols, ids, learned, held = {}, {}, {}, {}
for c in file:read("*a"):gmatch "." do
  if not symbols[c] then symbols[#symbols + 1], symbols[c] = c, #symbols + 1 end
  ids[#ids + 1] = symbols[c]
end
for at = 1, #ids - CONTEXT do -- where windows begin; the last tenth is for validation
  if at < 0.9 * #ids - CONTEXT then learned[at] = at end
  if at > 0.9 * #ids and at % CONTEXT == 0 then held[#held + 1] = at end
end
local Model = nn.module "Model"
function Model:init(o)
  self.tokens = nn.Embedding { items = #symbols, dim = DIM, init = "uniform", seed = 1 }
  self.block = nn.TransformerBlock { dim = DIM, heads = 4, rotary = true, ffn = o.ffn, seed = 3 }
  self.norm, self.out = nn.LayerNorm { dim = DIM }, nn.Linear { dim = DIM, out_dim = #symbols }
end
function Model:forward(x)
  local h, routing = self.block(self.tokens(x:int()))
  return self.out(self.norm(h)):reshape(-1, #symbols), routing
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
    text = text .. symbols[(logits + moe.randn(#symbols, { seed = #text })):argmax()]
  end
  print("\n" .. text)
end

local shape, model = { dim = DIM, hidden = DIM, activation = "gelu", seed = 2 }, nil
for _, experts in ipairs { 1, 4, 8 } do
  if experts > 1 then shape.experts, shape.router = experts, "switch" end
  model = Model { ffn = experts > 1 and nn.MoE(shape) or nn.FeedForward(shape) }
  print(("%s, %d weights"):format(experts > 1 and experts .. " experts" or "dense", model:size()))
  local optimiser = moe.optim.adamw(model:parameters(), { lr = 0.005 })
  local rate = moe.optim.schedules.warmup(optimiser, { steps = 50, total = STEPS })
  local batches = moe.data.loader { X = learned, batch = 16, shuffle = true }
  for step = 1, STEPS do
    local loss, routing = loss_of(model, (batches()))
    optimiser:zero_grad()
    loss = routing and loss + routing:balance_loss() * 0.01 or loss
    loss:backward()
    optimiser:step()
    rate:step()
    if step % (STEPS / 5) == 0 then moe.no_grad(function()
      loss, routing = loss_of(model:eval(), held)
      local bar = ("#"):rep(math.floor(40 * (loss:get(1) - 1.8)))
      print(("  step %3d  validation loss %.3f  MaxVio %.2f  %s"):format(
        step, loss:get(1), routing and routing:stats().maxvio or 0, bar))
      model:train()
    end) end
  end
end
moe.no_grad(say, model:eval(), "First ", 400)
