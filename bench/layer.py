"""The peer of layer.lua: a sparse layer of PyTorch in the manner of Hugging Face's
Mixtral block, a softmax over all experts, the best two with their weights summing to
1, and a loop over the experts with index_select and index_add_.

Reads commands, a line each, and answers each with a line:
  time TOKENS DIM HIDDEN EXPERTS KIND MODE CALLS   seconds of a call
  memory TOKENS DIM HIDDEN EXPERTS KIND            of a training step, megabytes
"""
import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(os.path.dirname(__file__))
from peer import forget_peak, resident

TOP_K, WALK = 2, 64


class Relu(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.w_in, self.w_out = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.w_out(F.relu(self.w_in(x)))


class SwiGLU(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.w_gate = nn.Linear(dim, hidden, bias=False)
        self.w_in = nn.Linear(dim, hidden, bias=False)
        self.w_out = nn.Linear(hidden, dim, bias=False)

    def forward(self, x):
        return self.w_out(F.silu(self.w_gate(x)) * self.w_in(x))


class Layer(nn.Module):
    def __init__(self, dim, hidden, experts, kind):
        super().__init__()
        make = Relu if kind == "relu" else SwiGLU
        self.gate = nn.Linear(dim, experts, bias=False)
        self.experts = nn.ModuleList(make(dim, hidden) for _ in range(experts))

    def forward(self, x):
        probs = F.softmax(self.gate(x), dim=1)
        weights, chosen = torch.topk(probs, TOP_K, dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        mask = F.one_hot(chosen, num_classes=len(self.experts)).permute(2, 1, 0)
        out = torch.zeros_like(x)
        for own, expert in zip(mask, self.experts):
            choice, row = torch.where(own)
            if row.numel() == 0:
                continue
            y = expert(x.index_select(0, row)) * weights[row, choice, None]
            out.index_add_(0, row, y)
        return out


def forward(layer, rows, _):
    with torch.no_grad():
        for x in rows:
            layer(x)


def backward(layer, rows, g):
    for x in rows:
        for p in layer.parameters():
            p.grad = None
        layer(x.detach().requires_grad_(True)).backward(g)


def prepare(tokens, dim, hidden, experts, kind):
    """The layer, its rows (of one token a walk over many), and a gradient."""
    torch.manual_seed(1)
    rows = torch.randn(WALK if tokens == 1 else 1, tokens, dim)
    return Layer(dim, hidden, experts, kind), rows, torch.randn(tokens, dim)


def memory(words):
    """After a step of a small layer, which loads what libraries load late."""
    backward(*prepare(64, 64, 64, 2, words[4]))
    sizes = [int(word) for word in words[:4]]
    torch.manual_seed(1)
    rows, g = torch.randn(1, sizes[0], sizes[1]), torch.randn(sizes[0], sizes[1])
    before = forget_peak()
    layer = Layer(*sizes[1:], words[4])
    for _ in range(3):
        backward(layer, rows, g)
    own = sum(p.numel() for p in layer.parameters()) * 4 / 2**20
    return resident("VmHWM") - before - 2 * own


threads = int(os.environ["OMP_NUM_THREADS"])
torch.set_num_threads(threads)
clock = time.process_time if threads == 1 else time.perf_counter
known, made = None, None
for line in sys.stdin:
    command, *words = line.split()
    if command == "memory":
        print(memory(words), flush=True)
        continue
    if words[:5] != known:
        known, made = words[:5], None
        made = prepare(*map(int, words[:4]), words[4])
    run, calls = backward if words[5] == "backward" else forward, int(words[6])
    start = clock()
    for _ in range(calls):
        run(*made)
    print((clock() - start) / calls / len(made[1]), flush=True)
