/* Steps of optimisers on float32 weights w with gradients g; m and v are the
   optimiser's own and 0 before the first step.  The rules, defaults and the
   order of operations are those of PyTorch's torch.optim.

     sgd      g += decay w;  m ← g at first, then momentum m + g;
              w −= lr (m, or nesterov: g + momentum m; without momentum: g)
     adam     g += decay w;  then as adam.h without its decay
     adamw    adam.h
     rmsprop  g += decay w;  v ← α v + (1 − α) g²;  u = g / (√v + ε);
              m ← momentum m + u where there is momentum;  w −= lr (m or u)
     lion     w −= lr decay w;  w −= lr sign(β1 m + (1 − β1) g);
              m ← β2 m + (1 − β2) g       (Chen et al. 2023, arXiv 2302.06675)
*/
#ifndef MOE_OPTIMISE_H
#define MOE_OPTIMISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum moe_optimiser {
  MOE_SGD,
  MOE_ADAM,
  MOE_ADAMW,
  MOE_RMSPROP,
  MOE_LION
} moe_optimiser;
extern const char *const moe_optimiser_choices[];

typedef struct moe_optimise {
  moe_optimiser kind;
  double lr, momentum, beta1, beta2, alpha, epsilon, decay;
  bool nesterov;
} moe_optimise;

/* Step t, counted from 1, of n weights.  No allocation, no errors. */
void moe_optimise_step(const moe_optimise *rule, int64_t t, const float *g,
                       size_t n, float *w, float *m, float *v);

#endif
