/* The operations of networks in Lua: core.F.  Indices count from 1. */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "lroute.h"
#include "ltape.h"
#include "operations.h"
#include "sparse_experts.h"

static moe_tensor *opt_tensor(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : lmoe_check_tensor(L, index);
}

/* An index tensor counted from 0, a reference of the caller's; 0 becomes -1. */
static moe_status count_from_0(moe_call *call, const moe_tensor *t,
                               moe_tensor **out) {
  if (t->dtype != MOE_I32)
    return moe_fail(call, MOE_EARG,
                    "indices must be an index tensor (int32), not %s float32; "
                    "t:int() makes one",
                    moe_tensor_shape_text(t).text);
  MOE_TRY(moe_tensor_make(call, MOE_I32, t->ndim, t->shape, out));
  for (size_t i = 0; i < t->n; i++)
    (*out)->i[i] = t->i[i] > INT32_MIN ? t->i[i] - 1 : INT32_MIN;
  return MOE_OK;
}

/* --------------------------------------------------------------- row by row */

/* One function for all activations: which one is its upvalue. */
static int l_activate(lua_State *L) {
  lmoe_push_result(L, 1);
  moe_tensor *t = lmoe_check_tensor(L, 1), *out;
  moe_activation f = (moe_activation)lua_tointeger(L, lua_upvalueindex(3));
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_status status = moe_tensor_activate(&c->call, f, t, &out);
  return lmoe_end_operation(L, c, status, out);
}

/* linear(x, w [, b]): x w + b, w being in × out. */
static int l_linear(lua_State *L) {
  lmoe_push_result(L, 3);
  moe_tensor *in[] = {lmoe_check_tensor(L, 1), lmoe_check_tensor(L, 2),
                      opt_tensor(L, 3)};
  moe_tensor *out;
  lmoe_call *c = lmoe_begin_operation(L, 3, in);
  moe_status status = moe_tensor_affine(&c->call, in[0], in[1], in[2], &out);
  return lmoe_end_operation(L, c, status, out);
}

static int softmax(lua_State *L, bool logarithm) {
  if (!lua_isnoneornil(L, 2))
    return luaL_error(L,
                      "softmax: one tensor expected, got more; it works "
                      "along the last dimension, so transpose for another");
  lmoe_push_result(L, 1);
  moe_tensor *t = lmoe_check_tensor(L, 1), *out;
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_status status = moe_tensor_softmax(&c->call, t, logarithm, &out);
  return lmoe_end_operation(L, c, status, out);
}
static int l_softmax(lua_State *L) { return softmax(L, false); }
static int l_log_softmax(lua_State *L) { return softmax(L, true); }

/* layer_norm(x [, weight [, bias [, eps]]]), rms_norm(x [, weight [, eps]]) */
static int normalize(lua_State *L, bool root) {
  lmoe_push_result(L, 4);
  moe_tensor *in[] = {lmoe_check_tensor(L, 1), opt_tensor(L, 2),
                      root ? NULL : opt_tensor(L, 3)};
  moe_tensor *out;
  double epsilon = luaL_optnumber(L, root ? 3 : 4, 1e-5);
  if (!(epsilon >= 1e-30 && epsilon < HUGE_VAL))
    return luaL_error(L, "%s: eps must be finite and at least 1e-30, got %f",
                      root ? "rms_norm" : "layer_norm", epsilon);
  lmoe_call *c = lmoe_begin_operation(L, 3, in);
  moe_status status =
      moe_tensor_normalize(&c->call, in[0], root, in[1], in[2], epsilon, &out);
  return lmoe_end_operation(L, c, status, out);
}
static int l_layer_norm(lua_State *L) { return normalize(L, false); }
static int l_rms_norm(lua_State *L) { return normalize(L, true); }

/* dropout(x, p, seed) */
static int l_dropout(lua_State *L) {
  lmoe_push_result(L, 3);
  moe_tensor *t = lmoe_check_tensor(L, 1), *out;
  double p = luaL_checknumber(L, 2);
  int64_t seed = lmoe_check_integer(L, 3, "dropout: seed", 0, (int64_t)1 << 53);
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_status status = moe_tensor_dropout(&c->call, t, p, (uint64_t)seed, &out);
  return lmoe_end_operation(L, c, status, out);
}

/* ------------------------------------------------------------------- places */

