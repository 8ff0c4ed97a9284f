/* The tensor in Lua.  Everything counts from 1: rows, columns, dimensions. */
#include "ltensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels.h"
#include "ltape.h"
#include "operations.h"

/* -------------------------------------------------------------------- boxes */

static void release(void *t) { moe_tensor_release(t); }

static moe_tensor *check_value(lua_State *L, moe_tensor *t) {
  if (t != NULL && moe_tensor_is_gone(t))
    luaL_error(L,
               "the value of this tensor (%s) was given back by backward; "
               "t:retain() before it keeps it",
               moe_tensor_shape_text(t).text);
  return t;
}

moe_tensor *lmoe_find_tensor(lua_State *L, int index) {
  return lmoe_test_box(L, index, LMOE_TENSOR);
}

moe_tensor *lmoe_test_tensor(lua_State *L, int index) {
  return check_value(L, lmoe_find_tensor(L, index));
}

moe_tensor *lmoe_check_tensor(lua_State *L, int index) {
  return check_value(L, lmoe_check_box(L, index, LMOE_TENSOR));
}

void lmoe_push_tensor(lua_State *L, moe_tensor *t) {
  lmoe_push_owned(L, LMOE_TENSOR, t, moe_tensor_bytes(t), release);
}

static int l_close(lua_State *L) {
  lmoe_close_owned(L, LMOE_TENSOR, release);
  return 0;
}

/* Ends the call and returns its tensor to Lua, or raises. */
static int finish(lua_State *L, lmoe_call *c, moe_status status,
                  moe_tensor *t) {
  lmoe_end(L, c, status);
  lmoe_push_tensor(L, t);
  return 1;
}

/* ------------------------------------------------------------ shape and items
 */

