/* The formulas of gate_online.h for one sample, as inline code that is compiled
   as a whole for each instruction set: a step is a few hundred instructions,
   and calls and loops of unknown length would be most of them.  Sums have an
   order of their own, which is the same for all sets. */
#ifndef MOE_GATE_KERNELS_H
#define MOE_GATE_KERNELS_H

#include <float.h>
#include <math.h>

#include "gate_lesson.h"
#include "vector_kernels.h"

enum {
  MEMORY = 10000, /* samples that means and variances remember */
  FARTHEST = 30,  /* deviations from the mean */
  FEW = 10,       /* samples, before which deviations are not trusted */
  EARLY = 64,     /* samples, up to which factors and decay are kept up … */
  SELDOM = 16     /* … to date always, and the interval after that */
};

/* One side after the other, each of which is one choice for all four. */
MOE_KERNEL void moe__gate_clamp(moe_quad *quad, double most) {
  double *x = (double *)quad;
  for (int c = 0; c < MOE_FOUR; c++) x[c] = x[c] > -most ? x[c] : -most;
  for (int c = 0; c < MOE_FOUR; c++) x[c] = x[c] < most ? x[c] : most;
}

/* In no order: nothing is NaN. */
MOE_KERNEL double moe__gate_largest(const double *x, size_t n) {
  double most = -DBL_MAX, pair[2];
  size_t k = 0;
  for (; k + MOE_FOUR <= n; k += MOE_FOUR) {
    for (size_t i = 0; i < 2; i++)
      pair[i] = moe__larger(x[k + i], x[k + 2 + i]);
    most = moe__larger(most, moe__larger(pair[0], pair[1]));
  }
  for (; k < n; k++) most = moe__larger(most, x[k]);
  return most;
}

/* ------------------------------------------------------------------ answers
 */

/* factor z; false where a value is missing. */
MOE_KERNEL bool moe__gate_find_logits(const moe_affine *a, size_t m,
                                      double factor, const double *restrict x,
                                      double *restrict z) {
  bool whole =
      moe__lines(a->weights, a->bias, a->left, m, x, a->fitted.n_features, z);
  for (size_t e = 0; factor != 1 && e < m; e++) z[e] *= factor;
  if (factor != 1) moe__limit(z, m);
  return whole;
}

/* p = v_logits q + v, in place or elsewhere. */
MOE_KERNEL void moe__gate_blend(const double *restrict v, size_t m,
                                const double *q, double *out) {
  double rest = v[m];
  size_t e = 0;
  for (; e + MOE_FOUR <= m; e += MOE_FOUR)
    *(moe_quad *)(out + e) = rest * MOE_QUAD(q + e) + MOE_QUAD(v + e);
  for (; e < m; e++) out[e] = rest * q[e] + v[e];
}

MOE_KERNEL bool moe__gate_answer(const moe_linear_gate *g, size_t m,
                                 double factor, const double *x, double *q,
                                 double *out) {
  bool whole = moe__gate_find_logits(&g->affine, m, factor, x, q);
  if (m > MOE_LANES || !moe__softmax_few(q, m, q)) moe_softmax(q, 1, m);
  if (g->stream.prior != NULL && out != NULL)
    moe__gate_blend(g->stream.prior, m, q, out);
  return whole;
}

/* -------------------------------------------------------- where a step goes
 */

typedef struct moe_direction {
  const double *u;     /* n_features */
  double bias, length; /* 1 − uᵀμ, 1 + |x̂|² */
} moe_direction;

/* uᵀμ and |x̂|², lane by lane. */
typedef struct moe_sums {
  moe_quad along, square;
} moe_sums;

/* Counts four columns in means and variances where the sample has `share` of
   the weight so far, and finds x̂ and u. */
MOE_KERNEL void moe__gate_measure(const double *restrict x, double share,
                                  const double *restrict factor,
                                  double *restrict mean,
                                  double *restrict variance, double *restrict u,
                                  moe_sums *total) {
  moe_quad gap = MOE_QUAD(x) - MOE_QUAD(mean);
  moe__gate_clamp(&gap, 2 * MOE_GATE_LARGEST); /* a fit's mean is any */
  moe_quad way = share * gap, centre = MOE_QUAD(mean) + way;
  moe_quad standard = (MOE_QUAD(x) - centre) * MOE_QUAD(factor);
  moe__gate_clamp(&standard, FARTHEST);
  moe_quad to = standard * MOE_QUAD(factor);
  *(moe_quad *)variance = (1 - share) * (MOE_QUAD(variance) + way * gap);
  *(moe_quad *)mean = centre;
  *(moe_quad *)u = to;
  total->along += to * centre;
  total->square += standard * standard;
}

