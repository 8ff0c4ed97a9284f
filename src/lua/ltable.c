/* The table as Lua sees it: its columns, what is cut from it, and X and y. */
#include "ltable.h"

#include <math.h>
#include <string.h>

#include "csv.h"
#include "ltensor.h"

/* -------------------------------------------------------------------- boxes */

const moe_table *lmoe_check_table(lua_State *L, int index) {
  return lmoe_check_box(L, index, LMOE_TABLE);
}

const moe_table *lmoe_test_table(lua_State *L, int index) {
  return lmoe_test_box(L, index, LMOE_TABLE);
}

static void release(void *t) { moe_table_release(t); }

void lmoe_push_table(lua_State *L, moe_table *t) {
  lmoe_push_owned(L, LMOE_TABLE, t, moe_table_bytes(t), release);
}

static int l_close(lua_State *L) {
  lmoe_close_owned(L, LMOE_TABLE, release);
  return 0;
}

/* -------------------------------------------------------------------- reads */

bool lmoe_is_absent(lua_State *L, int index) {
  if (lua_isboolean(L, index)) return !lua_toboolean(L, index);
  return lua_type(L, index) == LUA_TNUMBER && isnan(lua_tonumber(L, index));
}

static bool is_missing(const moe_column *c, size_t at) {
  return c->numbers != NULL ? isnan(c->numbers[at]) : c->codes[at] < 0;
}

void lmoe_push_cell(lua_State *L, const moe_table *t, size_t column, size_t i) {
  const moe_column *c = moe_table_column(t, column);
  size_t at = moe_table_at(t, i);
  if (c->numbers != NULL && c->numbers[at] == 0 && signbit(c->numbers[at]))
    lua_pushnumber(L, c->numbers[at]); /* an integer zero has no sign */
  else if (c->numbers != NULL)
    lmoe_push_number(L, c->numbers[at]);
  else if (c->codes[at] < 0)
    lua_pushboolean(L, 0);
  else
    lua_pushstring(L, c->levels[c->codes[at]]);
}

