#include "row_kernels.h"

#include <math.h>

#include "float_math.h"
#include "instructions.h"

KERNEL float largest(const float *x, size_t n) {
  float lane[LANES], top;
  size_t i = 0;
  for (int k = 0; k < LANES; k++) lane[k] = -INFINITY;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++)
      lane[k] = x[i + (size_t)k] > lane[k] ? x[i + (size_t)k] : lane[k];
  top = lane[0];
  for (int k = 1; k < LANES; k++) top = lane[k] > top ? lane[k] : top;
  for (; i < n; i++) top = x[i] > top ? x[i] : top;
  return top;
}

KERNEL float sum_of(const float *x, size_t n) {
  float lane[LANES] = {0}, rest = 0;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) lane[k] += x[i + (size_t)k];
  for (; i < n; i++) rest += x[i];
  return sum_of_lanes(lane) + rest;
}

KERNEL float dot_of(const float *x, const float *y, size_t n) {
  float lane[LANES] = {0}, rest = 0;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++)
      lane[k] += x[i + (size_t)k] * y[i + (size_t)k];
  for (; i < n; i++) rest += x[i] * y[i];
  return sum_of_lanes(lane) + rest;
}

KERNEL void add_scaled(float a, const float *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

KERNEL void scale(float a, const float *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = a * x[i];
}

KERNEL void multiply(const float *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] *= x[i];
}

KERNEL float softmax_of(const float *x, float *y, size_t n) {
  float top = largest(x, n), sum, share;
  if (top == -INFINITY) {
    for (size_t i = 0; i < n; i++) y[i] = 0;
    return top;
  }
  for (size_t i = 0; i < n; i++) y[i] = exp_of(x[i] - top);
  sum = sum_of(y, n);
  share = 1 / sum;
  for (size_t i = 0; i < n; i++) y[i] *= share;
  return top + logf(sum);
}

typedef struct kernels {
  float (*softmax)(const float *x, float *y, size_t n);
  float (*sum)(const float *x, size_t n);
  float (*dot)(const float *x, const float *y, size_t n);
  void (*axpy)(float a, const float *x, float *y, size_t n);
  void (*scaled)(float a, const float *x, float *y, size_t n);
  void (*times)(const float *x, float *y, size_t n);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                            \
  TARGET static float softmax_##NAME(const float *x, float *y, size_t n) {   \
    return softmax_of(x, y, n);                                              \
  }                                                                          \
  TARGET static float sum_##NAME(const float *x, size_t n) {                 \
    return sum_of(x, n);                                                     \
  }                                                                          \
  TARGET static float dot_##NAME(const float *x, const float *y, size_t n) { \
    return dot_of(x, y, n);                                                  \
  }                                                                          \
  TARGET static void axpy_##NAME(float a, const float *x, float *y,          \
                                 size_t n) {                                 \
    add_scaled(a, x, y, n);                                                  \
  }                                                                          \
  TARGET static void scaled_##NAME(float a, const float *x, float *y,        \
                                   size_t n) {                               \
    scale(a, x, y, n);                                                       \
  }                                                                          \
  TARGET static void times_##NAME(const float *x, float *y, size_t n) {      \
    multiply(x, y, n);                                                       \
  }                                                                          \
  static const kernels NAME = {softmax_##NAME, sum_##NAME,    dot_##NAME,    \
                               axpy_##NAME,    scaled_##NAME, times_##NAME};

MOE_COMPILE_KERNELS

float moe__softmax_row(const float *x, float *y, size_t n) {
  return best()->softmax(x, y, n);
}
float moe__sum_row(const float *x, size_t n) { return best()->sum(x, n); }
float moe__dot_row(const float *x, const float *y, size_t n) {
  return best()->dot(x, y, n);
}
void moe__axpy_row(float a, const float *x, float *y, size_t n) {
  best()->axpy(a, x, y, n);
}
void moe__scaled_row(float a, const float *x, float *y, size_t n) {
  best()->scaled(a, x, y, n);
}
void moe__times_row(const float *x, float *y, size_t n) {
  best()->times(x, y, n);
}
