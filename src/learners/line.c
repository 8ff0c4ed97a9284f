#include "line.h"

#include "vector_kernels.h"

/* Squares of what is within these limits are finite. */
static const double FARTHEST_SQUARED = 1e300;

MOE_KERNEL double answer(const moe_line *l, const moe_line_sample *s) {
  double z = moe__dot(l->weights, s->x, s->d) * *l->left + *l->bias;
  if (z - z != 0) moe__limit(&z, 1);
  return z;
}

MOE_KERNEL double find_length(const moe_line *l, double weight, double norm) {
  double free = l->lr * weight;
  return l->implicit ? 1 / (1 / free + (1 + norm)) : free;
}

/* A step that would not be finite is not taken. */
MOE_KERNEL void learn(const moe_line *l, const moe_line_sample *s,
                      double weight, double error) {
  double change = -find_length(l, weight, s->norm) * error, left = *l->left;
  ++*l->rows;
  if (!(change * change * (1 + s->norm) < FARTHEST_SQUARED)) return;
  if (l->intercept) *l->bias += change;
  moe__axpy(left == 1 ? change : change / left, s->x, l->weights, s->d);
}

/* As moe__learn_one counts a sample. */
MOE_KERNEL void count(const moe_line *l, const moe_line_sample *s) {
  ++*l->n_seen;
  if (l->mean != NULL) moe__average(s->x, 1 / ++*l->counted, l->mean, s->d);
}

MOE_KERNEL void answer_all(const moe_line *lines, const int32_t *which,
                           size_t n, const moe_line_sample *s, double *out) {
  for (const int32_t *e = which, *end = which + n; e < end; e++)
    out[*e] = answer(&lines[*e], s);
}

MOE_KERNEL void learn_all(const moe_line *lines, const int32_t *which, size_t n,
                          const moe_line_sample *s, double y,
                          const double *weights, const double *answers) {
  for (const int32_t *e = which, *end = which + n; e < end; e++) {
    if (!(weights[*e] > 0)) continue;
    learn(&lines[*e], s, weights[*e], answers[*e] - y);
    count(&lines[*e], s);
  }
}

typedef struct kernels {
  void (*learn)(const moe_line *, const moe_line_sample *, double, double);
  void (*answer_all)(const moe_line *, const int32_t *, size_t,
                     const moe_line_sample *, double *);
  void (*learn_all)(const moe_line *, const int32_t *, size_t,
                    const moe_line_sample *, double, const double *,
                    const double *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                              \
  TARGET static void learn_##NAME(const moe_line *l, const moe_line_sample *s, \
                                  double weight, double error) {               \
    learn(l, s, weight, error);                                                \
  }                                                                            \
  TARGET static void answer_all_##NAME(                                        \
      const moe_line *lines, const int32_t *which, size_t n,                   \
      const moe_line_sample *s, double *out) {                                 \
    answer_all(lines, which, n, s, out);                                       \
  }                                                                            \
  TARGET static void learn_all_##NAME(                                         \
      const moe_line *lines, const int32_t *which, size_t n,                   \
      const moe_line_sample *s, double y, const double *weights,               \
      const double *answers) {                                                 \
    learn_all(lines, which, n, s, y, weights, answers);                        \
  }                                                                            \
  static const kernels NAME = {learn_##NAME, answer_all_##NAME,                \
                               learn_all_##NAME};

MOE_COMPILE_KERNELS

void moe_line_learn(const moe_line *l, const moe_line_sample *s, double weight,
                    double error) {
  best()->learn(l, s, weight, error);
}

void moe_lines_answer(const moe_line *lines, const int32_t *which, size_t n,
                      const moe_line_sample *s, double *out) {
  best()->answer_all(lines, which, n, s, out);
}

void moe_lines_learn(const moe_line *lines, const int32_t *which, size_t n,
                     const moe_line_sample *s, double y, const double *weights,
                     const double *answers) {
  best()->learn_all(lines, which, n, s, y, weights, answers);
}
