/* Each kernel is plain C in a form that compilers turn into vector code, eight
   independent lanes where it sums, and is compiled for several instruction
   sets; the best that the CPU has is called. */
#include "vector.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "instructions.h"
#include "status.h"

#define KERNEL static inline __attribute__((always_inline))

enum {
  LANES = 8,
  QUAD = 4,
  GROUP = 4 /* rows that share one pass over the weights */
};

KERNEL double fold(const double *lane, double rest) {
  return (((lane[0] + lane[4]) + (lane[2] + lane[6])) +
          ((lane[1] + lane[5]) + (lane[3] + lane[7]))) +
         rest;
}

KERNEL double dot(const double *a, const double *b, size_t n) {
  moe_quad low = {0}, high = {0};
  double rest = 0;
  size_t j = 0;
  for (; j + LANES <= n; j += LANES) {
    low += MOE_QUAD(a + j) * MOE_QUAD(b + j);
    high += MOE_QUAD(a + j + QUAD) * MOE_QUAD(b + j + QUAD);
  }
  for (; j < n; j++) rest += a[j] * b[j];
  low += high;
  return moe_quad_sum(&low) + rest;
}

/* 0, or NaN where an item is none or infinite. */
KERNEL double residue(const double *x, size_t n) {
  moe_quad low = {0}, high = {0};
  double rest = 0;
  size_t j = 0;
  for (; j + LANES <= n; j += LANES) {
    low += MOE_QUAD(x + j) - MOE_QUAD(x + j);
    high += MOE_QUAD(x + j + QUAD) - MOE_QUAD(x + j + QUAD);
  }
  for (; j < n; j++) rest += x[j] - x[j];
  low += high;
  return moe_quad_sum(&low) + rest;
}

/* Who has whole groups of lanes does not enter what compilers make of the rest.
 */
KERNEL void axpy(double a, const double *restrict x, double *restrict y,
                 size_t n) {
  size_t j = 0;
  for (; j + LANES <= n; j += LANES) {
    *(moe_quad *)(y + j) += a * MOE_QUAD(x + j);
    *(moe_quad *)(y + j + QUAD) += a * MOE_QUAD(x + j + QUAD);
  }
  if (j == n) return;
  for (; j < n; j++) y[j] += a * x[j];
}

/* 2^k e^r with k the nearest integer to x / ln 2, so |r| < 0.35, where fourteen
   terms of the series are exact to the last bit or two.  They are summed in
   pairs (Estrin), whose short chains are what a few numbers wait for. */
KERNEL double exp_of(double x) {
  const double shift = 0x1.8p52, log2e = 0x1.71547652b82fep0;
  const double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45;
  double limited = x < -708 ? -708 : x;
  double shifted = limited * log2e + shift, k = shifted - shift;
  double r = (limited - k * ln2_high) - k * ln2_low;
  double r2 = r * r, r4 = r2 * r2;
  double a = (0.5 + r * (1 / 6.0)) + r2 * (1 / 24.0 + r * (1 / 120.0));
  double b =
      (1 / 720.0 + r * (1 / 5040.0)) + r2 * (1 / 40320.0 + r * (1 / 362880.0));
  double c = (1 / 3628800.0 + r * (1 / 39916800.0)) +
             r2 * (1 / 479001600.0 + r * (1 / 6227020800.0));
  double sum = 1 + (r + r2 * (a + r4 * (b + r4 * c)));
  int64_t bits, power;
  memcpy(&power, &shifted, sizeof power);
  memcpy(&bits, &sum, sizeof bits);
  bits += (int64_t)((uint64_t)power << 52);
  memcpy(&sum, &bits, sizeof sum);
  return x < -708 ? 0 : sum;
}

KERNEL void exp_run(double *x, size_t n) {
  for (size_t j = 0; j < n; j++) x[j] = exp_of(x[j]);
}

/* A single group's steps are of known length, and what is left of a group is
   taken as a whole one: neither takes longer than a step. */
