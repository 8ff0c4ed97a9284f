/* The gradients of a sparse layer.  Those by the experts come from
   feed_forward.h, and with them those by the weights of the selections, which
   go on through the routing to the logits and so to the gate. */
#include <string.h>

#include "layer_pass.h"
#include "multiply.h"

/* What is on its way through the routing. */
typedef struct routing_back {
  const moe_layer *l;
  moe_layer_pass *p;
  const moe_layer_slopes *from;
  const float *by_weights;     /* n × width, of the weights times the scale */
  float *by_logits, *by_noise; /* n × experts; the latter by the deviations, or
                                  NULL */
  double *row;                 /* experts for the logits, for the noise, width
                                  for the weights */
} routing_back;

static void back_row(const routing_back *b, size_t i) {
  const moe_routing *r = &b->p->r;
  size_t n = r->experts, width = r->width;
  double *row = b->row, *noise = row + n, *by_weights = noise + n;
  const double *by_probs = b->from->probs, *more = b->from->logits;
  for (size_t k = 0; k < width; k++)
    by_weights[k] = b->l->scale * (double)b->by_weights[i * width + k];
  moe_route_backward(&b->l->route, n, width, r->probs + i * n,
                     r->indices + i * width, r->weights + i * width, by_weights,
                     by_probs != NULL ? by_probs + i * n : NULL, row);
  memset(noise, 0, n * sizeof *noise);
  if (b->p->in.training)
    moe_route_unprepare(&b->l->route, &b->p->in, i, row, noise);
  for (size_t e = 0; e < n; e++) {
    row[e] += more != NULL ? more[i * n + e] : 0;
    b->by_logits[i * n + e] = (float)row[e];
    if (b->by_noise != NULL) b->by_noise[i * n + e] = (float)noise[e];
  }
}

static moe_status new_room(moe_call *call, routing_back *b) {
  const moe_routing *r = &b->p->r;
  size_t items = moe_size(r->n, r->experts);
  MOE_TAKE(call, b->p, b->by_logits, items);
  if (b->p->in.noise != NULL) MOE_TAKE(call, b->p, b->by_noise, items);
  MOE_TAKE(call, b->p, b->row, 2 * r->experts + r->width);
  return MOE_OK;
}

/* The gradients of z = x w, from those by z. */
static void back_map(const moe_call *call, const moe_layer_pass *p,
                     const moe_layer *l, const float *w, const float *by_z,
                     moe_added to_w, moe_added to_x) {
  size_t n = p->r.n, dim = l->experts.dim, experts = l->experts.experts;
  if (to_w.to != NULL)
    moe__multiply(call, (moe_product){true, false, dim, experts, n, p->all.x,
                                      by_z, to_w.fresh ? 0 : 1, to_w.to});
  if (to_x.to != NULL)
    moe__multiply(call, (moe_product){false, true, n, dim, experts, by_z, w,
                                      to_x.fresh ? 0 : 1, to_x.to});
}

static moe_status back_routing(moe_call *call, routing_back *b,
                               const moe_layer_gradients *to) {
  const moe_layer *l = b->l;
  moe_layer_pass *p = b->p;
  size_t items = p->r.n * p->r.experts;
  moe_added x = {to->x.to, false};
  MOE_TRY(new_room(call, b));
  for (size_t i = 0; i < p->r.n; i++) back_row(b, i);
  back_map(call, p, l, l->gate, b->by_logits, to->gate, x);
  if (b->by_noise == NULL) {
    if (to->noise.to != NULL && to->noise.fresh)
      memset(to->noise.to, 0,
             l->experts.dim * l->experts.experts * sizeof *to->noise.to);
    return MOE_OK;
  }
  moe_activate_back(MOE_SOFTPLUS, p->z, p->softplus, b->by_noise, items);
  back_map(call, p, l, l->noise, b->by_noise, to->noise, x);
  return MOE_OK;
}

moe_status moe_layer_backward(moe_call *call, const moe_layer *l,
                              moe_layer_pass *p, const moe_layer_slopes *slopes,
                              const moe_layer_gradients *to) {
  moe_feed_forward_gradients experts = to->experts, shared = to->shared;
  routing_back b = {.l = l, .p = p, .from = slopes};
  float *by_weights;
  MOE_TAKE(call, p, by_weights, p->r.n * p->r.width);
  b.by_weights = by_weights;
  experts.x = to->x;
  experts.weights = (moe_added){by_weights, true};
  MOE_TRY(moe_feed_forward_back(call, &l->experts, &p->routed, p->saved,
                                slopes->out, &experts));
  shared.x = (moe_added){to->x.to, false};
  shared.weights = (moe_added){NULL, false};
  if (l->shared.experts > 0)
    MOE_TRY(moe_feed_forward_back(call, &l->shared, &p->all, p->saved_shared,
                                  slopes->out, &shared));
  return back_routing(call, &b, to);
}
