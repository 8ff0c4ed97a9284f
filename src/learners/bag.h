/* Which rows each tree of a forest drew, and the answers for a row by the trees
   that did not draw it (out of bag: Breiman 1996, "Out-of-bag estimation"). */
#ifndef MOE_BAG_H
#define MOE_BAG_H

#include "tree_nodes.h"

typedef struct moe_bag {
  int32_t *place; /* of a source row among the bag's rows, or -1 */
  size_t words;   /* of one tree's bits */
  size_t step;    /* words, or 0 where all trees share their bits */
  uint64_t *bits; /* bit place[row] of a tree: it has the row */
} moe_bag;

/* For a batch with `sources` source rows behind it, and as many sets of bits;
   one serves any number of trees.  A row that the batch holds twice is one. */
moe_status moe_bag_new(moe_call *call, moe_bag *bag, const moe_rows *batch,
                       size_t sources, size_t sets);
void moe_bag_free(moe_bag *bag);

/* Tree `tree` has the row at `source`. */
static inline void moe_bag_put(moe_bag *bag, size_t tree, size_t source) {
  size_t place = (size_t)bag->place[source];
  bag->bits[tree * bag->step + place / 64] |= UINT64_C(1) << place % 64;
}

static inline bool moe_bag_has(const moe_bag *bag, size_t tree, size_t source) {
  int32_t place = bag->place[source];
  if (place < 0) return false;
  return bag->bits[tree * bag->step + (size_t)place / 64] >> place % 64 & 1;
}

/* One block of rows being answered for by the trees that do not have them. */
typedef struct moe_bag_desk {
  moe_walk walk;
  size_t first;  /* row of the block */
  size_t tree;   /* next */
  bool busy;     /* a block is in hand */
  double *sums;  /* block × width; when it is done, the mean answers, NaN for
                    rows that no tree is without */
  size_t *trees; /* of each row */
} moe_bag_desk;

moe_status moe_bag_desk_new(moe_call *call, moe_bag_desk *desk,
                            const moe_rows *x, size_t block, size_t width);
void moe_bag_desk_free(moe_bag_desk *desk);

/* Takes the rows first … first + n − 1 of x in hand. */
void moe_bag_desk_open(moe_bag_desk *desk, const moe_rows *x, size_t first,
                       size_t n, size_t width);

/* Asks one tree; true when that was the last. */
bool moe_bag_desk_step(moe_bag_desk *desk, const moe_bag *bag,
                       const moe_trees *trees, const moe_rows *x);

#endif