/* embedding(ids, table): its elements that the ids name; gather is the same. */
static int l_embedding(lua_State *L) {
  lmoe_push_result(L, 2);
  const moe_tensor *given = lmoe_check_tensor(L, 1);
  moe_tensor *table = lmoe_check_tensor(L, 2), *ids, *out = NULL;
  lmoe_call *c = lmoe_begin_operation(L, 1, &table);
  moe_status status = count_from_0(&c->call, given, &ids);
  if (status == MOE_OK) {
    status = moe_tensor_embed(&c->call, table, ids, &out);
    moe_tensor_release(ids);
  }
  return lmoe_end_operation(L, c, status, out);
}

/* scatter(t, ids, n): n zero elements, to ids[i] of which t[i] is added. */
static int l_scatter(lua_State *L) {
  lmoe_push_result(L, 3);
  moe_tensor *t = lmoe_check_tensor(L, 1), *ids, *out = NULL;
  const moe_tensor *given = lmoe_check_tensor(L, 2);
  int64_t n = lmoe_check_integer(L, 3, "scatter: n", 0, INT32_MAX);
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_status status = count_from_0(&c->call, given, &ids);
  if (status == MOE_OK) {
    status = moe_tensor_scatter(&c->call, t, ids, n, &out);
    moe_tensor_release(ids);
  }
  return lmoe_end_operation(L, c, status, out);
}

/* concat({ tensors }, dim) */
static int l_concat(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t n = lmoe_check_array(L, 1, "concat: tensors");
  int dim =
      (int)lmoe_check_integer(L, 2, "concat: dimension", 1, MOE_MAX_DIMS) - 1;
  moe_tensor **parts = lua_newuserdata(L, (n + 1) * sizeof *parts), *out;
  lmoe_push_tensor_box(L);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, 1, (int)i + 1);
    parts[i] = lmoe_check_tensor(L, -1);
    lua_pop(L, 1);
  }
  lmoe_call *c = lmoe_begin_operation(L, n, parts);
  moe_status status = moe_tensor_concat(&c->call, n, parts, dim, &out);
  return lmoe_end_operation(L, c, status, out);
}

/* slice(t, dim, first, last) */
static int l_slice(lua_State *L) {
  lmoe_push_result(L, 4);
  moe_tensor *t = lmoe_check_tensor(L, 1), *out;
  int dim = (int)lmoe_check_integer(L, 2, "slice: dimension", 1, t->ndim) - 1;
  int64_t n = t->shape[dim];
  int64_t first = lmoe_check_integer(L, 3, "slice: first", 1, n + 1);
  int64_t last = lmoe_check_integer(L, 4, "slice: last", first - 1, n);
  lmoe_call *c = lmoe_begin_operation(L, 1, &t);
  moe_status status =
      moe_tensor_slice(&c->call, t, dim, first - 1, last - first + 1, &out);
  return lmoe_end_operation(L, c, status, out);
}

/* ------------------------------------------------------------------- losses */

/* cross_entropy(logits, ids [, { smoothing, ignore }]): rows whose id is
   `ignore` (0 unless given) do not count. */
static int l_cross_entropy(lua_State *L) {
  static const char *const known[] = {"smoothing", "ignore", NULL};
  lmoe_push_result(L, 3);
  moe_tensor *z = lmoe_check_tensor(L, 1), *ids, *out = NULL;
  const moe_tensor *given = lmoe_check_tensor(L, 2);
  lmoe_check_options(L, 3, known);
  double smoothing = lmoe_opt_number(L, 3, "smoothing", 0, 1, 0);
  double ignore = lmoe_opt_number(L, 3, "ignore", -1e9, 1e9, 0);
  lmoe_call *c = lmoe_begin_operation(L, 1, &z);
  moe_status status = count_from_0(&c->call, given, &ids);
  if (status == MOE_OK) {
    status = moe_tensor_cross_entropy(&c->call, z, ids, (int32_t)ignore - 1,
                                      smoothing, &out);
    moe_tensor_release(ids);
  }
  return lmoe_end_operation(L, c, status, out);
}

static int distance(lua_State *L, moe_distance kind) {
  lmoe_push_result(L, 3);
  moe_tensor *in[] = {lmoe_check_tensor(L, 1), lmoe_check_tensor(L, 2)}, *out;
  double delta = luaL_optnumber(L, 3, 1);
  if (!(delta > 0))
    return luaL_error(L, "huber: delta must be above 0, got %f", delta);
  lmoe_call *c = lmoe_begin_operation(L, 2, in);
  moe_status status =
      moe_tensor_distance(&c->call, kind, in[0], in[1], delta, &out);
  return lmoe_end_operation(L, c, status, out);
}
static int l_mse(lua_State *L) { return distance(L, MOE_SQUARED_DISTANCE); }
static int l_huber(lua_State *L) { return distance(L, MOE_HUBER_DISTANCE); }
static int l_bce_with_logits(lua_State *L) {
  return distance(L, MOE_LOGISTIC_DISTANCE);
}

