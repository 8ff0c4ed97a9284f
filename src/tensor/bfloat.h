/* bfloat16: the upper 16 bits of a float32, so the same range and 8 bits of
   precision; rounding to it errs by at most 2^-8 of the number.  Weights kept
   in it take half the memory, and where memory is what a product waits for,
   half the time.  Sums are always float32.  No allocation, no errors. */
#ifndef MOE_BFLOAT_H
#define MOE_BFLOAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint16_t moe_bfloat;

/* To the nearest, of two as near the even one; what is finite stays finite,
   infinity and NaN what they are. */
void moe_bfloat_round(const float *x, moe_bfloat *y, size_t n);
void moe_bfloat_widen(const moe_bfloat *x, float *y, size_t n); /* exact */

/* C ← A·B + β·C, all row-major: A is m×k, B k×n in bfloat16; lda, ldb and ldc
   as in moe_gemm.  Up to MOE_BFLOAT_FEW rows are the widened B times A, in
   float32, the same bits on every processor.  More rows go to oneDNN, where
   that is the backend and the processor multiplies bfloat16: then A is rounded
   to it too.  Otherwise B is widened a part at a time and is for moe_gemm.
   `room`: moe_bfloat_room floats. */
enum { MOE_BFLOAT_FEW = 2 };
void moe_bfloat_gemm(size_t m, size_t n, size_t k, const float *a, size_t lda,
                     const moe_bfloat *b, size_t ldb, float beta, float *c,
                     size_t ldc, float *room);
size_t moe_bfloat_room(size_t m, size_t k);

#endif
