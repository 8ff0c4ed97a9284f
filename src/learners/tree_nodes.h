/* Decision trees as index-linked nodes in one flat array, however they came
   about: grown here or imported.  Features are float32 at every entry. */
#ifndef MOE_TREE_NODES_H
#define MOE_TREE_NODES_H

#include "rows.h"

/* x[feature] <= threshold leads to child[0], greater to child[1].  A leaf is
   its own child on both sides, so that who steps on stays there. */
typedef struct moe_tree_node {
  union {
    float threshold;
    int32_t value; /* of a leaf: its row of values */
  };
  int32_t feature; /* 0 in a leaf */
  int32_t child[2];
} moe_tree_node;

/* The share of a + b that a is, as a split's `share` must be: inside (0, 1),
   a half where nothing is known. */
float moe_tree_share(double a, double b);

/* One tree by itself: children count from its first node.  ~c stands for the
   certain answer "class c". */
typedef struct moe_tree_arrays {
  size_t n_nodes, n_values;
  int32_t root;
  moe_tree_node *nodes;
  uint8_t *missing; /* of each node: the child of rows without the feature */
  float *share;     /* of its rows' weight, what went to child[0] */
  double *values;
} moe_tree_arrays;
void moe_tree_arrays_free(moe_tree_arrays *t);

/* Many trees in shared arrays.  In classification the first `certain` nodes are
   leaves that answer with one class alone, node c with class c; they serve the
   pure leaves of all trees and need no values.  Other children lie behind their
   parents. */
typedef struct moe_trees {
  size_t n_trees, n_nodes, n_values;
  size_t width;         /* numbers in an answer */
  size_t certain;       /* width, or 0 */
  int32_t *roots;       /* n_trees */
  moe_tree_node *nodes; /* n_nodes */
  uint8_t *missing;     /* n_nodes */
  float *share;         /* n_nodes: of splits above 0 and below 1, else 0 */
  double *values;       /* n_values × width */
  size_t roots_room, nodes_room, missing_room, share_room, values_room;
} moe_trees;

moe_status moe_trees_new(moe_call *call, moe_trees *t, size_t width,
                         bool certain);

/* Appends a copy of a tree.  On failure the trees stay as they were. */
moe_status moe_trees_append(moe_call *call, moe_trees *t,
                            const moe_tree_arrays *tree);

/* Forgets the trees from number n on.  They must have been appended by
   themselves: each with its root first, none certain of a class. */
void moe_trees_truncate(moe_trees *t, size_t n);

/* Gives back the room that further trees would have taken. */
void moe_trees_trim(moe_trees *t);

moe_status moe_trees_visit(moe_trees *t, moe_visitor *v);

/* MOE_EFORMAT unless every walk with d features ends within the arrays, no two
   lead to one node, shares are shares and every value is finite. */
moe_status moe_trees_check(moe_call *call, const moe_trees *t, size_t d);

/* Splits of all trees; the most of them between a root and a leaf. */
size_t moe_trees_count_splits(const moe_trees *t);
moe_status moe_trees_depth(moe_call *call, const moe_trees *t, size_t *out);

/* A block of rows on its way through trees. */
typedef struct moe_walk {
  size_t n, room;
  const float **rows; /* n pointers to d floats, to `copies` or to the source */
  float *copies;      /* room × d, or NULL */
  bool missing;       /* some row misses some number */
  int32_t *picked;    /* which of the rows walk: all, unless changed */
  size_t n_picked;
} moe_walk;

/* How many rows of x go together best. */
size_t moe_walk_block(const moe_rows *x);

/* For blocks of up to `room` of the rows of x. */
moe_status moe_walk_new(moe_call *call, moe_walk *w, const moe_rows *x,
                        size_t room);
void moe_walk_free(moe_walk *w);

/* Takes the rows from `first` on in hand. */
void moe_walk_open(moe_walk *w, const moe_rows *x, size_t first, size_t n);

/* Adds the tree's answer for each row that is picked to its place in `sums`,
   whose rows lie `stride` apart. */
void moe_walk_tree(const moe_walk *w, const moe_trees *t, size_t tree,
                   double *sums, size_t stride);

/* Adds the answers of all trees, in their order, to each row of `sums` (n rows,
   `stride` apart): those of tree k from number at[k] on, or from 0 where `at`
   is NULL. */
moe_status moe_trees_add(moe_call *call, const moe_trees *t, const moe_rows *x,
                         const int32_t *at, size_t stride, double *sums);

/* The mean answer of all trees for each row: n × width doubles. */
moe_status moe_trees_mean(moe_call *call, const moe_trees *t, const moe_rows *x,
                          double *out);

#endif
