/* Where to split the rows of a tree's node.  The rows are summed up bin by bin,
   one histogram a candidate column; a split is scored by a sum over its two
   sides, and every boundary between two bins that hold rows is tried, with the
   missing numbers on either side of it. */
#ifndef MOE_HISTOGRAM_H
#define MOE_HISTOGRAM_H

#include "bins.h"

/* A row that a tree grows on. */
typedef struct moe_sample {
  int32_t row;   /* of the bins */
  int32_t class; /* 0 in regression */
  double weight; /* above 0 */
} moe_sample;

/* What is scored: one side's part of the sum, to be made large. */
typedef struct moe_objective moe_objective;
extern const moe_objective moe_gini;          /* Σ_c w_c² / w */
extern const moe_objective moe_entropy;       /* Σ_c w_c log (w_c / w) */
extern const moe_objective moe_squared_error; /* Σ_k (Σ_i w_i y_ik)² / w */

/* Rows to the left are those in bins up to `left`. */
typedef struct moe_split {
  double score;
  int32_t column;  /* -1: there is no split */
  int left, right; /* the last bin that holds rows of one side, the first of
                      the other; -1: all of its rows are missing ones */
  int missing;     /* where rows that miss the number go, if there are any */
} moe_split;
enum { MOE_MISSING_NONE, MOE_MISSING_LEFT, MOE_MISSING_RIGHT };

typedef struct moe_histograms {
  const moe_bins *bins;
  const moe_objective *objective;
  size_t width;         /* classes, or numbers in a row's target */
  const double *values; /* regression: a target for each row of the bins, … */
  const double *shift;  /* … less these, for accuracy; NULL: classes */
  size_t least;         /* rows on each side */
  size_t cell;          /* numbers in a bin's sum */
  size_t room;          /* columns that can be examined together */
  double *sums;         /* room × bins × cell, zero between uses, … */
  uint32_t *counts;     /* … like the numbers of rows: room × bins */
  uint64_t *occupied;   /* room × bins bits: where rows may be */
  double *total, *left, *missing, *both; /* cell */
  double *targets;                       /* of a few rows, × width */
} moe_histograms;

/* Memory for up to `columns` of them at a time, fewer where they are large.
   What the caller sets: the members from `bins` to `least`. */
moe_status moe_histograms_new(moe_call *call, moe_histograms *h,
                              size_t columns);
void moe_histograms_free(moe_histograms *h);

/* Sums up the samples of a node, for the examinations that follow.  True when
   there is nothing to separate: all targets are the same. */
bool moe_histograms_total(moe_histograms *h, const moe_sample *samples,
                          size_t n);

/* The score of the node as it is. */
double moe_histograms_score(const moe_histograms *h);

/* Replaces `best` where a split by one of these columns is better. */
void moe_histograms_examine(moe_histograms *h, const moe_sample *samples,
                            size_t n, const int32_t *columns, size_t n_columns,
                            moe_split *best);

#endif