KERNEL void exp_all(double *x, size_t n) {
  size_t whole = n - n % QUAD, rest = n - whole;
  double lane[QUAD] = {0};
  if (whole == QUAD)
    exp_run(x, QUAD);
  else
    exp_run(x, whole);
  if (rest == 0) return;
  for (size_t l = 0; l < rest; l++) lane[l] = x[whole + l];
  exp_run(lane, QUAD);
  for (size_t l = 0; l < rest; l++) x[whole + l] = lane[l];
}

/* k ln 2 + 2 artanh s with x = 2^k m, m in [√½, √2) and s = (m − 1) / (m + 1),
   so |s| < 0.172, where ten terms of the series are exact to the last bit. */
KERNEL double log_of(double x) {
  const double shift = 0x1.8p52;
  const double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45;
  const uint64_t root_half = 0x3fe6a09e667f3bcd, bias = 1024;
  double within = x > 1e-300 ? x : 1e-300, m, k;
  uint64_t bits, power, shifted;
  memcpy(&bits, &within, sizeof bits);
  power = (bits - root_half + (bias << 52)) >> 52; /* k + bias */
  bits -= (power - bias) << 52;
  memcpy(&m, &bits, sizeof m);
  memcpy(&shifted, &shift, sizeof shifted);
  shifted += power;
  memcpy(&k, &shifted, sizeof k);
  k -= shift + (double)bias;
  double s = (m - 1) / (m + 1), s2 = s * s, s4 = s2 * s2, s8 = s4 * s4;
  double a = (1 / 3.0 + s2 * (1 / 5.0)) + s4 * (1 / 7.0 + s2 * (1 / 9.0));
  double b = (1 / 11.0 + s2 * (1 / 13.0)) + s4 * (1 / 15.0 + s2 * (1 / 17.0));
  double rest = s2 * (a + s8 * (b + s8 * (1 / 19.0)));
  return k * ln2_high + (2 * s + (2 * s * rest + k * ln2_low));
}

KERNEL void log_run(double *x, size_t n) {
  for (size_t j = 0; j < n; j++) x[j] = log_of(x[j]);
}

KERNEL void log_all(double *x, size_t n) {
  if (n == QUAD)
    log_run(x, QUAD);
  else
    log_run(x, n);
}

/* Beyond ±20 it is ±1 to the last bit. */
KERNEL void tanh_all(double *x, size_t n) {
  for (size_t j = 0; j < n; j++) {
    double within = x[j] > 20 ? 20 : x[j] < -20 ? -20 : x[j];
    double power = exp_of(2 * within);
    x[j] = (power - 1) / (power + 1);
  }
}

/* Steps of known length, which are all vector code. */
KERNEL void softmax_run(double *x, double most, int length) {
  double sum = 0;
  for (int c = 0; c < length; c++) {
    double below = x[c] - most;
    x[c] = exp_of(below <= 0 ? below : -INFINITY);
  }
  for (int c = 0; c < length; c++) sum += x[c];
  for (int c = 0; c < length; c++) x[c] /= sum;
}

/* What is beyond the m items is -Inf, and adds 0 to the sum. */
KERNEL void softmax_few(double *z, size_t m, double most, int length) {
  double x[LANES];
  for (int c = 0; c < length; c++) x[c] = (size_t)c < m ? z[c] : -INFINITY;
  softmax_run(x, most, length);
  for (int c = 0; c < length; c++)
    if ((size_t)c < m) z[c] = x[c];
}

KERNEL double largest(const double *z, size_t m) {
  double most = -INFINITY;
  for (size_t c = 0; c < m; c++) most = z[c] > most ? z[c] : most;
  return most;
}

/* Of at most LANES items; false where there is no finite largest one. */
KERNEL bool softmax_row(double *z, size_t m) {
  double most = m == QUAD ? largest(z, QUAD) : largest(z, m);
  if (most - most != 0) return false;
  if (m == QUAD)
    softmax_run(z, most, QUAD);
  else if (m < QUAD)
    softmax_few(z, m, most, QUAD);
  else
    softmax_few(z, m, most, LANES);
  return true;
}

