/* How well each expert did on each row: what the gate learns from.  The rows
   were unseen by the expert that answered.

   Experts are of different candour: a forest says 0.7 where it is right nine
   times in ten, a linear model 0.99.  Before they are compared, each expert's
   probabilities are raised to the power that makes its unseen answers most
   likely (temperature scaling: Guo, Pleiss, Sun & Weinberger 2017, arXiv
   1706.04599), which changes no expert's first choice. */
#include <math.h>

#include "frame.h"
#include "mixture_fit.h"
#include "vector.h"

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
      if (column[k] >= 0) row[column[k]] = moe_narrow(answers[k]);
    if (isnan(answers[0])) row[0] = NAN;
  }
  return MOE_OK;
}

/* ------------------------------------------------------------------- classes
 */

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

void moe__sharpness_add(const moe_mixture *m, const moe_batch *batch,
                        const float *kept, size_t first, size_t n,
                        moe_sharpness *s) {
  size_t classes = m->fitted.n_outputs;
  double least = floor_share / (double)classes, mean, variance;
  for (size_t i = first; i < first + n; i++) {
    size_t at = moe_rows_at(&batch->x, i);
    const float *row = kept + at * classes;
    double w = moe_batch_weight(batch, i);
    if (isnan(row[0]) || w == 0) continue;
    log_sum(row, classes, least, s->power, &mean, &variance);
    s->slope += w * (log_at(row, (size_t)batch->y->ids[at], least) - mean);
    s->curve += w * variance;
  }
}

/* Σ w (a log p_y − log Σ p^a) is concave in a: Newton's steps from 1, kept in
   [1/20, 20]. */
bool moe__sharpness_step(moe_sharpness *s) {
  double before = s->power, to;
  if (!(s->curve > 0)) return true;
  to = before + s->slope / s->curve;
  to = fmin(fmax(to, before / 2), 2 * before);
  s->power = fmin(fmax(to, 0.05), 20);
  s->slope = s->curve = 0;
  return ++s->round == 30 || fabs(s->power - before) < 1e-6;
}

static double class_score(const moe_scoring *s, const float *row,
                          int32_t truth) {
  size_t n = s->m->fitted.n_outputs;
  double least = floor_share / (double)n, mean, variance;
  return s->candour * log_at(row, (size_t)truth, least) -
         log_sum(row, n, least, s->candour, &mean, &variance);
}

/* -------------------------------------------------------------------- values
 */

static double squared_error(const double *y, const float *p, size_t width) {
  double sum = 0;
  for (size_t k = 0; k < width; k++)
    sum += (y[k] - (double)p[k]) * (y[k] - (double)p[k]);
  return sum;
}

double moe__deviation_of(double variance, double least) {
  return sqrt(fmin(fmax(variance, least), 1e300));
}

/* Of float32 answers to targets of that size, an error that is nothing. */
static const double LEAST_ERROR = 1e-24;

/* Means as they run, so that no weights are too large to be summed. */
double moe__find_noise(const moe_mixture *m, const moe_batch *batch,
                       const float *kept) {
  size_t width = m->fitted.n_outputs;
  double weight = 0, errors = 0, targets = 0;
  for (size_t i = 0; i < batch->x.n; i++) {
    size_t at = moe_rows_at(&batch->x, i);
    const double *y = batch->y->values + at * width;
    const float *row = kept + at * width;
    double w = moe_batch_weight(batch, i);
    if (isnan(row[0]) || w == 0) continue;
    weight += w;
    errors += w / weight * (squared_error(y, row, width) - errors);
    targets += w / weight * (moe_dot(y, y, width) - targets);
  }
  if (weight == 0) return 1;
  double least = LEAST_ERROR * (targets > 0 ? targets : 1);
  return moe__deviation_of(errors / (double)width, least / (double)width);
}

static double value_score(const moe_scoring *s, const float *row,
                          const double *y) {
  double width = (double)s->m->fitted.n_outputs;
  double variance = s->candour * s->candour;
  return -0.5 * (squared_error(y, row, s->m->fitted.n_outputs) / variance +
                 width * log(2 * M_PI * variance));
}

/* --------------------------------------------------------------------- scores
 */

static void score_row(const moe_scoring *s, size_t at) {
  const moe_target *y = s->batch->y;
  size_t width = s->m->fitted.n_outputs, place = at * s->experts + s->e;
  const float *row = s->kept + at * width;
  const double *values = y->values + at * width;
  for (size_t o = 0; o < s->errors; o++)
    s->scores[place * s->errors + o] =
        isnan(row[0]) ? NAN : ((double)row[o] - values[o]) / s->candour;
  if (s->errors > 0) return;
  s->scores[place] = isnan(row[0])    ? NAN
                     : y->ids != NULL ? class_score(s, row, y->ids[at])
                                      : value_score(s, row, values);
}

void moe__score_rows(const moe_scoring *s, size_t first, size_t n) {
  for (size_t i = first; i < first + n; i++)
    score_row(s, moe_rows_at(&s->batch->x, i));
}

/* ---------------------------------------------------------------- objectives
 */

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

/* 0 for the expert whose row it is, and impossible for the rest: a row that is
   nobody's says nothing. */
static void keep_own(double *row, size_t experts, int32_t own) {
  for (size_t e = 0; e < experts; e++)
    row[e] = own < 0 ? NAN : own == (int32_t)e ? 0 : -INFINITY;
}

static void keep_owners(const moe_batch *batch, size_t experts,
                        double *scores) {
  for (size_t i = 0; i < batch->x.n; i++) {
    size_t at = moe_rows_at(&batch->x, i);
    keep_own(scores + at * experts, experts, batch->subset[at]);
  }
}

void moe__score_objective(int objective, const moe_batch *batch, size_t experts,
                          double *scores) {
  if (objective == MOE_OWN_SUBSET) keep_owners(batch, experts, scores);
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