void lmoe_push_column(lua_State *L, const moe_table *t, size_t column) {
  size_t n = moe_table_length(t);
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lmoe_push_cell(L, t, column, i);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

static size_t target_of(lua_State *L, const moe_table *t) {
  if (moe_table_target(t) == MOE_NO_TARGET)
    luaL_error(L, "the table has no target; t:with_target(name) gives it one");
  return (size_t)moe_table_target(t);
}

void lmoe_push_target_item(lua_State *L, const moe_table *t, size_t i) {
  size_t target = target_of(L, t);
  if (is_missing(moe_table_column(t, target), moe_table_at(t, i)))
    lua_pushnil(L);
  else
    lmoe_push_cell(L, t, target, i);
}

static size_t check_column(lua_State *L, lmoe_call *c, const moe_table *t,
                           int index) {
  const char *name = luaL_checkstring(L, index);
  size_t column = 0;
  LMOE_TRY(L, c, moe_table_find_or_fail(&c->call, t, name, &column));
  return column;
}

static int l_column(lua_State *L) {
  const moe_table *t = lmoe_check_table(L, 1);
  lmoe_call *c = lmoe_begin(L);
  size_t column = check_column(L, c, t, 2);
  lmoe_end(L, c, MOE_OK);
  lmoe_push_column(L, t, column);
  return 1;
}

/* kind(name): "number" or "string". */
static int l_kind(lua_State *L) {
  const moe_table *t = lmoe_check_table(L, 1);
  lmoe_call *c = lmoe_begin(L);
  size_t column = check_column(L, c, t, 2);
  lmoe_end(L, c, MOE_OK);
  lua_pushstring(
      L, moe_table_column(t, column)->numbers != NULL ? "number" : "string");
  return 1;
}

static int l_row(lua_State *L) {
  const moe_table *t = lmoe_check_table(L, 1);
  int64_t n = (int64_t)moe_table_length(t);
  size_t i = (size_t)lmoe_check_integer(L, 2, "row", 1, n) - 1;
  const moe_texts *names = moe_table_names(t);
  lua_createtable(L, 0, (int)names->n);
  for (size_t j = 0; j < names->n; j++) {
    lua_pushstring(L, names->items[j]);
    lmoe_push_cell(L, t, j, i);
    lua_rawset(L, -3);
  }
  return 1;
}

static int l_len(lua_State *L) {
  lmoe_push_number(L, (double)moe_table_length(lmoe_check_table(L, 1)));
  return 1;
}

/* ------------------------------------------------------------------- fields */

static void push_names(lua_State *L, const moe_table *t, ptrdiff_t without) {
  const moe_texts *names = moe_table_names(t);
  int n = 0;
  lua_createtable(L, (int)names->n, 0);
  for (size_t j = 0; j < names->n; j++) {
    if ((ptrdiff_t)j == without) continue;
    lua_pushstring(L, names->items[j]);
    lua_rawseti(L, -2, ++n);
  }
}

/* t.names, t.features, t.target; anything else is a method or nil. */
static int l_index(lua_State *L) {
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  ptrdiff_t target;
  if (luaL_getmetafield(L, 1, "methods")) {
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    if (!lua_isnil(L, -1)) return 1;
  }
  const moe_table *t = lmoe_check_table(L, 1);
  target = moe_table_target(t);
  if (strcmp(key, "names") == 0)
    push_names(L, t, MOE_NO_TARGET);
  else if (strcmp(key, "features") == 0)
    push_names(L, t, target);
  else if (strcmp(key, "target") == 0 && target >= 0)
    lua_pushstring(L, moe_table_names(t)->items[target]);
  else
    lua_pushnil(L);
  return 1;
}

/* The picture that moe.data draws, if it is loaded. */
static int l_tostring(lua_State *L) {
  const moe_table *t = lmoe_test_table(L, 1);
  if (t == NULL) {
    lua_pushliteral(L, "closed Table");
  } else if (luaL_getmetafield(L, 1, "methods")) {
    lua_getfield(L, -1, "preview");
    if (lua_isnil(L, -1)) {
      lua_pushfstring(L, "Table: %d rows × %d columns",
                      (int)moe_table_length(t), (int)moe_table_names(t)->n);
      return 1;
    }
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
  }
  return 1;
}

/* --------------------------------------------------------------- selections */

static int32_t *new_ints(lua_State *L, lmoe_call *c, size_t n) {
  int32_t *out = moe_scratch(&c->call, n, sizeof *out);
  if (out == NULL) lmoe_end(L, c, MOE_ENOMEM);
  return out;
}

/* Ends the call, with the table as its result. */
static int return_table(lua_State *L, lmoe_call *c, moe_status status,
                        moe_table *t) {
  lmoe_end(L, c, status);
  lmoe_push_table(L, t);
  return 1;
}

/* rows(first [, last]): both included, counted from 1. */
static int l_rows(lua_State *L) {
  const moe_table *t = lmoe_check_table(L, 1);
  int64_t first, n;
  moe_table *out;
  lmoe_check_range(L, 2, (int64_t)moe_table_length(t), &first, &n);
  lmoe_call *c = lmoe_begin(L);
  int32_t *rows = new_ints(L, c, (size_t)n);
  for (int64_t i = 0; i < n; i++) rows[i] = (int32_t)(first + i);
  moe_status status = moe_table_pick(&c->call, t, rows, (size_t)n, &out);
  return return_table(L, c, status, out);
}

/* pick{ 3, 1, 1 }: these rows in this order. */
static int l_pick(lua_State *L) {
  const moe_table *t = lmoe_check_table(L, 1);
  size_t n;
  moe_table *out;
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  const int32_t *rows =
      lmoe_check_pick(L, c, 2, (int64_t)moe_table_length(t), &n);
  moe_status status = moe_table_pick(&c->call, t, rows, n, &out);
  return return_table(L, c, status, out);
}

/* Marks the columns that the n names of the array at index 2 say; `order` gets
   them as they come. */
static void mark_columns(lua_State *L, lmoe_call *c, const moe_table *t,
                         size_t n, int32_t *marks, int32_t *order) {
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, 2, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "names[%d] must be a string, got a %s", (int)i + 1,
                 luaL_typename(L, -1));
    size_t column = check_column(L, c, t, lua_gettop(L));
    if (marks[column] != 0)
      luaL_error(L, "column '%s' is named twice", lua_tostring(L, -1));
    marks[column] = 1;
    order[i] = (int32_t)column;
    lua_pop(L, 1);
  }
}

static int take_columns(lua_State *L, bool named) {
  const moe_table *t = lmoe_check_table(L, 1);
  size_t d = moe_table_names(t)->n, n = lmoe_check_array(L, 2, "names");
  moe_table *out;
  lmoe_call *c = lmoe_begin(L);
  int32_t *marks = new_ints(L, c, d), *order = new_ints(L, c, n > d ? n : d);
  mark_columns(L, c, t, n, marks, order);
  if (!named) {
    n = 0;
    for (size_t j = 0; j < d; j++)
      if (marks[j] == 0) order[n++] = (int32_t)j;
  }
  moe_status status = moe_table_select(&c->call, t, order, n, &out);
  return return_table(L, c, status, out);
}

static int l_select(lua_State *L) { return take_columns(L, true); }
static int l_drop(lua_State *L) { return take_columns(L, false); }

