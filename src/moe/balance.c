#include "balance.h"

#include <string.h>

/* --------------------------------------------------------------- statistics
 */

/* Standard deviation of the population over the mean; 0 of nothing. */
static double variation(const double *x, size_t n) {
  double mean = 0, square = 0;
  for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
  for (size_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
  return mean > 0 ? sqrt(square / (double)n) / mean : 0;
}

static double normal_entropy(const double *p, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    if (p[i] > 0) sum -= p[i] * log(p[i]);
  return n > 1 ? sum / log((double)n) : 0;
}

static void divide(double *x, size_t n, double by) {
  for (size_t i = 0; by > 0 && i < n; i++) x[i] /= by;
}

double moe_maxvio(const double *load, size_t n) {
  double sum = 0, largest = 0;
  for (size_t e = 0; e < n; e++) {
    sum += load[e];
    largest = load[e] > largest ? load[e] : largest;
  }
  return sum > 0 ? largest / sum * (double)n - 1 : 0;
}

double moe__count_load(const moe_routing *r, double *load) {
  double chosen = 0;
  memset(load, 0, r->experts * sizeof *load);
  for (size_t i = 0; i < r->n * r->width; i++) {
    int32_t e = moe_selected(r->indices[i]);
    if (e < 0) continue;
    load[e]++;
    chosen++;
  }
  return chosen;
}

static double count_dropped(const moe_routing *r) {
  double n = 0;
  for (size_t i = 0; i < r->n * r->width; i++)
    n += moe_was_dropped(r->indices[i]);
  return n;
}

void moe_routing_balance(const moe_routing *r, moe_balance *out) {
  size_t n = r->experts;
  double chosen = moe__count_load(r, out->load), mass = 0;
  memset(out->importance, 0, n * sizeof *out->importance);
  out->rows = r->n;
  out->confidence = 0;
  out->dead = 0;
  for (size_t i = 0; i < r->n; i++) {
    const double *p = r->probs + i * n;
    double best = 0;
    for (size_t e = 0; e < n; e++) out->importance[e] += p[e];
    for (size_t e = 0; e < n; e++) best = p[e] > best ? p[e] : best;
    out->confidence += best;
  }
  for (size_t e = 0; e < n; e++) mass += out->importance[e];
  divide(&out->confidence, 1, (double)r->n);
  for (size_t e = 0; e < n; e++) out->dead += r->n > 0 && out->load[e] == 0;
  out->dropped = chosen > 0 ? count_dropped(r) / chosen : 0;
  divide(out->load, n, chosen);
  divide(out->importance, n, mass);
  out->cv_load = variation(out->load, n);
  out->cv_importance = variation(out->importance, n);
  out->maxvio = moe_maxvio(out->load, n);
  out->entropy = normal_entropy(out->importance, n);
}

/* ------------------------------------------------------------------- losses
 */

const char *const moe_loss_choices[] = {"switch",   "gshard",  "importance",
                                        "collapse", "entropy", NULL};

static double sum_row(const double *p, size_t n) {
  double sum = 0;
  for (size_t e = 0; e < n; e++) sum += p[e];
  return sum;
}

/* P: the mean of the rows, each divided by its sum. */
static void average(const moe_routing *r, double *mean) {
  memset(mean, 0, r->experts * sizeof *mean);
  for (size_t i = 0; i < r->n; i++) {
    const double *p = r->probs + i * r->experts;
    double sum = sum_row(p, r->experts);
    for (size_t e = 0; sum > MOE__LEAST_SUM && e < r->experts; e++)
      mean[e] += p[e] / sum / (double)r->n;
  }
}

static void count_first(const moe_routing *r, double *share) {
  double chosen = 0;
  memset(share, 0, r->experts * sizeof *share);
  for (size_t i = 0; r->width > 0 && i < r->n; i++) {
    int32_t e = moe_selected(r->indices[i * r->width]);
    if (e < 0) continue;
    share[e]++;
    chosen++;
  }
  divide(share, r->experts, chosen);
}

/* A loss that is E Σ share · P. */
static double weigh_mean(size_t n, const double *share, const double *mean,
                         double *slope) {
  double sum = 0;
  for (size_t e = 0; e < n; e++) {
    slope[e] = (double)n * share[e];
    sum += slope[e] * mean[e];
  }
  return sum;
}

/* CV² = n Σ x² / (Σ x)² − 1. */
double moe__square_variation(size_t n, const double *x, double *slope) {
  double total = sum_row(x, n), square = 0;
  if (!(total > 0)) {
    memset(slope, 0, n * sizeof *slope);
    return 0;
  }
  for (size_t i = 0; i < n; i++) square += x[i] / total * (x[i] / total);
  for (size_t i = 0; i < n; i++)
    slope[i] = 2 * (double)n * (x[i] / total - square) / total;
  return (double)n * square - 1;
}

/* An expert of probability 0 has no finite slope; it is given that of the
   smallest positive number that matters. */
static double slope_of_entropy(double p, size_t n) {
  return n > 1 ? (log(fmax(p, 1e-300)) + 1) / log((double)n) : 0;
}

static double measure_collapse(size_t n, const double *mean, double *slope) {
  for (size_t e = 0; e < n; e++) slope[e] = slope_of_entropy(mean[e], n);
  return n > 1 ? 1 - normal_entropy(mean, n) : 0;
}

/* Adds scale · the gradient by a row's probabilities p of a function that has
   the slope g by q = p / Σ p. */
static void add_through_sum(size_t n, const double *p, const double *g,
                            double scale, double *gradient) {
  double sum = sum_row(p, n), mean = 0;
  if (!(sum > MOE__LEAST_SUM)) return;
  for (size_t e = 0; e < n; e++) mean += g[e] * (p[e] / sum);
  for (size_t e = 0; e < n; e++) gradient[e] += scale * (g[e] - mean) / sum;
}

/* The one loss that is not a function of P. */
static double measure_entropy(const moe_routing *r, double *q, double *slope,
                              double scale, double *gradient) {
  size_t n = r->experts;
  double total = 0;
  for (size_t i = 0; i < r->n; i++) {
    const double *p = r->probs + i * n;
    memcpy(q, p, n * sizeof *q);
    divide(q, n, sum_row(p, n));
    total += normal_entropy(q, n) / (double)r->n;
    for (size_t e = 0; e < n; e++) slope[e] = -slope_of_entropy(q[e], n);
    if (gradient != NULL)
      add_through_sum(n, p, slope, scale / (double)r->n, gradient + i * n);
  }
  return total;
}

double moe_routing_loss(moe_balance_loss loss, const moe_routing *r,
                        double *room, double scale, double *gradient) {
  size_t n = r->experts;
  double *mean = room, *share = room + n, *slope = share + n, value;
  if (r->n == 0) return 0;
  if (loss == MOE_LOSS_ENTROPY)
    return measure_entropy(r, mean, slope, scale, gradient);
  average(r, mean);
  if (loss == MOE_LOSS_SWITCH)
    divide(share, n, moe__count_load(r, share));
  else if (loss == MOE_LOSS_GSHARD)
    count_first(r, share);
  if (loss == MOE_LOSS_IMPORTANCE)
    value = moe__square_variation(n, mean, slope);
  else if (loss == MOE_LOSS_COLLAPSE)
    value = measure_collapse(n, mean, slope);
  else
    value = weigh_mean(n, share, mean, slope);
  for (size_t i = 0; gradient != NULL && i < r->n; i++)
    add_through_sum(n, r->probs + i * n, slope, scale / (double)r->n,
                    gradient + i * n);
  return value;
}

/* ln Σ e^z, safe for any finite z and for -Inf among them. */
static double log_sum(const double *z, size_t n) {
  double top = -INFINITY, sum = 0;
  for (size_t e = 0; e < n; e++) top = z[e] > top ? z[e] : top;
  if (top == -INFINITY) return 0;
  for (size_t e = 0; e < n; e++) sum += exp(z[e] - top);
  return top + log(sum);
}

double moe_z_loss(size_t n, size_t experts, const double *logits, double scale,
                  double *gradient) {
  double total = 0;
  for (size_t i = 0; i < n; i++, logits += experts) {
    double l = log_sum(logits, experts);
    total += l * l / (double)n;
    if (gradient == NULL) continue;
    for (size_t e = 0; e < experts; e++)
      gradient[i * experts + e] +=
          scale * 2 * l * exp(logits[e] - l) / (double)n;
  }
  return total;
}
