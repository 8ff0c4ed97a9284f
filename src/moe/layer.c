#include "layer.h"

#include <math.h>
#include <string.h>

#include "layer_pass.h"
#include "multiply.h"
#include "row_kernels.h"

moe_status moe_layer_check(moe_call *call, const moe_layer *l, bool training) {
  return moe_route_check(call, &l->route, l->experts.experts, training);
}

/* -------------------------------------------------------------------- memory
 */

void *moe__pass_take(moe_call *call, moe_layer_pass *p, size_t n, size_t size) {
  void *block = moe_pool_take(call->pool, moe_size(n, size), false);
  if (block != NULL) p->blocks[p->n_blocks++] = block;
  if (block == NULL) moe_fail(call, MOE_ENOMEM, "not enough memory");
  return block;
}

static void free_blocks(moe_layer_pass *p) {
  while (p->n_blocks > 0) moe_pool_give(p->blocks[--p->n_blocks]);
}

void moe_layer_pass_free(moe_layer_pass *p) {
  if (p == NULL) return;
  free_blocks(p);
  moe_free(p);
}

const moe_routing *moe_layer_routing(const moe_layer_pass *p) { return &p->r; }

/* ------------------------------------------------------------------- routing
 */

static moe_status map_rows(moe_call *call, const moe_layer *l,
                           moe_layer_pass *p, const float *w, float **out) {
  size_t experts = l->experts.experts, items = moe_size(p->r.n, experts);
  MOE_TAKE(call, p, *out, items);
  moe__multiply(call, (moe_product){.m = p->r.n,
                                    .n = experts,
                                    .k = l->experts.dim,
                                    .a = p->all.x,
                                    .b = w,
                                    .c = *out});
  for (size_t i = 0; i < items; i++)
    if (!isfinite((*out)[i]))
      return moe_fail(call, MOE_EDATA,
                      "layer: row %zu has logits that are not finite",
                      i / experts + 1);
  return MOE_OK;
}

/* The standard deviations of the noise: softplus(x W) + 0.01. */
static moe_status find_deviations(moe_call *call, const moe_layer *l,
                                  moe_layer_pass *p) {
  size_t items = moe_size(p->r.n, l->experts.experts);
  double *deviations;
  MOE_TRY(map_rows(call, l, p, l->noise, &p->z));
  MOE_TAKE(call, p, p->softplus, items);
  MOE_TAKE(call, p, deviations, items);
  moe_activate(MOE_SOFTPLUS, p->z, p->softplus, items);
  for (size_t i = 0; i < items; i++)
    deviations[i] = (double)p->softplus[i] + 0.01;
  p->in.noise = deviations;
  return MOE_OK;
}

static moe_status new_routing(moe_call *call, const moe_layer *l,
                              moe_layer_pass *p) {
  moe_routing *r = &p->r;
  size_t slots = moe_size(r->n, r->width), all = moe_size(r->n, r->experts);
  moe_dispatch *d = &p->routed.sorted;
  MOE_TAKE(call, p, r->indices, slots);
  MOE_TAKE(call, p, r->weights, slots);
  MOE_TAKE(call, p, r->probs, all);
  if (moe_route_needs_logits(&l->route, &p->in))
    MOE_TAKE(call, p, r->logits, all);
  MOE_TAKE(call, p, d->counts, r->experts);
  MOE_TAKE(call, p, d->offsets, r->experts + 1);
  MOE_TAKE(call, p, d->slots, slots);
  return MOE_OK;
}

static moe_status route(moe_call *call, const moe_layer *l, moe_layer_pass *p) {
  size_t slots = p->r.n * p->r.width;
  float *logits, *weights;
  MOE_TRY(map_rows(call, l, p, l->gate, &logits));
  p->in.floats = logits;
  if (l->noise != NULL && p->in.training) MOE_TRY(find_deviations(call, l, p));
  MOE_TRY(new_routing(call, l, p));
  MOE_TRY(moe_route_batch(call, &l->route, &p->in, &p->r, &p->routed.sorted));
  MOE_TAKE(call, p, weights, slots);
  for (size_t i = 0; i < slots; i++)
    weights[i] = (float)(p->r.weights[i] * l->scale);
  p->routed.weights = weights;
  return MOE_OK;
}

