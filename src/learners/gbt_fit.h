/* Gradient boosting as a job: what `gbt` fits with. */
#ifndef MOE_GBT_FIT_H
#define MOE_GBT_FIT_H

#include "gbt_losses.h"
#include "grove.h"

typedef struct moe_gbt_params {
  int task, loss;
  int64_t rounds, max_depth, max_leaves, min_samples_leaf, max_bins;
  int64_t early_stopping, seed;
  double learning_rate, min_child_weight, l2, row_sample, column_sample;
  double quantile, delta, validation;
  moe_weights class_weight;
} moe_gbt_params;

typedef struct moe_gbt_model {
  moe_boosted boosted;
  double validation_loss; /* NaN: nothing was held out */
  uint64_t origin; /* a digest of what it was learned from and how; 0 while
                      rounds may yet be taken back */
} moe_gbt_model;

/* Some of the rows, by their place among all. */
typedef struct moe_row_list {
  int32_t *items;
  size_t n;
} moe_row_list;

typedef struct moe_gbt_work {
  const moe_gbt_loss *loss;
  double shape; /* the loss's */
  size_t n_scores;
  moe_rows x;     /* the rows whose weight is above 0 */
  int32_t *pick;  /* which those are in the source */
  double *weight; /* of each row */
  double *y;      /* regression: targets, score by score */
  int32_t *ids;   /* classification: classes */
  moe_bins bins;
  int32_t *columns; /* that have more than one bin */
  moe_grow_plan plan;
  moe_grove grove;
  double *scores; /* of the rows, score by score; … */
  double *shares; /* … softmax: the probabilities that they mean */
  moe_gbt_residual *residuals; /* room for each row and score, where leaves are
                              refitted */
  moe_row_list train, valid, drawn, rest; /* the latter two: of this round */
  size_t phase, round, best_round;
  bool open;       /* a round is in hand */
  size_t n_shared; /* blocks of rows whose shares are those of the scores */
  double best_loss, *best_gains;
  uint64_t origin;              /* of the model to be; and how far that is: */
  size_t n_digested, digest_at; /* runs of bytes, and into the next */
  size_t n_recalled; /* rows whose scores have what was learned before */
} moe_gbt_work;

moe_status moe_gbt_begin(moe_call *call, moe_job *job);
moe_status moe_gbt_step(moe_call *call, moe_job *job);
void moe_gbt_end(moe_job *job);

/* The rows as the loss sees them. */
moe_gbt_view moe__gbt_rows(const moe_gbt_work *w, size_t score);

/* Digests the binned rows and all else that the rounds depend on, in pieces. */
moe_status moe__gbt_digest(moe_call *call, moe_job *job, bool *done);

/* Of a warm job: takes over the rounds that the object has learned, in pieces;
   none where they were learned from something else. */
moe_status moe__gbt_recall(moe_call *call, moe_job *job, bool *done);

/* The grove of a round's trees, one for each score. */
moe_grove moe__gbt_grove(moe_job *job);

#endif
