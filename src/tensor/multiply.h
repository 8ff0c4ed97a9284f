/* One matrix product on all threads of the call. */
#ifndef MOE_MULTIPLY_H
#define MOE_MULTIPLY_H

#include "status.h"

/* C (m×n) ← op(A)·op(B) + beta·C, everything contiguous. */
typedef struct moe_product {
  bool ta, tb;
  size_t m, n, k;
  const float *a, *b;
  float beta, *c;
} moe_product;

void moe__multiply(const moe_call *call, moe_product x);

#endif
