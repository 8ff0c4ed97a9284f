"""The peers of gbt.lua: XGBoost's `hist` and scikit-learn's
HistGradientBoosting.

  gbt.py make FOLDER [DATA]        writes the data, a CSV file a part; letter and
                                   kin8nm where the folder DATA has them
  gbt.py fit FOLDER NAME ROUNDS RATE DEPTH THREADS
      prints a line for each: its name, seconds to fit, seconds to predict the
      test part, and accuracy or root mean squared error
"""
import os
import sys

import numpy
import pandas
from sklearn.ensemble import (HistGradientBoostingClassifier,
                              HistGradientBoostingRegressor)
from sklearn.model_selection import train_test_split

sys.path.append(os.path.dirname(__file__))
from peer import least, read, synthetic, timed, write


def make(folder, data=None):
    x, y = synthetic(100000)
    x, xt, y, yt = train_test_split(x, y, test_size=0.25, random_state=0)
    write(folder, "synthetic", x, y, xt, yt)
    for name in ("letter", "kin8nm"):
        path = "%s/%s.csv" % (data, name)
        if data is None or not os.path.exists(path):
            continue
        table = pandas.read_csv(path)
        y = table.pop(table.columns[-1]).to_numpy()
        x = table.to_numpy("float32")
        n = len(x) * 4 // 5
        write(folder, name, x[:n], y[:n], x[n:], y[n:])


def run(label, model, x, y, xt, yt):
    fitted, _ = timed(lambda: model.fit(x, y))
    predicted, answers = least(lambda: model.predict(xt)), model.predict(xt)
    if y.dtype.kind == "f":
        score = numpy.sqrt(((answers - yt) ** 2).mean())
    else:
        score = (answers == yt).mean()
    print(label, fitted, predicted, score)


def fit(folder, name, rounds, rate, depth, threads):
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
