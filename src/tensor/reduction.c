/* Tensors folded over one dimension, or all. */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "shapes.h"
#include "tape.h"

/* --------------------------------------------------------------- reductions
   A tensor reduced over one dimension is seen as outer × length × inner.  An
   operation folds a row of `inner` floats into as many doubles; where inner is
   1, LANES neighbours are folded side by side and joined at the end. */

#define REDUCTION_MAP(X)                                \
  X(MOE_SUM, sum, 0, a + b)                             \
  X(MOE_MEAN, mean, 0, a + b)                           \
  X(MOE_MAX, max, -INFINITY, b > a || isnan(b) ? b : a) \
  X(MOE_MIN, min, INFINITY, b < a || isnan(b) ? b : a)

enum { LANES = 16 };

#define X(op, name, start, value)                                   \
  static void name##_fold(size_t n, const float *x, double *into) { \
    for (size_t i = 0; i < n; i++) {                                \
      double a = into[i], b = x[i];                                 \
      into[i] = value;                                              \
    }                                                               \
  }                                                                 \
  static double name##_join(double a, double b) { return value; }
REDUCTION_MAP(X)
#undef X

typedef struct reduction {
  const char *name;
  double start;
  void (*fold)(size_t n, const float *x, double *into);
  double (*join)(double a, double b);
} reduction;

static const reduction reductions[] = {
#define X(op, name, start, value) \
  [op] = {#name, start, name##_fold, name##_join},
    REDUCTION_MAP(X)
#undef X
};

static void fill(double *x, size_t n, double value) {
  for (size_t i = 0; i < n; i++) x[i] = value;
}

static double reduce_row(const reduction *r, size_t n, const float *x) {
  double lane[LANES];
  fill(lane, LANES, r->start);
  for (; n >= LANES; n -= LANES, x += LANES) r->fold(LANES, x, lane);
  r->fold(n, x, lane);
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lane[i] = r->join(lane[i], lane[i + half]);
  return lane[0];
}

/* A tensor seen around one of its dimensions; `dim` < 0: around all. */
typedef struct around {
  size_t outer, length, inner;
} around;

static around look_around(const moe_tensor *t, int dim) {
  around x = {1, 1, 1};
  if (dim < 0) return (around){1, t->n, 1};
  for (int i = 0; i < t->ndim; i++)
    *(i < dim    ? &x.outer
      : i == dim ? &x.length
                 : &x.inner) *= (size_t)t->shape[i];
  return x;
}

static moe_status check_reduction(moe_call *call, const char *name,
                                  const moe_tensor *t, int dim, bool of_none) {
  MOE_TRY(moe__check_floats(call, name, t));
  if (dim >= t->ndim)
    return moe_fail(call, MOE_EARG, "%s: dimension %d is not in [1, %d]", name,
                    dim + 1, t->ndim);
  if (look_around(t, dim).length == 0 && !of_none)
    return moe_fail(call, MOE_EARG,
                    "%s: at least one item is needed, the shape is %s", name,
                    moe_tensor_shape_text(t).text);
  return MOE_OK;
}

static moe_status new_reduced(moe_call *call, const moe_tensor *t, int dim,
                              moe_dtype dtype, moe_tensor **out) {
  int64_t shape[MOE_MAX_DIMS];
  memcpy(shape, t->shape, sizeof shape);
  shape[dim] = 1;
  return moe_tensor_new(call, dtype, t->ndim, shape, out);
}

/* The `inner` results of one of the outer parts. */
static void reduce_part(const reduction *r, const around *x, const float *part,
                        double *into) {
  if (x->inner == 1) {
    *into = reduce_row(r, x->length, part);
    return;
  }
  fill(into, x->inner, r->start);
  for (size_t i = 0; i < x->length; i++)
    r->fold(x->inner, part + i * x->inner, into);
}

static void spread(const around *x, const float *g, float over, float *to) {
  for (size_t o = 0; o < x->outer; o++, g += x->inner)
    for (size_t k = 0; k < x->length; k++, to += x->inner)
      for (size_t i = 0; i < x->inner; i++) to[i] += g[i] / over;
}

/* To the first of the items that are the extreme, or that are NaN with it. */
static void point(const around *x, const float *in, const float *out,
                  const float *g, float *to) {
  for (size_t o = 0; o < x->outer * x->inner; o++) {
    size_t at = o / x->inner * x->length * x->inner + o % x->inner, k = 0;
    while (k + 1 < x->length && !(in[at + k * x->inner] == out[o]) &&
           !isnan(in[at + k * x->inner]))
      k++;
    to[at + k * x->inner] += g[o];
  }
}

typedef struct reduced {
  int op, dim;
} reduced;

static moe_status back_reduce(moe_call *call, moe_record *r,
                              const moe_tensor *out, const float *g) {
  const reduced *own = r->own;
  const moe_tensor *t = r->inputs[0];
  around x = look_around(t, own->dim);
  float *to;
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, 0, &to, &fresh));
  if (to == NULL || t->n == 0) return MOE_OK;
  if (fresh) memset(to, 0, t->n * sizeof *to);
  if (own->op == MOE_SUM || own->op == MOE_MEAN)
    spread(&x, g, own->op == MOE_MEAN ? (float)x.length : 1, to);
  else
    point(&x, t->f, out->f, g, to);
  return MOE_OK;
}

