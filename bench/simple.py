"""The peer of simple.lua: scikit-learn's nearest neighbours and naive Bayes.

  simple.py FOLDER NAME MODEL THREADS
      prints seconds to fit, to predict the test part's probabilities and those
      of one row (the least of five each), and accuracy
"""
import os
import sys

folder, name, model, threads = sys.argv[1:5]
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = threads

import time

import numpy
import pandas
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier


def read(part):
    table = pandas.read_csv("%s/%s_%s.csv" % (folder, name, part))
    y = table.pop("class").to_numpy()
    return numpy.ascontiguousarray(table.to_numpy("float32")), y


def least(run):
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


x, y = read("train")
xt, yt = read("test")
peer = {
    "knn": lambda: KNeighborsClassifier(5, n_jobs=int(threads)),
    "gaussian": GaussianNB,
    "multinomial": MultinomialNB,
}[model]()
print(least(lambda: peer.fit(x, y)), least(lambda: peer.predict_proba(xt)),
      least(lambda: [peer.predict_proba(xt[i : i + 1]) for i in range(20)]) / 20,
      (peer.predict(xt) == yt).mean())
