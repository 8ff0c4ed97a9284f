/* What the experts of sequences share: a memory of what came before, which each
   of them moves in its own way, and a linear readout of it,
     z = (1, x, features of the memory),
   that learns by recursive least squares: numbers as W z, classes as
   softmax(W z).  Columns and targets are standardised by their means and
   variances so far, or of the last ten thousand samples. */
#ifndef MOE_SEQUENCE_H
#define MOE_SEQUENCE_H

#include "learner.h"
#include "recursive.h"

/* Each type's table has those of them that it reads. */
typedef struct moe_sequence_params {
  int task;
  bool standardize;
  double forgetting, ridge;
  int64_t washout, seed, size, order;
  double spectral_radius, leak, input_scale, density;
  double longest, turns;
} moe_sequence_params;

/* clang-format off */
#define MOE_P_SEQUENCE                                                         \
  MOE_P_FLAG(moe_sequence_params, standardize, true,                           \
             "whether columns and targets are standardised, by their means "   \
             "and variances so far"),                                          \
  MOE_P_REAL(moe_sequence_params, forgetting, 0.999, 0.5, 1,                   \
             "how much earlier samples count with each one that comes: about " \
             "1 / (1 - forgetting) of them are remembered"),                   \
  MOE_P_OPT_REAL(moe_sequence_params, ridge, 1e-9, 1e9,                        \
                 "penalty on the readout's weights, which does not grow with " \
                 "the samples; absent: 1 for classes, 0.001 for numbers"),     \
  MOE_P_INT(moe_sequence_params, washout, 0, 0, 0x1p53,                        \
            "how many samples move the memory before the readout learns")
/* clang-format on */

/* Running means and variances. */
typedef struct moe_scaling {
  size_t n; /* 0: numbers are taken as they are */
  double weight;
  double *centre, *variance;
} moe_scaling;

typedef struct moe_sequence {
  moe_fitted fitted;
  size_t size;   /* units, states or lags; 0 before the first sample */
  int64_t steps; /* samples that have moved the memory */
  moe_scaling x, y;
  size_t n_memory, n_fixed, n_links;
  double *memory;
  double *fixed;   /* what is drawn or computed once */
  int32_t *links;  /* ar: which of the classes met is each */
  double *weights; /* n_outputs × moe_recursive_width(readout.n) */
  moe_recursive readout;

  /* Not saved: room for one sample. */
  double *next, *z, *gain, *error;
} moe_sequence;

typedef struct moe_sequence_shape {
  size_t memory, features, fixed, links;
} moe_sequence_shape;

/* What tells one type from the others; NULL where nothing is to be done. */
typedef struct moe_sequence_kind {
  /* Sets m->size; what follows from it; and makes what does not change. */
  void (*open)(const moe_sequence_params *p, moe_sequence *m);
  moe_sequence_shape (*shape)(const moe_sequence *m);
  moe_status (*build)(moe_call *call, const moe_sequence_params *p,
                      moe_sequence *m);

  /* The memory once x, as the readout sees it, has come; what it shows. */
  void (*move)(const moe_sequence *m, const double *x, double *next);
  void (*show)(const moe_sequence *m, const double *memory, double *features);

  /* The sample's target is known: a value, or a class. */
  void (*take)(moe_sequence *m, const double *y, int32_t id);

  /* There will be a class at `position`; its features come behind the others.
   */
  moe_status (*meet)(moe_call *call, moe_sequence *m, size_t position);

  /* What a file may not claim of memory, fixed and links, which are finite. */
  bool (*sound)(const moe_sequence *m);
} moe_sequence_kind;

/* What moe_learner_type's functions of these names do for a kind. */
moe_status moe_sequence_visit(void *state, moe_visitor *v);
moe_status moe_sequence_check(moe_call *call, const moe_object *o,
                              const moe_sequence_kind *kind);
moe_status moe_sequence_learn(moe_call *call, moe_object *o,
                              const moe_example *s,
                              const moe_sequence_kind *kind);
moe_status moe_sequence_predict(moe_call *call, const moe_object *o,
                                const double *x, double *out,
                                const moe_sequence_kind *kind);
moe_status moe_sequence_advance(moe_call *call, moe_object *o,
                                const moe_example *s,
                                const moe_sequence_kind *kind);
moe_status moe_sequence_add_class(moe_call *call, moe_object *o,
                                  size_t position,
                                  const moe_sequence_kind *kind);
void moe_sequence_forget_past(moe_object *o);
size_t moe_sequence_endless(const moe_object *o); /* SIZE_MAX */

/* They, as a type's own. */
#define MOE_SEQUENCE_VERBS(kind)                                     \
  static moe_status check(moe_call *call, const moe_object *o) {     \
    return moe_sequence_check(call, o, &kind);                       \
  }                                                                  \
  static moe_status learn_one(moe_call *call, moe_object *o,         \
                              const moe_example *s) {                \
    return moe_sequence_learn(call, o, s, &kind);                    \
  }                                                                  \
  static moe_status predict_one(moe_call *call, const moe_object *o, \
                                const double *x, double *out) {      \
    return moe_sequence_predict(call, o, x, out, &kind);             \
  }                                                                  \
  static moe_status advance(moe_call *call, moe_object *o,           \
                            const moe_example *s) {                  \
    return moe_sequence_advance(call, o, s, &kind);                  \
  }                                                                  \
  static moe_status add_class(moe_call *call, moe_object *o,         \
                              size_t position) {                     \
    return moe_sequence_add_class(call, o, position, &kind);         \
  }

/* Numbers that it computes with: none of their squares overflows. */
double moe_sequence_limited(double x);

/* A target in its unit, deviations from its mean. */
double moe_sequence_scaled(const moe_scaling *a, size_t j, double x);

#endif