/* z[i·m] += x_i · w for the GROUP rows of x. */
KERNEL void products_of_group(const double *x, size_t d, const double *w,
                              size_t m, double *z) {
  double lane[GROUP][LANES] = {{0}}, rest[GROUP] = {0};
  size_t j = 0;
  for (; j + LANES <= d; j += LANES)
    for (int i = 0; i < GROUP; i++)
      for (int l = 0; l < LANES; l++) lane[i][l] += x[i * d + j + l] * w[j + l];
  for (; j < d; j++)
    for (int i = 0; i < GROUP; i++) rest[i] += x[i * d + j] * w[j];
  for (int i = 0; i < GROUP; i++) z[i * m] += fold(lane[i], rest[i]);
}

KERNEL void products(const double *restrict x, size_t n, size_t d,
                     const double *restrict w, size_t m, double *restrict z) {
  size_t i = 0;
  for (; i + GROUP <= n; i += GROUP)
    for (size_t c = 0; c < m; c++)
      products_of_group(x + i * d, d, w + c * d, m, z + i * m + c);
  for (; i < n; i++)
    for (size_t c = 0; c < m; c++) z[i * m + c] += dot(x + i * d, w + c * d, d);
}

/* The sums of four quads, each as moe_quad_sum adds it up. */
KERNEL void sum_quads(const moe_quad *x, double *restrict out) {
  for (int i = 0; i < QUAD; i += 2) {
    moe_pair a = (moe_pair){x[i][0], x[i][1]} + (moe_pair){x[i][2], x[i][3]};
    moe_pair b = (moe_pair){x[i + 1][0], x[i + 1][1]} +
                 (moe_pair){x[i + 1][2], x[i + 1][3]};
    moe_pair sum = (moe_pair){a[0], b[0]} + (moe_pair){a[1], b[1]};
    out[i] = sum[0];
    out[i + 1] = sum[1];
  }
}

/* Four rows of w times x, in one pass over it: each with the bits of dot. */
KERNEL void multiply_quad(const double *restrict w, const double *restrict x,
                          size_t d, double *restrict z) {
  moe_quad low[QUAD] = {{0}}, high[QUAD] = {{0}};
  size_t j = 0;
  for (; j + LANES <= d; j += LANES)
#pragma GCC unroll 4
    for (size_t c = 0; c < QUAD; c++) {
      low[c] += MOE_QUAD(w + c * d + j) * MOE_QUAD(x + j);
      high[c] += MOE_QUAD(w + c * d + j + QUAD) * MOE_QUAD(x + j + QUAD);
    }
#pragma GCC unroll 4
  for (int c = 0; c < QUAD; c++) low[c] += high[c];
  sum_quads(low, z);
  if (j == d) return;
  for (size_t c = 0; c < QUAD; c++) {
    double rest = 0;
    for (size_t i = j; i < d; i++) rest += x[i] * w[c * d + i];
    z[c] += rest;
  }
}

/* Four rows of g += their factors in a times x. */
KERNEL void add_quad(const double *restrict a, const double *restrict x,
                     size_t d, double *restrict g) {
  double a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];
  double *g1 = g + d, *g2 = g1 + d, *g3 = g2 + d;
  size_t j = 0;
  for (; j + QUAD <= d; j += QUAD) {
    moe_quad at = MOE_QUAD(x + j);
    *(moe_quad *)(g + j) += a0 * at;
    *(moe_quad *)(g1 + j) += a1 * at;
    *(moe_quad *)(g2 + j) += a2 * at;
    *(moe_quad *)(g3 + j) += a3 * at;
  }
  if (j == d) return;
  for (size_t c = 0; c < QUAD; c++)
    for (size_t i = j; i < d; i++) g[c * d + i] += a[c] * x[i];
}

/* g += Σ a[i·m] x_i over the GROUP rows of x, their first n items. */
KERNEL void add_group(const double *a, size_t m, const double *restrict x,
                      size_t d, size_t n, double *restrict g) {
  const double *x0 = x, *x1 = x0 + d, *x2 = x1 + d, *x3 = x2 + d;
  double a0 = a[0], a1 = a[m], a2 = a[2 * m], a3 = a[3 * m];
  for (size_t j = 0; j < n; j++)
    g[j] = (((g[j] + a0 * x0[j]) + a1 * x1[j]) + a2 * x2[j]) + a3 * x3[j];
}

