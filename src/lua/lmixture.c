/* What mixtures alone can do: route. */
#include "lmoe.h"
#include "mixture.h"

static void set_named(lua_State *L, const char *field, const moe_children *e,
                      const double *values) {
  lua_newtable(L);
  for (size_t i = 0; i < e->n; i++) {
    lua_pushnumber(L, values[i]);
    lua_setfield(L, -2, e->names[i]);
  }
  lua_setfield(L, -2, field);
}

static void set_names(lua_State *L, const moe_children *experts) {
  lua_newtable(L);
  for (size_t i = 0; i < experts->n; i++) {
    lua_pushstring(L, experts->names[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "names");
}

static const moe_object *check_mixture(lua_State *L) {
  const moe_object *o = lmoe_check_object(L, 1, LMOE_LEARNER);
  if (o->type != &moe_mixture_of_experts.type)
    luaL_error(L, "%s is not a mixture", o->type->name);
  return o;
}

/* Rows follow the mixture's columns before they are routed. */
static void route(lua_State *L, lmoe_call *c, const moe_object *o, bool sample,
                  moe_routing *r) {
  size_t experts = moe_mixture_params_of(o)->experts.n;
  const moe_fitted *f = o->state;
  moe_rows x;
  if (sample)
    lmoe_check_sample(L, c, 2, f != NULL ? &f->schema : NULL, &x);
  else
    lmoe_check_rows(L, c, 2, &x);
  if (f != NULL) LMOE_TRY(L, c, moe_rows_follow(&c->call, &x, &f->schema));
  r->indices = moe_scratch(&c->call, moe_size(x.n, experts), sizeof(int32_t));
  r->weights = moe_scratch(&c->call, moe_size(x.n, experts), sizeof(double));
  r->probs = moe_scratch(&c->call, moe_size(x.n, experts), sizeof(double));
  if (r->indices == NULL || r->weights == NULL || r->probs == NULL)
    lmoe_end(L, c, MOE_ENOMEM);
  LMOE_TRY(L, c, moe_mixture_route(&c->call, o, &x, r));
}

static int push_routing(lua_State *L, bool sample) {
  const moe_object *o = check_mixture(L);
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_routing r;
  route(L, c, o, sample, &r);
  lmoe_push_routing(L, c, &r);
  set_names(L, &moe_mixture_params_of(o)->experts);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* route(X): { indices = n×k, weights = n×k, probs = n×experts, names } */
static int l_route(lua_State *L) { return push_routing(L, false); }

/* The same for one sample. */
static int l_route_one(lua_State *L) { return push_routing(L, true); }

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* _stats_of(X): the balance of the routing of these rows. */
static int l_stats_of(lua_State *L) {
  const moe_object *o = check_mixture(L);
  const moe_children *experts = &moe_mixture_params_of(o)->experts;
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_routing r;
  moe_balance b;
  route(L, c, o, false, &r);
  b.load = moe_scratch(&c->call, experts->n, sizeof *b.load);
  b.importance = moe_scratch(&c->call, experts->n, sizeof *b.importance);
  if (b.load == NULL || b.importance == NULL) lmoe_end(L, c, MOE_ENOMEM);
  moe_routing_balance(&r, &b);
  lua_newtable(L);
  set_number(L, "rows", (double)b.rows);
  set_number(L, "cv_load", b.cv_load);
  set_number(L, "cv_importance", b.cv_importance);
  set_number(L, "maxvio", b.maxvio);
  set_number(L, "entropy", b.entropy);
  set_number(L, "confidence", b.confidence);
  set_named(L, "load", experts, b.load);
  set_named(L, "importance", experts, b.importance);
  set_names(L, experts);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static const luaL_Reg methods[] = {{"route", l_route},
                                   {"route_one", l_route_one},
                                   {"_stats_of", l_stats_of},
                                   {NULL, NULL}};

void lmoe_open_mixture(lua_State *L) {
  lmoe_add_methods(L, LMOE_LEARNER, methods);
}
