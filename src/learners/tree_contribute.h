/* What each feature contributes to what trees add up. */
#ifndef MOE_TREE_CONTRIBUTE_H
#define MOE_TREE_CONTRIBUTE_H

#include "tree_nodes.h"

/* Adds the contributions to `factor` times the sum of the trees' answers to
   out, x->n × n_scores × (x->d + 1) doubles, the last of each d + 1 the bias:
   what the trees answer to no row in particular.  score[k]: the score that the
   first number of tree k adds to; NULL: 0.  The trees are sound. */
moe_status moe_trees_contribute(moe_call *call, const moe_trees *t,
                                const moe_rows *x, const int32_t *score,
                                size_t n_scores, double factor, double *out);

#endif
