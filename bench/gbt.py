"""The peers of gbt.lua: XGBoost's `hist` and scikit-learn's
HistGradientBoosting.

  gbt.py make FOLDER DATA          writes the data, a CSV file a part; letter and
                                   kin8nm where the folder DATA has them
  gbt.py fit FOLDER NAME ROUNDS RATE DEPTH THREADS
      prints a line for each: its name, seconds to fit, seconds to predict the
      test part, and accuracy or root mean squared error
"""
import os
import sys
import time

import numpy
import pandas
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split


def write(folder, name, x, y, xt, yt):
    for part, a, b in (("train", x, y), ("test", xt, yt)):
        table = pandas.DataFrame(numpy.asarray(a, "float32"))
        table["target"] = b
        table.to_csv("%s/%s_%s.csv" % (folder, name, part), index=False)


def make(folder, data=None):
    x, y = make_classification(
        100000, 50, n_informative=15, n_redundant=5, n_clusters_per_class=4,
        flip_y=0.02, random_state=0)
    x, xt, y, yt = train_test_split(x, y, test_size=0.25, random_state=0)
    write(folder, "synthetic", x, ["c%s" % c for c in y],
          xt, ["c%s" % c for c in yt])
    for name in ("letter", "kin8nm"):
        path = "%s/%s.csv" % (data, name)
        if data is None or not os.path.exists(path):
            continue
        table = pandas.read_csv(path)
        y = table.pop(table.columns[-1]).to_numpy()
        x = table.to_numpy("float32")
        n = len(x) * 4 // 5
        write(folder, name, x[:n], y[:n], x[n:], y[n:])


def read(folder, name, part):
    table = pandas.read_csv("%s/%s_%s.csv" % (folder, name, part))
    y = table.pop("target").to_numpy()
    return numpy.ascontiguousarray(table.to_numpy("float32")), y


def run(label, model, x, y, xt, yt):
    start = time.perf_counter()
    model.fit(x, y)
    fitted, predicted = time.perf_counter() - start, float("inf")
    for _ in range(5):
        start = time.perf_counter()
        answers = model.predict(xt)
        predicted = min(predicted, time.perf_counter() - start)
    if y.dtype.kind == "f":
        score = numpy.sqrt(((answers - yt) ** 2).mean())
    else:
        score = (answers == yt).mean()
    print(label, fitted, predicted, score)


def fit(folder, name, rounds, rate, depth, threads):
    os.environ["OMP_NUM_THREADS"] = threads
    from sklearn.ensemble import (HistGradientBoostingClassifier,
                                  HistGradientBoostingRegressor)
    from xgboost import XGBClassifier, XGBRegressor
    x, y = read(folder, name, "train")
    xt, yt = read(folder, name, "test")
    numbers = y.dtype.kind == "f"
    if not numbers:
        names, codes = numpy.unique(y, return_inverse=True)
        y, yt = codes, numpy.searchsorted(names, yt)
    rounds, rate, depth = int(rounds), float(rate), int(depth)
    run("xgboost", (XGBRegressor if numbers else XGBClassifier)(
        n_estimators=rounds, learning_rate=rate, max_depth=depth, max_bin=256,
        tree_method="hist", n_jobs=int(threads)), x, y, xt, yt)
    peer = (HistGradientBoostingRegressor if numbers
            else HistGradientBoostingClassifier)
    run("sklearn", peer(
        max_iter=rounds, learning_rate=rate, max_depth=depth,
        max_leaf_nodes=None, early_stopping=False), x, y, xt, yt)


if __name__ == "__main__":
    {"make": make, "fit": fit}[sys.argv[1]](*sys.argv[2:])
