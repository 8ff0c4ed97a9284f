/* How the shapes of operands go together: what the files of operations share.
 */
#ifndef MOE_SHAPES_H
#define MOE_SHAPES_H

#include "tensor.h"

/* Refuses an index tensor as an operand of `what`. */
moe_status moe__refuse_index(moe_call *call, const char *what);
static inline moe_status moe__check_floats(moe_call *call, const char *what,
                                           const moe_tensor *t) {
  return t->dtype == MOE_F32 ? MOE_OK : moe__refuse_index(call, what);
}

/* Two operands over the shape of their result: dimensions from the last to the
   first, joined where both operands run on from one to the next.  A step of 0
   repeats the operand. */
typedef struct moe_broadcast {
  size_t shape[MOE_MAX_DIMS], a_step[MOE_MAX_DIMS], b_step[MOE_MAX_DIMS];
} moe_broadcast;

/* The shape of the result; MOE_EARG where the operands do not fit. */
moe_status moe__fit(moe_call *call, const char *what, const moe_tensor *a,
                    const moe_tensor *b, int *ndim, int64_t *shape);
moe_broadcast moe__lay_out(const moe_tensor *a, const moe_tensor *b,
                           const moe_tensor *out);

/* Equal shapes. */
static inline bool moe__is_shaped(const moe_tensor *a, const moe_tensor *b) {
  if (a->ndim != b->ndim) return false;
  for (int d = 0; d < a->ndim; d++)
    if (a->shape[d] != b->shape[d]) return false;
  return true;
}

#endif
