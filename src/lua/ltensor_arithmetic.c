/* What tensors calculate in Lua: arithmetic, products, reductions. */
#include "kernels.h"
#include "ltape.h"
#include "operations.h"

/* An operand: a tensor, or NULL for a number. */
static moe_tensor *check_operand(lua_State *L, int index,
                                 const char *operation) {
  moe_tensor *t = lmoe_test_tensor(L, index);
  if (t != NULL || lua_type(L, index) == LUA_TNUMBER) return t;
  if (lua_isuserdata(L, index)) lmoe_check_tensor(L, index);
  luaL_error(L, "%s: operand %d must be a tensor or a number, got a %s",
             operation, index, luaL_typename(L, index));
  return NULL;
}

static moe_status new_item(moe_call *call, double value, moe_tensor **out) {
  static const int64_t one[] = {1};
  MOE_TRY(moe_tensor_make(call, MOE_F32, 1, one, out));
  *(*out)->f = (float)value;
  return MOE_OK;
}

/* Operands that are numbers become tensors for as long as they are needed. */
static moe_status apply_to_numbers(lua_State *L, moe_call *call, moe_binary op,
                                   moe_tensor **operands, moe_tensor **out) {
  moe_tensor *own[2] = {NULL, NULL};
  moe_status status = MOE_OK;
  for (int k = 0; k < 2 && status == MOE_OK; k++)
    if (operands[k] == NULL) {
      status = new_item(call, lua_tonumber(L, k + 1), &own[k]);
      operands[k] = own[k];
    }
  if (status == MOE_OK)
    status = moe_tensor_binary(call, op, operands[0], operands[1], out);
  moe_tensor_release(own[0]);
  moe_tensor_release(own[1]);
  return status;
}

static int apply_binary(lua_State *L, moe_binary op, const char *name) {
  lmoe_push_result(L, 2);
  moe_tensor *in[] = {check_operand(L, 1, name), check_operand(L, 2, name)};
  moe_tensor *out;
  lmoe_call *c = lmoe_begin_operation(L, 2, in);
  moe_status status = in[0] == NULL || in[1] == NULL
                          ? apply_to_numbers(L, &c->call, op, in, &out)
                          : moe_tensor_binary(&c->call, op, in[0], in[1], &out);
  return lmoe_end_operation(L, c, status, out);
}

static int apply_unary(lua_State *L, moe_unary op) {
  lmoe_push_result(L, 1);
  moe_tensor *t = lmoe_check_tensor(L, 1);
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_tensor *out;
  moe_status status = moe_tensor_unary(&c->call, op, t, &out);
  return lmoe_end_operation(L, c, status, out);
}

static int l_add(lua_State *L) { return apply_binary(L, MOE_ADD, "add"); }
static int l_sub(lua_State *L) {
  return apply_binary(L, MOE_SUBTRACT, "subtract");
}
static int l_mul(lua_State *L) {
  return apply_binary(L, MOE_MULTIPLY, "multiply");
}
static int l_div(lua_State *L) { return apply_binary(L, MOE_DIVIDE, "divide"); }
static int l_pow(lua_State *L) { return apply_binary(L, MOE_POWER, "power"); }
static int l_unm(lua_State *L) { return apply_unary(L, MOE_NEGATE); }
static int l_exp(lua_State *L) { return apply_unary(L, MOE_EXP); }
static int l_log(lua_State *L) { return apply_unary(L, MOE_LOG); }
static int l_sqrt(lua_State *L) { return apply_unary(L, MOE_SQRT); }
static int l_abs(lua_State *L) { return apply_unary(L, MOE_ABS); }

static int l_eq(lua_State *L) {
  const moe_tensor *a = lmoe_test_tensor(L, 1), *b = lmoe_test_tensor(L, 2);
  lua_pushboolean(L, a != NULL && b != NULL && moe_tensor_equal(a, b));
  return 1;
}

/* matmul(a, b [, transpose a [, transpose b]]) */
int lmoe_matmul(lua_State *L) {
  lmoe_push_result(L, 4);
  moe_tensor *in[] = {lmoe_check_tensor(L, 1), lmoe_check_tensor(L, 2)}, *out;
  bool ta = lua_toboolean(L, 3), tb = lua_toboolean(L, 4);
  lmoe_call *c = lmoe_begin_operation(L, 2, in);
  moe_status status = moe_tensor_product(&c->call, ta, tb, in[0], in[1], &out);
  return lmoe_end_operation(L, c, status, out);
}

static int l_dot(lua_State *L) {
  const moe_tensor *a = lmoe_check_tensor(L, 1), *b = lmoe_check_tensor(L, 2);
  lmoe_call *c = lmoe_begin_briefly(L, LMOE_DESK(L));
  double out;
  lmoe_end(L, c, moe_tensor_dot(&c->call, a, b, &out));
  lua_pushnumber(L, out);
  return 1;
}

/* --------------------------------------------------------------- reductions
   t:sum() is a number; t:sum(2) a tensor without dimension 2, or with it at
   length 1 for t:sum(2, true). */

