/* Arrays of rows with strings in them: columns, nominal where there are
   strings, as a table has them. */
#include "lmixed.h"

#include <math.h>
#include <string.h>

#include "ltensor.h"

typedef struct rows {
  int array; /* where it is on the stack */
  size_t n, d;
} rows;

static void check_widths(lua_State *L, const rows *r) {
  for (size_t i = 0; i < r->n; i++) {
    lua_rawgeti(L, r->array, (int)i + 1);
    if (!lua_istable(L, -1))
      luaL_error(L, "X[%d] must be an array, got a %s", (int)i + 1,
                 luaL_typename(L, -1));
    size_t d = lmoe_check_array(L, lua_gettop(L), "X");
    if (d != r->d)
      luaL_error(L, "X[%d] has %d values, X[1] has %d", (int)i + 1, (int)d,
                 (int)r->d);
    lua_pop(L, 1);
  }
}

/* Pushes a value and tells its type: a number, a string, or false. */
static int push_value(lua_State *L, const rows *r, size_t i, size_t j) {
  lua_rawgeti(L, r->array, (int)i + 1);
  int type = lmoe_rawgeti(L, -1, (int)j + 1);
  bool missing = type == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  lua_remove(L, -2);
  if (type == LUA_TNUMBER || missing) return type;
  if (type == LUA_TSTRING && strlen(lua_tostring(L, -1)) == lua_rawlen(L, -1))
    return type;
  luaL_error(L,
             "X[%d][%d] must be a number, a string without zero bytes, or "
             "false where missing, got a %s",
             (int)i + 1, (int)j + 1, luaL_typename(L, -1));
  return type;
}

static bool has_strings(lua_State *L, const rows *r, size_t j) {
  bool found = false;
  for (size_t i = 0; i < r->n; i++) {
    found |= push_value(L, r, i, j) == LUA_TSTRING;
    lua_pop(L, 1);
  }
  return found;
}

static void *new_room(lua_State *L, lmoe_call *c, size_t n, size_t size) {
  void *room = moe_scratch(&c->call, n, size);
  if (room == NULL) lmoe_end(L, c, MOE_ENOMEM);
  return room;
}

static void read_numbers(lua_State *L, lmoe_call *c, const rows *r, size_t j,
                         moe_column *out) {
  double *numbers = new_room(L, c, r->n, sizeof *numbers);
  bool holes = false, known = false;
  for (size_t i = 0; i < r->n; i++) {
    bool told = push_value(L, r, i, j) == LUA_TNUMBER;
    numbers[i] = told ? lua_tonumber(L, -1) : (double)NAN;
    holes = holes || !told;
    known = known || !isnan(numbers[i]);
    lua_pop(L, 1);
  }
  *out = (moe_column){.numbers = numbers, .vacant = holes && !known};
}

/* The code of the string on top, which it pops: the table below has those that
   were met. */
static int32_t pop_code(lua_State *L, size_t *n_levels) {
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushnumber(L, (lua_Number)(*n_levels)++);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -5);
  }
  int32_t code = (int32_t)lua_tonumber(L, -1);
  lua_pop(L, 2);
  return code;
}

/* The levels are the keys of the table on top, which the call keeps alive. */
static void read_levels(lua_State *L, lmoe_call *c, moe_column *out) {
  const char **levels = new_room(L, c, out->n_levels, sizeof *levels);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    levels[(size_t)lua_tonumber(L, -1)] = lua_tostring(L, -2);
  out->levels = levels;
  lmoe_anchor(L, c);
}

static void read_codes(lua_State *L, lmoe_call *c, const rows *r, size_t j,
                       moe_column *out) {
  int32_t *codes = new_room(L, c, r->n, sizeof *codes);
  *out = (moe_column){.codes = codes};
  lua_newtable(L);
  for (size_t i = 0; i < r->n; i++) {
    int type = push_value(L, r, i, j);
    if (type == LUA_TNUMBER)
      luaL_error(L,
                 "X[%d][%d] must be a string, as others of its column are, "
                 "got %f",
                 (int)i + 1, (int)j + 1, lua_tonumber(L, -1));
    codes[i] = -1;
    if (type == LUA_TSTRING)
      codes[i] = pop_code(L, &out->n_levels);
    else
      lua_pop(L, 1);
  }
  read_levels(L, c, out);
}

void lmoe_check_mixed_rows(lua_State *L, lmoe_call *c, int index, size_t n,
                           size_t d, moe_rows *out) {
  rows r = {lmoe_absolute(L, index), n, d};
  check_widths(L, &r);
  moe_column *columns = new_room(L, c, d, sizeof *columns);
  for (size_t j = 0; j < d; j++)
    if (has_strings(L, &r, j))
      read_codes(L, c, &r, j, &columns[j]);
    else
      read_numbers(L, c, &r, j, &columns[j]);
  *out = (moe_rows){
      .n = n, .d = d, .source = MOE_FROM_COLUMNS, .columns = columns};
}
