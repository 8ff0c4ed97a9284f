#include "guard.h"

#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

/* What a signal handler needs to know can only be in static variables. */
static lua_State *volatile running;
static volatile sig_atomic_t presses;
static pthread_t home;
static atomic_bool *engine;

static void stop(lua_State *L, lua_Debug *where) {
  (void)where;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted");
}

/* Only asks: the engine looks between two pieces of its work, and Lua before
   its next instruction.  The signal may reach any thread of a library that
   does not block it, hence the way home. */
static void on_interrupt(int signal_number) {
  lua_State *L = running;
  if (!pthread_equal(pthread_self(), home)) {
    pthread_kill(home, signal_number);
  } else if (L && ++presses == 3) {
    signal(signal_number, SIG_DFL);
    raise(signal_number);
  } else if (L) {
    if (engine) atomic_store(engine, true);
    lua_sethook(L, stop, LUA_MASKCOUNT, 1);
  }
}

void guard_engine(atomic_bool *interrupt) { engine = interrupt; }

void guard_against_interrupts(void) {
  /* Without SA_RESTART, so that the read of a line ends too. */
  struct sigaction action = {.sa_handler = on_interrupt};
  sigemptyset(&action.sa_mask);
  home = pthread_self();
  sigaction(SIGINT, &action, NULL);
}

/* An error object that can say what it is needs no traceback. */
static int add_traceback(lua_State *L) {
  lua_sethook(L, NULL, 0, 0);
  if (!lua_isstring(L, 1)) {
    if (luaL_callmeta(L, 1, "__tostring")) return 1;
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    lua_replace(L, 1);
  }
  lua_getglobal(L, "debug");
  if (!lua_istable(L, -1)) return lua_settop(L, 1), 1;
  lua_getfield(L, -1, "traceback");
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 2);
  lua_call(L, 2, 1);
  return 1;
}

int guard_call(lua_State *L, int arguments, int results) {
  int base = lua_gettop(L) - arguments;
  lua_pushcfunction(L, add_traceback);
  lua_insert(L, base);
  presses = 0;
  running = L;
  int status = lua_pcall(L, arguments, results, base);
  running = NULL;
  lua_sethook(L, NULL, 0, 0);
  if (engine) atomic_store(engine, false);
  lua_remove(L, base);
  return status;
}

void guard_report(lua_State *L, const char *who) {
  const char *message = lua_tostring(L, -1);
  fflush(stdout);
  if (who) fprintf(stderr, "%s: ", who);
  fprintf(stderr, "%s\n", message ? message : "(error object is not a string)");
  lua_pop(L, 1);
}
