/* How naive Bayes answers: log p(c) + Σ_j log p(x_j | c), made to sum to 1. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "class_weight.h"
#include "naive_bayes.h"
#include "threads.h"
#include "vector.h"

static const double TWO_PI = 6.28318530717958647693;

/* log p(c), up to what all classes share. */
static void log_priors(const moe_naive_bayes_params *p,
                       const moe_naive_bayes_model *m, double *out) {
  double sum = 0;
  for (size_t c = 0; c < m->fitted.n_outputs; c++) {
    out[c] = p->priors.items == NULL
                 ? m->weight[c]
                 : moe_class_weight_of(&p->priors, &m->fitted.labels.items[c]);
    sum += out[c];
  }
  for (size_t c = 0; c < m->fitted.n_outputs; c++) out[c] = log(out[c] / sum);
}

/* What the answers to all rows of a call are computed from. */
typedef struct scoring {
  const moe_naive_bayes_model *m;
  const moe_rows *x;
  double *prior;                     /* a class */
  double *mean, *precision, *height; /* gaussian, a class and column: log p is
                                        height − precision (x − mean)² */
  double *log_total;                 /* multinomial, a class */
  double *log_share; /* log q, a class and column; NULL: not yet */
  double alpha;
  size_t tile;  /* rows of a piece */
  double *rows; /* a worker: tile × d */
  double *out;
} scoring;

/* Numbers, and rows, of a piece, at most: they stay in the nearest cache. */
enum { NUMBERS = 4096, MOST_ROWS = 64 };

/* Mean and variance of a column over all classes. */
typedef struct pool {
  double count, mean, variance;
} pool;

static pool pool_column(const moe_naive_bayes_model *m, size_t j) {
  size_t d = m->fitted.n_features;
  pool all = {0};
  for (size_t c = 0; c < m->fitted.n_outputs; c++) {
    size_t k = c * d + j;
    if (m->count[k] == 0) continue;
    double away = m->mean[k] - all.mean;
    all.count += m->count[k];
    double share = m->count[k] / all.count;
    all.mean += share * away;
    all.variance +=
        share * ((1 - share) * away * away + m->variance[k] - all.variance);
  }
  return all;
}

static void shape_columns(const moe_naive_bayes_params *p, scoring *s,
                          const pool *all) {
  const moe_naive_bayes_model *m = s->m;
  size_t d = m->fitted.n_features;
  double most = 0;
  for (size_t j = 0; j < d; j++) most = fmax(most, all[j].variance);
  double added = most > 0 ? fmax(p->smoothing * most, DBL_MIN) : 1;
  for (size_t k = 0; k < d * m->fitted.n_outputs; k++) {
    const pool *column = &all[k % d];
    bool seen = m->count[k] > 0;
    double variance = (seen ? m->variance[k] : column->variance) + added;
    if (column->count == 0 || moe_nb_is_nominal(m, k % d)) continue;
    s->mean[k] = seen ? m->mean[k] : column->mean;
    s->precision[k] = 0.5 / variance;
    s->height[k] = -0.5 * log(TWO_PI * variance);
  }
}

static moe_status prepare_gaussian(moe_call *call,
                                   const moe_naive_bayes_params *p,
                                   scoring *s) {
  size_t d = s->x->d, n = moe_size(d, s->m->fitted.n_outputs);
  pool *all;
  MOE_SCRATCH(call, s->mean, n);
  MOE_SCRATCH(call, s->precision, n);
  MOE_SCRATCH(call, s->height, n);
  MOE_SCRATCH(call, all, d);
  for (size_t j = 0; j < d; j++) all[j] = pool_column(s->m, j);
  shape_columns(p, s, all);
  return MOE_OK;
}

/* log q of a class's column, in place of the count. */
static double log_share(const scoring *s, size_t c, double count) {
  return log(count + s->alpha) - s->log_total[c];
}

static void fill_class(void *context, size_t c, int worker) {
  const scoring *s = context;
  size_t d = s->x->d;
  (void)worker;
  for (size_t k = c * d; k < (c + 1) * d; k++)
    if (!moe_nb_is_nominal(s->m, k % d))
      s->log_share[k] = log_share(s, c, s->m->count[k]);
}

/* All logarithms at once, unless the rows are sparse and ask for a few. */
static moe_status prepare_multinomial(moe_call *call, scoring *s) {
  size_t d = s->x->d, classes = s->m->fitted.n_outputs, asked = 0, counts = d;
  for (size_t j = 0; j < d; j++) counts -= moe_nb_is_nominal(s->m, j);
  MOE_SCRATCH(call, s->log_total, classes);
  for (size_t c = 0; c < classes; c++)
    s->log_total[c] = log(s->m->total[c] + s->alpha * (double)counts);
  for (size_t i = 0; i < s->x->n && asked < d; i++)
    asked += moe_nb_is_sparse(s->x) ? moe_rows_entries(s->x, i).n : d;
  if (asked < d) return MOE_OK;
  MOE_SCRATCH(call, s->log_share, moe_size(d, classes));
  moe_parallel(call, classes, fill_class, s);
  return MOE_OK;
}