static void push_shape(lua_State *L, const moe_tensor *t) {
  lua_createtable(L, t->ndim, 0);
  for (int i = 0; i < t->ndim; i++) {
    lmoe_push_number(L, (double)t->shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

/* The argument `index`, a dimension, from 0. */
int lmoe_check_dimension(lua_State *L, int index, const moe_tensor *t,
                         const char *function) {
  char what[48];
  snprintf(what, sizeof what, "%s: dimension", function);
  return (int)lmoe_check_integer(L, index, what, 1, t->ndim) - 1;
}

static int l_size(lua_State *L) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  if (lua_isnoneornil(L, 2)) {
    push_shape(L, t);
  } else {
    int dim = lmoe_check_dimension(L, 2, t, "size");
    lmoe_push_number(L, (double)t->shape[dim]);
  }
  return 1;
}

static int l_length(lua_State *L) {
  lmoe_push_number(L, (double)lmoe_check_tensor(L, 1)->shape[0]);
  return 1;
}

void lmoe_push_item(lua_State *L, const moe_tensor *t, size_t i) {
  if (t->dtype == MOE_I32)
    lua_pushinteger(L, t->i[i]);
  else
    lua_pushnumber(L, (lua_Number)t->f[i]);
}

/* The index for dimension `dim`, at `index`, from 0. */
static size_t check_index(lua_State *L, const moe_tensor *t, int dim,
                          int index) {
  int64_t i;
  char what[32];
  if (lmoe_read_integer(L, index, 1, t->shape[dim], &i)) return (size_t)i - 1;
  snprintf(what, sizeof what, "tensor: index %d", dim + 1);
  return (size_t)lmoe_check_integer(L, index, what, 1, t->shape[dim]);
}

/* Which item the values from stack place `first` on name, one a dimension. */
static size_t check_item(lua_State *L, const moe_tensor *t, int first) {
  size_t item = 0;
  for (int d = 0; d < t->ndim; d++)
    item = item * (size_t)t->shape[d] + check_index(L, t, d, first + d);
  return item;
}

static void check_indices(lua_State *L, const moe_tensor *t, int given,
                          const char *function) {
  if (given != t->ndim)
    luaL_error(L, "%s: %d indices are needed for %s, got %d", function, t->ndim,
               moe_tensor_shape_text(t).text, given);
}

/* Which item a table {i, j} at `index` names. */
static size_t check_key(lua_State *L, const moe_tensor *t, int index) {
  int n = (int)lua_rawlen(L, index), top = lua_gettop(L);
  size_t item;
  check_indices(L, t, n, "tensor");
  for (int d = 1; d <= n; d++) lua_rawgeti(L, index, d);
  item = check_item(L, t, top + 1);
  lua_settop(L, top);
  return item;
}

/* An index tensor holds integers only. */
static void set_item(lua_State *L, moe_tensor *t, size_t i, int value) {
  if (t->dtype == MOE_I32)
    t->i[i] = (int32_t)lmoe_check_integer(L, value, "tensor: value", INT32_MIN,
                                          INT32_MAX);
  else if (lua_type(L, value) == LUA_TNUMBER)
    t->f[i] = (float)lua_tonumber(L, value);
  else
    luaL_error(L, "tensor: value must be a number, got a %s",
               luaL_typename(L, value));
}

static int l_get(lua_State *L) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  check_indices(L, t, lua_gettop(L) - 1, "get");
  lmoe_push_item(L, t, check_item(L, t, 2));
  return 1;
}

static int l_set(lua_State *L) {
  moe_tensor *t = lmoe_check_tensor(L, 1);
  check_indices(L, t, lua_gettop(L) - 2, "set");
  set_item(L, t, check_item(L, t, 2), lua_gettop(L));
  t->storage->version++;
  lua_settop(L, 1);
  return 1;
}

/* ---------------------------------------------------------------- properties
 */

static void push_dimensions(lua_State *L, const moe_tensor *t) {
  lua_pushinteger(L, t->ndim);
}

static void push_dtype(lua_State *L, const moe_tensor *t) {
  lua_pushstring(L, t->dtype == MOE_F32 ? "float32" : "int32");
}

static void push_names(lua_State *L, const moe_tensor *t) {
  lmoe_push_names(L, t->names);
}

static void push_requires(lua_State *L, const moe_tensor *t) {
  lua_pushboolean(L, t->record != NULL);
}

static const struct {
  const char *name;
  void (*push)(lua_State *L, const moe_tensor *t);
} properties[] = {{"shape", push_shape},        {"ndim", push_dimensions},
                  {"dtype", push_dtype},        {"names", push_names},
                  {"grad", lmoe_push_gradient}, {"requires", push_requires}};

/* Row i as a view, or the number itself where rows have no dimension. */
static int push_row(lua_State *L, const moe_tensor *t, int64_t i) {
  lmoe_call *c;
  moe_tensor *row = NULL;
  moe_status status;
  if (t->ndim == 1) {
    lmoe_push_item(L, t, (size_t)i);
    return 1;
  }
  c = lmoe_begin(L);
  status = moe_tensor_row(&c->call, t, i, &row);
  return finish(L, c, status, row);
}

/* The item behind the last is nil, which ends ipairs. */
static int index_by_number(lua_State *L, const moe_tensor *t) {
  int64_t n = t->shape[0];
  if (lua_tonumber(L, 2) == (lua_Number)n + 1) {
    lua_pushnil(L);
    return 1;
  }
  return push_row(L, t, lmoe_check_integer(L, 2, "tensor: index", 1, n) - 1);
}

static int l_index(lua_State *L) {
  const moe_tensor *t;
  if (lua_type(L, 2) == LUA_TSTRING) {
    const char *name = lua_tostring(L, 2);
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
      if (strcmp(name, properties[i].name) == 0) {
        properties[i].push(L, lmoe_check_tensor(L, 1));
        return 1;
      }
    return lmoe_push_method(L, 1, 2);
  }
  t = lmoe_check_tensor(L, 1);
  if (lua_type(L, 2) == LUA_TNUMBER) return index_by_number(L, t);
  luaL_checktype(L, 2, LUA_TTABLE);
  lmoe_push_item(L, t, check_key(L, t, 2));
  return 1;
}

static void set_names(lua_State *L, moe_tensor *t) {
  lmoe_call *c = lmoe_begin(L);
  moe_names *names;
  moe_status status = lmoe_check_names(L, c, 3, &names);
  if (status == MOE_OK) status = moe_tensor_set_names(&c->call, t, names);
  moe_names_release(names);
  lmoe_end(L, c, status);
}

static int l_newindex(lua_State *L) {
  moe_tensor *t = lmoe_check_tensor(L, 1);
  int kind = lua_type(L, 2);
  t->storage->version++;
  if (kind == LUA_TTABLE)
    set_item(L, t, check_key(L, t, 2), 3);
  else if (kind == LUA_TNUMBER && t->ndim == 1)
    set_item(L, t, check_item(L, t, 2), 3);
  else if (kind == LUA_TSTRING && strcmp(lua_tostring(L, 2), "names") == 0)
    set_names(L, t);
  else
    return luaL_error(L,
                      "tensor: only items (t[{i, j}] = x) and names can be "
                      "set");
  return 0;
}

/* --------------------------------------------------------- views and copies */

static int l_rows(lua_State *L) {
  moe_tensor *t = lmoe_check_tensor(L, 1), *out;
  int64_t first, n;
  lmoe_check_range(L, 2, t->shape[0], &first, &n);
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_status status = t->record != NULL
                          ? moe_tensor_slice(&c->call, t, 0, first, n, &out)
                          : moe_tensor_rows(&c->call, t, first, n, &out);
  return lmoe_end_operation(L, c, status, out);
}

static int l_row(lua_State *L) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  if (t->ndim == 1)
    return luaL_error(L, "row: a tensor of 1 dimension has no rows");
  return push_row(L, t,
                  lmoe_check_integer(L, 2, "row: index", 1, t->shape[0]) - 1);
}

static int l_select(lua_State *L) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  lmoe_call *c = lmoe_begin(L);
  size_t n;
  moe_tensor *out;
  const int32_t *pick = lmoe_check_pick(L, c, 2, t->shape[0], &n);
  moe_status status = moe_tensor_select(&c->call, t, pick, n, &out);
  return finish(L, c, status, out);
}

