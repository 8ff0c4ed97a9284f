/* Kernels of vector.h as inline code, for files that compile longer runs of
   them for each instruction set: a call would cost as much as what it does to
   a few numbers.  Their bits are those of the functions in vector.h. */
#ifndef MOE_VECTOR_KERNELS_H
#define MOE_VECTOR_KERNELS_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "instructions.h"

#define MOE_KERNEL static inline __attribute__((always_inline))

enum { MOE_LANES = 8, MOE_FOUR = 4 };

MOE_KERNEL double moe__dot(const double *a, const double *b, size_t n) {
  moe_quad low = {0}, high = {0};
  double rest = 0;
  size_t j = 0;
  for (; j + MOE_LANES <= n; j += MOE_LANES) {
    low += MOE_QUAD(a + j) * MOE_QUAD(b + j);
    high += MOE_QUAD(a + j + MOE_FOUR) * MOE_QUAD(b + j + MOE_FOUR);
  }
  for (; j < n; j++) rest += a[j] * b[j];
  low += high;
  return moe_quad_sum(&low) + rest;
}

/* Who has whole groups of lanes does not enter what compilers make of the rest.
 */
MOE_KERNEL void moe__axpy(double a, const double *restrict x,
                          double *restrict y, size_t n) {
  size_t j = 0;
  for (; j + MOE_LANES <= n; j += MOE_LANES) {
    *(moe_quad *)(y + j) += a * MOE_QUAD(x + j);
    *(moe_quad *)(y + j + MOE_FOUR) += a * MOE_QUAD(x + j + MOE_FOUR);
  }
  if (j == n) return;
  for (; j < n; j++) y[j] += a * x[j];
}

/* Weighted so that nothing overflows: what is finite stays so. */
MOE_KERNEL void moe__average(const double *restrict x, double share,
                             double *restrict mean, size_t n) {
  double rest = 1 - share;
  size_t j = 0;
  for (; j + MOE_LANES <= n; j += MOE_LANES) {
    moe_quad *low = (moe_quad *)(mean + j),
             *high = (moe_quad *)(mean + j + MOE_FOUR);
    *low = rest * *low + share * MOE_QUAD(x + j);
    *high = rest * *high + share * MOE_QUAD(x + j + MOE_FOUR);
  }
  if (j == n) return;
  for (; j < n; j++) mean[j] = rest * mean[j] + share * x[j];
}

/* 2^k e^r with k the nearest integer to x / ln 2, so |r| < 0.35, where fourteen
   terms of the series are exact to the last bit or two.  They are summed in
   pairs (Estrin), whose short chains are what a few numbers wait for. */
