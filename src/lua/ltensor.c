/* The tensor in Lua.  Everything counts from 1: rows, columns, dimensions. */
#include "ltensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels.h"
#include "ltape.h"
#include "operations.h"

/* -------------------------------------------------------------------- boxes */

typedef struct tensor_box {
  const void *family; /* what it is, at the place of lmoe_box's */
  moe_holder held;
  size_t charged; /* bytes told to Lua's collector */
  bool closed;
} tensor_box;

/* Its address, which no other userdata begins with, makes a box a tensor's. */
static const char family, new_box_key;

static tensor_box *find_box(lua_State *L, int index) {
  tensor_box *box = lua_touserdata(L, index);
  if (box == NULL || lua_rawlen(L, index) != sizeof *box) return NULL;
  return box->family == &family ? box : NULL;
}

/* A scalar that backward left here is made a tensor again. */
static moe_tensor *recall(lua_State *L, tensor_box *box) {
  moe_holder settled = box->held;
  moe_tensor *t;
  moe_call call;
  moe_call_init(&call, NULL, 1);
  call.pool = lmoe_small_pool(L);
  if (moe_tape_recall(&call, &settled, &t) != MOE_OK)
    luaL_error(L, "%s", call.error.text);
  moe_tensor_hold(t, &box->held);
  return t;
}

static bool has_value(const tensor_box *box) {
  const moe_tensor *t = box->held.tensor;
  return t != NULL && !moe_tensor_is_gone(t);
}

static moe_tensor *open_box(lua_State *L, tensor_box *box) {
  if (has_value(box)) return box->held.tensor;
  if (box->closed) luaL_error(L, "attempt to use a closed Tensor");
  if (box->held.ndim == 0)
    luaL_error(L,
               "the value of this tensor was given back by backward; "
               "t:retain() before it keeps it");
  return recall(L, box);
}

bool lmoe_is_tensor(lua_State *L, int index) {
  const tensor_box *box = find_box(L, index);
  return box != NULL && !box->closed;
}

bool lmoe_is_spent_tensor(lua_State *L, int index) {
  const tensor_box *box = find_box(L, index);
  return box != NULL && !box->closed && !has_value(box) && box->held.ndim == 0;
}

moe_tensor *lmoe_held_tensor(lua_State *L, int index) {
  const tensor_box *box = find_box(L, index);
  return box != NULL ? box->held.tensor : NULL;
}

moe_tensor *lmoe_test_tensor(lua_State *L, int index) {
  tensor_box *box = find_box(L, index);
  return box != NULL && !box->closed ? open_box(L, box) : NULL;
}

static tensor_box *want_box(lua_State *L, int index) {
  tensor_box *box = find_box(L, index);
  if (box == NULL)
    luaL_argerror(L, index,
                  lua_pushfstring(L, "%s expected, got %s", LMOE_TENSOR,
                                  luaL_typename(L, index)));
  return box;
}

moe_tensor *lmoe_check_tensor(lua_State *L, int index) {
  return open_box(L, want_box(L, index));
}

/* Whatever fails later, the collector finds a safe value. */
void lmoe_push_tensor_box(lua_State *L) {
  tensor_box *box = LMOE_NEW_USERDATA(L, sizeof *box);
  *box = (tensor_box){.family = &family};
  lua_pushvalue(L, LMOE_METATABLE);
  lua_setmetatable(L, -2);
}

/* The memory of pools the collector is told in their name. */
void lmoe_fill_tensor_box(lua_State *L, int index, moe_tensor *t) {
  tensor_box *box = lua_touserdata(L, index);
  moe_tensor_hold(t, &box->held);
  if (!moe_tensor_is_pooled(t))
    lmoe_charge_for(L, &box->charged, moe_tensor_bytes(t));
}

static int new_box(lua_State *L) {
  lmoe_push_tensor_box(L);
  return 1;
}

/* The box is made under pcall, so that a raise for want of memory does not
   lose the tensor. */
void lmoe_push_tensor(lua_State *L, moe_tensor *t) {
  if (!lua_checkstack(L, 4)) {
    moe_tensor_release(t);
    luaL_error(L, "stack overflow");
  }
  lmoe_get_registry(L, &new_box_key);
  if (lua_pcall(L, 0, 1, 0) != 0) {
    moe_tensor_release(t);
    lua_error(L);
  }
  lmoe_fill_tensor_box(L, -1, t);
}

static int l_close(lua_State *L) {
  tensor_box *box = want_box(L, 1);
  box->closed = true;
  if (box->charged != 0) lmoe_charge_for(L, &box->charged, 0);
  moe_holder_release(&box->held);
  return 0;
}

/* ------------------------------------------------------------ shape and items
 */