/* ------------------------------------------------------------------- answers
 */

/* Every row goes to the one expert that there is, with weight 1. */
static moe_status send_all(moe_call *call, moe_layer_pass *p) {
  moe_dispatch *d = &p->all.sorted;
  float *ones;
  MOE_TAKE(call, p, ones, p->r.n);
  MOE_TAKE(call, p, d->counts, 1);
  MOE_TAKE(call, p, d->offsets, 2);
  MOE_TAKE(call, p, d->slots, p->r.n);
  d->counts[0] = d->offsets[1] = (int64_t)p->r.n;
  d->offsets[0] = 0;
  for (size_t i = 0; i < p->r.n; i++) {
    ones[i] = 1;
    d->slots[i] = (int64_t)i;
  }
  p->all.weights = ones;
  return MOE_OK;
}

static moe_status answer(moe_call *call, const moe_feed_forward *f,
                         const moe_half_weights *half, const moe_dispatched *d,
                         moe_layer_pass *p, float **saved, float *out) {
  if (half->w_in != NULL) return moe_feed_forward_half(call, f, half, d, out);
  if (p->kept) MOE_TAKE(call, p, *saved, moe_feed_forward_saved(f, d));
  return moe_feed_forward_run(call, f, d, *saved, out);
}

static moe_status add_shared(moe_call *call, const moe_layer *l,
                             moe_layer_pass *p, float *out) {
  size_t items = moe_size(p->r.n, l->experts.out);
  float *more;
  MOE_TRY(send_all(call, p));
  MOE_TAKE(call, p, more, items);
  MOE_TRY(answer(call, &l->shared, &l->half_shared, &p->all, p,
                 &p->saved_shared, more));
  moe__axpy_row(1, more, out, items);
  return MOE_OK;
}

static void begin(const moe_layer *l, const moe_layer_rows *rows, bool kept,
                  moe_layer_pass *p) {
  size_t experts = l->experts.experts;
  size_t width = moe_route_width(&l->route, experts);
  *p = (moe_layer_pass){
      .kept = kept,
      .in = {.experts = experts,
             .stride = experts,
             .bias = l->selection_bias,
             .ids = rows->ids,
             .training = rows->training,
             .seed = rows->seed},
      .r = {.n = rows->n, .experts = experts, .width = width},
      .routed = {.rows = rows->n, .width = width, .x = rows->x},
      .all = {.rows = rows->n, .width = 1, .x = rows->x}};
}

static moe_status run(moe_call *call, const moe_layer *l, moe_layer_pass *p,
                      float *out) {
  MOE_TRY(moe_layer_check(call, l, p->in.training && p->kept));
  if (l->route.router == MOE_HASH && p->in.ids == NULL)
    return moe_fail(call, MOE_EARG,
                    "layer: router 'hash' needs 'ids', one a row");
  MOE_TRY(route(call, l, p));
  MOE_TRY(answer(call, &l->experts, &l->half, &p->routed, p, &p->saved, out));
  return l->shared.experts > 0 ? add_shared(call, l, p, out) : MOE_OK;
}

static moe_status run_and_keep(moe_call *call, const moe_layer *l,
                               const moe_layer_rows *rows, float *out,
                               moe_layer_pass **pass) {
  moe_status status;
  *pass = NULL;
  if (l->half.w_in != NULL)
    return moe_fail(call, MOE_EUNSUPPORTED,
                    "layer: weights of half width are for forward alone");
  MOE_TRY(moe_new_array(call, pass, 1, sizeof **pass));
  begin(l, rows, true, *pass);
  status = run(call, l, *pass, out);
  if (status == MOE_OK) return MOE_OK;
  moe_layer_pass_free(*pass);
  *pass = NULL;
  return status;
}

moe_status moe_layer_forward(moe_call *call, const moe_layer *l,
                             const moe_layer_rows *rows, float *out,
                             moe_layer_pass **pass) {
  moe_layer_pass p;
  moe_status status;
  if (pass != NULL) return run_and_keep(call, l, rows, out, pass);
  begin(l, rows, false, &p);
  status = run(call, l, &p, out);
  free_blocks(&p);
  return status;
}
