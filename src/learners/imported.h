/* Models that other programs trained: sums of trees, from the files that
   XGBoost (JSON) and LightGBM (text) save. */
#ifndef MOE_IMPORTED_H
#define MOE_IMPORTED_H

#include "boosted.h"

extern const moe_learner_type moe_imported;

/* A trained learner of type `imported` from a whole file's bytes, which are
   changed; bytes[size] must be a zero byte.  `what` names the file in messages.
   MOE_EFORMAT unless it is such a model, of a kind whose answers are known
   exactly.  Class k of a classifier is called classes->items[k] (any order, no
   two the same; NULL: 0, 1, …); MOE_EARG where there are not as many. */
moe_status moe_imported_read(moe_call *call, const char *what, char *bytes,
                             size_t size, const moe_labels *classes,
                             moe_object **out);

/* ------------------------------------------------------------ for the readers
   What a file says, before it is a model. */

/* Numbers as they are read. */
typedef struct moe_numbers {
  double *items;
  size_t n, room;
} moe_numbers;
moe_status moe__numbers_add(moe_call *call, moe_numbers *list, double x);

/* A tree as it is written: nodes in any order, the root first. */
typedef struct moe_written_tree {
  size_t n;
  const double *left, *right;        /* below 0 in a leaf */
  const double *feature, *threshold; /* x <= threshold leads to the left … */
  bool below;                        /* … or only x < threshold */
  const double *missing_left;        /* whether what is missing does; 0, 1 */
  const double *weight;              /* of the rows that came to the node */
  const double *gain;                /* of the split */
  const double *value;               /* of a leaf */
} moe_written_tree;

typedef struct moe_draft_tree {
  moe_tree_arrays tree;
  double *gain; /* of each node */
} moe_draft_tree;

typedef struct moe_draft {
  const char *program, *objective; /* as it was written */
  moe_task task;
  moe_link link;
  size_t n_features, n_scores;
  double factor;    /* of all that the trees answer */
  moe_numbers base; /* one for all scores, or one each */
  moe_texts names;  /* none, or n_features; the texts are the file's */
  size_t names_room;
  moe_numbers score; /* of each tree: the score that it adds to */
  moe_draft_tree *trees;
  size_t n_trees, trees_room;
} moe_draft;

/* Appends the tree, checked.  Everything in `t` has n items. */
moe_status moe__draft_add_tree(moe_call *call, moe_draft *d,
                               const moe_written_tree *t);
moe_status moe__draft_add_name(moe_call *call, moe_draft *d, char *name);

moe_status moe__read_xgboost(moe_call *call, const char *what, char *text,
                             size_t size, moe_draft *d);
moe_status moe__read_lightgbm(moe_call *call, const char *what, char *text,
                              size_t size, moe_draft *d);

#endif
