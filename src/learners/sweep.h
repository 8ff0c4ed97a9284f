/* One sweep over the rows of a batch gives the value and the gradient of
     Σ_i loss_i(z_i) + ½ Σ_j penalty_j |w_j|²,   z = W x̃ + b,   x̃ = (x − c) f,
   for any loss: what fitting linear, logistic and the softmax gate consists of.
   c and f put every column at mean 0 and about variance 1, so that a method
   that goes by the gradient gets on whatever the columns' units are.  Sparse
   rows are never written out: what centring does to them is done to b. */
#ifndef MOE_SWEEP_H
#define MOE_SWEEP_H

#include "affine.h"
#include "tally.h"
#include "transpose.h"

typedef struct moe_sweep_plan {
  const moe_batch *batch; /* outlives the sweep, as its target does */
  size_t outputs;
  bool intercept;   /* without it b and c are 0 */
  double l2;        /* penalty, of the weights of x̃ or of those of x … */
  bool standardize; /* … */
  double curvature; /* of the loss, roughly, a row */
} moe_sweep_plan;

typedef struct moe_sweep {
  moe_sweep_plan plan;
  size_t columns; /* that take part: sparse columns without entries do not */
  size_t size;    /* parameters: outputs × columns weights, outputs biases */
  double weight;  /* of all rows */
  double *centre, *factor, *penalty; /* columns */
  bool prepared;

  bool centred;   /* the first pass of preparing dense rows is done */
  bool rows_done; /* the first phase of a sweep over sparse rows is */
  moe_tally tally;
  moe_transpose transpose; /* of sparse rows */
  double *residuals;       /* theirs: n × outputs */
  double *turned; /* the weights for them: columns × outputs, then the biases,
                     in terms of x */
  double *sums;   /* what the tally gives */
  size_t next;    /* column of `transpose` */
} moe_sweep;

static inline bool moe_sweep_is_sparse(const moe_sweep *s) {
  return s->plan.batch->x.source == MOE_FROM_CSR;
}

moe_status moe_sweep_new(moe_call *call, const moe_sweep_plan *plan,
                         moe_sweep *out);
void moe_sweep_free(moe_sweep *s);

/* Finds c, f and the penalties; sets `prepared`, unless the call is pausing. */
moe_status moe_sweep_prepare(moe_call *call, moe_sweep *s);

/* The same for dense rows whose weighted means and variances about the centre
   are known already: `weight` is that of all rows. */
moe_status moe_sweep_adopt(moe_call *call, moe_sweep *s, double weight,
                           const double *centre, const double *variance);

/* Value and gradient (size) at `parameters`; false when the call is pausing. */
bool moe_sweep_run(moe_call *call, moe_sweep *s, const moe_loss *loss,
                   const double *parameters, double *gradient, double *value);

/* Parameters in terms of x: weights (outputs × n_features) and bias. */
void moe_sweep_export(const moe_sweep *s, const double *parameters,
                      double *weights, double *bias);

/* The reverse, but for weights that have no part in the sweep.  Where there are
   two outputs for one of the sweep, it is the second less the first. */
void moe_sweep_import(const moe_sweep *s, const moe_affine *a,
                      double *parameters);

#endif
