"""Reads each CSV file named, as often as the first argument says, with pandas'
C reader; prints the least CPU time for each."""
import os
import sys
import time

import pandas

sys.path.append(os.path.dirname(__file__))
from peer import least

for path, precision in zip(sys.argv[2::2], sys.argv[3::2]):
    print(least(lambda: pandas.read_csv(path, engine="c", float_precision=precision or None),
                time.process_time, int(sys.argv[1])))
