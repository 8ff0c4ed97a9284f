/* Losses of streaming boosted trees: their derivatives at a running score, and
   the constant that all scores begin with, fitted to the first rows. */
#include <math.h>
#include <string.h>

#include "sgbt.h"
#include "vector.h"

static const double largest = 1e100;

static double clamp(double x, double limit) {
  return x > limit ? limit : x < -limit ? -limit : x;
}

/* ------------------------------------------------------------- derivatives */

bool moe_sgbt_is_flat(const moe_sgbt_state *m, const moe_sgbt_params *p) {
  return m->fitted.task == MOE_REGRESSION &&
         (p->loss == MOE_SGBT_ABSOLUTE || p->loss == MOE_SGBT_QUANTILE);
}

double moe_sgbt_quantile(const moe_sgbt_params *p) {
  return p->loss == MOE_SGBT_QUANTILE ? p->quantile : 0.5;
}

/* What answering `value` adds to the loss; up to second order, where that tells
   anything. */
double moe_sgbt_loss(const moe_sgbt_state *m, const moe_sgbt_params *p,
                     const moe_sgbt_slope *slope, double value) {
  double q = moe_sgbt_quantile(p), left = slope->residual - value;
  return moe_sgbt_is_flat(m, p) ? left * (left < 0 ? q - 1 : q)
                                : value * (slope->g + slope->h * value / 2);
}

/* Flat losses have their residuals' scale in place of a second derivative;
   Huber's has the curve of the parabola that touches it from above. */
static moe_sgbt_slope slope_of(const moe_sgbt_state *m,
                               const moe_sgbt_params *p, double residual) {
  double q = moe_sgbt_quantile(p), r = clamp(residual, largest);
  if (p->loss == MOE_SGBT_SQUARED) return (moe_sgbt_slope){-r, 1, r};
  if (p->loss == MOE_SGBT_HUBER) {
    double g = clamp(r, m->huber);
    return (moe_sgbt_slope){-g, r != 0 ? g / r : 1, r};
  }
  return (moe_sgbt_slope){m->scale * (r > 0 ? -q : r < 0 ? 1 - q : 0), 1, r};
}

/* With two classes the second alone has a score. */
static void slopes_of_classes(moe_sgbt_state *m, int32_t class) {
  size_t n = m->groups;
  memcpy(m->chance, m->score, n * sizeof *m->score);
  m->chance[n] = 0;
  moe_softmax(m->chance, 1, n > 1 ? n : 2);
  for (size_t k = 0; k < n; k++) {
    double p = m->chance[k], h = p * (1 - p);
    m->slope[k] =
        (moe_sgbt_slope){p - ((size_t) class == k), h > 1e-16 ? h : 1e-16, 0};
  }
}

void moe_sgbt_slopes(moe_sgbt_state *m, const moe_sgbt_params *p,
                     const moe_example *s, int32_t class) {
  if (m->fitted.task == MOE_CLASSIFICATION)
    slopes_of_classes(m, class);
  else
    for (size_t k = 0; k < m->groups; k++)
      m->slope[k] = slope_of(m, p, s->y[k] - m->score[k]);
}

/* The scale follows the median error: up where one is larger, else down. */
void moe_sgbt_scale(moe_sgbt_state *m, const moe_sgbt_params *p,
                    const moe_example *s) {
  const double least = 1e-100, rate = 0.005;
  double step = rate * (s->weight < 1 ? s->weight : 1);
  if (!moe_sgbt_is_flat(m, p)) return;
  for (size_t k = 0; k < m->groups; k++)
    m->scale *= fabs(s->y[k] - m->score[k]) > m->scale ? 1 + step : 1 - step;
  m->scale = m->scale < least ? least : clamp(m->scale, largest);
}

/* --------------------------------------------------------------------- base */

/* Logarithms of the classes' shares, all of them moved by half a row to what is
   not known; of two, relative to the first. */
static void fit_log_shares(moe_sgbt_state *m) {
  size_t n = m->fitted.n_outputs;
  for (size_t k = 0; k <= n; k++) m->base[k] = 0.5;
  for (size_t i = 0; i < m->kept; i++)
    m->base[m->recent_class[i]] += clamp(m->recent_weight[i], largest);
  for (size_t k = 0; k <= n; k++) m->base[k] = log(m->base[k]);
  if (n == 2) m->base[0] -= m->base[1];
}

static double mean_of(const moe_gbt_residual *r, size_t n) {
  double mean = 0, weight = 0;
  for (size_t i = 0; i < n; i++) {
    weight += r[i].weight;
    mean += (r[i].value - mean) * (r[i].weight / weight);
  }
  return mean;
}

static void subtract(moe_gbt_residual *r, size_t n, double base) {
  for (size_t i = 0; i < n; i++) r[i].value = fabs(r[i].value - base);
}

/* One scale serves all outputs: that of the last. */
static void fit_value(moe_sgbt_state *m, const moe_sgbt_params *p, size_t k,
                      moe_gbt_residual *r) {
  size_t n = m->kept, width = m->fitted.n_outputs;
  for (size_t i = 0; i < n; i++)
    r[i] = (moe_gbt_residual){clamp(m->recent_y[i * width + k], largest),
                              clamp(m->recent_weight[i], largest)};
  if (p->loss == MOE_SGBT_SQUARED)
    m->base[k] = mean_of(r, n);
  else
    m->base[k] = moe_weighted_quantile(moe_sgbt_quantile(p), r, n);
  subtract(r, n, m->base[k]);
  m->scale = moe_weighted_quantile(0.5, r, n);
  if (m->scale == 0) m->scale = m->base[k] != 0 ? fabs(m->base[k]) : 1;
  m->huber = isnan(p->delta) ? moe_weighted_quantile(0.9, r, n) : p->delta;
  if (m->huber == 0) m->huber = m->scale;
}

void moe_sgbt_fit_base(moe_sgbt_state *m, const moe_sgbt_params *p,
                       moe_gbt_residual *room) {
  if (m->fitted.task == MOE_CLASSIFICATION)
    fit_log_shares(m);
  else
    for (size_t k = 0; k < m->fitted.n_outputs; k++) fit_value(m, p, k, room);
}