static const moe_operation reducing[] = {
#define X(o, text, start, value)                                            \
  [o] = {.name = #text,                                                     \
         .size = sizeof(reduced),                                           \
         .reads = o == MOE_SUM || o == MOE_MEAN ? 0 : 1 | MOE_READS_OUTPUT, \
         .backward = back_reduce},
    REDUCTION_MAP(X)
#undef X
};

moe_status moe_tensor_reduce(moe_call *call, moe_reduction op, moe_tensor *t,
                             int dim, moe_tensor **out) {
  const reduction *r = &reductions[op];
  moe_scratch_mark mark = moe_scratch_now(call);
  around x;
  double *sums, over;
  reduced *own;
  *out = NULL;
  MOE_TRY(check_reduction(call, r->name, t, dim, op == MOE_SUM));
  x = look_around(t, dim);
  over = op == MOE_MEAN ? (double)x.length : 1;
  MOE_SCRATCH(call, sums, x.inner);
  MOE_TRY(new_reduced(call, t, dim, MOE_F32, out));
  for (size_t o = 0; o < x.outer; o++) {
    reduce_part(r, &x, t->f + o * x.length * x.inner, sums);
    for (size_t i = 0; i < x.inner; i++)
      (*out)->f[o * x.inner + i] = (float)(sums[i] / over);
  }
  moe_scratch_drop(call, mark);
  MOE_TRY(moe_tape_record(call, &reducing[op], out, 1, &t, &own));
  if (own != NULL) *own = (reduced){op, dim};
  return MOE_OK;
}

moe_status moe_tensor_reduce_all(moe_call *call, moe_reduction op,
                                 const moe_tensor *t, double *out) {
  const reduction *r = &reductions[op];
  MOE_TRY(check_reduction(call, r->name, t, -1, op == MOE_SUM));
  *out = reduce_row(r, t->n, t->f);
  if (op == MOE_MEAN) *out /= (double)t->n;
  return MOE_OK;
}

/* The place of the largest of n items that lie `step` apart. */
static size_t find_largest(size_t n, const float *x, size_t step) {
  size_t best = 0;
  for (size_t i = 0; i < n; i++) {
    if (isnan(x[i * step])) return i;
    if (x[i * step] > x[best * step]) best = i;
  }
  return best;
}

moe_status moe_tensor_argmax(moe_call *call, const moe_tensor *t, int dim,
                             moe_tensor **out) {
  around x;
  *out = NULL;
  MOE_TRY(check_reduction(call, "argmax", t, dim, false));
  x = look_around(t, dim);
  MOE_TRY(new_reduced(call, t, dim, MOE_I32, out));
  for (size_t o = 0; o < x.outer; o++)
    for (size_t i = 0; i < x.inner; i++)
      (*out)->i[o * x.inner + i] = (int32_t)find_largest(
          x.length, t->f + o * x.length * x.inner + i, x.inner);
  return MOE_OK;
}

moe_status moe_tensor_argmax_all(moe_call *call, const moe_tensor *t,
                                 int64_t *out) {
  MOE_TRY(check_reduction(call, "argmax", t, -1, false));
  *out = (int64_t)find_largest(t->n, t->f, 1);
  return MOE_OK;
}

moe_status moe_tensor_dot(moe_call *call, const moe_tensor *a,
                          const moe_tensor *b, double *out) {
  double lane[LANES] = {0};
  MOE_TRY(moe__check_floats(call, "dot", a));
  MOE_TRY(moe__check_floats(call, "dot", b));
  if (a->ndim != b->ndim ||
      memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) != 0)
    return moe_fail(call, MOE_EARG, "dot: shapes %s and %s differ",
                    moe_tensor_shape_text(a).text,
                    moe_tensor_shape_text(b).text);
  for (size_t i = 0; i < a->n; i++)
    lane[i % LANES] += (double)a->f[i] * (double)b->f[i];
  *out = 0;
  for (int i = 0; i < LANES; i++) *out += lane[i];
  return MOE_OK;
}
