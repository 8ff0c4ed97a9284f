/* Activations of tensors, with gradients. */
#include <string.h>

#include "activation.h"
#include "operations.h"
#include "shapes.h"
#include "tape.h"

static moe_status back_activate(moe_call *call, moe_record *r,
                                const moe_tensor *out, const float *g) {
  const moe_activation *f = r->own;
  const float *x = r->inputs[0]->f;
  float *to, *own;
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, 0, &to, &fresh));
  if (to == NULL) return MOE_OK;
  if (fresh) {
    memcpy(to, g, out->n * sizeof *to);
    moe_activate_back(*f, x, out->f, to, out->n);
    return MOE_OK;
  }
  own = moe_pool_take(call->pool, moe_tensor_bytes(out), false);
  if (own == NULL) return moe_fail(call, MOE_ENOMEM, "not enough memory");
  memcpy(own, g, out->n * sizeof *own);
  moe_activate_back(*f, x, out->f, own, out->n);
  moe_status status = moe_tape_add(call, r, 0, own);
  moe_pool_give(own);
  return status;
}

static const moe_operation activating = {.name = "an activation",
                                         .size = sizeof(moe_activation),
                                         .reads = 1 | MOE_READS_OUTPUT,
                                         .backward = back_activate};

moe_status moe_tensor_activate(moe_call *call, moe_activation f, moe_tensor *t,
                               moe_tensor **out) {
  moe_activation *own;
  *out = NULL;
  MOE_TRY(moe__check_floats(call, moe_activation_choices[f], t));
  MOE_TRY(moe_tensor_make(call, MOE_F32, t->ndim, t->shape, out));
  moe_activate(f, t->f, (*out)->f, t->n);
  (*out)->names = moe_names_retain(t->names);
  MOE_TRY(moe_tape_record(call, &activating, out, 1, &t, &own));
  if (own != NULL) *own = f;
  return MOE_OK;
}
