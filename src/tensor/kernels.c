#include "kernels.h"

#include <math.h>
#include <string.h>

#include "gemm.h"
#include "threads.h"

static moe_status check_floats(moe_call *call, const char *what,
                               const moe_tensor *t) {
  if (t->dtype == MOE_F32) return MOE_OK;
  return moe_fail(call, MOE_EARG,
                  "%s: an index tensor (int32) takes no arithmetic; "
                  "use t:float()",
                  what);
}

/* -------------------------------------------------------------- element-wise
   Each operation is one loop over a row; an operand whose step is 0 is the same
   for the whole row. */

#define BINARY_MAP(X)              \
  X(MOE_ADD, add, a + b)           \
  X(MOE_SUBTRACT, subtract, a - b) \
  X(MOE_MULTIPLY, multiply, a *b)  \
  X(MOE_DIVIDE, divide, a / b)     \
  X(MOE_POWER, power, powf(a, b))

#define UNARY_MAP(X)          \
  X(MOE_NEGATE, negate, -a)   \
  X(MOE_EXP, exp, expf(a))    \
  X(MOE_LOG, log, logf(a))    \
  X(MOE_SQRT, sqrt, sqrtf(a)) \
  X(MOE_ABS, abs, fabsf(a))

typedef void (*binary_row)(size_t n, const float *x, size_t x_step,
                           const float *y, size_t y_step, float *out);
typedef void (*unary_row)(size_t n, const float *x, float *out);

#define LOOP(first, second, value)     \
  for (size_t i = 0; i < n; i++) {     \
    float a = x[first], b = y[second]; \
    out[i] = value;                    \
  }

#define X(op, name, value)                                             \
  static void name##_rows(size_t n, const float *x, size_t x_step,     \
                          const float *y, size_t y_step, float *out) { \
    if (x_step == 0) {                                                 \
      LOOP(0, i *y_step, value)                                        \
    } else if (y_step == 0) {                                          \
      LOOP(i, 0, value)                                                \
    } else {                                                           \
      LOOP(i, i, value)                                                \
    }                                                                  \
  }
BINARY_MAP(X)
#undef X

#define X(op, name, value)                                       \
  static void name##_row(size_t n, const float *x, float *out) { \
    for (size_t i = 0; i < n; i++) {                             \
      float a = x[i];                                            \
      out[i] = value;                                            \
    }                                                            \
  }
UNARY_MAP(X)
#undef X

static const struct {
  const char *name;
  binary_row row;
} binaries[] = {
#define X(op, name, value) [op] = {#name, name##_rows},
    BINARY_MAP(X)
#undef X
};

static const struct {
  const char *name;
  unary_row row;
} unaries[] = {
#define X(op, name, value) [op] = {#name, name##_row},
    UNARY_MAP(X)
#undef X
};

/* Two operands over the shape of their result: dimensions from the last to the
   first, joined where both operands run on from one to the next. */
typedef struct broadcast {
  size_t shape[MOE_MAX_DIMS], a_step[MOE_MAX_DIMS], b_step[MOE_MAX_DIMS];
} broadcast;

/* The length of t's dimension `dim`, counted from the last. */
static int64_t length_from_end(const moe_tensor *t, int dim) {
  return dim < t->ndim ? t->shape[t->ndim - 1 - dim] : 1;
}

/* The shape of the result; false where the operands do not fit. */
static bool fit(const moe_tensor *a, const moe_tensor *b, int *ndim,
                int64_t *shape) {
  *ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
  for (int d = 0; d < *ndim; d++) {
    int64_t in_a = length_from_end(a, d), in_b = length_from_end(b, d);
    if (in_a != in_b && in_a != 1 && in_b != 1) return false;
    shape[*ndim - 1 - d] = in_a == 1 ? in_b : in_a;
  }
  return true;
}

static broadcast lay_out(const moe_tensor *a, const moe_tensor *b,
                         const moe_tensor *out) {
  broadcast x = {{1, 1, 1, 1}, {0}, {0}};
  size_t a_size = 1, b_size = 1;
  for (int d = 0, last = 0; d < out->ndim; d++) {
    size_t in_a = (size_t)length_from_end(a, d);
    size_t in_b = (size_t)length_from_end(b, d);
    size_t a_step = in_a == 1 ? 0 : a_size, b_step = in_b == 1 ? 0 : b_size;
    bool joined = d > 0 && a_step == x.a_step[last] * x.shape[last] &&
                  b_step == x.b_step[last] * x.shape[last];
    if (d > 0 && !joined) last++;
    if (!joined) {
      x.a_step[last] = a_step;
      x.b_step[last] = b_step;
    }
    x.shape[last] *= (size_t)length_from_end(out, d);
    a_size *= in_a;
    b_size *= in_b;
  }
  return x;
}

static void run(const broadcast *x, binary_row row, const float *a,
                const float *b, float *out) {
  for (size_t i = 0; i < x->shape[3]; i++)
    for (size_t j = 0; j < x->shape[2]; j++)
      for (size_t k = 0; k < x->shape[1]; k++, out += x->shape[0])
        row(x->shape[0],
            a + i * x->a_step[3] + j * x->a_step[2] + k * x->a_step[1],
            x->a_step[0],
            b + i * x->b_step[3] + j * x->b_step[2] + k * x->b_step[1],
            x->b_step[0], out);
}