KERNEL void weighted_sums(const double *restrict r, size_t n, size_t m,
                          const double *restrict x, size_t d,
                          double *restrict g) {
  size_t i = 0;
  for (; i + GROUP <= n; i += GROUP)
    for (size_t c = 0; c < m; c++)
      add_group(r + i * m + c, m, x + i * d, d, d, g + c * d);
  for (; i < n; i++)
    for (size_t c = 0; c < m; c++) axpy(r[i * m + c], x + i * d, g + c * d, d);
}

/* Whole groups of lanes are cheaper than the exact triangle. */
KERNEL size_t triangle_row(size_t c, size_t d) {
  size_t length = (c / LANES + 1) * LANES;
  return length < d ? length : d;
}

KERNEL void gram(const double *restrict x, size_t n, size_t d,
                 double *restrict g) {
  size_t i = 0;
  for (; i + GROUP <= n; i += GROUP)
    for (size_t c = 0; c < d; c++)
      add_group(x + i * d + c, d, x + i * d, d, triangle_row(c, d), g + c * d);
  for (; i < n; i++)
    for (size_t c = 0; c < d; c++)
      axpy(x[i * d + c], x + i * d, g + c * d, triangle_row(c, d));
}

KERNEL void standardize(double *restrict x, size_t n, size_t d,
                        const double *restrict centre,
                        const double *restrict factor) {
  for (size_t i = 0; i < n; i++, x += d)
    for (size_t j = 0; j < d; j++) {
      double value = (x[j] - centre[j]) * factor[j];
      x[j] = x[j] == x[j] ? value : 0;
    }
}

KERNEL void standardize_floats(const float *restrict x, size_t d,
                               const double *restrict centre,
                               const double *restrict factor,
                               double *restrict out) {
  for (size_t j = 0; j < d; j++) {
    double value = ((double)x[j] - centre[j]) * factor[j];
    out[j] = x[j] == x[j] ? value : 0;
  }
}

/* Running means and variances; what is farther than `farthest` counts no more
   than that. */
KERNEL void track(const double *restrict x, double share, double farthest,
                  double *restrict mean, double *restrict variance,
                  double *restrict factor, size_t n) {
  for (size_t j = 0; j < n; j++) {
    double way = x[j] - mean[j];
    way = way > farthest ? farthest : way;
    way = way < -farthest ? -farthest : way;
    double moved = (1 - share) * (variance[j] + share * way * way);
    mean[j] += share * way;
    variance[j] = moved;
    factor[j] = moved > 0 ? 1 / sqrt(moved) : 0;
  }
}

/* Weighted so that nothing overflows: what is finite stays so. */
KERNEL void average(const double *restrict x, double share,
                    double *restrict mean, size_t n) {
  double rest = 1 - share;
  size_t j = 0;
  for (; j + LANES <= n; j += LANES) {
    moe_quad *low = (moe_quad *)(mean + j),
             *high = (moe_quad *)(mean + j + QUAD);
    *low = rest * *low + share * MOE_QUAD(x + j);
    *high = rest * *high + share * MOE_QUAD(x + j + QUAD);
  }
  if (j == n) return;
  for (; j < n; j++) mean[j] = rest * mean[j] + share * x[j];
}

/* ---------------------------------------------------------------- dispatch */

