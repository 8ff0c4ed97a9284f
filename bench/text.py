"""The peer of text.lua: HashingVectorizer and LogisticRegression.

  text.py FOLDER COLUMNS
      prints seconds to hash the training part, to fit, to hash and predict the
      test part, megabytes resident with the data read, the most megabytes
      resident from there on, and accuracy
"""
import os
import sys

import pandas
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

sys.path.append(os.path.dirname(__file__))
from peer import forget_peak, resident, timed


def read(folder, part):
    table = pandas.read_csv("%s/%s.csv" % (folder, part))
    return table["message"].to_list(), table["family"].to_numpy()


def main(folder, columns):
    texts, y = read(folder, "train")
    others, truth = read(folder, "test")
    hasher = HashingVectorizer(
        ngram_range=(1, 2), token_pattern=r"\w+", n_features=int(columns),
        alternate_sign=False)
    model = LogisticRegression(max_iter=1000)
    loaded = forget_peak()
    hashing, x = timed(lambda: hasher.transform(texts))
    fitting, _ = timed(lambda: model.fit(x, y))
    predicting, answers = timed(lambda: model.predict(hasher.transform(others)))
    print(hashing, fitting, predicting, loaded, resident("VmHWM"),
          (answers == truth).mean())


if __name__ == "__main__":
    main(*sys.argv[1:])
