#!/bin/sh
# Everything that can be said of the sources without running the specs:
#   B=build tools/lint.sh LAYER…  (the layers of the engine, which know nothing of Lua)
set -u
failed=0
check() { # check TITLE command…
  title=$1
  shift
  if "$@"; then echo "  $title: good"; else failed=1 && echo "  $title: see above"; fi
}

engine() { for layer in "$@"; do find "src/$layer" -name '*.[ch]'; done; }
never() { # never WHY PATTERN FILE…
  why=$1 pattern=$2
  shift 2
  ! grep -nE -- "$pattern" "$@" /dev/null | sed "s|\$|    <- $why|" | grep .
}

laid_out() {
  ! find src -name '*.[ch]' | while read -r file; do
    clang-format "$file" | cmp -s - "$file" || echo "$file: \`make format\` lays it out"
  done | grep .
}
downward_only() { never "include by name, from a layer below" '#include "\.\./' $(engine "$@" lua cli); }
no_host() {
  never "the engine knows no Lua, prints nothing, never ends the process" \
    '(^|[^a-z_])(lua_|luaL_|(f|v|vf)?printf *\(|puts *\(|exit *\(|abort *\(|setlocale|s?rand *\(|time *\()' \
    $(engine "$@")
}
scripts() { luacheck --quiet --no-color lua spec examples bench tools ./*.rockspec; }
# Leaks, null pointers and values not set are for valgrind and the sanitizers,
# which see that a call never returns or a loop always runs; and cppcheck takes
# offence at hexadecimal floats and compound literals that it cannot parse.
sources() {
  cppcheck --quiet --error-exitcode=1 --std=c11 --language=c -j "$(nproc)" \
    --enable=warning,performance,portability --suppress=memleak \
    --suppress=uninitvar --suppress=nullPointerRedundantCheck \
    --suppress=nullPointerArithmeticRedundantCheck \
    --suppress=invalidFunctionArg --suppress=incorrectLogicOperator \
    --suppress=internalAstError src
}

check "layers" downward_only "$@"
check "engine" no_host "$@"
check "clang-format" laid_out
check "luacheck" scripts
check "cppcheck" sources
check "generated pages of docs" "$B/moe" tools/docs.lua --check
exit $failed
