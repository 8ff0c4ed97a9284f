#!/bin/sh
# Runs the specs under every Lua of $LUAS that is installed, as many at a time
# as there are processors, and closes with the sum:
#   B=build LUAS="lua5.4 luajit" tools/test.sh spec/core …
set -eu

for lua in $LUAS; do
  command -v "$lua" >/dev/null && echo "$lua"
done | xargs -P "$(nproc)" -I {} sh tools/spec.sh {} "$@" | tee "$B/test.log"

awk '/ passed, .* failed, / { passed += $2; failed += $4; skipped += $6 }
  END {
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit failed > 0 || passed == 0
  }' "$B/test.log"
