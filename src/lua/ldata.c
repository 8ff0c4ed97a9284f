/* core.data: where tables come from (files, bytes, Lua arrays, makers), and how
   rows are divided. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "csv.h"
#include "ltable.h"
#include "ltensor.h"
#include "makers.h"

/* ----------------------------------------------------------------- settings
   The options of a function, as an object of a type without state: checked and
   defaulted like any parameters. */
#define LMOE_SETTINGS "moe.Settings"

static int l_close(lua_State *L) {
  lmoe_box *box = lmoe_want_box(L, 1, LMOE_SETTINGS);
  moe_object_release(box->pointer);
  box->pointer = NULL;
  return 0;
}

const moe_object *lmoe_push_settings(lua_State *L, lmoe_call *c,
                                     const moe_type *type, int options) {
  lmoe_box *box = lmoe_push_box(L, LMOE_SETTINGS);
  moe_object *o;
  LMOE_TRY(L, c, moe_object_new(&c->call, type, &o));
  box->pointer = o;
  if (lua_isnil(L, options)) return o;
  luaL_checktype(L, options, LUA_TTABLE);
  moe_value map = lmoe_check_value(L, c, options);
  LMOE_TRY(L, c, moe_object_set(&c->call, o, &map));
  return o;
}

/* ---------------------------------------------------------------------- CSV */

static int return_csv(lua_State *L, lmoe_call *c, moe_status status,
                      moe_table *t) {
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lmoe_end(L, c, MOE_OK);
  lmoe_push_table(L, t);
  return 1;
}

/* read_csv(path [, options]) → table, or nil, message, code. */
static int l_read_csv(lua_State *L) {
  const char *path = lmoe_check_path(L, 1);
  moe_table *t;
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  const moe_object *o = lmoe_push_settings(L, c, &moe_csv_type, 2);
  moe_status status = moe_csv_read(&c->call, path, o->params, &t);
  return return_csv(L, c, status, t);
}

/* parse_csv(text [, options]): the same from a string. */
static int l_parse_csv(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  moe_table *t;
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  const moe_object *o = lmoe_push_settings(L, c, &moe_csv_type, 2);
  moe_status status = moe_csv_parse(&c->call, text, size, o->params, &t);
  return return_csv(L, c, status, t);
}

/* ------------------------------------------------------------------- makers */

/* make_…(options) → table, and what it conceals as an array, if anything. */
static int l_make(lua_State *L) {
  const moe_maker *maker = lua_touserdata(L, lua_upvalueindex(1));
  moe_table *t, *truth;
  lua_settop(L, 1);
  lmoe_call *c = lmoe_begin(L);
  const moe_object *o = lmoe_push_settings(L, c, &maker->type, 1);
  moe_status status = moe_make(&c->call, o, &t, &truth);
  lmoe_end(L, c, status);
  if (truth == NULL) {
    lmoe_push_table(L, t);
    return 1;
  }
  lmoe_push_table(L, truth);
  lmoe_push_table(L, t);
  lmoe_push_column(L, truth, 0);
  return 2;
}

static void *new_scratch(lua_State *L, lmoe_call *c, size_t n, size_t size) {
  void *out = moe_scratch(&c->call, n, size);
  if (out == NULL) lmoe_end(L, c, MOE_ENOMEM);
  return out;
}

/* --------------------------------------------------------------- Lua arrays
   A column is checked to the last item before any memory is taken that Lua does
   not know of. */

static void refuse_item(lua_State *L, const char *name, size_t i, int kind) {
  const char *wanted = kind == LUA_TSTRING   ? "a string, or false"
                       : kind == LUA_TNUMBER ? "a finite number, or NaN"
                                             : "a finite number or a string";
  if (lua_isstring(L, -1))
    lua_pushfstring(L, "'%s'", lua_tostring(L, -1));
  else
    lua_pushfstring(L, "a %s", luaL_typename(L, -1));
  luaL_error(L, "column '%s': [%d] must be %s where it is missing; got %s",
             name, (int)i + 1, wanted, lua_tostring(L, -1));
}

