/* What models made of trees share when fitted, and what they tell about it. */
#ifndef MOE_TREE_MODEL_H
#define MOE_TREE_MODEL_H

#include "learner.h"
#include "tree_nodes.h"

/* No answers of all trees add up to more. */
#define MOE_TREE_MOST_SUM 0x1p1022

typedef struct moe_tree_model {
  moe_fitted fitted;
  moe_trees trees;
  double *gains; /* n_features: what the splits by each gained, of `tree` and
                    `forest` the sum over the trees of its share */
} moe_tree_model;

moe_status moe_tree_model_visit(moe_tree_model *m, moe_visitor *v);
moe_status moe_tree_model_check(moe_call *call, const moe_object *o);

/* Adds each column's share in what the splits of one tree gained. */
void moe_tree_model_add_gains(moe_tree_model *m, const double *gains);

/* `tree` and `forest`: the mean answer of the trees. */
typedef struct moe_tree_mean {
  moe_tree_model model;
  double oob_score; /* NaN: none */
} moe_tree_mean;

moe_status moe_tree_mean_visit(void *state, moe_visitor *v);
moe_status moe_tree_mean_check(moe_call *call, const moe_object *o);
moe_status moe_tree_mean_predict(moe_call *call, const moe_object *o,
                                 const moe_rows *x, double *out);
moe_status moe_tree_mean_contribute(moe_call *call, const moe_object *o,
                                    const moe_rows *x, double *out);

/* Gauges. */
moe_status moe_tree_count_nodes(moe_call *call, const moe_object *o,
                                moe_value *out);
moe_status moe_tree_measure_depth(moe_call *call, const moe_object *o,
                                  moe_value *out);
moe_status moe_tree_list_importances(moe_call *call, const moe_object *o,
                                     moe_value *out);
moe_status moe_tree_tell_oob_score(moe_call *call, const moe_object *o,
                                   moe_value *out);
/* clang-format off */
#define MOE_TREE_GAUGES                                                        \
  {"n_nodes", "nodes of all trees, leaves included", moe_tree_count_nodes},    \
  {"depth", "most splits between a root and a leaf", moe_tree_measure_depth},  \
  {"importances", "share of each column in what the splits gained",            \
   moe_tree_list_importances}
/* clang-format on */

#endif
