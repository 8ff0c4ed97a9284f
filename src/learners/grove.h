/* Grows a number of trees, each thread one at a time, in pieces, and hands them
   over in their order, whoever was first. */
#ifndef MOE_GROVE_H
#define MOE_GROVE_H

#include "grow.h"

/* A tree that waits until those before it are there too. */
typedef struct moe_grove_tree {
  moe_tree_arrays tree;
  double *gains; /* NULL: it is not there yet */
} moe_grove_tree;

typedef struct moe_grove {
  const moe_grow_plan *plan;
  size_t n_trees;
  void *context;
  /* Puts the samples of a tree in place and starts it; on any thread. */
  void (*start)(void *context, moe_call *call, moe_grower *g, size_t tree);
  /* Sees the complete tree, which it may change; `first`: on the caller's own
     thread. */
  void (*finish)(void *context, moe_call *call, moe_grower *g, size_t tree,
                 bool first);
  struct moe_grove_slot *slots; /* one a thread */
  size_t n_slots;
  atomic_size_t next;
  atomic_bool short_of_memory;
  moe_grove_tree *trees;
  size_t n_taken;
} moe_grove;

/* What the caller sets: the members from `plan` to `finish`. */
moe_status moe_grove_new(moe_call *call, moe_grove *v);
void moe_grove_free(moe_grove *v);

/* As many trees again. */
void moe_grove_restart(moe_grove *v);

/* Goes on until all trees are grown or the call is pausing. */
moe_status moe_grove_step(moe_call *call, moe_grove *v);

/* All trees are there. */
bool moe_grove_is_grown(const moe_grove *v);

/* The next tree in order, or NULL; and its end. */
moe_grove_tree *moe_grove_next(const moe_grove *v);
void moe_grove_drop(moe_grove *v);

static inline bool moe_grove_is_done(const moe_grove *v) {
  return v->n_taken == v->n_trees;
}

#endif
