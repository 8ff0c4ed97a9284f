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
  double rest = 0;
  size_t j = MOE_LANES;
  if (n < MOE_LANES) {
    for (j = 0; j < n; j++) rest += a[j] * b[j];
    return rest;
  }
  moe_quad low = MOE_QUAD(a) * MOE_QUAD(b),
           high = MOE_QUAD(a + MOE_FOUR) * MOE_QUAD(b + MOE_FOUR);
  for (; j + MOE_LANES <= n; j += MOE_LANES) {
    low += MOE_QUAD(a + j) * MOE_QUAD(b + j);
    high += MOE_QUAD(a + j + MOE_FOUR) * MOE_QUAD(b + j + MOE_FOUR);
  }
  low += high;
  for (; j < n; j++) rest += a[j] * b[j];
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
  if (j + MOE_FOUR <= n) {
    *(moe_quad *)(y + j) += a * MOE_QUAD(x + j);
    j += MOE_FOUR;
  }
#pragma GCC unroll 1
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

/* Both in one pass over x. */
MOE_KERNEL void moe__axpy_and_average(double a, double share,
                                      const double *restrict x,
                                      double *restrict y, double *restrict mean,
                                      size_t n) {
  double rest = 1 - share;
  size_t j = 0;
  for (; j + MOE_LANES <= n; j += MOE_LANES)
#pragma GCC unroll 2
    for (size_t l = j; l < j + MOE_LANES; l += MOE_FOUR) {
      moe_quad at = MOE_QUAD(x + l);
      *(moe_quad *)(y + l) += a * at;
      *(moe_quad *)(mean + l) = rest * MOE_QUAD(mean + l) + share * at;
    }
#pragma GCC unroll 1
  for (; j < n; j++) {
    y[j] += a * x[j];
    mean[j] = rest * mean[j] + share * x[j];
  }
}

/* The numbers of exp and log, each four times over and in memory, from where an
   instruction takes them.  Compilers would keep them in registers from one call
   to the next, and spill: so none may know that they are the same. */
#define MOE_FORGET_ORIGIN(pointer) __asm__("" : "+r"(pointer))
typedef double moe_number[MOE_FOUR];

typedef struct moe_exp_numbers {
  moe_number least, log2e, shift, ln2_high, ln2_low;
  moe_number term[12]; /* 1 / 2! to 1 / 13! */
} moe_exp_numbers;
extern const moe_exp_numbers moe__exp_numbers;

typedef struct moe_log_numbers {
  moe_number least, shift, ln2_high, ln2_low;
  moe_number term[9]; /* 1 / 3 to 1 / 19 */
} moe_log_numbers;
extern const moe_log_numbers moe__log_numbers;

/* 2^k e^r with k the nearest integer to x / ln 2, so |r| < 0.35, where fourteen
   terms of the series are exact to the last bit or two.  They are summed in
   pairs (Estrin), whose short chains are what a few numbers wait for.  0 below
   -708, and of what is NaN. */
MOE_KERNEL void moe__exp_quad(moe_quad *x) {
  const moe_exp_numbers *c = &moe__exp_numbers;
  MOE_FORGET_ORIGIN(c);
  const moe_quad *t = (const moe_quad *)c->term;
  moe_quad shift = MOE_QUAD(c->shift);
  moe_quad shifted = *x * MOE_QUAD(c->log2e) + shift, k = shifted - shift;
  moe_quad r = (*x - k * MOE_QUAD(c->ln2_high)) - k * MOE_QUAD(c->ln2_low);
  moe_quad r2 = r * r, r4 = r2 * r2;
  moe_quad low = (t[0] + r * t[1]) + r2 * (t[2] + r * t[3]);
  moe_quad middle = (t[4] + r * t[5]) + r2 * (t[6] + r * t[7]);
  moe_quad high = (t[8] + r * t[9]) + r2 * (t[10] + r * t[11]);
  moe_quad sum = 1 + (r + r2 * (low + r4 * (middle + r4 * high)));
  moe_bits bits = (moe_bits)sum + ((moe_bits)shifted << 52);
  *x = (moe_quad)(bits & (moe_bits)(*x >= MOE_QUAD(c->least)));
}

