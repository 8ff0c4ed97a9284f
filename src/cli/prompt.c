#include "prompt.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>

#include "guard.h"
#include "terminal.h"

/* How lines become chunks and values become text is said in Lua (moe/repl.lua);
   only the calls are made here, so that a traceback begins at the user's own
   code and Ctrl-C finds a guarded call. */

static void require(lua_State *L, const char *name) {
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
}

static void print(lua_State *L) {
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  if (!text) return;
  fwrite(text, 1, length, stdout);
  putchar('\n');
}

static int complain(lua_State *L) {
  fflush(stdout);
  fprintf(stderr, "%s\n", luaL_checkstring(L, 1));
  return 0;
}

/* Greets, and prepares the terminal. */
static void start(lua_State *L, int repl) {
  lua_getfield(L, repl, "greeting");
  lua_call(L, 0, 1);
  print(L);
  lua_getfield(L, repl, "history");
  lua_call(L, 0, 1);
  lua_getfield(L, repl, "complete");
  terminal_open(L, lua_tostring(L, -2));
}

/* Pushes the next chunk; false at the end of the input. */
static bool read_chunk(lua_State *L, int repl) {
  lua_getfield(L, repl, "read");
  lua_pushcfunction(L, terminal_read);
  lua_pushcfunction(L, complain);
  lua_call(L, 2, 1);
  return !lua_isnil(L, -1);
}

/* Runs the chunk on top and prints its results, or what went wrong. */
static void evaluate(lua_State *L, int repl) {
  int top = lua_gettop(L);
  lua_getfield(L, repl, "text");
  lua_insert(L, top);
  int status = guard_call(L, 0, LUA_MULTRET);
  if (status == 0) status = guard_call(L, lua_gettop(L) - top, 1);
  if (status == 0)
    print(L);
  else
    guard_report(L, NULL);
}

void prompt_run(lua_State *L) {
  require(L, "moe");
  lua_setglobal(L, "moe");
  require(L, "moe.repl");
  int repl = lua_gettop(L);
  start(L, repl);
  int top = lua_gettop(L);
  while (read_chunk(L, repl)) {
    evaluate(L, repl);
    lua_settop(L, top);
  }
  putchar('\n');
  terminal_close();
}
