/* Softmax regression, g = softmax(W x + b), fitted by minimising
     Σ_i w_i · −log Σ_e g_e(x_i) exp(v_ie) + l2/2 |W|²
   where v is 0 for a row's class and -Inf elsewhere (logistic), or how likely
   each expert holds the row's target (a gate: MOE_GATING).  The derivative by
   the logits is g − h, with responsibilities h_e ∝ g_e exp(v_e).  Of two
   classes there is one vector, w_2 − w_1, which is what is penalised then.
   A gate that is given the experts' signed errors r in place of v minimises
   ½ w_i (Σ_e g_e r_ie)² instead. */
#ifndef MOE_SOFTMAX_REGRESSION_H
#define MOE_SOFTMAX_REGRESSION_H

#include "lbfgs.h"
#include "sweep.h"

typedef struct moe_softmax_plan {
  const moe_batch *batch; /* outlives the fit; classification or gating */
  size_t outputs;         /* classes or experts */
  double l2;
  bool standardize; /* penalises the weights of standardised columns */
  bool intercept;
  int64_t max_iter;
  double tol; /* ends where no derivative of the mean loss exceeds it */
  moe_gate_terms terms; /* of a gate */
  bool quiet;           /* reports no progress */
} moe_softmax_plan;

typedef struct moe_softmax_fit {
  moe_softmax_plan plan;
  size_t m;                /* logits that are free: 1 for two classes */
  const moe_affine *start; /* of a job that is warm, or NULL */
  moe_loss loss;
  double *importance; /* m; of a gate with a load_balance */
  bool weighed;       /* it is that of the point to be evaluated */
  int stage;
  moe_sweep sweep;
  moe_tally tally; /* of the best constant answer */
  double *prior;   /* its m logits */
  double *sums;    /* m + 1 */
  double prior_value;
  int64_t rounds;
  moe_lbfgs lbfgs;
  double first_slope;
  bool usable, done; /* there are weights; they are the best */
  bool converged;
} moe_softmax_fit;

moe_status moe_softmax_fit_begin(moe_call *call, const moe_softmax_plan *plan,
                                 moe_softmax_fit *out);

/* Goes on until it is done, or until the call is pausing. */
moe_status moe_softmax_fit_run(moe_call *call, moe_softmax_fit *s);

/* A fit that is done, and had a penalty, is to be made again with another one:
   from the same start, since the optima of a mixture's likelihood with a strong
   penalty do not lead to the best with a weak one. */
void moe_softmax_fit_penalize(moe_softmax_fit *s, double l2);

/* Notes how a fit that is done fell short of tol, if it did. */
void moe_softmax_fit_tell(const moe_softmax_fit *s, moe_job *job);

/* A step of the job whose work `s` is, and whose object's state begins with a
   moe_affine; its owner exports what came of it. */
moe_status moe_softmax_fit_step(moe_call *call, moe_softmax_fit *s,
                                moe_job *job);

/* The best weights so far; there are some once the job is usable. */
void moe_softmax_fit_export(const moe_softmax_fit *s, moe_affine *a);

/* The centre of each column (n_features), which missing values count as. */
void moe_softmax_fit_centre(const moe_softmax_fit *s, double *centre);
void moe_softmax_fit_end(moe_softmax_fit *s);

#endif
