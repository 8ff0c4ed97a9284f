/* Kernels on doubles: no allocation, no errors.  Each sums in an order of its
   own that depends on the lengths alone, so the bits are the same on every
   CPU, and a row among others gives what it gives by itself. */
#ifndef MOE_VECTOR_H
#define MOE_VECTOR_H

#include <stdbool.h>
#include <stddef.h>

double moe_dot(const double *a, const double *b, size_t n);

/* Whether no item is infinite or NaN. */
bool moe_is_finite(const double *x, size_t n);

/* mean becomes (1 − share) mean + share x. */
void moe_average(const double *x, double share, double *mean, size_t n);

/* y += a x. */
void moe_axpy(double a, const double *x, double *y, size_t n);

void moe_scale(double a, double *x, size_t n);

/* The largest |x|; 0 when there is none. */
double moe_max_abs(const double *x, size_t n);

/* x becomes exp x, each to about 1 ulp and below 1e-308 to 0.  Arguments are
   -Inf to 709. */
void moe_exp(double *x, size_t n);

/* x becomes tanh x, each to 2^-51. */
void moe_tanh(double *x, size_t n);

/* What m lines say of one x: z_c = left (w_c · x) + bias_c with the rows of w
   (m×d), the product that of moe_dot, and z never infinite or NaN.  False where
   a product is NaN, as with one in x. */
bool moe_lines(const double *w, const double *bias, double left, size_t m,
               const double *x, size_t d, double *z);

/* z (n×m) += x (n×d) wᵀ (m×d): each row's product with each weight vector. */
void moe_products(const double *x, size_t n, size_t d, const double *w,
                  size_t m, double *z);

/* g (m×d) += rᵀ (n×m) x (n×d): the rows summed with m weights each. */
void moe_weighted_sums(const double *r, size_t n, size_t m, const double *x,
                       size_t d, double *g);

/* g (d×d) += xᵀ x, in its lower triangle; what is above it is left undefined.
 */
void moe_gram(const double *x, size_t n, size_t d, double *g);

/* x (n×d) becomes (x − centre) · factor, a missing value 0. */
void moe_standardize(double *x, size_t n, size_t d, const double *centre,
                     const double *factor);

/* The same of one row of floats. */
void moe_standardize_floats(const float *x, size_t d, const double *centre,
                            const double *factor, double *out);

/* Counts x in running means and variances, where it has `share` of the weight
   so far: factor is 1 over the deviation, 0 where that is below 1 / `farthest`.
   What is `farthest` from the mean, or more, counts as being there. */
void moe_track(const double *x, double share, double farthest, double *mean,
               double *variance, double *factor, size_t n);

/* Each row of p (n×m), nothing in it negative, is divided by its sum; where
   that is 0 or infinite all become 1/m. */
void moe_normalise(double *p, size_t n, size_t m);

/* Each row of z (n×m) becomes its softmax: sums to 1 and is never NaN, whatever
   the logits are.  -Inf (or NaN) is a probability of 0; among rows of nothing
   else all are 1/m. */
void moe_softmax(double *z, size_t n, size_t m);

#endif
