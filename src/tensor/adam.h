/* The optimiser Adam (Kingma & Ba 2015, arXiv 1412.6980) on float32, with the
   decoupled weight decay of Loshchilov & Hutter (2019, arXiv 1711.05101):
     m ← β1 m + (1 − β1) g,   v ← β2 v + (1 − β2) g²
     w ← w − lr (m̂ / (√v̂ + ε) + decay · w),
   with m̂ = m / (1 − β1^t) and v̂ = v / (1 − β2^t) in step t. */
#ifndef MOE_ADAM_H
#define MOE_ADAM_H

#include <stddef.h>
#include <stdint.h>

typedef struct moe_adam {
  double lr, beta1, beta2, epsilon, decay;
} moe_adam;

/* Step t (from 1) for n weights with the derivatives g; m and v are 0 before
   the first.  Derivatives beyond ±2^62 count as that, so that no square is
   infinite: m and v stay finite; one that is not a number spoils its weight.
   No allocation, no errors, the same bits on every CPU. */
void moe_adam_step(const moe_adam *rule, int64_t t, const float *g, size_t n,
                   float *w, float *m, float *v);

#endif
