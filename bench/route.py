"""Softmax of E logits a row with NumPy, the k best of them, best first, and their
weights: file of float32 rows of 256, rows, repetitions, then E and k of each case.
Prints the least CPU times."""
import os
import sys
import time

import numpy

sys.path.append(os.path.dirname(__file__))
from peer import least

path, rows, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
numbers = numpy.fromfile(path, "<f4")


def route(logits, k):
    probs = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    top = numpy.argpartition(logits, -k, axis=1)[:, -k:]
    scores = numpy.take_along_axis(probs, top, axis=1)
    order = numpy.argsort(-scores, axis=1)
    weights = numpy.take_along_axis(scores, order, axis=1)
    weights /= weights.sum(axis=1, keepdims=True)
    return numpy.take_along_axis(top, order, axis=1), weights, probs


for experts, k in zip(map(int, sys.argv[4::2]), map(int, sys.argv[5::2])):
    logits = numbers[: rows * experts].reshape(rows, experts)
    print(least(lambda: route(logits, k), time.process_time, times))
