#!/bin/sh
# Writes Lua sources as a C table of { module name, bytes, length }, so that the
# program carries its own modules: tools/embed.sh lua/moe/init.lua … > modules.c
set -eu

echo '#include "modules.h"'
n=0
for file in "$@"; do
  n=$((n + 1))
  echo "static const unsigned char source_${n}[] = {"
  od -An -v -tu1 "$file" | sed 's/  */,/g; s/^,//; s/$/,/'
  echo "0};"
done

echo "const struct lua_module lua_modules[] = {"
n=0
for file in "$@"; do
  n=$((n + 1))
  name=$(echo "${file#lua/}" | sed 's/\.lua$//; s,/init$,,; s,/,.,g')
  echo "{\"$name\", \"@$file\", source_$n, sizeof source_$n - 1},"
done
echo "{0, 0, 0, 0}};"
