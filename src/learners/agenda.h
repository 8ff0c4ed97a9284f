/* The nodes of a tree that are still to be split or made leaves. */
#ifndef MOE_AGENDA_H
#define MOE_AGENDA_H

#include "newton.h"

/* Where a node hangs, and its samples. */
typedef struct moe_span {
  int32_t parent; /* or MOE_ROOT */
  int side;
  size_t first, n, depth;
  bool judged, pure; /* the best split, if any, is known; there can be none */
  double score;
  moe_split best;
  /* Derivatives: */
  moe_cell sum, left; /* of all rows, and of those that go left */
  int32_t block;      /* of their sums by bins … */
  bool derived;       /* … which are still its parent's */
} moe_span;
enum { MOE_ROOT = -1 };

/* A stack; where leaves are counted, the first of them are a heap of judged
   nodes, those whose splits gain most uppermost. */
typedef struct moe_agenda {
  moe_span *items;
  size_t n, n_ranked, room;
} moe_agenda;

/* The node that is dealt with next; there is one. */
static inline moe_span *moe_agenda_last(const moe_agenda *a) {
  return &a->items[a->n - 1];
}

/* Brings to the end a node that is not judged yet or, where there is none, the
   one whose split gains most; of equal ones that whose samples come first. */
void moe_agenda_rank(moe_agenda *a);

#endif
