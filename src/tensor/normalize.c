/* Layer norm and RMS norm of rows, with gradients. */
#include <math.h>
#include <string.h>

#include "operations.h"
#include "row_kernels.h"
#include "shapes.h"
#include "tape.h"

/* What backward needs beside x: a row's mean (0 of RMS norm) and factor, 1 over
   the root. */
typedef struct normalized {
  bool root;
  size_t n, rows; /* of a row, and how many */
  float *stats;   /* rows × 2: the pool's */
} normalized;

static void free_stats(moe_record *r) {
  moe_pool_give(((normalized *)r->own)->stats);
}

static void measure(const float *x, size_t n, bool root, double epsilon,
                    float *stats) {
  double mean = 0, square = 0;
  for (size_t i = 0; !root && i < n; i++) mean += (double)x[i];
  mean /= (double)n;
  for (size_t i = 0; i < n; i++)
    square += ((double)x[i] - mean) * ((double)x[i] - mean);
  stats[0] = (float)mean;
  stats[1] = (float)(1 / sqrt(square / (double)n + epsilon));
}

/* With x̂ = (x − mean) · factor and h = g · weight, x has the gradient
   factor · (h − x̂ · mean(h x̂) − mean(h)), the last not of RMS norm. */
static void back_row(const normalized *o, const float *x, const float *weight,
                     const float *g, const float *stats, float *to) {
  double along = 0, sum = 0;
  for (size_t i = 0; i < o->n; i++) {
    double h = (double)(weight != NULL ? g[i] * weight[i] : g[i]);
    along += h * (double)((x[i] - stats[0]) * stats[1]);
    sum += h;
  }
  float share = (float)(along / (double)o->n);
  float mean = o->root ? 0 : (float)(sum / (double)o->n);
  for (size_t i = 0; i < o->n; i++) {
    float h = weight != NULL ? g[i] * weight[i] : g[i];
    to[i] += stats[1] * (h - (x[i] - stats[0]) * stats[1] * share - mean);
  }
}

/* The gradient by input i, a row; each of its items is a sum down a column. */
static moe_status back_parameter(moe_call *call, moe_record *r, size_t i,
                                 const float *g) {
  const normalized *o = r->own;
  const float *x = r->inputs[0]->f;
  float *to;
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, i, &to, &fresh));
  if (to == NULL) return MOE_OK;
  if (fresh) memset(to, 0, o->n * sizeof *to);
  for (size_t row = 0; row < o->rows; row++, g += o->n, x += o->n) {
    const float *stats = o->stats + 2 * row;
    for (size_t k = 0; k < o->n; k++)
      to[k] += i == 2 ? g[k] : g[k] * (x[k] - stats[0]) * stats[1];
  }
  return MOE_OK;
}

static moe_status back_normalize(moe_call *call, moe_record *r,
                                 const moe_tensor *out, const float *g) {
  const normalized *o = r->own;
  const float *weight = r->n_inputs > 1 ? r->inputs[1]->f : NULL;
  float *to;
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, 0, &to, &fresh));
  if (to != NULL && fresh) memset(to, 0, out->n * sizeof *to);
  for (size_t row = 0; to != NULL && row < o->rows; row++)
    back_row(o, r->inputs[0]->f + row * o->n, weight, g + row * o->n,
             o->stats + 2 * row, to + row * o->n);
  for (size_t i = 1; i < r->n_inputs; i++)
    MOE_TRY(back_parameter(call, r, i, g));
  return MOE_OK;
}

static const moe_operation operations[] = {{.name = "layer_norm",
                                            .size = sizeof(normalized),
                                            .reads = 1 | 2,
                                            .backward = back_normalize,
                                            .release = free_stats},
                                           {.name = "rms_norm",
                                            .size = sizeof(normalized),
                                            .reads = 1 | 2,
                                            .backward = back_normalize,
                                            .release = free_stats}};

static moe_status check(moe_call *call, const char *name, const moe_tensor *t,
                        const moe_tensor *parameter) {
  if (parameter == NULL) return MOE_OK;
  MOE_TRY(moe__check_floats(call, name, parameter));
  if (parameter->ndim == 1 && parameter->shape[0] == t->shape[t->ndim - 1])
    return MOE_OK;
  return moe_fail(call, MOE_EARG, "%s: parameters of %s do not fit rows of %s",
                  name, moe_tensor_shape_text(parameter).text,
                  moe_tensor_shape_text(t).text);
}

static void normalize(const normalized *o, const float *x, const float *weight,
                      const float *bias, float *y) {
  for (size_t row = 0; row < o->rows; row++, x += o->n, y += o->n) {
    const float *stats = o->stats + 2 * row;
    for (size_t i = 0; i < o->n; i++) y[i] = (x[i] - stats[0]) * stats[1];
    for (size_t i = 0; weight != NULL && i < o->n; i++) y[i] *= weight[i];
    for (size_t i = 0; bias != NULL && i < o->n; i++) y[i] += bias[i];
  }
}

moe_status moe_tensor_normalize(moe_call *call, moe_tensor *t, bool root,
                                moe_tensor *weight, moe_tensor *bias,
                                double epsilon, moe_tensor **out) {
  const moe_operation *operation = &operations[root];
  moe_tensor *const inputs[] = {t, weight, bias};
  size_t n_inputs = bias != NULL ? 3 : weight != NULL ? 2 : 1;
  normalized o = {.root = root, .n = (size_t)t->shape[t->ndim - 1]}, *own;
  *out = NULL;
  MOE_TRY(moe__check_floats(call, operation->name, t));
  MOE_TRY(check(call, operation->name, t, weight));
  MOE_TRY(check(call, operation->name, t, bias));
  if (bias != NULL && weight == NULL)
    return moe_fail(call, MOE_EARG, "%s: a bias needs a weight beside it",
                    operation->name);
  o.rows = o.n != 0 ? t->n / o.n : 0;
  o.stats =
      moe_pool_take(call->pool, moe_size(o.rows, 2 * sizeof(float)), false);
  if (o.stats == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  moe_status status = moe_tensor_make(call, MOE_F32, t->ndim, t->shape, out);
  if (status == MOE_OK) {
    for (size_t row = 0; row < o.rows; row++)
      measure(t->f + row * o.n, o.n, root, epsilon, o.stats + 2 * row);
    normalize(&o, t->f, weight != NULL ? weight->f : NULL,
              bias != NULL ? bias->f : NULL, (*out)->f);
    status = moe_tape_record(call, operation, out, n_inputs, inputs, &own);
  }
  if (status == MOE_OK && own != NULL)
    *own = o;
  else
    moe_pool_give(o.stats);
  return status;
}
