-- Tiny Shakespeare by characters (1,115,394 bytes, 65 symbols, the last tenth is for
-- validation), in nanoGPT's small setting for a CPU: 4 layers, 4 heads, width 128,
-- context 64, batches of 12, 2,000 steps, AdamW (β 0.9, 0.99; decay 0.1 of matrices), rate
-- 1e-3 down a cosine to 1e-4 after 100 steps of warm-up, norm of gradients at most 1; no
-- dropout, no biases but the norms', one matrix for the symbols that come in and go out.
-- Published: validation loss 1.88 (nanoGPT's README), of one dense model on 20 random
-- batches; language.py is that model in PyTorch.
--
-- Then layers of 4 and 8 experts of which one is asked (Fedus et al. 2021, arXiv
-- 2101.03961), with as many products a character as the dense model; balanced by a loss of
-- weight 0.01, or by a bias of the selection alone (Wang et al. 2024, arXiv 2408.15664),
-- which goes by the sign of the excess.  Its rate follows the learning rate.  Each step of
-- the weights shifts the loads by some per cent, whatever the bias does; so when training is
-- over, 1,000 batches of the training text pass forward alone, and the bias becomes the mean of
-- those that would balance each of them (quantile balancing: Su 2026, kexue.fm 11619).
--
-- MaxVio is the largest load over the mean load, minus 1: of each layer over the whole
-- validation text, nothing moving; a batch's beside what chance alone gives as many
-- characters.
--
--   moe bench/proofs/language.lua tinyshakespeare.txt [dense|switch4|switch8|bias4|bias8|all]
--     [steps, 2000] [seeds, 1] [first seed, 1]
local moe = require "moe"
local nn, F, schedules, random = moe.nn, moe.F, moe.optim.schedules, require "moe.random"

local LAYERS, HEADS, DIM, CONTEXT, BATCH = 4, 4, 128, 64, 12
local RATE, LEAST, WARM, SETTLING = 1e-3, 0.1, 100, 1000
local path, which = arg[1], arg[2] or "dense"
local steps, seeds, first = tonumber(arg[3]) or 2000, tonumber(arg[4]) or 1, tonumber(arg[5]) or 1

local kinds = {
  dense = {},
  switch4 = { experts = 4, loss = 0.01 },
  switch8 = { experts = 8, loss = 0.01 },
  bias4 = { experts = 4, bias_update = "sign", bias_rate = 0.02 },
  bias8 = { experts = 8, bias_update = "sign", bias_rate = 0.01 },
}
local order = { "dense", "switch4", "bias4", "switch8", "bias8" }

-- -------------------------------------------------------------------- the text

-- The numbers of the symbols in the order of their codes, and how many symbols there are.
local function read_text()
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  local number, symbols, ids = {}, {}, {}
  for i = 1, #bytes do number[bytes:byte(i)] = true end
  for code = 0, 255 do
    if number[code] then
      symbols[#symbols + 1] = code
      number[code] = #symbols
    end
  end
  for i = 1, #bytes do ids[i] = number[bytes:byte(i)] end
  return ids, #symbols
end

-- The windows that begin at these places, and what comes after each character.
local function windows(ids, places)
  local x, y = {}, {}
  for _, at in ipairs(places) do
    for t = at, at + CONTEXT - 1 do x[#x + 1], y[#y + 1] = ids[t], ids[t + 1] end
  end
  return moe.tensor(x):int():reshape(#places, CONTEXT), moe.tensor(y):int()
end

local function random_windows(ids, draw)
  local places = {}
  for i = 1, BATCH do places[i] = draw:below(#ids - CONTEXT) end
  return windows(ids, places)
end

-- -------------------------------------------------------------------- the model

local function normal(t, seed) return nn.initial.normal(t, seed, 0.02) end
local function normal_of_sums(t, seed)
  return nn.initial.normal(t, seed, 0.02 / math.sqrt(2 * LAYERS))
end

local function sparse(o, seed)
  local layer = nn.MoE {
    dim = DIM, hidden = 4 * DIM, experts = o.experts, router = "switch", activation = "gelu",
    bias = false, seed = seed, bias_update = o.bias_update, bias_rate = o.bias_rate,
  }
  normal(layer.w_in, seed)
  normal_of_sums(layer.w_out, seed + 1)
  return layer
end

local function dense(seed)
  local layer = nn.FeedForward {
    dim = DIM, hidden = 4 * DIM, activation = "gelu", bias = false, init = normal, seed = seed,
  }
  normal_of_sums(layer.w_out.weight, seed + 1)
  return layer
end

local Model = nn.module "Model"
function Model:init(o)
  self.tokens = nn.Embedding { items = o.symbols, dim = DIM, seed = self:seed_of "tokens" }
  self.places = nn.Embedding { items = CONTEXT, dim = DIM, seed = self:seed_of "places" }
  local positions = {}
  for i = 1, CONTEXT do positions[i] = i end
  self.positions = moe.tensor(positions):int()
  self.norm, self.blocks = nn.LayerNorm { dim = DIM }, {}
  for i = 1, LAYERS do
    local seed = self:seed_of("block" .. i)
    local block = nn.TransformerBlock {
      dim = DIM, heads = HEADS, bias = false, init = normal, seed = seed,
      ffn = o.kind.experts and sparse(o.kind, seed + 1) or dense(seed + 1),
    }
    normal_of_sums(block.attention.out.weight, seed + 3)
    self.blocks[i] = block
  end
end
function Model:forward(ids)
  local x, routings = self.tokens(ids) + self.places(self.positions), {}
  for i, block in ipairs(self.blocks) do x, routings[i] = block(x) end
  x = self.norm(x):reshape(-1, DIM)
  return F.matmul(x, self.tokens.weight, false, true), routings
end

-- The layers of experts.
function Model:sparse_layers()
  local list = {}
  for _, block in ipairs(self.blocks) do
    if block.ffn.stats then list[#list + 1] = block.ffn end
  end
  return list
end

-- ---------------------------------------------------------------------- figures

-- The mean loss over the whole text, and over 20 random batches as nanoGPT has it; the layers
-- then hold the figures of the whole text.
local function evaluate(model, ids)
  local loss, count, some = 0, 0, 0
  local function loss_of(x, y) return F.cross_entropy((model(x)), y):get(1) end
  model:eval()
  moe.no_grad(function()
    local draw = random(0)
    for _ = 1, 20 do some = some + loss_of(random_windows(ids, draw)) / 20 end
    for _, layer in ipairs(model:sparse_layers()) do layer:reset_stats() end
    for from = 1, #ids - CONTEXT, BATCH * CONTEXT do
      local places = {}
      for at = from, math.min(from + (BATCH - 1) * CONTEXT, #ids - CONTEXT), CONTEXT do
        places[#places + 1] = at
      end
      loss, count = loss + loss_of(windows(ids, places)) * #places, count + #places
    end
  end)
  model:train()
  return loss / count, some
end

-- The MaxVio that chance alone gives a batch over so many experts.
local function violation_by_chance(experts)
  local draw, sum = random(1), 0
  for _ = 1, 200 do
    local counts, most = {}, 0
    for e = 1, experts do counts[e] = 0 end
    for _ = 1, BATCH * CONTEXT do
      local e = draw:below(experts)
      counts[e] = counts[e] + 1
      most = math.max(most, counts[e])
    end
    sum = sum + most * experts / (BATCH * CONTEXT) - 1
  end
  return sum / 200
end

local function say_balance(model, experts)
  local layers, each, all, batch = model:sparse_layers(), {}, 0, 0
  for i, layer in ipairs(layers) do
    local stats = layer:stats()
    each[i] = ("%.3f"):format(stats.maxvio)
    all, batch = all + stats.maxvio / #layers, batch + stats.maxvio_batch / #layers
  end
  print(("%18sMaxVio %.3f (%s); of a batch %.3f, by chance %.3f"):format(
    "", all, table.concat(each, " "), batch, violation_by_chance(experts)))
end

-- --------------------------------------------------------------------- training

local function optimisers(model)
  local matrices, others = {}, {}
  for _, w in ipairs(model:parameters()) do
    local list = #w.shape > 1 and matrices or others
    list[#list + 1] = w
  end
  return moe.optim.adamw(matrices, { lr = RATE, beta2 = 0.99, weight_decay = 0.1 }),
    moe.optim.adamw(others, { lr = RATE, beta2 = 0.99, weight_decay = 0 })
end

local function train(name, kind, text, symbols, seed)
  local model = Model { symbols = symbols, kind = kind, seed = seed }
  local parameters, own, moved = model:parameters(), { optimisers(model) }, {}
  for i, optimiser in ipairs(own) do moved[i] = optimiser end
  for _, layer in ipairs(kind.bias_update and model:sparse_layers() or {}) do
    moved[#moved + 1] = layer
  end
  local schedule = schedules.warmup(moved, { steps = WARM, total = steps, least = LEAST })
  local draw, begin = random(seed), moe.now()
  for step = 1, steps do
    model:zero_grad()
    local x, y = random_windows(text, draw)
    local logits, routings = model(x)
    local loss = F.cross_entropy(logits, y)
    local task = loss:get(1)
    for _, routing in ipairs(kind.loss and routings or {}) do
      loss = loss + routing:balance_loss() * kind.loss
    end
    loss:backward()
    nn.clip_grad_norm(parameters, 1)
    for _, optimiser in ipairs(own) do optimiser:step() end
    schedule:step()
    if step % 500 == 0 then
      print(("  %-8s seed %d  step %5d  loss %.4f  %.3f s a step"):format(
        name, seed, step, task, (moe.now() - begin) / step))
    end
  end
  return model, moe.now() - begin
end

-- The biases of a model whose weights do not move any more: the mean of those that would
-- balance each of so many batches.
local function settle(model, text)
  local draw = random(0)
  for i = 1, SETTLING do
    for _, layer in ipairs(model:sparse_layers()) do
      layer.bias_update, layer.bias_rate = "quantile", 1 / i
    end
    moe.no_grad(model, (random_windows(text, draw)))
  end
end

if not path then
  print "language: give the path of Tiny Shakespeare"
  return
end
io.stdout:setvbuf "line"
local ids, symbols = read_text()
local cut, text, valid = math.floor(#ids * 0.9), {}, {}
for i, id in ipairs(ids) do
  if i <= cut then text[i] = id else valid[i - cut] = id end
end
for _, name in ipairs(order) do
  for seed = first, (which == "all" or which == name) and first + seeds - 1 or 0 do
    local kind = kinds[name]
    local model, seconds = train(name, kind, text, symbols, seed)
    local function say(when)
      local whole, some = evaluate(model, valid)
      print(("%-8s seed %d  %svalidation loss %.4f (20 batches: %.4f)  %d weights  %.0f s"):format(
        name, seed, when, whole, some, model:size(), seconds))
      if kind.experts then say_balance(model, kind.experts) end
    end
    say ""
    if kind.bias_update then
      settle(model, text)
      say "settled: "
    end
  end
end
