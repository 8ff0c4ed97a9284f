#include "loss.h"

#include <math.h>
#include <string.h>

#include "vector.h"

/* Makes the largest of m logits 0 and returns what it was. */
static double subtract_most(double *z, size_t m) {
  double most = z[0];
  for (size_t c = 1; c < m; c++) most = z[c] > most ? z[c] : most;
  for (size_t c = 0; c < m; c++) z[c] -= most;
  return most;
}

/* Divides m exponentials by their sum, which it returns. */
static double divide_by_sum(double *z, size_t m) {
  double sum = 0;
  for (size_t c = 0; c < m; c++) sum += z[c];
  for (size_t c = 0; c < m; c++) z[c] /= sum;
  return sum;
}

/* ------------------------------------------------------ numbers and classes */

static double squared(const moe_loss *loss, const moe_batch *batch,
                      size_t first, size_t n, double *z, double *spare) {
  size_t m = batch->y->width;
  double sum = 0;
  (void)loss;
  (void)spare;
  for (size_t i = 0; i < n; i++, z += m) {
    const double *y = batch->y->values + moe_rows_at(&batch->x, first + i) * m;
    double w = moe_batch_weight(batch, first + i);
    for (size_t c = 0; c < m; c++) {
      double error = z[c] - y[c];
      sum += w * error * error / 2;
      z[c] = w * error;
    }
  }
  return sum;
}

static double class(const moe_loss *loss, const moe_batch *batch, size_t first,
                    size_t n, double *z, double *spare) {
  size_t m = batch->y->labels->n;
  double total = 0;
  (void)loss;
  for (size_t i = 0; i < n; i++) {
    subtract_most(z + i * m, m);
    spare[i] =
        z[i * m + (size_t)batch->y->ids[moe_rows_at(&batch->x, first + i)]];
  }
  moe_exp(z, n * m);
  for (size_t i = 0; i < n; i++, z += m) {
    double w = moe_batch_weight(batch, first + i);
    total += w * (log(divide_by_sum(z, m)) - spare[i]);
    moe_scale(w, z, m);
    z[batch->y->ids[moe_rows_at(&batch->x, first + i)]] -= w;
  }
  return total;
}

static double binary(const moe_loss *loss, const moe_batch *batch, size_t first,
                     size_t n, double *z, double *spare) {
  double total = 0;
  (void)loss;
  for (size_t i = 0; i < n; i++) spare[i] = -fabs(z[i]);
  moe_exp(spare, n);
  for (size_t i = 0; i < n; i++) {
    double w = moe_batch_weight(batch, first + i), odds = spare[i];
    double y = batch->y->ids[moe_rows_at(&batch->x, first + i)];
    double p = (z[i] < 0 ? odds : 1) / (1 + odds);
    total += w * (log(1 + odds) + fmax(z[i], 0) - y * z[i]);
    z[i] = w * (p - y);
  }
  return total;
}

/* -------------------------------------------------------------------- gates
   Each objective makes z the probabilities g, and `slope` the derivatives. */

/* z plus the log-likelihoods v, up to a constant of the row; z alone, which
   makes the derivatives 0, where v is not a number or all of it is -Inf. */
static void add_likelihood(const double *v, const double *z, size_t m,
                           double *sum) {
  double most = -INFINITY;
  bool known = true;
  for (size_t e = 0; e < m; e++) {
    most = v[e] > most ? v[e] : most;
    known = known && v[e] == v[e];
  }
  known = known && isfinite(most);
  for (size_t e = 0; e < m; e++) sum[e] = known ? z[e] + (v[e] - most) : z[e];
}

static double likelihood(const moe_batch *batch, size_t first, size_t n,
                         double *z, double *slope) {
  size_t m = batch->y->width;
  double total = 0;
  for (size_t i = 0; i < n; i++) {
    const double *v = batch->y->values + moe_rows_at(&batch->x, first + i) * m;
    double w = moe_batch_weight(batch, first + i), *own = z + i * m;
    add_likelihood(v, own, m, slope + i * m);
    total += w * subtract_most(own, m);
    total -= w * subtract_most(slope + i * m, m);
  }
  moe_exp(z, n * m);
  moe_exp(slope, n * m);
  for (size_t i = 0; i < n; i++, z += m, slope += m) {
    double w = moe_batch_weight(batch, first + i);
    total += w * (log(divide_by_sum(z, m)) - log(divide_by_sum(slope, m)));
    for (size_t e = 0; e < m; e++) slope[e] = w * (z[e] - slope[e]);
  }
  return total;
}

/* −Σ_e h_e log g_e, with the shares h = softmax(v); rows where v is not known
   say nothing. */
