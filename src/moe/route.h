/* The routing core: from the scores of a gate to a selection of experts and
   their weights.  No learning, no allocation; every mixture uses these few
   functions, and there is no other top-k in the tree. */
#ifndef MOE_ROUTE_H
#define MOE_ROUTE_H

#include "object.h"

enum moe_score { MOE_SOFTMAX, MOE_SIGMOID, MOE_SOFTMAX_SELECTED };

/* How to select.  Embedded in the params of whatever routes. */
typedef struct moe_route_config {
  int score;          /* how logits become the scores that are compared */
  int64_t top_k;      /* experts a row; MOE_NO_INT: all */
  bool renormalize;   /* the weights of a row sum to 1 */
  double temperature; /* divides the logits */
  double threshold;   /* NaN, or: the fewest experts whose scores sum to it,
                         at most top_k */
} moe_route_config;

extern const char *const moe_score_choices[];

/* The rows of a parameter table for a moe_route_config member `route`. */
/* clang-format off */
#define MOE_P_ROUTE(T) \
  {"score", MOE_CHOICE, offsetof(T, route.score), MOE_SOFTMAX, 0, 0, \
   moe_score_choices, 0, 0, \
   "from logits to the scores that weigh the experts: softmax over all, " \
   "sigmoid of each, or softmax over the selected"}, \
  {"top_k", MOE_INT, offsetof(T, route.top_k), NAN, 1, 1 << 20, 0, 0, \
   MOE_OPTIONAL, "experts that answer a row; absent: all of them"}, \
  {"renormalize", MOE_FLAG, offsetof(T, route.renormalize), 1, 0, 1, 0, 0, 0, \
   "whether the weights of the selected experts sum to 1"}, \
  {"temperature", MOE_REAL, offsetof(T, route.temperature), 1, 0, 1e6, 0, 0, \
   MOE_ABOVE_MIN, "divides the logits: above 1 evens the experts out"}, \
  {"threshold", MOE_REAL, offsetof(T, route.threshold), NAN, 0, 1, 0, 0, \
   MOE_OPTIONAL | MOE_ABOVE_MIN, \
   "select the fewest experts whose scores sum to this, at most top_k"}
/* clang-format on */

/* Experts that a row of `experts` can select. */
size_t moe_route_width(const moe_route_config *config, size_t experts);

/* One row: `logits` of all experts (finite) and, where selection is biased,
   `bias` (else NULL), which counts in the selection and nowhere else.  Writes
   the scores of all experts to `probs`, and to `indices` (-1: none) and
   `weights`, moe_route_width each, the selected ones, best first; equal scores
   go to the lower index. */
void moe_route_row(const moe_route_config *config, size_t experts,
                   const double *logits, const double *bias, double *probs,
                   int32_t *indices, double *weights);

/* The same of float32 logits, for layers: selects identically. */
void moe_route_row_float(const moe_route_config *config, size_t experts,
                         const float *logits, const float *bias, float *probs,
                         int32_t *indices, float *weights);

/* What was selected for n rows. */
typedef struct moe_routing {
  size_t n, experts, width;
  int32_t *indices; /* n × width, -1: none */
  double *weights;  /* n × width */
  double *probs;    /* n × experts */
} moe_routing;

/* The rows that selected expert e, ascending, with the weight of each: fills
   `rows` and `weights` (room for n), and returns how many. */
size_t moe_routing_rows(const moe_routing *r, size_t e, int32_t *rows,
                        double *weights);

/* Statistics of a routing (formulas: Switch, arXiv 2101.03961; MaxVio,
   arXiv 2408.15664).  A routing of no rows has all of them 0. */
typedef struct moe_balance {
  size_t rows;
  double *load;                  /* experts: share of the selections */
  double *importance;            /* experts: share of the probability */
  double cv_load, cv_importance; /* deviation (population) over mean */
  double maxvio;                 /* (max load − mean) / mean */
  double entropy;                /* of the mean row, in units of ln(experts) */
  double confidence;             /* mean of the largest probability */
} moe_balance;

/* `load` and `importance` point to room for r->experts numbers. */
void moe_routing_balance(const moe_routing *r, moe_balance *out);

#endif
