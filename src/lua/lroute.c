/* The routing core by itself: moe.route(logits, options), for scores that come
   from anywhere. */
#include <math.h>
#include <string.h>

#include "lmoe.h"
#include "mixture.h"
#include "tensor.h"

static void set_tensor(lua_State *L, lmoe_call *c, const char *name,
                       moe_dtype dtype, size_t rows, size_t columns,
                       moe_tensor **out) {
  const int64_t shape[2] = {(int64_t)rows, (int64_t)columns};
  LMOE_TRY(L, c, moe_tensor_new(&c->call, dtype, 2, shape, out));
  lmoe_push_tensor(L, *out);
  lua_setfield(L, -2, name);
}

void lmoe_push_routing(lua_State *L, lmoe_call *c, const moe_routing *r) {
  moe_tensor *indices, *weights, *probs;
  lua_newtable(L);
  set_tensor(L, c, "indices", MOE_I32, r->n, r->width, &indices);
  set_tensor(L, c, "weights", MOE_F32, r->n, r->width, &weights);
  set_tensor(L, c, "probs", MOE_F32, r->n, r->experts, &probs);
  for (size_t i = 0; i < r->n * r->width; i++) {
    indices->i[i] = r->indices[i] + 1;
    weights->f[i] = (float)r->weights[i];
  }
  for (size_t i = 0; i < r->n * r->experts; i++)
    probs->f[i] = (float)r->probs[i];
}

/* The options are parameters of mixtures: a mixture checks and holds them. */
static const moe_route_config *check_config(lua_State *L, lmoe_call *c,
                                            int options) {
  static const char *const known[] = {"score",       "top_k",     "renormalize",
                                      "temperature", "threshold", "bias",
                                      NULL};
  moe_object *holder = lmoe_push_new(L, "learner", "mixture");
  moe_value all, map;
  size_t n = 0;
  lmoe_check_options(L, options, known);
  if (lua_istable(L, options)) {
    all = lmoe_check_value(L, c, options);
    LMOE_TRY(L, c, moe_map_value(&c->call, all.n, &map));
    for (size_t i = 0; all.kind == MOE_V_MAP && i < all.n; i++) {
      if (strcmp(all.keys[i].text, "bias") == 0) continue;
      map.keys[n] = all.keys[i];
      map.items[n++] = all.items[i];
    }
    map.n = n;
    LMOE_TRY(L, c, moe_object_set(&c->call, holder, &map));
  }
  return &moe_mixture_params_of(holder)->route;
}

/* The selection bias of each expert, or NULL. */
static const double *check_bias(lua_State *L, lmoe_call *c, int options,
                                size_t experts) {
  double *bias;
  if (!lua_istable(L, options)) return NULL;
  lua_getfield(L, options, "bias");
  if (lua_isnil(L, -1)) return NULL;
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) != experts)
    luaL_error(L, "route: 'bias' must be an array of %d numbers", (int)experts);
  bias = moe_scratch(&c->call, experts, sizeof *bias);
  if (bias == NULL) lmoe_end(L, c, MOE_ENOMEM);
  for (size_t e = 0; e < experts; e++) {
    lua_rawgeti(L, -1, (int)e + 1);
    bias[e] = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(bias[e]))
      luaL_error(L, "route: bias[%d] must be a finite number", (int)e + 1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return bias;
}

/* One row of a float tensor through the float kernel. */
static void route_floats(const moe_route_config *config, const float *logits,
                         const double *bias, size_t i, float *room,
                         moe_routing *r) {
  float *probs = room, *weights = room + r->experts;
  float *own = weights + r->experts;
  for (size_t e = 0; bias != NULL && e < r->experts; e++)
    own[e] = (float)bias[e];
  moe_route_row_float(config, r->experts, logits, bias != NULL ? own : NULL,
                      probs, r->indices + i * r->width, weights);
  for (size_t e = 0; e < r->experts; e++)
    r->probs[i * r->experts + e] = (double)probs[e];
  for (size_t k = 0; k < r->width; k++)
    r->weights[i * r->width + k] = (double)weights[k];
}

static void new_routing(lua_State *L, lmoe_call *c, moe_routing *r) {
  size_t n = moe_size(r->n, r->experts);
  r->indices = moe_scratch(&c->call, n, sizeof *r->indices);
  r->weights = moe_scratch(&c->call, n, sizeof *r->weights);
  r->probs = moe_scratch(&c->call, n, sizeof *r->probs);
  if (r->indices == NULL || r->weights == NULL || r->probs == NULL)
    lmoe_end(L, c, MOE_ENOMEM);
}

/* route(logits, { score, top_k, renormalize, temperature, threshold, bias }):
   { indices, weights, probs }.  A tensor is routed in float32, rows of Lua
   numbers in double. */
static int l_route(lua_State *L) {
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  const moe_route_config *config = check_config(L, c, 2);
  moe_rows x;
  lmoe_check_rows(L, c, 1, &x);
  LMOE_TRY(L, c, moe_rows_check(&c->call, &x, false));
  if (x.d == 0) luaL_error(L, "route: the logits have no columns");
  const double *bias = check_bias(L, c, 2, x.d);
  moe_routing r = {
      .n = x.n, .experts = x.d, .width = moe_route_width(config, x.d)};
  double *logits = moe_scratch(&c->call, x.d, sizeof *logits);
  float *room = moe_scratch(&c->call, moe_size(x.d, 3), sizeof *room);
  if (logits == NULL || room == NULL) lmoe_end(L, c, MOE_ENOMEM);
  new_routing(L, c, &r);
  for (size_t i = 0; i < x.n; i++) {
    if (x.source == MOE_FROM_FLOATS) {
      route_floats(config, x.floats + i * x.stride, bias, i, room, &r);
      continue;
    }
    moe_rows_doubles(&x, i, 1, logits);
    moe_route_row(config, r.experts, logits, bias, r.probs + i * r.experts,
                  r.indices + i * r.width, r.weights + i * r.width);
  }
  lmoe_push_routing(L, c, &r);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static const luaL_Reg functions[] = {{"route", l_route}, {NULL, NULL}};

void lmoe_open_route(lua_State *L) { lmoe_set_functions(L, functions); }
