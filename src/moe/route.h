/* The routing core: from the scores of a gate to a selection of experts and
   their weights.  No learning, no allocation; every mixture and every layer
   uses these functions, and there is no other top-k in the tree.

   A row's logits are first prepared (jitter, noise, experts not allowed), then
   routed; dispatch.h limits what each expert takes and groups it, balance.h
   measures and mends how the rows are spread. */
#ifndef MOE_ROUTE_H
#define MOE_ROUTE_H

#include "object.h"
#include "random.h"

enum moe_router {
  MOE_TOP_K,
  MOE_NOISY_TOP_K,   /* softmax over the selected, after noise */
  MOE_SWITCH,        /* one expert, weighted by its probability */
  MOE_SOFT,          /* all experts */
  MOE_HASH,          /* by a number that the row brings, not by its logits */
  MOE_EXPERT_CHOICE, /* each expert takes its best rows: not row by row */
  MOE_N_ROUTERS
};
enum moe_score {
  MOE_SOFTMAX,
  MOE_SIGMOID,
  MOE_SOFTMAX_SELECTED,
  MOE_SQRT_SOFTPLUS
};
enum moe_drop_order { MOE_BY_POSITION, MOE_BY_SCORE, MOE_AT_RANDOM };
enum moe_overflow { MOE_DROP, MOE_NEXT_BEST };
enum moe_bias_update {
  MOE_BIAS_FIXED,
  MOE_BIAS_SIGN,
  MOE_BIAS_MAGNITUDE,
  MOE_BIAS_QUANTILE
};

/* How to select.  Embedded in the params of whatever routes; what an owner does
   not offer is zero there, and off. */
typedef struct moe_route_config {
  int router;
  int score;             /* how logits become the scores that are compared */
  int64_t top_k;         /* experts a row; MOE_NO_INT: all */
  bool renormalize;      /* the weights of a row sum to 1 */
  double temperature;    /* divides the logits */
  double threshold;      /* NaN, or: the fewest experts whose scores sum to it,
                            at most top_k */
  int64_t groups;        /* experts lie in so many groups of neighbours … */
  int64_t top_groups;    /* … of which a row uses these; MOE_NO_INT: all */
  double noise;          /* in training: standard deviation added to logits, */
  double jitter;         /* U(1 − jitter, 1 + jitter) that multiplies them, */
  double expert_dropout; /* share of the experts that a row may not use */
  double capacity_factor, eval_capacity_factor; /* NaN or 0: no limit */
  int64_t min_capacity;
  int drop_order, overflow;
  int bias_update;
  double bias_rate;
} moe_route_config;

enum { MOE_MAX_GROUPS = 64 };

extern const char *const moe_router_choices[],
    *const moe_score_choices[], *const moe_drop_order_choices[],
                                    *const moe_overflow_choices[],
                                        *const moe_bias_update_choices[];

/* The rows of a parameter table for a moe_route_config member `route`: what
   whoever routes rows has, … */
/* clang-format off */
#define MOE_P_ROUTE(T) \
  {"score", MOE_CHOICE, offsetof(T, route.score), MOE_SOFTMAX, 0, 0, \
   moe_score_choices, 0, 0, \
   "from logits to the scores that weigh the experts: softmax over all, " \
   "sigmoid of each, softmax over the selected, or the root of softplus"}, \
  {"top_k", MOE_INT, offsetof(T, route.top_k), NAN, 1, 1 << 20, 0, 0, \
   MOE_OPTIONAL, "experts that answer a row; absent: all of them"}, \
  {"renormalize", MOE_FLAG, offsetof(T, route.renormalize), 1, 0, 1, 0, 0, 0, \
   "whether the weights of the selected experts sum to 1"}, \
  {"temperature", MOE_REAL, offsetof(T, route.temperature), 1, 0, 1e6, 0, 0, \
   MOE_ABOVE_MIN, "divides the logits: above 1 evens the experts out"}, \
  {"threshold", MOE_REAL, offsetof(T, route.threshold), NAN, 0, 1, 0, 0, \
   MOE_OPTIONAL | MOE_ABOVE_MIN, \
   "select the fewest experts whose scores sum to this, at most top_k"}

