/* k-means: k centres such that Σ_i w_i min_c |x_i − c|² is small.  The first
   centres are drawn as k-means++ draws them (Arthur & Vassilvitskii 2007,
   SODA): each row with a chance in proportion to its squared distance to the
   nearest centre so far; then rounds of Lloyd's, every row to the nearest
   centre and every centre to the mean of its rows, until none changes. */
#ifndef MOE_KMEANS_H
#define MOE_KMEANS_H

#include "tally.h"

/* Missing values count as their column's mean; in sparse rows, as 0. */
typedef struct moe_kmeans_plan {
  const moe_rows *x;    /* numbers; outlives the search */
  const double *weight; /* one a source row; NULL: all 1 */
  size_t k;
  bool standardize; /* columns to mean 0 and variance 1; dense rows only */
  uint64_t seed;
  int64_t restarts; /* searches, of which the best counts */
  int64_t rounds;   /* of one search at most */
} moe_kmeans_plan;

typedef struct moe_kmeans {
  moe_kmeans_plan plan;
  int stage;
  moe_random random;
  int64_t round, run;
  size_t placed;           /* centres of the search that are there */
  bool measured;           /* `nearest` knows of them all */
  double *centre, *factor; /* d: what makes a column of x̃ */
  double *means, *lengths; /* k × d in terms of x̃, and their squared lengths */
  double *nearest;         /* n: squared distance to the nearest centre */
  int32_t *cluster;        /* n: which that is */
  moe_tally tally;
  double *sums; /* what the tally gives */
  int32_t *best;
  double *best_means, inertia; /* of the best search */
  bool done;
} moe_kmeans;

moe_status moe_kmeans_begin(moe_call *call, const moe_kmeans_plan *plan,
                            moe_kmeans *out);

/* Goes on until it is done or the call is pausing: then `best` holds the
   cluster of every row, `inertia` the sum. */
moe_status moe_kmeans_step(moe_call *call, moe_kmeans *s);

/* The best centres in terms of x, k × d. */
void moe_kmeans_centres(const moe_kmeans *s, double *out);

void moe_kmeans_free(moe_kmeans *s);

#endif
