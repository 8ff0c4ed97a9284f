"""Fits scikit-learn's multi-layer perceptrons beside ours: for each problem a line
with the CPU seconds of fit, the score and the CPU seconds of predict."""
import sys
import time
import warnings

import numpy
from sklearn.neural_network import MLPClassifier, MLPRegressor

warnings.filterwarnings("ignore")
kind, train, test, columns, hidden, batch, epochs = sys.argv[1:8]


def read(path):
    rows = numpy.fromfile(path, "<f4").reshape(-1, int(columns) + 1)
    return rows[:, :-1], rows[:, -1]


X, y = read(train)
Xt, yt = read(test)
mean, deviation = X.mean(0), X.std(0)
deviation[deviation == 0] = 1
X, Xt = (X - mean) / deviation, (Xt - mean) / deviation
options = dict(hidden_layer_sizes=(int(hidden),), batch_size=int(batch), max_iter=int(epochs),
               tol=0, n_iter_no_change=int(epochs), learning_rate_init=0.01)
if kind == "regression":
    middle, scale = y.mean(), y.std()
    model = MLPRegressor(random_state=0, **options)
    y = (y - middle) / scale
else:
    model = MLPClassifier(random_state=0, **options)
start = time.process_time()
model.fit(X, y)
fitted = time.process_time() - start
start = time.process_time()
answers = model.predict(Xt)
predicted = time.process_time() - start
if kind == "regression":
    score = numpy.sqrt(((answers * scale + middle - yt) ** 2).mean())
else:
    score = (answers == yt).mean()
print(fitted, score, predicted)
