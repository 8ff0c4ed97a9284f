/* The matrix product, and the library behind it.  No library is linked: the
   first product that is worth it opens one.  Products are always made by the
   calling thread alone, so callers cut work for moe_parallel themselves. */
#ifndef MOE_GEMM_H
#define MOE_GEMM_H

#include "status.h"

/* C ← α·op(A)·op(B) + β·C, all row-major: op(A) is m×k, op(B) k×n, and op
   transposes when its flag is set.  lda, ldb and ldc are the elements from one
   row as stored to the next.  β = 0 does not read C.  C overlaps neither A nor
   B.  Cannot fail. */
void moe_gemm(bool transa, bool transb, size_t m, size_t n, size_t k,
              float alpha, const float *a, size_t lda, const float *b,
              size_t ldb, float beta, float *c, size_t ldc);

/* The backend of the process:
     "portable"  our own kernels, the same bits on every processor
     "cblas"     OpenBLAS or BLIS
     "onednn"    oneDNN
     "auto"      "cblas" where it is found, else "portable"; the default
     "fastest"   "onednn" where it is found, else "auto"
   The first three open the library at once, and fail with MOE_ESTATE when it
   is not there; the last two wait for the first product.  After that product
   only the backend in use is accepted.  A product of one row or one column is
   always our own, and opens nothing.  A process forked after the use of oneDNN
   goes on with "auto". */
moe_status moe_backend_load(moe_call *call, const char *name);

/* "portable", "cblas" or "onednn"; opens the library if that is still open. */
const char *moe_backend_name(void);

/* The product of bfloat.h in the backend: C (float32) ← A·B + β·C, where it
   can; false, and nothing done, elsewhere.  May open a library. */
bool moe__multiplies_bfloat(void);
bool moe__gemm_bfloat(size_t m, size_t n, size_t k, const uint16_t *a,
                      size_t lda, const uint16_t *b, size_t ldb, float beta,
                      float *c, size_t ldc);

/* For comparisons: takes another backend even after the first product. */
moe_status moe__backend_replace(moe_call *call, const char *name);

#endif
