/* split and folds: of n rows described by arrays, as functions of core.data,
   and of a table described by its columns, as its methods. */
#include "split.h"

#include <math.h>

#include "ltable.h"
#include "ltensor.h"

/* What is divided, by what, and the part of each row. */
typedef struct division {
  size_t n;
  uint64_t seed;
  int32_t *strata, *groups, *part;
} division;

static int32_t *new_ids(lua_State *L, lmoe_call *c, size_t n) {
  int32_t *ids = moe_scratch(&c->call, n, sizeof *ids);
  if (ids == NULL) lmoe_end(L, c, MOE_ENOMEM);
  return ids;
}

/* ------------------------------------------------------------------- arrays */

/* The id of the label on top; the table below it maps labels to ids. */
static int32_t find_id(lua_State *L, int32_t *next) {
  int32_t id;
  if (lmoe_is_absent(L, -1)) return -1;
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  if (lua_isnil(L, -1)) {
    id = (*next)++;
    lua_pushvalue(L, -2);
    lua_pushinteger(L, id);
    lua_rawset(L, -5);
  } else {
    id = (int32_t)lua_tointeger(L, -1);
  }
  lua_pop(L, 1);
  return id;
}

/* Ids of the labels in the option's array, by first appearance; NaN and false
   have none.  NULL without that option. */
static int32_t *check_labels(lua_State *L, lmoe_call *c, const char *name,
                             size_t n) {
  int32_t next = 0, *ids;
  if (!lua_istable(L, 3)) return NULL;
  lua_getfield(L, 3, name);
  if (lua_isnil(L, -1)) return NULL;
  if (lmoe_check_array(L, -1, name) != n)
    luaL_error(L, "%s must have an item for each of the %d rows", name, (int)n);
  ids = new_ids(L, c, n);
  lua_newtable(L);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, -2, (int)i + 1);
    ids[i] = find_id(L, &next);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return ids;
}

static uint64_t check_seed(lua_State *L) {
  double seed = lmoe_opt_number(L, 3, "seed", 0, 0x1p53, 0);
  if (seed != floor(seed))
    luaL_error(L, "seed must be an integer, got %f", seed);
  return (uint64_t)seed;
}

static division check_arrays(lua_State *L, lmoe_call *c) {
  static const char *const known[] = {"seed", "strata", "groups", NULL};
  division d = {.n = (size_t)lmoe_check_integer(L, 1, "rows", 0, INT32_MAX)};
  lmoe_check_options(L, 3, known);
  d.seed = check_seed(L);
  d.strata = check_labels(L, c, "strata", d.n);
  d.groups = check_labels(L, c, "groups", d.n);
  d.part = new_ids(L, c, d.n);
  return d;
}

/* ------------------------------------------------------------------- tables */

/* Ids of the values in the column that the option names; true stands for the
   target.  NULL without that option. */
static int32_t *check_column(lua_State *L, lmoe_call *c, const moe_table *t,
                             const char *name) {
  ptrdiff_t target = moe_table_target(t);
  size_t column = (size_t)target;
  int32_t *ids;
  if (!lua_istable(L, 3)) return NULL;
  lua_getfield(L, 3, name);
  if (!lua_toboolean(L, -1)) return NULL;
  if (lua_isboolean(L, -1) && target == MOE_NO_TARGET)
    luaL_error(L, "%s = true goes by the target, and the table has none", name);
  if (!lua_isboolean(L, -1) && lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "%s must be true or the name of a column, got a %s", name,
               luaL_typename(L, -1));
  if (!lua_isboolean(L, -1))
    LMOE_TRY(L, c,
             moe_table_find_or_fail(&c->call, t, lua_tostring(L, -1), &column));
  ids = new_ids(L, c, moe_table_length(t));
  LMOE_TRY(L, c, moe_table_ids(&c->call, t, column, ids));
  return ids;
}

static division check_table(lua_State *L, lmoe_call *c, const moe_table *t) {
  static const char *const known[] = {"seed", "stratify", "group", NULL};
  division d = {.n = moe_table_length(t)};
  lmoe_check_options(L, 3, known);
  d.seed = check_seed(L);
  d.strata = check_column(L, c, t, "stratify");
  d.groups = check_column(L, c, t, "group");
  d.part = new_ids(L, c, d.n);
  return d;
}

/* ------------------------------------------------------------------ results */

