/* The experts of a sparse layer as one operation on tensors. */
#ifndef MOE_SPARSE_EXPERTS_H
#define MOE_SPARSE_EXPERTS_H

#include "activation.h"
#include "tensor.h"

/* Stacked weights, as feed_forward.h says; what is NULL is not there. */
typedef struct moe_expert_weights {
  moe_tensor *w_in, *w_out, *w_gate, *b_in, *b_out;
} moe_expert_weights;

/* The answers to the rows of x (…×dim; rows in all), of which row i selects the
   experts `indices` (rows × width, from 0; below 0: none) with `weights` (the
   same shape): …×out.  Records gradients by x, weights and parameters. */
moe_status moe_tensor_experts(moe_call *call, moe_activation activation,
                              moe_tensor *x, moe_tensor *weights,
                              const moe_tensor *indices,
                              const moe_expert_weights *w, moe_tensor **out);

#endif
