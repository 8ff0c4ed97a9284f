/* Grows a tree on binned rows, in bounded pieces: the one grower of single
   trees, forests and boosted trees, which differ in their objective.

   Breiman, Friedman, Olshen & Stone 1984 for the tree; candidate columns drawn
   at every split as in Breiman 2001 (doi 10.1023/A:1010933404324).  Unlike
   theirs, thresholds are sought between bins. */
#ifndef MOE_GROW_H
#define MOE_GROW_H

#include "newton.h"
#include "tree_nodes.h"

typedef struct moe_grow_plan {
  const moe_bins *bins;
  const moe_objective *objective; /* NULL: derivatives of a loss (newton.h), */
  double l2, least_weight;        /* with these; the width is 1 */
  size_t width;                   /* classes, or numbers in a row's target */
  const double *values; /* regression: a target for each row of the bins, … */
  const double *shift;  /* … and numbers near them */
  size_t max_depth, min_samples_split, min_samples_leaf;
  const int32_t *columns; /* those with more than one bin */
  size_t n_columns;
  size_t n_candidates; /* columns drawn at each split; more where these do not
                          separate anything.  Derivatives: for each tree */
  size_t max_leaves;   /* derivatives: the most valuable splits are made first;
                          SIZE_MAX: no limit */
} moe_grow_plan;

typedef struct moe_grower moe_grower;

/* The plan must outlive the grower, which grows one tree after another. */
moe_status moe_grower_new(moe_call *call, const moe_grow_plan *plan,
                          moe_grower **out);
void moe_grower_free(moe_grower *g); /* accepts NULL */

/* Where the caller puts the rows of the next tree, at least one and at most
   the bins' (in their order, for derivatives), and the derivatives of each row
   of the bins, which growing uses up; then begins it. */
moe_sample *moe_grower_samples(moe_grower *g);
moe_slope *moe_grower_slopes(moe_grower *g);
void moe_grower_start(moe_grower *g, size_t n_samples, moe_random random);

/* One bounded piece of work; true when the tree is complete, or memory has run
   out.  Any thread may do it; derivatives are summed up by several. */
bool moe_grower_step(moe_grower *g, const moe_call *call);

/* The complete tree and what the splits by each of the bins' columns gained,
   both still the grower's; false if memory had run out. */
bool moe_grower_result(const moe_grower *g, moe_tree_arrays *tree,
                       const double **gains);

/* Of a complete tree grown from derivatives: the samples of the leaf with that
   row of values, and the value itself; the same for any row of the bins. */
moe_sample *moe_grower_leaf(moe_grower *g, size_t value, size_t *n);
double *moe_grower_value(moe_grower *g, size_t value);
size_t moe_grower_find(const moe_grower *g, size_t row);

#endif
