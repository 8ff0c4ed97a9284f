/* Operations of networks on float32 tensors.  Like those of kernels.h they
   record their gradients where call->recording is set and an operand requires
   one.  "Rows" are the runs along the last dimension; results are new. */
#ifndef MOE_OPERATIONS_H
#define MOE_OPERATIONS_H

#include "activation.h"
#include "tensor.h"

/* ------------------------------------------------------------- row by row */

moe_status moe_tensor_activate(moe_call *call, moe_activation f, moe_tensor *t,
                               moe_tensor **out);

/* x w + b: the rows of x (n) times w (n×m), and b (m; may be NULL) added. */
moe_status moe_tensor_affine(moe_call *call, moe_tensor *x, moe_tensor *w,
                             moe_tensor *b, moe_tensor **out);

/* Each row's softmax, or its logarithm. */
moe_status moe_tensor_softmax(moe_call *call, moe_tensor *t, bool logarithm,
                              moe_tensor **out);

/* Each row less its mean (unless `root`: RMS norm), over √(mean square + ε),
   times weight and plus bias (of a row's length; either may be NULL).  (Ba,
   Kiros & Hinton 2016, arXiv 1607.06450; Zhang & Sennrich 2019, arXiv
   1910.07467.) */
moe_status moe_tensor_normalize(moe_call *call, moe_tensor *t, bool root,
                                moe_tensor *weight, moe_tensor *bias,
                                double epsilon, moe_tensor **out);

/* Each item is kept with the chance 1 − p, times 1 / (1 − p), else 0. */
moe_status moe_tensor_dropout(moe_call *call, moe_tensor *t, double p,
                              uint64_t seed, moe_tensor **out);

/* ------------------------------------------------------------------ places */

/* The elements of t's first dimension that `ids` (any shape, from 0) name: of
   the shape of ids, then that of an element.  And the way back: zeros (n×…) to
   whose element ids[i] the i-th of `t` is added. */
moe_status moe_tensor_embed(moe_call *call, moe_tensor *t, moe_tensor *ids,
                            moe_tensor **out);
moe_status moe_tensor_scatter(moe_call *call, moe_tensor *t, moe_tensor *ids,
                              int64_t n, moe_tensor **out);

/* Tensors behind each other along `dim`; a part of it; dimensions exchanged;
   the items in another shape (one length may be -1), which is a view. */
moe_status moe_tensor_concat(moe_call *call, size_t n, moe_tensor *const *parts,
                             int dim, moe_tensor **out);
moe_status moe_tensor_slice(moe_call *call, moe_tensor *t, int dim,
                            int64_t first, int64_t n, moe_tensor **out);
moe_status moe_tensor_exchange(moe_call *call, moe_tensor *t, int a, int b,
                               moe_tensor **out);
moe_status moe_tensor_shape_as(moe_call *call, moe_tensor *t, int ndim,
                               const int64_t *shape, moe_tensor **out);

/* ------------------------------------------------------------------- losses
   The mean over what counts, one item. */

/* −Σ_c q_c log softmax(row)_c, q being 1 − smoothing at the row's id (from 0)
   and smoothing / classes everywhere; rows whose id is `ignored` do not count.
   0 where none does. */
moe_status moe_tensor_cross_entropy(moe_call *call, moe_tensor *logits,
                                    moe_tensor *ids, int32_t ignored,
                                    double smoothing, moe_tensor **out);

typedef enum moe_distance {
  MOE_SQUARED_DISTANCE, /* (x − y)² */
  MOE_HUBER_DISTANCE,   /* ½ e² within δ, beyond δ (|e| − δ/2) */
  MOE_LOGISTIC_DISTANCE /* −y log σ(x) − (1 − y) log (1 − σ(x)) */
} moe_distance;
moe_status moe_tensor_distance(moe_call *call, moe_distance kind, moe_tensor *x,
                               moe_tensor *y, double delta, moe_tensor **out);

/* ---------------------------------------------------------------- attention */

/* Scaled dot-product attention of q, k and v (sequences × length × (heads ·
   size)); causal: position i sees those up to i.  `base` > 0 turns q and k by
   rotary positions (Su et al. 2021, arXiv 2104.09864). */
moe_status moe_tensor_attend(moe_call *call, moe_tensor *q, moe_tensor *k,
                             moe_tensor *v, int heads, bool causal, double base,
                             moe_tensor **out);

#endif
