#!/bin/sh
# Sees to it that what lua-moe needs is there:
#   tools/setup.sh [run | test | lint | deep]
# It looks without touching a package manager, and when nothing is missing it
# says nothing.  Otherwise it prints the one command that installs the rest and
# asks on a terminal; root, YES=1 and a call without a terminal mean yes.
set -eu

missing=""
need() { # need PACKAGES test…: the packages are wanted when the test fails
  packages=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $packages"
}
library() { pkg-config --exists "$1"; }
any_lua() { library lua5.4 || library lua5.3 || library lua5.2 || library lua5.1 || library luajit; }

need_run() {
  need "gcc libc6-dev" command -v "${CC:-cc}"
  need make command -v make
  need pkg-config command -v pkg-config
  need liblua5.4-dev any_lua
}

need_test() {
  need_run
  for v in 5.1 5.2 5.3 5.4; do need "lua$v" command -v lua$v; done
  need liblua5.1-0-dev library lua5.1
  for v in 5.2 5.3 5.4; do need "liblua$v-dev" library lua$v; done
  need luajit2 command -v luajit
  need lua-busted command -v busted
}

need_lint() {
  need_test
  need lua-check command -v luacheck
  need cppcheck command -v cppcheck
  need clang-format command -v clang-format
  need clang command -v clang
}

need_deep() {
  need_test
  need valgrind command -v valgrind
}

need_"${1:-run}"
[ -n "$missing" ] || exit 0

# Used where found, so asked for only along with what is needed: line editing
# for the prompt, gzipped files, and for the specs a matrix product to compare
# ours with.
need libedit-dev library libedit
need zlib1g-dev library zlib
[ "${1:-run}" = run ] || need libopenblas0-serial ls /usr/lib*/*/libopenblas.so.0

if ! command -v apt-get >/dev/null; then
  echo "lua-moe needs, by the names that Debian gives them:$missing" >&2
  exit 1
fi

sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo "
install="${sudo}apt-get install -y --no-install-recommends$missing"
echo "$install"
if [ -n "$sudo" ] && [ -t 0 ] && [ "${YES:-}" != 1 ]; then
  printf 'Run this now? [y/N] '
  read -r answer
  case $answer in [yY]*) ;; *) exit 1 ;; esac
fi

export DEBIAN_FRONTEND=noninteractive
ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || ${sudo}apt-get update
$install || { ${sudo}apt-get update && $install; } # the lists may be old
