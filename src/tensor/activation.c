/* Plain C in a form that compilers turn into vector code, without branches,
   compiled for several instruction sets; the best that the CPU has is called.
 */
#include "activation.h"

#include <math.h>

#include "float_math.h"
#include "instructions.h"

const char *const moe_activation_choices[] = {
    "relu", "tanh", "gelu", "silu", "gelu_tanh", "sigmoid", "softplus", NULL};

KERNEL float relu(float x) { return x < 0 ? 0 : x; }

KERNEL float relu_slope(float x, float y) {
  (void)y;
  return (float)(x > 0);
}

/* Near 0 an odd polynomial, fitted to the relative error; it keeps the digits
   that the quotient would lose. */
KERNEL float tanh_of(float x) {
  float size = fabsf(x), square = x * x, power = exp_of(-2 * size);
  float sum = -0.00592381268f;
  sum = sum * square + 0.0208735486f;
  sum = sum * square - 0.0538237855f;
  sum = sum * square + 0.133325839f;
  sum = sum * square - 0.33333327f;
  float far = copysignf((1 - power) / (1 + power), x);
  return size >= 0.625f ? far : x + x * (square * sum);
}

KERNEL float tanh_slope(float x, float y) {
  (void)x;
  return 1 - y * y;
}

/* Φ(−t) for t ≥ 0, with e^(−t²/2) given: that times a polynomial in
   1 / (1 + 0.295 t), fitted to 4e-8 of it for t ≤ 14. */
KERNEL float tail_of(float t, float power) {
  float u = 1 / (1 + 0.295f * t), sum = 0.0394212122f;
  sum = sum * u - 0.183406435f;
  sum = sum * u + 0.271017083f;
  sum = sum * u - 0.117071581f;
  sum = sum * u + 0.166289253f;
  sum = sum * u + 0.0847447052f;
  sum = sum * u + 0.121699411f;
  sum = sum * u + 0.117289341f;
  sum = sum * u + 1.70070621e-05f;
  return power * sum;
}

/* Φ(x), where `power` is e^(−x²/2). */
KERNEL float normal_of(float x, float power) {
  float tail = tail_of(fabsf(x), power);
  return x < 0 ? tail : 1 - tail;
}

KERNEL float gelu(float x) { return x * normal_of(x, exp_of(-0.5f * x * x)); }

KERNEL float gelu_slope(float x, float y) {
  const float density = 0.398942280f; /* 1 / √(2π) */
  float power = exp_of(-0.5f * x * x);
  (void)y;
  return normal_of(x, power) + density * x * power;
}

KERNEL float sigmoid(float x) {
  float power = exp_of(-fabsf(x));
  return (x < 0 ? power : 1) / (1 + power);
}

KERNEL float sigmoid_slope(float x, float y) {
  (void)x;
  return y * (1 - y);
}

KERNEL float silu(float x) { return x * sigmoid(x); }

/* p + x p (1 − p), with p = 1 / (1 + e^−x). */
KERNEL float silu_slope(float x, float y) {
  float power = exp_of(-fabsf(x)), rest = (x < 0 ? 1 : power) / (1 + power);
  (void)y;
  return (x < 0 ? power : 1) / (1 + power) * (1 + x * rest);
}

/* The argument of the tanh; beyond ±12 it has long been ±1. */
KERNEL float gelu_argument(float x) {
  float limited = x < -12 ? -12 : x > 12 ? 12 : x;
  return 0.797884561f * (limited + 0.044715f * limited * limited * limited);
}

KERNEL float gelu_tanh(float x) {
  return 0.5f * x * (1 + tanh_of(gelu_argument(x)));
}

/* 1 − tanh² z is 4 p / (1 + p)², with p = e^−2|z|: of 1 − t · t nothing would
   be left where z is large. */
KERNEL float gelu_tanh_slope(float x, float y) {
  float z = gelu_argument(x), power = exp_of(-2 * fabsf(z));
  float rest = 4 * power / ((1 + power) * (1 + power));
  float inner = 0.797884561f * (1 + 0.134145f * x * x);
  (void)y;
  return 0.5f * (1 + tanh_of(z)) +
         (fabsf(x) < 12 ? 0.5f * x * rest * inner : 0);
}

