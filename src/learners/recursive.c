#include "recursive.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "instructions.h"

#define LEAST 1e-60
/* No f whose square times that is finite is infinite over this. */
#define LEAST_NOISE 1e-100
#define KERNEL static inline __attribute__((always_inline))
#define QUAD(x) (*(moe_quad *)(x))

/* Eight numbers at a time, for instruction sets with vectors of as many. */
typedef double eight __attribute__((vector_size(8 * sizeof(double)),
                                    aligned(sizeof(double)), may_alias));
#define EIGHT(x) (*(eight *)(x))
enum { portable_has_eights, avx2_has_eights = 0, avx512_has_eights = 1 };

/* So many columns of U are as long, and so many numbers a vector; columns of a
   SHORT U fare better by rows. */
enum { GROUP = MOE_RECURSIVE_GROUP, SHORT = 40 };

/* What is found out about a group of columns: f = Uᵀ z, v = D f, which they add
   to the gain, and the running sums of f v.  In the end f is over the sum
   before it, which times the gain so far is what a column loses. */
typedef struct part {
  double f[GROUP], v[GROUP], sum[GROUP];
} part;

/* Column j has j + 1 numbers, in moe_recursive_width(j + 1). */
size_t moe_recursive_size(size_t n) {
  size_t groups = n / GROUP, rest = n % GROUP;
  return GROUP * (groups + 1) * (GROUP / 2 * groups + rest);
}

