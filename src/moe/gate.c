#include "gate.h"

#include <math.h>
#include <string.h>

#include "vector.h"

void moe_gate_answer(const moe_gate_config *config, double calibration,
                     double *z, size_t n, size_t m) {
  double factor = 1 / config->temperature / calibration;
  for (size_t k = 0; factor != 1 && k < n * m; k++)
    z[k] = isinf(z[k]) ? z[k] : factor * z[k];
  moe_softmax(z, n, m);
}

moe_status moe_gate_check(moe_call *call, const moe_object *o,
                          double calibration) {
  if (calibration > 0 && isfinite(1 / calibration)) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "%s: its calibration is %g", o->type->name,
                  calibration);
}

moe_status moe_gate_learn_nothing(moe_call *call, moe_object *o,
                                  const moe_example *s) {
  (void)call;
  (void)o;
  (void)s;
  return MOE_OK;
}

moe_status moe_gate_add_nothing(moe_call *call, moe_object *o,
                                size_t position) {
  (void)call;
  (void)o;
  (void)position;
  return MOE_OK;
}

void moe_gate_remove_nothing(moe_object *o, size_t position) {
  (void)o;
  (void)position;
}

/* ------------------------------------------------------------- holding out */

enum {
  SHARE = 5,       /* of which one is held out */
  LEAST_ROWS = 10, /* fewer are not divided */
  ENOUGH = 4096    /* rows for the sake of one number */
};

static uint64_t share_of(const moe_batch *b) {
  size_t counted = 0;
  for (size_t i = 0; i < b->x.n; i++) counted += moe_batch_weight(b, i) > 0;
  return counted / ENOUGH > SHARE ? counted / ENOUGH : SHARE;
}

typedef struct division {
  uint64_t seed, share, part;
} division;

/* Rows are told apart by their group, or by their place among those that have
   a weight: what has none does not count. */
static void divide(const moe_batch *b, const division *by, moe_held_out *h,
                   size_t *n_kept, size_t *n_own) {
  uint64_t counted = 0;
  *n_kept = *n_own = 0;
  for (size_t i = 0; i < b->x.n; i++) {
    size_t at = moe_rows_at(&b->x, i);
    if (!(moe_batch_weight(b, i) > 0)) continue;
    uint64_t key = b->group != NULL ? (uint64_t)b->group[at] : counted++;
    if (moe_seed_at(by->seed, key) % by->share == by->part)
      h->own[(*n_own)++] = (int32_t)at;
    else
      h->kept[(*n_kept)++] = (int32_t)at;
  }
}

moe_status moe_gate_divide(moe_call *call, const moe_batch *b, uint64_t seed,
                           uint64_t share, uint64_t part, moe_batch *kept,
                           moe_held_out *out) {
  const division by = {seed, share, part};
  size_t n_kept, n_own;
  *kept = *b;
  MOE_TRY(moe_new_array(call, &out->kept, b->x.n, sizeof *out->kept));
  MOE_TRY(moe_new_array(call, &out->own, b->x.n, sizeof *out->own));
  divide(b, &by, out, &n_kept, &n_own);
  if (n_kept == 0 || n_own == 0) return MOE_OK;
  out->batch = *b;
  out->batch.x.pick = out->own;
  out->batch.x.n = n_own;
  kept->x.pick = out->kept;
  kept->x.n = n_kept;
  return MOE_OK;
}

moe_status moe_gate_hold_out(moe_call *call, moe_job *job,
                             const moe_gate_config *config, moe_held_out *out) {
  const moe_batch whole = job->batch;
  if (!config->calibrate || whole.x.n < LEAST_ROWS) return MOE_OK;
  return moe_gate_divide(call, &whole, 0, share_of(&whole), 0, &job->batch,
                         out);
}

void moe_held_out_free(moe_held_out *h) {
  moe_free(h->kept);
  moe_free(h->own);
  *h = (moe_held_out){0};
}

/* ------------------------------------------------------------- calibration */

/* The search goes over the logarithm of the temperature: first a grid, since
   the objective may have several minima, then golden sections about its best
   point. */
static const double MOST = 4.605170185988091; /* log 100 */
static const double GOLDEN = 0.6180339887498949;
enum { GRID = 24, SECTIONS = 24 };

typedef struct search {
  const moe_batch *batch;
  const double *logits;
  double *z, *spare;
} search;

static double objective(const search *s, double log_temperature) {
  static const moe_gate_terms none = {0, 0};
  const moe_loss loss = moe_gate_loss(s->batch->y, &none);
  size_t n = s->batch->x.n, size = n * s->batch->y->width;
  double factor = exp(-log_temperature);
  for (size_t k = 0; k < size; k++) s->z[k] = factor * s->logits[k];
  return loss.residual(&loss, s->batch, 0, n, s->z, s->spare);
}

static double best_of_grid(const search *s) {
  double best = 0, least = objective(s, 0);
  for (int k = -GRID; k <= GRID; k++) {
    double at = MOST * k / GRID, value = objective(s, at);
    if (!(value < least)) continue;
    best = at;
    least = value;
  }
  return best;
}

static double refine(const search *s, double low, double high) {
  double a = high - GOLDEN * (high - low), b = low + GOLDEN * (high - low);
  double at_a = objective(s, a), at_b = objective(s, b);
  for (int k = 0; k < SECTIONS; k++) {
    if (at_a < at_b) {
      high = b;
      b = a;
      at_b = at_a;
      a = high - GOLDEN * (high - low);
      at_a = objective(s, a);
    } else {
      low = a;
      a = b;
      at_a = at_b;
      b = low + GOLDEN * (high - low);
      at_b = objective(s, b);
    }
  }
  return (low + high) / 2;
}

/* What is farther below a row's largest logit has no probability at any
   temperature that is looked at; the logits become finite. */
static void limit(double *z, size_t n, size_t m) {
  const double farthest = 1e6;
  for (size_t i = 0; i < n; i++, z += m) {
    double most = -INFINITY;
    for (size_t e = 0; e < m; e++) most = z[e] > most ? z[e] : most;
    for (size_t e = 0; e < m; e++)
      z[e] = isinf(most) ? 0 : fmax(z[e] - most, -farthest);
  }
}

moe_status moe_gate_calibrate(moe_call *call, const moe_held_out *h, double *z,
                              double *calibration) {
  size_t n = h->batch.x.n, m = n > 0 ? h->batch.y->width : 0;
  search s = {.batch = &h->batch, .logits = z};
  moe_scratch_mark mark = moe_scratch_now(call);
  *calibration = 1;
  if (n == 0) return MOE_OK;
  MOE_SCRATCH(call, s.z, moe_size(n, m));
  MOE_SCRATCH(call, s.spare, moe_size(n, m));
  limit(z, n, m);
  double best = best_of_grid(&s), width = MOST / GRID;
  *calibration =
      exp(refine(&s, fmax(best - width, -MOST), fmin(best + width, MOST)));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}