/* ln(1 + u), 0 ≤ u ≤ 1, by the series of 2 artanh(u / (2 + u)). */
KERNEL float log_of_one_and(float u) {
  float s = u / (2 + u), square = s * s, sum = 2 / 13.0f;
  sum = sum * square + 2 / 11.0f;
  sum = sum * square + 2 / 9.0f;
  sum = sum * square + 2 / 7.0f;
  sum = sum * square + 2 / 5.0f;
  sum = sum * square + 2 / 3.0f;
  return s * (sum * square + 2);
}

KERNEL float softplus(float x) {
  return (x < 0 ? 0 : x) + log_of_one_and(exp_of(-fabsf(x)));
}

KERNEL float softplus_slope(float x, float y) {
  (void)y;
  return sigmoid(x);
}

/* ---------------------------------------------------------------- dispatch */

typedef void (*forward)(const float *x, float *y, size_t n);
typedef void (*backward)(const float *x, const float *y, float *g, size_t n);
typedef void (*biased)(const float *bias, float *x, size_t rows, size_t n);
typedef float (*back_row)(const float *g, float *x, size_t n);
typedef float (*back_gated)(const float *g, float *x, float *u, size_t n);
typedef struct kernels {
  forward value[MOE_N_ACTIVATIONS];
  backward slope[MOE_N_ACTIVATIONS];
  biased value_of_sum[MOE_N_ACTIVATIONS];
  back_row row[MOE_N_ACTIVATIONS];
  back_gated gated[MOE_N_ACTIVATIONS];
} kernels;

#define COMPILE_ONE(FUNCTION, SLOPE, NAME, TARGET)                            \
  TARGET static void FUNCTION##_##NAME(const float *x, float *y, size_t n) {  \
    for (size_t k = 0; k < n; k++) y[k] = FUNCTION(x[k]);                     \
  }                                                                           \
  TARGET static void SLOPE##_##NAME(const float *x, const float *y, float *g, \
                                    size_t n) {                               \
    for (size_t k = 0; k < n; k++) g[k] *= SLOPE(x[k], y[k]);                 \
  }                                                                           \
  TARGET static void FUNCTION##_of_sum_##NAME(const float *bias, float *x,    \
                                              size_t rows, size_t n) {        \
    for (; rows > 0; rows--, x += n)                                          \
      for (size_t k = 0; k < n; k++) x[k] = FUNCTION(x[k] + bias[k]);         \
  }

/* What stands for x is the value already. */
KERNEL float itself(float y) { return y; }

#define COMPILE_ROW(FUNCTION, SLOPE, OUT, TARGET)                     \
  TARGET static float OUT(const float *restrict g, float *restrict x, \
                          size_t n) {                                 \
    float lane[LANES] = {0}, rest = 0;                                \
    size_t i = 0;                                                     \
    for (; i + LANES <= n; i += LANES)                                \
      for (size_t k = 0; k < LANES; k++) {                            \
        float y = FUNCTION(x[i + k]);                                 \
        lane[k] += g[i + k] * y;                                      \
        x[i + k] = g[i + k] * SLOPE(x[i + k], y);                     \
      }                                                               \
    for (; i < n; i++) {                                              \
      float y = FUNCTION(x[i]);                                       \
      rest += g[i] * y;                                               \
      x[i] = g[i] * SLOPE(x[i], y);                                   \
    }                                                                 \
    return sum_of_lanes(lane) + rest;                                 \
  }

#define COMPILE_GATED(FUNCTION, SLOPE, OUT, TARGET)                   \
  TARGET static float OUT(const float *restrict g, float *restrict x, \
                          float *restrict u, size_t n) {              \
    float lane[LANES] = {0}, rest = 0;                                \
    size_t i = 0;                                                     \
    for (; i + LANES <= n; i += LANES)                                \
      for (size_t k = 0; k < LANES; k++) {                            \
        float y = FUNCTION(x[i + k]), by_u = g[i + k] * y;            \
        lane[k] += by_u * u[i + k];                                   \
        x[i + k] = g[i + k] * u[i + k] * SLOPE(x[i + k], y);          \
        u[i + k] = by_u;                                              \
      }                                                               \
    for (; i < n; i++) {                                              \
      float y = FUNCTION(x[i]), by_u = g[i] * y;                      \
      rest += by_u * u[i];                                            \
      x[i] = g[i] * u[i] * SLOPE(x[i], y);                            \
      u[i] = by_u;                                                    \
    }                                                                 \
    return sum_of_lanes(lane) + rest;                                 \
  }

