/* The losses of a row by the outputs z of whatever is trained by its gradient,
   with their derivatives:
     numbers     ½ |z − y|²
     classes     −log softmax(z)_y
     gates       −log Σ_e g_e exp(v_e), with g = softmax(z) and v_e how likely
                 expert e holds the target (Jacobs et al. 1991,
                 doi 10.1162/neco.1991.3.1.79); −Σ_e softmax(v)_e log g_e where
                 the target is soft; or ½ Σ_o (Σ_e g_e r_eo)², with
                 r_eo the signed errors of expert e. */
#ifndef MOE_LOSS_H
#define MOE_LOSS_H

#include "rows.h"

typedef struct moe_loss moe_loss;

/* Turns the outputs of rows first … first+n−1 of the batch, z (n × outputs),
   into the derivatives of their weighted losses, and returns the losses' sum.
   `spare` has the room of z.  Called from worker threads. */
typedef double (*moe_residual)(const moe_loss *loss, const moe_batch *batch,
                               size_t first, size_t n, double *z,
                               double *spare);

/* What a gate's loss may have besides, for each row of weight 1: load_balance ·
   N Σ_e P_e², with P_e expert e's probability in the mean of all rows, which is
   1 at balance and N where one expert has everything; and −entropy times the
   row's −Σ_e g_e log g_e, which keeps a gate undecided, or (below 0) makes it
   decide. */
typedef struct moe_gate_terms {
  double load_balance, entropy;
} moe_gate_terms;

struct moe_loss {
  moe_residual residual;
  moe_gate_terms terms;
  const double *importance; /* P; needed only where load_balance is not 0 */
};

extern const moe_loss moe_squared_loss;
extern const moe_loss moe_class_loss;  /* for as many as there are labels */
extern const moe_loss moe_binary_loss; /* z is one logit, the second class's */
extern const moe_loss moe_importance;  /* z becomes w g: P, once summed and
                                          divided by the sum of the weights */
moe_loss moe_gate_loss(const moe_target *target, const moe_gate_terms *terms);

/* The part of load_balance in the loss of a row, which the residuals' sum does
   not have: only its derivative is in them. */
double moe_loss_of_balance(const moe_loss *loss, size_t experts);

#endif
