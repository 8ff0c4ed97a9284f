"""The dense model of language.lua in PyTorch: nanoGPT's small setting for a CPU, written anew
from its README and train.py's options, to see what the setting gives over several seeds.

  python3 bench/proofs/language.py tinyshakespeare.txt [seed, 1] [steps, 2000]
"""
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

LAYERS, HEADS, DIM, CONTEXT, BATCH, WARM = 4, 4, 128, 64, 12, 100
seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
steps = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
torch.set_num_threads(1)
torch.manual_seed(seed)

text = open(sys.argv[1]).read()
symbols = {c: i for i, c in enumerate(sorted(set(text)))}
ids = torch.tensor([symbols[c] for c in text])
cut = int(0.9 * len(ids))
learned, held = ids[:cut], ids[cut:]


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(DIM))

    def forward(self, x):
        return F.layer_norm(x, (DIM,), self.weight)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2 = Norm(), Norm()
        self.inputs = nn.Linear(DIM, 3 * DIM, bias=False)
        self.outputs = nn.Linear(DIM, DIM, bias=False)
        self.up = nn.Linear(DIM, 4 * DIM, bias=False)
        self.down = nn.Linear(4 * DIM, DIM, bias=False)
        for linear in self.inputs, self.up:
            nn.init.normal_(linear.weight, 0, 0.02)
        for linear in self.outputs, self.down:
            nn.init.normal_(linear.weight, 0, 0.02 / math.sqrt(2 * LAYERS))

    def attend(self, x):
        n, t, _ = x.shape
        q, k, v = (part.view(n, t, HEADS, -1).transpose(1, 2)
                   for part in self.inputs(x).split(DIM, 2))
        scores = q @ k.transpose(2, 3) / math.sqrt(DIM // HEADS)
        later = torch.ones(t, t, dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, -math.inf).softmax(3)
        return self.outputs((scores @ v).transpose(1, 2).reshape(n, t, DIM))

    def forward(self, x):
        x = x + self.attend(self.norm_1(x))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(len(symbols), DIM)
        self.places = nn.Embedding(CONTEXT, DIM)
        for table in self.tokens, self.places:
            nn.init.normal_(table.weight, 0, 0.02)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = Norm()

    def forward(self, x):
        h = self.tokens(x) + self.places.weight[:x.shape[1]]
        return self.norm(self.blocks(h)) @ self.tokens.weight.T


def windows(data, places):
    return (torch.stack([data[i:i + CONTEXT] for i in places]),
            torch.stack([data[i + 1:i + 1 + CONTEXT] for i in places]))


def random_windows(data):
    return windows(data, torch.randint(len(data) - CONTEXT, (BATCH,)))


def loss_of(x, y):
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


def rate_at(step):
    if step < WARM:
        return 1e-3 * (step + 1) / WARM
    share = (step - WARM) / max(1, steps - WARM)
    return 1e-4 + 9e-4 * 0.5 * (1 + math.cos(math.pi * share))


@torch.no_grad()
def evaluate():
    total, rows = 0.0, 0
    for first in range(0, len(held) - CONTEXT, BATCH * CONTEXT):
        places = range(first, min(first + BATCH * CONTEXT, len(held) - CONTEXT), CONTEXT)
        total += loss_of(*windows(held, places)).item() * len(places)
        rows += len(places)
    return total / rows, sum(loss_of(*random_windows(held)).item() for _ in range(20)) / 20


model = Model()
weights = list(model.parameters())
optimiser = torch.optim.AdamW([
    {"params": [w for w in weights if w.dim() > 1], "weight_decay": 0.1},
    {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
], lr=1e-3, betas=(0.9, 0.99))
begin = time.time()
for step in range(steps):
    for group in optimiser.param_groups:
        group["lr"] = rate_at(step)
    loss = loss_of(*random_windows(learned))
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(weights, 1.0)
    optimiser.step()
seconds = time.time() - begin
whole, some = evaluate()
print(f"PyTorch  seed {seed}  validation loss {whole:.4f} (20 batches: {some:.4f})  "
      f"{sum(w.numel() for w in weights)} parameters  {seconds:.0f} s")
