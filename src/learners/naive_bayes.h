/* What naive Bayes learns, and how it answers; the model and its formulas are
   in naive_bayes.c. */
#ifndef MOE_NAIVE_BAYES_H
#define MOE_NAIVE_BAYES_H

#include "learner.h"

enum { MOE_NB_GAUSSIAN, MOE_NB_MULTINOMIAL };

typedef struct moe_naive_bayes_params {
  int distribution;
  double smoothing, alpha;
  moe_weights priors;
} moe_naive_bayes_params;

typedef struct moe_naive_bayes_model {
  moe_fitted fitted;
  int32_t distribution;
  double *weight;   /* a class: of its rows */
  double *count;    /* a class and column: weight of the values present, or
                       their weighted sum if multinomial */
  double *total;    /* multinomial, a class: of its counts */
  double *mean;     /* gaussian, a class and column */
  double *variance; /* the same */

  /* Of nominal columns, whose levels have slots start[j] … start[j + 1] − 1. */
  size_t slots;
  int64_t *start; /* columns + 1, or NULL: all are numbers */
  double *level;  /* a class and slot: weight of the level */
} moe_naive_bayes_model;

static inline bool moe_nb_is_nominal(const moe_naive_bayes_model *m, size_t j) {
  return m->fitted.intake.open && m->fitted.intake.nominal[j];
}

/* Its rows can be read entry by entry. */
static inline bool moe_nb_is_sparse(const moe_rows *x) {
  return x->source == MOE_FROM_CSR && x->map == NULL;
}

/* Values beyond ±1e150 count as that, so that no square is infinite. */
static inline double moe_nb_limited(double x) {
  return x > 1e150 ? 1e150 : x < -1e150 ? -1e150 : x;
}

/* MOE_EDATA where strings come to a model of numbers. */
moe_status moe__naive_bayes_check(moe_call *call,
                                  const moe_naive_bayes_model *m,
                                  const moe_rows *x);

/* moe_learner_type's. */
moe_status moe__naive_bayes_predict(moe_call *call, const moe_object *o,
                                    const moe_rows *x, double *out);
moe_status moe__naive_bayes_predict_one(moe_call *call, const moe_object *o,
                                        const double *x, double *out);

#endif
