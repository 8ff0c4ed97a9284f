/* core.random: the engine's generator for scripts, fast enough to make streams:
   the numbers are the same in every Lua. */
#include <math.h>

#include "lmoe.h"
#include "random.h"

/* The functions of a generator have it as their upvalue, so that nothing is
   looked up in a call. */
static moe_random *self(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* unit(): in [0, 1). */
static int l_unit(lua_State *L) {
  lua_pushnumber(L, moe_random_unit(self(L)));
  return 1;
}

/* normal(): mean 0, variance 1. */
static int l_normal(lua_State *L) {
  lua_pushnumber(L, moe_random_normal(self(L)));
  return 1;
}

/* below(n): a whole number in [1, n]. */
static int l_below(lua_State *L) {
  lua_Number n = luaL_checknumber(L, 1);
  if (!(n >= 1 && n <= 0x1p53)) return luaL_error(L, "below: n is %f", n);
  lmoe_push_number(L, 1 + (double)moe_random_below(self(L), (uint64_t)n));
  return 1;
}

/* x[1 … n] = from + scale · draw, with x and n in arguments 1 and 2. */
static int fill(lua_State *L, double (*draw)(moe_random *), double from,
                double scale) {
  moe_random *r = self(L);
  int n = (int)luaL_checkinteger(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  for (int i = 1; i <= n; i++) {
    lua_pushnumber(L, from + scale * draw(r));
    lua_rawseti(L, 1, i);
  }
  return 0;
}

/* fill(x, n [, low, high]): x[1 … n] are uniform in [low, high). */
static int l_fill(lua_State *L) {
  double low = luaL_optnumber(L, 3, 0), high = luaL_optnumber(L, 4, 1);
  return fill(L, moe_random_unit, low, high - low);
}

/* scatter(x, n [, deviation]): x[1 … n] are normal around 0. */
static int l_scatter(lua_State *L) {
  return fill(L, moe_random_normal, 0, luaL_optnumber(L, 3, 1));
}

/* random(seed, name) → { unit, normal, below, fill, scatter }: generators of
   one seed and different names are independent. */
static int l_random(lua_State *L) {
  static const luaL_Reg draws[] = {{"unit", l_unit},       {"normal", l_normal},
                                   {"below", l_below},     {"fill", l_fill},
                                   {"scatter", l_scatter}, {NULL, NULL}};
  lua_Number seed = luaL_checknumber(L, 1);
  const char *name = luaL_checkstring(L, 2);
  if (!(seed >= 0 && seed <= 0x1p53) || seed != floor(seed))
    return luaL_error(L, "random: a seed is a whole number in [0, 2^53]");
  lua_newtable(L);
  moe_random *r = lua_newuserdata(L, sizeof *r);
  moe_random_seed(r, moe_seed_of((uint64_t)seed, name));
  for (const luaL_Reg *d = draws; d->name != NULL; d++) {
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, d->func, 1);
    lua_setfield(L, -3, d->name);
  }
  lua_pop(L, 1);
  return 1;
}

void lmoe_open_random(lua_State *L) {
  lua_pushcfunction(L, l_random);
  lua_setfield(L, -2, "random");
}
