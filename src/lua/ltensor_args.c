/* Arguments of tensors and sparse matrices: integers, ranges, lists of rows,
   names.  Strings are never numbers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ltensor.h"

static void describe(lua_State *L, int index, char *out, size_t size) {
  bool number = lua_type(L, index) == LUA_TNUMBER;
  if (number && !isnan(lua_tonumber(L, index)))
    snprintf(out, size, "%.14g", (double)lua_tonumber(L, index));
  else
    snprintf(out, size, "%s%s", lua_isnoneornil(L, index) || number ? "" : "a ",
             number ? "nan" : luaL_typename(L, index));
}

bool lmoe_read_integer(lua_State *L, int index, int64_t low, int64_t high,
                       int64_t *out) {
  double x = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : NAN;
  if (!(x >= (double)low && x <= (double)high && x == floor(x))) return false;
  *out = (int64_t)x;
  return true;
}

int64_t lmoe_check_integer(lua_State *L, int index, const char *what,
                           int64_t low, int64_t high) {
  char got[64], range[64];
  int64_t out;
  if (lmoe_read_integer(L, index, low, high, &out)) return out;
  describe(L, index, got, sizeof got);
  snprintf(range, sizeof range, "[%lld, %lld]", (long long)low,
           (long long)high);
  return luaL_error(L, "%s must be an integer in %s, got %s", what, range, got);
}

void lmoe_check_count(lua_State *L, const char *function, int n) {
  if (lua_gettop(L) > n)
    luaL_error(L, "%s: %d arguments are too many", function, lua_gettop(L) - 1);
}

/* ------------------------------------------------------------------- arrays */

size_t lmoe_array_length(lua_State *L, int index, size_t *hole) {
  size_t n = 0, fields = 0;
  index = lmoe_absolute(L, index);
  for (bool there = true; there; n += there) {
    lua_rawgeti(L, index, (int)n + 1);
    there = !lua_isnil(L, -1);
    lua_pop(L, 1);
  }
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) fields++;
  *hole = n + 1;
  return fields == n ? n : SIZE_MAX;
}

size_t lmoe_check_array(lua_State *L, int index, const char *what) {
  size_t hole, n;
  if (!lua_istable(L, index))
    luaL_error(L, "%s must be an array, got a %s", what,
               luaL_typename(L, index));
  n = lmoe_array_length(L, index, &hole);
  if (n == SIZE_MAX)
    luaL_error(L, "%s[%d] is nil, but there is more in the array", what,
               (int)hole);
  return n;
}

void lmoe_check_range(lua_State *L, int index, int64_t n, int64_t *first,
                      int64_t *count) {
  int64_t last = n;
  *first = 0;
  if (!lua_isnoneornil(L, index))
    *first = lmoe_check_integer(L, index, "rows: first", 1, n + 1) - 1;
  if (!lua_isnoneornil(L, index + 1))
    last = lmoe_check_integer(L, index + 1, "rows: last", *first, n);
  *count = last - *first;
}

/* The row number on top of the stack, element i of a list, from 0. */
static int32_t check_row(lua_State *L, size_t i, int64_t rows) {
  int64_t most = rows < INT32_MAX ? rows : INT32_MAX, row;
  char what[48];
  if (lmoe_read_integer(L, -1, 1, most, &row)) return (int32_t)row - 1;
  snprintf(what, sizeof what, "select: rows[%zu]", i + 1);
  return (int32_t)lmoe_check_integer(L, -1, what, 1, most);
}

const int32_t *lmoe_check_pick(lua_State *L, lmoe_call *c, int index,
                               int64_t rows, size_t *n) {
  const moe_tensor *t = lmoe_test_tensor(L, index);
  int32_t *pick;
  if (t != NULL && (t->ndim != 1 || t->dtype != MOE_I32))
    luaL_error(L,
               "select: the tensor of rows must be an index tensor (int32) "
               "of 1 dimension");
  *n = t != NULL ? t->n : lmoe_check_array(L, index, "select: rows");
  pick = moe_scratch(&c->call, *n, sizeof *pick);
  if (pick == NULL) lmoe_end(L, c, MOE_ENOMEM);
  for (size_t i = 0; i < *n; i++) {
    if (t != NULL)
      lua_pushinteger(L, t->i[i]);
    else
      lua_rawgeti(L, index, (int)i + 1);
    pick[i] = check_row(L, i, rows);
    lua_pop(L, 1);
  }
  return pick;
}

/* -------------------------------------------------------------------- names */

moe_status lmoe_check_names(lua_State *L, lmoe_call *c, int index,
                            moe_names **out) {
  const char **texts;
  size_t n, size;
  *out = NULL;
  if (lua_isnil(L, index)) return MOE_OK;
  n = lmoe_check_array(L, index, "names");
  texts = moe_scratch(&c->call, n, sizeof *texts);
  if (texts == NULL) return MOE_ENOMEM;
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "names[%d] must be a string, got a %s", (int)i + 1,
                 luaL_typename(L, -1));
    texts[i] = lua_tolstring(L, -1, &size);
    if (strlen(texts[i]) != size)
      luaL_error(L, "names[%d] holds a zero byte", (int)i + 1);
    lua_pop(L, 1);
  }
  return moe_names_new(&c->call, n, texts, out);
}

void lmoe_push_names(lua_State *L, const moe_names *names) {
  if (names == NULL) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, (int)names->texts.n, 0);
  for (size_t i = 0; i < names->texts.n; i++) {
    lua_pushstring(L, names->texts.items[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

/* -------------------------------------------------------------------- boxes */

static const char new_box_key;

static int new_box(lua_State *L) {
  lmoe_push_box(L, lua_touserdata(L, 1));
  return 1;
}

void lmoe_open_owned(lua_State *L) {
  lua_pushcfunction(L, new_box);
  lmoe_set_registry(L, &new_box_key);
}

/* The box is made under pcall, so that a raise for want of memory does not
   lose the value. */
void lmoe_push_owned(lua_State *L, const char *family, void *pointer,
                     size_t bytes, void (*release)(void *)) {
  lmoe_box *box;
  if (!lua_checkstack(L, 4)) {
    release(pointer);
    luaL_error(L, "stack overflow");
  }
  lmoe_get_registry(L, &new_box_key);
  lua_pushlightuserdata(L, (void *)family);
  if (lua_pcall(L, 1, 1, 0) != 0) {
    release(pointer);
    lua_error(L);
  }
  box = lua_touserdata(L, -1);
  box->pointer = pointer;
  lmoe_charge(L, box, bytes);
}

void lmoe_close_owned(lua_State *L, const char *family,
                      void (*release)(void *)) {
  lmoe_box *box = lmoe_want_box(L, 1, family);
  void *pointer = box->pointer;
  if (pointer == NULL) return;
  box->pointer = NULL;
  lmoe_charge(L, box, 0);
  release(pointer);
}

int lmoe_push_method(lua_State *L, int self, int name) {
  if (!luaL_getmetafield(L, self, "methods") || !lua_istable(L, -1))
    return luaL_error(L, "a %s has no such methods", luaL_typename(L, self));
  lua_pushvalue(L, name);
  lua_rawget(L, -2);
  return 1;
}
