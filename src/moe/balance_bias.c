/* The selection bias: how it follows the load.  It counts in the selection and
   nowhere else, so it mends the balance without a gradient that competes with
   the task's. */
#include <stdlib.h>

#include "balance.h"

static void centre(double *bias, size_t n) {
  double mean = 0;
  for (size_t e = 0; e < n; e++) mean += bias[e] / (double)n;
  for (size_t e = 0; e < n; e++) bias[e] -= mean;
}

static double sign(double x) { return (x > 0) - (x < 0); }

static void follow_load(bool by_sign, double rate, const moe_routing *r,
                        double *load, double *bias) {
  double chosen = moe__count_load(r, load);
  for (size_t e = 0; chosen > 0 && e < r->experts; e++) {
    double excess = 1 - load[e] / chosen * (double)r->experts;
    bias[e] += rate * (by_sign ? sign(excess) : excess);
  }
}

static int falling(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x < y) - (x > y);
}

size_t moe_bias_room(size_t n, size_t experts) {
  size_t rows = moe_size(n, 2), own = moe_size(experts, 2);
  return rows > SIZE_MAX - own ? SIZE_MAX : rows + own;
}

/* Where each column's ⌊k n / E⌋ best rows would just select it. */
static void follow_quantile(double rate, const moe_routing *r, double *room,
                            int32_t *held, double *bias) {
  size_t n = r->experts, k = r->width;
  size_t share = (size_t)((double)k * (double)r->n / (double)n);
  double *keys = room, *to = keys + n, *bar = to + n, *margins = bar + r->n;
  if (k >= n || share >= r->n) return;
  for (size_t i = 0; i < r->n; i++) {
    for (size_t e = 0; e < n; e++) keys[e] = r->probs[i * n + e] + bias[e];
    moe_top(keys, 1, n, k + 1, held);
    bar[i] = keys[held[k]];
  }
  for (size_t e = 0; e < n; e++) {
    for (size_t i = 0; i < r->n; i++) margins[i] = r->probs[i * n + e] - bar[i];
    qsort(margins, r->n, sizeof *margins, falling);
    to[e] = -margins[share];
  }
  centre(to, n);
  for (size_t e = 0; e < n; e++) bias[e] += rate * (to[e] - bias[e]);
}

void moe_bias_step(enum moe_bias_update update, double rate,
                   const moe_routing *r, double *room, int32_t *held,
                   double *bias) {
  if (update == MOE_BIAS_FIXED || r->n == 0) return;
  if (update == MOE_BIAS_QUANTILE)
    follow_quantile(rate, r, room, held, bias);
  else
    follow_load(update == MOE_BIAS_SIGN, rate, r, room, bias);
  centre(bias, r->experts);
}

void moe_bias_settle(const moe_route_config *config, moe_routing *r,
                     double *room, int32_t *held, double *bias) {
  moe_bias_step(MOE_BIAS_QUANTILE, 1, r, room, held, bias);
  for (size_t i = 0; i < r->n; i++)
    moe_route_row(config, r->experts, r->logits + i * r->experts, bias,
                  r->probs + i * r->experts, r->indices + i * r->width,
                  r->weights + i * r->width);
}
