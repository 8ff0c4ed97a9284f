/* What the experts' answers to a sample are worth, and each one's share of it,
   for all experts at once and compiled for each instruction set. */
#include "mixture_stream_kernels.h"

MOE_KERNEL void judge(const moe_step *t, double precision) {
  double y = *t->s->y;
  if (t->n_asked == t->n) {
    moe__judge_answers(t->answers, y, precision, t->n, t->loss, t->merit);
    return;
  }
  for (size_t i = 0; i < t->n_asked; i++) {
    int32_t e = t->asked[i];
    moe__judge_answers(t->answers + e, y, precision, 1, t->loss + e,
                       t->merit + e);
  }
}

/* Who was not asked has no merit, and no share. */
MOE_KERNEL void share(const double *restrict merit, const double *restrict p,
                      double weight, size_t n, double *restrict out) {
  double top = -INFINITY;
  for (size_t e = 0; e < n; e++) top = merit[e] > top ? merit[e] : top;
  for (size_t e = 0; e < n; e++) out[e] = merit[e] - top;
  moe__exp(out, n);
  moe__share_out(out, p, weight, n, out);
}

typedef struct kernels {
  void (*judge)(const moe_step *, double);
  void (*share)(const double *, const double *, double, size_t, double *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                         \
  TARGET static void judge_##NAME(const moe_step *t, double precision) {  \
    judge(t, precision);                                                  \
  }                                                                       \
  TARGET static void share_##NAME(const double *merit, const double *p,   \
                                  double weight, size_t n, double *out) { \
    share(merit, p, weight, n, out);                                      \
  }                                                                       \
  static const kernels NAME = {judge_##NAME, share_##NAME};

MOE_COMPILE_QUAD_KERNELS

void moe__judge_numbers(const moe_step *t, double precision) {
  best()->judge(t, precision);
}

void moe__find_shares(const moe_step *t, double *shares) {
  best()->share(t->merit, t->probs, t->s->weight, t->n, shares);
}
