"""The peer of text.lua: HashingVectorizer and LogisticRegression.

  text.py FOLDER COLUMNS THREADS
      prints seconds to hash the training part, to fit, to hash and predict the
      test part, megabytes resident with the data read, the most megabytes
      resident from there on, and accuracy
"""
import os
import sys

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = sys.argv[3]

import gc
import re
import time

import pandas
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression


def read(folder, part):
    table = pandas.read_csv("%s/%s.csv" % (folder, part))
    return table["message"].to_list(), table["family"].to_numpy()


def resident(what):
    with open("/proc/self/status") as status:
        return int(re.search(what + r":\s+(\d+)", status.read()).group(1)) / 1024


def forget_peak():
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")


def main(folder, columns):
    texts, y = read(folder, "train")
    others, truth = read(folder, "test")
    hasher = HashingVectorizer(
        ngram_range=(1, 2), token_pattern=r"\w+", n_features=int(columns),
        alternate_sign=False)
    model = LogisticRegression(max_iter=1000)
    gc.collect()
    forget_peak()
    loaded = resident("VmRSS")
    times = [time.perf_counter()]
    x = hasher.transform(texts)
    times.append(time.perf_counter())
    model.fit(x, y)
    times.append(time.perf_counter())
    answers = model.predict(hasher.transform(others))
    times.append(time.perf_counter())
    print(*[b - a for a, b in zip(times, times[1:])], loaded,
          resident("VmHWM"), (answers == truth).mean())


if __name__ == "__main__":
    main(*sys.argv[1:3])
