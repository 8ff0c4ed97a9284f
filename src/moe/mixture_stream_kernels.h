/* What a step of a mixture on a stream does with the answers and the routing of
   a sample, as inline code for those who compile it for each instruction set:
   verdicts and shares of the experts, and the means that are kept.  All loops
   go over the n experts, so that of four each is a vector. */
#ifndef MOE_MIXTURE_STREAM_KERNELS_H
#define MOE_MIXTURE_STREAM_KERNELS_H

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
   the best, the whole weight; what is below a billionth is nothing. */
MOE_KERNEL void moe__share_out(const double *like, const double *p,
                               double weight, size_t n, double *out) {
  const double least = 1e-9;
  size_t e = 0;
  for (; e + MOE_FOUR <= n; e += MOE_FOUR)
    *(moe_quad *)(out + e) = MOE_QUAD(like + e) * MOE_QUAD(p + e);
  for (; e < n; e++) out[e] = like[e] * p[e];
  double most = moe__largest(out, n);
  for (e = 0; e < n; e++) {
    double part = most > 0 ? out[e] / most : 1;
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
MOE_KERNEL bool moe__was_asked(double loss, bool all) {
  return all || loss == loss;
}

MOE_KERNEL void moe__follow_losses(double *restrict mean,
                                   double *restrict cover,
                                   const double *restrict loss, double share,
                                   bool all, size_t n) {
  for (size_t e = 0; e < n; e++) {
    double step = share * (loss[e] - mean[e]);
    double grown = share * (1 - cover[e]);
    mean[e] += moe__was_asked(loss[e], all) ? step : 0;
    cover[e] += moe__was_asked(loss[e], all) ? grown : 0;
  }
}

/* The squares of what those say who were asked, about their mean. */
MOE_KERNEL double moe__spread(const double *answers, const double *loss,
                              size_t asked, size_t n) {
  moe_quad sum = {0}, squares = {0};
  double mean = 0, rest = 0;
  size_t e = 0;
  for (; e + MOE_FOUR <= n; e += MOE_FOUR)
    sum += MOE_WHERE(MOE_QUAD(loss + e) == MOE_QUAD(loss + e),
                     MOE_QUAD(answers + e), (moe_quad){0});
  for (size_t i = e; i < n; i++) mean += loss[i] == loss[i] ? answers[i] : 0;
  mean = (moe_quad_sum(&sum) + mean) / (double)(int64_t)asked;
  for (e = 0; e + MOE_FOUR <= n; e += MOE_FOUR) {
    moe_quad apart = MOE_QUAD(answers + e) - mean;
    squares += MOE_WHERE(MOE_QUAD(loss + e) == MOE_QUAD(loss + e),
                         apart * apart, (moe_quad){0});
  }
  for (; e < n; e++) {
    double apart = loss[e] == loss[e] ? answers[e] - mean : 0;
    rest += apart * apart;
  }
  return moe_quad_sum(&squares) + rest;
}

/* The deviation of what they say. */
MOE_KERNEL void moe__follow_disagreement(moe_stream *st, double squares,
                                         size_t asked) {
  moe_runs *runs = &st->runs;
  double apart = sqrt(squares / (double)(int64_t)(asked - 1));
  if (!(apart < 1e300)) return;
  runs->disagreement = apart;
  moe__follow(&runs->mean_disagreement, apart, st->share);
  moe__follow(&runs->disagreement_cover, 1, st->share);
}

/* 1 upwards, −1 downwards, 0 for what is next to nothing. */
MOE_KERNEL double moe__sign_of(double x) {
  const double least = 1e-15;
  return (double)((x > least) - (x < -least));
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

/* Towards a load of 1 / n, however many are selected. */
MOE_KERNEL void moe__follow_load(const double *restrict load, double rate,
                                 double *restrict bias, double *restrict logits,
                                 size_t n) {
  double target = 1 / (double)n;
  for (size_t e = 0; e < n; e++) {
    double step = rate * (target - load[e]);
    bias[e] += step;
    logits[e] += step;
  }
}

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

/* Logits, with the largest of them, become probabilities: their entropy,
   log Σ e^z − Σ p z; NaN where one is -Inf. */
MOE_KERNEL double moe__soften_logits(const double *restrict z, double most,
                                     size_t n, double *restrict p) {
  double sum = moe__soften(z, n, most, p), mean = 0;
  for (size_t e = 0; e < n; e++) mean += p[e] * (z[e] - most);
  return moe__log_of(sum) - mean;
}

MOE_KERNEL void moe__follow_routing(moe_stream *st, const double *probs,
                                    double entropy, size_t n) {
  double part = entropy * st->entropy_unit;
  moe__follow_all(st->run.used, probs, st->share, n);
  moe__follow(&st->runs.cover, 1, st->share);
  moe__follow(&st->runs.entropy, part < 1 ? part : 1, 0.01);
}

#endif
