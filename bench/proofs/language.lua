-- Tiny Shakespeare by characters (1,115,394 bytes, 65 symbols, the last tenth is for
-- validation), in nanoGPT's small setting for a CPU: 4 layers, 4 heads, width 128,
-- context 64, batches of 12, 2,000 steps, AdamW (β 0.9, 0.99; decay 0.1 of matrices), rate
-- 1e-3 down a cosine to 1e-4 after 100 steps of warm-up, norm of gradients at most 1.
-- Published: validation loss 1.88 (nanoGPT's README), of one dense model.
--
-- Then layers of 4 and 8 experts of which one is asked (Fedus et al. 2021, arXiv
-- 2101.03961), with as many products a character as the dense model; balanced by a loss,
-- or by a bias of the selection (Wang et al. 2024, arXiv 2408.15664).  MaxVio is the
-- largest load over the mean load, minus 1: of each layer over the whole validation text
-- with the bias as training left it, averaged over the layers; a batch's beside what
-- chance alone gives as many characters.
--
--   moe bench/proofs/language.lua tinyshakespeare.txt [dense|switch4|switch8|bias4|bias8|all]
--     [steps] [seeds]
local moe = require "moe"
local nn, F = moe.nn, moe.F

local LAYERS, HEADS, DIM, CONTEXT, BATCH = 4, 4, 128, 64, 12
local RATE, LEAST, WARM = 1e-3, 0.1, 100
local path, which = arg[1], arg[2] or "dense"
local steps, seeds = tonumber(arg[3]) or 2000, tonumber(arg[4]) or 1

local kinds = {
  dense = {}, switch4 = { experts = 4, loss = 0.01 }, switch8 = { experts = 8, loss = 0.01 },
  bias4 = { experts = 4, bias = true }, bias8 = { experts = 8, bias = true },
}
local order = { "dense", "switch4", "switch8", "bias4", "bias8" }

-- -------------------------------------------------------------------- the text

local function read_text()
  local file = assert(io.open(path or "", "rb"))
  local bytes = file:read "*a"
  file:close()
  local known, symbols, ids = {}, {}, {}
  for symbol in bytes:gmatch "." do known[symbol] = true end
  for symbol in bytes:gmatch "\n" do known[symbol] = true end
  for symbol in pairs(known) do symbols[#symbols + 1] = symbol end
  table.sort(symbols)
  for i, symbol in ipairs(symbols) do known[symbol] = i end
  for i = 1, #bytes do ids[i] = known[bytes:sub(i, i)] end
  return ids, #symbols
end

-- The windows that begin at these places, and what comes after each character.
local function windows(ids, places)
  local x, y = {}, {}
  for _, at in ipairs(places) do
    for t = 0, CONTEXT - 1 do x[#x + 1], y[#y + 1] = ids[at + t], ids[at + t + 1] end
  end
  return moe.tensor(x):int():reshape(#places, CONTEXT), moe.tensor(y):int()
end

-- -------------------------------------------------------------------- the model

local Model = nn.module "Model"
function Model:init(o)
  local function init(scale)
    return function(t, seed) return nn.initial.normal(t, seed, scale) end
  end
  self.tokens = nn.Embedding { items = o.symbols, dim = DIM, seed = self:seed_of "tokens" }
  self.places = nn.Embedding { items = CONTEXT, dim = DIM, seed = self:seed_of "places" }
  local positions = {}
  for i = 1, CONTEXT do positions[i] = i end
  self.positions = moe.tensor(positions):int()
  self.norm = nn.LayerNorm { dim = DIM }
  self.blocks = {}
  for i = 1, LAYERS do
    local seed = self:seed_of("block" .. i)
    local ffn = o.experts and nn.MoE {
      dim = DIM, hidden = 4 * DIM, experts = o.experts, router = "switch", activation = "gelu",
      bias = false, seed = seed, bias_update = o.bias and "sign" or nil,
      bias_rate = o.bias and 0.001 or nil,
    }
    local block = nn.TransformerBlock {
      dim = DIM, heads = HEADS, bias = false, init = init(0.02), ffn = ffn or nn.FeedForward {
        dim = DIM, hidden = 4 * DIM, activation = "gelu", bias = false, init = init(0.02),
        seed = seed,
      }, seed = seed,
    }
    local down = ffn and block.ffn.w_out or block.ffn.w_out.weight
    for j, w in ipairs { block.attention.out.weight, down } do
      nn.initial.normal(w, self:seed_of("out" .. i .. j), 0.02 / math.sqrt(2 * LAYERS))
    end
    if ffn then nn.initial.normal(ffn.w_in, self:seed_of("in" .. i), 0.02) end
    self.blocks[i] = block
  end
end
function Model:forward(ids)
  local x, routings = self.tokens(ids) + self.places(self.positions), {}
  for i, block in ipairs(self.blocks) do x, routings[i] = block(x) end
  x = self.norm(x):reshape(-1, DIM)
  return F.matmul(x, self.tokens.weight, false, true), routings
end

-- ---------------------------------------------------------------------- figures

local function violation(counts)
  local most, sum = 0, 0
  for _, n in ipairs(counts) do most, sum = math.max(most, n), sum + n end
  return most * #counts / sum - 1
end

local function add_counts(sums, routings)
  for i, routing in ipairs(routings) do
    sums[i] = sums[i] or {}
    for e = 1, routing.routed.counts.shape[1] do
      sums[i][e] = (sums[i][e] or 0) + routing.routed.counts:get(e)
    end
  end
end

local function mean_violation(sums)
  local sum = 0
  for _, counts in ipairs(sums) do sum = sum + violation(counts) end
  return #sums > 0 and sum / #sums or 0
end

-- The loss over the whole text, the MaxVio over it, and the mean of the batches' own.
local function evaluate(model, ids)
  model:eval()
  local loss, windows_read, sums, own, batches = 0, 0, {}, 0, 0
  for first = 1, #ids - CONTEXT, BATCH * CONTEXT do
    local places = {}
    for at = first, math.min(first + (BATCH - 1) * CONTEXT, #ids - CONTEXT), CONTEXT do
      places[#places + 1] = at
    end
    local x, y = windows(ids, places)
    moe.no_grad(function()
      local logits, routings = model(x)
      local batch = {}
      loss = loss + F.cross_entropy(logits, y):get(1) * #places
      add_counts(sums, routings)
      add_counts(batch, routings)
      own, batches = own + mean_violation(batch), batches + 1
    end)
    windows_read = windows_read + #places
  end
  model:train()
  return loss / windows_read, mean_violation(sums), own / batches
end

-- What chance alone gives n characters over so many experts.
local function floor_of(experts, n, random)
  local sum = 0
  for _ = 1, 200 do
    local counts = {}
    for e = 1, experts do counts[e] = 0 end
    for _ = 1, n do
      local e = random(experts)
      counts[e] = counts[e] + 1
    end
    sum = sum + violation(counts)
  end
  return sum / 200
end

-- --------------------------------------------------------------------- training

local function optimisers(model)
  local matrices, others = {}, {}
  for _, w in ipairs(model:parameters()) do
    local list = #w.shape > 1 and matrices or others
    list[#list + 1] = w
  end
  return {
    moe.optim.adamw(matrices, { lr = RATE, beta2 = 0.99, weight_decay = 0.1 }),
    moe.optim.adamw(others, { lr = RATE, beta2 = 0.99, weight_decay = 0 }),
  }
end

local function rate_at(step)
  if step <= WARM then return RATE * step / WARM end
  local share = (step - WARM) / math.max(1, steps - WARM)
  return RATE * (LEAST + (1 - LEAST) * 0.5 * (1 + math.cos(math.pi * share)))
end

local function train(kind, text, symbols, seed)
  local o = kinds[kind]
  local model = Model { symbols = symbols, experts = o.experts, bias = o.bias, seed = seed }
  local own, parameters = optimisers(model), model:parameters()
  math.randomseed(seed)
  local begin = moe.now()
  for step = 1, steps do
    local places = {}
    for i = 1, BATCH do places[i] = math.random(#text - CONTEXT) end
    local x, y = windows(text, places)
    model:zero_grad()
    local logits, routings = model(x)
    local loss = F.cross_entropy(logits, y)
    local task = loss:get(1)
    if o.loss then
      for _, routing in ipairs(routings) do loss = loss + routing:balance_loss() * o.loss end
    end
    loss:backward()
    nn.clip_grad_norm(parameters, 1)
    for _, optimiser in ipairs(own) do
      optimiser.lr = rate_at(step)
      optimiser:step()
    end
    if step % 250 == 0 or step == 20 then
      print(("  %-8s seed %d  step %5d  loss %.4f  %.3f s a step"):format(
        kind, seed, step, task, (moe.now() - begin) / step))
      io.stdout:flush()
    end
  end
  return model, moe.now() - begin
end

if not path then
  print "language: give the path of Tiny Shakespeare"
  return
end
local ids, symbols = read_text()
local cut = math.floor(#ids * 0.9)
local text, valid = {}, {}
for i, id in ipairs(ids) do
  if i <= cut then text[i] = id else valid[i - cut] = id end
end
for _, kind in ipairs(order) do
  for seed = 1, (which == "all" or which == kind) and seeds or 0 do
    local model, seconds = train(kind, text, symbols, seed)
    local loss, all, batch = evaluate(model, valid)
    local experts = kinds[kind].experts
    local chance = experts and floor_of(experts, BATCH * CONTEXT, math.random) or 0
    print(("%-8s seed %d  %d parameters  validation loss %.4f  %.0f s"):format(
      kind, seed, model:size(), loss, seconds))
    print(("%17s MaxVio %.3f; of a batch %.3f, by chance %.3f"):format("", all, batch, chance))
  end
end
