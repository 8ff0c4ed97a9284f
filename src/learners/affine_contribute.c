/* What each feature contributes to z = W x + b: exactly w_j (x_j − c_j), where
   the bias is what z is at c. */
#include <math.h>

#include "affine.h"

static bool has_two_classes(const moe_affine *a) {
  return a->fitted.task == MOE_CLASSIFICATION && a->fitted.n_outputs == 2;
}

/* Number j of output c, where each output has n: of two classes, less the
   other's. */
static double number_of(const moe_affine *a, const double *numbers, size_t n,
                        size_t c, size_t j) {
  double other = has_two_classes(a) ? numbers[(1 - c) * n + j] : 0;
  return moe_affine_limit(numbers[c * n + j] - other);
}

/* One output of one row: d numbers and the bias.  A missing number is at the
   centre. */
static void attribute(const moe_affine *a, size_t c, const double *x,
                      const double *centre, double factor, double *out) {
  size_t d = a->fitted.n_features;
  double bias = number_of(a, a->bias, 1, c, 0);
  for (size_t j = 0; j < d; j++) {
    double weight = number_of(a, a->weights, d, c, j) * a->left;
    double origin = centre != NULL ? centre[j] : 0;
    out[j] =
        isnan(x[j]) ? 0 : moe_affine_limit(factor * weight * (x[j] - origin));
    bias += weight * origin;
  }
  out[d] = moe_affine_limit(factor * bias);
}

moe_status moe_affine_attribute(moe_call *call, const moe_affine *a,
                                const moe_rows *x, const double *centre,
                                double factor, double *out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  double *row;
  MOE_SCRATCH(call, row, x->d);
  for (size_t i = 0; i < x->n; i++) {
    moe_rows_doubles(x, i, 1, row);
    for (size_t c = 0; c < a->fitted.n_outputs; c++, out += x->d + 1)
      attribute(a, c, row, centre, factor, out);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe_affine_contribute(moe_call *call, const moe_object *o,
                                 const moe_rows *x, double *out) {
  return moe_affine_attribute(call, o->state, x, NULL, 1, out);
}
