/* What a step of a mixture on a stream does with the answers and the routing of
   a sample, as inline code for those who compile it for each instruction set:
   verdicts and shares of the experts, and the means that are kept.  All loops
   go over the n experts, so that of four each is a vector. */
#ifndef MOE_MIXTURE_STREAM_KERNELS_H
#define MOE_MIXTURE_STREAM_KERNELS_H

#include <stddef.h>

#include "mixture_stream.h"
#include "vector_kernels.h"

/* ------------------------------------------------------------- the verdicts */

/* Squared errors and log-likelihoods, both NaN where the answer is. */
MOE_KERNEL void moe__judge_answers(const double *restrict answers, double y,
                                   double precision, size_t n,
                                   double *restrict loss,
                                   double *restrict merit) {
  const double most = 1e300;
  for (size_t e = 0; e < n; e++) {
    double square = (y - answers[e]) * (y - answers[e]);
    loss[e] = square > most ? most : square;
  }
  for (size_t e = 0; e < n; e++) {
    double cost = loss[e] * precision;
    merit[e] = -0.5 * (cost > most ? most : cost);
  }
}

/* The shares that p gives to likelihoods, which may lie in the same place: of
   the best, the whole weight; what is below a billionth is nothing.  Where p
   leaves nothing, likelihoods are all there is: who was not asked has none. */
MOE_KERNEL void moe__share_out(const double *like, const double *p,
                               double weight, size_t n, double *out) {
  const double least = 1e-9;
  size_t e = 0;
  for (; e + MOE_FOUR <= n; e += MOE_FOUR)
    *(moe_quad *)(out + e) = MOE_QUAD(like + e) * (MOE_QUAD(p + e) + DBL_MIN);
  for (; e < n; e++) out[e] = like[e] * (p[e] + DBL_MIN);
  double most = moe__largest(out, n);
  for (e = 0; e < n; e++) {
    double part = out[e] / most;
    out[e] = part > least ? part * weight : 0;
  }
}

/* ---------------------------------------------------------------- the means */

MOE_KERNEL void moe__follow(double *mean, double x, double share) {
  *mean += share * (x - *mean);
}

MOE_KERNEL void moe__follow_all(double *restrict mean, const double *restrict x,
                                double share, size_t n) {
  for (size_t e = 0; e < n; e++) moe__follow(mean + e, x[e], share);
}

/* Who was not asked has no loss. */
MOE_KERNEL void moe__follow_losses(double *restrict mean,
                                   double *restrict cover,
                                   const double *restrict loss, double share,
                                   bool all, size_t n) {
  for (size_t e = 0; e < n; e++) {
    double step = share * (loss[e] - mean[e]);
    double grown = share * (1 - cover[e]);
    bool asked = all || loss[e] == loss[e];
    step = asked ? step : 0;
    mean[e] += step;
    cover[e] += asked ? grown : 0;
  }
}

/* The squares of what those say who were asked, about their mean; there is room
   for what they said. */
MOE_KERNEL double moe__spread(const double *answers, const double *loss,
                              size_t asked, size_t n, double *restrict said) {
  for (size_t e = 0; e < n; e++) said[e] = loss[e] == loss[e] ? answers[e] : 0;
  double mean = moe__sum_few(said, n) / (double)(int64_t)asked;
  for (size_t e = 0; e < n; e++) said[e] = answers[e] - mean;
  for (size_t e = 0; e < n; e++)
    said[e] = loss[e] == loss[e] ? said[e] * said[e] : 0;
  return moe__sum_few(said, n);
}

_Static_assert(offsetof(moe_runs, cover) ==
                   offsetof(moe_runs, mean_disagreement) + 3 * sizeof(double),
               "four means are a quad");

/* The error of the mixture, and the deviation of what experts say, if there
   were two or more: what is not told leaves its mean where it is. */
MOE_KERNEL void moe__follow_answers(moe_stream *st, double squares,
                                    size_t asked, double error) {
  moe_runs *runs = &st->runs;
  moe_quad *means = (moe_quad *)&runs->mean_disagreement;
  double apart = sqrt(squares / (double)(int64_t)(asked - 1));
  bool told = asked > 1 && apart < 1e300;
  if (told) runs->disagreement = apart;
  const moe_quad now = {told ? apart : runs->mean_disagreement,
                        told ? 1 : runs->disagreement_cover, error, 1};
  *means += st->share * (now - *means);
}

