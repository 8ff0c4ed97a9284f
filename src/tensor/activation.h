/* Activation functions on float32:
     relu  max(x, 0)
     tanh  (e^x − e^−x) / (e^x + e^−x)
     gelu  x Φ(x), Φ the normal distribution (Hendrycks & Gimpel 2016,
           arXiv 1606.08415), not its approximation by tanh
     silu  x / (1 + e^−x) (Elfwing et al. 2018, arXiv 1702.03118)
     gelu_tanh  ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), that approximation
     sigmoid    1 / (1 + e^−x)
     softplus   ln(1 + e^x)
   They and their derivatives are within 3e-7 of that, relative to 1 or to the
   value where it is larger.  No allocation, no errors, the same bits on every
   CPU. */
#ifndef MOE_ACTIVATION_H
#define MOE_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

typedef enum moe_activation {
  MOE_RELU,
  MOE_TANH,
  MOE_GELU,
  MOE_SILU,
  MOE_GELU_TANH,
  MOE_SIGMOIDAL,
  MOE_SOFTPLUS,
  MOE_N_ACTIVATIONS
} moe_activation;

/* Their names, in this order; ends with NULL: a choice of a parameter. */
extern const char *const moe_activation_choices[];

/* y = f(x) of n numbers, NaN of NaN; y may be x. */
void moe_activate(moe_activation f, const float *x, float *y, size_t n);

/* x becomes f(x + bias), in each of so many rows of n numbers. */
void moe_activate_biased(moe_activation f, const float *bias, float *x,
                         size_t rows, size_t n);

/* The derivative of relu, tanh and sigmoid is known from y = f(x) alone, so
   that y may be kept in the place of x. */
static inline bool moe_activation_needs_only_value(moe_activation f) {
  return f == MOE_RELU || f == MOE_TANH || f == MOE_SIGMOIDAL;
}

/* g becomes g f'(x), where y = f(x).  Of those y may stand for x too. */
void moe_activate_back(moe_activation f, const float *x, const float *y,
                       float *g, size_t n);

/* x becomes g f'(x); returns Σ g f(x).  Of those y stands in the place of x. */
float moe_activate_back_row(moe_activation f, const float *g, float *x,
                            size_t n);

/* Of f(x) u: x becomes g u f'(x), and u becomes g f(x); returns Σ g f(x) u. */
float moe_activate_back_gated(moe_activation f, const float *g, float *x,
                              float *u, size_t n);

#endif