static double cross_entropy(const moe_batch *batch, size_t first, size_t n,
                            double *z, double *slope) {
  size_t m = batch->y->width;
  double total = 0;
  moe_softmax(z, n, m);
  for (size_t i = 0; i < n; i++, z += m, slope += m) {
    const double *v = batch->y->values + moe_rows_at(&batch->x, first + i) * m;
    double w = moe_batch_weight(batch, first + i);
    bool known = true;
    for (size_t e = 0; e < m; e++) known = known && v[e] == v[e];
    memcpy(slope, known ? v : z, m * sizeof *v);
    if (known) moe_softmax(slope, 1, m);
    for (size_t e = 0; e < m; e++) {
      double h = slope[e];
      if (known && h > 0) total -= w * h * log(fmax(z[e], 1e-300));
      slope[e] = w * (z[e] - h);
    }
  }
  return total;
}

/* Half of the mixture's squared error s = Σ_e g_e r_e in a row, and its
   derivative by each logit, s (r_e − s), but for the factor g_e; summed over
   the errors that each expert makes there. */
static double mix_errors(const double *r, const double *g, size_t m,
                         size_t errors, double *slope) {
  double half = 0;
  memset(slope, 0, m * sizeof *slope);
  for (size_t o = 0; o < errors; o++, r++) {
    double mixed = 0;
    for (size_t e = 0; e < m; e++) mixed += g[e] * r[e * errors];
    half += mixed * mixed / 2;
    for (size_t e = 0; e < m; e++) slope[e] += mixed * (r[e * errors] - mixed);
  }
  return half;
}

/* Rows whose errors are not all known say nothing. */
static double error(const moe_batch *batch, size_t first, size_t n, double *z,
                    double *slope) {
  size_t m = batch->y->width, errors = batch->y->errors;
  double total = 0;
  moe_softmax(z, n, m);
  for (size_t i = 0; i < n; i++, z += m, slope += m) {
    size_t at = moe_rows_at(&batch->x, first + i);
    double w = moe_batch_weight(batch, first + i);
    double half =
        mix_errors(batch->y->values + at * m * errors, z, m, errors, slope);
    bool known = isfinite(half);
    total += known ? w * half : 0;
    for (size_t e = 0; e < m; e++) slope[e] = known ? w * z[e] * slope[e] : 0;
  }
  return total;
}

/* The derivative of N Σ P² of the mean over all rows by a logit of one of them
   is that of N times Σ_e 2 P_e g_e. */
static void add_balance(const moe_loss *loss, double w, const double *g,
                        size_t m, double *slope) {
  double mean = 0, factor = 2 * (double)m * w * loss->terms.load_balance;
  for (size_t e = 0; e < m; e++) mean += loss->importance[e] * g[e];
  for (size_t e = 0; e < m; e++)
    slope[e] += factor * g[e] * (loss->importance[e] - mean);
}

static double add_entropy(const moe_loss *loss, double w, const double *g,
                          size_t m, double *slope) {
  double entropy = 0, factor = w * loss->terms.entropy;
  for (size_t e = 0; e < m; e++) entropy -= g[e] > 0 ? g[e] * log(g[e]) : 0;
  for (size_t e = 0; e < m; e++)
    slope[e] += g[e] > 0 ? factor * g[e] * (log(g[e]) + entropy) : 0;
  return -factor * entropy;
}

static double gate(const moe_loss *loss, const moe_batch *batch, size_t first,
                   size_t n, double *z, double *spare) {
  size_t m = batch->y->width;
  double total = batch->y->errors > 0 ? error(batch, first, n, z, spare)
                 : batch->y->soft     ? cross_entropy(batch, first, n, z, spare)
                                      : likelihood(batch, first, n, z, spare);
  for (size_t i = 0; i < n; i++) {
    double w = moe_batch_weight(batch, first + i);
    if (loss->terms.load_balance != 0)
      add_balance(loss, w, z + i * m, m, spare + i * m);
    if (loss->terms.entropy != 0)
      total += add_entropy(loss, w, z + i * m, m, spare + i * m);
  }
  memcpy(z, spare, n * m * sizeof *z);
  return total;
}

static double importance(const moe_loss *loss, const moe_batch *batch,
                         size_t first, size_t n, double *z, double *spare) {
  size_t m = batch->y->width;
  (void)loss;
  (void)spare;
  moe_softmax(z, n, m);
  for (size_t i = 0; i < n; i++)
    moe_scale(moe_batch_weight(batch, first + i), z + i * m, m);
  return 0;
}

const moe_loss moe_squared_loss = {.residual = squared};
const moe_loss moe_class_loss = {.residual = class};
const moe_loss moe_binary_loss = {.residual = binary};
const moe_loss moe_importance = {.residual = importance};

moe_loss moe_gate_loss(const moe_target *target, const moe_gate_terms *terms) {
  moe_loss loss = {.residual = gate};
  if (target->width > 1) loss.terms = *terms;
  return loss;
}

double moe_loss_of_balance(const moe_loss *loss, size_t experts) {
  double squares = 0;
  if (loss->terms.load_balance == 0) return 0;
  for (size_t e = 0; e < experts; e++)
    squares += loss->importance[e] * loss->importance[e];
  return loss->terms.load_balance * (double)experts * squares;
}