/* … and what layers of experts have besides. */
#define MOE_P_ROUTE_BATCH(T) \
  {"router", MOE_CHOICE, offsetof(T, route.router), MOE_TOP_K, 0, 0, \
   moe_router_choices, 0, 0, \
   "who selects: top_k; noisy_top_k, which weighs by softmax over the " \
   "selected; switch, one expert with its probability as weight; soft, all; " \
   "hash, by the row's id; expert_choice, each expert its best rows"}, \
  {"groups", MOE_INT, offsetof(T, route.groups), 1, 1, MOE_MAX_GROUPS, 0, 0, \
   0, "experts lie in so many groups of neighbours"}, \
  {"top_groups", MOE_INT, offsetof(T, route.top_groups), NAN, 1, \
   MOE_MAX_GROUPS, 0, 0, MOE_OPTIONAL, \
   "groups that a row selects from: those whose two best scores sum highest"}, \
  {"noise", MOE_REAL, offsetof(T, route.noise), 0, 0, 1e6, 0, 0, 0, \
   "in training: standard deviation of the noise added to the logits"}, \
  {"jitter", MOE_REAL, offsetof(T, route.jitter), 0, 0, 1, 0, 0, 0, \
   "in training: the logits are multiplied by numbers from 1 - jitter to " \
   "1 + jitter"}, \
  {"expert_dropout", MOE_REAL, offsetof(T, route.expert_dropout), 0, 0, 1, 0, \
   0, 0, "in training: share of the experts that a row may not select"}, \
  {"capacity_factor", MOE_REAL, offsetof(T, route.capacity_factor), NAN, 0, \
   1e6, 0, 0, MOE_OPTIONAL | MOE_ABOVE_MIN, \
   "in training: an expert takes at most this times its even share of the " \
   "selections; absent: no limit"}, \
  {"eval_capacity_factor", MOE_REAL, \
   offsetof(T, route.eval_capacity_factor), NAN, 0, 1e6, 0, 0, \
   MOE_OPTIONAL | MOE_ABOVE_MIN, \
   "the same outside training; absent: no limit, so that rows do not depend " \
   "on their neighbours"}, \
  {"min_capacity", MOE_INT, offsetof(T, route.min_capacity), 1, 1, 0x1p53, 0, \
   0, 0, "the least that a capacity factor leaves an expert"}, \
  {"drop_order", MOE_CHOICE, offsetof(T, route.drop_order), MOE_BY_POSITION, \
   0, 0, moe_drop_order_choices, 0, 0, \
   "which rows are served first where capacity is short: the first, those " \
   "with the largest probability, or any"}, \
  {"overflow", MOE_CHOICE, offsetof(T, route.overflow), MOE_DROP, 0, 0, \
   moe_overflow_choices, 0, 0, \
   "what becomes of a selection beyond the capacity: it is dropped, or goes " \
   "to the next best expert that has room"}, \
  {"bias_update", MOE_CHOICE, offsetof(T, route.bias_update), MOE_BIAS_FIXED, \
   0, 0, moe_bias_update_choices, 0, 0, \
   "how the selection bias follows the load: a step by the sign or by the " \
   "size of the excess, or to the quantile that balances the rows"}, \
  {"bias_rate", MOE_REAL, offsetof(T, route.bias_rate), 0.001, 0, 1, 0, 0, 0, \
   "the step of the sign and magnitude updates; the share of the new bias in " \
   "the quantile update; 0 holds the bias"}
/* clang-format on */

/* Options of a routing without an owner: parameters only, no state. */
typedef struct moe_route_params {
  moe_route_config route;
} moe_route_params;
extern const moe_type moe_route_options;

