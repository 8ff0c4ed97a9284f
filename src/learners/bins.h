/* A training set for trees: every number replaced by the bin it falls into.

   A column with at most max_bins distinct values has one bin a value.  Another
   is cut where its sorted rows are divided most evenly; equal values stay
   together, so that a frequent one may fill a bin of its own.  Missing values
   (NaN) take a bin of their own, the last.  Values are float32. */
#ifndef MOE_BINS_H
#define MOE_BINS_H

#include "rows.h"

enum { MOE_MAX_BINS = 256 };

/* Of one column.  Bin b holds the values from low[b] to high[b]. */
typedef struct moe_bin_column {
  float low[MOE_MAX_BINS], high[MOE_MAX_BINS];
  int n;        /* bins of numbers */
  bool missing; /* bin n holds missing values */
} moe_bin_column;

typedef struct moe_bins {
  size_t n, d;
  int limit;                 /* bins a column at most */
  moe_bin_column *columns;   /* d */
  uint8_t *codes;            /* n×d, row-major */
  size_t block;              /* rows that are encoded together */
  size_t n_found, n_encoded; /* columns, and blocks, that are done */
} moe_bins;

/* Bins a column, that of the missing values included. */
static inline int moe_bins_count(const moe_bins *b, size_t column) {
  return b->columns[column].n + b->columns[column].missing;
}

/* Lists the columns that have more than one bin: `out` has room for all. */
size_t moe_bins_list(const moe_bins *b, int32_t *out);

/* A number that separates bin `left` from bin `right` of a column: midway
   between the highest value of one and the lowest of the other. */
float moe_bins_between(const moe_bins *b, size_t column, int left, int right);

/* Room for the bins of these rows, which are then found in pieces: each step
   goes on until the bins are done or the call is pausing. */
moe_status moe_bins_new(moe_call *call, moe_bins *b, const moe_rows *x,
                        int limit);
moe_status moe_bins_step(moe_call *call, moe_bins *b, const moe_rows *x,
                         bool *done);
void moe_bins_free(moe_bins *b);

#endif