MOE_KERNEL void moe__gate_copy(const double *from, size_t n, double *to) {
#pragma GCC unroll 1
  for (size_t j = 0; j < n; j++) to[j] = from[j];
}

/* The same of fewer, in room for twenty numbers: the others are 0. */
MOE_KERNEL void moe__gate_measure_few(const double *x, double share,
                                      const double *factor, size_t n,
                                      double *mean, double *variance, double *u,
                                      double *room, moe_sums *total) {
  double *own = room + MOE_FOUR;
  for (int i = 0; i < 5 * MOE_FOUR; i++) room[i] = 0;
  moe__gate_copy(x, n, room);
  moe__gate_copy(factor, n, own);
  moe__gate_copy(mean, n, own + MOE_FOUR);
  moe__gate_copy(variance, n, own + 2 * MOE_FOUR);
  moe__gate_measure(room, share, own, own + MOE_FOUR, own + 2 * MOE_FOUR,
                    own + 3 * MOE_FOUR, total);
  moe__gate_copy(own + MOE_FOUR, n, mean);
  moe__gate_copy(own + 2 * MOE_FOUR, n, variance);
  moe__gate_copy(own + 3 * MOE_FOUR, n, u);
}

/* Means and variances remember about MEMORY samples. */
MOE_KERNEL moe_direction moe__gate_standardize(moe_linear_gate *g,
                                               const double *x, double weight,
                                               double *u, double *room) {
  moe_gate_stream *s = &g->stream;
  double *mean = g->centre, *variance = s->variance, *factor = s->factor;
  double rows = s->rows * (1 - 1.0 / MEMORY) + weight;
  s->rows = rows < DBL_MAX ? rows : DBL_MAX;
  double share = weight / s->rows;
  moe_sums total = {{0}, {0}};
  size_t d = g->affine.fitted.n_features, j = 0;
  for (; j + MOE_FOUR <= d; j += MOE_FOUR)
    moe__gate_measure(x + j, share, factor + j, mean + j, variance + j, u + j,
                      &total);
  if (j < d)
    moe__gate_measure_few(x + j, share, factor + j, d - j, mean + j,
                          variance + j, u + j, room, &total);
  return (moe_direction){.u = u,
                         .bias = 1 - moe_quad_sum(&total.along),
                         .length = 1 + moe_quad_sum(&total.square)};
}

/* ---------------------------------------------------- what a sample tells
 */

typedef struct moe_lesson {
  size_t m; /* n_outputs */
  moe_direction to;
  const double *q;   /* softmax(z) */
  double *score;     /* y, -Inf of who was not asked */
  double *asked;     /* 1, or 0 */
  double *like;      /* exp(y − max y), 0 of who was not asked */
  double all, joint; /* Σ q over those asked; Σ q like */
  double *slope;     /* of the loss by z; then the step, if it `goes` any way */
  double *moved;     /* what that adds to the sample's z, if columns are as they
                        come */
  bool goes;
} moe_lesson;

/* One choice at a time, each of which is one instruction for a quad. */
MOE_KERNEL void moe__gate_hear(const double *restrict y, moe_lesson *l) {
  double *restrict score = l->score;
  size_t m = l->m;
  for (size_t e = 0; e < m; e++) score[e] = y[e] > -DBL_MAX ? y[e] : -DBL_MAX;
  for (size_t e = 0; e < m; e++)
    score[e] = score[e] < DBL_MAX ? score[e] : DBL_MAX;
  for (size_t e = 0; e < m; e++) score[e] = y[e] == y[e] ? score[e] : -INFINITY;
}

MOE_KERNEL void moe__gate_weigh(moe_lesson *l) {
  double *restrict like = l->like, *restrict asked = l->asked;
  double most = moe__gate_largest(l->score, l->m);
  for (size_t e = 0; e < l->m; e++) asked[e] = l->score[e] >= -DBL_MAX ? 1 : 0;
  for (size_t e = 0; e < l->m; e++) like[e] = l->score[e] - most;
  moe__exp(like, l->m);
  l->all = moe__dot_few(l->q, l->asked, l->m);
  l->joint = moe__dot_few(l->q, like, l->m);
}

