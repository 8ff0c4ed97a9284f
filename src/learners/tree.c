/* One decision tree (grow.h), on all rows. */
#include "tree_fit.h"

static const moe_param params[] = {
    MOE_P_TASK(moe_tree_params),
    MOE_TREE_PARAMS("share of the columns drawn at each split, at least one; "
                    "absent: all are examined"),
    {0}};

static const moe_gauge gauges[] = {MOE_TREE_GAUGES, {0}};

static moe_status begin(moe_call *call, moe_job *job) {
  const moe_fitted *f = job->state;
  return moe_tree_begin(
      call, job, (moe_tree_scheme){.trees = 1, .n_candidates = f->n_features});
}

const moe_learner_type moe_tree = {
    .type = {.name = "tree",
             .family = "learner",
             .doc = "A decision tree: splits by one column at a time, "
                    "thresholds between bins of its values.",
             .params_size = sizeof(moe_tree_params),
             .state_size = sizeof(moe_tree_mean),
             .params = params,
             .gauges = gauges,
             .visit = moe_tree_mean_visit,
             .check = moe_tree_mean_check},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT |
              MOE_TAKES_MISSING | MOE_TAKES_SPARSE,
    .job_size = sizeof(moe_tree_work),
    .begin = begin,
    .step = moe_tree_step,
    .end = moe_tree_end,
    .contribute = moe_tree_mean_contribute,
    .predict = moe_tree_mean_predict};