#define COMPILE_BACK(VALUE, FUNCTION, SLOPE, NAME, TARGET) \
  COMPILE_ROW(VALUE, SLOPE, SLOPE##_row_##NAME, TARGET)    \
  COMPILE_GATED(FUNCTION, SLOPE, SLOPE##_gated_##NAME, TARGET)

#define COMPILE_FOR(NAME, TARGET)                                           \
  COMPILE_BACK(itself, relu, relu_slope, NAME, TARGET)                      \
  COMPILE_BACK(itself, tanh_of, tanh_slope, NAME, TARGET)                   \
  COMPILE_BACK(gelu, gelu, gelu_slope, NAME, TARGET)                        \
  COMPILE_BACK(silu, silu, silu_slope, NAME, TARGET)                        \
  COMPILE_BACK(gelu_tanh, gelu_tanh, gelu_tanh_slope, NAME, TARGET)         \
  COMPILE_BACK(itself, sigmoid, sigmoid_slope, NAME, TARGET)                \
  COMPILE_BACK(softplus, softplus, softplus_slope, NAME, TARGET)            \
  COMPILE_ONE(relu, relu_slope, NAME, TARGET)                               \
  COMPILE_ONE(tanh_of, tanh_slope, NAME, TARGET)                            \
  COMPILE_ONE(gelu, gelu_slope, NAME, TARGET)                               \
  COMPILE_ONE(silu, silu_slope, NAME, TARGET)                               \
  COMPILE_ONE(gelu_tanh, gelu_tanh_slope, NAME, TARGET)                     \
  COMPILE_ONE(sigmoid, sigmoid_slope, NAME, TARGET)                         \
  COMPILE_ONE(softplus, softplus_slope, NAME, TARGET)                       \
  static const kernels NAME = {                                             \
      {relu_##NAME, tanh_of_##NAME, gelu_##NAME, silu_##NAME,               \
       gelu_tanh_##NAME, sigmoid_##NAME, softplus_##NAME},                  \
      {relu_slope_##NAME, tanh_slope_##NAME, gelu_slope_##NAME,             \
       silu_slope_##NAME, gelu_tanh_slope_##NAME, sigmoid_slope_##NAME,     \
       softplus_slope_##NAME},                                              \
      {relu_of_sum_##NAME, tanh_of_of_sum_##NAME, gelu_of_sum_##NAME,       \
       silu_of_sum_##NAME, gelu_tanh_of_sum_##NAME, sigmoid_of_sum_##NAME,  \
       softplus_of_sum_##NAME},                                             \
      {relu_slope_row_##NAME, tanh_slope_row_##NAME, gelu_slope_row_##NAME, \
       silu_slope_row_##NAME, gelu_tanh_slope_row_##NAME,                   \
       sigmoid_slope_row_##NAME, softplus_slope_row_##NAME},                \
      {relu_slope_gated_##NAME, tanh_slope_gated_##NAME,                    \
       gelu_slope_gated_##NAME, silu_slope_gated_##NAME,                    \
       gelu_tanh_slope_gated_##NAME, sigmoid_slope_gated_##NAME,            \
       softplus_slope_gated_##NAME}};

MOE_COMPILE_KERNELS

void moe_activate(moe_activation f, const float *x, float *y, size_t n) {
  best()->value[f](x, y, n);
}

void moe_activate_back(moe_activation f, const float *x, const float *y,
                       float *g, size_t n) {
  best()->slope[f](x, y, g, n);
}

void moe_activate_biased(moe_activation f, const float *bias, float *x,
                         size_t rows, size_t n) {
  best()->value_of_sum[f](bias, x, rows, n);
}

float moe_activate_back_row(moe_activation f, const float *g, float *x,
                            size_t n) {
  return best()->row[f](g, x, n);
}

float moe_activate_back_gated(moe_activation f, const float *g, float *x,
                              float *u, size_t n) {
  return best()->gated[f](g, x, u, n);
}