/* The first of those that are best. */
MOE_KERNEL size_t moe__gate_find_best(const double *score, size_t m,
                                      double *most) {
  size_t best = 0;
  for (size_t e = 1; e < m; e++)
    if (score[e] > score[best]) best = e;
  *most = score[best];
  return best;
}

MOE_KERNEL void moe__gate_find_best_of_four(const double *score, double *most,
                                            double *target) {
  *most = moe_quad_largest((const moe_quad *)score);
  const moe_mask best = MOE_QUAD(score) == MOE_ALL(*most);
  const long long bits = moe_mask_bits(&best);
  const moe_mask first = (moe_mask){1, 2, 4, 8} == (bits & -bits);
  for (int e = 0; e < MOE_FOUR; e++) target[e] = first[e] ? 1 : 0;
}

/* q less the hard target; false where nobody was asked. */
MOE_KERNEL bool moe__gate_find_hard_slope(moe_lesson *l) {
  double *restrict slope = l->slope, most;
  if (l->m == MOE_FOUR) {
    double target[MOE_FOUR];
    moe__gate_find_best_of_four(l->score, &most, target);
    *(moe_quad *)slope = MOE_QUAD(l->q) - MOE_QUAD(target);
  } else {
    size_t best = moe__gate_find_best(l->score, l->m, &most);
    for (size_t e = 0; e < l->m; e++) slope[e] = l->q[e] - (e == best ? 1 : 0);
  }
  return most >= -DBL_MAX;
}

/* q − h. */
MOE_KERNEL bool moe__gate_find_soft_slope(moe_lesson *l) {
  double *restrict slope = l->slope;
  double whole = 1 / l->all, part = 1 / l->joint;
  if (!(l->joint > DBL_MIN)) return false;
  for (size_t e = 0; e < l->m; e++)
    slope[e] = l->q[e] * (whole * l->asked[e] - part * l->like[e]);
  return true;
}

/* ----------------------------------------------------------------- the step
 */

/* How far a step goes. */
MOE_KERNEL double moe__gate_find_length(const moe_gate_rule *r, double weight,
                                        const moe_lesson *l) {
  double length = l->to.length;
  if (r->clip > 0) {
    double square = moe__dot_few(l->slope, l->slope, l->m);
    square *= weight * weight * length;
    if (square > r->clip * r->clip) weight *= r->clip / sqrt(square);
  }
  double step = r->online_lr * weight;
  step = step < MOE_GATE_LARGEST ? step : MOE_GATE_LARGEST;
  return r->implicit ? step / (1 + step * length / 2) : step;
}

/* From the slope to a step down it. */
MOE_KERNEL void moe__gate_find_step(const moe_gate_rule *rule, double weight,
                                    moe_lesson *l) {
  double *restrict slope = l->slope, *restrict moved = l->moved;
  double step = moe__gate_find_length(rule, weight, l);
  for (size_t e = 0; e < l->m; e++) slope[e] *= -step;
  for (size_t e = 0; e < l->m; e++) moved[e] = slope[e] * l->to.length;
}

/* Those hypotheses are compared that say something of the experts asked; the
   shares of the others stay. */
MOE_KERNEL void moe__gate_follow(const moe_gate_rule *rule, double power,
                                 moe_lesson *l, double *restrict v) {
  const double *restrict asked = l->asked;
  double *restrict like = l->like;
  size_t m = l->m;
  double logits = l->joint / l->all;
  double kept = 1 - rule->share, even = rule->share / (double)(m + 1);
  if (!(l->joint > DBL_MIN)) return;
  if (power != 1) {
    logits = pow(logits, power);
    for (size_t e = 0; e < m; e++) like[e] = asked[e] * pow(like[e], power);
  }
  double before = v[m] + moe__dot_few(asked, v, m);
  double after = logits * v[m] + moe__dot_few(like, v, m);
  if (!(after > DBL_MIN)) return;
  double scale = kept * (before / after);
  for (size_t e = 0; e < m; e++)
    v[e] = v[e] * (kept * (1 - asked[e]) + scale * like[e]) + even;
  v[m] = v[m] * (scale * logits) + even;
}

/* Whether a step changes z of its own sample by its move alone. */
MOE_KERNEL bool moe__gate_moves_only(const moe_linear_gate *g,
                                     const moe_gate_rule *rule) {
  return !rule->standardize && g->stream.prior == NULL && rule->decay == 0;
}

