/* What boosting makes small: losses of a score s and a target y, with their
   derivatives by s and what a leaf answers best. */
#ifndef MOE_GBT_LOSSES_H
#define MOE_GBT_LOSSES_H

#include "boosted.h"
#include "newton.h"

/* Rows as a loss sees them: for one of the scores, … */
typedef struct moe_gbt_view {
  const double *score; /* each row's, or of softmax its probability */
  const double *y;     /* regression: each row's target */
  const int32_t *ids;  /* classification: its class, … */
  int32_t class;       /* … and the one that the score speaks for */
  double shape;        /* the quantile, or Huber's delta */
} moe_gbt_view;

/* What a leaf's answer is refitted to: y − s of a row, and its weight. */
typedef struct moe_gbt_residual {
  double value, weight;
} moe_gbt_residual;

typedef struct moe_gbt_loss {
  const char *name;
  bool classifies;
  moe_link link;

  /* The derivatives of n rows from `first` on. */
  void (*slopes)(const moe_gbt_view *rows, size_t first, size_t n,
                 moe_slope *out);

  /* The best constant for these residuals, which may be put in another order;
     NULL: Newton's step does, and the mean to begin with. */
  double (*centre)(double shape, moe_gbt_residual *residuals, size_t n);

  /* The loss of row i. */
  double (*value)(const moe_gbt_view *rows, size_t i);
} moe_gbt_loss;

enum {
  MOE_GBT_SQUARED,
  MOE_GBT_ABSOLUTE,
  MOE_GBT_HUBER,
  MOE_GBT_QUANTILE,
  MOE_GBT_LOGISTIC,
  MOE_GBT_SOFTMAX
};
extern const moe_gbt_loss moe_gbt_losses[];

/* The least value that at least q of the weight is not above; where that is q
   exactly, midway to the next.  n ≥ 1. */
double moe_weighted_quantile(double q, moe_gbt_residual *residuals, size_t n);

#endif
