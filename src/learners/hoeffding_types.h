/* What the types of streaming trees share. */
#ifndef MOE_HOEFFDING_TYPES_H
#define MOE_HOEFFDING_TYPES_H

#include <math.h>

#include "hoeffding.h"

/* clang-format off */
#define MOE_HOEFFDING_PARAMS(T, grace, confidence)                             \
  MOE_P_TASK(moe_hoeffding_params),                                            \
  MOE_P_CHOICE(moe_hoeffding_params, leaf, MOE_H_ADAPTIVE,                     \
               moe_hoeffding_leaves,                                           \
               "what a leaf answers with: the frequencies or mean of its "     \
               "targets, naive Bayes or a linear function, or whichever of "   \
               "the two has done better there"),                               \
  MOE_P_INT(moe_hoeffding_params, grace_period, grace, 1, 1e9,                 \
            "weight of samples in a leaf between two looks for a split"),      \
  {"delta", MOE_REAL, offsetof(moe_hoeffding_params, delta), confidence, 0,    \
   0.5, NULL, NULL, MOE_ABOVE_MIN,                                             \
   "probability that a split is not the best, by Hoeffding's bound"},          \
  MOE_P_REAL(moe_hoeffding_params, tau, 0.05, 0, 10,                           \
             "two splits are as good as each other once the bound is lower "   \
             "than that"),                                                     \
  MOE_P_CHOICE(moe_hoeffding_params, criterion, 0,                             \
               moe_hoeffding_criterion_names,                                  \
               "classification: what a good split gains or takes apart"),      \
  MOE_P_INT(moe_hoeffding_params, thresholds, 10, 1, 1000,                     \
            "classification: thresholds that are tried in a numeric column"),  \
  MOE_P_ABOVE(moe_hoeffding_params, learning_rate, 0.1, 0, 1,                  \
              "regression: share of its error that the linear function of a "  \
              "leaf corrects at each sample"),                                 \
  MOE_P_INT(moe_hoeffding_params, max_depth, 64, 0, MOE_H_DEEPEST - 1,         \
            "most splits between a root and a leaf"),                          \
  MOE_P_INT(moe_hoeffding_params, max_leaves, 1000, 1, 1e6,                    \
            "most leaves of a tree: bounds its memory")
/* clang-format on */

moe_status moe_hoeffding_tell_leaves(moe_call *call, const moe_object *o,
                                     moe_value *out);
moe_status moe_hoeffding_tell_depth(moe_call *call, const moe_object *o,
                                    moe_value *out);

#define MOE_HOEFFDING_GAUGES                                                   \
  {"leaves", "leaves of all trees", moe_hoeffding_tell_leaves}, {              \
    "depth", "most splits between a root and a leaf", moe_hoeffding_tell_depth \
  }

/* moe_learner_type's, of a single tree. */
moe_status moe_hoeffding_predict_one(moe_call *call, const moe_object *o,
                                     const double *x, double *out);
moe_status moe_hoeffding_learn_alone(moe_call *call, moe_object *o,
                                     const moe_detector_config *detector,
                                     const moe_example *s);

#endif
