/* How well each expert did on each row: what the gate learns from.  The rows
   were unseen by the expert that answered.

   Experts are of different candour: a forest says 0.7 where it is right nine
   times in ten, a linear model 0.99.  Before they are compared, each expert's
   probabilities are raised to the power that makes its unseen answers most
   likely (temperature scaling: Guo, Pleiss, Sun & Weinberger 2017, arXiv
   1706.04599), which changes no expert's first choice. */
#include <math.h>

#include "mixture_fit.h"

/* A class that an expert thinks impossible costs it no more than this. */
static const double floor_share = 1e-6;

moe_status moe__keep_answers(moe_call *call, const moe_mixture *m,
                             const moe_fitted *f, const int32_t *rows, size_t n,
                             const double *answers, float *kept) {
  size_t width = m->fitted.n_outputs;
  ptrdiff_t *column;
  MOE_SCRATCH(call, column, f->n_outputs);
  for (size_t k = 0; k < f->n_outputs; k++)
    column[k] = m->fitted.task == MOE_CLASSIFICATION
                    ? moe_labels_find(&m->fitted.labels, &f->labels.items[k])
                    : (ptrdiff_t)k;
  for (size_t i = 0; i < n; i++, answers += f->n_outputs) {
    float *row = kept + (size_t)rows[i] * width;
    for (size_t k = 0; k < width; k++) row[k] = 0;
    for (size_t k = 0; k < f->n_outputs; k++)
      if (column[k] >= 0) row[column[k]] = (float)answers[k];
    if (isnan(answers[0])) row[0] = NAN;
  }
  return MOE_OK;
}

/* ------------------------------------------------------------------- classes */

/* The floored log-probabilities of one row, from which scores are made. */
static double log_at(const float *row, size_t k, double least) {
  return log(fmax((double)row[k], least));
}

/* log Σ p^a over the classes, and the mean and variance of log p under p^a. */
static double log_sum(const float *row, size_t n, double least, double a,
                      double *mean, double *variance) {
  double top = -INFINITY, sum = 0, first = 0, second = 0;
  for (size_t k = 0; k < n; k++) top = fmax(top, log_at(row, k, least));
  for (size_t k = 0; k < n; k++) {
    double z = log_at(row, k, least) - top, p = exp(a * z);
    sum += p;
    first += p * z;
    second += p * z * z;
  }
  *mean = first / sum + top;
  *variance = second / sum - first / sum * (first / sum);
  return log(sum) + a * top;
}

/* The power a that maximises Σ w (a log p_y − log Σ p^a), which is concave in
   a: Newton's steps from 1, kept in [1/20, 20]. */
static double find_sharpness(const moe_mixture *m, const moe_batch *b,
                             const float *kept, double least) {
  size_t n = m->fitted.n_outputs;
  double a = 1;
  for (int round = 0; round < 30; round++) {
    double slope = 0, curve = 0, mean, variance, before = a;
    for (size_t i = 0; i < b->x.n; i++) {
      size_t at = moe_rows_at(&b->x, i);
      const float *row = kept + at * n;
      double w = moe_batch_weight(b, i);
      if (isnan(row[0]) || w == 0) continue;
      log_sum(row, n, least, a, &mean, &variance);
      slope += w * (log_at(row, (size_t)b->y->ids[at], least) - mean);
      curve += w * variance;
    }
    if (!(curve > 0)) return a;
    a = fmin(fmax(a + slope / curve, fmax(a / 2, 0.05)), fmin(2 * a, 20));
    if (fabs(a - before) < 1e-6) break;
  }
  return a;
}

void moe__score_classes(const moe_mixture *m, const moe_batch *batch,
                        bool calibrate, const float *kept, size_t experts,
                        size_t e, double *scores, double *sharpness) {
  size_t n = m->fitted.n_outputs;
  double least = floor_share / (double)n, mean, variance;
  double a = calibrate ? find_sharpness(m, batch, kept, least) : 1;
  *sharpness = a;
  for (size_t i = 0; i < batch->x.n; i++) {
    size_t at = moe_rows_at(&batch->x, i);
    const float *row = kept + at * n;
    scores[at * experts + e] =
        isnan(row[0])
            ? NAN
            : a * log_at(row, (size_t)batch->y->ids[at], least) -
                  log_sum(row, n, least, a, &mean, &variance);
  }
}

