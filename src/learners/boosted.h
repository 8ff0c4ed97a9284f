/* A sum of trees: for each row, link(base + Σ_k tree_k(x)).  What boosting
   learns (`gbt`) and what other libraries' boosted trees are imported as. */
#ifndef MOE_BOOSTED_H
#define MOE_BOOSTED_H

#include "tree_model.h"

/* What becomes of a row's scores s_1 … s_m. */
typedef enum moe_link {
  MOE_LINK_IDENTITY, /* s_k */
  MOE_LINK_EXP,      /* exp s_k */
  MOE_LINK_LOGISTIC, /* p_k = 1 / (1 + exp −s_k); two classes: 1 − p_1, p_1 */
  MOE_LINK_SOFTMAX,    /* exp s_k / Σ_j exp s_j */
  MOE_LINK_ONE_VS_REST /* p_k / Σ_j p_j */
} moe_link;

typedef struct moe_boosted {
  moe_tree_model model; /* trees of width 1, or of n_scores */
  int32_t link;
  size_t n_scores; /* the outputs, or 1 for two classes with one score */
  double *base;    /* n_scores */
  int32_t *score;  /* n_trees: the score that each tree adds to; 0 for those
                      that answer all of them */
  size_t score_room;
} moe_boosted;

/* Completes a state whose moe_fitted is filled in: no trees yet, every base 0.
   `width` of the trees is 1 or the number of scores. */
moe_status moe_boosted_new(moe_call *call, moe_boosted *b, moe_link link,
                           size_t width);

/* Appends a copy of a tree that adds to a score.  On failure the state stays as
   it was. */
moe_status moe_boosted_append(moe_call *call, moe_boosted *b,
                              const moe_tree_arrays *tree, size_t score);

/* Takes over the trees and gains of another state of the same scores, itself a
   clone, which gets those of this one. */
void moe_boosted_take(moe_boosted *b, moe_boosted *clone);

/* The scores, before the link: n × n_scores doubles. */
moe_status moe_boosted_score(moe_call *call, const moe_boosted *b,
                             const moe_rows *x, double *out);

/* n × n_scores doubles become n × n_outputs in their place. */
void moe_boosted_apply_link(const moe_boosted *b, double *out, size_t n);

/* Of the types whose state it is; their gauges are MOE_TREE_GAUGES. */
moe_status moe_boosted_visit(void *state, moe_visitor *v);
moe_status moe_boosted_check(moe_call *call, const moe_object *o);
moe_status moe_boosted_predict(moe_call *call, const moe_object *o,
                               const moe_rows *x, double *out);

/* What each feature contributes to the scores; of two classes with one score,
   to it and to what is its opposite. */
moe_status moe_boosted_contribute(moe_call *call, const moe_object *o,
                                  const moe_rows *x, double *out);

#endif