MOE_KERNEL double moe__exp_of(double x) {
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

MOE_KERNEL void moe__exp_run(double *x, size_t n) {
  for (size_t j = 0; j < n; j++) x[j] = moe__exp_of(x[j]);
}

/* A single group's steps are of known length, and what is left of a group is
   taken as a whole one: neither takes longer than a step. */
MOE_KERNEL void moe__exp(double *x, size_t n) {
  size_t whole = n - n % MOE_FOUR, rest = n - whole;
  double lane[MOE_FOUR] = {0};
  if (whole == MOE_FOUR)
    moe__exp_run(x, MOE_FOUR);
  else
    moe__exp_run(x, whole);
  if (rest == 0) return;
  for (size_t l = 0; l < rest; l++) lane[l] = x[whole + l];
  moe__exp_run(lane, MOE_FOUR);
  for (size_t l = 0; l < rest; l++) x[whole + l] = lane[l];
}

/* k ln 2 + 2 artanh s with x = 2^k m, m in [√½, √2) and s = (m − 1) / (m + 1),
   so |s| < 0.172, where ten terms of the series are exact to the last bit: log
   x to 2 ulp.  What is below 1e-300 counts as that; x is finite. */
MOE_KERNEL double moe__log_of(double x) {
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

/* Steps of known length, which are all vector code. */
MOE_KERNEL void moe__softmax_run(double *x, double most, int length) {
  double sum = 0;
  for (int c = 0; c < length; c++) {
    double below = x[c] - most;
    x[c] = moe__exp_of(below <= 0 ? below : -INFINITY);
  }
  for (int c = 0; c < length; c++) sum += x[c];
  for (int c = 0; c < length; c++) x[c] /= sum;
}

/* What is beyond the m items is -Inf, and adds 0 to the sum. */
MOE_KERNEL void moe__softmax_few(double *z, size_t m, double most, int length) {
  double x[MOE_LANES];
  for (int c = 0; c < length; c++) x[c] = (size_t)c < m ? z[c] : -INFINITY;
  moe__softmax_run(x, most, length);
  for (int c = 0; c < length; c++)
    if ((size_t)c < m) z[c] = x[c];
}

MOE_KERNEL double moe__largest(const double *z, size_t m) {
  double most = -INFINITY;
  for (size_t c = 0; c < m; c++) most = z[c] > most ? z[c] : most;
  return most;
}

/* Of at most MOE_LANES items; false where there is no finite largest one. */
MOE_KERNEL bool moe__softmax_row(double *z, size_t m) {
  double most = m == MOE_FOUR ? moe__largest(z, MOE_FOUR) : moe__largest(z, m);
  if (most - most != 0) return false;
  if (m == MOE_FOUR)
    moe__softmax_run(z, most, MOE_FOUR);
  else if (m < MOE_FOUR)
    moe__softmax_few(z, m, most, MOE_FOUR);
  else
    moe__softmax_few(z, m, most, MOE_LANES);
  return true;
}

/* The sums of four quads, each as moe_quad_sum adds it up, in one piece: what
   is stored by halves is slow to read as a whole. */
MOE_KERNEL void moe__sum_quads(const moe_quad *x, moe_quad *out) {
  moe_quad half[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    const moe_quad a = x[i], b = x[i + 2];
    half[i] =
        (moe_quad){a[0], a[1], b[0], b[1]} + (moe_quad){a[2], a[3], b[2], b[3]};
  }
  const moe_quad a = half[0], b = half[1];
  *out =
      (moe_quad){a[0], b[0], a[2], b[2]} + (moe_quad){a[1], b[1], a[3], b[3]};
}

/* Four rows of w times x, in one pass over it: each with the bits of dot. */
MOE_KERNEL void moe__multiply_quad(const double *restrict w,
                                   const double *restrict x, size_t d,
                                   moe_quad *z) {
  moe_quad low[MOE_FOUR] = {{0}}, high[MOE_FOUR] = {{0}}, rest = {0};
  size_t j = 0;
  for (; j + MOE_LANES <= d; j += MOE_LANES)
#pragma GCC unroll 4
    for (size_t c = 0; c < MOE_FOUR; c++) {
      low[c] += MOE_QUAD(w + c * d + j) * MOE_QUAD(x + j);
      high[c] +=
          MOE_QUAD(w + c * d + j + MOE_FOUR) * MOE_QUAD(x + j + MOE_FOUR);
    }
#pragma GCC unroll 4
  for (int c = 0; c < MOE_FOUR; c++) low[c] += high[c];
  moe__sum_quads(low, z);
  if (j == d) return;
#pragma GCC unroll 1
  for (; j < d; j++)
    rest += x[j] * (moe_quad){w[j], w[d + j], w[2 * d + j], w[3 * d + j]};
  *z += rest;
}

/* Four rows of g += their factors in a times x. */
MOE_KERNEL void moe__add_quad(const double *restrict a,
                              const double *restrict x, size_t d,
                              double *restrict g) {
  const moe_quad a0 = {a[0], a[0], a[0], a[0]}, a1 = {a[1], a[1], a[1], a[1]},
                 a2 = {a[2], a[2], a[2], a[2]}, a3 = {a[3], a[3], a[3], a[3]};
  double *g1 = g + d, *g2 = g1 + d, *g3 = g2 + d;
  size_t j = 0;
  for (; j + MOE_FOUR <= d; j += MOE_FOUR) {
    moe_quad at = MOE_QUAD(x + j);
    *(moe_quad *)(g + j) += a0 * at;
    *(moe_quad *)(g1 + j) += a1 * at;
    *(moe_quad *)(g2 + j) += a2 * at;
    *(moe_quad *)(g3 + j) += a3 * at;
  }
  if (j == d) return;
  for (size_t c = 0; c < MOE_FOUR; c++)
    for (size_t i = j; i < d; i++) g[c * d + i] += a[c] * x[i];
}

/* The product of a few numbers, most often four. */
MOE_KERNEL double moe__dot_few(const double *a, const double *b, size_t n) {
  double rest = 0;
  size_t j = MOE_FOUR;
  if (n < MOE_FOUR) {
    for (j = 0; j < n; j++) rest += a[j] * b[j];
    return rest;
  }
  moe_quad sum = MOE_QUAD(a) * MOE_QUAD(b);
  for (; j + MOE_FOUR <= n; j += MOE_FOUR)
    sum += MOE_QUAD(a + j) * MOE_QUAD(b + j);
  if (j == n) return moe_quad_sum(&sum);
  for (; j < n; j++) rest += a[j] * b[j];
  return moe_quad_sum(&sum) + rest;
}

/* g (m×d) += r xᵀ. */
MOE_KERNEL void moe__add_product(const double *restrict r, size_t m,
                                 const double *restrict x, size_t d,
                                 double *restrict g) {
  size_t c = 0;
  for (; c + MOE_FOUR <= m; c += MOE_FOUR)
    moe__add_quad(r + c, x, d, g + c * d);
  for (; c < m; c++) moe__axpy(r[c], x, g + c * d, d);
}

/* What lines say is never infinite or NaN; false where it was NaN. */
MOE_KERNEL bool moe__limit(double *z, size_t m) {
  bool whole = true;
#pragma GCC unroll 1
  for (size_t c = 0; c < m; c++) {
    whole = whole && z[c] == z[c];
    z[c] = z[c] > -DBL_MAX ? z[c] : -DBL_MAX; /* NaN too */
    z[c] = z[c] < DBL_MAX ? z[c] : DBL_MAX;
  }
  return whole;
}

/* moe_lines */
MOE_KERNEL bool moe__lines(const double *restrict w,
                           const double *restrict bias, double left, size_t m,
                           const double *restrict x, size_t d,
                           double *restrict z) {
  moe_quad product, odd = {0}; /* 0, or NaN */
  double rest = 0;
  size_t c = 0;
  for (; c + MOE_FOUR <= m; c += MOE_FOUR) {
    moe__multiply_quad(w + c * d, x, d, &product);
    product = product * left + MOE_QUAD(bias + c);
    odd += product - product;
    *(moe_quad *)(z + c) = product;
  }
  for (; c < m; c++) {
    z[c] = moe__dot(x, w + c * d, d) * left + bias[c];
    rest += z[c] - z[c];
  }
  return rest + moe_quad_sum(&odd) == 0 || moe__limit(z, m);
}

#endif