/* Σ_j log p(x_j | c) over the columns that are present. */
static double score_values(const scoring *s, size_t c, const double *x) {
  enum { LANES = 4 };
  size_t d = s->x->d, j = 0;
  const double *mean = s->mean + c * d, *height = s->height + c * d;
  const double *precision = s->precision + c * d;
  double lane[LANES] = {0};
  for (; j + LANES <= d; j += LANES)
    for (size_t l = 0; l < LANES; l++) {
      double away = x[j + l] - mean[j + l];
      double log_p = height[j + l] - precision[j + l] * (away * away);
      lane[l] += x[j + l] == x[j + l] ? log_p : 0;
    }
  for (; j < d; j++) {
    double away = x[j] - mean[j];
    lane[0] += isnan(x[j]) ? 0 : height[j] - precision[j] * (away * away);
  }
  return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

static double score_entries(const scoring *s, size_t c, moe_entries e) {
  const double *count = s->m->count + c * s->x->d;
  const double *known =
      s->log_share != NULL ? s->log_share + c * s->x->d : NULL;
  double sum = 0;
  for (size_t k = 0; k < e.n; k++) {
    double x = (double)e.value[k];
    size_t j = (size_t)e.index[k];
    if (isnan(x)) continue;
    sum += x * (known != NULL ? known[j] : log_share(s, c, count[j]));
  }
  return sum;
}

/* log p(v | c) of a nominal column's level, whose code is x. */
static double score_level(const scoring *s, size_t c, size_t j, double x) {
  const moe_naive_bayes_model *m = s->m;
  const int64_t *known = m->fitted.intake.start, *start = m->start;
  size_t code = (size_t)x;
  double levels = (double)(known[j + 1] - known[j]), count = 0;
  if (m->slots > 0 && code < (size_t)(start[j + 1] - start[j]))
    count = m->level[c * m->slots + (size_t)start[j] + code];
  return log(count + s->alpha) -
         log(m->count[c * s->x->d + j] + s->alpha * levels);
}

static void score_levels(const scoring *s, const double *x, double *out) {
  for (size_t j = 0; j < s->x->d; j++)
    for (size_t c = 0; moe_nb_is_nominal(s->m, j) && !isnan(x[j]) &&
                       c < s->m->fitted.n_outputs;
         c++)
      out[c] += score_level(s, c, j, x[j]);
}

/* Adds to `out` what the rows of a piece say for each class. */
static void score_dense(const scoring *s, size_t first, size_t n, double *x,
                        double *out) {
  size_t d = s->x->d, classes = s->m->fitted.n_outputs;
  bool counts = s->m->distribution == MOE_NB_MULTINOMIAL;
  moe_rows_doubles(s->x, first, n, x);
  for (size_t i = 0; s->m->slots > 0 && i < n; i++)
    score_levels(s, x + i * d, out + i * classes);
  for (size_t k = 0; k < n * d; k++)
    x[k] = counts && isnan(x[k]) ? 0 : moe_nb_limited(x[k]);
  if (counts) {
    moe_products(x, n, d, s->log_share, classes, out);
    return;
  }
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < classes; c++)
      out[i * classes + c] += score_values(s, c, x + i * d);
}

static void score_sparse(const scoring *s, size_t first, size_t n,
                         double *out) {
  size_t classes = s->m->fitted.n_outputs;
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < classes; c++)
      out[i * classes + c] +=
          score_entries(s, c, moe_rows_entries(s->x, first + i));
}

static void score_piece(void *context, size_t piece, int worker) {
  const scoring *s = context;
  size_t classes = s->m->fitted.n_outputs, first = piece * s->tile;
  size_t n = s->x->n - first < s->tile ? s->x->n - first : s->tile;
  double *out = s->out + first * classes;
  for (size_t i = 0; i < n; i++)
    memcpy(out + i * classes, s->prior, classes * sizeof *out);
  if (s->m->distribution == MOE_NB_MULTINOMIAL && moe_nb_is_sparse(s->x))
    score_sparse(s, first, n, out);
  else
    score_dense(s, first, n, s->rows + (size_t)worker * s->tile * s->x->d, out);
  moe_softmax(out, n, classes);
}

moe_status moe__naive_bayes_predict(moe_call *call, const moe_object *o,
                                    const moe_rows *x, double *out) {
  const moe_naive_bayes_params *p = o->params;
  moe_scratch_mark mark = moe_scratch_now(call);
  scoring s = {.m = o->state, .x = x, .alpha = p->alpha, .out = out};
  MOE_TRY(moe__naive_bayes_check(call, s.m, x));
  s.tile = NUMBERS / x->d < 1 ? 1 : NUMBERS / x->d;
  if (s.tile > MOST_ROWS) s.tile = MOST_ROWS;
  size_t pieces = (x->n + s.tile - 1) / s.tile;
  size_t workers = (size_t)moe_parallel_width(call, pieces);
  MOE_SCRATCH(call, s.prior, s.m->fitted.n_outputs);
  MOE_SCRATCH(call, s.rows, moe_size(workers * s.tile, x->d));
  log_priors(p, s.m, s.prior);
  MOE_TRY(s.m->distribution == MOE_NB_GAUSSIAN ? prepare_gaussian(call, p, &s)
                                               : prepare_multinomial(call, &s));
  moe_parallel(call, pieces, score_piece, &s);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe__naive_bayes_predict_one(moe_call *call, const moe_object *o,
                                        const double *x, double *out) {
  const moe_naive_bayes_model *m = o->state;
  moe_rows row = moe_rows_of_doubles(x, 1, m->fitted.n_features);
  return moe__naive_bayes_predict(call, o, &row, out);
}
