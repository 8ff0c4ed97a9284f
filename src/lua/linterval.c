/* predict_interval(x): where the target of a sample will be. */
#include <math.h>

#include "learner.h"
#include "lmoe.h"

/* How many standard deviations about the mean hold `level` of a Gaussian: the z
   with erfc(z / √2) = 1 − level, by Newton's steps on its logarithm. */
static double find_deviations(double level) {
  double z = 1e-300, outside = log1p(-level);
  for (int i = 0; i < 60; i++) {
    double tail = erfc(z * M_SQRT1_2);
    double slope = -exp(-z * z / 2) * M_SQRT1_2 * M_2_SQRTPI / tail;
    double step = (log(tail) - outside) / slope;
    z -= step;
    if (fabs(step) <= 1e-15 * z) break;
  }
  return z > 0 ? z : 1e-300; /* times an infinite deviation a number */
}

/* One end of each target's interval: a number, or an array of them. */
static void push_ends(lua_State *L, const double *mean, const double *variance,
                      double deviations, size_t n) {
  if (n > 1) lua_createtable(L, (int)n, 0);
  for (size_t k = 0; k < n; k++) {
    lua_pushnumber(L, mean[k] + deviations * sqrt(variance[k]));
    if (n > 1) lua_rawseti(L, -2, (int)k + 1);
  }
}

static int l_predict_interval(lua_State *L) {
  static const char *const known[] = {"level", NULL};
  moe_object *o = lmoe_check_self(L);
  const moe_fitted *f = o->state;
  moe_rows x;
  double *mean, *variance;
  if (f == NULL)
    return luaL_error(L, "%s has not been fitted yet", o->type->name);
  lua_settop(L, 3);
  lmoe_check_options(L, 3, known);
  double level = lmoe_opt_number(L, 3, "level", 0, 1, 0.9);
  double deviations = level < 1 ? find_deviations(level) : HUGE_VAL;
  lmoe_call *c = lmoe_begin(L);
  lmoe_check_sample(L, c, 2, &f->schema, &x);
  mean = moe_scratch(&c->call, f->n_outputs, sizeof *mean);
  variance = moe_scratch(&c->call, f->n_outputs, sizeof *variance);
  if (mean == NULL || variance == NULL) lmoe_end(L, c, MOE_ENOMEM);
  moe_status status = moe_learner_variance(&c->call, o, &x, variance);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  LMOE_TRY(L, c, moe_learner_predict(&c->call, o, &x, mean));
  push_ends(L, mean, variance, -deviations, f->n_outputs);
  push_ends(L, mean, variance, deviations, f->n_outputs);
  lmoe_end(L, c, MOE_OK);
  return 2;
}

void lmoe_open_intervals(lua_State *L) {
  static const luaL_Reg methods[] = {{"predict_interval", l_predict_interval},
                                     {NULL, NULL}};
  lmoe_add_methods(L, LMOE_LEARNER, methods);
}
