"""The peer of forest.lua: scikit-learn's random forest.

  forest.py make FOLDER [LETTER.CSV]      writes the data, a CSV file a part
  forest.py fit FOLDER NAME TREES THREADS
      prints seconds to fit, seconds to predict the test part, and accuracy
"""
import os
import sys

import pandas
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

sys.path.append(os.path.dirname(__file__))
from peer import least, read, synthetic, timed, write


def make(folder, letter=None):
    x, y = synthetic(100000)
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


def fit(folder, name, trees, threads):
    x, y = read(folder, name, "train")
    xt, yt = read(folder, name, "test")
    forest = RandomForestClassifier(
        int(trees), n_jobs=int(threads), random_state=0)
    fitted, _ = timed(lambda: forest.fit(x, y))
    print(fitted, least(lambda: forest.predict(xt)), (forest.predict(xt) == yt).mean())


if __name__ == "__main__":
    {"make": make, "fit": fit}[sys.argv[1]](*sys.argv[2:])
