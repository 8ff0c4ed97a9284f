#include "affine.h"

#include <math.h>
#include <string.h>

#include "tally.h"
#include "threads.h"
#include "vector.h"

enum { TILE = 4096 /* doubles: rows that stay in the nearest cache */ };

moe_status moe_affine_prepare(moe_call *call, moe_affine *a) {
  size_t m = a->fitted.n_outputs;
  if (a->weights != NULL) return MOE_OK;
  MOE_TRY(moe_new_array(call, &a->weights, moe_size(m, a->fitted.n_features),
                        sizeof(double)));
  a->left = 1;
  return moe_new_array(call, &a->bias, m, sizeof(double));
}

moe_status moe_affine_visit(moe_affine *a, moe_visitor *v) {
  MOE_TRY(moe_fitted_visit(&a->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "left", MOE_F64, &a->left));
  MOE_TRY(moe_visit_array(v, "weights", MOE_F64, &a->weights,
                          moe_size(a->fitted.n_outputs, a->fitted.n_features)));
  return moe_visit_array(v, "bias", MOE_F64, &a->bias, a->fitted.n_outputs);
}

static bool all_finite(const double *x, size_t n) {
  for (size_t j = 0; j < n; j++)
    if (!isfinite(x[j])) return false;
  return true;
}

bool moe_affine_is_finite(const moe_affine *a) {
  size_t m = a->fitted.n_outputs;
  return a->left > 0 && isfinite(a->left) && all_finite(a->bias, m) &&
         all_finite(a->weights, m * a->fitted.n_features);
}

moe_status moe_affine_check(moe_call *call, const moe_object *o) {
  if (moe_affine_is_finite(o->state)) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "%s: a weight is not finite",
                  o->type->name);
}

