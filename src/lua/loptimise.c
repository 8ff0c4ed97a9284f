/* core.optimise: one step of an optimiser, in place; core.clip, the norm of
   gradients; core.fill, initial weights. */
#include <math.h>
#include <string.h>

#include "ltape.h"
#include "optimise.h"
#include "random.h"

static float *check_state(lua_State *L, int index, const moe_tensor *w) {
  if (lua_isnoneornil(L, index)) return NULL;
  moe_tensor *t = lmoe_check_tensor(L, index);
  if (t->n != w->n || t->dtype != MOE_F32)
    luaL_error(L, "optimise: the state is not of the weights' shape");
  return t->f;
}

/* optimise(rule, t, w [, m [, v]]): w.grad is what it goes by; false where
   there is none. */
static int l_optimise(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int64_t t = lmoe_check_integer(L, 2, "optimise: step", 1, (int64_t)1 << 53);
  moe_tensor *w = lmoe_check_tensor(L, 3);
  float *m = check_state(L, 4, w), *v = check_state(L, 5, w);
  lmoe_get_option(L, 1, "kind");
  moe_optimise rule = {
      .kind =
          (moe_optimiser)luaL_checkoption(L, -1, NULL, moe_optimiser_choices),
      .lr = lmoe_opt_number(L, 1, "lr", 0, HUGE_VAL, 0),
      .momentum = lmoe_opt_number(L, 1, "momentum", 0, 1, 0),
      .beta1 = lmoe_opt_number(L, 1, "beta1", 0, 1, 0.9),
      .beta2 = lmoe_opt_number(L, 1, "beta2", 0, 1, 0.999),
      .alpha = lmoe_opt_number(L, 1, "alpha", 0, 1, 0.99),
      .epsilon = lmoe_opt_number(L, 1, "eps", 0, HUGE_VAL, 1e-8),
      .decay = lmoe_opt_number(L, 1, "weight_decay", 0, HUGE_VAL, 0),
      .nesterov = lmoe_opt_flag(L, 1, "nesterov", false)};
  bool moves = w->record != NULL && w->record->gradient != NULL;
  bool needs_m = rule.kind != MOE_SGD && rule.kind != MOE_RMSPROP;
  if (moves && m == NULL && (needs_m || rule.momentum > 0))
    return luaL_error(L, "optimise: the first state is missing");
  if (moves && v == NULL && rule.kind != MOE_SGD && rule.kind != MOE_LION)
    return luaL_error(L, "optimise: the second state is missing");
  if (moves) {
    moe_optimise_step(&rule, t, w->record->gradient->f, w->n, w->f, m, v);
    w->storage->version++;
  }
  lua_pushboolean(L, moves);
  return 1;
}

/* clip({ tensors }, most): the norm of all their gradients, which are scaled
   down to `most` where it is larger. */
static int l_clip(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  double most = luaL_checknumber(L, 2), sum = 0, factor;
  size_t n = lmoe_check_array(L, 1, "clip: tensors");
  for (int pass = 0; pass < 2; pass++) {
    factor = most / (sqrt(sum) + 1e-6);
    if (pass == 1 && !(factor < 1)) break;
    for (size_t i = 0; i < n; i++) {
      lua_rawgeti(L, 1, (int)i + 1);
      moe_tensor *t = lmoe_check_tensor(L, -1);
      lua_pop(L, 1);
      if (t->record == NULL || t->record->gradient == NULL) continue;
      float *g = t->record->gradient->f;
      for (size_t k = 0; k < t->n; k++)
        if (pass == 0)
          sum += (double)g[k] * (double)g[k];
        else
          g[k] *= (float)factor;
    }
  }
  lua_pushnumber(L, sqrt(sum));
  return 1;
}

static double draw(moe_random *random, const char *kind, double scale) {
  double x = moe_random_normal(random);
  if (kind[0] == 'u') return scale * (2 * moe_random_unit(random) - 1);
  while (kind[0] == 't' && fabs(x) > 2) x = moe_random_normal(random);
  return scale * x;
}

/* fill(t, "uniform" | "normal" | "truncated", scale, seed): U(−scale, scale),
   N(0, scale²), or that cut at two deviations. */
static int l_fill(lua_State *L) {
  static const char *const kinds[] = {"uniform", "normal", "truncated", NULL};
  moe_tensor *t = lmoe_check_tensor(L, 1);
  const char *kind = kinds[luaL_checkoption(L, 2, NULL, kinds)];
  double scale = luaL_checknumber(L, 3);
  moe_random random;
  if (t->dtype != MOE_F32)
    return luaL_error(L, "fill: an index tensor cannot be filled");
  moe_random_seed(&random, (uint64_t)lmoe_check_integer(L, 4, "fill: seed", 0,
                                                        (int64_t)1 << 53));
  for (size_t i = 0; i < t->n; i++) t->f[i] = (float)draw(&random, kind, scale);
  t->storage->version++;
  lua_settop(L, 1);
  return 1;
}

/* copy(to, from): the items of a tensor of the same shape, in place. */
static int l_copy(lua_State *L) {
  moe_tensor *to = lmoe_check_tensor(L, 1);
  const moe_tensor *from = lmoe_check_tensor(L, 2);
  if (to->dtype != from->dtype || to->ndim != from->ndim ||
      memcmp(to->shape, from->shape, (size_t)to->ndim * sizeof *to->shape) != 0)
    return luaL_error(L, "copy: %s does not take the items of %s",
                      moe_tensor_shape_text(to).text,
                      moe_tensor_shape_text(from).text);
  if (to->n != 0) memmove(to->f, from->f, moe_tensor_bytes(to));
  to->storage->version++;
  lua_settop(L, 1);
  return 1;
}

/* blend(to, from, share): to ← (1 − share) to + share from, in place. */
static int l_blend(lua_State *L) {
  moe_tensor *to = lmoe_check_tensor(L, 1);
  const moe_tensor *from = lmoe_check_tensor(L, 2);
  float share = (float)luaL_checknumber(L, 3);
  if (to->dtype != MOE_F32 || from->dtype != MOE_F32 || to->n != from->n)
    return luaL_error(L, "blend: %s and %s do not agree",
                      moe_tensor_shape_text(to).text,
                      moe_tensor_shape_text(from).text);
  for (size_t i = 0; i < to->n; i++)
    to->f[i] += share * (from->f[i] - to->f[i]);
  to->storage->version++;
  lua_settop(L, 1);
  return 1;
}

/* seed_of(seed, name): that of a part. */
static int l_seed_of(lua_State *L) {
  int64_t seed = lmoe_check_integer(L, 1, "seed_of: seed", 0, (int64_t)1 << 53);
  uint64_t own = moe_seed_of((uint64_t)seed, luaL_checkstring(L, 2));
  lmoe_push_number(L, (double)own);
  return 1;
}

static int l_is_tensor(lua_State *L) {
  lua_pushboolean(L, lmoe_is_tensor(L, 1));
  return 1;
}

static const luaL_Reg functions[] = {
    {"optimise", l_optimise},   {"clip", l_clip},   {"fill", l_fill},
    {"copy", l_copy},           {"blend", l_blend}, {"seed_of", l_seed_of},
    {"is_tensor", l_is_tensor}, {NULL, NULL}};

void lmoe_open_optimise(lua_State *L) { lmoe_set_functions(L, functions); }