MOE_KERNEL void moe__exp(double *x, size_t n) {
  moe_quad last = {0};
  size_t j = 0;
  for (; j + MOE_FOUR <= n; j += MOE_FOUR) moe__exp_quad((moe_quad *)(x + j));
  if (j == n) return;
  for (size_t l = j; l < n; l++) last[l - j] = x[l];
  moe__exp_quad(&last);
  for (size_t l = j; l < n; l++) x[l] = last[l - j];
}

/* k ln 2 + 2 artanh s with x = 2^k m, m in [√½, √2) and s = (m − 1) / (m + 1),
   so |s| < 0.172, where ten terms of the series are exact to the last bit: log
   x to 2 ulp.  What is below 1e-300 counts as that; x is finite. */
MOE_KERNEL void moe__log_quad(moe_quad *x) {
  const moe_log_numbers *c = &moe__log_numbers;
  MOE_FORGET_ORIGIN(c);
  const moe_quad *t = (const moe_quad *)c->term;
  const moe_quad least = MOE_QUAD(c->least), shift = MOE_QUAD(c->shift);
  const uint64_t root_half = 0x3fe6a09e667f3bcd, bias = 1024;
  moe_bits bits = (moe_bits)MOE_WHERE(*x > least, *x, least);
  moe_bits power = (bits - root_half + (bias << 52)) >> 52; /* k + bias */
  moe_quad m = (moe_quad)(bits - ((power - bias) << 52));
  moe_quad k = (moe_quad)((moe_bits)shift + power) - shift - (double)bias;
  moe_quad s = (m - 1) / (m + 1), s2 = s * s, s4 = s2 * s2, s8 = s4 * s4;
  moe_quad low = (t[0] + s2 * t[1]) + s4 * (t[2] + s2 * t[3]);
  moe_quad high = (t[4] + s2 * t[5]) + s4 * (t[6] + s2 * t[7]);
  moe_quad rest = s2 * (low + s8 * (high + s8 * t[8]));
  *x = k * MOE_QUAD(c->ln2_high) +
       (2 * s + (2 * s * rest + k * MOE_QUAD(c->ln2_low)));
}

MOE_KERNEL double moe__log_of(double x) {
  moe_quad all = MOE_ALL(x);
  moe__log_quad(&all);
  return all[0];
}

MOE_KERNEL void moe__copy_few(const double *restrict from, size_t n,
                              double *restrict to) {
  size_t j = 0;
  for (; j + MOE_FOUR <= n; j += MOE_FOUR)
    *(moe_quad *)(to + j) = MOE_QUAD(from + j);
  for (; j < n; j++) to[j] = from[j];
}

/* The sum of a few numbers, most often four. */
MOE_KERNEL double moe__sum_few(const double *x, size_t n) {
  double rest = 0;
  size_t j = MOE_FOUR;
  if (n < MOE_FOUR) {
    for (j = 0; j < n; j++) rest += x[j];
    return rest;
  }
  moe_quad sum = MOE_QUAD(x);
  for (; j + MOE_FOUR <= n; j += MOE_FOUR) sum += MOE_QUAD(x + j);
  if (j == n) return moe_quad_sum(&sum);
  for (; j < n; j++) rest += x[j];
  return moe_quad_sum(&sum) + rest;
}

MOE_KERNEL double moe__larger(double a, double b) { return a > b ? a : b; }

/* What is NaN is passed over, or is the result. */
MOE_KERNEL double moe__largest(const double *z, size_t m) {
  double most = -INFINITY;
  if (m == MOE_FOUR) return moe_quad_largest((const moe_quad *)z);
  for (size_t c = 0; c < m; c++) most = z[c] > most ? z[c] : most;
  return most;
}

/* e^(z − most) over their sum, which it returns, of so many quads. */
MOE_KERNEL double moe__soften_quads(moe_quad *z, double most, int quads) {
  for (int i = 0; i < quads; i++) {
    z[i] -= most;
    moe__exp_quad(&z[i]);
  }
  moe_quad all = *z;
  if (quads > 1) all += z[1];
  double sum = moe_quad_sum(&all);
  for (int i = 0; i < quads; i++) z[i] /= sum;
  return sum;
}

/* The softmax of at most MOE_LANES items goes to p, which may be z: Σ e^(z −
   most).  What is beyond the m items is -Inf, and adds 0 to the sum. */
