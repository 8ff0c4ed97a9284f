/* The mixture of experts: a learner made of learners and a gate. */
#ifndef MOE_MIXTURE_H
#define MOE_MIXTURE_H

#include "learner.h"
#include "route.h"

enum moe_objective {
  MOE_AUTO_OBJECTIVE, /* likelihood of classes, error of numbers */
  MOE_LIKELIHOOD,
  MOE_LEAST_ERROR,
  MOE_BEST_EXPERT,
  MOE_MULTI_HOT
};
enum moe_unassigned { MOE_TO_NONE, MOE_TO_ALL };

typedef struct moe_mixture_params {
  int task, objective, unassigned;
  moe_children experts;
  moe_object *gate;
  moe_texts frozen;
  int64_t folds, seed;
  bool calibrate;
  moe_route_config route;
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
  double *load;       /* n_experts: shares of selections … */
  double *importance; /* … and of probability, on the training rows */
} moe_mixture;

extern const moe_learner_type moe_mixture_of_experts;

static inline const moe_mixture_params *moe_mixture_params_of(
    const moe_object *o) {
  return o->params;
}

/* Routes the rows: fills `out`, whose arrays have room for x->n rows of all
   experts.  MOE_ESTATE before training, or when an expert was added, removed
   or trained on other classes since. */
moe_status moe_mixture_route(moe_call *call, const moe_object *o,
                             const moe_rows *x, moe_routing *out);

/* The state's map from the experts' columns to its own; filled by fitting and
   again after loading. */
moe_status moe__mixture_map(moe_call *call, const moe_children *experts,
                            moe_mixture *m);

/* Probabilities as logits; what the gate holds for impossible stays finite. */
void moe__take_logs(double *p, size_t n);

#endif
