"""The peer of two_stage.lua: a mixture of forests as scikit-learn's parts make it.

  two_stage.py make FOLDER ROWS           writes the data, a CSV file a part
  two_stage.py fit FOLDER NAME TREES THREADS
      prints seconds to fit, seconds of these that the experts took, seconds to
      predict the test part, megabytes resident with the data read, the most
      megabytes resident from there on, and accuracy
"""
import gc
import re
import sys
import time

import numpy
import pandas
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def write(folder, name, x, y, groups_of):
    x, xt, y, yt = train_test_split(
        x, y, test_size=0.25, random_state=0, stratify=y)
    groups = groups_of(x, y)
    for part, a, b, g in (("train", x, y, groups), ("test", xt, yt, None)):
        table = pandas.DataFrame(numpy.asarray(a, "float32"))
        table["group"] = "g0" if g is None else ["g%d" % k for k in g]
        table["class"] = ["c%s" % c for c in b]
        table.to_csv("%s/%s_%s.csv" % (folder, name, part), index=False)


def make(folder, rows):
    x, y = make_classification(
        int(rows), 50, n_informative=15, n_redundant=5, n_clusters_per_class=4,
        flip_y=0.02, random_state=0)
    write(folder, "synthetic", x, y, lambda a, _: KMeans(
        3, n_init=3, random_state=0).fit_predict(a))
    x, y = load_digits(return_X_y=True)
    write(folder, "digits", x, y, lambda _, b: numpy.digitize(b, [4, 7]))


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


def read(folder, name, part):
    table = pandas.read_csv("%s/%s_%s.csv" % (folder, name, part))
    y, groups = table.pop("class").to_numpy(), table.pop("group").to_numpy()
    groups = numpy.array([int(g[1:]) for g in groups])
    return numpy.ascontiguousarray(table.to_numpy("float32")), y, groups


def resident(what):
    with open("/proc/self/status") as status:
        return int(re.search(what + r":\s+(\d+)", status.read()).group(1)) / 1024


def forget_peak():
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")


def fit(folder, name, trees, threads):
    x, y, groups = read(folder, name, "train")
    xt, yt, _ = read(folder, name, "test")
    gc.collect()
    forget_peak()
    loaded, mixture = resident("VmRSS"), Mixture(int(trees), int(threads))
    start = time.perf_counter()
    mixture.fit(x, y, groups)
    fitted, predicted = time.perf_counter() - start, float("inf")
    for _ in range(5):
        start = time.perf_counter()
        answers = mixture.predict(xt)
        predicted = min(predicted, time.perf_counter() - start)
    print(fitted, mixture.pretrain, predicted, loaded, resident("VmHWM"),
          (answers == yt).mean())


if __name__ == "__main__":
    {"make": make, "fit": fit}[sys.argv[1]](*sys.argv[2:])
