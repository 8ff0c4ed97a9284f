#include "recursive.h"

#include <float.h>
#include <string.h>

#include "instructions.h"

#define LEAST 1e-60
#define KERNEL static inline __attribute__((always_inline))
#define QUAD(x) (*(moe_quad *)(x))

enum {
  GROUP = MOE_RECURSIVE_GROUP, /* columns of U that are as long, and a vector */
  RUN = 32                     /* columns that are gone through together */
};

/* Column j has j + 1 numbers, in moe_recursive_width(j + 1). */
size_t moe_recursive_size(size_t n) {
  size_t groups = n / GROUP, rest = n % GROUP;
  return GROUP * (groups + 1) * (GROUP / 2 * groups + rest);
}

void moe_recursive_start(moe_recursive *r, double prior) {
  double *u = r->unit;
  memset(u, 0, moe_recursive_size(r->n) * sizeof *u);
  memset(r->spread, 0, moe_recursive_width(r->n) * sizeof *r->spread);
  for (size_t j = 0; j < r->n; j++) {
    u[j] = 1;
    r->spread[j] = prior;
    u += moe_recursive_width(j + 1);
  }
}

/* Uᵀ z for a group of columns with so many numbers each. */
KERNEL void project_group(size_t length, const double *u, const double *z,
                          double *f) {
  moe_quad x = MOE_QUAD(z), a = x * MOE_QUAD(u), b = x * MOE_QUAD(u + length),
           c = x * MOE_QUAD(u + 2 * length), d = x * MOE_QUAD(u + 3 * length);
  for (size_t i = GROUP; i < length; i += GROUP) {
    u += GROUP;
    x = MOE_QUAD(z + i);
    a += x * MOE_QUAD(u);
    b += x * MOE_QUAD(u + length);
    c += x * MOE_QUAD(u + 2 * length);
    d += x * MOE_QUAD(u + 3 * length);
  }
  moe_quad ab =
      (moe_quad){a[0], b[0], a[2], b[2]} + (moe_quad){a[1], b[1], a[3], b[3]};
  moe_quad cd =
      (moe_quad){c[0], d[0], c[2], d[2]} + (moe_quad){c[1], d[1], c[3], d[3]};
  QUAD(f) = (moe_quad){ab[0], ab[1], cd[0], cd[1]} +
            (moe_quad){ab[2], ab[3], cd[2], cd[3]};
}

