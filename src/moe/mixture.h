/* The mixture of experts: a learner made of learners and a gate. */
#ifndef MOE_MIXTURE_H
#define MOE_MIXTURE_H

#include "balance.h"
#include "learner.h"
#include "mixture_stream.h"
#include "route.h"

enum moe_objective {
  MOE_AUTO_OBJECTIVE, /* likelihood of classes, error of numbers */
  MOE_LIKELIHOOD,
  MOE_LEAST_ERROR,
  MOE_BEST_EXPERT,
  MOE_MULTI_HOT,
  MOE_RESPONSIBILITY,
  MOE_OWN_SUBSET
};
enum moe_unassigned { MOE_TO_NONE, MOE_TO_ALL };
enum moe_training { MOE_TWO_STAGE, MOE_EM, MOE_GRADIENT };
enum moe_subsets { MOE_ALL_ROWS, MOE_CLUSTERS, MOE_RESIDUALS };
enum moe_mixture_balance { MOE_UNBALANCED, MOE_BY_BIAS };
enum moe_stage { MOE_WHOLE, MOE_EXPERTS_ONLY, MOE_GATE_ONLY };

extern const char *const moe_training_choices[]; /* end with NULL, in … */
extern const char *const moe_subsets_choices[];  /* … the enums' order */

/* How a mixture is trained this time.  What is -1 (rounds: MOE_NO_INT) is as
   its parameters say. */
typedef struct moe_plan {
  int training, subsets;
  int stage;      /* which parts are trained, of two_stage; the others stay */
  bool unseen;    /* the rows are new to the experts that are not trained */
  int64_t rounds; /* em: at most; gradient: epochs */
  bool drops;     /* a step of gradient, in which rows do without some … */
  uint64_t seed;  /* … experts, drawn by this */
} moe_plan;

typedef struct moe_mixture_params {
  int task, training, subsets, objective, unassigned, balance;
  moe_children experts;
  moe_object *gate;
  moe_texts frozen;
  int64_t folds, rounds, restarts, seed;
  double tol;
  int64_t epochs, batch_size;
  double lr, validation;
  int64_t patience;
  bool calibrate;
  moe_route_config route;
  moe_object *stream; /* options, or NULL */
} moe_mixture_params;

typedef struct moe_mixture {
  moe_fitted fitted;
  size_t n_experts;
  int64_t *map_start; /* n_experts + 1: where an expert's columns lie in map */
  int32_t *map;       /* the mixture's column of each column of an expert */
  size_t map_length;
  double *noise;      /* n_experts: standard deviation of its unseen errors */
  double *sharpness;  /* n_experts: power of its probabilities, 1 if none */
  int64_t *samples;   /* n_experts: rows it was trained on */
  double *bias;       /* n_experts: counts in the selection where balanced */
  double *load;       /* n_experts: shares of selections … */
  double *importance; /* … and of probability, on the training rows */
  moe_stream stream;
} moe_mixture;

extern const moe_learner_type moe_mixture_of_experts;

/* Its figures, of mixture_gauges.c. */
extern const moe_gauge moe__mixture_gauges[];

static inline const moe_mixture_params *moe_mixture_params_of(
    const moe_object *o) {
  return o->params;
}

/* Routes the rows: fills `out`, whose arrays have room for x->n rows of all
   experts.  MOE_ESTATE before training, or when an expert was added, removed
   or trained on other classes since. */
moe_status moe_mixture_route(moe_call *call, const moe_object *o,
                             const moe_rows *x, moe_routing *out);

/* MOE_ESTATE where moe_mixture_route would say so of this mixture, or of one
   within it. */
moe_status moe__mixture_check(moe_call *call, const moe_object *o);

/* The gate's log-probabilities of the rows (x->n × experts), which are what is
   routed; statuses as of moe_mixture_route.  And the bias of the selection, or
   NULL where there is none. */
moe_status moe_mixture_logits(moe_call *call, const moe_object *o,
                              const moe_rows *x, double *out);
const double *moe_mixture_bias(const moe_object *o);

/* The state's map from the experts' columns to its own; filled by fitting and
   again after loading. */
moe_status moe__mixture_map(moe_call *call, const moe_children *experts,
                            moe_mixture *m);

/* Tells n_outputs numbers of each row, block by block, so that it needs no more
   memory for many rows; between blocks the call may be cancelled. */
typedef moe_status moe_block_teller(moe_call *call, const moe_object *o,
                                    const moe_rows *block, double *out);
moe_status moe__mixture_in_blocks(moe_call *call, const moe_object *o,
                                  const moe_rows *x, moe_block_teller *tell,
                                  double *out);

/* p^a, made to sum to 1; what is impossible stays so. */
void moe__sharpen(double *p, size_t n, double a);

/* Probabilities as logits; what the gate holds for impossible stays finite. */
void moe__take_logs(double *p, size_t n);

#endif