static moe_status grow(moe_call *call, double **array, size_t n) {
  double *wider = moe_resize(*array, n, sizeof *wider);
  if (wider == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for a class");
  *array = wider;
  return MOE_OK;
}

/* Puts a row of zeros among `rows` rows of d. */
static void insert_row(double *x, size_t rows, size_t d, size_t position) {
  double *at = x + position * d;
  memmove(at + d, at, (rows - position) * d * sizeof *at);
  memset(at, 0, d * sizeof *at);
}

moe_status moe_affine_add_class(moe_call *call, moe_object *o,
                                size_t position) {
  moe_affine *a = o->state;
  size_t m = a->fitted.n_outputs, d = a->fitted.n_features;
  MOE_TRY(moe_affine_prepare(call, a));
  MOE_TRY(grow(call, &a->bias, m + 1));
  MOE_TRY(grow(call, &a->weights, moe_size(m + 1, d)));
  insert_row(a->bias, m, 1, position);
  insert_row(a->weights, m, d, position);
  return MOE_OK;
}

/* ------------------------------------------------------------------ answers */

/* One class after the other, so that the weights of one stay in the cache. */
static void multiply_sparse(const moe_affine *a, const moe_rows *x,
                            size_t first, size_t n, double *z) {
  size_t m = a->fitted.n_outputs;
  for (size_t c = 0; c < m; c++) {
    const double *w = a->weights + c * a->fitted.n_features;
    for (size_t i = 0; i < n; i++) {
      moe_entries e = moe_rows_entries(x, first + i);
      double sum = 0;
      for (size_t k = 0; k < e.n; k++)
        if (e.value[k] == e.value[k]) sum += (double)e.value[k] * w[e.index[k]];
      z[i * m + c] += sum;
    }
  }
}

static void fill_missing(double *x, size_t n, size_t d, const double *centre) {
  for (size_t i = 0; i < n; i++, x += d)
    for (size_t j = 0; j < d; j++) x[j] = x[j] == x[j] ? x[j] : centre[j];
}

static void add_bias(const moe_affine *a, size_t n, double *z) {
  size_t m = a->fitted.n_outputs;
  for (size_t i = 0; i < n; i++, z += m)
    for (size_t c = 0; c < m; c++)
      z[c] = moe_affine_limit(z[c] * a->left + a->bias[c]);
}

/* z of a few rows, which are in x where they are dense. */
static void answer_read(const moe_affine *a, const moe_rows *rows, size_t first,
                        size_t n, const double *centre, double *x, double *z) {
  size_t m = a->fitted.n_outputs, d = a->fitted.n_features;
  memset(z, 0, n * m * sizeof *z);
  if (rows->source == MOE_FROM_CSR) {
    multiply_sparse(a, rows, first, n, z);
  } else {
    if (centre != NULL) fill_missing(x, n, d, centre);
    moe_products(x, n, d, a->weights, m, z);
  }
  add_bias(a, n, z);
}

/* The same; x is room for them. */
static void answer(const moe_affine *a, const moe_rows *rows, size_t first,
                   size_t n, const double *centre, double *x, double *z) {
  if (rows->source != MOE_FROM_CSR) moe_rows_doubles(rows, first, n, x);
  answer_read(a, rows, first, n, centre, x, z);
}

typedef struct answering {
  const moe_affine *affine;
  const moe_rows *rows;
  const double *centre;
  double *x, *out;
  size_t tile, room; /* rows; doubles of x for a worker: none where sparse */
} answering;

static void answer_tile(void *context, size_t index, int worker) {
  const answering *q = context;
  const moe_fitted *f = &q->affine->fitted;
  size_t first = index * q->tile;
  size_t n = q->rows->n - first < q->tile ? q->rows->n - first : q->tile;
  answer(q->affine, q->rows, first, n, q->centre,
         q->x + (size_t)worker * q->room, q->out + first * f->n_outputs);
}

static size_t tile_rows(const moe_rows *x) {
  size_t rows = x->source == MOE_FROM_CSR ? 256 : TILE / (x->d + 1) / 4 * 4;
  if (rows < 4) rows = 4;
  return rows < x->n ? rows : x->n;
}

moe_status moe_affine_apply(moe_call *call, const moe_affine *a,
                            const moe_rows *x, const double *centre,
                            double *out) {
  size_t tile = tile_rows(x);
  answering q = {.affine = a,
                 .rows = x,
                 .centre = centre,
                 .out = out,
                 .tile = tile,
                 .room = x->source == MOE_FROM_CSR ? 0 : moe_size(tile, x->d)};
  moe_scratch_mark mark = moe_scratch_now(call);
  if (x->n == 0) return MOE_OK;
  size_t tiles = (x->n + tile - 1) / tile;
  size_t width = (size_t)moe_parallel_width(call, tiles);
  MOE_SCRATCH(call, q.x, moe_size(width, q.room));
  moe_parallel(call, tiles, answer_tile, &q);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* --------------------------------------------------------------- derivatives
 */

size_t moe_affine_n_weights(const moe_object *o) {
  const moe_affine *a = o->state;
  return a->fitted.n_outputs * (a->fitted.n_features + 1);
}

void moe_affine_get_weights(const moe_object *o, double *out) {
  const moe_affine *a = o->state;
  size_t m = a->fitted.n_outputs, n = m * a->fitted.n_features;
  for (size_t k = 0; k < n; k++) out[k] = a->left * a->weights[k];
  memcpy(out + n, a->bias, m * sizeof *out);
}

void moe_affine_set_weights(moe_object *o, const double *in) {
  moe_affine *a = o->state;
  size_t m = a->fitted.n_outputs, n = m * a->fitted.n_features;
  a->left = 1;
  memcpy(a->weights, in, n * sizeof *in);
  memcpy(a->bias, in + n, m * sizeof *in);
}

typedef struct deriving {
  const moe_affine *affine;
  const moe_batch *batch;
  const double *centre;
  const moe_loss *loss;
} deriving;

static void add_row(const moe_rows *rows, size_t i, const double *x,
                    double factor, double *w) {
  if (rows->source != MOE_FROM_CSR) {
    moe_axpy(factor, x, w, rows->d);
    return;
  }
  moe_entries e = moe_rows_entries(rows, i);
  for (size_t k = 0; k < e.n; k++) w[e.index[k]] += factor * (double)e.value[k];
}

/* Adds a tile's part to the derivatives by weights and biases, and its loss
   behind them. */
static void add_derivatives(const void *context, const moe_tile *tile,
                            double *sum) {
  const deriving *q = context;
  const moe_rows *rows = &q->batch->x;
  size_t m = q->affine->fitted.n_outputs, d = rows->d, n = tile->n;
  double *z = tile->work, *bias = sum + m * d;
  answer_read(q->affine, rows, tile->first, n, q->centre, tile->x, z);
  bias[m] += q->loss->residual(q->loss, q->batch, tile->first, n, z, z + n * m);
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < m; c++) bias[c] += z[i * m + c];
  if (rows->source != MOE_FROM_CSR) {
    moe_weighted_sums(z, n, m, tile->x, d, sum);
    return;
  }
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < m; c++)
      add_row(rows, tile->first + i, NULL, z[i * m + c], sum + c * d);
}

