"""Reads each CSV file named, as often as the first argument says, with pandas'
C reader; prints the least CPU time for each."""
import sys
import time

import pandas

for path, precision in zip(sys.argv[2::2], sys.argv[3::2]):
    best = float("inf")
    for _ in range(int(sys.argv[1])):
        start = time.process_time()
        pandas.read_csv(path, engine="c", float_precision=precision or None)
        best = min(best, time.process_time() - start)
    print(best)
