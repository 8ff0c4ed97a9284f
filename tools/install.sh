#!/bin/sh
# Installs what was built, or takes it away again (called by the Makefile):
#   PREFIX=… DESTDIR=… B=build ABIS="5.1 5.4" VERSION=… tools/install.sh install
# With INST_LIBDIR and INST_LUADIR, which LuaRocks sets, only the Lua module.
set -eu
action=$1

put() { # put MODE FOLDER FILE [NAME]
  place=$DESTDIR$2/${4:-${3##*/}}
  case $action in
    install) install -D -m "$1" "$3" "$place" ;;
    uninstall) rm -f "$place" ;;
  esac
}

put_module() { # put_module ABI FOLDER_FOR_C FOLDER_FOR_LUA
  put 755 "$2/moe" "$B/$1/moe/core.so"
  find lua -name '*.lua' | while read -r file; do
    folder=${file%/*}
    put 644 "$3${folder#lua}" "$file"
  done
}

if [ -n "$INST_LIBDIR" ]; then
  put_module "$ABIS" "$INST_LIBDIR" "$INST_LUADIR"
  exit
fi

for abi in $ABIS; do
  put_module "$abi" "$PREFIX/lib/lua/$abi" "$PREFIX/share/lua/$abi"
done
put 755 "$PREFIX/bin" "$B/moe"
put 755 "$PREFIX/lib" "$B/libmoe.so"
put 644 "$PREFIX/lib" "$B/libmoe.a"

# The public headers: moe.h, and all that it includes by way of others too.
headers=src/moe/moe.h
found=""
while [ "$headers" != "$found" ]; do
  found=$headers
  names=$(sed -n 's/^#include "\(.*\)"$/\1/p' $found)
  headers=$({ echo "$found" && cd src && for name in $names; do
    find . -name "$name" | sed 's,^\.,src,'
  done; } | sort -u)
done
for header in $headers; do put 644 "$PREFIX/include/moe" "$header"; done

description=$(mktemp)
cat > "$description" <<END
Name: moe
Description: Mixtures of experts: an engine in C
Version: $VERSION
Cflags: -I$PREFIX/include
Libs: -L$PREFIX/lib -lmoe
Libs.private: -lm -ldl -pthread$(pkg-config --libs zlib 2>/dev/null | sed 's/^/ /')
END
put 644 "$PREFIX/lib/pkgconfig" "$description" moe.pc
rm "$description"
