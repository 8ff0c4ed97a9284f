#include "shapes.h"

moe_status moe__refuse_index(moe_call *call, const char *what) {
  return moe_fail(call, MOE_EARG,
                  "%s: an index tensor (int32) takes no arithmetic; "
                  "use t:float()",
                  what);
}

/* The length of t's dimension `dim`, counted from the last. */
static int64_t length_from_end(const moe_tensor *t, int dim) {
  return dim < t->ndim ? t->shape[t->ndim - 1 - dim] : 1;
}

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

moe_status moe__fit(moe_call *call, const char *what, const moe_tensor *a,
                    const moe_tensor *b, int *ndim, int64_t *shape) {
  if (fit(a, b, ndim, shape)) return MOE_OK;
  return moe_fail(call, MOE_EARG, "%s: shapes %s and %s do not fit", what,
                  moe_tensor_shape_text(a).text, moe_tensor_shape_text(b).text);
}

moe_broadcast moe__lay_out(const moe_tensor *a, const moe_tensor *b,
                           const moe_tensor *out) {
  moe_broadcast x = {{1, 1, 1, 1}, {0}, {0}};
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
