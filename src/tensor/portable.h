/* The product that needs no library: plain C, the same bits on every
   processor.  It is what the libraries are checked against. */
#ifndef MOE_PORTABLE_H
#define MOE_PORTABLE_H

#include <stdbool.h>
#include <stddef.h>

/* C ← α·op(A)·op(B) + β·C with op(A) m×k and op(B) k×n, row-major, on its way
   to a backend. */
typedef struct moe__product {
  bool transa, transb;
  size_t m, n, k;
  float alpha;
  const float *a;
  size_t lda;
  const float *b;
  size_t ldb;
  float beta, *c;
  size_t ldc;
} moe__product;

void moe__portable_gemm(const moe__product *x);

#endif
