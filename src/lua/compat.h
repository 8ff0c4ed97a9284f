/* What differs between Lua 5.1, LuaJIT and 5.2 to 5.4, under one name each. */
#ifndef LMOE_COMPAT_H
#define LMOE_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#if LUA_VERSION_NUM == 501
#define lua_rawlen lua_objlen
#define LMOE_GET_VALUE(L, index) lua_getfenv(L, index)
#define LMOE_SET_VALUE(L, index) lua_setfenv(L, index)
#elif LUA_VERSION_NUM < 504
#define LMOE_GET_VALUE(L, index) lua_getuservalue(L, index)
#define LMOE_SET_VALUE(L, index) lua_setuservalue(L, index)
#else
#define LMOE_GET_VALUE(L, index) lua_getiuservalue(L, index, 1)
#define LMOE_SET_VALUE(L, index) lua_setiuservalue(L, index, 1)
#endif

/* A userdata that needs no value of Lua's beside it. */
#if LUA_VERSION_NUM >= 504
#define LMOE_NEW_USERDATA(L, size) lua_newuserdatauv(L, size, 0)
#else
#define LMOE_NEW_USERDATA(L, size) lua_newuserdata(L, size)
#endif

/* lua_rawgeti that tells the value's type. */
static inline int lmoe_rawgeti(lua_State *L, int index, int i) {
#if LUA_VERSION_NUM >= 503
  return lua_rawgeti(L, index, i);
#else
  lua_rawgeti(L, index, i);
  return lua_type(L, -1);
#endif
}

/* An index that stays right while the stack grows. */
static inline int lmoe_absolute(lua_State *L, int index) {
  return index > 0 || index <= LUA_REGISTRYINDEX ? index
                                                 : lua_gettop(L) + index + 1;
}

/* Pushes a zeroed userdata that the collector hands to a function. */
static inline void *lmoe_push_freed(lua_State *L, size_t size,
                                    lua_CFunction finaliser) {
  void *box = lua_newuserdata(L, size);
  memset(box, 0, size);
  lua_newtable(L);
  lua_pushcfunction(L, finaliser);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return box;
}

/* Field of the registry under the address of a static variable. */
static inline void lmoe_get_registry(lua_State *L, const void *key) {
#if LUA_VERSION_NUM >= 502
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
#else
  lua_pushlightuserdata(L, (void *)key);
  lua_rawget(L, LUA_REGISTRYINDEX);
#endif
}

/* Pops the value on top into that field. */
static inline void lmoe_set_registry(lua_State *L, const void *key) {
  lua_pushlightuserdata(L, (void *)key);
  lua_insert(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

/* Calls f with `data` as its only argument, in protected mode from the first
   step on: 0, or the error is on the stack. */
static inline int lmoe_protect(lua_State *L, lua_CFunction f, void *data) {
#if LUA_VERSION_NUM == 501
  return lua_cpcall(L, f, data);
#else
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, data);
  return lua_pcall(L, 1, 0, 0);
#endif
}

/* False for an integer that is no double. */
static inline int lmoe_is_exact(lua_State *L, int index) {
#if LUA_VERSION_NUM >= 503
  const lua_Integer most = (lua_Integer)1 << 53;
  lua_Integer i = lua_tointeger(L, index);
  return !lua_isinteger(L, index) || (i >= -most && i <= most);
#else
  (void)L;
  (void)index;
  return 1;
#endif
}

/* Integral doubles become Lua integers where Lua has them. */
static inline void lmoe_push_number(lua_State *L, double x) {
#if LUA_VERSION_NUM >= 503
  if (x >= -0x1p53 && x <= 0x1p53 && x == (double)(lua_Integer)x)
    lua_pushinteger(L, (lua_Integer)x);
  else
#endif
    lua_pushnumber(L, x);
}

#endif