typedef struct kernels {
  double (*dot)(const double *, const double *, size_t);
  double (*residue)(const double *, size_t);
  void (*axpy)(double, const double *, double *, size_t);
  void (*exp)(double *, size_t);
  void (*log)(double *, size_t);
  void (*tanh)(double *, size_t);
  bool (*softmax_row)(double *, size_t);
  void (*multiply_quad)(const double *, const double *, size_t, double *);
  void (*add_quad)(const double *, const double *, size_t, double *);
  void (*products)(const double *, size_t, size_t, const double *, size_t,
                   double *);
  void (*weighted_sums)(const double *, size_t, size_t, const double *, size_t,
                        double *);
  void (*gram)(const double *, size_t, size_t, double *);
  void (*standardize)(double *, size_t, size_t, const double *, const double *);
  void (*standardize_floats)(const float *, size_t, const double *,
                             const double *, double *);
  void (*track)(const double *, double, double, double *, double *, double *,
                size_t);
  void (*average)(const double *, double, double *, size_t);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                              \
  TARGET static double dot_##NAME(const double *a, const double *b,            \
                                  size_t n) {                                  \
    return dot(a, b, n);                                                       \
  }                                                                            \
  TARGET static double residue_##NAME(const double *x, size_t n) {             \
    return residue(x, n);                                                      \
  }                                                                            \
  TARGET static void axpy_##NAME(double a, const double *x, double *y,         \
                                 size_t n) {                                   \
    axpy(a, x, y, n);                                                          \
  }                                                                            \
  TARGET static void exp_##NAME(double *x, size_t n) { exp_all(x, n); }        \
  TARGET static void log_##NAME(double *x, size_t n) { log_all(x, n); }        \
  TARGET static void tanh_##NAME(double *x, size_t n) { tanh_all(x, n); }      \
  TARGET static bool softmax_row_##NAME(double *z, size_t m) {                 \
    return softmax_row(z, m);                                                  \
  }                                                                            \
  TARGET static void multiply_quad_##NAME(const double *w, const double *x,    \
                                          size_t d, double *z) {               \
    multiply_quad(w, x, d, z);                                                 \
  }                                                                            \
  TARGET static void add_quad_##NAME(const double *a, const double *x,         \
                                     size_t d, double *g) {                    \
    add_quad(a, x, d, g);                                                      \
  }                                                                            \
  TARGET static void products_##NAME(const double *x, size_t n, size_t d,      \
                                     const double *w, size_t m, double *z) {   \
    products(x, n, d, w, m, z);                                                \
  }                                                                            \
  TARGET static void weighted_sums_##NAME(const double *r, size_t n, size_t m, \
                                          const double *x, size_t d,           \
                                          double *g) {                         \
    weighted_sums(r, n, m, x, d, g);                                           \
  }                                                                            \
  TARGET static void gram_##NAME(const double *x, size_t n, size_t d,          \
                                 double *g) {                                  \
    gram(x, n, d, g);                                                          \
  }                                                                            \
  TARGET static void standardize_##NAME(double *x, size_t n, size_t d,         \
                                        const double *c, const double *f) {    \
    standardize(x, n, d, c, f);                                                \
  }                                                                            \
  TARGET static void standardize_floats_##NAME(const float *x, size_t d,       \
                                               const double *c,                \
                                               const double *f, double *out) { \
    standardize_floats(x, d, c, f, out);                                       \
  }                                                                            \
  TARGET static void track_##NAME(const double *x, double share, double far,   \
                                  double *mean, double *variance,              \
                                  double *factor, size_t n) {                  \
    track(x, share, far, mean, variance, factor, n);                           \
  }                                                                            \
  TARGET static void average_##NAME(const double *x, double share,             \
                                    double *mean, size_t n) {                  \
    average(x, share, mean, n);                                                \
  }                                                                            \
  static const kernels NAME = {                                                \
      dot_##NAME,           residue_##NAME,                                    \
      axpy_##NAME,          exp_##NAME,                                        \
      log_##NAME,           tanh_##NAME,                                       \
      softmax_row_##NAME,   multiply_quad_##NAME,                              \
      add_quad_##NAME,      products_##NAME,                                   \
      weighted_sums_##NAME, gram_##NAME,                                       \
      standardize_##NAME,   standardize_floats_##NAME,                         \
      track_##NAME,         average_##NAME};

MOE_COMPILE_KERNELS

double moe_dot(const double *a, const double *b, size_t n) {
  return best()->dot(a, b, n);
}

bool moe_is_finite(const double *x, size_t n) {
  return best()->residue(x, n) == 0;
}

void moe_axpy(double a, const double *x, double *y, size_t n) {
  best()->axpy(a, x, y, n);
}

void moe_exp(double *x, size_t n) { best()->exp(x, n); }

void moe_log(double *x, size_t n) { best()->log(x, n); }

void moe_tanh(double *x, size_t n) { best()->tanh(x, n); }

void moe_products(const double *x, size_t n, size_t d, const double *w,
                  size_t m, double *z) {
  best()->products(x, n, d, w, m, z);
}

void moe_weighted_sums(const double *r, size_t n, size_t m, const double *x,
                       size_t d, double *g) {
  best()->weighted_sums(r, n, m, x, d, g);
}

void moe_gram(const double *x, size_t n, size_t d, double *g) {
  best()->gram(x, n, d, g);
}

void moe_standardize(double *x, size_t n, size_t d, const double *centre,
                     const double *factor) {
  best()->standardize(x, n, d, centre, factor);
}

void moe_standardize_floats(const float *x, size_t d, const double *centre,
                            const double *factor, double *out) {
  best()->standardize_floats(x, d, centre, factor, out);
}

void moe_track(const double *x, double share, double farthest, double *mean,
               double *variance, double *factor, size_t n) {
  best()->track(x, share, farthest, mean, variance, factor, n);
}

void moe_average(const double *x, double share, double *mean, size_t n) {
  best()->average(x, share, mean, n);
}

/* ------------------------------------------------- built from these kernels */

static inline double say(double product, double left, double bias) {
  double z = product * left + bias;
  z = z > -DBL_MAX ? z : -DBL_MAX; /* NaN too */
  return z < DBL_MAX ? z : DBL_MAX;
}

bool moe_lines(const double *w, const double *bias, double left, size_t m,
               const double *x, size_t d, double *z) {
  const kernels *k = best();
  double all = 0;
  size_t c = 0;
  for (; c + QUAD <= m; c += QUAD) {
    double p[QUAD];
    k->multiply_quad(w + c * d, x, d, p);
    all += (p[0] + p[1]) + (p[2] + p[3]);
    for (size_t i = 0; i < QUAD; i++) z[c + i] = say(p[i], left, bias[c + i]);
  }
  for (; c < m; c++) {
    double p = k->dot(x, w + c * d, d);
    all += p;
    z[c] = say(p, left, bias[c]);
  }
  return all == all;
}

void moe_add_product(const double *r, size_t m, const double *x, size_t d,
                     double *g) {
  const kernels *k = best();
  size_t c = 0;
  for (; c + QUAD <= m; c += QUAD) k->add_quad(r + c, x, d, g + c * d);
  for (; c < m; c++) k->axpy(r[c], x, g + c * d, d);
}

void moe_scale(double a, double *x, size_t n) {
  for (size_t j = 0; j < n; j++) x[j] *= a;
}

double moe_max_abs(const double *x, size_t n) {
  double most = 0;
  for (size_t j = 0; j < n; j++) most = fabs(x[j]) > most ? fabs(x[j]) : most;
  return most;
}

static MOE_RARE void even_out(double *p, size_t m) {
  for (size_t c = 0; c < m; c++) p[c] = 1 / (double)m;
}

void moe_normalise(double *p, size_t n, size_t m) {
  for (size_t i = 0; i < n; i++, p += m) {
    double sum = 0;
    for (size_t c = 0; c < m; c++) sum += p[c];
    if (sum > 0 && sum < INFINITY)
      for (size_t c = 0; c < m; c++) p[c] /= sum;
    else
      even_out(p, m);
  }
}

static void subtract_most(double *z, size_t m) {
  double most = -INFINITY;
  for (size_t c = 0; c < m; c++) most = z[c] > most ? z[c] : most;
  for (size_t c = 0; c < m; c++) {
    double below = isinf(most) ? (z[c] == most ? 0 : -INFINITY) : z[c] - most;
    z[c] = below <= 0 ? below : -INFINITY;
  }
}

static void softmax_rows(double *z, size_t n, size_t m) {
  for (size_t i = 0; i < n; i++) subtract_most(z + i * m, m);
  moe_exp(z, n * m);
  moe_normalise(z, n, m);
}

void moe_softmax(double *z, size_t n, size_t m) {
  if (n != 1 || m > LANES || !best()->softmax_row(z, m)) softmax_rows(z, n, m);
}
