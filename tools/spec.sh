#!/bin/sh
# Runs the specs under one Lua with the module built for it; prints one line of
# totals, and above it the whole log when something went wrong:
#   B=build [CONFIG=sanitize] [RUNNER="valgrind …"] [SPEC_OPTIONS=…] tools/spec.sh lua5.4 spec …
set -eu

lua=$1
shift
abi=$("$lua" -e 'io.write(_VERSION:match("%d.%d"))')
export LUA_PATH="./lua/?.lua;./lua/?/init.lua;;"
export LUA_CPATH="./$B/$abi/?.so;;"
export MOE_PROGRAM="$B/moe"

# An interpreter that was built without the sanitizers needs them loaded first;
# the leak checker trips over what oneDNN leaves in its threads' storage.
preload=""
if [ "${CONFIG:-}" = sanitize ]; then
  export ASAN_OPTIONS="intercept_tls_get_addr=0"
  preload="$(cc -print-file-name=libasan.so) $(cc -print-file-name=libubsan.so)"
fi

started=$(date +%s)
status=0
log=$(env ${preload:+LD_PRELOAD="$preload"} ${RUNNER:-} "$lua" \
  "$(command -v busted)" -o plainTerminal ${SPEC_OPTIONS:-} "$@" 2>&1) || status=$?

# "12 successes / 0 failures / 0 errors / 1 pending"; a run that ends without
# this line, or badly after it, counts as one failure.
printf '%s\n' "$log" | awk -v lua="$lua" -v status="$status" \
  -v seconds=$(($(date +%s) - started)) '
  / success(es)? \/ .* pending/ { passed = $1; failed = $4 + $7; skipped = $10; seen = 1 }
  { text = text $0 "\n" }
  END {
    if (!seen || (status != 0 && failed == 0)) failed++
    if (failed) printf "%s%s ended with status %d\n", text, lua, status
    printf "%s: %d passed, %d failed, %d skipped in %d s\n", \
      lua, passed, failed, skipped, seconds
  }'
