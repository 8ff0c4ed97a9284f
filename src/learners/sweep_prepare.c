/* What a sweep needs to know beforehand: each column's centre, factor and
   penalty, and sparse rows by columns. */
#include <math.h>

#include "sweep.h"

moe_status moe_sweep_new(moe_call *call, const moe_sweep_plan *plan,
                         moe_sweep *out) {
  const moe_rows *x = &plan->batch->x;
  *out = (moe_sweep){.plan = *plan, .columns = x->d};
  if (moe_sweep_is_sparse(out))
    return moe_transpose_new(call, x, &out->transpose);
  size_t length = moe_size(2, x->d) + 1, size = sizeof(double);
  moe_tally_plan means = {
      .rows = x, .columns = x->d, .length = length, .cost = x->d};
  MOE_TRY(moe_new_array(call, &out->centre, x->d, size));
  MOE_TRY(moe_new_array(call, &out->factor, x->d, size));
  MOE_TRY(moe_new_array(call, &out->penalty, x->d, size));
  MOE_TRY(moe_new_array(call, &out->sums, length, size));
  return moe_tally_new(call, &means, &out->tally);
}

void moe_sweep_free(moe_sweep *s) {
  moe_tally_free(&s->tally);
  moe_transpose_free(&s->transpose);
  moe_free(s->centre);
  moe_free(s->factor);
  moe_free(s->penalty);
  moe_free(s->residuals);
  moe_free(s->turned);
  moe_free(s->sums);
  *s = (moe_sweep){0};
}

/* Sums weighted values, the weights of the rows that have one, all weights. */
static void add_means(const void *context, const moe_tile *tile, double *sum) {
  const moe_sweep *s = context;
  size_t d = s->columns;
  double *present = sum + d;
  for (size_t i = 0; i < tile->n; i++) {
    const double *x = tile->x + i * d;
    double w = moe_batch_weight(s->plan.batch, tile->first + i);
    for (size_t j = 0; j < d; j++) {
      bool missing = x[j] != x[j];
      sum[j] += missing ? 0 : w * x[j];
      present[j] += missing ? 0 : w;
    }
    sum[2 * d] += w;
  }
}

static void add_squares(const void *context, const moe_tile *tile,
                        double *sum) {
  const moe_sweep *s = context;
  for (size_t i = 0; i < tile->n; i++) {
    const double *x = tile->x + i * s->columns;
    double w = moe_batch_weight(s->plan.batch, tile->first + i);
    for (size_t j = 0; j < s->columns; j++) sum[j] += w * x[j] * x[j];
  }
}

/* A column's share of the problem: with a penalty on w itself the factor also
   evens out what the penalty adds to the second derivative.  A column that is
   constant, up to rounding, or too large to square, has factor 0. */
static void scale_column(moe_sweep *s, size_t j, double variance) {
  const moe_sweep_plan *p = &s->plan;
  double ridge = p->standardize ? 0 : p->l2 / (p->curvature * s->weight);
  double rounding = 1e-13 * s->centre[j], scale = variance + ridge;
  bool flat = variance <= rounding * rounding || !isfinite(scale) ||
              !isfinite(s->centre[j]);
  s->factor[j] = flat ? 0 : 1 / sqrt(scale);
  if (!isfinite(s->factor[j])) s->factor[j] = 0;
  if (!isfinite(s->centre[j])) s->centre[j] = 0;
  s->penalty[j] = p->standardize ? p->l2 : p->l2 * s->factor[j] * s->factor[j];
}

/* Between the two passes over dense rows `penalty` holds the columns' weights
   of present values. */
static void take_means(moe_sweep *s) {
  size_t d = s->columns;
  s->weight = s->sums[2 * d] > 0 ? s->sums[2 * d] : 1;
  for (size_t j = 0; j < d; j++) {
    double present = s->sums[d + j] > 0 ? s->sums[d + j] : 1;
    s->centre[j] = s->plan.intercept ? s->sums[j] / present : 0;
    s->factor[j] = 1;
    s->penalty[j] = present;
  }
  s->tally.plan.centre = s->centre;
  s->tally.plan.factor = s->factor;
  s->centred = true;
}

