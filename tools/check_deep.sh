#!/bin/sh
# The specs again under everything that finds what plain runs do not; minutes,
# not seconds.  Each round ends with its own totals.
set -eu

round() { # round TITLE VARIABLE=value… -- argument of make…
  echo "== $1"
  shift
  env "$@"
}

MOE_DEEP=1
export MOE_DEEP # the specs then fail every single allocation, not a sample

round "address and undefined-behaviour sanitizers" \
  $MAKE test config=sanitize LUAS="lua5.4 luajit"
# Loaded into a stock interpreter it crashes the shells that specs start.
round "thread sanitizer" $MAKE test config=tsan LUAS=build/tsan/moe
round "collector at work after every few allocations" \
  SPEC_OPTIONS=--helper=tools/busy_collector.lua $MAKE test LUAS="lua5.1 lua5.4"
unset MOE_DEEP
# The pool's threads live on, so what they point to is no loss; oneDNN reads past
# buffers of its own, which is not what we look for.
round "valgrind" MOE_KERNELS=portable RUNNER="valgrind --quiet \
  --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=9" \
  $MAKE test LUAS=lua5.4
