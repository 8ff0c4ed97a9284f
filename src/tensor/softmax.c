/* The softmax of rows, with gradients. */
#include <math.h>
#include <string.h>

#include "operations.h"
#include "row_kernels.h"
#include "shapes.h"
#include "tape.h"

/* Of y = softmax(x): y (g − Σ y g); of its logarithm: g − e^y Σ g. */
static void back_row(bool logarithm, const float *y, const float *g, size_t n,
                     float *to) {
  float sum = logarithm ? moe__sum_row(g, n) : moe__dot_row(y, g, n);
  if (logarithm)
    for (size_t i = 0; i < n; i++) to[i] += g[i] - expf(y[i]) * sum;
  else
    for (size_t i = 0; i < n; i++) to[i] += y[i] * (g[i] - sum);
}

static moe_status back_softmax(moe_call *call, moe_record *r,
                               const moe_tensor *out, const float *g) {
  const bool *logarithm = r->own;
  size_t n = (size_t)out->shape[out->ndim - 1];
  float *to;
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, 0, &to, &fresh));
  if (to == NULL) return MOE_OK;
  if (fresh) memset(to, 0, out->n * sizeof *to);
  for (size_t i = 0; i < out->n; i += n)
    back_row(*logarithm, out->f + i, g + i, n, to + i);
  return MOE_OK;
}

static const moe_operation operations[] = {{.name = "softmax",
                                            .size = sizeof(bool),
                                            .reads = MOE_READS_OUTPUT,
                                            .backward = back_softmax},
                                           {.name = "log_softmax",
                                            .size = sizeof(bool),
                                            .reads = MOE_READS_OUTPUT,
                                            .backward = back_softmax}};

moe_status moe_tensor_softmax(moe_call *call, moe_tensor *t, bool logarithm,
                              moe_tensor **out) {
  const moe_operation *operation = &operations[logarithm];
  size_t n = (size_t)t->shape[t->ndim - 1];
  bool *own;
  *out = NULL;
  MOE_TRY(moe__check_floats(call, operation->name, t));
  MOE_TRY(moe_tensor_make(call, MOE_F32, t->ndim, t->shape, out));
  for (size_t i = 0; i < t->n; i += n) {
    float *y = (*out)->f + i, sum = moe__softmax_row(t->f + i, y, n);
    for (size_t k = 0; logarithm && k < n; k++) y[k] = t->f[i + k] - sum;
  }
  MOE_TRY(moe_tape_record(call, operation, out, 1, &t, &own));
  if (own != NULL) *own = logarithm;
  return MOE_OK;
}
