/* A sum over the rows of a batch: cut into blocks by shape, added up by several
   threads in one order, in pieces that a job can pause between. */
#ifndef MOE_TALLY_H
#define MOE_TALLY_H

#include "rows.h"

/* A few neighbouring rows, in memory that what adds them may overwrite. */
typedef struct moe_tile {
  size_t first, n; /* rows of the batch */
  double *x;       /* n × columns, standardised, missing values 0 */
  double *work;    /* n × width */
} moe_tile;

/* Adds the tile's part to `sum`.  Called from worker threads. */
typedef void (*moe_tally_add)(const void *context, const moe_tile *tile,
                              double *sum);

/* What is summed.  `centre` and `factor` may be NULL (as read: then missing
   values stay NaN) and must outlive the tally, as `rows` must. */
typedef struct moe_tally_plan {
  const moe_rows *rows;
  size_t columns; /* of the tile: rows->d, or 0 where x is not wanted */
  const double *centre, *factor; /* x becomes (x − centre) · factor */
  size_t width;                  /* of the tile's work */
  size_t length;                 /* of the sum */
  size_t cost;                   /* multiplications a row, roughly */
} moe_tally_plan;

typedef struct moe_tally {
  moe_tally_plan plan;
  size_t tile_rows, block_rows, n_blocks;
  size_t n_slots; /* partial sums: block b goes to sum b mod n_slots */
  size_t next;    /* block */
  double *sums;   /* n_slots × length */
  double *x;      /* n_slots × tile_rows × columns */
  double *work;   /* n_slots × tile_rows × width */
} moe_tally;

moe_status moe_tally_new(moe_call *call, const moe_tally_plan *plan,
                         moe_tally *out);
void moe_tally_free(moe_tally *t);

/* True when `total` holds the sum; false when the call is pausing, and another
   call goes on from there. */
bool moe_tally_run(moe_call *call, moe_tally *t, moe_tally_add add,
                   const void *context, double *total);

#endif
