"""Fits scikit-learn's linear models to a file of float32 rows, each with a number
and a class behind it: file, columns, repetitions, rows learned one by one.
Prints the least CPU times."""
import os
import sys
import time

import numpy
from sklearn.linear_model import (LinearRegression, LogisticRegression, Ridge,
                                  SGDClassifier, SGDRegressor)

sys.path.append(os.path.dirname(__file__))
from peer import least

path, columns, times, stream = sys.argv[1], *map(int, sys.argv[2:5])
rows = numpy.fromfile(path, "<f4").reshape(-1, columns + 2)
X, y, c = rows[:, :columns].astype(float), rows[:, columns], rows[:, columns + 1]


def report(name, run, count=1):
    print(name, least(run, time.process_time, times) / count)


def one_by_one(model, targets, **options):
    for i in range(stream):
        model.partial_fit(X[i : i + 1], targets[i : i + 1], **options)


report("linear", lambda: LinearRegression().fit(X, y))
report("ridge", lambda: Ridge().fit(X, y))
report("logistic", lambda: LogisticRegression().fit(X, c))
report("linear_one", lambda: one_by_one(SGDRegressor(), y), stream)
report("logistic_one",
       lambda: one_by_one(SGDClassifier(loss="log_loss"), c, classes=[0, 1]), stream)
