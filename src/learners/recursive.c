#include "recursive.h"

#include <math.h>
#include <string.h>

#include "instructions.h"

#define LEAST 1e-60
#define KERNEL static inline __attribute__((always_inline))

enum {
  BLOCK = 8, /* numbers: columns of U are filled up with zeros */
  HELD = 4   /* blocks of the gain that stay in registers */
};

size_t moe_recursive_width(size_t n) { return (n + BLOCK - 1) / BLOCK * BLOCK; }

/* Column j has j + 1 numbers, in moe_recursive_width(j + 1). */
size_t moe_recursive_size(size_t n) {
  size_t blocks = n / BLOCK, rest = n % BLOCK;
  return BLOCK * (blocks + 1) * (BLOCK / 2 * blocks + rest);
}

void moe_recursive_start(moe_recursive *r, double prior) {
  double *u = r->unit;
  memset(u, 0, moe_recursive_size(r->n) * sizeof *u);
  for (size_t j = 0; j < r->n; j++) {
    u[j] = 1;
    r->spread[j] = prior;
    u += moe_recursive_width(j + 1);
  }
}

#define VECTOR(n) __attribute__((vector_size((n) * sizeof(double))))
typedef double block VECTOR(BLOCK);
typedef double half VECTOR(BLOCK / 2);
typedef double quarter VECTOR(BLOCK / 4);

KERNEL void load(const double *x, block *b) { memcpy(b, x, sizeof *b); }
KERNEL void store(const block *b, double *x) { memcpy(x, b, sizeof *b); }

/* In halves: lanes 0 … 3 with 4 … 7, and so on. */
KERNEL double sum_of(const block *b) {
  half low, high;
  quarter left, right;
  memcpy(&low, b, sizeof low);
  memcpy(&high, (const double *)b + BLOCK / 2, sizeof high);
  low += high;
  memcpy(&left, &low, sizeof left);
  memcpy(&right, (const double *)&low + BLOCK / 4, sizeof right);
  left += right;
  return left[0] + left[1];
}

KERNEL double dot(const double *a, const double *b, size_t blocks) {
  block sum = {0}, x, y;
  for (size_t k = 0; k < blocks; k++) {
    load(a + k * BLOCK, &x);
    load(b + k * BLOCK, &y);
    sum += x * y;
  }
  return sum_of(&sum);
}

/* What a sample is learned by; `kept` is 1 / λ, `sum` r + zᵀ P z as far as the
   columns have come. */
typedef struct learning {
  const double *z;
  double kept, most, sum;
} learning;

/* What is known for sure could never be forgotten. */
KERNEL double limit(double spread, double most) {
  spread = spread > LEAST ? spread : LEAST;
  return spread < most ? spread : most;
}

/* Bierman's recursion for n columns of so many blocks each: the gain, up to its
   divisor, grows as the columns change. */
KERNEL void learn_columns(size_t blocks, size_t n, double *restrict u,
                          double *restrict d, learning *s,
                          double *restrict gain) {
  block held[HELD], own;
  double shrink = 1 / s->sum, sum = s->sum;
  for (size_t k = 0; k < blocks; k++) load(gain + k * BLOCK, &held[k]);
  for (size_t j = 0; j < n; j++, u += blocks * BLOCK) {
    double f = dot(u, s->z, blocks), v = d[j] * f, p = -f * shrink;
    double before = sum;
    sum += f * v;
    shrink = 1 / sum;
    for (size_t k = 0; k < blocks; k++) {
      load(u + k * BLOCK, &own);
      block changed = own + held[k] * p;
      store(&changed, u + k * BLOCK);
      held[k] += own * v;
    }
    double spread = d[j] * (before * shrink) * s->kept;
    d[j] = limit(spread, s->most);
  }
  for (size_t k = 0; k < blocks; k++) store(&held[k], gain + k * BLOCK);
  s->sum = sum;
}

