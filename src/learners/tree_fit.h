/* Trees as a job: what `tree` and `forest` share, which differ in how many
   trees they grow on which rows. */
#ifndef MOE_TREE_FIT_H
#define MOE_TREE_FIT_H

#include <math.h>

#include "bag.h"
#include "grove.h"
#include "tree_model.h"

/* Both types' parameters begin with these. */
typedef struct moe_tree_params {
  int task, criterion;
  int64_t max_depth, min_samples_split, min_samples_leaf, max_bins, seed;
  double max_features;
  moe_weights class_weight;
} moe_tree_params;

extern const char *const moe_tree_criteria[];

/* clang-format off */
#define MOE_TREE_PARAMS(max_features_doc)                                      \
  {"criterion", MOE_CHOICE, offsetof(moe_tree_params, criterion), NAN, 0, 0,   \
   moe_tree_criteria, NULL, MOE_OPTIONAL,                                      \
   "what is low on the two sides of a good split; absent: gini in "            \
   "classification, squared_error in regression"},                             \
  MOE_P_OPT_INT(moe_tree_params, max_depth, 1, 0x1p31,                         \
                "most splits between a root and a leaf; absent: no limit"),    \
  MOE_P_INT(moe_tree_params, min_samples_split, 2, 2, 0x1p31,                  \
            "rows in a node that is split, at least"),                         \
  MOE_P_INT(moe_tree_params, min_samples_leaf, 1, 1, 0x1p31,                   \
            "rows on each side of a split, at least"),                         \
  {"max_features", MOE_REAL, offsetof(moe_tree_params, max_features), NAN, 0,  \
   1, NULL, NULL, MOE_OPTIONAL | MOE_ABOVE_MIN, max_features_doc},             \
  MOE_P_INT(moe_tree_params, max_bins, 256, 2, 256,                            \
            "bins a column: one a value where it has no more distinct ones, "  \
            "else of about equally many rows; missing values take one; "       \
            "thresholds lie midway between bins"),                             \
  MOE_P_LIST(moe_tree_params, class_weight, MOE_WEIGHTS, 0, 1e300,             \
             "what the rows of a class count, by label; 1 where not named"),   \
  MOE_P_SEED(moe_tree_params)
/* clang-format on */

typedef struct moe_tree_scheme {
  size_t trees;
  bool bootstrap;      /* each on as many rows, drawn with replacement */
  size_t n_candidates; /* where max_features is absent */
} moe_tree_scheme;

typedef struct moe_tree_work {
  moe_tree_scheme scheme;
  size_t phase;
  uint64_t seed;
  moe_bins bins;
  moe_sample *samples; /* the rows whose weight is above 0 */
  size_t n_samples;
  double *values, *shift; /* regression: targets by row, and their means */
  int32_t *columns;       /* that have more than one bin */
  moe_grow_plan plan;
  moe_grove grove;
  moe_bag bag;
  moe_bag_desk *desks;
  size_t n_desks, block; /* rows a block */
  atomic_size_t next_block;
  double *scores; /* what each block adds to the out-of-bag score */
} moe_tree_work;

/* What the type's begin calls; step, end and out_of_bag are its own. */
moe_status moe_tree_begin(moe_call *call, moe_job *job, moe_tree_scheme scheme);
moe_status moe_tree_step(moe_call *call, moe_job *job);
void moe_tree_end(moe_job *job);
moe_status moe_tree_out_of_bag(moe_call *call, const moe_job *job,
                               const moe_rows *x, double *out);

/* The job's last phase: the out-of-bag score. */
moe_status moe__tree_score(moe_call *call, moe_job *job, bool *done);

#endif
