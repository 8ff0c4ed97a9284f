/* The experts of a sparse layer with weights in bfloat16: forward only, for
   the same rows and with the same answers as feed_forward.h, within

     2^-8 relative for each weight, as rounded from float32, and
     2^-8 relative for each number that enters a product, where more than
     MOE_BFLOAT_FEW rows go to one expert and oneDNN multiplies bfloat16.

   Sums, biases, activations and answers are float32.  One row reads each
   weight that it uses once, in bands of the hidden layer that the threads
   share: memory is all that it waits for, and that is half of float32's.
   Sums run in the order of the experts and bands, so the bits do not depend on
   the number of threads. */
#ifndef MOE_FEED_FORWARD_HALF_H
#define MOE_FEED_FORWARD_HALF_H

#include "bfloat.h"
#include "feed_forward.h"

/* As the members of that name in moe_feed_forward. */
typedef struct moe_half_weights {
  const moe_bfloat *w_in, *w_gate, *w_out;
} moe_half_weights;

/* The answers, into out (rows × out).  f's own weights are not read. */
moe_status moe_feed_forward_half(moe_call *call, const moe_feed_forward *f,
                                 const moe_half_weights *w,
                                 const moe_dispatched *d, float *out);

#endif