/* Refuses what cannot be routed: more experts selected than there are, groups
   that do not divide them, …; and, where the gate is trained through the
   weights (`learns`), a single renormalised weight, which is 1 whatever the
   gate says and gives it no gradient. */
moe_status moe_route_check(moe_call *call, const moe_route_config *config,
                           size_t experts, bool learns);

/* Experts that a row of `experts` can select. */
size_t moe_route_width(const moe_route_config *config, size_t experts);

/* One row: `logits` of all experts (finite, or -Inf for those that may not be
   selected) and, where selection is biased, `bias` (else NULL), which counts in
   the selection and nowhere else.  Writes the scores of all experts to `probs`,
   and to `indices` (-1: none) and `weights`, moe_route_width each, the selected
   ones, best first; equal scores go to the lower index. */
void moe_route_row(const moe_route_config *config, size_t experts,
                   const double *logits, const double *bias, double *probs,
                   int32_t *indices, double *weights);

/* The same of what are probabilities already, where the scores are a softmax at
   temperature 1; experts that are closed (NULL: none is) are not selected. */
void moe_route_probs(const moe_route_config *config, size_t experts,
                     const double *probs, const double *bias,
                     const unsigned char *closed, int32_t *indices,
                     double *weights);

/* The k highest of n keys, `stride` apart, highest first, equal ones by index:
   fills `held` and returns how many there are, for -Inf is never among them. */
size_t moe_top(const double *keys, size_t stride, size_t n, size_t k,
               int32_t *held);

/* What was selected for n rows.  A selection that was dropped for want of
   capacity is -2 minus its expert. */
typedef struct moe_routing {
  size_t n, experts, width;
  int32_t *indices; /* n × width, below 0: none */
  double *weights;  /* n × width */
  double *probs;    /* n × experts */
  double *logits;   /* n × experts as they were compared, or NULL */
  size_t dropped;   /* selections that found no room */
} moe_routing;

static inline bool moe_was_dropped(int32_t index) { return index < -1; }

/* The expert of a selection, dropped or not; -1 where there is none. */
static inline int32_t moe_selected(int32_t index) {
  return index < -1 ? -2 - index : index;
}

/* The rows that selected expert e, ascending, with the weight of each: fills
   `rows` and `weights` (room for n), and returns how many. */
size_t moe_routing_rows(const moe_routing *r, size_t e, int32_t *rows,
                        double *weights);

/* ------------------------------------------------------------- many rows */

/* What rows are routed by: logits in double, or in float32, which are widened
   and so select identically, `stride` apart; and what may be NULL. */
typedef struct moe_route_input {
  size_t experts, stride;
  const double *logits;
  const float *floats;          /* where logits is NULL */
  const double *bias;           /* experts, and for … */
  size_t bias_stride;           /* … each row where this is not 0 */
  const unsigned char *allowed; /* 0: may not be selected; experts, and for */
  size_t allowed_stride;        /* each row where this is not 0 */
  const double *noise;          /* rows × experts: standard deviations */
  const int64_t *ids;           /* of each row, for the hash router */
  bool training;
  uint64_t seed; /* of the noise; row i draws the same wherever it is cut */
} moe_route_input;

static inline const double *moe_bias_of(const moe_route_input *in, size_t i) {
  return in->bias != NULL ? in->bias + i * in->bias_stride : NULL;
}

/* Routes rows first … first+n−1 of the input into those rows of `out`; keeps
   the prepared logits in out->logits, where there is room, and else uses
   `room` (experts). */
void moe_route_rows(const moe_route_config *config, const moe_route_input *in,
                    size_t first, size_t n, double *room, moe_routing *out);

/* The same of all n rows, on the threads of the call. */
moe_status moe_route_all(moe_call *call, const moe_route_config *config,
                         const moe_route_input *in, size_t n, moe_routing *out);

/* Expert dropout: takes each expert out of a row (its logit becomes -Inf) with
   a chance of `share`, but never the last: it is then one at random that stays.
 */