/* The residuals' tally; of sparse rows it sums biases and loss only. */
static moe_status prepare_rows(moe_call *call, moe_sweep *s) {
  size_t m = s->plan.outputs, size = sizeof(double);
  bool sparse = moe_sweep_is_sparse(s);
  moe_tally_plan plan = {.rows = &s->plan.batch->x,
                         .columns = sparse ? 0 : s->columns,
                         .centre = s->centre,
                         .factor = s->factor,
                         .width = 2 * m};
  double average =
      (double)s->transpose.n == 0
          ? 0
          : (double)s->transpose.start[s->transpose.n] / (double)plan.rows->n;
  plan.cost = moe_size(m, sparse ? (size_t)average + 8 : s->columns);
  s->size = moe_size(s->columns + 1, m);
  plan.length = (sparse ? m : s->size) + 1;
  moe_tally_free(&s->tally);
  moe_free(s->sums);
  s->sums = NULL;
  MOE_TRY(moe_new_array(call, &s->sums, plan.length, size));
  if (sparse) {
    MOE_TRY(
        moe_new_array(call, &s->residuals, moe_size(plan.rows->n, m), size));
    MOE_TRY(moe_new_array(call, &s->turned, s->size, size));
  }
  s->prepared = true;
  return moe_tally_new(call, &plan, &s->tally);
}

static moe_status prepare_dense(moe_call *call, moe_sweep *s) {
  if (!s->centred) {
    if (!moe_tally_run(call, &s->tally, add_means, s, s->sums)) return MOE_OK;
    take_means(s);
  }
  if (!moe_tally_run(call, &s->tally, add_squares, s, s->sums)) return MOE_OK;
  for (size_t j = 0; j < s->columns; j++)
    scale_column(s, j, s->sums[j] / s->penalty[j]);
  return prepare_rows(call, s);
}

moe_status moe_sweep_adopt(moe_call *call, moe_sweep *s, double weight,
                           const double *centre, const double *variance) {
  s->weight = weight;
  for (size_t j = 0; j < s->columns; j++) {
    s->centre[j] = centre[j];
    scale_column(s, j, variance[j]);
  }
  return prepare_rows(call, s);
}

/* Centre and variance of a sparse column, absent values counted as zeros. */
static void measure_column(moe_sweep *s, size_t k) {
  const moe_transpose *t = &s->transpose;
  double sum = 0, squares = 0;
  for (int64_t at = t->start[k]; at < t->start[k + 1]; at++) {
    double value = (double)t->value[at];
    double w = moe_batch_weight(s->plan.batch, (size_t)t->row[at]);
    sum += w * value;
    squares += w * value * value;
  }
  sum /= s->weight;
  squares /= s->weight;
  s->centre[k] = s->plan.intercept ? sum : 0;
  double variance = squares - s->centre[k] * s->centre[k];
  scale_column(s, k, variance > 1e-12 * squares ? variance : 0);
}

static moe_status prepare_sparse(moe_call *call, moe_sweep *s) {
  const moe_batch *b = s->plan.batch;
  bool done;
  MOE_TRY(moe_transpose_run(call, &s->transpose, &done));
  if (!done) return MOE_OK;
  s->columns = s->transpose.n;
  MOE_TRY(moe_new_array(call, &s->centre, s->columns, sizeof(double)));
  MOE_TRY(moe_new_array(call, &s->factor, s->columns, sizeof(double)));
  MOE_TRY(moe_new_array(call, &s->penalty, s->columns, sizeof(double)));
  for (size_t i = 0; i < b->x.n; i++) s->weight += moe_batch_weight(b, i);
  if (!(s->weight > 0)) s->weight = 1;
  for (size_t k = 0; k < s->columns; k++) measure_column(s, k);
  return prepare_rows(call, s);
}

moe_status moe_sweep_prepare(moe_call *call, moe_sweep *s) {
  if (s->prepared) return MOE_OK;
  return moe_sweep_is_sparse(s) ? prepare_sparse(call, s)
                                : prepare_dense(call, s);
}