/* The shape of t without dimension `dim`; false where nothing is left. */
static bool drop_dimension(const moe_tensor *t, int dim, int64_t *shape) {
  int n = 0;
  for (int i = 0; i < t->ndim; i++)
    if (i != dim) shape[n++] = t->shape[i];
  return n > 0;
}

/* Returns a reduced tensor with its dimension dropped, or its only item. */
static int finish_reduced(lua_State *L, lmoe_call *c, moe_status status,
                          moe_tensor *t, int dim, bool keep) {
  int64_t shape[MOE_MAX_DIMS];
  moe_tensor *out;
  lmoe_end_operation(L, c, status, t);
  if (keep) return 1;
  if (!drop_dimension(t, dim, shape)) {
    lmoe_push_item(L, t, 0);
    return 1;
  }
  lmoe_push_tensor_box(L);
  c = lmoe_begin_operation(L, 0, NULL);
  status = moe_tensor_reshape(&c->call, t, t->ndim - 1, shape, &out);
  return lmoe_end_operation(L, c, status, out);
}

/* The same of a tensor that is part of a graph: the result is a tensor whatever
   its size. */
static int reduce_recorded(lua_State *L, moe_reduction op, moe_tensor *t,
                           int dim, bool keep) {
  int64_t shape[MOE_MAX_DIMS] = {-1};
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_tensor *flat = NULL, *reduced = NULL, *out = NULL;
  moe_status status = MOE_OK;
  int n = t->ndim - 1;
  if (dim < 0) status = moe_tensor_shape_as(&c->call, t, 1, shape, &flat);
  if (status == MOE_OK)
    status = moe_tensor_reduce(&c->call, op, dim < 0 ? flat : t,
                               dim < 0 ? 0 : dim, &reduced);
  if (status == MOE_OK && dim >= 0 && !keep) {
    if (!drop_dimension(t, dim, shape)) n = (int)(shape[0] = 1);
    status = moe_tensor_shape_as(&c->call, reduced, n, shape, &out);
    moe_tensor_release(reduced);
  } else {
    out = reduced;
  }
  moe_tensor_release(flat);
  return lmoe_end_operation(L, c, status, out);
}

static int reduce(lua_State *L, moe_reduction op, const char *name) {
  lmoe_push_result(L, 3);
  moe_tensor *t = lmoe_check_tensor(L, 1);
  bool keep = lua_toboolean(L, 3);
  int dim = lua_isnoneornil(L, 2) ? -1 : lmoe_check_dimension(L, 2, t, name);
  if (t->record != NULL) return reduce_recorded(L, op, t, dim, keep);
  lmoe_call *c = lmoe_begin_operation(L, 0, NULL);
  moe_tensor *out = NULL;
  double all;
  if (dim >= 0) {
    moe_status status = moe_tensor_reduce(&c->call, op, t, dim, &out);
    return finish_reduced(L, c, status, out, dim, keep);
  }
  lmoe_end(L, c, moe_tensor_reduce_all(&c->call, op, t, &all));
  lua_pushnumber(L, all);
  return 1;
}

static int l_sum(lua_State *L) { return reduce(L, MOE_SUM, "sum"); }
static int l_mean(lua_State *L) { return reduce(L, MOE_MEAN, "mean"); }
static int l_max(lua_State *L) { return reduce(L, MOE_MAX, "max"); }
static int l_min(lua_State *L) { return reduce(L, MOE_MIN, "min"); }

/* Positions count from 1; those of all items in their order in memory. */
static int l_argmax(lua_State *L) {
  lmoe_push_result(L, 3);
  const moe_tensor *t = lmoe_check_tensor(L, 1);
  bool keep = lua_toboolean(L, 3);
  int dim =
      lua_isnoneornil(L, 2) ? -1 : lmoe_check_dimension(L, 2, t, "argmax");
  lmoe_call *c = lmoe_begin_operation(L, 0, NULL);
  moe_tensor *out = NULL;
  int64_t all;
  if (dim >= 0) {
    moe_status status = moe_tensor_argmax(&c->call, t, dim, &out);
    for (size_t i = 0; status == MOE_OK && i < out->n; i++) out->i[i]++;
    return finish_reduced(L, c, status, out, dim, keep);
  }
  lmoe_end(L, c, moe_tensor_argmax_all(&c->call, t, &all));
  lmoe_push_number(L, (double)all + 1);
  return 1;
}

const luaL_Reg lmoe_tensor_arithmetic[] = {
    {"__eq", l_eq},   {"__add", l_add},        {"__sub", l_sub},
    {"__mul", l_mul}, {"__div", l_div},        {"__pow", l_pow},
    {"__unm", l_unm}, {"matmul", lmoe_matmul}, {"dot", l_dot},
    {"exp", l_exp},   {"log", l_log},          {"sqrt", l_sqrt},
    {"abs", l_abs},   {"sum", l_sum},          {"mean", l_mean},
    {"max", l_max},   {"min", l_min},          {"argmax", l_argmax},
    {NULL, NULL}};
