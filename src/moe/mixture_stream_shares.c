/* What the experts' answers to a sample are worth, and each one's share of it,
   for all experts at once and compiled for each instruction set. */
#include "mixture_stream.h"
#include "vector_kernels.h"

/* Shares below this are nothing. */
static const double LEAST = 1e-9;
static const double MOST = 1e300;

MOE_KERNEL double within(double x) { return x < MOST ? x : MOST; }

MOE_KERNEL void judge_one(double answer, double y, double precision,
                          double *loss, double *merit) {
  *loss = within((y - answer) * (y - answer));
  *merit = -0.5 * within(*loss * precision);
}

MOE_KERNEL void judge_all(const double *restrict answers, double y,
                          double precision, size_t n, double *restrict loss,
                          double *restrict merit) {
  for (size_t e = 0; e < n; e++)
    judge_one(answers[e], y, precision, loss + e, merit + e);
}

MOE_KERNEL void judge(const moe_step *t, double precision) {
  double y = *t->s->y;
  if (t->n_asked == t->n) {
    judge_all(t->answers, y, precision, t->n, t->loss, t->merit);
    return;
  }
  for (size_t i = 0; i < t->n_asked; i++) {
    int32_t e = t->asked[i];
    judge_one(t->answers[e], y, precision, t->loss + e, t->merit + e);
  }
}

/* p_e · exp(merit_e − top) of `length` experts, of which there are n. */
MOE_KERNEL void weigh(const double *merit, const double *p, double top,
                      size_t n, int length, double *out) {
  double lane[MOE_FOUR];
  for (int l = 0; l < length; l++) {
    double below = (size_t)l < n ? merit[l] - top : -INFINITY;
    lane[l] = moe__exp_of(below <= 0 ? below : -INFINITY);
  }
  for (int l = 0; l < length; l++)
    if ((size_t)l < n) out[l] = lane[l] * p[l];
}

MOE_KERNEL double find_largest(const double *x, size_t n) {
  double most = -INFINITY;
  for (size_t e = 0; e < n; e++) most = x[e] > most ? x[e] : most;
  return most;
}

MOE_KERNEL void share(const double *restrict merit, const double *restrict p,
                      double weight, size_t n, double *restrict out) {
  double top = find_largest(merit, n);
  size_t e = 0;
  for (; e + MOE_FOUR <= n; e += MOE_FOUR)
    weigh(merit + e, p + e, top, MOE_FOUR, MOE_FOUR, out + e);
  if (e < n) weigh(merit + e, p + e, top, n - e, MOE_FOUR, out + e);
  double most = find_largest(out, n);
  for (e = 0; e < n; e++) {
    double part = most > 0 ? out[e] / most : 1;
    out[e] = part > LEAST ? part * weight : 0;
  }
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

MOE_COMPILE_KERNELS

void moe__judge_numbers(const moe_step *t, double precision) {
  best()->judge(t, precision);
}

void moe__find_shares(const moe_step *t, double *shares) {
  best()->share(t->merit, t->probs, t->s->weight, t->n, shares);
}