MOE_KERNEL double moe__soften(const double *z, size_t m, double most,
                              double *p) {
  moe_quad x[MOE_LANES / MOE_FOUR];
  if (m == MOE_FOUR) {
    *x = MOE_QUAD(z);
    double sum = moe__soften_quads(x, most, 1);
    *(moe_quad *)p = *x;
    return sum;
  }
  for (size_t c = 0; c < MOE_LANES; c++)
    x[c / MOE_FOUR][c % MOE_FOUR] = c < m ? z[c] : -INFINITY;
  double sum = moe__soften_quads(x, most, 2);
  for (size_t c = 0; c < m; c++) p[c] = x[c / MOE_FOUR][c % MOE_FOUR];
  return sum;
}

/* The same; false where there is no finite largest one. */
MOE_KERNEL bool moe__softmax_few(const double *z, size_t m, double *p) {
  double most = moe__largest(z, m);
  if (most - most != 0) return false;
  moe__soften(z, m, most, p);
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

/* Four rows times x, in one pass over it: each with the bits of dot. */
MOE_KERNEL void moe__multiply_rows(const double *const *restrict row,
                                   const double *restrict x, size_t d,
                                   moe_quad *z) {
  const double *r0 = row[0], *r1 = row[1], *r2 = row[2], *r3 = row[3];
  moe_quad low[MOE_FOUR], high[MOE_FOUR], rest = {0};
  size_t j = 0;
  *z = rest;
  if (d >= MOE_LANES) {
#pragma GCC unroll 4
    for (size_t c = 0; c < MOE_FOUR; c++) {
      low[c] = MOE_QUAD(row[c]) * MOE_QUAD(x);
      high[c] = MOE_QUAD(row[c] + MOE_FOUR) * MOE_QUAD(x + MOE_FOUR);
    }
    for (j = MOE_LANES; j + MOE_LANES <= d; j += MOE_LANES)
#pragma GCC unroll 4
      for (size_t c = 0; c < MOE_FOUR; c++) {
        low[c] += MOE_QUAD(row[c] + j) * MOE_QUAD(x + j);
        high[c] += MOE_QUAD(row[c] + j + MOE_FOUR) * MOE_QUAD(x + j + MOE_FOUR);
      }
#pragma GCC unroll 4
    for (int c = 0; c < MOE_FOUR; c++) low[c] += high[c];
    moe__sum_quads(low, z);
  }
  if (j == d) return;
#pragma GCC unroll 1
  for (; j < d; j++) rest += x[j] * (moe_quad){r0[j], r1[j], r2[j], r3[j]};
  *z += rest;
}

/* The same of rows of w. */
MOE_KERNEL void moe__multiply_quad(const double *restrict w,
                                   const double *restrict x, size_t d,
                                   moe_quad *z) {
  const double *const rows[MOE_FOUR] = {w, w + d, w + 2 * d, w + 3 * d};
  moe__multiply_rows(rows, x, d, z);
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

/* Four rows' products with x, times `left` and with their biases, are z: 0, or
   NaN where one of them is not finite. */
MOE_KERNEL double moe__four_lines(const double *restrict w,
                                  const double *restrict bias, double left,
                                  const double *restrict x, size_t d,
                                  double *restrict z) {
  moe_quad product;
  moe__multiply_quad(w, x, d, &product);
  product = product * left + MOE_QUAD(bias);
  *(moe_quad *)z = product;
  product -= product;
  return moe_quad_sum(&product);
}

/* moe_lines; false, too, where one is infinite. */
MOE_KERNEL bool moe__finite_lines(const double *restrict w,
                                  const double *restrict bias, double left,
                                  size_t m, const double *restrict x, size_t d,
                                  double *restrict z) {
  double odd = 0; /* 0, or NaN */
  size_t c = 0;
  if (m == MOE_FOUR) return moe__four_lines(w, bias, left, x, d, z) == 0;
  for (; c + MOE_FOUR <= m; c += MOE_FOUR)
    odd += moe__four_lines(w + c * d, bias + c, left, x, d, z + c);
  for (; c < m; c++) {
    z[c] = moe__dot(x, w + c * d, d) * left + bias[c];
    odd += z[c] - z[c];
  }
  return odd == 0;
}

MOE_KERNEL bool moe__lines(const double *restrict w,
                           const double *restrict bias, double left, size_t m,
                           const double *restrict x, size_t d,
                           double *restrict z) {
  return moe__finite_lines(w, bias, left, m, x, d, z) || moe__limit(z, m);
}

#endif