static void push_shape(lua_State *L, const moe_tensor *t) {
  const moe_tensor shown = *t; /* the table may set the collector going */
  lua_createtable(L, shown.ndim, 0);
  for (int i = 0; i < shown.ndim; i++) {
    lmoe_push_number(L, (double)shown.shape[i]);
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

/* Whether the only item of a settled scalar is asked for. */
static bool is_settled(lua_State *L, const tensor_box *box) {
  if (box == NULL || box->closed || box->held.ndim == 0) return false;
  int last = lua_gettop(L);
  for (int i = 2; i <= last; i++)
    if (lua_type(L, i) != LUA_TNUMBER || lua_tonumber(L, i) != 1) return false;
  return last - 1 == box->held.ndim;
}

/* Without making it a tensor again, as many programs ask for the loss. */
static int l_get(lua_State *L) {
  const tensor_box *box = find_box(L, 1);
  if (is_settled(L, box)) {
    lua_pushnumber(L, (lua_Number)box->held.value);
    return 1;
  }
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
  lmoe_push_names(L, t->names != NULL ? lmoe_push_view(L, 1)->names : NULL);
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

const moe_tensor *lmoe_push_view(lua_State *L, int index) {
  lmoe_push_tensor_box(L);
  const moe_tensor *t = lmoe_check_tensor(L, index);
  moe_tensor *view;
  lmoe_call *c = lmoe_begin_operation(L, 0, NULL);
  moe_status status = moe_tensor_rows(&c->call, t, 0, t->shape[0], &view);
  lmoe_end_copy(L, c, status, view);
  return view;
}

/* Row i of argument 1 as a view, or the number itself where rows have no
   dimension. */
static int push_row(lua_State *L, int64_t i) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  moe_tensor *row = NULL;
  if (t->ndim == 1) {
    lmoe_push_item(L, t, (size_t)i);
    return 1;
  }
  lmoe_push_tensor_box(L);
  t = lmoe_check_tensor(L, 1);
  lmoe_call *c = lmoe_begin_operation(L, 0, NULL);
  moe_status status = moe_tensor_row(&c->call, t, i, &row);
  return lmoe_end_copy(L, c, status, row);
}

/* The item behind the last is nil, which ends ipairs. */
static int index_by_number(lua_State *L, const moe_tensor *t) {
  int64_t n = t->shape[0];
  if (lua_tonumber(L, 2) == (lua_Number)n + 1) {
    lua_pushnil(L);
    return 1;
  }
  return push_row(L, lmoe_check_integer(L, 2, "tensor: index", 1, n) - 1);
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
  lmoe_push_result(L, 3);
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
  return push_row(L,
                  lmoe_check_integer(L, 2, "row: index", 1, t->shape[0]) - 1);
}

static int l_select(lua_State *L) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  lmoe_call *c = lmoe_begin(L);
  size_t n;
  moe_tensor *out;
  const int32_t *pick = lmoe_check_pick(L, c, 2, t->shape[0], &n);
  lmoe_end(L, c, moe_tensor_select(&c->call, t, pick, n, &out));
  lmoe_push_tensor(L, out);
  return 1;
}

/* reshape(lengths…) or reshape({ lengths… }); one may be -1. */
static int l_reshape(lua_State *L) {
  int64_t shape[MOE_MAX_DIMS];
  int n = lua_gettop(L) - 1;
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
  lmoe_push_tensor_box(L);
  moe_tensor *t = lmoe_check_tensor(L, 1), *out;
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_status status = moe_tensor_shape_as(&c->call, t, n, shape, &out);
  return lmoe_end_operation(L, c, status, out);
}

typedef moe_status (*copier)(moe_call *call, const moe_tensor *t,
                             moe_tensor **out);

static int copy_with(lua_State *L, copier copy) {
  lmoe_push_result(L, 1);
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  lmoe_call *c = lmoe_begin_operation(L, 0, NULL);
  moe_tensor *out;
  moe_status status = copy(&c->call, t, &out);
  return lmoe_end_copy(L, c, status, out);
}

static int l_clone(lua_State *L) { return copy_with(L, moe_tensor_clone); }

/* transpose(): of a matrix; transpose(i, j): dimensions i and j change places.
 */
static int l_transpose(lua_State *L) {
  bool chosen = !lua_isnoneornil(L, 2);
  if (!chosen && lmoe_check_tensor(L, 1)->record == NULL)
    return copy_with(L, moe_tensor_transpose);
  lmoe_push_result(L, 3);
  moe_tensor *t = lmoe_check_tensor(L, 1), *out;
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
  luaL_checkstack(L, MOE_MAX_DIMS + 2, "totable");
  push_nested(L, lmoe_push_view(L, 1), 0, 0);
  return 1;
}

/* ---------------------------------------------------------------- iteration */

static int next_row(lua_State *L) {
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  int64_t i = lmoe_check_integer(L, 2, "iter: index", 0, INT64_MAX / 2);
  if (i >= t->shape[0]) return 0;
  push_row(L, i);
  lmoe_push_number(L, (double)i + 1);
  lua_insert(L, -2);
  return 2;
}

/* for i, row in t:iter() do … end */
static int l_iter(lua_State *L) {
  lmoe_check_tensor(L, 1);
  lmoe_push_function(L, LMOE_TENSOR, next_row);
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
  lmoe_push_function(L, LMOE_TENSOR, new_box);
  lmoe_set_registry(L, &new_box_key);
  lmoe_set_functions(L, functions);
  lmoe_open_backend(L);
}
