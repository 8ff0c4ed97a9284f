#!/bin/sh
# Says for each C file how many of its lines ran: tools/coverage.sh build/coverage
set -eu
find "$1" -name '*.gcda' | while read -r data; do
  gcov --no-output --object-directory "${data%/*}" "$data" 2>/dev/null
done | awk -F "[':% ]+" '
  /^File / { file = $2 }
  /^Lines executed/ && file ~ /^src\// {
    lines = $NF
    if (lines > total[file]) total[file] = lines
    if ($3 > share[file]) share[file] = $3
  }
  END {
    for (file in total) {
      printf "%6.1f %%  %s\n", share[file], file
      ran += share[file] * total[file]; all += total[file]
    }
    if (all) printf "%6.1f %%  of %d lines\n", ran / all, all
  }' | sort -n
