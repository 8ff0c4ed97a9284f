/* Iteratively reweighted least squares (Nelder & Wedderburn 1972,
   doi 10.2307/2344614; McCullagh & Nelder 1989): W and b least in
     Σ_i w_i (A(η_i) − y_i η_i) + l2/2 |W|²,  η_i = W x_i + b + offset_i,
   for the families with their canonical links, by which the mean is A'(η):
     gaussian η²/2,  bernoulli log(1 + e^η),  poisson e^η.
   Each iteration solves a problem of least squares in the working response
   η + (y − μ)/A''(η) with weights w A''(η); a step that would raise the
   deviance is halved until it does not. */
#ifndef MOE_IRLS_H
#define MOE_IRLS_H

#include "least_squares.h"

typedef enum moe_family { MOE_GAUSSIAN, MOE_BERNOULLI, MOE_POISSON } moe_family;

/* A'(η), never infinite; A''(η); and half of what y adds to the deviance. */
double moe_family_mean(moe_family family, double eta);
double moe_family_variance(moe_family family, double mean);
double moe_family_loss(moe_family family, double y, double eta);

typedef struct moe_irls_plan {
  const moe_batch *batch; /* rows (without the offset) and their weights */
  moe_family family;
  const double *y, *offset; /* one a source row; no offset: NULL */
  double l2;
  bool intercept;
  int64_t max_iter;
  double tol; /* of the constant model's deviance: an iteration that lowers it
                 by less is the last */
} moe_irls_plan;

typedef struct moe_irls {
  moe_irls_plan plan;
  int stage;
  double weight;            /* of all rows */
  double y, offset;         /* their weighted sums … */
  double exposure;          /* … and that of e^offset */
  double constant, typical; /* the constant model's η and mean variance, … */
  double null_loss;         /* … half of its deviance */
  moe_affine best, trial;   /* of one output */
  double *eta, *next_eta;   /* of the batch's rows, by best and trial, without
                               the offset */
  double loss, penalty, next_loss, next_penalty;
  double step;  /* the farthest that a row's η went */
  bool warm;    /* the trial is what was learned before */
  bool started; /* best is more than the constant model */
  size_t next;  /* row */
  int halvings;
  int64_t iterations;
  double *response, *working; /* one a source row */
  moe_target target;
  moe_batch batch;
  moe_job inner; /* what the solver reports to */
  moe_least_squares solver;
} moe_irls;

moe_status moe_irls_begin(moe_call *call, const moe_irls_plan *plan,
                          moe_irls *out);

/* Before the first step: where to begin, a weight for each column and a bias;
   not heeded where the constant model is better. */
void moe_irls_recall(moe_irls *s, const double *weights);

/* A step of the job whose work `s` is; its owner takes `best` once the job is
   usable. */
moe_status moe_irls_step(moe_call *call, moe_irls *s, moe_job *job);
void moe_irls_end(moe_irls *s);

/* Of the best so far: twice the loss, and that a row of weight 1. */
double moe_irls_deviance(const moe_irls *s);
double moe_irls_dispersion(const moe_irls *s);

#endif
