"""The peer of forest.lua: scikit-learn's random forest.

  forest.py make FOLDER [LETTER.CSV]      writes the data, a CSV file a part
  forest.py fit FOLDER NAME TREES THREADS
      prints seconds to fit, seconds to predict the test part, and accuracy
"""
import sys
import time

import numpy
import pandas
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


def write(folder, name, x, y, xt, yt):
    for part, a, b in (("train", x, y), ("test", xt, yt)):
        table = pandas.DataFrame(numpy.asarray(a, "float32"))
        table["class"] = ["c%s" % c for c in b]
        table.to_csv("%s/%s_%s.csv" % (folder, name, part), index=False)


def make(folder, letter=None):
    x, y = make_classification(
        100000, 50, n_informative=15, n_redundant=5, n_clusters_per_class=4,
        flip_y=0.02, random_state=0)
    x, xt, y, yt = train_test_split(x, y, test_size=0.25, random_state=0)
    write(folder, "synthetic", x, y, xt, yt)
    x, y = load_digits(return_X_y=True)
    x, xt, y, yt = train_test_split(
        x, y, test_size=0.2, random_state=0, stratify=y)
    write(folder, "digits", x, y, xt, yt)
    if letter is not None:
        table = pandas.read_csv(letter).to_numpy()
        x, y = table[:, :-1].astype("float32"), table[:, -1]
        write(folder, "letter", x[:16000], y[:16000], x[16000:], y[16000:])


def read(folder, name, part):
    table = pandas.read_csv("%s/%s_%s.csv" % (folder, name, part))
    y = table.pop("class").to_numpy()
    return numpy.ascontiguousarray(table.to_numpy("float32")), y


def fit(folder, name, trees, threads):
    x, y = read(folder, name, "train")
    xt, yt = read(folder, name, "test")
    forest = RandomForestClassifier(
        int(trees), n_jobs=int(threads), random_state=0)
    start = time.perf_counter()
    forest.fit(x, y)
    fitted, predicted = time.perf_counter() - start, float("inf")
    for _ in range(5):
        start = time.perf_counter()
        answers = forest.predict(xt)
        predicted = min(predicted, time.perf_counter() - start)
    print(fitted, predicted, (answers == yt).mean())


if __name__ == "__main__":
    {"make": make, "fit": fit}[sys.argv[1]](*sys.argv[2:])
