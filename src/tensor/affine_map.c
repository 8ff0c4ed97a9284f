/* x w + b, with gradients. */
#include <string.h>

#include "multiply.h"
#include "operations.h"
#include "shapes.h"
#include "tape.h"

/* n rows of k columns times k×m. */
typedef struct sizes {
  size_t n, k, m;
} sizes;

/* The sums of g's columns, each in the order of the rows. */
static moe_status back_bias(moe_call *call, moe_record *r, const sizes *s,
                            const float *g) {
  float *to;
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, 2, &to, &fresh));
  if (to == NULL) return MOE_OK;
  if (fresh) memset(to, 0, s->m * sizeof *to);
  for (size_t i = 0; i < s->n; i++)
    for (size_t c = 0; c < s->m; c++) to[c] += g[i * s->m + c];
  return MOE_OK;
}

static moe_status back_affine(moe_call *call, moe_record *r,
                              const moe_tensor *out, const float *g) {
  const sizes *s = r->own;
  float *to;
  bool fresh;
  (void)out;
  MOE_TRY(moe_tape_gradient(call, r, 0, &to, &fresh));
  if (to != NULL)
    moe__multiply(call, (moe_product){.tb = true,
                                      .m = s->n,
                                      .n = s->k,
                                      .k = s->m,
                                      .a = g,
                                      .b = r->inputs[1]->f,
                                      .beta = fresh ? 0 : 1,
                                      .c = to});
  MOE_TRY(moe_tape_gradient(call, r, 1, &to, &fresh));
  if (to != NULL)
    moe__multiply(call, (moe_product){.ta = true,
                                      .m = s->k,
                                      .n = s->m,
                                      .k = s->n,
                                      .a = r->inputs[0]->f,
                                      .b = g,
                                      .beta = fresh ? 0 : 1,
                                      .c = to});
  return r->n_inputs == 3 ? back_bias(call, r, s, g) : MOE_OK;
}

static const moe_operation affine = {.name = "affine",
                                     .size = sizeof(sizes),
                                     .reads = 1 | 2,
                                     .backward = back_affine};

static moe_status check(moe_call *call, const moe_tensor *x,
                        const moe_tensor *w, const moe_tensor *b) {
  MOE_TRY(moe__check_floats(call, "linear", x));
  MOE_TRY(moe__check_floats(call, "linear", w));
  if (w->ndim != 2 || x->shape[x->ndim - 1] != w->shape[0])
    return moe_fail(
        call, MOE_EARG, "linear: rows of %s do not fit weights of %s",
        moe_tensor_shape_text(x).text, moe_tensor_shape_text(w).text);
  if (b == NULL) return MOE_OK;
  MOE_TRY(moe__check_floats(call, "linear", b));
  if (b->ndim == 1 && b->shape[0] == w->shape[1]) return MOE_OK;
  return moe_fail(call, MOE_EARG, "linear: a bias of %s does not fit %s",
                  moe_tensor_shape_text(b).text, moe_tensor_shape_text(w).text);
}

moe_status moe_tensor_affine(moe_call *call, moe_tensor *x, moe_tensor *w,
                             moe_tensor *b, moe_tensor **out) {
  moe_tensor *const inputs[] = {x, w, b};
  int64_t shape[MOE_MAX_DIMS];
  sizes s, *own;
  *out = NULL;
  MOE_TRY(check(call, x, w, b));
  memcpy(shape, x->shape, sizeof shape);
  shape[x->ndim - 1] = w->shape[1];
  MOE_TRY(moe_tensor_make(call, MOE_F32, x->ndim, shape, out));
  s = (sizes){0, (size_t)w->shape[0], (size_t)w->shape[1]};
  s.n = s.m != 0 ? (*out)->n / s.m : 0;
  for (size_t i = 0; b != NULL && i < s.n; i++)
    memcpy((*out)->f + i * s.m, b->f, s.m * sizeof *b->f);
  moe__multiply(call, (moe_product){.m = s.n,
                                    .n = s.m,
                                    .k = s.k,
                                    .a = x->f,
                                    .b = w->f,
                                    .beta = b != NULL ? 1 : 0,
                                    .c = (*out)->f});
  MOE_TRY(moe_tape_record(call, &affine, out, b != NULL ? 3 : 2, inputs, &own));
  if (own != NULL) *own = s;
  return MOE_OK;
}
