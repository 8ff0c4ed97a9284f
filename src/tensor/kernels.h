/* Arithmetic on whole float32 tensors.  Two shapes fit each other when, read
   from their ends, the lengths are equal or one of them is 1: a row is taken
   for every row, a column (n×1) for every column, one item for all.  Results
   are new and what IEEE 754 says, NaN included; index tensors are refused. */
#ifndef MOE_KERNELS_H
#define MOE_KERNELS_H

#include "tensor.h"

typedef enum moe_binary {
  MOE_ADD,
  MOE_SUBTRACT,
  MOE_MULTIPLY,
  MOE_DIVIDE,
  MOE_POWER
} moe_binary;

typedef enum moe_unary {
  MOE_NEGATE,
  MOE_EXP,
  MOE_LOG,
  MOE_SQRT,
  MOE_ABS
} moe_unary;

/* Of no items only the sum exists, which is 0. */
typedef enum moe_reduction {
  MOE_SUM,
  MOE_MEAN,
  MOE_MAX,
  MOE_MIN
} moe_reduction;

/* Column names stay when they are those of either operand. */
moe_status moe_tensor_binary(moe_call *call, moe_binary op, moe_tensor *a,
                             moe_tensor *b, moe_tensor **out);
moe_status moe_tensor_unary(moe_call *call, moe_unary op, moe_tensor *t,
                            moe_tensor **out);

/* Over dimension `dim`, counted from 0, which stays with length 1.  Summed in
   double; NaN is larger and smaller than every number. */
moe_status moe_tensor_reduce(moe_call *call, moe_reduction op, moe_tensor *t,
                             int dim, moe_tensor **out);
moe_status moe_tensor_reduce_all(moe_call *call, moe_reduction op,
                                 const moe_tensor *t, double *out);

/* Where the largest is, from 0: the first one, or the first NaN. */
moe_status moe_tensor_argmax(moe_call *call, const moe_tensor *t, int dim,
                             moe_tensor **out);
moe_status moe_tensor_argmax_all(moe_call *call, const moe_tensor *t,
                                 int64_t *out);

/* op(A)·op(B), where op transposes when its flag is set.  A single dimension is
   a row on the left and a column on the right (transposed, the other way
   round), and is missing from the result.  On all threads of the call. */
moe_status moe_tensor_product(moe_call *call, bool ta, bool tb, moe_tensor *a,
                              moe_tensor *b, moe_tensor **out);

/* Σ a·b over all items, in double.  The shapes are equal. */
moe_status moe_tensor_dot(moe_call *call, const moe_tensor *a,
                          const moe_tensor *b, double *out);

#endif