/* The kind that the item on top has, given what the items before it had. */
static int check_item(lua_State *L, const char *name, size_t i, int kind) {
  int type = lua_type(L, -1);
  size_t size;
  if (lmoe_is_absent(L, -1)) return kind;
  if ((type != LUA_TNUMBER && type != LUA_TSTRING) ||
      (kind != LUA_TNIL && kind != type) ||
      (type == LUA_TNUMBER && isinf(lua_tonumber(L, -1))))
    refuse_item(L, name, i, kind);
  if (type == LUA_TSTRING && strlen(lua_tolstring(L, -1, &size)) != size)
    luaL_error(L, "column '%s': [%d] holds a zero byte", name, (int)i + 1);
  return type;
}

/* LUA_TNUMBER or LUA_TSTRING for the array on top; where all is missing, false
   stands for missing strings. */
static int check_items(lua_State *L, const char *name, size_t n) {
  int kind = LUA_TNIL;
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    kind = check_item(L, name, i, kind);
    lua_pop(L, 1);
  }
  if (kind != LUA_TNIL || n == 0) return kind == LUA_TNIL ? LUA_TNUMBER : kind;
  lua_rawgeti(L, -1, 1);
  kind = lua_isboolean(L, -1) ? LUA_TSTRING : LUA_TNUMBER;
  lua_pop(L, 1);
  return kind;
}

static moe_status take_numbers(lua_State *L, moe_call *call, size_t n,
                               moe_series **out) {
  double *numbers;
  MOE_TRY(moe_new_array(call, &numbers, n, sizeof *numbers));
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    numbers[i] = lmoe_is_absent(L, -1) ? NAN : lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return moe_series_of_numbers(call, numbers, n, out);
}

static moe_status code_items(lua_State *L, moe_call *call, size_t n,
                             moe_levels *levels, int32_t *codes) {
  for (size_t i = 0; i < n; i++) {
    size_t size = 0;
    moe_status status = MOE_OK;
    lua_rawgeti(L, -1, (int)i + 1);
    codes[i] = -1;
    if (!lmoe_is_absent(L, -1)) {
      const char *text = lua_tolstring(L, -1, &size);
      status = moe_levels_code_of(call, levels, text, size, &codes[i]);
    }
    lua_pop(L, 1);
    if (status != MOE_OK) return status;
  }
  return MOE_OK;
}

static moe_status take_texts(lua_State *L, moe_call *call, size_t n,
                             moe_series **out) {
  moe_levels levels = {0};
  int32_t *codes;
  moe_status status;
  MOE_TRY(moe_new_array(call, &codes, n, sizeof *codes));
  status = code_items(L, call, n, &levels, codes);
  if (status == MOE_OK)
    return moe_series_of_codes(call, codes, n, &levels, out);
  moe_levels_free(&levels);
  moe_free(codes);
  return status;
}

/* Where table{…} has its options, on the stack. */
enum { COLUMNS = 2, NAMES = 3, TARGET = 4 };

/* Pushes the array of the name; all must be as long as the first. */
static int push_array(lua_State *L, const char *name, size_t j, size_t *n) {
  char what[128];
  size_t length;
  lua_getfield(L, COLUMNS, name);
  snprintf(what, sizeof what, "column '%.100s'", name);
  length = lmoe_check_array(L, -1, what);
  if (j == 0) *n = length;
  if (length != *n)
    luaL_error(L, "%s has %d items, the first column %d", what, (int)length,
               (int)*n);
  return check_items(L, name, length);
}

/* The string on top, which something else keeps alive; popped. */
static char *check_name(lua_State *L) {
  size_t size;
  const char *name =
      lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
  if (name == NULL || strlen(name) != size)
    luaL_error(L, "a column's name must be a string without zero bytes");
  lua_pop(L, 1);
  return (char *)name;
}

