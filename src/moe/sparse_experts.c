#include "sparse_experts.h"

#include <string.h>

#include "feed_forward.h"
#include "shapes.h"
#include "tape.h"

/* Inputs of the operation, in this order; those that are absent are left out,
   and `place` says where the others are. */
enum { X, WEIGHTS, W_IN, W_OUT, W_GATE, B_IN, B_OUT, INPUTS };

typedef struct experts {
  moe_feed_forward f;
  moe_dispatched d;
  int place[INPUTS]; /* -1: absent */
  int64_t *sorted;   /* counts, offsets and slots: the pool's */
  float *saved;      /* the pool's, or NULL */
  bool used;         /* up, by an earlier backward */
} experts;

static void free_experts(moe_record *r) {
  experts *e = r->own;
  moe_pool_give(e->sorted);
  moe_pool_give(e->saved);
}

static const float *value_of(const moe_record *r, const experts *e, int which) {
  return e->place[which] < 0 ? NULL : r->inputs[e->place[which]]->f;
}

static moe_status find_place(moe_call *call, moe_record *r, const experts *e,
                             int which, moe_added *out) {
  *out = (moe_added){NULL, false};
  if (e->place[which] < 0) return MOE_OK;
  return moe_tape_gradient(call, r, (size_t)e->place[which], &out->to,
                           &out->fresh);
}