/* with_target(name), or with_target() for none. */
static int l_with_target(lua_State *L) {
  const moe_table *t = lmoe_check_table(L, 1);
  ptrdiff_t target = MOE_NO_TARGET;
  moe_table *out;
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  if (!lua_isnil(L, 2)) target = (ptrdiff_t)check_column(L, c, t, 2);
  moe_status status = moe_table_with_target(&c->call, t, target, &out);
  return return_table(L, c, status, out);
}

/* ------------------------------------------------------------------- X and y
 */

/* What cannot become float32 features: refused, saying what to do. */
static void check_features(lua_State *L, const moe_rows *r) {
  for (size_t j = 0; j < r->d; j++) {
    const char *name = r->schema->names.items[j];
    const moe_column *column = &r->columns[j];
    if (column->numbers == NULL)
      luaL_error(L,
                 "column '%s' holds strings; turn it into numbers first "
                 "(moe.transforms.one_hot, ordinal or text_hasher), or drop it",
                 name);
    for (size_t i = 0; i < r->n; i++) {
      double x = column->numbers[moe_rows_at(r, i)];
      if (isnan(x))
        luaL_error(L,
                   "column '%s' is missing in row %d; fill it first "
                   "(moe.transforms.impute)",
                   name, (int)i + 1);
      if (isinf((float)x))
        luaL_error(L, "column '%s', row %d: %f is beyond the float32 of X",
                   name, (int)i + 1, x);
    }
  }
}

static void check_target(lua_State *L, const moe_table *t) {
  size_t target = target_of(L, t);
  const moe_column *column = moe_table_column(t, target);
  for (size_t i = 0; i < moe_table_length(t); i++)
    if (is_missing(column, moe_table_at(t, i)))
      luaL_error(L, "the target '%s' is missing in row %d",
                 moe_table_names(t)->items[target], (int)i + 1);
}

static moe_status name_columns(moe_call *call, const moe_rows *r,
                               moe_tensor *x) {
  moe_names *names;
  moe_status status;
  MOE_TRY(moe_names_new(call, r->d, (const char *const *)r->schema->names.items,
                        &names));
  status = moe_tensor_set_names(call, x, names);
  moe_names_release(names);
  return status;
}

/* xy() → X with X.names, y as an array. */
static int l_xy(lua_State *L) {
  const moe_table *t = lmoe_check_table(L, 1);
  moe_rows rows;
  moe_tensor *x;
  check_target(L, t);
  lmoe_call *c = lmoe_begin(L);
  LMOE_TRY(L, c, moe_table_rows(&c->call, t, &rows));
  check_features(L, &rows);
  const int64_t shape[2] = {(int64_t)rows.n, (int64_t)rows.d};
  LMOE_TRY(L, c, moe_tensor_new(&c->call, MOE_F32, 2, shape, &x));
  lmoe_push_tensor(L, x);
  moe_rows_floats(&rows, 0, rows.n, x->f);
  lmoe_end(L, c, name_columns(&c->call, &rows, x));
  lmoe_push_column(L, t, (size_t)moe_table_target(t));
  return 2;
}

/* ------------------------------------------------------------------- writing
 */

const char *lmoe_check_path(lua_State *L, int index) {
  size_t size;
  const char *path = luaL_checklstring(L, index, &size);
  if (strlen(path) != size) luaL_error(L, "a path holds a zero byte");
  return path;
}

/* write_csv(path [, { sep = "," }]) → true, or nil, message, code. */
static int l_write_csv(lua_State *L) {
  static const char *const known[] = {"sep", NULL};
  const moe_table *t = lmoe_check_table(L, 1);
  const char *path = lmoe_check_path(L, 2), *separator = NULL;
  lmoe_check_options(L, 3, known);
  lua_settop(L, 3);
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "sep");
    separator = luaL_optstring(L, 4, NULL);
  }
  lmoe_call *c = lmoe_begin(L);
  moe_status status = moe_csv_write(&c->call, path, t, separator);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lmoe_end(L, c, MOE_OK);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg methods[] = {{"__index", l_index},
                                   {"__len", l_len},
                                   {"__tostring", l_tostring},
                                   {"column", l_column},
                                   {"drop", l_drop},
                                   {"kind", l_kind},
                                   {"pick", l_pick},
                                   {"row", l_row},
                                   {"rows", l_rows},
                                   {"select", l_select},
                                   {"with_target", l_with_target},
                                   {"write_csv", l_write_csv},
                                   {"xy", l_xy},
                                   {NULL, NULL}};

void lmoe_open_table(lua_State *L) {
  lmoe_new_family(L, LMOE_TABLE, methods, l_close);
  lua_newtable(L);
  lmoe_open_data(L);
  lua_setfield(L, -2, "data");
}