/* 1 upwards, −1 downwards, 0 for what is next to nothing. */
MOE_KERNEL double moe__sign_of(double x) {
  const double least = 1e-15;
  double up = x > least ? 1 : 0, down = x < -least ? 1 : 0;
  return up - down;
}

/* Whether the mixture's answers turn as they turned before: the sign of the
   product of their last two second differences. */
MOE_KERNEL void moe__follow_turns(moe_runs *runs, double answer) {
  double change = answer - runs->answer, turn = change - runs->change;
  if (!(fabs(turn) < 1e300)) return;
  moe__follow(&runs->alignment, moe__sign_of(turn) * runs->turn, 0.05);
  runs->answer = answer;
  runs->change = change;
  runs->turn = moe__sign_of(turn);
}

/* Towards a load of 1 / n, however many are selected: biases and what logits
   have moved by. */
MOE_KERNEL void moe__follow_load(const double *restrict load, double rate,
                                 double *restrict bias, double *restrict moved,
                                 size_t n) {
  double target = 1 / (double)n;
  for (size_t e = 0; e < n; e++) {
    double step = rate * (target - load[e]);
    bias[e] += step;
    moved[e] += step;
  }
}

/* -------------------------------------------------------------- the entropy
 */

/* −Σ p log p. */
MOE_KERNEL double moe__entropy(const double *p, size_t n) {
  double sum = 0;
  size_t e = 0;
  for (; e + MOE_FOUR <= n; e += MOE_FOUR) {
    moe_quad part = MOE_QUAD(p + e);
    moe__log_quad(&part);
    part *= MOE_QUAD(p + e);
    sum -= moe_quad_sum(&part);
  }
  for (; e < n; e++) sum -= p[e] * moe__log_of(p[e]);
  return sum;
}

MOE_KERNEL void moe__follow_entropy(moe_stream *st, double entropy) {
  double part = entropy * st->entropy_unit;
  moe__follow(&st->runs.entropy, part < 1 ? part : 1, 0.01);
}

MOE_KERNEL void moe__follow_routing(moe_stream *st, const double *probs,
                                    size_t n) {
  moe__follow_all(st->run.used, probs, st->share, n);
  moe__follow_entropy(st, moe__entropy(probs, n));
}

/* log Σ e^z − Σ p z of softmax p of z, whose sums wait: one logarithm of four
   numbers takes no longer than that of one. */
MOE_KERNEL void moe__settle_sums(moe_stream *st) {
  moe_quad logs = MOE_QUAD(st->waiting->sum);
  moe__log_quad(&logs);
  logs -= MOE_QUAD(st->waiting->mean);
  for (int i = 0; i < MOE_WAITING; i++)
    if (i < st->sums) moe__follow_entropy(st, logs[i]);
  st->sums = 0;
}

/* Of logits, one of which is infinite. */
static MOE_RARE void moe__measure_extreme(moe_stream *st, size_t n) {
  double *p = st->waiting->logits;
  moe__settle_sums(st);
  moe_softmax(p, 1, n);
  moe__follow_all(st->run.used, p, st->waiting->share, n);
  moe__follow_entropy(st, moe__entropy(p, n));
}

/* The probabilities of the logits that wait, of n experts.  What was stored
   lately by ones is not loaded by fours yet. */
MOE_KERNEL void moe__measure(moe_stream *st, size_t n) {
  const double *z = st->waiting->logits;
  double p[MOE_LANES], apart[MOE_LANES], most = moe__largest(z, n);
  if (st->sums == MOE_WAITING) moe__settle_sums(st);
  double sum = moe__soften(z, n, most, p);
  for (size_t e = 0; e < n; e++) apart[e] = z[e] - most;
  double mean = moe__dot_few(p, apart, n);
  st->waits = 0;
  if (mean != mean) {
    moe__measure_extreme(st, n);
    return;
  }
  st->waiting->sum[st->sums] = sum;
  st->waiting->mean[st->sums++] = mean;
  moe__follow_all(st->run.used, p, st->waiting->share, n);
}

/* Logits z + moved of n experts, at most MOE_LANES, are to be measured. */
MOE_KERNEL void moe__await(moe_stream *st, const double *z, const double *moved,
                           size_t n) {
  if (st->waits) moe__measure(st, n);
  for (size_t e = 0; e < n; e++) st->waiting->logits[e] = z[e] + moved[e];
  st->waiting->share = st->share;
  st->waits = 1;
}

#endif
