"""The peer of simple.lua: scikit-learn's nearest neighbours and naive Bayes.

  simple.py FOLDER NAME MODEL THREADS
      prints seconds to fit, to predict the test part's probabilities and those
      of one row (the least of five each), and accuracy
"""
import os
import sys

from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier

sys.path.append(os.path.dirname(__file__))
from peer import least, read

folder, name, model, threads = sys.argv[1:5]
x, y = read(folder, name, "train")
xt, yt = read(folder, name, "test")
peer = {
    "knn": lambda: KNeighborsClassifier(5, n_jobs=int(threads)),
    "gaussian": GaussianNB,
    "multinomial": MultinomialNB,
}[model]()
print(least(lambda: peer.fit(x, y)), least(lambda: peer.predict_proba(xt)),
      least(lambda: [peer.predict_proba(xt[i : i + 1]) for i in range(20)]) / 20,
      (peer.predict(xt) == yt).mean())