/* The same of one column, to the same bits. */
KERNEL double project(size_t length, const double *u, const double *z) {
  moe_quad sum = MOE_QUAD(u) * MOE_QUAD(z);
  for (size_t i = GROUP; i < length; i += GROUP)
    sum += MOE_QUAD(u + i) * MOE_QUAD(z + i);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* What a sample is learned by; `kept` is 1 / λ, `sum` r + zᵀ P z as far as the
   columns have come, `shrink` 1 / sum. */
typedef struct learning {
  const double *z;
  double kept, most, sum, shrink;
} learning;

typedef __typeof__((moe_quad){0} < (moe_quad){0}) choice;

/* a where it is chosen, else b. */
#define CHOOSE(chosen, a, b) \
  ((moe_quad)(((chosen) & (choice)(a)) | (~(chosen) & (choice)(b))))

/* What is known for sure could never be forgotten.  In vectors, by hand: four
   numbers that are written singly are slow to read as one. */
KERNEL void store_spread(const moe_quad *x, double limit, double *d) {
  moe_quad spread = *x;
  const moe_quad least = (moe_quad){0} + LEAST, most = (moe_quad){0} + limit;
  spread = CHOOSE(spread > least, spread, least);
  QUAD(d) = CHOOSE(spread < most, spread, most);
}

/* Given f = Uᵀ z of a group, finds v = D f, which the columns add to the gain,
   and p, which the gain adds to the columns and f gives way to; changes D. */
KERNEL void weigh(learning *s, double *restrict d, double *restrict f,
                  double *restrict v) {
  moe_quad own = MOE_QUAD(d) * MOE_QUAD(f), term = MOE_QUAD(f) * own;
  moe_quad pairs = term + (moe_quad){0, term[0], 0, term[2]};
  moe_quad sum = pairs + (moe_quad){0, 0, pairs[1], pairs[1]} + s->sum;
  moe_quad before = {s->sum, sum[0], sum[1], sum[2]}, shrink = 1 / sum;
  moe_quad last = {s->shrink, shrink[0], shrink[1], shrink[2]};
  moe_quad spread = MOE_QUAD(d) * (before * shrink * s->kept);
  s->sum = sum[3];
  s->shrink = shrink[3];
  QUAD(v) = own;
  QUAD(f) = -MOE_QUAD(f) * last;
  store_spread(&spread, s->most, d);
}

/* Changes n columns, and the gain by what they were. */
KERNEL void change_columns(size_t n, size_t length, double *restrict u,
                           const double *p, const double *v,
                           double *restrict gain) {
  for (size_t i = 0; i < length; i += GROUP, u += GROUP) {
    moe_quad sum = MOE_QUAD(gain + i);
    for (size_t j = 0; j < n; j++) {
      moe_quad own = MOE_QUAD(u + j * length);
      QUAD(u + j * length) = own + sum * p[j];
      sum += own * v[j];
    }
    QUAD(gain + i) = sum;
  }
}

/* Bierman's recursion for n columns, the first of which has the number `first`
   and starts at u: the gain, up to its divisor, grows.  Each of the steps is
   done for all columns before the next, as nothing waits for the last sum
   then.  Returns the end of the columns. */
KERNEL double *learn_columns(size_t first, size_t n, double *u, double *d,
                             learning *s, double *gain) {
  double p[RUN], v[RUN];
  size_t whole = n / GROUP * GROUP, length = first + GROUP, j;
  const double *at = u;
  for (j = 0; j < whole; at += GROUP * length, j += GROUP, length += GROUP)
    project_group(length, at, s->z, p + j);
  if (j < n) QUAD(p + j) = (moe_quad){0};
  for (; j < n; at += length, j++) p[j] = project(length, at, s->z);
  for (j = 0; j < n; j += GROUP) weigh(s, d + j, p + j, v + j);
  for (j = 0, length = first + GROUP; j < whole; j += GROUP, length += GROUP) {
    change_columns(GROUP, length, u, p + j, v + j, gain);
    u += GROUP * length;
  }
  for (; j < n; u += length, j++)
    change_columns(1, length, u, p + j, v + j, gain);
  return u;
}

/* Divides the gain by s->sum, and tells its squared length; infinities and what
   is not a number anywhere end in that. */
KERNEL double divide(size_t n, const learning *s, double *gain) {
  moe_quad sum = {0};
  for (size_t i = 0; i < n; i += GROUP) {
    moe_quad own = MOE_QUAD(gain + i) * s->shrink;
    sum += own * own;
    QUAD(gain + i) = own;
  }
  return moe_quad_sum(&sum) + (s->sum - s->sum);
}

KERNEL double learn(const moe_recursive *r, const learning *start,
                    double *gain) {
  learning s = *start;
  size_t n = r->n;
  double *u = r->unit;
  s.shrink = 1 / s.sum;
  for (size_t i = 0; i < n; i += GROUP) QUAD(gain + i) = (moe_quad){0};
  for (size_t first = 0; first < n; first += RUN)
    u = learn_columns(first, n - first < RUN ? n - first : RUN, u,
                      r->spread + first, &s, gain);
  return divide(n, &s, gain);
}

KERNEL double variance(const moe_recursive *r, const double *z) {
  const double *u = r->unit;
  double sum = 0;
  for (size_t j = 0; j < r->n; j++) {
    size_t length = moe_recursive_width(j + 1);
    double f = project(length, u, z);
    sum += r->spread[j] * f * f;
    u += length;
  }
  return sum;
}

typedef struct kernels {
  double (*learn)(const moe_recursive *, const learning *, double *);
  double (*variance)(const moe_recursive *, const double *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                              \
  TARGET static double learn_##NAME(const moe_recursive *r, const learning *s, \
                                    double *gain) {                            \
    return learn(r, s, gain);                                                  \
  }                                                                            \
  TARGET static double variance_##NAME(const moe_recursive *r,                 \
                                       const double *z) {                      \
    return variance(r, z);                                                     \
  }                                                                            \
  static const kernels NAME = {learn_##NAME, variance_##NAME};

MOE_COMPILE_KERNELS

bool moe_recursive_learn(moe_recursive *r, const double *z, double noise,
                         double forgetting, double prior, double most,
                         double *gain, double *length) {
  learning s = {.z = z, .kept = 1 / forgetting, .most = most, .sum = noise};
  *length = best()->learn(r, &s, gain);
  if (*length <= DBL_MAX) return true;
  moe_recursive_start(r, prior);
  memset(gain, 0, moe_recursive_width(r->n) * sizeof *gain);
  return false;
}

bool moe_recursive_gain(moe_recursive *r, const double *z, double noise,
                        double forgetting, double prior, double *gain) {
  double length;
  return moe_recursive_learn(r, z, noise, forgetting, prior, prior, gain,
                             &length);
}

double moe_recursive_variance(const moe_recursive *r, const double *z) {
  return best()->variance(r, z);
}
