/* Lua values as engine values, and back. */
#include <math.h>
#include <string.h>

#include "lmoe.h"

enum { DEEPEST = 32 };

static moe_value check_any(lua_State *L, lmoe_call *c, int index, int depth);

static moe_value check_text(lua_State *L, int index) {
  size_t size;
  const char *text = lua_tolstring(L, index, &size);
  if (strlen(text) != size)
    luaL_error(L, "a string with a zero byte in it is of no use here");
  return moe_text_value(text);
}

/* Number of fields, and whether they are exactly 1 … n. */
static size_t count_fields(lua_State *L, int index, bool *list) {
  size_t n = 0;
  *list = true;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    *list = *list && lua_type(L, -2) == LUA_TNUMBER;
    n++;
  }
  for (size_t i = 1; *list && i <= n; i++) {
    lua_rawgeti(L, index, (int)i);
    *list = !lua_isnil(L, -1);
    lua_pop(L, 1);
  }
  return n;
}

/* Strings of the table stay alive with it: the table is anchored by its place
   on the stack of the running call. */
static moe_value check_table(lua_State *L, lmoe_call *c, int index, int depth) {
  moe_value out;
  bool list;
  size_t n = count_fields(L, index, &list), i = 0;
  luaL_checkstack(L, 6, "values nested too deeply");
  if (list) {
    LMOE_TRY(L, c, moe_list_value(&c->call, n, &out));
    for (; i < n; i++) {
      lua_rawgeti(L, index, (int)i + 1);
      out.items[i] = check_any(L, c, lua_gettop(L), depth + 1);
      lua_pop(L, 1);
    }
    return out;
  }
  LMOE_TRY(L, c, moe_map_value(&c->call, n, &out));
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1), i++) {
    int key = lua_gettop(L) - 1;
    if (lua_type(L, key) == LUA_TSTRING) {
      out.keys[i] = check_text(L, key);
    } else {
      out.keys[i] = check_any(L, c, key, depth + 1);
      if (out.keys[i].kind == MOE_V_LIST || out.keys[i].kind == MOE_V_MAP)
        luaL_error(L, "a table's names must be strings, numbers or booleans");
    }
    out.items[i] = check_any(L, c, key + 1, depth + 1);
  }
  return out;
}

static moe_value check_any(lua_State *L, lmoe_call *c, int index, int depth) {
  moe_object *o;
  if (depth > DEEPEST)
    luaL_error(L, "tables are nested more than %d deep", DEEPEST);
  switch (lua_type(L, index)) {
    case LUA_TNIL:
    case LUA_TNONE: return (moe_value){.kind = MOE_V_NIL};
    case LUA_TBOOLEAN: return moe_flag_value(lua_toboolean(L, index));
    case LUA_TNUMBER: return moe_number_value(lua_tonumber(L, index));
    case LUA_TSTRING: return check_text(L, index);
    case LUA_TTABLE: return check_table(L, c, index, depth);
    case LUA_TFUNCTION: return (moe_value){.kind = MOE_V_FUNCTION};
    default: break;
  }
  o = lmoe_test_object(L, index);
  if (o == NULL)
    luaL_error(L, "a %s is no value for a parameter",
               lua_typename(L, lua_type(L, index)));
  return (moe_value){.kind = MOE_V_OBJECT, .object = o};
}

moe_value lmoe_check_value(lua_State *L, lmoe_call *c, int index) {
  return check_any(L, c, lmoe_absolute(L, index), 0);
}

void lmoe_push_value(lua_State *L, const moe_value *v) {
  luaL_checkstack(L, 4, "values nested too deeply");
  switch (v->kind) {
    case MOE_V_NIL: lua_pushnil(L); break;
    case MOE_V_FUNCTION:
    case MOE_V_FLAG:
      lua_pushboolean(L, v->flag || v->kind == MOE_V_FUNCTION);
      break;
    case MOE_V_NUMBER: lmoe_push_number(L, v->number); break;
    case MOE_V_TEXT: lua_pushstring(L, v->text); break;
    case MOE_V_OBJECT: lmoe_push_object(L, v->object); break;
    case MOE_V_LIST:
    case MOE_V_MAP:
      lua_newtable(L);
      for (size_t i = 0; i < v->n; i++) {
        if (v->kind == MOE_V_MAP)
          lmoe_push_value(L, &v->keys[i]);
        else
          lua_pushinteger(L, (lua_Integer)i + 1);
        lmoe_push_value(L, &v->items[i]);
        lua_rawset(L, -3);
      }
      break;
  }
}

void lmoe_push_label(lua_State *L, const moe_label *label) {
  moe_value v = moe_label_value(label);
  lmoe_push_value(L, &v);
}

/* The field of a table with a metatable, whose functions are not to run. */
static void get_raw(lua_State *L, int table, const char *name) {
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING &&
        strcmp(lua_tostring(L, -2), name) == 0) {
      lua_remove(L, -2);
      return;
    }
  lua_pushnil(L);
}

/* A string that is pushed may set the collector going, a name does not. */
void lmoe_get_option(lua_State *L, int table, const char *name) {
  table = lmoe_absolute(L, table);
  if (lua_getmetatable(L, table) == 0) {
    lua_getfield(L, table, name);
    return;
  }
  lua_pop(L, 1);
  get_raw(L, table, name);
}

double lmoe_opt_number(lua_State *L, int table, const char *name, double low,
                       double high, double otherwise) {
  double x;
  if (!lua_istable(L, table)) return otherwise;
  lmoe_get_option(L, table, name);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return otherwise;
  }
  x = lua_tonumber(L, -1);
  if (lua_type(L, -1) != LUA_TNUMBER || !(x >= low && x <= high))
    luaL_error(L, "'%s' must be a number in [%f, %f], got %s", name, low, high,
               lua_type(L, -1) == LUA_TNUMBER ? lua_tostring(L, -1)
                                              : luaL_typename(L, -1));
  lua_pop(L, 1);
  return x;
}

bool lmoe_opt_flag(lua_State *L, int table, const char *name, bool otherwise) {
  bool flag;
  if (!lua_istable(L, table)) return otherwise;
  lmoe_get_option(L, table, name);
  if (!lua_isnil(L, -1) && !lua_isboolean(L, -1))
    luaL_error(L, "'%s' must be true or false, got a %s", name,
               luaL_typename(L, -1));
  flag = lua_isnil(L, -1) ? otherwise : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

void lmoe_check_options(lua_State *L, int table, const char *const *known) {
  size_t n = 0;
  if (lua_isnoneornil(L, table)) return;
  luaL_checktype(L, table, LUA_TTABLE);
  while (known[n] != NULL) n++;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    const char *name =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
    size_t i = 0;
    if (name == NULL) luaL_error(L, "options are given by name");
    while (i < n && strcmp(known[i], name) != 0) i++;
    if (i < n) continue;
    const char *near = moe_nearest_name(name, known, n);
    luaL_error(L, "unknown option '%s'%s%s%s", name,
               near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
               near != NULL ? "'?" : "");
  }
}
