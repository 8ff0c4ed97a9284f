/* How well each expert did on each row: what the gate learns from.  The rows
   were unseen by the expert that answered. */
#include <math.h>

#include "mixture_fit.h"

/* A class that an expert thinks impossible costs it no more than this. */
static const double floor_share = 1e-6;

/* log p(y | x) with probabilities floored at 1e-6 / C and made to sum to 1
   again over the mixture's C classes. */
static double class_score(const moe_mixture *m, const moe_fitted *f,
                          const moe_label *truth, const double *p) {
  double classes = (double)m->fitted.n_outputs, least = floor_share / classes;
  double sum = least * (classes - (double)f->n_outputs);
  ptrdiff_t at = moe_labels_find(&f->labels, truth);
  for (size_t k = 0; k < f->n_outputs; k++) sum += fmax(p[k], least);
  return log((at >= 0 ? fmax(p[at], least) : least) / sum);
}

static double squared_error(const double *y, const double *p, size_t width) {
  double sum = 0;
  for (size_t k = 0; k < width; k++) sum += (y[k] - p[k]) * (y[k] - p[k]);
  return sum;
}

void moe__score_rows(const moe_mixture *m, const moe_fitted *f,
                     const moe_batch *batch, const int32_t *rows, size_t n,
                     const double *answers, size_t experts, size_t e,
                     double *scores) {
  const moe_target *y = batch->y;
  for (size_t i = 0; i < n; i++, answers += f->n_outputs) {
    size_t at = (size_t)rows[i];
    double *score = scores + at * experts + e;
    if (isnan(answers[0]))
      *score = NAN;
    else if (m->fitted.task == MOE_CLASSIFICATION)
      *score = class_score(m, f, &y->labels->items[y->ids[at]], answers);
    else
      *score = squared_error(y->values + at * y->width, answers, y->width);
  }
}

void moe__score_errors(const moe_mixture *m, const moe_batch *batch,
                       size_t experts, double *scores, double *noise) {
  double width = (double)m->fitted.n_outputs;
  for (size_t e = 0; e < experts; e++) {
    double sum = 0, weight = 0, variance;
    for (size_t i = 0; i < batch->x.n; i++) {
      double error = scores[moe_rows_at(&batch->x, i) * experts + e];
      if (isnan(error)) continue;
      sum += moe_batch_weight(batch, i) * error;
      weight += moe_batch_weight(batch, i) * width;
    }
    variance = weight > 0 ? fmax(sum / weight, 1e-24) : 1;
    noise[e] = sqrt(variance);
    for (size_t i = 0; i < batch->x.n; i++) {
      double *score = &scores[moe_rows_at(&batch->x, i) * experts + e];
      *score = -0.5 * (*score / variance + width * log(2 * M_PI * variance));
    }
  }
}

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
  if (objective == MOE_LIKELIHOOD) return;
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
