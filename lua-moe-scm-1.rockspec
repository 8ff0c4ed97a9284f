rockspec_format = "3.0"
package = "lua-moe"
version = "scm-1"
source = { url = "git+https://github.com/lua-moe/lua-moe" }
description = {
  summary = "Mixtures of experts: learners, gates and routing, in C with a Lua face",
  license = "MIT",
}
dependencies = { "lua >= 5.1, < 5.5" }
build = {
  type = "make",
  build_target = "module",
  build_variables = { CC = "$(CC)", CFLAGS = "$(CFLAGS)", LUA_INCDIR = "$(LUA_INCDIR)" },
  install_variables = {
    LUA_INCDIR = "$(LUA_INCDIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
  },
}
test = { type = "command", command = "make test" }
