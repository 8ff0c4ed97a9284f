#include "sweep.h"

#include <string.h>

#include "threads.h"
#include "vector.h"

typedef struct running {
  const moe_sweep *sweep;
  const moe_loss *loss;
  const double *weights;
  double *residuals, *gradient; /* of sparse rows */
  size_t first, block;          /* columns */
} running;

/* Turns the outputs of a tile into residuals, and adds them and the loss to the
   last items of a sum. */
static void add_residuals(const running *r, const moe_tile *tile, double *sum) {
  size_t m = r->sweep->plan.outputs, n = tile->n;
  double *z = tile->work;
  sum[m] += r->loss->residual(r->loss, r->sweep->plan.batch, tile->first, n, z,
                              z + n * m);
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < m; c++) sum[c] += z[i * m + c];
}

static void start_outputs(const moe_tile *tile, const double *bias, size_t m) {
  for (size_t i = 0; i < tile->n; i++)
    memcpy(tile->work + i * m, bias, m * sizeof *bias);
}

static void add_dense(const void *context, const moe_tile *tile, double *sum) {
  const running *r = context;
  size_t m = r->sweep->plan.outputs, d = r->sweep->columns;
  start_outputs(tile, r->weights + m * d, m);
  moe_products(tile->x, tile->n, d, r->weights, m, tile->work);
  add_residuals(r, tile, sum + m * d);
  moe_weighted_sums(tile->work, tile->n, m, tile->x, d, sum);
}

static void add_sparse(const void *context, const moe_tile *tile, double *sum) {
  const running *r = context;
  const moe_sweep *s = r->sweep;
  size_t m = s->plan.outputs;
  start_outputs(tile, s->turned + s->columns * m, m);
  for (size_t i = 0; i < tile->n; i++) {
    moe_entries e = moe_rows_entries(&s->plan.batch->x, tile->first + i);
    double *z = tile->work + i * m;
    for (size_t k = 0; k < e.n; k++) {
      int32_t place = s->transpose.place[e.index[k]];
      if (place < 0 || e.value[k] != e.value[k]) continue;
      const double *w = s->turned + (size_t)place * m;
      for (size_t c = 0; c < m; c++) z[c] += (double)e.value[k] * w[c];
    }
  }
  add_residuals(r, tile, sum);
  memcpy(r->residuals + tile->first * m, tile->work,
         tile->n * m * sizeof *tile->work);
}

/* The gradient for a block of sparse columns; the tally has summed the
   residuals. */
static void sum_columns(void *context, size_t index, int worker) {
  const running *r = context;
  const moe_sweep *s = r->sweep;
  const moe_transpose *t = &s->transpose;
  size_t m = s->plan.outputs, k = r->first + index * r->block;
  size_t end = k + r->block < t->n ? k + r->block : t->n;
  (void)worker;
  for (; k < end; k++) {
    double *g = r->gradient + k;
    for (size_t c = 0; c < m; c++) g[c * t->n] = -s->centre[k] * s->sums[c];
    for (int64_t at = t->start[k]; at < t->start[k + 1]; at++) {
      const double *z = r->residuals + (size_t)t->row[at] * m;
      for (size_t c = 0; c < m; c++) g[c * t->n] += (double)t->value[at] * z[c];
    }
    for (size_t c = 0; c < m; c++) g[c * t->n] *= s->factor[k];
  }
}

static bool run_columns(moe_call *call, moe_sweep *s, running *r) {
  enum { BLOCKS = 16, COST = 1 << 18 };
  const moe_transpose *t = &s->transpose;
  if (t->n == 0) return true;
  double cost = (double)t->start[t->n] / (double)t->n * (double)s->plan.outputs;
  r->block = 1 + (size_t)(COST / cost);
  while (s->next < t->n) {
    size_t blocks = (t->n - s->next + r->block - 1) / r->block;
    if (blocks > BLOCKS) blocks = BLOCKS;
    r->first = s->next;
    moe_parallel(call, blocks, sum_columns, r);
    s->next += blocks * r->block;
    if (s->next < t->n && moe_call_pausing(call)) return false;
  }
  s->next = 0;
  return true;
}

