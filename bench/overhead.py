"""What an operation of PyTorch costs beside its arithmetic: prints a line with the
nanoseconds of an addition, of a recorded one, and of a small training step."""
import time

import torch

torch.set_num_threads(1)


def nanoseconds(visits, visit):
    best = float("inf")
    for _ in range(30):
        start = time.process_time()
        visit(visits)
        best = min(best, time.process_time() - start)
    return best / visits * 1e9


def adding(a, b):
    def visit(n):
        for _ in range(n):
            a + b
    return visit


def training():
    net = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3)
    x, y = torch.randn(1, 16), torch.ones(1, 1)

    def visit(n):
        for _ in range(n):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(net(x), y).backward()
            optimiser.step()
    return visit


plain, leaf = torch.ones(1), torch.ones(1, requires_grad=True)
print(nanoseconds(20000, adding(plain, plain)), nanoseconds(20000, adding(leaf, plain)),
      nanoseconds(200, training()))