size_t moe_recursive_room(size_t n) {
  size_t width = moe_recursive_width(n);
  return width + width / GROUP * (sizeof(part) / sizeof(double));
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

moe_status moe_recursive_align(moe_call *call, double **array, size_t n) {
  enum { VECTOR = 64 };
  size_t bytes = moe_size(n, sizeof **array);
  if ((uintptr_t)*array % VECTOR == 0) return MOE_OK;
  double *aligned = moe_alloc_aligned(bytes);
  if (aligned == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for %zu B", bytes);
  memcpy(aligned, *array, bytes);
  moe_free(*array);
  *array = aligned;
  return MOE_OK;
}

/* Uᵀ z for a group of columns with so many numbers each. */
KERNEL void project_group(size_t length, const double *u, const double *z,
                          moe_quad *f) {
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
  *f = (moe_quad){ab[0], ab[1], cd[0], cd[1]} +
       (moe_quad){ab[2], ab[3], cd[2], cd[3]};
}

/* The same of one column, to the same bits. */
KERNEL double project(size_t length, const double *u, const double *z) {
  moe_quad sum = MOE_QUAD(u) * MOE_QUAD(z);
  for (size_t i = GROUP; i < length; i += GROUP)
    sum += MOE_QUAD(u + i) * MOE_QUAD(z + i);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

typedef __typeof__((moe_quad){0} < (moe_quad){0}) choice;

/* a where it is chosen, else b. */
#define CHOOSE(chosen, a, b) \
  ((moe_quad)(((chosen) & (choice)(a)) | (~(chosen) & (choice)(b))))

/* `sum` is what the columns before sum up to, in each lane. */
KERNEL void weigh(const moe_quad *f, const double *d, moe_quad *sum, part *to) {
  moe_quad own = MOE_QUAD(d) * *f, term = *f * own;
  moe_quad pairs = term + (moe_quad){0, term[0], 0, term[2]};
  moe_quad all = pairs + (moe_quad){0, 0, pairs[1], pairs[1]} + *sum;
  QUAD(to->f) = *f;
  QUAD(to->v) = own;
  QUAD(to->sum) = all;
  *sum = (moe_quad){all[3], all[3], all[3], all[3]};
}

/* All that a sample tells before its noise is known. */
KERNEL void look(const moe_recursive *r, const double *z, part *to) {
  const double *u = r->unit, *d = r->spread;
  size_t n = r->n, rest = n % GROUP, length = GROUP;
  moe_quad sum = {0}, f = {0};
  for (; length <= n; length += GROUP, d += GROUP) {
    project_group(length, u, z, &f);
    weigh(&f, d, &sum, to++);
    u += GROUP * length;
  }
  if (rest == 0) return;
  f = (moe_quad){project(length, u, z)};
  if (rest > 1) f[1] = project(length, u + length, z);
  if (rest > 2) f[2] = project(length, u + 2 * length, z);
  weigh(&f, d, &sum, to);
}

/* What is known for sure could never be forgotten.  In vectors, by hand: four
   numbers that are written singly are slow to read as one. */
KERNEL void store_spread(const moe_quad *x, double limit, double *d) {
  moe_quad spread = *x;
  const moe_quad least = (moe_quad){0} + LEAST, most = (moe_quad){0} + limit;
  spread = CHOOSE(spread > least, spread, least);
  QUAD(d) = CHOOSE(spread < most, spread, most);
}

/* The sums have the noise in them now: changes D, and tells what divides by the
   last of them.  All that waits for the noise waits for one division; the first
   column has no gain before it to lose, and needs none. */
KERNEL double share(size_t n, double noise, double kept, double most,
                    double *restrict d, part *restrict p) {
  moe_quad to = (moe_quad){0} + noise, by = {0};
  for (size_t j = 0; j < n; j += GROUP, d += GROUP, p++) {
    moe_quad sum = MOE_QUAD(p->sum) + noise, shrink = 1 / sum;
    moe_quad before = {to[3], sum[0], sum[1], sum[2]};
    moe_quad last = {by[3], shrink[0], shrink[1], shrink[2]};
    moe_quad spread = (MOE_QUAD(d) * kept) * (before * shrink);
    QUAD(p->f) = MOE_QUAD(p->f) * last;
    store_spread(&spread, most, d);
    to = sum;
    by = shrink;
  }
  return by[3];
}

/* Divides four numbers of the gain, and adds up their squares. */
KERNEL void divide(const moe_quad *sum, double shrink, double *gain,
                   moe_quad *squares) {
  moe_quad own = *sum * shrink;
  *squares += own * own;
  QUAD(gain) = own;
}

/* Changes four rows of n columns, and the gain by what they were. */
KERNEL void change_four(size_t n, size_t length, double *u, const double *p,
                        const double *v, moe_quad *gain) {
  for (size_t j = 0; j < n; j++) {
    moe_quad own = MOE_QUAD(u + j * length);
    QUAD(u + j * length) = own - *gain * p[j];
    *gain += own * v[j];
  }
}

KERNEL void change_columns(size_t n, size_t length, double *restrict u,
                           const double *p, const double *v,
                           double *restrict gain) {
  for (size_t i = 0; i < length; i += GROUP) {
    moe_quad sum = MOE_QUAD(gain + i);
    change_four(n, length, u + i, p, v, &sum);
    QUAD(gain + i) = sum;
  }
}

/* Finds U and the gain, whose length squared is the sum of `squares`. */
KERNEL void change(const moe_recursive *r, const part *p, double shrink,
                   double *restrict gain, moe_quad *squares) {
  double *u = r->unit;
  size_t n = r->n, rest = n % GROUP, length = GROUP;
  for (; length <= n; length += GROUP, p++) {
    QUAD(gain + length - GROUP) = (moe_quad){0};
    change_columns(GROUP, length, u, p->f, p->v, gain);
    u += GROUP * length;
  }
  if (rest > 0) QUAD(gain + length - GROUP) = (moe_quad){0};
  for (size_t j = 0; j < rest; j++, u += length)
    change_columns(1, length, u, p->f + j, p->v + j, gain);
  for (size_t i = 0; i < n; i += GROUP)
    divide(&QUAD(gain + i), shrink, gain + i, squares);
}

/* The same of eight rows. */
KERNEL void change_eight(size_t n, size_t length, double *u, const part *p,
                         eight *gain) {
  for (size_t j = 0; j < n; j++) {
    eight own = EIGHT(u + j * length);
    EIGHT(u + j * length) = own - *gain * p->f[j];
    *gain += own * p->v[j];
  }
}

/* The same in n columns of all groups from one on, which begins at `at`. */
KERNEL void change_groups(size_t n, size_t length, double *u, size_t at,
                          const part *p, eight *gain) {
  for (; n >= GROUP; n -= GROUP, length += GROUP, p++) {
    change_eight(GROUP, length, u + at, p, gain);
    at += GROUP * length;
  }
  if (n > 0) change_eight(n, length, u + at, p, gain);
}

/* The same as `change`, to the same bits, eight rows after the other, of which
   a group of columns has but four.  The gain is in registers: short columns
   would wait for memory to hand on what the ones before have just stored. */
KERNEL void change_by_rows(const moe_recursive *r, const part *p, double shrink,
                           double *restrict gain, moe_quad *squares) {
  double *u = r->unit;
  size_t at = 0, length = GROUP, n = r->n;
  for (; n > GROUP; p += 2, gain += 2 * GROUP) {
    moe_quad low = {0};
    change_four(GROUP, length, u + at, p->f, p->v, &low);
    eight sum = {low[0], low[1], low[2], low[3]};
    at += GROUP * length;
    length += GROUP;
    change_groups(n - GROUP, length, u, at, p + 1, &sum);
    low = (moe_quad){sum[0], sum[1], sum[2], sum[3]};
    divide(&low, shrink, gain, squares);
    moe_quad high = {sum[4], sum[5], sum[6], sum[7]};
    divide(&high, shrink, gain + GROUP, squares);
    if (n <= 2 * GROUP) return;
    at += GROUP * length + 2 * GROUP;
    length += GROUP;
    n -= 2 * GROUP;
  }
  moe_quad low = {0};
  change_four(n, length, u + at, p->f, p->v, &low);
  divide(&low, shrink, gain, squares);
}

/* Bierman's recursion, each of its steps for all columns before the next: no
   column waits for the one before then, and the first step, a third of the
   work, not for the noise. */
KERNEL double learn(const moe_recursive *r, const double *z, double noise,
                    double kept, double most, bool eights, double *gain) {
  part *parts = (part *)(gain + moe_recursive_width(r->n));
  moe_quad squares = {0};
  look(r, z, parts);
  double shrink = share(r->n, noise, kept, most, r->spread, parts);
  if (eights && r->n <= SHORT)
    change_by_rows(r, parts, shrink, gain, &squares);
  else
    change(r, parts, shrink, gain, &squares);
  return shrink > 0 ? moe_quad_sum(&squares) : INFINITY;
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
  double (*learn)(const moe_recursive *, const double *, double, double, double,
                  double *);
  double (*variance)(const moe_recursive *, const double *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                            \
  TARGET static double learn_##NAME(const moe_recursive *r, const double *z, \
                                    double noise, double kept, double most,  \
                                    double *gain) {                          \
    return learn(r, z, noise, kept, most, NAME##_has_eights, gain);          \
  }                                                                          \
  TARGET static double variance_##NAME(const moe_recursive *r,               \
                                       const double *z) {                    \
    return variance(r, z);                                                   \
  }                                                                          \
  static const kernels NAME = {learn_##NAME, variance_##NAME};

MOE_COMPILE_KERNELS

bool moe_recursive_learn(moe_recursive *r, const double *z, double noise,
                         double forgetting, double prior, double most,
                         double *gain, double *length) {
  noise = noise > LEAST_NOISE ? noise : LEAST_NOISE;
  *length = best()->learn(r, z, noise, 1 / forgetting, most, gain);
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
