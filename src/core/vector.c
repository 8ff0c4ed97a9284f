/* Each kernel is plain C in a form that compilers turn into vector code, eight
   independent lanes where it sums, and is compiled for several instruction
   sets; the best that the CPU has is called. */
#include "vector.h"

#include "status.h"
#include "vector_kernels.h"

#define FOUR_OF(x) \
  { x, x, x, x }

const moe_exp_numbers moe__exp_numbers = {
    .least = FOUR_OF(-708.0),
    .log2e = FOUR_OF(0x1.71547652b82fep0),
    .shift = FOUR_OF(0x1.8p52),
    .ln2_high = FOUR_OF(0x1.62e42fefa38p-1),
    .ln2_low = FOUR_OF(0x1.ef35793c7673p-45),
    .term = {FOUR_OF(1 / 2.0), FOUR_OF(1 / 6.0), FOUR_OF(1 / 24.0),
             FOUR_OF(1 / 120.0), FOUR_OF(1 / 720.0), FOUR_OF(1 / 5040.0),
             FOUR_OF(1 / 40320.0), FOUR_OF(1 / 362880.0),
             FOUR_OF(1 / 3628800.0), FOUR_OF(1 / 39916800.0),
             FOUR_OF(1 / 479001600.0), FOUR_OF(1 / 6227020800.0)}};

const moe_log_numbers moe__log_numbers = {
    .least = FOUR_OF(1e-300),
    .shift = FOUR_OF(0x1.8p52),
    .ln2_high = FOUR_OF(0x1.62e42fefa38p-1),
    .ln2_low = FOUR_OF(0x1.ef35793c7673p-45),
    .term = {FOUR_OF(1 / 3.0), FOUR_OF(1 / 5.0), FOUR_OF(1 / 7.0),
             FOUR_OF(1 / 9.0), FOUR_OF(1 / 11.0), FOUR_OF(1 / 13.0),
             FOUR_OF(1 / 15.0), FOUR_OF(1 / 17.0), FOUR_OF(1 / 19.0)}};

enum { GROUP = 4 /* rows that share one pass over the weights */ };

MOE_KERNEL double fold(const double *lane, double rest) {
  return (((lane[0] + lane[4]) + (lane[2] + lane[6])) +
          ((lane[1] + lane[5]) + (lane[3] + lane[7]))) +
         rest;
}

/* 0, or NaN where an item is none or infinite. */
MOE_KERNEL double residue(const double *x, size_t n) {
  moe_quad low = {0}, high = {0};
  double rest = 0;
  size_t j = 0;
  for (; j + MOE_LANES <= n; j += MOE_LANES) {
    low += MOE_QUAD(x + j) - MOE_QUAD(x + j);
    high += MOE_QUAD(x + j + MOE_FOUR) - MOE_QUAD(x + j + MOE_FOUR);
  }
  for (; j < n; j++) rest += x[j] - x[j];
  low += high;
  return moe_quad_sum(&low) + rest;
}

/* Beyond ±20 it is ±1 to the last bit. */
MOE_KERNEL void tanh_all(double *x, size_t n) {
  for (size_t j = 0; j < n; j++)
    x[j] = 2 * (x[j] > 20 ? 20 : x[j] < -20 ? -20 : x[j]);
  moe__exp(x, n);
  for (size_t j = 0; j < n; j++) x[j] = (x[j] - 1) / (x[j] + 1);
}

/* z[i·m] += x_i · w for the GROUP rows of x. */
MOE_KERNEL void products_of_group(const double *x, size_t d, const double *w,
                                  size_t m, double *z) {
  double lane[GROUP][MOE_LANES] = {{0}}, rest[GROUP] = {0};
  size_t j = 0;
  for (; j + MOE_LANES <= d; j += MOE_LANES)
    for (int i = 0; i < GROUP; i++)
      for (int l = 0; l < MOE_LANES; l++)
        lane[i][l] += x[i * d + j + l] * w[j + l];
  for (; j < d; j++)
    for (int i = 0; i < GROUP; i++) rest[i] += x[i * d + j] * w[j];
  for (int i = 0; i < GROUP; i++) z[i * m] += fold(lane[i], rest[i]);
}

MOE_KERNEL void products(const double *restrict x, size_t n, size_t d,
                         const double *restrict w, size_t m,
                         double *restrict z) {
  size_t i = 0;
  for (; i + GROUP <= n; i += GROUP)
    for (size_t c = 0; c < m; c++)
      products_of_group(x + i * d, d, w + c * d, m, z + i * m + c);
  for (; i < n; i++)
    for (size_t c = 0; c < m; c++)
      z[i * m + c] += moe__dot(x + i * d, w + c * d, d);
}

/* g += Σ a[i·m] x_i over the GROUP rows of x, their first n items. */
MOE_KERNEL void add_group(const double *a, size_t m, const double *restrict x,
                          size_t d, size_t n, double *restrict g) {
  const double *x0 = x, *x1 = x0 + d, *x2 = x1 + d, *x3 = x2 + d;
  double a0 = a[0], a1 = a[m], a2 = a[2 * m], a3 = a[3 * m];
  for (size_t j = 0; j < n; j++)
    g[j] = (((g[j] + a0 * x0[j]) + a1 * x1[j]) + a2 * x2[j]) + a3 * x3[j];
}

