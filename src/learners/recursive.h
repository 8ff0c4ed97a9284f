/* Recursive least squares with forgetting, in a form that stays positive
   whatever comes: the covariance of the weights is P = U D Uᵀ, U with ones in
   its diagonal and nothing below, D diagonal (Bierman 1977, ISBN
   0-12-097350-2, chapter V).  A sample z with noise r changes
     P⁻¹ ← λ P⁻¹ + λ z zᵀ / r,
   so noise λ / w is a sample of weight w, and the weights move by the gain
   P z / (r + zᵀ P z) times the error.  What is forgotten in a direction that
   samples no longer show is never more than was known at the start, or than
   `most` allows. */
#ifndef MOE_RECURSIVE_H
#define MOE_RECURSIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "memory.h"

/* Part of a type's state.  Features are moe_recursive_width(n) numbers, those
   behind the n-th 0; so are gains, in room for moe_recursive_room(n). */
typedef struct moe_recursive {
  size_t n;
  double *unit;   /* moe_recursive_size(n): U's columns, filled up with zeros */
  double *spread; /* moe_recursive_width(n): D */
} moe_recursive;

enum { MOE_RECURSIVE_GROUP = 4 };

static inline size_t moe_recursive_width(size_t n) {
  const size_t group = MOE_RECURSIVE_GROUP;
  return (n + group - 1) / group * group;
}
size_t moe_recursive_size(size_t n);
size_t moe_recursive_room(size_t n); /* a gain, and what it is found by */

/* Moves n numbers, U's or those that a sample works with, to where no vector of
   four lies in two lines of the cache. */
moe_status moe_recursive_align(moe_call *call, double **array, size_t n);

/* Each weight has the variance `prior`, and nothing to do with the others. */
void moe_recursive_start(moe_recursive *r, double prior);

/* Learns of one sample and tells the gain.  Where numbers have come to an end
   (features of 1e200, say) it starts again: false, and nothing is gained. */
bool moe_recursive_gain(moe_recursive *r, const double *z, double noise,
                        double forgetting, double prior, double *gain);

/* The same with variances up to `most`; tells the gain's squared length too. */
bool moe_recursive_learn(moe_recursive *r, const double *z, double noise,
                         double forgetting, double prior, double most,
                         double *gain, double *length);

/* zᵀ P z. */
double moe_recursive_variance(const moe_recursive *r, const double *z);

#endif
