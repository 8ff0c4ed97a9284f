/* Arithmetic item by item, with gradients. */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "shapes.h"
#include "tape.h"

/* Name, value, and derivatives by the operands, z being the value.  A power's
   by its base is 0 where the exponent is, and by its exponent where the base
   is. */
#define BINARY_MAP(X)                                              \
  X(MOE_ADD, add, a + b, 1, 1)                                     \
  X(MOE_SUBTRACT, subtract, a - b, 1, -1)                          \
  X(MOE_MULTIPLY, multiply, a *b, b, a)                            \
  X(MOE_DIVIDE, divide, a / b, 1 / b, -z / b)                      \
  X(MOE_POWER, power, powf(a, b), b == 0 ? 0 : b * powf(a, b - 1), \
    a == 0 ? 0 : z * logf(a))

#define UNARY_MAP(X)                    \
  X(MOE_NEGATE, negate, -a, -1)         \
  X(MOE_EXP, exp, expf(a), z)           \
  X(MOE_LOG, log, logf(a), 1 / a)       \
  X(MOE_SQRT, sqrt, sqrtf(a), 0.5f / z) \
  X(MOE_ABS, abs, fabsf(a), (float)((a > 0) - (a < 0)))

/* -------------------------------------------------------------------- rows
   Each operation is one loop over a row; an operand whose step is 0 is the same
   for the whole row, and so its derivative is a sum. */
typedef void (*binary_row)(size_t n, const float *x, size_t x_step,
                           const float *y, size_t y_step, float *out);
typedef void (*binary_back)(size_t n, const float *x, size_t x_step,
                            const float *y, size_t y_step, const float *out,
                            const float *g, float *to, size_t step);
typedef void (*unary_row)(size_t n, const float *x, float *out);
typedef void (*unary_back)(size_t n, const float *x, const float *out,
                           const float *g, float *to);

#define LOOP(first, second, value)     \
  for (size_t i = 0; i < n; i++) {     \
    float a = x[first], b = y[second]; \
    out[i] = value;                    \
  }

/* `to` runs with the operand that it is the gradient of. */
#define LOOP_BACK(first, second, derivative)         \
  if (step == 0) {                                   \
    double sum = 0;                                  \
    for (size_t i = 0; i < n; i++) {                 \
      float a = x[first], b = y[second], z = out[i]; \
      (void)a, (void)b, (void)z;                     \
      sum += (double)(g[i] * (derivative));          \
    }                                                \
    *to += (float)sum;                               \
  } else {                                           \
    for (size_t i = 0; i < n; i++) {                 \
      float a = x[first], b = y[second], z = out[i]; \
      (void)a, (void)b, (void)z;                     \
      to[i] += g[i] * (derivative);                  \
    }                                                \
  }

#define EACH_STEP(LOOP, value) \
  if (x_step == 0) {           \
    LOOP(0, i *y_step, value)  \
  } else if (y_step == 0) {    \
    LOOP(i, 0, value)          \
  } else {                     \
    LOOP(i, i, value)          \
  }

#define X(op, title, value, by_a, by_b)                                     \
  static void title##_rows(size_t n, const float *x, size_t x_step,         \
                           const float *y, size_t y_step, float *out) {     \
    EACH_STEP(LOOP, value)                                                  \
  }                                                                         \
  static void title##_by_a(size_t n, const float *x, size_t x_step,         \
                           const float *y, size_t y_step, const float *out, \
                           const float *g, float *to, size_t step) {        \
    EACH_STEP(LOOP_BACK, by_a)                                              \
  }                                                                         \
  static void title##_by_b(size_t n, const float *x, size_t x_step,         \
                           const float *y, size_t y_step, const float *out, \
                           const float *g, float *to, size_t step) {        \
    EACH_STEP(LOOP_BACK, by_b)                                              \
  }
BINARY_MAP(X)
#undef X

#define X(op, title, value, by)                                      \
  static void title##_row(size_t n, const float *x, float *out) {    \
    for (size_t i = 0; i < n; i++) {                                 \
      float a = x[i];                                                \
      out[i] = value;                                                \
    }                                                                \
  }                                                                  \
  static void title##_by(size_t n, const float *x, const float *out, \
                         const float *g, float *to) {                \
    for (size_t i = 0; i < n; i++) {                                 \
      float a = x[i], z = out[i];                                    \
      (void)a, (void)z;                                              \
      to[i] += g[i] * (by);                                          \
    }                                                                \
  }
UNARY_MAP(X)
#undef X

/* -------------------------------------------------------------- two operands
 */

typedef struct binary {
  moe_operation operation;
  binary_row row;
  binary_back by_a, by_b;
} binary;

static moe_status back_binary(moe_call *call, moe_record *r,
                              const moe_tensor *out, const float *g);

enum { READS_ALL = 1 | 2 | MOE_READS_OUTPUT };