/* The names in the order given, or else all there are, ordered by byte. */
static moe_texts check_names(lua_State *L, lmoe_call *c) {
  moe_texts names = {NULL, 0}, sorted = {NULL, 0};
  if (!lua_isnil(L, NAMES)) {
    names.n = lmoe_check_array(L, NAMES, "names");
    names.items = new_scratch(L, c, names.n, sizeof *names.items);
    for (size_t j = 0; j < names.n; j++) {
      lua_rawgeti(L, NAMES, (int)j + 1);
      names.items[j] = check_name(L);
    }
    return names;
  }
  for (lua_pushnil(L); lua_next(L, COLUMNS); lua_pop(L, 1)) names.n++;
  names.items = new_scratch(L, c, names.n, sizeof *names.items);
  names.n = 0;
  for (lua_pushnil(L); lua_next(L, COLUMNS); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    names.items[names.n++] = check_name(L);
  }
  int32_t *order = new_scratch(L, c, names.n, sizeof *order);
  sorted.n = names.n;
  sorted.items = new_scratch(L, c, names.n, sizeof *sorted.items);
  LMOE_TRY(L, c, moe__names_order(&c->call, &names, order));
  for (size_t j = 0; j < names.n; j++) sorted.items[j] = names.items[order[j]];
  return sorted;
}

/* Checks everything; returns the number of rows. */
static size_t check_columns(lua_State *L, const moe_texts *names, int *kinds) {
  size_t n = 0, given = 0;
  for (size_t j = 0; j < names->n; j++) {
    kinds[j] = push_array(L, names->items[j], j, &n);
    lua_pop(L, 1);
  }
  for (lua_pushnil(L); lua_next(L, COLUMNS); lua_pop(L, 1)) given++;
  if (given != names->n)
    luaL_error(L, "table: %d columns, but %d names", (int)given, (int)names->n);
  return n;
}

static moe_status take_columns(lua_State *L, moe_call *call,
                               const moe_texts *names, const int *kinds,
                               size_t n, moe_series **series) {
  for (size_t j = 0; j < names->n; j++) {
    moe_status status;
    lua_getfield(L, COLUMNS, names->items[j]);
    status = kinds[j] == LUA_TSTRING ? take_texts(L, call, n, &series[j])
                                     : take_numbers(L, call, n, &series[j]);
    lua_pop(L, 1);
    if (status == MOE_OK) continue;
    while (j > 0) moe_series_release(series[--j]);
    return status;
  }
  return MOE_OK;
}

static ptrdiff_t check_target(lua_State *L, lmoe_call *c,
                              const moe_texts *names) {
  if (lua_isnil(L, TARGET)) return MOE_NO_TARGET;
  const char *target = luaL_checkstring(L, TARGET);
  for (size_t j = 0; j < names->n; j++)
    if (strcmp(names->items[j], target) == 0) return (ptrdiff_t)j;
  LMOE_TRY(L, c, moe__names_unknown(&c->call, names, target));
  return MOE_NO_TARGET;
}

/* table{ columns = { name = array, … }, names = order, target = name }. */
static int l_table(lua_State *L) {
  static const char *const known[] = {"columns", "names", "target", NULL};
  moe_table *t;
  luaL_checktype(L, 1, LUA_TTABLE);
  lmoe_check_options(L, 1, known);
  lua_settop(L, 1);
  for (int i = 0; i < 3; i++) lua_getfield(L, 1, known[i]);
  if (!lua_istable(L, COLUMNS))
    luaL_error(L, "table: 'columns' must be a table, name to array");
  lmoe_call *c = lmoe_begin(L);
  moe_texts names = check_names(L, c);
  int *kinds = new_scratch(L, c, names.n, sizeof *kinds);
  moe_series **series = new_scratch(L, c, names.n, sizeof *series);
  size_t n = check_columns(L, &names, kinds);
  ptrdiff_t target = check_target(L, c, &names);
  LMOE_TRY(L, c, take_columns(L, &c->call, &names, kinds, n, series));
  lmoe_end(L, c, moe_table_new(&c->call, &names, series, n, target, &t));
  lmoe_push_table(L, t);
  return 1;
}

static const luaL_Reg functions[] = {{"read_csv", l_read_csv},
                                     {"parse_csv", l_parse_csv},
                                     {"table", l_table},
                                     {NULL, NULL}};

void lmoe_open_data(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  lmoe_new_family(L, LMOE_SETTINGS, none, l_close);
  lmoe_set_functions(L, functions);
  lmoe_open_splits(L);
  for (const moe_maker *const *m = moe_makers; *m != NULL; m++) {
    lua_pushlightuserdata(L, (void *)*m);
    lua_pushcclosure(L, l_make, 1);
    lua_setfield(L, -2, (*m)->type.name);
  }
}