/* The same with the gain in memory. */
KERNEL void learn_long_columns(size_t blocks, size_t n, double *restrict u,
                               double *restrict d, learning *s,
                               double *restrict gain) {
  for (size_t j = 0; j < n; j++, u += blocks * BLOCK) {
    double f = dot(u, s->z, blocks), v = d[j] * f, p = -f / s->sum;
    double before = s->sum;
    s->sum += f * v;
    for (size_t i = 0; i < blocks * BLOCK; i++) {
      double own = u[i];
      u[i] = own + gain[i] * p;
      gain[i] += own * v;
    }
    double spread = d[j] * (before / s->sum) * s->kept;
    d[j] = limit(spread, s->most);
  }
}

/* Divides the gain by s->sum; infinities and what is not a number anywhere end
   in one of these. */
KERNEL bool divide(size_t blocks, const learning *s, double *gain) {
  block all = {0}, own;
  for (size_t k = 0; k < blocks; k++) {
    load(gain + k * BLOCK, &own);
    own *= 1 / s->sum;
    all += own - own;
    store(&own, gain + k * BLOCK);
  }
  return sum_of(&all) + (s->sum - s->sum) == 0 && s->sum > 0;
}

KERNEL bool learn(size_t n, double *u, double *d, learning *s, double *gain) {
  size_t all = (n + BLOCK - 1) / BLOCK;
  for (size_t k = 0; k < all; k++) store(&(block){0}, gain + k * BLOCK);
  for (size_t blocks = 1, first = 0; first < n; blocks++, first += BLOCK) {
    size_t count = n - first < BLOCK ? n - first : BLOCK;
    switch (blocks) {
      case 1: learn_columns(1, count, u, d + first, s, gain); break;
      case 2: learn_columns(2, count, u, d + first, s, gain); break;
      case 3: learn_columns(3, count, u, d + first, s, gain); break;
      case 4: learn_columns(4, count, u, d + first, s, gain); break;
      default: learn_long_columns(blocks, count, u, d + first, s, gain);
    }
    u += count * blocks * BLOCK;
  }
  return divide(all, s, gain);
}

KERNEL double variance(size_t n, const double *u, const double *d,
                       const double *z) {
  double sum = 0;
  for (size_t j = 0; j < n; j++) {
    size_t blocks = j / BLOCK + 1;
    double f = dot(u, z, blocks);
    sum += d[j] * f * f;
    u += blocks * BLOCK;
  }
  return sum;
}

typedef struct kernels {
  bool (*learn)(size_t, double *, double *, learning *, double *);
  double (*variance)(size_t, const double *, const double *, const double *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                              \
  TARGET static bool learn_##NAME(size_t n, double *u, double *d, learning *s, \
                                  double *gain) {                              \
    return learn(n, u, d, s, gain);                                            \
  }                                                                            \
  TARGET static double variance_##NAME(size_t n, const double *u,              \
                                       const double *d, const double *z) {     \
    return variance(n, u, d, z);                                               \
  }                                                                            \
  static const kernels NAME = {learn_##NAME, variance_##NAME};

MOE_COMPILE_KERNELS

bool moe_recursive_learn(moe_recursive *r, const double *z, double noise,
                         double forgetting, double prior, double most,
                         double *gain) {
  learning s = {z, 1 / forgetting, most, noise};
  if (best()->learn(r->n, r->unit, r->spread, &s, gain)) return true;
  moe_recursive_start(r, prior);
  memset(gain, 0, moe_recursive_width(r->n) * sizeof *gain);
  return false;
}

bool moe_recursive_gain(moe_recursive *r, const double *z, double noise,
                        double forgetting, double prior, double *gain) {
  return moe_recursive_learn(r, z, noise, forgetting, prior, prior, gain);
}

double moe_recursive_variance(const moe_recursive *r, const double *z) {
  return best()->variance(r->n, r->unit, r->spread, z);
}
