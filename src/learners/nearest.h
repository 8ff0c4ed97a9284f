/* What every search of neighbours shares: distances, always summed column after
   column, so that all searches agree to the bit; and the list of the nearest
   that have been met. */
#ifndef MOE_NEAREST_H
#define MOE_NEAREST_H

#include <math.h>

#include "status.h"

enum { MOE_EUCLIDEAN, MOE_MANHATTAN };
enum { MOE_LANES = 8 /* points of a block, column after column */ };

/* What is asked: where, and how far is measured. */
typedef struct moe_asked {
  const double *x, *scale; /* d */
  size_t d;
  int metric;
} moe_asked;

/* The distances to the points of a block (d × MOE_LANES); to MOE_LANES points
   at rows[…] of an array (n × d). */
void moe__block_distances(const moe_asked *q, const float *block, double *out);
void moe__row_distances(const moe_asked *q, const float *points,
                        const int32_t *rows, double *out);

/* The distance to a box, at most that to any point in it but for rounding:
   lowest and highest of each column. */
double moe__box_distance(const moe_asked *q, const float *low,
                         const float *high);

/* The k nearest so far, in order. */
typedef struct moe_nearest {
  size_t k, n;
  size_t points, oldest; /* of so many points the one that came first */
  int32_t *index;        /* k */
  double *distance;      /* k */
} moe_nearest;

/* No point further than this can be among them. */
static inline double moe_nearest_reach(const moe_nearest *l) {
  return l->n < l->k ? HUGE_VAL : l->distance[l->k - 1];
}

void moe_nearest_offer(moe_nearest *l, int32_t index, double distance);

/* The same of a block's points; an index of -1 is none. */
void moe_nearest_offer_block(moe_nearest *l, const int32_t *index,
                             const double *distance);

#endif