/* A column's weights side by side, for rows that meet columns in no order. */
static void turn_weights(moe_sweep *s, const double *parameters) {
  size_t m = s->plan.outputs, n = s->columns;
  double *bias = s->turned + n * m;
  memcpy(bias, parameters + n * m, m * sizeof *bias);
  for (size_t k = 0; k < n; k++)
    for (size_t c = 0; c < m; c++) {
      double w = parameters[c * n + k] * s->factor[k];
      s->turned[k * m + c] = w;
      bias[c] -= w * s->centre[k];
    }
}

/* Both phases of a sparse sweep: residuals by rows, then sums by columns. */
static bool run_sparse(moe_call *call, moe_sweep *s, running *r) {
  if (!s->rows_done) {
    if (s->tally.next == 0) turn_weights(s, r->weights);
    if (!moe_tally_run(call, &s->tally, add_sparse, r, s->sums)) return false;
    s->rows_done = true;
  }
  if (!run_columns(call, s, r)) return false;
  s->rows_done = false;
  return true;
}

static double add_penalty(const moe_sweep *s, const double *w,
                          double *gradient) {
  size_t d = s->columns;
  double sum = 0;
  for (size_t c = 0; c < s->plan.outputs; c++, w += d, gradient += d)
    for (size_t j = 0; j < d; j++) {
      gradient[j] += s->penalty[j] * w[j];
      sum += s->penalty[j] * w[j] * w[j];
    }
  return sum / 2;
}

bool moe_sweep_run(moe_call *call, moe_sweep *s, const moe_loss *loss,
                   const double *parameters, double *gradient, double *value) {
  size_t m = s->plan.outputs, weights = s->columns * m;
  running r = {.sweep = s,
               .loss = loss,
               .weights = parameters,
               .residuals = s->residuals,
               .gradient = gradient};
  if (moe_sweep_is_sparse(s)) {
    if (!run_sparse(call, s, &r)) return false;
  } else {
    if (!moe_tally_run(call, &s->tally, add_dense, &r, s->sums)) return false;
    memcpy(gradient, s->sums, weights * sizeof *gradient);
  }
  const double *last = s->sums + s->tally.plan.length - m - 1;
  for (size_t c = 0; c < m; c++)
    gradient[weights + c] = s->plan.intercept ? last[c] : 0;
  *value = last[m];
  if (s->plan.l2 > 0) *value += add_penalty(s, parameters, gradient);
  return true;
}

/* Where the data have column k of the sweep. */
static size_t place_of(const moe_sweep *s, size_t k) {
  return moe_sweep_is_sparse(s) ? (size_t)s->transpose.column[k] : k;
}

void moe_sweep_export(const moe_sweep *s, const double *parameters,
                      double *weights, double *bias) {
  size_t m = s->plan.outputs, d = s->plan.batch->x.d;
  for (size_t c = 0; c < m; c++) {
    bias[c] = parameters[s->columns * m + c];
    for (size_t k = 0; k < s->columns; k++) {
      double w = parameters[c * s->columns + k] * s->factor[k];
      weights[c * d + place_of(s, k)] = w;
      bias[c] -= w * s->centre[k];
    }
  }
}

/* What stands at [c][j] of a matrix x with d columns; or how much
   more at [1][j] than at [0][j]. */
static double take(const double *x, size_t d, size_t c, size_t j, bool pair) {
  return pair ? x[d + j] - x[j] : x[c * d + j];
}

void moe_sweep_import(const moe_sweep *s, const moe_affine *a,
                      double *parameters) {
  size_t m = s->plan.outputs, d = s->plan.batch->x.d;
  bool pair = a->fitted.n_outputs > m;
  for (size_t c = 0; c < m; c++) {
    double *bias = &parameters[s->columns * m + c];
    *bias = s->plan.intercept ? take(a->bias, 1, c, 0, pair) : 0;
    for (size_t k = 0; k < s->columns; k++) {
      if (!(s->factor[k] > 0)) continue;
      double w = a->left * take(a->weights, d, c, place_of(s, k), pair);
      parameters[c * s->columns + k] = w / s->factor[k];
      *bias += w * s->centre[k];
    }
  }
}
