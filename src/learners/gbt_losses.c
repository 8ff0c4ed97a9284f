#include "gbt_losses.h"

#include <float.h>
#include <math.h>

#include "random.h"
#include "vector.h"

/* --------------------------------------------------------------- quantiles */

static void swap(moe_gbt_residual *a, moe_gbt_residual *b) {
  moe_gbt_residual c = *a;
  *a = *b;
  *b = c;
}

/* The median of three drawn at random: whatever the rows' order, a parabola's
   for instance, few of the choices are bad ones. */
static double choose_pivot(const moe_gbt_residual *r, size_t n,
                           moe_random *random) {
  double a = r[moe_random_below(random, n)].value;
  double b = r[moe_random_below(random, n)].value;
  double c = r[moe_random_below(random, n)].value;
  return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

/* The least value such that it and those below weigh at least `wanted`, which
   becomes what they weigh beyond that: parts around a pivot, and goes on in one
   of the three. */
static double select_weight(moe_gbt_residual *r, size_t n, double *wanted) {
  moe_random random;
  moe_random_seed(&random, n);
  for (;;) {
    double pivot = choose_pivot(r, n, &random);
    size_t below = 0, at = 0, above = n;
    double light = 0, same = 0;
    while (at < above) {
      if (r[at].value < pivot) {
        light += r[at].weight;
        swap(&r[at++], &r[below++]);
      } else if (r[at].value > pivot) {
        swap(&r[at], &r[--above]);
      } else {
        same += r[at++].weight;
      }
    }
    if (below > 0 && light >= *wanted) {
      n = below;
    } else if (light + same >= *wanted || above == n) {
      *wanted -= light + same;
      return pivot;
    } else {
      *wanted -= light + same;
      r += above;
      n -= above;
    }
  }
}

double moe_weighted_quantile(double q, moe_gbt_residual *residuals, size_t n) {
  double sum = 0, next = INFINITY;
  for (size_t i = 0; i < n; i++) sum += residuals[i].weight;
  double wanted = q * sum;
  double low = select_weight(residuals, n, &wanted);
  if (wanted != 0) return low;
  for (size_t i = 0; i < n; i++)
    if (residuals[i].value > low) next = fmin(next, residuals[i].value);
  return next < INFINITY ? low + (next - low) / 2 : low;
}

static double find_median(double shape, moe_gbt_residual *r, size_t n) {
  (void)shape;
  return moe_weighted_quantile(0.5, r, n);
}

/* The median, and a step from it to the mean of what is near (Friedman 2001,
   doi 10.1214/aos/1013203451, algorithm 4). */
static double find_middle(double delta, moe_gbt_residual *r, size_t n) {
  double median = moe_weighted_quantile(0.5, r, n), sum = 0, weight = 0;
  for (size_t i = 0; i < n; i++) {
    sum += r[i].weight * fmax(fmin(r[i].value - median, delta), -delta);
    weight += r[i].weight;
  }
  return median + sum / weight;
}

/* -------------------------------------------------------------- regression */

static double error_of(const moe_gbt_view *r, size_t i) {
  return r->score[i] - r->y[i];
}

static void squared_slopes(const moe_gbt_view *r, size_t first, size_t n,
                           moe_slope *out) {
  for (size_t i = first; i < first + n; i++)
    *out++ = (moe_slope){error_of(r, i), 1};
}

static double squared_value(const moe_gbt_view *r, size_t i) {
  return error_of(r, i) * error_of(r, i) / 2;
}

static void absolute_slopes(const moe_gbt_view *r, size_t first, size_t n,
                            moe_slope *out) {
  for (size_t i = first; i < first + n; i++) {
    double error = error_of(r, i);
    *out++ = (moe_slope){(error > 0) - (error < 0), 1};
  }
}

static double absolute_value(const moe_gbt_view *r, size_t i) {
  return fabs(error_of(r, i));
}

static void huber_slopes(const moe_gbt_view *r, size_t first, size_t n,
                         moe_slope *out) {
  for (size_t i = first; i < first + n; i++)
    *out++ = (moe_slope){fmax(fmin(error_of(r, i), r->shape), -r->shape), 1};
}

static double huber_value(const moe_gbt_view *r, size_t i) {
  double error = fabs(error_of(r, i)), near = fmin(error, r->shape);
  return near * (error - near / 2);
}

static void quantile_slopes(const moe_gbt_view *r, size_t first, size_t n,
                            moe_slope *out) {
  for (size_t i = first; i < first + n; i++) {
    double error = error_of(r, i);
    double g = error > 0 ? 1 - r->shape : error < 0 ? -r->shape : 0;
    *out++ = (moe_slope){g, 1};
  }
}

static double quantile_value(const moe_gbt_view *r, size_t i) {
  double error = error_of(r, i);
  return error > 0 ? (1 - r->shape) * error : -r->shape * error;
}

/* ---------------------------------------------------------- classification */

/* Keeps Newton's step finite where a probability is 0 or 1. */
static const double least_curvature = 1e-16;

static double is_class(const moe_gbt_view *r, size_t i) {
  return r->ids[i] == r->class;
}

static void logistic_slopes(const moe_gbt_view *r, size_t first, size_t n,
                            moe_slope *out) {
  enum { BLOCK = 256 };
  double e[BLOCK];
  for (size_t done = 0; done < n; done += BLOCK) {
    size_t m = n - done < BLOCK ? n - done : BLOCK;
    const double *score = r->score + first + done;
    for (size_t i = 0; i < m; i++) e[i] = -fabs(score[i]);
    moe_exp(e, m);
    for (size_t i = 0; i < m; i++) {
      double p = (score[i] < 0 ? e[i] : 1) / (1 + e[i]);
      double h = e[i] / ((1 + e[i]) * (1 + e[i]));
      *out++ = (moe_slope){p - is_class(r, first + done + i),
                           fmax(h, least_curvature)};
    }
  }
}

static double logistic_value(const moe_gbt_view *r, size_t i) {
  double s = r->ids[i] == r->class ? -r->score[i] : r->score[i];
  return fmax(s, 0) + log1p(exp(-fabs(s)));
}

/* 2 p (1 − p) bounds the derivatives by all scores together. */
static void softmax_slopes(const moe_gbt_view *r, size_t first, size_t n,
                           moe_slope *out) {
  for (size_t i = first; i < first + n; i++) {
    double p = r->score[i];
    *out++ =
        (moe_slope){p - is_class(r, i), fmax(2 * p * (1 - p), least_curvature)};
  }
}

/* Of the row's own class alone, so that the sum over the scores is the loss. */
static double softmax_value(const moe_gbt_view *r, size_t i) {
  return r->ids[i] == r->class ? -log(fmax(r->score[i], DBL_MIN)) : 0;
}

const moe_gbt_loss moe_gbt_losses[] = {
    [MOE_GBT_SQUARED] = {"squared", false, MOE_LINK_IDENTITY, squared_slopes,
                         NULL, squared_value},
    [MOE_GBT_ABSOLUTE] = {"absolute", false, MOE_LINK_IDENTITY, absolute_slopes,
                          find_median, absolute_value},
    [MOE_GBT_HUBER] = {"huber", false, MOE_LINK_IDENTITY, huber_slopes,
                       find_middle, huber_value},
    [MOE_GBT_QUANTILE] = {"quantile", false, MOE_LINK_IDENTITY, quantile_slopes,
                          moe_weighted_quantile, quantile_value},
    [MOE_GBT_LOGISTIC] = {"logistic", true, MOE_LINK_LOGISTIC, logistic_slopes,
                          NULL, logistic_value},
    [MOE_GBT_SOFTMAX] = {"softmax", true, MOE_LINK_SOFTMAX, softmax_slopes,
                         NULL, softmax_value}};
