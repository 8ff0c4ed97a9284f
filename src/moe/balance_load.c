/* The load loss of noisy top-k: a smooth stand-in for the count of rows that
   select an expert. */
#include <string.h>

#include "balance.h"

static double normal_below(double x) { return erfc(-x * sqrt(0.5)) / 2; }

static double normal_density(double x) {
  return exp(-x * x / 2) * 0.39894228040143267794; /* 1 / √(2π) */
}

/* One expert of a row: who its rival is, and how far ahead it lies. */
typedef struct duel {
  size_t at, rival; /* in the arrays */
  double margin;    /* in deviations */
} duel;

/* The k-th highest of the other experts: the k+1-th of all for those among the
   first k, else the k-th. */
static duel face(const moe_load *l, size_t i, size_t e) {
  const double *z = l->noisy + i * l->experts;
  int32_t last = l->held[l->k - 1], next = l->held[l->k];
  bool among = z[e] > z[last] || (z[e] == z[last] && (int32_t)e <= last);
  duel d = {.at = i * l->experts + e,
            .rival = i * l->experts + (size_t)(among ? next : last)};
  d.margin = (l->logits[d.at] - l->noisy[d.rival]) / l->deviations[d.at];
  d.margin = fmax(-40, fmin(d.margin, 40)); /* where the density is 0 */
  return d;
}

static void add(double *to, size_t at, double x) {
  if (to != NULL) to[at] += x;
}

static void add_gradient(const moe_load *l, const duel *d, double slope) {
  double g = l->scale * slope * normal_density(d->margin);
  add(l->by_logits, d->at, g / l->deviations[d->at]);
  add(l->by_noisy, d->rival, -g / l->deviations[d->at]);
  add(l->by_deviations, d->at, -g * d->margin / l->deviations[d->at]);
}

/* The k + 1 highest of a row; false where some of these are not allowed. */
static bool rank(const moe_load *l, size_t i) {
  return moe_top(l->noisy + i * l->experts, 1, l->experts, l->k + 1, l->held) ==
         l->k + 1;
}

double moe_load_loss(const moe_load *l) {
  double *load = l->room, loss;
  if (l->k >= l->experts) return 0;
  memset(load, 0, l->experts * sizeof *load);
  for (size_t i = 0; i < l->n; i++) {
    if (!rank(l, i)) continue;
    for (size_t e = 0; e < l->experts; e++)
      load[e] += normal_below(face(l, i, e).margin);
  }
  loss = moe__square_variation(l->experts, load, load);
  for (size_t i = 0; i < l->n; i++) {
    if (!rank(l, i)) continue;
    for (size_t e = 0; e < l->experts; e++) {
      duel d = face(l, i, e);
      add_gradient(l, &d, load[e]);
    }
  }
  return loss;
}