/* -------------------------------------------------------------------- values */

static double squared_error(const double *y, const float *p, size_t width) {
  double sum = 0;
  for (size_t k = 0; k < width; k++)
    sum += (y[k] - (double)p[k]) * (y[k] - (double)p[k]);
  return sum;
}

/* The variance of the expert's errors, over rows and outputs. */
static double find_variance(const moe_mixture *m, const moe_batch *batch,
                            const float *kept) {
  size_t width = m->fitted.n_outputs;
  double sum = 0, weight = 0;
  for (size_t i = 0; i < batch->x.n; i++) {
    size_t at = moe_rows_at(&batch->x, i);
    const float *row = kept + at * width;
    double w = moe_batch_weight(batch, i);
    if (isnan(row[0]) || w == 0) continue;
    sum += w * squared_error(batch->y->values + at * width, row, width);
    weight += w * (double)width;
  }
  return weight > 0 ? fmax(sum / weight, 1e-24) : 1;
}

void moe__score_values(const moe_mixture *m, const moe_batch *batch,
                       const float *kept, size_t experts, size_t e,
                       double *scores, double *noise) {
  size_t width = m->fitted.n_outputs;
  double variance = find_variance(m, batch, kept);
  double rest = (double)width * log(2 * M_PI * variance);
  *noise = sqrt(variance);
  for (size_t i = 0; i < batch->x.n; i++) {
    size_t at = moe_rows_at(&batch->x, i);
    const float *row = kept + at * width;
    double error = squared_error(batch->y->values + at * width, row, width);
    scores[at * experts + e] =
        isnan(row[0]) ? NAN : -0.5 * (error / variance + rest);
  }
}

void moe__score_errors(const moe_mixture *m, const moe_batch *batch,
                       const float *kept, size_t experts, size_t e,
                       double *scores, double *noise) {
  size_t width = m->fitted.n_outputs;
  *noise = sqrt(find_variance(m, batch, kept));
  for (size_t i = 0; i < batch->x.n; i++) {
    size_t at = moe_rows_at(&batch->x, i);
    const float *row = kept + at * width;
    const double *y = batch->y->values + at * width;
    double *errors = scores + (at * experts + e) * width;
    for (size_t o = 0; o < width; o++)
      errors[o] = isnan(row[0]) ? NAN : (double)row[o] - y[o];
  }
}

/* ---------------------------------------------------------------- objectives */

/* 0 for the best expert, the first of equals, and impossible for the rest. */
static void keep_best(double *row, size_t experts) {
  size_t best = 0;
  for (size_t e = 1; e < experts; e++)
    if (row[e] > row[best]) best = e;
  for (size_t e = 0; e < experts; e++) row[e] = e == best ? 0 : -INFINITY;
}

/* 0 for each expert that gave the truth at least half of the probability, and
   impossible for the rest: a row that all got wrong says nothing. */
static void keep_right(double *row, size_t experts) {
  for (size_t e = 0; e < experts; e++)
    row[e] = row[e] >= log(0.5) ? 0 : -INFINITY;
}

void moe__score_objective(int objective, const moe_batch *batch,
                          size_t experts, double *scores) {
  if (objective != MOE_BEST_EXPERT && objective != MOE_MULTI_HOT) return;
  for (size_t i = 0; i < batch->x.n; i++) {
    double *row = scores + moe_rows_at(&batch->x, i) * experts;
    bool known = true;
    for (size_t e = 0; e < experts; e++) known = known && !isnan(row[e]);
    if (!known) continue;
    if (objective == MOE_BEST_EXPERT)
      keep_best(row, experts);
    else
      keep_right(row, experts);
  }
}
