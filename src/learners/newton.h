/* Where to split the rows of a tree's node by the derivatives of a loss, as
   second-order boosting does (Friedman, Hastie & Tibshirani 2000, doi
   10.1214/aos/1016218223; Chen & Guestrin 2016, doi 10.1145/2939672.2939785):
   with G and H the sums of the first and second derivatives over a node, its
   best answer is −G / (H + l2), which is worth G² / (H + l2).

   Derivatives are rounded to whole numbers of a unit, so small that hardly more
   than a double's own rounding is lost.  So sums are exact: whatever the order
   and the number of threads they are the same, and those of one child are what
   the other's leave of the parent's, to the bit. */
#ifndef MOE_NEWTON_H
#define MOE_NEWTON_H

#include "histogram.h"

/* The derivatives of one row, or their sums over some. */
typedef struct moe_slope {
  double g, h; /* h ≥ 0 */
} moe_slope;

/* The same in units; the lowest bits of h count the rows. */
typedef struct moe_cell {
  int64_t g, h;
} moe_cell;

typedef struct moe_verdict {
  moe_split split;
  moe_cell left; /* what the split sends to the left */
} moe_verdict;

typedef struct moe_newton {
  const moe_bins *bins;
  double l2, least_weight; /* H on each side, at least */
  size_t least;            /* rows on each side */
  int32_t *columns;        /* those that this tree may split by … */
  uint32_t *offset;        /* … and where the cells of each begin */
  size_t n_columns;
  union { /* of each row of the bins */
    moe_slope *slopes;
    moe_cell *cells;
  };
  int count_bits;
  double g_unit, h_unit, lambda, floor; /* l2 and least_weight in units */
  moe_cell *blocks; /* room × bins each; the first is a spare */
  size_t block_size;
  int32_t *idle; /* blocks that nobody has */
  size_t n_idle;
  moe_verdict *verdicts; /* of each group of columns, on both nodes */
} moe_newton;

/* Memory for n_columns of the bins, and for about so many nodes' sums.  What
   the caller sets: the members from `bins` to `least`. */
moe_status moe_newton_new(moe_call *call, moe_newton *w, size_t n_columns,
                          size_t n_blocks);
void moe_newton_free(moe_newton *w);

/* Takes the tree's columns, in ascending order. */
void moe_newton_open(moe_newton *w, const int32_t *columns, size_t n);

/* Turns the samples' slopes into cells; gives their sum. */
moe_cell moe_newton_round(moe_newton *w, const moe_sample *samples, size_t n);

static inline size_t moe_newton_count(const moe_newton *w, moe_cell c) {
  return (size_t)(c.h & ((INT64_C(1) << w->count_bits) - 1));
}

/* What remains of a sum when a part is taken from it. */
static inline moe_cell moe_newton_rest(moe_cell sum, moe_cell part) {
  return (moe_cell){sum.g - part.g, sum.h - part.h};
}

/* H in units. */
static inline double moe_newton_weight(const moe_newton *w, moe_cell c) {
  return (double)(c.h >> w->count_bits);
}

/* What the best answer to these rows is, and what it is worth in units. */
double moe_newton_answer(const moe_newton *w, moe_cell sum);
double moe_newton_worth(const moe_newton *w, moe_cell sum);

/* Whether rows with this sum can be split at all. */
bool moe_newton_divides(const moe_newton *w, moe_cell sum);

/* A block for a node's sums, or -1 when they are all in use; and back. */
enum { MOE_SPARE_BLOCK, MOE_NO_BLOCK = -1 };
int32_t moe_newton_take(moe_newton *w);
void moe_newton_give(moe_newton *w, int32_t block);

/* One node whose samples are summed up into a block and, where there is one,
   another whose sums are then what that leaves of those in its own block. */
typedef struct moe_judgement {
  const moe_sample *samples;
  size_t n, n_done;
  int32_t block, other; /* MOE_NO_BLOCK: there is no other */
  moe_cell sum, other_sum;
  bool wanted; /* a verdict on the first */
  moe_verdict verdict, other_verdict;
} moe_judgement;

/* Goes on for a bounded time; true when the verdicts are there. */
bool moe_newton_judge(moe_newton *w, const moe_call *call, moe_judgement *j);

#endif