/* The loss is the last of the sums. */
static moe_status sum_derivatives(moe_call *call, const deriving *q,
                                  double *sums) {
  size_t m = q->affine->fitted.n_outputs, d = q->batch->x.d;
  bool sparse = q->batch->x.source == MOE_FROM_CSR;
  moe_tally_plan plan = {.rows = &q->batch->x,
                         .columns = sparse ? 0 : d,
                         .width = 2 * m,
                         .length = m * (d + 1) + 1,
                         .cost = m * d};
  moe_tally tally = {0};
  moe_status status = moe_tally_new(call, &plan, &tally);
  while (status == MOE_OK &&
         !moe_tally_run(call, &tally, add_derivatives, q, sums))
    status = moe_call_check(call);
  moe_tally_free(&tally);
  return status;
}

/* Each expert's probability in the mean of the rows, which have `weight`. */
static moe_status find_importance(moe_call *call, deriving q, double weight,
                                  double *sums, double *importance) {
  size_t m = q.affine->fitted.n_outputs;
  q.loss = &moe_importance;
  MOE_TRY(sum_derivatives(call, &q, sums));
  for (size_t e = 0; e < m; e++)
    importance[e] = sums[m * q.batch->x.d + e] / weight;
  return MOE_OK;
}

moe_status moe_affine_differentiate(moe_call *call, const moe_affine *a,
                                    const moe_batch *batch,
                                    const double *centre, bool intercept,
                                    const moe_loss *loss, double *value,
                                    double *gradient) {
  size_t m = a->fitted.n_outputs, n = m * (batch->x.d + 1);
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_loss own = *loss;
  deriving q = {a, batch, centre, &own};
  double *sums, *importance, weight = 0;
  MOE_SCRATCH(call, sums, n + 1);
  MOE_SCRATCH(call, importance, m);
  for (size_t i = 0; i < batch->x.n; i++) weight += moe_batch_weight(batch, i);
  if (own.terms.load_balance != 0 && weight > 0)
    MOE_TRY(find_importance(call, q, weight, sums, importance));
  own.importance = importance;
  MOE_TRY(sum_derivatives(call, &q, sums));
  *value = sums[n] + weight * moe_loss_of_balance(&own, m);
  memcpy(gradient, sums, n * sizeof *gradient);
  if (!intercept) memset(gradient + n - m, 0, m * sizeof *gradient);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* ------------------------------------------------------------------- gauges */

enum { SHOWN = 1 << 16 };

static bool is_binary(const moe_affine *a) {
  return a->fitted.task == MOE_CLASSIFICATION && a->fitted.n_outputs == 2;
}

static size_t count_shown(const moe_affine *a) {
  return is_binary(a) ? 1 : a->fitted.n_outputs;
}

/* What stands at [c][j] of x, a matrix with d columns. */
static moe_value show(const moe_affine *a, const double *x, size_t d, size_t c,
                      size_t j, double factor) {
  double value = is_binary(a) ? x[d + j] - x[j] : x[c * d + j];
  return moe_number_value(factor * value);
}

static moe_status show_weights(moe_call *call, const moe_affine *a, size_t c,
                               moe_value *out) {
  size_t d = a->fitted.n_features;
  MOE_TRY(moe_list_value(call, d, out));
  for (size_t j = 0; j < d; j++)
    out->items[j] = show(a, a->weights, d, c, j, a->left);
  return MOE_OK;
}

moe_status moe_affine_coefficients(moe_call *call, const moe_object *o,
                                   moe_value *out) {
  const moe_affine *a = o->state;
  *out = moe_text_value(NULL);
  if (a == NULL || a->weights == NULL) return MOE_OK;
  if (moe_size(a->fitted.n_outputs, a->fitted.n_features) > SHOWN)
    return MOE_OK;
  if (count_shown(a) == 1) return show_weights(call, a, 0, out);
  MOE_TRY(moe_list_value(call, a->fitted.n_outputs, out));
  for (size_t c = 0; c < a->fitted.n_outputs; c++)
    MOE_TRY(show_weights(call, a, c, &out->items[c]));
  return MOE_OK;
}

moe_status moe_affine_intercept(moe_call *call, const moe_object *o,
                                moe_value *out) {
  const moe_affine *a = o->state;
  *out = moe_text_value(NULL);
  if (a == NULL || a->bias == NULL || a->fitted.n_outputs > SHOWN)
    return MOE_OK;
  if (count_shown(a) == 1) {
    *out = show(a, a->bias, 1, 0, 0, 1);
    return MOE_OK;
  }
  MOE_TRY(moe_list_value(call, a->fitted.n_outputs, out));
  for (size_t c = 0; c < a->fitted.n_outputs; c++)
    out->items[c] = show(a, a->bias, 1, c, 0, 1);
  return MOE_OK;
}