/* A sample's lesson, up to the step that moves the weights.  `power` is how far
   the prior believes the likelihoods, which are found if somebody else `wants`
   them, too; `rows` has room for MOE_DESK_ROWS. */
MOE_KERNEL moe_lesson moe__gate_study(moe_linear_gate *g,
                                      const moe_gate_rule *rule,
                                      const moe_example *e, const double *x,
                                      const double *q, size_t m, double power,
                                      bool wants, double *rows) {
  moe_gate_stream *s = &g->stream;
  size_t d = g->affine.fitted.n_features, wide = moe__desk_width(m);
  bool hard = rule->target == MOE_TARGET_BEST_EXPERT;
  moe_lesson l = {.m = m,
                  .q = q,
                  .like = rows + MOE_DESK_LIKE * wide,
                  .score = rows + MOE_DESK_SCORE * wide,
                  .asked = rows + MOE_DESK_ASKED * wide,
                  .slope = rows + MOE_DESK_SLOPE * wide,
                  .moved = rows + MOE_DESK_MOVED * wide};
  if (rule->standardize)
    l.to = moe__gate_standardize(g, x, e->weight,
                                 moe__desk_columns(g, MOE_DESK_U), l.like);
  else
    l.to = (moe_direction){x, 1, 1 + (x == e->x ? e->norm : moe__dot(x, x, d))};
  moe__gate_hear(e->y, &l);
  if (!hard || s->prior != NULL || wants) moe__gate_weigh(&l);
  bool told =
      hard ? moe__gate_find_hard_slope(&l) : moe__gate_find_soft_slope(&l);
  l.goes = told && rule->online_lr > 0;
  for (size_t k = 0; k < m && !l.goes; k++) l.moved[k] = 0;
  if (l.goes) moe__gate_find_step(rule, e->weight, &l);
  if (s->prior != NULL) moe__gate_follow(rule, power, &l, s->prior);
  s->considered = s->moved = NULL;
  s->steps++;
  return l;
}

MOE_KERNEL void moe__gate_move(moe_linear_gate *g, const moe_lesson *l) {
  const moe_affine *a = &g->affine;
  if (!l->goes) return;
  moe__axpy(l->to.bias, l->slope, a->bias, l->m);
  moe__add_product(l->slope, l->m, l->to.u, a->fitted.n_features, a->weights);
}

/* -------------------------------------------------------------- maintenance
 */

MOE_KERNEL void moe__gate_find_factors(const double *restrict variance,
                                       const double *restrict mean, size_t d,
                                       double *restrict factor) {
  for (size_t j = 0; j < d; j++) {
    double least = moe__larger(1e-12 * fabs(mean[j]), 1 / MOE_GATE_LARGEST);
    double deviation = sqrt(variance[j]);
    factor[j] = deviation > least ? 1 / deviation : 0;
  }
}

/* The rows of the weights about the means are left as they are. */
MOE_KERNEL void moe__gate_decay(moe_affine *a, const double *mean,
                                double share) {
  size_t d = a->fitted.n_features, m = a->fitted.n_outputs;
  double *restrict w = a->weights, left = 1 / (1 + share);
  for (size_t e = 0; mean != NULL && e < m; e++)
    a->bias[e] += (1 - left) * moe__dot(w + e * d, mean, d);
  for (size_t k = 0; k < m * d; k++) w[k] *= left;
}

static bool moe__gate_is_early(const moe_gate_stream *s) {
  return s->steps <= EARLY;
}

static bool moe__gate_is_due(const moe_gate_stream *s) {
  return moe__gate_is_early(s) || s->steps % SELDOM == 0;
}

/* What need not be done for every sample; none of it changes an answer but by
   decay. */
MOE_KERNEL void moe__gate_maintain(moe_linear_gate *g,
                                   const moe_gate_rule *rule) {
  moe_gate_stream *s = &g->stream;
  double share =
      rule->online_lr * rule->decay * (moe__gate_is_early(s) ? 1 : SELDOM);
  if (rule->standardize && s->steps >= FEW)
    moe__gate_find_factors(s->variance, g->centre, g->affine.fitted.n_features,
                           s->factor);
  if (share > 0)
    moe__gate_decay(&g->affine, rule->standardize ? g->centre : NULL, share);
}

#endif
