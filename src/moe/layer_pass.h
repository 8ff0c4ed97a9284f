/* Private to the sparse layer: what a pass forward finds on its way. */
#ifndef MOE_LAYER_PASS_H
#define MOE_LAYER_PASS_H

#include "layer.h"

enum { MOE__PASS_BLOCKS = 32 /* more than a pass takes */ };

struct moe_layer_pass {
  bool kept;          /* for backward */
  moe_route_input in; /* reads the logits and deviations in the blocks */
  moe_routing r;
  float *z, *softplus;        /* of the deviations, n × experts */
  moe_dispatched routed, all; /* to the experts; to the shared one */
  float *saved, *saved_shared;
  void *blocks[MOE__PASS_BLOCKS]; /* the pool's: all of the above */
  size_t n_blocks;
};

/* n items that live as long as the pass, not set; NULL, with the error in the
   call, when memory is short. */
void *moe__pass_take(moe_call *call, moe_layer_pass *p, size_t n, size_t size);

/* The same, returning MOE_ENOMEM from the enclosing function. */
#define MOE_TAKE(call, p, out, n)                            \
  do {                                                       \
    (out) = moe__pass_take((call), (p), (n), sizeof *(out)); \
    if ((out) == NULL) return MOE_ENOMEM;                    \
  } while (0)

#endif