static void keep_names(moe_tensor *out, const moe_tensor *a,
                       const moe_tensor *b) {
  moe_names *names = a->names != NULL ? a->names : b->names;
  if (names == NULL || out->ndim != 2) return;
  if ((size_t)out->shape[1] != names->texts.n) return;
  if (b->names != NULL && !moe_names_equal(names, b->names)) return;
  out->names = moe_names_retain(names);
}

moe_status moe_tensor_binary(moe_call *call, moe_binary op, const moe_tensor *a,
                             const moe_tensor *b, moe_tensor **out) {
  const char *name = binaries[op].name;
  int64_t shape[MOE_MAX_DIMS];
  int ndim;
  broadcast x;
  *out = NULL;
  MOE_TRY(check_floats(call, name, a));
  MOE_TRY(check_floats(call, name, b));
  if (!fit(a, b, &ndim, shape))
    return moe_fail(call, MOE_EARG, "%s: shapes %s and %s do not fit", name,
                    moe_tensor_shape_text(a).text,
                    moe_tensor_shape_text(b).text);
  MOE_TRY(moe_tensor_new(call, MOE_F32, ndim, shape, out));
  keep_names(*out, a, b);
  x = lay_out(a, b, *out);
  if ((*out)->n != 0) run(&x, binaries[op].row, a->f, b->f, (*out)->f);
  return MOE_OK;
}

moe_status moe_tensor_unary(moe_call *call, moe_unary op, const moe_tensor *t,
                            moe_tensor **out) {
  *out = NULL;
  MOE_TRY(check_floats(call, unaries[op].name, t));
  MOE_TRY(moe_tensor_new(call, MOE_F32, t->ndim, t->shape, out));
  unaries[op].row(t->n, t->f, (*out)->f);
  (*out)->names = moe_names_retain(t->names);
  return MOE_OK;
}

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
  MOE_TRY(check_floats(call, name, t));
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

moe_status moe_tensor_reduce(moe_call *call, moe_reduction op,
                             const moe_tensor *t, int dim, moe_tensor **out) {
  const reduction *r = &reductions[op];
  around x;
  double *sums, over;
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

/* ----------------------------------------------------------------- products */

/* c = a·b, cut into bands of rows. */
typedef struct product {
  const float *a, *b;
  float *c;
  size_t m, n, k;
} product;

enum { BAND = 256 }; /* rows: enough that a library loses nothing by the cut */

static void multiply_band(void *context, size_t index, int worker) {
  const product *x = context;
  size_t first = index * BAND;
  size_t rows = x->m - first < BAND ? x->m - first : BAND;
  (void)worker;
  moe_gemm(false, false, rows, x->n, x->k, 1, x->a + first * x->k, x->k, x->b,
           x->n, 0, x->c + first * x->n, x->n);
}

/* The shape of a tensor as an operand: a single dimension is a row on the left
   and a column on the right. */
static void read_matrix(const moe_tensor *t, bool left, size_t *rows,
                        size_t *columns) {
  size_t first = (size_t)t->shape[0];
  *rows = t->ndim == 2 || !left ? first : 1;
  *columns = t->ndim == 2 ? (size_t)t->shape[1] : left ? first : 1;
}

moe_status moe_tensor_matmul(moe_call *call, const moe_tensor *a,
                             const moe_tensor *b, moe_tensor **out) {
  product x;
  size_t k;
  int64_t shape[2];
  int ndim = 0;
  *out = NULL;
  MOE_TRY(check_floats(call, "matmul", a));
  MOE_TRY(check_floats(call, "matmul", b));
  read_matrix(a, true, &x.m, &x.k);
  read_matrix(b, false, &k, &x.n);
  if (a->ndim > 2 || b->ndim > 2 || k != x.k)
    return moe_fail(call, MOE_EARG, "matmul: shapes %s and %s do not fit",
                    moe_tensor_shape_text(a).text,
                    moe_tensor_shape_text(b).text);
  if (a->ndim == 2) shape[ndim++] = a->shape[0];
  if (b->ndim == 2) shape[ndim++] = b->shape[1];
  if (ndim == 0) shape[ndim++] = 1;
  MOE_TRY(moe_tensor_new(call, MOE_F32, ndim, shape, out));
  x.a = a->f;
  x.b = b->f;
  x.c = (*out)->f;
  moe_parallel(call, (x.m + BAND - 1) / BAND, multiply_band, &x);
  if (ndim == 2) (*out)->names = moe_names_retain(b->names);
  return MOE_OK;
}

moe_status moe_tensor_dot(moe_call *call, const moe_tensor *a,
                          const moe_tensor *b, double *out) {
  double lane[LANES] = {0};
  MOE_TRY(check_floats(call, "dot", a));
  MOE_TRY(check_floats(call, "dot", b));
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
