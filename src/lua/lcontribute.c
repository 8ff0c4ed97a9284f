/* contributions(x): what each feature contributes to what a learner answers. */
#include <string.h>

#include "learner.h"
#include "lmoe.h"
#include "tensor.h"

/* Numbers for each row: a bias and one a feature, for each output. */
static size_t count_numbers(const moe_fitted *f) {
  return moe_size(f->n_outputs, f->n_features + 1);
}

/* A batch is userdata of more than one dimension, or an array of rows. */
static bool is_sample(lua_State *L, int index) {
  const moe_tensor *t = lmoe_test_tensor(L, index);
  bool rows;
  if (!lua_istable(L, index)) return t != NULL && t->ndim == 1;
  lua_rawgeti(L, index, 1);
  rows = lua_istable(L, -1) || lua_isuserdata(L, -1);
  lua_pop(L, 1);
  return !rows;
}

static void push_feature(lua_State *L, const moe_fitted *f, size_t j) {
  if (f->schema.names.n > 0)
    lua_pushstring(L, f->schema.names.items[j]);
  else
    lua_pushinteger(L, (lua_Integer)j + 1);
}

static void push_output(lua_State *L, const moe_fitted *f, size_t k) {
  if (f->task == MOE_CLASSIFICATION)
    lmoe_push_label(L, &f->labels.items[k]);
  else
    lua_pushinteger(L, (lua_Integer)k + 1);
}

static void push_features(lua_State *L, const moe_fitted *f, const double *x) {
  lua_createtable(L, 0, (int)f->n_features);
  for (size_t j = 0; j < f->n_features; j++) {
    push_feature(L, f, j);
    lua_pushnumber(L, x[j]);
    lua_rawset(L, -3);
  }
}

/* Feature → number, and the bias; or both by output. */
static void push_sample(lua_State *L, const moe_fitted *f, const double *x) {
  if (f->n_outputs == 1) {
    push_features(L, f, x);
    lua_pushnumber(L, x[f->n_features]);
    return;
  }
  lua_newtable(L);
  lua_newtable(L);
  for (size_t k = 0; k < f->n_outputs; k++, x += f->n_features + 1) {
    push_output(L, f, k);
    push_features(L, f, x);
    lua_rawset(L, -4);
    push_output(L, f, k);
    lua_pushnumber(L, x[f->n_features]);
    lua_rawset(L, -3);
  }
}

static void push_batch(lua_State *L, lmoe_call *c, const moe_fitted *f,
                       const double *x, size_t n) {
  const int64_t whole[] = {(int64_t)n, (int64_t)f->n_outputs,
                           (int64_t)f->n_features + 1};
  const int64_t flat[] = {whole[0], whole[2]};
  bool one = f->n_outputs == 1;
  moe_tensor *t;
  LMOE_TRY(
      L, c,
      moe_tensor_new(&c->call, MOE_F32, one ? 2 : 3, one ? flat : whole, &t));
  for (size_t i = 0; i < n * count_numbers(f); i++) t->f[i] = (float)x[i];
  lmoe_push_tensor(L, t);
}

/* Two tables or a tensor; nil, message, code where the type has no answer. */
static int l_contributions(lua_State *L) {
  moe_object *o = lmoe_check_self(L);
  const moe_fitted *f = o->state;
  moe_rows x;
  double *out;
  if (f == NULL)
    return luaL_error(L, "%s has not been fitted yet", o->type->name);
  lua_settop(L, 2);
  bool sample = is_sample(L, 2);
  lmoe_call *c = lmoe_begin(L);
  if (sample)
    lmoe_check_sample(L, c, 2, &f->schema, &x);
  else
    lmoe_check_rows(L, c, 2, &x);
  out = moe_scratch(&c->call, moe_size(x.n, count_numbers(f)), sizeof *out);
  if (out == NULL) lmoe_end(L, c, MOE_ENOMEM);
  moe_status status = moe_learner_contribute(&c->call, o, &x, out);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  if (sample)
    push_sample(L, f, out);
  else
    push_batch(L, c, f, out, x.n);
  lmoe_end(L, c, MOE_OK);
  return sample ? 2 : 1;
}

void lmoe_open_contributions(lua_State *L) {
  static const luaL_Reg methods[] = {{"contributions", l_contributions},
                                     {NULL, NULL}};
  lmoe_add_methods(L, LMOE_LEARNER, methods);
  lmoe_add_methods(L, LMOE_GATE, methods);
}