static const binary binaries[] = {
#define X(op, title, value, by_a, by_b)                 \
  [op] = {{.name = #title,                              \
           .reads = op <= MOE_SUBTRACT ? 0 : READS_ALL, \
           .backward = back_binary},                    \
          title##_rows,                                 \
          title##_by_a,                                 \
          title##_by_b},
    BINARY_MAP(X)
#undef X
};

static void run(const moe_broadcast *x, binary_row row, const float *a,
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

/* The gradient by the operand that lies as `step` says. */
static void run_back(const moe_broadcast *x, binary_back back, const float *a,
                     const float *b, const float *out, const float *g,
                     const size_t *step, float *to) {
  for (size_t i = 0; i < x->shape[3]; i++)
    for (size_t j = 0; j < x->shape[2]; j++)
      for (size_t k = 0; k < x->shape[1]; k++) {
        back(x->shape[0],
             a + i * x->a_step[3] + j * x->a_step[2] + k * x->a_step[1],
             x->a_step[0],
             b + i * x->b_step[3] + j * x->b_step[2] + k * x->b_step[1],
             x->b_step[0], out, g, to + i * step[3] + j * step[2] + k * step[1],
             step[0]);
        out += x->shape[0];
        g += x->shape[0];
      }
}

/* An operation that reads no values may have lost them: what stands in their
   place is not looked at. */
static moe_status back_binary(moe_call *call, moe_record *r,
                              const moe_tensor *out, const float *g) {
  const binary *op = (const binary *)(const void *)r->operation;
  const moe_tensor *a = r->inputs[0], *b = r->inputs[1];
  moe_broadcast x = moe__lay_out(a, b, out);
  bool reads = op->operation.reads != 0, fresh;
  const float *values[] = {reads ? a->f : g, reads ? b->f : g,
                           reads ? out->f : g};
  for (size_t k = 0; k < 2; k++) {
    float *to;
    MOE_TRY(moe_tape_gradient(call, r, k, &to, &fresh));
    if (to == NULL || out->n == 0) continue;
    if (fresh) memset(to, 0, r->inputs[k]->n * sizeof *to);
    run_back(&x, k == 0 ? op->by_a : op->by_b, values[0], values[1], values[2],
             g, k == 0 ? x.a_step : x.b_step, to);
  }
  return MOE_OK;
}

static void keep_names(moe_tensor *out, const moe_tensor *a,
                       const moe_tensor *b) {
  moe_names *names = a->names != NULL ? a->names : b->names;
  if (out->ndim != 2) return;
  if ((size_t)out->shape[1] != names->texts.n) return;
  if (b->names != NULL && !moe_names_equal(names, b->names)) return;
  out->names = moe_names_retain(names);
}

/* Operands of one shape: a single row. */
static moe_status join_alike(moe_call *call, const binary *own, moe_tensor *a,
                             moe_tensor *b, moe_tensor **out) {
  MOE_TRY(moe_tensor_make(call, MOE_F32, a->ndim, a->shape, out));
  own->row(a->n, a->f, 1, b->f, 1, (*out)->f);
  return MOE_OK;
}

static moe_status join(moe_call *call, const binary *own, moe_tensor *a,
                       moe_tensor *b, moe_tensor **out) {
  int64_t shape[MOE_MAX_DIMS];
  int ndim;
  MOE_TRY(moe__fit(call, own->operation.name, a, b, &ndim, shape));
  MOE_TRY(moe_tensor_make(call, MOE_F32, ndim, shape, out));
  moe_broadcast x = moe__lay_out(a, b, *out);
  if ((*out)->n != 0) run(&x, own->row, a->f, b->f, (*out)->f);
  return MOE_OK;
}

moe_status moe_tensor_binary(moe_call *call, moe_binary op, moe_tensor *a,
                             moe_tensor *b, moe_tensor **out) {
  const binary *own = &binaries[op];
  moe_tensor *const inputs[] = {a, b};
  *out = NULL;
  MOE_TRY(moe__check_floats(call, own->operation.name, a));
  MOE_TRY(moe__check_floats(call, own->operation.name, b));
  if (moe__is_shaped(a, b))
    MOE_TRY(join_alike(call, own, a, b, out));
  else
    MOE_TRY(join(call, own, a, b, out));
  if (a->names != NULL || b->names != NULL) keep_names(*out, a, b);
  return moe_tape_record(call, &own->operation, out, 2, inputs, NULL);
}

/* -------------------------------------------------------------- one operand */

typedef struct unary {
  moe_operation operation;
  unary_row row;
  unary_back by;
} unary;

static moe_status back_unary(moe_call *call, moe_record *r,
                             const moe_tensor *out, const float *g) {
  const unary *op = (const unary *)(const void *)r->operation;
  float *to;
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, 0, &to, &fresh));
  if (to == NULL) return MOE_OK;
  if (fresh) memset(to, 0, out->n * sizeof *to);
  op->by(out->n, r->inputs[0]->f, out->f, g, to);
  return MOE_OK;
}

static const unary unaries[] = {
#define X(op, title, value, by)                                                \
  [op] = {                                                                     \
      {.name = #title, .reads = 1 | MOE_READS_OUTPUT, .backward = back_unary}, \
      title##_row,                                                             \
      title##_by},
    UNARY_MAP(X)
#undef X
};

moe_status moe_tensor_unary(moe_call *call, moe_unary op, moe_tensor *t,
                            moe_tensor **out) {
  const unary *own = &unaries[op];
  *out = NULL;
  MOE_TRY(moe__check_floats(call, own->operation.name, t));
  MOE_TRY(moe_tensor_make(call, MOE_F32, t->ndim, t->shape, out));
  own->row(t->n, t->f, (*out)->f);
  (*out)->names = moe_names_retain(t->names);
  return moe_tape_record(call, &own->operation, out, 1, &t, NULL);
}
