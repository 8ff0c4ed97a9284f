/* What a routing tells, as tensors in the table on top. */
#include "lroute.h"
#include "tensor.h"

static moe_tensor *set_tensor(lua_State *L, lmoe_call *c, const char *name,
                              moe_dtype dtype, int ndim, size_t rows,
                              size_t columns) {
  const int64_t shape[2] = {(int64_t)rows, (int64_t)columns};
  moe_tensor *t;
  LMOE_TRY(L, c, moe_tensor_new(&c->call, dtype, ndim, shape, &t));
  lmoe_push_tensor(L, t);
  lua_setfield(L, -2, name);
  return t;
}

void lmoe_set_selection(lua_State *L, lmoe_call *c, const moe_routing *r) {
  moe_tensor *indices, *weights;
  indices = set_tensor(L, c, "indices", MOE_I32, 2, r->n, r->width);
  weights = set_tensor(L, c, "weights", MOE_F32, 2, r->n, r->width);
  for (size_t i = 0; i < r->n * r->width; i++) {
    indices->i[i] = r->indices[i] < 0 ? 0 : r->indices[i] + 1;
    weights->f[i] = (float)r->weights[i];
  }
  lua_pushnumber(L, (double)r->dropped);
  lua_setfield(L, -2, "dropped");
}

void lmoe_set_probs(lua_State *L, lmoe_call *c, const moe_routing *r) {
  moe_tensor *probs = set_tensor(L, c, "probs", MOE_F32, 2, r->n, r->experts);
  for (size_t i = 0; i < r->n * r->experts; i++)
    probs->f[i] = (float)r->probs[i];
}

void lmoe_push_routing(lua_State *L, lmoe_call *c, const moe_routing *r) {
  lua_newtable(L);
  lmoe_set_selection(L, c, r);
  lmoe_set_probs(L, c, r);
}

void lmoe_set_dispatch(lua_State *L, lmoe_call *c, const lmoe_routed *w) {
  const moe_dispatch *d = &w->by_expert;
  size_t experts = w->r.experts, kept = (size_t)d->offsets[experts];
  moe_tensor *counts = set_tensor(L, c, "counts", MOE_I32, 1, experts, 0);
  moe_tensor *rows = set_tensor(L, c, "rows", MOE_I32, 1, kept, 0);
  moe_tensor *choices = set_tensor(L, c, "choices", MOE_I32, 1, kept, 0);
  moe_tensor *places = set_tensor(L, c, "places", MOE_I32, 1, kept, 0);
  for (size_t e = 0; e < experts; e++) counts->i[e] = (int32_t)d->counts[e];
  for (size_t s = 0; s < kept; s++) {
    rows->i[s] = (int32_t)((size_t)d->slots[s] / w->r.width) + 1;
    choices->i[s] = (int32_t)((size_t)d->slots[s] % w->r.width) + 1;
    places->i[s] = (int32_t)d->slots[s] + 1;
  }
}
