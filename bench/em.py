"""Expectation maximisation of linear experts and a softmax gate in NumPy: file of
float32 rows (columns, target, first expert), columns, experts, rounds, penalty and
slope of the gate.  Prints seconds a round and the last log-likelihood."""
import sys
import time

import numpy
from scipy.optimize import minimize

path, d, experts, rounds = sys.argv[1], *map(int, sys.argv[2:5])
penalty, slope = map(float, sys.argv[5:7])
rows = numpy.fromfile(path, "<f4").reshape(-1, d + 2).astype(float)
X = numpy.c_[rows[:, :d], numpy.ones(len(rows))]
y, n = rows[:, d], len(rows)
share = numpy.full((n, experts), 0.1 / experts)
share[numpy.arange(n), rows[:, d + 1].astype(int)] += 0.9
W = numpy.zeros((experts, d + 1))


def log_sum(z):
    most = z.max(1)
    return most + numpy.log(numpy.exp(z - most[:, None]).sum(1))


def gate_loss(flat, density):
    W = flat.reshape(experts, d + 1)
    z = X @ W.T
    z -= log_sum(z)[:, None]
    total = log_sum(z + density)
    slopes = (numpy.exp(z) - numpy.exp(z + density - total[:, None])).T @ X
    slopes[:, :d] += penalty * W[:, :d]
    value = -total.sum() + penalty / 2 * (W[:, :d] ** 2).sum()
    return value / n, slopes.ravel() / n


def turn():
    global share, W
    density = numpy.empty((n, experts))
    for e in range(experts):
        h = share[:, e]
        b = numpy.linalg.solve(X.T @ (h[:, None] * X), X.T @ (h * y))
        square = (y - X @ b) ** 2
        variance = (h * square).sum() / h.sum()
        density[:, e] = -square / (2 * variance) - numpy.log(2 * numpy.pi * variance) / 2
    found = minimize(gate_loss, W.ravel(), args=(density,), jac=True, method="L-BFGS-B",
                     options={"gtol": slope, "ftol": 0, "maxiter": 200})
    W = found.x.reshape(experts, d + 1)
    z = X @ W.T
    z += density - log_sum(z)[:, None]
    total = log_sum(z)
    share = numpy.exp(z - total[:, None])
    return total.sum()


likelihood = turn()
start = time.perf_counter()
for _ in range(rounds):
    likelihood = turn()
print((time.perf_counter() - start) / rounds, likelihood)