/* reshape(lengths…) or reshape({ lengths… }); one may be -1. */
static int l_reshape(lua_State *L) {
  moe_tensor *t = lmoe_check_tensor(L, 1);
  int64_t shape[MOE_MAX_DIMS];
  int n = lua_gettop(L) - 1;
  moe_tensor *out;
  if (n == 1 && lua_istable(L, 2)) {
    n = (int)lmoe_check_array(L, 2, "reshape: lengths");
    luaL_checkstack(L, n, "too many lengths");
    for (int i = 1; i <= n; i++) lua_rawgeti(L, 2, i);
    lua_remove(L, 2);
  }
  if (n < 1 || n > MOE_MAX_DIMS)
    return luaL_error(L, "reshape: 1 to %d lengths are needed, got %d",
                      MOE_MAX_DIMS, n);
  for (int i = 0; i < n; i++)
    shape[i] =
        lmoe_check_integer(L, i + 2, "reshape: length", -1, (int64_t)1 << 53);
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_status status = moe_tensor_shape_as(&c->call, t, n, shape, &out);
  return lmoe_end_operation(L, c, status, out);
}

typedef moe_status (*copier)(moe_call *call, const moe_tensor *t,
                             moe_tensor **out);

static int copy_with(lua_State *L, copier copy) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  lmoe_call *c = lmoe_begin(L);
  moe_tensor *out;
  moe_status status = copy(&c->call, t, &out);
  return finish(L, c, status, out);
}

static int l_clone(lua_State *L) { return copy_with(L, moe_tensor_clone); }

/* transpose(): of a matrix; transpose(i, j): dimensions i and j change places.
 */
static int l_transpose(lua_State *L) {
  moe_tensor *t = lmoe_check_tensor(L, 1), *out;
  bool chosen = !lua_isnoneornil(L, 2);
  if (t->record == NULL && !chosen) return copy_with(L, moe_tensor_transpose);
  int a = chosen ? lmoe_check_dimension(L, 2, t, "transpose") : 0;
  int b = chosen ? lmoe_check_dimension(L, 3, t, "transpose") : 1;
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_status status = moe_tensor_exchange(&c->call, t, a, b, &out);
  return lmoe_end_operation(L, c, status, out);
}

static moe_status to_float(moe_call *call, const moe_tensor *t,
                           moe_tensor **out) {
  return moe_tensor_cast(call, t, MOE_F32, out);
}
static moe_status to_int(moe_call *call, const moe_tensor *t,
                         moe_tensor **out) {
  return moe_tensor_cast(call, t, MOE_I32, out);
}
static int l_float(lua_State *L) { return copy_with(L, to_float); }
static int l_int(lua_State *L) { return copy_with(L, to_int); }

static size_t push_nested(lua_State *L, const moe_tensor *t, int dim,
                          size_t item) {
  bool nested = dim + 1 < t->ndim && dim + 1 < MOE_MAX_DIMS;
  lua_createtable(L, (int)t->shape[dim], 0);
  for (int64_t i = 1; i <= t->shape[dim]; i++) {
    if (nested)
      item = push_nested(L, t, dim + 1, item);
    else
      lmoe_push_item(L, t, item++);
    lua_rawseti(L, -2, (int)i);
  }
  return item;
}

static int l_totable(lua_State *L) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  luaL_checkstack(L, MOE_MAX_DIMS + 1, "totable");
  push_nested(L, t, 0, 0);
  return 1;
}

/* ---------------------------------------------------------------- iteration */

static int next_row(lua_State *L) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  int64_t i = lmoe_check_integer(L, 2, "iter: index", 0, INT64_MAX / 2);
  if (i >= t->shape[0]) return 0;
  push_row(L, t, i);
  lmoe_push_number(L, (double)i + 1);
  lua_insert(L, -2);
  return 2;
}

/* for i, row in t:iter() do … end */
static int l_iter(lua_State *L) {
  lmoe_check_tensor(L, 1);
  lua_pushcfunction(L, next_row);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

/* ------------------------------------------------------------- registration */

static const luaL_Reg methods[] = {
    {"__index", l_index},   {"__newindex", l_newindex},
    {"__len", l_length},    {"__tostring", lmoe_tensor_text},
    {"__pairs", l_iter},    {"__ipairs", l_iter},
    {"size", l_size},       {"get", l_get},
    {"set", l_set},         {"rows", l_rows},
    {"row", l_row},         {"select", l_select},
    {"reshape", l_reshape}, {"transpose", l_transpose},
    {"clone", l_clone},     {"float", l_float},
    {"int", l_int},         {"totable", l_totable},
    {"iter", l_iter},       {NULL, NULL}};

static const luaL_Reg functions[] = {{"tensor", lmoe_tensor_new},
                                     {"zeros", lmoe_tensor_zeros},
                                     {"ones", lmoe_tensor_ones},
                                     {"randn", lmoe_tensor_randn},
                                     {NULL, NULL}};

void lmoe_open_tensor(lua_State *L) {
  lmoe_open_owned(L);
  lmoe_new_family(L, LMOE_TENSOR, methods, l_close);
  lmoe_new_family(L, LMOE_TENSOR, lmoe_tensor_arithmetic, l_close);
  lmoe_set_functions(L, functions);
  lmoe_open_backend(L);
}
