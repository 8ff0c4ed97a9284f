/* Ridge regression of one or several targets:
     ½ Σ_i w_i |W x_i + b − y_i|² + l2/2 |W|²,  least over W and b.
   Up to 1024 dense columns: Cholesky's factor of the normal equations, and
   steps of refinement on the rows themselves, which bring its solution to the
   accuracy of an orthogonal method (Björck 1996, section 6.6.5); where columns
   depend on each other these are rounds of Tikhonov's method.  Otherwise
   conjugate gradients: from zero, so that of many solutions they come to the
   one of least norm, which is always that of the weights of scaled columns. */
#ifndef MOE_LEAST_SQUARES_H
#define MOE_LEAST_SQUARES_H

#include "sweep.h"

typedef struct moe_least_squares {
  moe_sweep sweep;
  moe_tally tally; /* of the normal equations */
  double *factor;  /* columns², lower triangle; NULL: there is none */
  double *moments; /* of x less `shift`, 1 and y: (columns + 1 + outputs)²; NULL
                      unless one pass over the rows has told them all */
  double *shift, *units; /* columns: about the means; 1 each */
  size_t column;         /* the next to be factored */
  double ridge;          /* added to columns that depend on each other */
  int stage;
  int64_t rounds, iterations;
  bool ended;

  /* Of sweep.size: the solution so far, the derivative that is left (negated),
     that through the factor; where conjugate gradients go, and its product. */
  double *solution, *left, *inverse, *direction, *product;

  /* Of each output, left · inverse: at the start, a round ago, an iteration
     ago, now. */
  double *first, *before, *last, *energy;
} moe_least_squares;

moe_status moe_least_squares_begin(moe_call *call, const moe_sweep_plan *plan,
                                   moe_least_squares *out);

/* A step of the job whose work `s` is; its owner exports what came of it. */
moe_status moe_least_squares_step(moe_call *call, moe_least_squares *s,
                                  moe_job *job);
/* The best solution so far; there is one once the job is usable. */
void moe_least_squares_export(const moe_least_squares *s, moe_affine *a);
void moe_least_squares_end(moe_least_squares *s);

#endif
