/* What line.c compiles, as inline code for who does more in one piece: a line's
   answer and its step. */
#ifndef MOE_LINE_KERNELS_H
#define MOE_LINE_KERNELS_H

#include "line.h"
#include "vector_kernels.h"

MOE_KERNEL double moe__line_answer(const moe_line *l,
                                   const moe_line_sample *s) {
  double z = moe__dot(l->weights, s->x, s->d) + *l->bias;
  if (z - z != 0) moe__limit(&z, 1);
  return z;
}

/* How far four steps go along x, s r of online_rule.h, from the errors r; 0
   where that would not be finite.  Squares of what is within these limits are.
 */
MOE_KERNEL void moe__line_changes(const moe_quad *lr, const moe_quad *damping,
                                  double norm, const moe_quad *weight,
                                  moe_quad *r) {
  const double most = 1e150;
  const moe_quad none = {0};
  moe_quad free = *lr * *weight;
  for (int e = 0; e < MOE_FOUR; e++) free[e] = free[e] < most ? free[e] : most;
  moe_quad change = -*r * (free / (1 + free * (*damping * (1 + norm))));
  *r = MOE_WHERE(change * change * (1 + norm) < MOE_ALL(1e300), change, none);
}

/* The step; and the sample's part in the means of the line's intake. */
MOE_KERNEL void moe__line_move(const moe_line *l, const moe_line_sample *s,
                               double change) {
  ++*l->rows;
  if (l->intercept) *l->bias += change;
  if (l->mean != NULL)
    moe__axpy_and_average(change, 1 / ++*l->counted, s->x, l->weights, l->mean,
                          s->d);
  else
    moe__axpy(change, s->x, l->weights, s->d);
}

MOE_KERNEL void moe__line_learn(const moe_line *l, const moe_line_sample *s,
                                double weight, double error) {
  const moe_quad lr = MOE_ALL(l->lr), damping = MOE_ALL(l->damping),
                 share = MOE_ALL(weight);
  moe_quad change = MOE_ALL(error);
  moe__line_changes(&lr, &damping, s->norm, &share, &change);
  moe__line_move(l, s, change[0]);
}

/* Four lines in one pass over the sample. */
MOE_KERNEL void moe__four_lines_answer(const moe_line *l,
                                       const moe_line_sample *s, double *out) {
  const double *const rows[MOE_FOUR] = {l[0].weights, l[1].weights,
                                        l[2].weights, l[3].weights};
  const moe_quad bias = {*l[0].bias, *l[1].bias, *l[2].bias, *l[3].bias};
  moe_quad z;
  moe__multiply_rows(rows, s->x, s->d, &z);
  z += bias;
  *(moe_quad *)out = z;
  z -= z;
  if (moe_quad_sum(&z) != 0) moe__limit(out, MOE_FOUR);
}

/* How far four lines go that learn y with weights of their own, where `answers`
   has what they say. */
MOE_KERNEL void moe__four_lines_plan(const moe_line *l,
                                     const moe_line_sample *s, double y,
                                     const moe_quad *weights,
                                     const double *answers, double *changes) {
  const moe_quad lr = {l[0].lr, l[1].lr, l[2].lr, l[3].lr},
                 damping = {l[0].damping, l[1].damping, l[2].damping,
                            l[3].damping};
  moe_quad change = MOE_QUAD(answers) - y;
  moe__line_changes(&lr, &damping, s->norm, weights, &change);
  *(moe_quad *)changes = change;
}

MOE_KERNEL void moe__lines_answer(const moe_line *lines, const int32_t *which,
                                  size_t n, const moe_line_sample *s,
                                  double *out) {
  for (const int32_t *e = which, *end = which + n; e < end; e++)
    out[*e] = moe__line_answer(&lines[*e], s);
}

/* Each learns y with its own weight (0: not at all), where `answers` has what
   it says. */
MOE_KERNEL void moe__lines_learn(const moe_line *lines, const int32_t *which,
                                 size_t n, const moe_line_sample *s, double y,
                                 const double *weights, const double *answers) {
  for (const int32_t *e = which, *end = which + n; e < end; e++) {
    if (!(weights[*e] > 0)) continue;
    moe__line_learn(&lines[*e], s, weights[*e], answers[*e] - y);
    ++*lines[*e].n_seen;
  }
}

#endif
