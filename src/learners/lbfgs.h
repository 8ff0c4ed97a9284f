/* The limited-memory BFGS method (Liu & Nocedal 1989, doi 10.1007/BF01589116)
   for a smooth function of many variables.  It asks for one evaluation at a
   time, so that its owner can pause at any of them. */
#ifndef MOE_LBFGS_H
#define MOE_LBFGS_H

#include "memory.h"

enum { MOE_LBFGS_MEMORY = 10 };

typedef enum moe_lbfgs_state {
  MOE_LBFGS_RUNNING,   /* evaluate at x */
  MOE_LBFGS_CONVERGED, /* no derivative at `best` exceeds the tolerance */
  MOE_LBFGS_STUCK      /* rounding allows no further descent from `best` */
} moe_lbfgs_state;

typedef struct moe_lbfgs {
  size_t n;
  double *x;        /* where value and gradient are asked for */
  double *gradient; /* for the caller to fill in */

  double *best; /* the last point that was accepted */
  double value; /* there */
  int64_t iterations;
  double tolerance;

  double scale; /* of the first step along the gradient */
  double *best_gradient, *direction;
  double *steps, *turns; /* MEMORY × n: differences of points, gradients */
  double curvature[MOE_LBFGS_MEMORY]; /* 1 / (step · turn) */
  size_t stored, newest;

  /* The line search: a step length in (low, high) is acceptable. */
  double length, slope, low, low_value, low_slope, high, high_value, high_slope;
  int tries;
  bool started;
} moe_lbfgs;

/* Starts from the n variables in x, all 0; `scale` is what a second derivative
   is expected to be, inverted. */
moe_status moe_lbfgs_new(moe_call *call, size_t n, double scale,
                         double tolerance, moe_lbfgs *out);
void moe_lbfgs_free(moe_lbfgs *o);

/* Begins anew, as moe_lbfgs_new does, with another function of as many
   variables; `best` stays what it is until the first value is told. */
void moe_lbfgs_restart(moe_lbfgs *o, double scale);

/* Tells the value at x, whose gradient is filled in. */
moe_lbfgs_state moe_lbfgs_tell(moe_lbfgs *o, double value);

#endif
