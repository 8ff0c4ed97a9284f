/* The nearest of a set of points, exactly: the k of least distance to each row
   that is asked about, nearest first; of two at the same distance the one that
   came first.  Whatever method searches, the answer is the same to the bit.
   Points and questions are rounded to float32, distances are double. */
#ifndef MOE_NEIGHBOURS_H
#define MOE_NEIGHBOURS_H

#include "kd_tree.h"
#include "rows.h"

/* How to search; auto goes by the number of columns. */
enum { MOE_SEARCH_AUTO, MOE_SEARCH_KD_TREE, MOE_SEARCH_BRUTE };
extern const char *const moe_search_choices[];

/* Σ_j (s_j (a_j − b_j))², or Σ_j |s_j (a_j − b_j)|. */
extern const char *const moe_metric_choices[];

/* Part of a type's state: set the first three (none is zero or 1 by default:
   auto, Euclidean, as they are), reserve, fill, build, find. */
typedef struct moe_neighbours {
  int32_t search, metric;
  uint8_t standardize; /* s is 1 over the column's deviation, else 1 */
  size_t n, d;
  size_t slots;  /* room for points */
  size_t oldest; /* the point that came first; 0 until one is overwritten */
  float *points; /* slots × d */

  /* What is derived from these. */
  double *centre, *scale; /* d */
  moe_kd_tree tree;       /* of points when it was built */
  int32_t *fresh;         /* slots: the points that have come since */
  size_t n_fresh;
} moe_neighbours;

/* Visits and checks; where a type's rebuild goes on to moe_neighbours_build. */
moe_status moe_neighbours_visit(moe_neighbours *s, moe_visitor *v);
bool moe_neighbours_sound(const moe_neighbours *s, size_t columns);

/* For points of d columns, none yet. */
moe_status moe_neighbours_open(moe_call *call, moe_neighbours *s, size_t d);

/* The same, and room for n points; then copies rows of x, which has no missing
   values: row i is point first + i. */
moe_status moe_neighbours_reserve(moe_call *call, moe_neighbours *s, size_t n,
                                  size_t d);
moe_status moe_neighbours_fill(moe_call *call, moe_neighbours *s,
                               const moe_rows *x, size_t first);

/* Prepares the search.  Stops when the call is pausing, if `done` is not NULL,
   and goes on when called again, until *done. */
moe_status moe_neighbours_build(moe_call *call, moe_neighbours *s, bool *done);

/* Adds a point, of d numbers: a new one, or in the place of the oldest once
   there are `most`.  *slot is its place.  May fail with MOE_ENOMEM before
   anything has changed.  First, _room says how many slots there will be, where
   the caller's own arrays go along; afterwards, moe_neighbours_measure before
   the next search. */
size_t moe_neighbours_room(const moe_neighbours *s, size_t most);
moe_status moe_neighbours_add(moe_call *call, moe_neighbours *s,
                              const double *x, size_t most, size_t *slot);
void moe_neighbours_measure(moe_neighbours *s);

/* Makes ready for adding up to `most`: slots are taken `by` further down in a
   ring of n, and only the first `most` of them kept.  moe_neighbours_turn does
   the same to an array of the caller's. */
size_t moe_neighbours_keep(moe_neighbours *s, size_t most);
void moe_neighbours_turn(void *array, size_t n, size_t size, size_t by);

/* The k nearest points to each row of x: x->n × k slots, and their distances
   (squared, if Euclidean).  k is in [1, s->n]. */
moe_status moe_neighbours_find(moe_call *call, const moe_neighbours *s,
                               const moe_rows *x, size_t k, int32_t *nearest,
                               double *distance);

#endif