void moe_route_drop(double share, size_t experts, moe_random *random,
                    double *logits);

/* Rows that each expert takes of n under the expert_choice router: factor · k ·
   n / experts, rounded down, where the factor is the configured one of the
   capacity and k is top_k, or 1 where these are absent; at least
   config->min_capacity. */
size_t moe_route_choice(const moe_route_config *config, size_t n,
                        size_t experts, bool training);

/* The expert_choice router (Zhou et al. 2022, arXiv 2202.09368): each expert
   takes the rows that score it highest, so the load is even and a row may have
   any number of experts; the answer for a row depends on the others.  `out` has
   width experts; `held` has room for n. */
void moe_route_columns(const moe_route_config *config,
                       const moe_route_input *in, size_t n, double *room,
                       int32_t *held, moe_routing *out);

/* -------------------------------------------------------------- gradients */

/* One row's gradient by its prepared logits, from those by its weights (width)
   and by its probabilities (experts; either may be NULL).  What is selected is
   held fixed. */
void moe_route_backward(const moe_route_config *config, size_t experts,
                        size_t width, const double *probs,
                        const int32_t *indices, const double *weights,
                        const double *by_weights, const double *by_probs,
                        double *by_logits);

/* From the gradient by the prepared logits of row i, in place, to that by the
   logits themselves; and by the standard deviations of their noise, unless
   NULL. */
void moe_route_unprepare(const moe_route_config *config,
                         const moe_route_input *in, size_t i, double *gradient,
                         double *by_noise);

/* ---------------------------------------------- for the files of the core */

/* Sums of scores below this say nothing, and dividing by them overflows. */
#define MOE__LEAST_SUM 1e-290

/* What the router makes of two options. */
static inline int moe__route_score(const moe_route_config *c) {
  return c->router == MOE_NOISY_TOP_K ? MOE_SOFTMAX_SELECTED : c->score;
}
static inline bool moe__route_renormalizes(const moe_route_config *c) {
  return c->renormalize && c->router != MOE_SWITCH;
}

static inline bool moe__route_is_grouped(const moe_route_config *c) {
  return c->top_groups > 0 && c->top_groups < c->groups;
}

/* The scores of all experts; the weights of the n selected. */
void moe__route_scores(const moe_route_config *config, size_t experts,
                       const double *logits, double *probs);
void moe__route_weigh(const moe_route_config *config, size_t n,
                      const double *logits, const double *probs,
                      const int32_t *indices, double *weights);

/* The k best experts that are not closed (NULL: none is), by the scores in
   `probs`; returns how many there are. */
size_t moe__route_select(const moe_route_config *config, size_t experts,
                         size_t k, const double *logits, const double *bias,
                         const double *probs, const unsigned char *closed,
                         int32_t *indices);

/* ---------------------------------------------------------- a few experts */

enum { MOE_FEW_EXPERTS = 8 };

/* Whether rows are routed by the softmax itself, among a few experts. */
static inline bool moe__route_is_few(const moe_route_config *c,
                                     size_t experts) {
  return experts <= MOE_FEW_EXPERTS && c->temperature == 1 &&
         moe__route_score(c) == MOE_SOFTMAX && !(c->threshold > 0) &&
         !moe__route_is_grouped(c);
}

/* Of these rows what moe_route_row does without a bias; false, and nothing
   is chosen, where the largest logit is not finite. */
bool moe__route_few(const double *logits, size_t n, size_t k, bool renormalizes,
                    double *probs, int32_t *indices, double *weights);

/* And what moe_route_probs does where none is closed. */
void moe__choose_few(const double *probs, size_t n, size_t k, bool renormalizes,
                     int32_t *indices, double *weights);

/* And moe_top, of keys side by side; `held` is -1 where there is none. */
size_t moe__select_few(const double *keys, size_t n, size_t k, int32_t *held);

#endif
