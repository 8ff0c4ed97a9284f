/* The k-d tree (Friedman, Bentley & Finkel 1977, doi 10.1145/355744.355745):
   points halved at the median of a column in which they are spread far, until
   few are left; a search leaves out the halves whose box is too far away.

   Leaf i of 2^height holds points n i / 2^height … of the halving order, so
   node v of a level needs no links: its children are 2v+1 and 2v+2. */
#ifndef MOE_KD_TREE_H
#define MOE_KD_TREE_H

#include "nearest.h"
#include "object.h"

typedef struct moe_kd_tree {
  size_t n, d;          /* points; n = 0: there is no tree */
  size_t height, width; /* leaves are 2^height, each with `width` places */
  int32_t *index;       /* of the point in each place, or -1 */
  int32_t *place;       /* n: where each point is */
  float *points;        /* the places' points, block after block */
  float *box;           /* of each node: d lows, d highs */

  /* While it is being built. */
  int64_t *order; /* n points: a coordinate above the index */
  size_t level;   /* to be halved next */
  size_t filled;  /* leaves, once all are halved */
} moe_kd_tree;

/* All of it is derived. */
moe_status moe_kd_tree_visit(moe_kd_tree *t, moe_visitor *v);
void moe_kd_tree_free(moe_kd_tree *t);

/* Memory for a tree of points (n × d), n ≥ 1; then build until it says that it
   is done.  Stops between levels, and between some leaves and the next, when
   the call is pausing, if it may. */
moe_status moe_kd_tree_new(moe_call *call, size_t n, size_t d,
                           moe_kd_tree *out);
bool moe_kd_tree_build(moe_call *call, moe_kd_tree *t, const float *points,
                       const double *scale, bool may_pause);

/* The point is no longer there; false: it was not. */
bool moe_kd_tree_remove(moe_kd_tree *t, size_t point);

/* Offers all points that can be among the nearest. */
void moe_kd_tree_search(const moe_kd_tree *t, const moe_asked *q,
                        moe_nearest *list);

#endif