static void split(lua_State *L, lmoe_call *c, division *d) {
  double share = lua_tonumber(L, 2);
  if (lua_type(L, 2) != LUA_TNUMBER)
    luaL_error(L, "split: the share must be a number, got %s",
               luaL_typename(L, 2));
  LMOE_TRY(
      L, c,
      moe_split(&c->call, d->n, share, d->seed, d->strata, d->groups, d->part));
}

static size_t fold(lua_State *L, lmoe_call *c, division *d) {
  size_t k = (size_t)lmoe_check_integer(L, 2, "folds", 2, INT32_MAX);
  LMOE_TRY(
      L, c,
      moe_folds(&c->call, d->n, k, d->seed, d->strata, d->groups, d->part));
  return k;
}

/* Rows in the part, or outside it, in their order. */
static int32_t *list_rows(lua_State *L, lmoe_call *c, const division *d,
                          int32_t part, bool inside, size_t *n) {
  int32_t *rows = new_ids(L, c, d->n);
  *n = 0;
  for (size_t i = 0; i < d->n; i++)
    if ((d->part[i] == part) == inside) rows[(*n)++] = (int32_t)i;
  return rows;
}

/* Numbers from 0, as an array that counts from 1. */
static void push_numbers(lua_State *L, const int32_t *numbers, size_t n) {
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushinteger(L, numbers[i] + 1);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

static void push_rows(lua_State *L, lmoe_call *c, const division *d,
                      bool inside) {
  size_t n;
  const int32_t *rows = list_rows(L, c, d, 0, inside, &n);
  push_numbers(L, rows, n);
}

static void push_part(lua_State *L, lmoe_call *c, const moe_table *t,
                      const division *d, int32_t part, bool inside) {
  moe_scratch_mark mark = moe_scratch_now(&c->call);
  size_t n;
  const int32_t *rows = list_rows(L, c, d, part, inside, &n);
  moe_table *out;
  LMOE_TRY(L, c, moe_table_pick(&c->call, t, rows, n, &out));
  moe_scratch_drop(&c->call, mark);
  lmoe_push_table(L, out);
}

/* ---------------------------------------------------------------- functions */

/* split(n, share [, { seed, strata, groups }]) → the numbers of the rows in
   the first part, and of the others. */
static int l_split(lua_State *L) {
  lua_settop(L, 3);
  lmoe_call *c = lmoe_begin(L);
  division d = check_arrays(L, c);
  split(L, c, &d);
  push_rows(L, c, &d, true);
  push_rows(L, c, &d, false);
  lmoe_end(L, c, MOE_OK);
  return 2;
}

/* folds(n, k [, { seed, strata, groups }]) → for each row its fold, 1 … k. */
static int l_folds(lua_State *L) {
  lua_settop(L, 3);
  lmoe_call *c = lmoe_begin(L);
  division d = check_arrays(L, c);
  fold(L, c, &d);
  push_numbers(L, d.part, d.n);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* t:split(share [, { seed, stratify, group }]) → two tables. */
static int l_split_table(lua_State *L) {
  const moe_table *t = lmoe_check_table(L, 1);
  lua_settop(L, 3);
  lmoe_call *c = lmoe_begin(L);
  division d = check_table(L, c, t);
  split(L, c, &d);
  push_part(L, c, t, &d, 0, true);
  push_part(L, c, t, &d, 0, false);
  lmoe_end(L, c, MOE_OK);
  return 2;
}

/* t:folds(k [, { seed, stratify, group }]) → k times { train = …, test = … }.
 */
static int l_fold_table(lua_State *L) {
  const moe_table *t = lmoe_check_table(L, 1);
  lua_settop(L, 3);
  lmoe_call *c = lmoe_begin(L);
  division d = check_table(L, c, t);
  size_t k = fold(L, c, &d);
  lua_createtable(L, (int)k, 0);
  for (size_t i = 0; i < k; i++) {
    lua_createtable(L, 0, 2);
    push_part(L, c, t, &d, (int32_t)i, false);
    lua_setfield(L, -2, "train");
    push_part(L, c, t, &d, (int32_t)i, true);
    lua_setfield(L, -2, "test");
    lua_rawseti(L, -2, (int)i + 1);
  }
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static const luaL_Reg functions[] = {
    {"split", l_split}, {"folds", l_folds}, {NULL, NULL}};
static const luaL_Reg methods[] = {
    {"split", l_split_table}, {"folds", l_fold_table}, {NULL, NULL}};

void lmoe_open_splits(lua_State *L) {
  lmoe_set_functions(L, functions);
  lmoe_add_methods(L, LMOE_TABLE, methods);
}