MOE_KERNEL void weighted_sums(const double *restrict r, size_t n, size_t m,
                              const double *restrict x, size_t d,
                              double *restrict g) {
  size_t i = 0;
  for (; i + GROUP <= n; i += GROUP)
    for (size_t c = 0; c < m; c++)
      add_group(r + i * m + c, m, x + i * d, d, d, g + c * d);
  for (; i < n; i++)
    for (size_t c = 0; c < m; c++)
      moe__axpy(r[i * m + c], x + i * d, g + c * d, d);
}

/* Whole groups of lanes are cheaper than the exact triangle. */
MOE_KERNEL size_t triangle_row(size_t c, size_t d) {
  size_t length = (c / MOE_LANES + 1) * MOE_LANES;
  return length < d ? length : d;
}

MOE_KERNEL void gram(const double *restrict x, size_t n, size_t d,
                     double *restrict g) {
  size_t i = 0;
  for (; i + GROUP <= n; i += GROUP)
    for (size_t c = 0; c < d; c++)
      add_group(x + i * d + c, d, x + i * d, d, triangle_row(c, d), g + c * d);
  for (; i < n; i++)
    for (size_t c = 0; c < d; c++)
      moe__axpy(x[i * d + c], x + i * d, g + c * d, triangle_row(c, d));
}

MOE_KERNEL void standardize(double *restrict x, size_t n, size_t d,
                            const double *restrict centre,
                            const double *restrict factor) {
  for (size_t i = 0; i < n; i++, x += d)
    for (size_t j = 0; j < d; j++) {
      double value = (x[j] - centre[j]) * factor[j];
      x[j] = x[j] == x[j] ? value : 0;
    }
}

MOE_KERNEL void standardize_floats(const float *restrict x, size_t d,
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
MOE_KERNEL void track(const double *restrict x, double share, double farthest,
                      double *restrict mean, double *restrict variance,
                      double *restrict factor, size_t n) {
  double least = 1 / (farthest * farthest);
  for (size_t j = 0; j < n; j++) {
    double way = x[j] - mean[j];
    way = way > farthest ? farthest : way;
    way = way < -farthest ? -farthest : way;
    double moved = (1 - share) * (variance[j] + share * way * way);
    mean[j] += share * way;
    variance[j] = moved;
    factor[j] = moved > least ? 1 / sqrt(moved) : 0;
  }
}

/* ---------------------------------------------------------------- dispatch */

typedef struct kernels {
  double (*dot)(const double *, const double *, size_t);
  double (*residue)(const double *, size_t);
  void (*axpy)(double, const double *, double *, size_t);
  void (*exp)(double *, size_t);
  void (*tanh)(double *, size_t);
  bool (*softmax_few)(double *, size_t);
  bool (*lines)(const double *, const double *, double, size_t, const double *,
                size_t, double *);
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
    return moe__dot(a, b, n);                                                  \
  }                                                                            \
  TARGET static double residue_##NAME(const double *x, size_t n) {             \
    return residue(x, n);                                                      \
  }                                                                            \
  TARGET static void axpy_##NAME(double a, const double *x, double *y,         \
                                 size_t n) {                                   \
    moe__axpy(a, x, y, n);                                                     \
  }                                                                            \
  TARGET static void exp_##NAME(double *x, size_t n) { moe__exp(x, n); }       \
  TARGET static void tanh_##NAME(double *x, size_t n) { tanh_all(x, n); }      \
  TARGET static bool softmax_few_##NAME(double *z, size_t m) {                 \
    return moe__softmax_few(z, m, z);                                          \
  }                                                                            \
  TARGET static bool lines_##NAME(const double *w, const double *bias,         \
                                  double left, size_t m, const double *x,      \
                                  size_t d, double *z) {                       \
    return moe__lines(w, bias, left, m, x, d, z);                              \
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
    moe__average(x, share, mean, n);                                           \
  }                                                                            \
  static const kernels NAME = {                                                \
      dot_##NAME,   residue_##NAME,     axpy_##NAME,                           \
      exp_##NAME,   tanh_##NAME,        softmax_few_##NAME,                    \
      lines_##NAME, products_##NAME,    weighted_sums_##NAME,                  \
      gram_##NAME,  standardize_##NAME, standardize_floats_##NAME,             \
      track_##NAME, average_##NAME};

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

void moe_tanh(double *x, size_t n) { best()->tanh(x, n); }

bool moe_lines(const double *w, const double *bias, double left, size_t m,
               const double *x, size_t d, double *z) {
  return best()->lines(w, bias, left, m, x, d, z);
}

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

/* Lane by lane, as moe__soften adds up a few. */
static double sum_lanes(const double *x, size_t m) {
  moe_quad lane = {0};
  for (size_t c = 0; c < m; c++) lane[c % MOE_FOUR] += x[c];
  return moe_quad_sum(&lane);
}

static void softmax_rows(double *z, size_t n, size_t m) {
  for (size_t i = 0; i < n; i++) subtract_most(z + i * m, m);
  moe_exp(z, n * m);
  for (size_t i = 0; i < n; i++, z += m) {
    double sum = sum_lanes(z, m);
    if (sum > 0)
      for (size_t c = 0; c < m; c++) z[c] /= sum;
    else
      even_out(z, m);
  }
}

void moe_softmax(double *z, size_t n, size_t m) {
  if (n != 1 || m > MOE_LANES || !best()->softmax_few(z, m))
    softmax_rows(z, n, m);
}
