#include "responsibility.h"

#include <math.h>
#include <string.h>

#include "threads.h"
#include "vector.h"

/* A class that an expert thinks impossible costs it no more than this. */
static const double FLOOR_SHARE = 1e-6;

/* What no log-likelihood is below. */
static const double FARTHEST = -1e100;

bool moe__is_gaussian(const moe_object *expert) {
  return moe_learner_fitted(expert)->task == MOE_REGRESSION &&
         moe_learner_type_of(expert)->log_likelihood == NULL;
}

/* -------------------------------------------------------------------- experts
 */

static void measure_values(const moe_batch *b, const double *answers,
                           double *out) {
  size_t width = b->y->width;
  for (size_t i = 0; i < b->x.n; i++, answers += width) {
    const double *y = b->y->values + moe_rows_at(&b->x, i) * width;
    double sum = 0;
    for (size_t k = 0; k < width; k++)
      sum += (answers[k] - y[k]) * (answers[k] - y[k]);
    out[i] = fmax(-sum / 2, FARTHEST);
  }
}

/* Classes that the expert has not met are among the impossible ones. */
static moe_status measure_classes(moe_call *call, const moe_fitted *f,
                                  double power, const moe_batch *b,
                                  double *answers, double *out) {
  const moe_labels *labels = b->y->labels;
  double least = FLOOR_SHARE / (double)labels->n;
  ptrdiff_t *column;
  MOE_SCRATCH(call, column, labels->n);
  for (size_t c = 0; c < labels->n; c++)
    column[c] = moe_labels_find(&f->labels, &labels->items[c]);
  for (size_t i = 0; i < b->x.n; i++, answers += f->n_outputs) {
    ptrdiff_t truth = column[b->y->ids[moe_rows_at(&b->x, i)]];
    moe__sharpen(answers, f->n_outputs, power);
    out[i] = log(fmax(truth < 0 ? 0 : answers[truth], least));
  }
  return MOE_OK;
}

static moe_status measure_answers(moe_call *call, const moe_object *expert,
                                  double power, const moe_batch *batch,
                                  double *out) {
  const moe_fitted *f = moe_learner_fitted(expert);
  double *answers;
  MOE_SCRATCH(call, answers, moe_size(batch->x.n, f->n_outputs));
  MOE_TRY(moe_learner_predict(call, expert, &batch->x, answers));
  if (f->task == MOE_CLASSIFICATION)
    return measure_classes(call, f, power, batch, answers, out);
  measure_values(batch, answers, out);
  return MOE_OK;
}

moe_status moe__measure_expert(moe_call *call, const moe_object *expert,
                               double power, const moe_batch *batch,
                               double *out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  if (moe_learner_type_of(expert)->log_likelihood == NULL || power != 1)
    MOE_TRY(measure_answers(call, expert, power, batch, out));
  else
    MOE_TRY(moe_learner_log_likelihood(call, expert, batch, out));
  for (size_t i = 0; i < batch->x.n; i++)
    out[i] = out[i] > FARTHEST ? out[i] : FARTHEST;
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

double moe__log_density(const moe_object *expert, double measure, double noise,
                        size_t width) {
  if (!moe__is_gaussian(expert)) return measure;
  double variance = noise * noise;
  double density =
      measure / variance - 0.5 * (double)width * log(2 * M_PI * variance);
  return density > FARTHEST ? density : FARTHEST;
}

moe_status moe__measure_gate(moe_call *call, const moe_object *gate,
                             const moe_rows *x, double *out) {
  MOE_TRY(moe_learner_predict(call, gate, x, out));
  moe__take_logs(out, x->n * moe_learner_fitted(gate)->n_outputs);
  return MOE_OK;
}

/* --------------------------------------------------------------------- shares
 */

enum { CHUNK = 512 /* rows that a thread takes at a time */ };

typedef struct sharing {
  const moe_sharing *s;
  double *totals; /* a chunk */
} sharing;

/* The logarithm of the row's likelihood. */
static double share_row(const moe_sharing *s, size_t at) {
  size_t n = s->experts;
  const double *gate = s->gate + at * n, *density = s->density + at * n;
  double *share = s->share + at * n, most = -INFINITY, sum;
  for (size_t e = 0; e < n; e++) {
    share[e] = gate[e] + density[e];
    most = share[e] > most ? share[e] : most;
  }
  for (size_t e = 0; e < n; e++) share[e] -= most;
  moe_exp(share, n);
  sum = share[0];
  for (size_t e = 1; e < n; e++) sum += share[e];
  moe_scale(1 / sum, share, n);
  return most + log(sum);
}

static void share_chunk(void *context, size_t index, int worker) {
  const sharing *q = context;
  const moe_batch *b = q->s->batch;
  size_t first = index * CHUNK;
  size_t end = first + CHUNK < b->x.n ? first + CHUNK : b->x.n;
  double total = 0;
  (void)worker;
  for (size_t i = first; i < end; i++)
    total += moe_batch_weight(b, i) * share_row(q->s, moe_rows_at(&b->x, i));
  q->totals[index] = total;
}

moe_status moe__share_rows(moe_call *call, const moe_sharing *s,
                           double *total) {
  size_t chunks = (s->batch->x.n + CHUNK - 1) / CHUNK;
  moe_scratch_mark mark = moe_scratch_now(call);
  sharing q = {.s = s};
  MOE_SCRATCH(call, q.totals, chunks);
  moe_parallel(call, chunks, share_chunk, &q);
  *total = 0;
  for (size_t k = 0; k < chunks; k++) *total += q.totals[k];
  moe_scratch_drop(call, mark);
  return MOE_OK;
}
