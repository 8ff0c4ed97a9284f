/* Trains a network by Adam on mini-batches, as a job: the learning rate falls
   along half a cosine (Loshchilov & Hutter 2017, arXiv 1608.03983) or stays; a
   part of the rows may be kept for validation, whose best epoch counts. */
#ifndef MOE_NEURAL_FIT_H
#define MOE_NEURAL_FIT_H

#include "neural.h"
#include "sweep.h"

/* The parameters that mlp and the mlp gate share, embedded as `network`. */
typedef struct moe_neural_config {
  moe_reals hidden;
  int activation, schedule;
  double lr, weight_decay, validation;
  int64_t batch, epochs, patience, seed;
  bool standardize;
} moe_neural_config;

extern const char *const moe_schedule_choices[];

/* clang-format off */
#define MOE_P_NEURAL(T) \
  {"hidden", MOE_INTS, offsetof(T, network.hidden), NAN, 1, 1 << 20, 0, 0, \
   MOE_OPTIONAL, "units of each hidden layer; absent: one layer of 64"}, \
  {"activation", MOE_CHOICE, offsetof(T, network.activation), MOE_RELU, 0, 0, \
   moe_activation_choices, 0, 0, "what follows each hidden layer"}, \
  {"lr", MOE_REAL, offsetof(T, network.lr), 0.01, 0, 1, 0, 0, MOE_ABOVE_MIN, \
   "step of Adam"}, \
  {"schedule", MOE_CHOICE, offsetof(T, network.schedule), 0, 0, 0, \
   moe_schedule_choices, 0, 0, \
   "how the step changes in a fit: it falls to 0 along half a cosine, or stays"}, \
  {"batch", MOE_INT, offsetof(T, network.batch), 32, 1, 1 << 20, 0, 0, 0, \
   "rows of a mini-batch"}, \
  {"epochs", MOE_INT, offsetof(T, network.epochs), 100, 1, 1e9, 0, 0, 0, \
   "passes over the rows in a fit"}, \
  {"weight_decay", MOE_REAL, offsetof(T, network.weight_decay), 0.01, 0, 1, 0, \
   0, 0, "share of the weights that each step takes off, times its length"}, \
  {"validation", MOE_REAL, offsetof(T, network.validation), 0, 0, 0.9, 0, 0, 0, \
   "share of the rows that a fit does not train on; the weights of the epoch " \
   "that is best on them are kept"}, \
  {"patience", MOE_INT, offsetof(T, network.patience), 10, 1, 1e9, 0, 0, 0, \
   "epochs without a better one after which a fit with validation ends"}, \
  {"standardize", MOE_FLAG, offsetof(T, network.standardize), 1, 0, 1, 0, 0, 0, \
   "whether dense features, and targets that are numbers, are taken with mean " \
   "0 and variance 1"}, \
  {"seed", MOE_INT, offsetof(T, network.seed), NAN, 0, 0x1p53, 0, 0, \
   MOE_OPTIONAL, \
   "seed of the generator; absent: 0, or drawn from the parent's and the name"}
/* clang-format on */

typedef struct moe_neural_plan {
  moe_neural_rule rule;
  double l2; /* l2/2 |W|² beside the sum of the losses, W of the first layer;
                where `standardize` is false that of x, not of x̃ */
  bool standardize, cosine;
  int64_t batch, epochs, patience;
  double validation; /* share of the rows; 0: none */
} moe_neural_plan;

/* A mini-batch on its way through the network and back, in pieces: a step may
   end between any two waves of them. */
typedef struct moe_passing {
  double *doubles, *z, *spare; /* rows × inputs, outputs, outputs */
  double *importance;          /* outputs */
  double *losses;              /* slots: of a wave's pieces */
  float *inputs, *room;        /* rows × inputs, a trace */
  size_t rows;                 /* at most */
  size_t columns;              /* of dense inputs; 0: they are sparse */
  size_t piece;                /* rows that a worker takes at a time */
  size_t slots; /* that sum derivatives: piece i goes to i mod slots */
  float *more;  /* slots − 1 × weights: the sums of all but the first */
  size_t next;  /* piece, of those passed in this direction */
  bool is_back; /* they have all been forward */
} moe_passing;

typedef struct moe_neural_fit {
  moe_neural_plan plan;
  const moe_neural *start; /* set before the first step: whose weights to begin
                              with, or NULL; or those … */
  const moe_affine *line;  /* … of this, without a hidden layer */
  moe_neural *model;       /* where the weights are */
  moe_batch batch;
  moe_target target; /* standardised, in regression; */
  double *values;    /* these */
  moe_sweep sweep;   /* for the columns' centres and variances */
  bool warm;         /* it goes on from `start` */
  int stage;
  moe_random random;
  int32_t *order, *held; /* source rows: to train on, to validate by */
  size_t n_order, n_held;
  size_t next;                /* of them, in this epoch */
  double weight, held_weight; /* of these */
  moe_descent descent;
  float *best; /* weights */
  int64_t epoch, best_epoch;
  double loss, held_loss; /* of this epoch, so far */
  double best_loss;
  moe_passing passing;
} moe_neural_fit;

/* What the parameters say, for such a loss. */
moe_neural_plan moe_neural_plan_of(const moe_neural_config *config,
                                   moe_loss loss);

/* Trains `model`, whose moe_fitted is filled in, and the batch; both outlive
   the fit. */
moe_status moe_neural_fit_begin(moe_call *call, const moe_neural_plan *plan,
                                moe_neural *model, const moe_batch *batch,
                                moe_neural_fit *out);
moe_status moe_neural_fit_step(moe_call *call, moe_neural_fit *s, moe_job *job);
/* Puts the best weights so far in place; there are some once the job is usable.
 */
void moe_neural_fit_export(moe_neural_fit *s);
void moe_neural_fit_end(moe_neural_fit *s);

#endif
