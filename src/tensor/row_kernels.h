/* Kernels on one row of float32: no allocation, no errors, the same bits on
   every CPU. */
#ifndef MOE_ROW_KERNELS_H
#define MOE_ROW_KERNELS_H

#include <stddef.h>

/* y = softmax(x), which may be x; returns ln Σ e^x.  -Inf is a probability of
   0, and a row of nothing else gives all 0 and -Inf. */
float moe__softmax_row(const float *x, float *y, size_t n);

/* Sums in 16 lanes, joined at the end. */
float moe__sum_row(const float *x, size_t n);
float moe__dot_row(const float *x, const float *y, size_t n);

/* y += a x;  y = a x, where y may be x;  y = x y. */
void moe__axpy_row(float a, const float *x, float *y, size_t n);
void moe__scaled_row(float a, const float *x, float *y, size_t n);
void moe__times_row(const float *x, float *y, size_t n);

#endif
