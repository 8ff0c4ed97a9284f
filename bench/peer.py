"""What the peers share: data that both sides read, and figures of time and
memory.  They append this folder to the path: at its start csv.py would hide
Python's own csv."""
import gc
import re
import time

import numpy
import pandas


def synthetic(rows):
    """So many rows of two classes, of whose 50 columns 15 matter."""
    from sklearn.datasets import make_classification
    return make_classification(
        rows, 50, n_informative=15, n_redundant=5, n_clusters_per_class=4,
        flip_y=0.02, random_state=0)


def write(folder, name, x, y, xt, yt, **more):
    """A CSV file a part; whole numbers as the names of classes."""
    for part, a, b in (("train", x, y), ("test", xt, yt)):
        table = pandas.DataFrame(numpy.asarray(a, "float32"))
        for column, values in more.items():
            table[column] = values[part]
        table["target"] = ["c%d" % c for c in b] if b.dtype.kind == "i" else b
        table.to_csv("%s/%s_%s.csv" % (folder, name, part), index=False)


def read_table(folder, name, part):
    return pandas.read_csv("%s/%s_%s.csv" % (folder, name, part))


def split(table):
    """Its columns and its target."""
    y = table.pop("target").to_numpy()
    return numpy.ascontiguousarray(table.to_numpy("float32")), y


def read(folder, name, part):
    return split(read_table(folder, name, part))


def least(run, clock=time.perf_counter, times=5):
    """The least seconds of several runs."""
    best = float("inf")
    for _ in range(times):
        start = clock()
        run()
        best = min(best, clock() - start)
    return best


def timed(run):
    """The seconds of one run, and what it gave."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def resident(what):
    """Megabytes that are resident, or (VmHWM) have been at most."""
    with open("/proc/self/status") as status:
        return int(re.search(what + r":\s+(\d+)", status.read()).group(1)) / 1024


def forget_peak():
    """The most memory counts from here on; gives what is resident now."""
    gc.collect()
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    return resident("VmRSS")
