/* A line laid open: a learner of one number that answers w · x + b and learns
   from its squared error by steps along x alone (implicit or sgd, no penalty:
   online_rule.h).  Who has many of them, as a mixture has, asks and teaches
   them through their numbers, where a call to each would cost more than what it
   does. */
#ifndef MOE_LINE_H
#define MOE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct moe_line {
  double *weights, *bias;
  double *rows;           /* that it has learned from; the same … */
  int64_t *n_seen;        /* … as every learner counts it */
  double *mean, *counted; /* of its intake; NULL where that keeps none */
  double lr;
  double damping; /* 1 where steps are implicit, else 0 */
  bool intercept;
} moe_line;

/* A sample of d features, which holds nothing but finite numbers. */
typedef struct moe_line_sample {
  const double *x;
  size_t d;
  double norm; /* |x|² */
} moe_line_sample;

/* What each of n lines, which `which` lists, says: into its place in `out`. */
void moe_lines_answer(const moe_line *lines, const int32_t *which, size_t n,
                      const moe_line_sample *s, double *out);

/* Each learns y with its own weight (0: not at all), where `answers` has what
   it says. */
void moe_lines_learn(const moe_line *lines, const int32_t *which, size_t n,
                     const moe_line_sample *s, double y, const double *weights,
                     const double *answers);

/* One line's step, which nothing counts but `rows`; and its answer. */
void moe_line_learn(const moe_line *l, const moe_line_sample *s, double weight,
                    double error);

#endif
