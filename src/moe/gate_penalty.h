/* How strong a linear gate's penalty should be.  A gate that blends generalists
   overfits and wants a strong one; a gate that sends regions to specialists
   wants next to none.  The rows tell: by cross-validation (whole groups stay
   together) each penalty of a grid is judged by the gate's own loss on rows
   that its weights were not fitted to, and the strongest counts whose loss is
   within one standard error of the least, that of their difference row by row
   (the rule of Breiman et al. 1984, Classification and Regression Trees,
   paired). */
#ifndef MOE_GATE_PENALTY_H
#define MOE_GATE_PENALTY_H

#include "gate.h"
#include "softmax_regression.h"

/* The strongest of the grid, and what few rows get. */
#define MOE_GATE_PENALTY 30.0

/* What is used where the rows cannot tell, since the experts have seen them. */
#define MOE_SLIGHT_PENALTY 0.01

typedef struct moe_penalty_search {
  moe_softmax_plan plan; /* its batch is the whole */
  moe_batch kept;        /* the rows of this fold's fit, … */
  moe_held_out part;     /* … and those that judge it */
  moe_softmax_fit fit;
  bool open;       /* there is a fold */
  moe_affine line; /* what the fit has come to */
  double *centre;
  double *losses; /* of each row that has judged, a number for each penalty */
  size_t judged;  /* rows, of the folds before this */
  size_t fold, tried, most; /* penalties of this fold, and of each */
  bool done;
  double l2; /* once it is done */
} moe_penalty_search;

/* `plan` as for the fit to all rows; its l2 does not matter. */
moe_status moe_penalty_search_begin(moe_call *call,
                                    const moe_softmax_plan *plan,
                                    moe_penalty_search *out);

/* Goes on until it is done, or until the call is pausing. */
moe_status moe_penalty_search_run(moe_call *call, moe_penalty_search *s);
void moe_penalty_search_end(moe_penalty_search *s);

#endif
