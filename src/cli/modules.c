#include "modules.h"

#include <lauxlib.h>
#include <sched.h>
#include <stdlib.h>

#include "guard.h"
#include "lmoe.h"

int luaopen_moe_core(lua_State *L);

static int processors(void) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return CPU_COUNT(&allowed);
}

/* Where the module is loaded once more, products may have been made already:
   then their library stays. */
static void choose_fastest(lua_State *L) {
  lua_getfield(L, -1, "load_backend");
  lua_pushliteral(L, "fastest");
  if (lua_pcall(L, 1, 0, 0) != 0) lua_pop(L, 1);
}

/* The program has the machine to itself, so the engine may use all of it. */
static int load_core(lua_State *L) {
  lua_pushcfunction(L, luaopen_moe_core);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  guard_engine(lmoe_interrupt_flag(L));
  lua_getfield(L, -1, "set_threads");
  lua_pushinteger(L, processors());
  lua_call(L, 1, 0);
  if (getenv("MOE_KERNELS") == NULL) choose_fastest(L);
  return 1;
}

static int load_source(lua_State *L) {
  const struct lua_module *m = lua_touserdata(L, lua_upvalueindex(1));
  if (luaL_loadbuffer(L, (const char *)m->source, m->size, m->chunk) != 0)
    return lua_error(L);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

void modules_preload(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  for (const struct lua_module *m = lua_modules; m->name; m++) {
    lua_pushlightuserdata(L, (void *)m);
    lua_pushcclosure(L, load_source, 1);
    lua_setfield(L, -2, m->name);
  }
  lua_pushcfunction(L, load_core);
  lua_setfield(L, -2, "moe.core");
  lua_pop(L, 2);
}
