/* Dropout (Srivastava et al. 2014), with gradients. */
#include <string.h>

#include "operations.h"
#include "random.h"
#include "shapes.h"
#include "tape.h"

typedef struct dropped {
  uint64_t seed, least; /* an item goes where its draw is below */
  float scale;
} dropped;

/* The same items whenever it is asked: nothing but the seed is kept. */
static void drop(const dropped *d, size_t n, const float *x, bool adding,
                 float *y) {
  moe_random random;
  moe_random_seed(&random, d->seed);
  for (size_t i = 0; i < n; i++) {
    float kept = moe_random_next(&random) >= d->least ? d->scale * x[i] : 0;
    y[i] = adding ? y[i] + kept : kept;
  }
}

static moe_status back_dropout(moe_call *call, moe_record *r,
                               const moe_tensor *out, const float *g) {
  float *to;
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, 0, &to, &fresh));
  if (to != NULL) drop(r->own, out->n, g, !fresh, to);
  return MOE_OK;
}

static const moe_operation dropping = {
    .name = "dropout", .size = sizeof(dropped), .backward = back_dropout};

moe_status moe_tensor_dropout(moe_call *call, moe_tensor *t, double p,
                              uint64_t seed, moe_tensor **out) {
  dropped d = {.seed = seed}, *own;
  *out = NULL;
  MOE_TRY(moe__check_floats(call, "dropout", t));
  if (!(p >= 0 && p <= 1))
    return moe_fail(call, MOE_EARG, "dropout: p must be in [0, 1], got %g", p);
  if (p < 1) { /* else all are 0 times what they were */
    d.least = (uint64_t)(p * 0x1p64);
    d.scale = (float)(1 / (1 - p));
  }
  MOE_TRY(moe_tensor_make(call, MOE_F32, t->ndim, t->shape, out));
  drop(&d, t->n, t->f, false, (*out)->f);
  MOE_TRY(moe_tape_record(call, &dropping, out, 1, &t, &own));
  if (own != NULL) *own = d;
  return MOE_OK;
}