/* --------------------------------------------------------- attention, experts
 */

/* attention(q, k, v, heads [, { causal, rotary }]) */
static int l_attention(lua_State *L) {
  static const char *const known[] = {"causal", "rotary", NULL};
  lmoe_push_result(L, 5);
  moe_tensor *in[] = {lmoe_check_tensor(L, 1), lmoe_check_tensor(L, 2),
                      lmoe_check_tensor(L, 3)};
  moe_tensor *out;
  int heads = (int)lmoe_check_integer(L, 4, "attention: heads", 1, 1 << 20);
  lmoe_check_options(L, 5, known);
  bool causal = lmoe_opt_flag(L, 5, "causal", true);
  double rotary = lmoe_opt_number(L, 5, "rotary", 0, 1e12, 0);
  lmoe_call *c = lmoe_begin_operation(L, 3, in);
  moe_status status = moe_tensor_attend(&c->call, in[0], in[1], in[2], heads,
                                        causal, rotary, &out);
  return lmoe_end_operation(L, c, status, out);
}

static moe_tensor *get_tensor(lua_State *L, int options, const char *name) {
  lmoe_get_option(L, options, name);
  moe_tensor *t = opt_tensor(L, lua_gettop(L));
  lua_pop(L, 1); /* the table keeps it */
  return t;
}

/* experts(x, weights, indices, { w_in, w_out, w_gate, b_in, b_out, activation
 * })
 */
static int l_experts(lua_State *L) {
  static const char *const known[] = {"w_in",  "w_out",      "w_gate", "b_in",
                                      "b_out", "activation", NULL};
  lmoe_push_result(L, 4);
  moe_tensor *x = lmoe_check_tensor(L, 1), *weights = lmoe_check_tensor(L, 2);
  const moe_tensor *given = lmoe_check_tensor(L, 3);
  moe_tensor *indices, *out = NULL;
  luaL_checktype(L, 4, LUA_TTABLE);
  lmoe_check_options(L, 4, known);
  moe_expert_weights w = {.w_in = get_tensor(L, 4, "w_in"),
                          .w_out = get_tensor(L, 4, "w_out"),
                          .w_gate = get_tensor(L, 4, "w_gate"),
                          .b_in = get_tensor(L, 4, "b_in"),
                          .b_out = get_tensor(L, 4, "b_out")};
  if (w.w_in == NULL || w.w_out == NULL)
    return luaL_error(L, "experts: w_in and w_out are needed");
  lmoe_get_option(L, 4, "activation");
  moe_activation f =
      (moe_activation)luaL_checkoption(L, -1, "relu", moe_activation_choices);
  lua_pop(L, 1);
  moe_tensor *in[] = {x, weights, w.w_in, w.w_out, w.w_gate, w.b_in, w.b_out};
  lmoe_call *c = lmoe_begin_operation(L, sizeof in / sizeof *in, in);
  moe_status status = count_from_0(&c->call, given, &indices);
  if (status == MOE_OK) {
    status = moe_tensor_experts(&c->call, f, x, weights, indices, &w, &out);
    moe_tensor_release(indices);
  }
  return lmoe_end_operation(L, c, status, out);
}

static const luaL_Reg functions[] = {{"linear", l_linear},
                                     {"matmul", lmoe_matmul},
                                     {"softmax", l_softmax},
                                     {"log_softmax", l_log_softmax},
                                     {"layer_norm", l_layer_norm},
                                     {"rms_norm", l_rms_norm},
                                     {"dropout", l_dropout},
                                     {"embedding", l_embedding},
                                     {"scatter", l_scatter},
                                     {"concat", l_concat},
                                     {"slice", l_slice},
                                     {"cross_entropy", l_cross_entropy},
                                     {"mse", l_mse},
                                     {"huber", l_huber},
                                     {"bce_with_logits", l_bce_with_logits},
                                     {"attention", l_attention},
                                     {"experts", l_experts},
                                     {"operation", lmoe_operation},
                                     {NULL, NULL}};

void lmoe_open_operations(lua_State *L) {
  lua_newtable(L);
  lmoe_add_functions(L, LMOE_TENSOR, functions);
  for (int f = 0; moe_activation_choices[f] != NULL; f++) {
    lua_pushlightuserdata(L, lmoe_desk_of(L));
    luaL_getmetatable(L, LMOE_TENSOR);
    lua_pushinteger(L, f);
    lua_pushcclosure(L, l_activate, 3);
    lua_setfield(L, -2, moe_activation_choices[f]);
  }
  lmoe_open_route_tape(L);
  lua_setfield(L, -2, "F");
}
