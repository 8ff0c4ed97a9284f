"""The peer of two_stage.lua: a mixture of forests as scikit-learn's parts make it.

  two_stage.py make FOLDER ROWS           writes the data, a CSV file a part
  two_stage.py fit FOLDER NAME TREES THREADS
      prints seconds to fit, seconds of these that the experts took, seconds to
      predict the test part, megabytes resident with the data read, the most
      megabytes resident from there on, and accuracy
"""
import os
import sys
import time

import numpy
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.append(os.path.dirname(__file__))
from peer import (forget_peak, least, read_table, resident, split, synthetic,
                  timed, write)


def write_grouped(folder, name, x, y, groups_of):
    x, xt, y, yt = train_test_split(
        x, y, test_size=0.25, random_state=0, stratify=y)
    groups = ["g%d" % k for k in groups_of(x, y)]
    write(folder, name, x, y, xt, yt, group={"train": groups, "test": "g0"})


def make(folder, rows):
    x, y = synthetic(int(rows))
    write_grouped(folder, "synthetic", x, y, lambda a, _: KMeans(
        3, n_init=3, random_state=0).fit_predict(a))
    x, y = load_digits(return_X_y=True)
    write_grouped(folder, "digits", x, y, lambda _, b: numpy.digitize(b, [4, 7]))


class Mixture:
    """The gate tells the group; the two likeliest experts answer."""

    def __init__(self, trees, threads):
        self.experts = [RandomForestClassifier(
            trees, n_jobs=threads, random_state=k) for k in range(3)]
        self.gate = make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=1000))

    def fit(self, x, y, groups):
        start = time.perf_counter()
        self.classes = numpy.unique(y)
        for k, expert in enumerate(self.experts):
            expert.fit(x[groups == k], y[groups == k])
        self.columns = [numpy.searchsorted(self.classes, e.classes_)
                        for e in self.experts]
        self.pretrain = time.perf_counter() - start
        self.gate.fit(x, groups)
        return self

    def predict(self, x):
        gate = self.gate.predict_proba(x)
        rest = numpy.argmin(gate, axis=1)
        gate[numpy.arange(len(x)), rest] = 0
        answers = numpy.zeros((len(x), len(self.classes)))
        for k, expert in enumerate(self.experts):
            rows = numpy.flatnonzero(gate[:, k])
            if len(rows) > 0:
                answers[numpy.ix_(rows, self.columns[k])] += (
                    gate[rows, k, None] * expert.predict_proba(x[rows]))
        return self.classes[answers.argmax(axis=1)]


def read_grouped(folder, name, part):
    table = read_table(folder, name, part)
    groups = numpy.array([int(g[1:]) for g in table.pop("group")])
    return *split(table), groups


def fit(folder, name, trees, threads):
    x, y, groups = read_grouped(folder, name, "train")
    xt, yt, _ = read_grouped(folder, name, "test")
    loaded, mixture = forget_peak(), Mixture(int(trees), int(threads))
    fitted, _ = timed(lambda: mixture.fit(x, y, groups))
    print(fitted, mixture.pretrain, least(lambda: mixture.predict(xt)), loaded,
          resident("VmHWM"), (mixture.predict(xt) == yt).mean())


if __name__ == "__main__":
    {"make": make, "fit": fit}[sys.argv[1]](*sys.argv[2:])