/* Fills `saved` anew, for another backward. */
static moe_status save_again(moe_call *call, experts *e) {
  size_t n = moe_size(e->d.rows, e->f.out);
  float *out = moe_pool_take(call->pool, moe_size(n, sizeof *out), false);
  if (out == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  moe_status status = moe_feed_forward_run(call, &e->f, &e->d, e->saved, out);
  moe_pool_give(out);
  return status;
}

static moe_status back_experts(moe_call *call, moe_record *r,
                               const moe_tensor *out, const float *g) {
  experts *e = r->own;
  moe_feed_forward_gradients to;
  (void)out;
  e->d.x = value_of(r, e, X);
  e->d.weights = value_of(r, e, WEIGHTS);
  e->f.w_in = value_of(r, e, W_IN);
  e->f.w_out = value_of(r, e, W_OUT);
  e->f.w_gate = value_of(r, e, W_GATE);
  e->f.b_in = value_of(r, e, B_IN);
  e->f.b_out = value_of(r, e, B_OUT);
  MOE_TRY(find_place(call, r, e, X, &to.x));
  MOE_TRY(find_place(call, r, e, WEIGHTS, &to.weights));
  MOE_TRY(find_place(call, r, e, W_IN, &to.w_in));
  MOE_TRY(find_place(call, r, e, W_OUT, &to.w_out));
  MOE_TRY(find_place(call, r, e, W_GATE, &to.w_gate));
  MOE_TRY(find_place(call, r, e, B_IN, &to.b_in));
  MOE_TRY(find_place(call, r, e, B_OUT, &to.b_out));
  if (e->used) MOE_TRY(save_again(call, e));
  e->used = true;
  return moe_feed_forward_back(call, &e->f, &e->d, e->saved, g, &to);
}

static const moe_operation operation = {.name = "experts",
                                        .size = sizeof(experts),
                                        .reads = (1 << INPUTS) - 1,
                                        .backward = back_experts,
                                        .release = free_experts};

/* ------------------------------------------------------------------- checks */

static moe_status check_shape(moe_call *call, const char *name,
                              const moe_tensor *t, int ndim, size_t a, size_t b,
                              size_t c) {
  const int64_t shape[] = {(int64_t)a, (int64_t)b, (int64_t)c};
  MOE_TRY(moe__check_floats(call, name, t));
  if (t->ndim == ndim &&
      memcmp(t->shape, shape, (size_t)ndim * sizeof *shape) == 0)
    return MOE_OK;
  return moe_fail(call, MOE_EARG, "experts: %s must be %s, is %s", name,
                  moe_shape_print(ndim, shape).text,
                  moe_tensor_shape_text(t).text);
}

static moe_status check_weights(moe_call *call, const moe_expert_weights *w,
                                moe_feed_forward *f) {
  if (w->w_in->ndim != 3 || w->w_out->ndim != 3)
    return moe_fail(call, MOE_EARG,
                    "experts: w_in and w_out must be experts × in × out, are "
                    "%s and %s",
                    moe_tensor_shape_text(w->w_in).text,
                    moe_tensor_shape_text(w->w_out).text);
  f->experts = (size_t)w->w_in->shape[0];
  f->dim = (size_t)w->w_in->shape[1];
  f->hidden = (size_t)w->w_in->shape[2];
  f->out = (size_t)w->w_out->shape[2];
  MOE_TRY(moe__check_floats(call, "w_in", w->w_in));
  MOE_TRY(
      check_shape(call, "w_out", w->w_out, 3, f->experts, f->hidden, f->out));
  if (w->w_gate != NULL)
    MOE_TRY(check_shape(call, "w_gate", w->w_gate, 3, f->experts, f->dim,
                        f->hidden));
  if (w->b_in != NULL)
    MOE_TRY(check_shape(call, "b_in", w->b_in, 2, f->experts, f->hidden, 0));
  if (w->b_out != NULL)
    MOE_TRY(check_shape(call, "b_out", w->b_out, 2, f->experts, f->out, 0));
  return MOE_OK;
}

static moe_status check_routing(moe_call *call, const moe_feed_forward *f,
                                const moe_tensor *x, const moe_tensor *weights,
                                const moe_tensor *indices) {
  size_t rows = f->dim != 0 ? x->n / f->dim : 0;
  MOE_TRY(moe__check_floats(call, "experts", x));
  MOE_TRY(moe__check_floats(call, "weights", weights));
  if (x->shape[x->ndim - 1] != (int64_t)f->dim)
    return moe_fail(call, MOE_EARG,
                    "experts: rows of %s do not fit weights of %zu inputs",
                    moe_tensor_shape_text(x).text, f->dim);
  if (indices->dtype != MOE_I32 || indices->ndim != 2 ||
      indices->shape[0] != (int64_t)rows || !moe__is_shaped(indices, weights))
    return moe_fail(call, MOE_EARG,
                    "experts: indices (int32) and weights must be %zu rows × "
                    "selections, are %s and %s",
                    rows, moe_tensor_shape_text(indices).text,
                    moe_tensor_shape_text(weights).text);
  for (size_t i = 0; i < indices->n; i++)
    if (indices->i[i] >= (int64_t)f->experts)
      return moe_fail(call, MOE_EARG, "experts: index %lld is not in [1, %zu]",
                      (long long)indices->i[i] + 1, f->experts);
  return MOE_OK;
}

/* ----------------------------------------------------------------- operation
 */

static moe_status sort(moe_call *call, const moe_tensor *indices, experts *e) {
  size_t n = e->f.experts;
  const moe_routing routing = {.n = (size_t)indices->shape[0],
                               .experts = n,
                               .width = (size_t)indices->shape[1],
                               .indices = indices->i};
  size_t items = moe_size(1, 2 * n + 1 + indices->n);
  e->sorted =
      moe_pool_take(call->pool, moe_size(items, sizeof *e->sorted), false);
  if (e->sorted == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  e->d.rows = routing.n;
  e->d.width = routing.width;
  e->d.sorted = (moe_dispatch){e->sorted, e->sorted + n, e->sorted + 2 * n + 1};
  moe_dispatch_sort(&routing, &e->d.sorted);
  return MOE_OK;
}

/* Those of the inputs that there are, and where they are. */
static size_t list_inputs(moe_tensor *x, moe_tensor *weights,
                          const moe_expert_weights *w, moe_tensor **inputs,
                          int *place) {
  moe_tensor *const all[INPUTS] = {[X] = x,
                                   [WEIGHTS] = weights,
                                   [W_IN] = w->w_in,
                                   [W_OUT] = w->w_out,
                                   [W_GATE] = w->w_gate,
                                   [B_IN] = w->b_in,
                                   [B_OUT] = w->b_out};
  size_t n = 0;
  for (int k = 0; k < INPUTS; k++) {
    place[k] = all[k] != NULL ? (int)n : -1;
    if (all[k] != NULL) inputs[n++] = all[k];
  }
  return n;
}

static bool is_recorded(const moe_call *call, moe_tensor *const *inputs,
                        size_t n) {
  for (size_t i = 0; call->recording && i < n; i++)
    if (inputs[i]->record != NULL) return true;
  return false;
}

static moe_status run(moe_call *call, experts *e, bool recorded, float *out) {
  if (recorded) {
    size_t n = moe_feed_forward_saved(&e->f, &e->d);
    e->saved = moe_pool_take(call->pool, moe_size(n, sizeof(float)), false);
    if (e->saved == NULL)
      return moe_fail(call, MOE_ENOMEM, "not enough memory");
  }
  return moe_feed_forward_run(call, &e->f, &e->d, e->saved, out);
}

static const float *items(const moe_tensor *t) {
  return t != NULL ? t->f : NULL;
}

moe_status moe_tensor_experts(moe_call *call, moe_activation activation,
                              moe_tensor *x, moe_tensor *weights,
                              const moe_tensor *indices,
                              const moe_expert_weights *w, moe_tensor **out) {
  experts e = {.f = {.activation = activation,
                     .w_in = items(w->w_in),
                     .w_gate = items(w->w_gate),
                     .w_out = items(w->w_out),
                     .b_in = items(w->b_in),
                     .b_out = items(w->b_out)},
               .d = {.x = x->f, .weights = weights->f}},
          *own = NULL;
  moe_tensor *inputs[INPUTS];
  int64_t shape[MOE_MAX_DIMS];
  *out = NULL;
  MOE_TRY(check_weights(call, w, &e.f));
  MOE_TRY(check_routing(call, &e.f, x, weights, indices));
  size_t n = list_inputs(x, weights, w, inputs, e.place);
  memcpy(shape, x->shape, sizeof shape);
  shape[x->ndim - 1] = (int64_t)e.f.out;
  moe_status status = sort(call, indices, &e);
  if (status == MOE_OK)
    status = moe_tensor_make(call, MOE_F32, x->ndim, shape, out);
  if (status == MOE_OK)
    status = run(call, &e, is_recorded(call, inputs, n), (*out)->f);
  if (status == MOE_OK)
    status = moe_tape_record(call, &operation, out, n, inputs, &own);
  if (own != NULL) {
    *own = e;
    return MOE_OK;
  }
  moe_pool_give(e.sorted);
  moe_pool_give(e.saved);
  if (status == MOE_OK) return MOE_OK;
  moe_tensor_release(*out);
  *out = NULL;
  return status;
}
