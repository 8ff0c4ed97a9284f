/* How a routing spreads its rows: statistics, losses with their gradients, and
   the selection bias that evens the load out without a loss. */
#ifndef MOE_BALANCE_H
#define MOE_BALANCE_H

#include "route.h"

/* Statistics of a routing (formulas: Switch, arXiv 2101.03961; MaxVio,
   arXiv 2408.15664).  A routing of no rows has all of them 0.  A selection that
   was dropped for want of capacity counts in the load: it was wanted. */
typedef struct moe_balance {
  size_t rows;
  double *load;                  /* experts: share of the selections */
  double *importance;            /* experts: share of the probability */
  double cv_load, cv_importance; /* deviation (population) over mean */
  double maxvio;                 /* (max load − mean) / mean */
  double entropy;                /* of the mean row, in units of ln(experts) */
  double confidence;             /* mean of the largest probability */
  double dropped;                /* share of the selections without room */
  size_t dead;                   /* experts that no row selected */
} moe_balance;

/* `load` and `importance` point to room for r->experts numbers. */
void moe_routing_balance(const moe_routing *r, moe_balance *out);

/* (max − mean) / mean of n loads, of one batch or of a running sum; 0 where
   they sum to 0. */
double moe_maxvio(const double *load, size_t n);

/* ------------------------------------------------------------------ losses
   q are the rows of probabilities, each divided by its sum; P their mean; f the
   shares of the experts in the selections (so of k choices a row each counts
   1/k), c those in the first choices.  No gradient goes through f and c.

   switch      E Σ f P       balanced 1, one expert alone E (arXiv 2101.03961;
                             some count f without the 1/k: k at balance)
   gshard      E Σ c P       the same for first choices (arXiv 2006.16668)
   importance  CV²(P)        0 and E − 1: variance of the population (arXiv
                             1701.06538, there of the selected weights)
   collapse    1 − H(P)/ln E 0 and 1
   entropy     mean H(q)/ln E   of a row: 1 where it is undecided, 0 where
                             certain; not about balance */
typedef enum moe_balance_loss {
  MOE_LOSS_SWITCH,
  MOE_LOSS_GSHARD,
  MOE_LOSS_IMPORTANCE,
  MOE_LOSS_COLLAPSE,
  MOE_LOSS_ENTROPY
} moe_balance_loss;
extern const char *const moe_loss_choices[];

/* The loss; `scale` times its gradient by the probabilities is added to
   `gradient` (n × experts) unless that is NULL.  `room`: 3 × experts. */
double moe_routing_loss(moe_balance_loss loss, const moe_routing *r,
                        double *room, double scale, double *gradient);

/* The router z-loss, mean (ln Σ e^z)² of n rows of logits (ST-MoE, arXiv
   2202.08906): (ln E)² where all are 0.  Its gradient likewise. */
double moe_z_loss(size_t n, size_t experts, const double *logits, double scale,
                  double *gradient);

/* The load loss of noisy top-k (arXiv 1701.06538, eqs 8-11): CV² of the sums
   down the columns of P = Φ((logit − kth) / σ), the probability that the expert
   is selected were its noise drawn anew, where kth is the k-th highest of the
   other experts' noisy logits.  0 where k is all experts.  σ above 0. */
typedef struct moe_load {
  size_t n, experts, k;
  const double *logits, *noisy, *deviations;    /* n × experts each */
  double *by_logits, *by_noisy, *by_deviations; /* added to, unless NULL */
  double scale;                                 /* of these */
  double *room;                                 /* experts */
  int32_t *held;                                /* k + 1 */
} moe_load;
double moe_load_loss(const moe_load *l);

/* --------------------------------------------------------- selection bias */

/* Doubles of room that an update needs; `held` is room for width + 1. */
size_t moe_bias_room(size_t n, size_t experts);

/* One update of the selection bias by a batch that was routed with it, then
   centred, for only differences count:
   sign, magnitude: b += rate · sign(excess) or rate · excess, where the excess
     of an expert is (mean load − load) / mean load (arXiv 2408.15664);
   quantile: b moves by `rate` of the way to minus the ⌊k n / E⌋ + 1-th largest
     margin down each column, the margin being the score less the row's k+1-th
     largest biased score (kexue.fm 11619; arXiv 2607.24653).  k is the most
     selections that a row has. */
void moe_bias_step(enum moe_bias_update update, double rate,
                   const moe_routing *r, double *room, int32_t *held,
                   double *bias);

/* For a whole set of rows, routed with their logits kept: one quantile update,
   and the rows routed again with the new bias. */
void moe_bias_settle(const moe_route_config *config, moe_routing *r,
                     double *room, int32_t *held, double *bias);

/* ---------------------------------------------- for the files of the core */

/* Selections of each expert, dropped ones included; returns their number. */
double moe__count_load(const moe_routing *r, double *load);

/* CV² of n numbers, none below 0, and its slope by each, which may replace
   them; 0 where they sum to 0. */
double moe__square_variation(size_t n, const double *x, double *slope);

#endif
