#include "line.h"

#include "line_kernels.h"

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
    moe__line_learn(l, s, weight, error);                                      \
  }                                                                            \
  TARGET static void answer_all_##NAME(                                        \
      const moe_line *lines, const int32_t *which, size_t n,                   \
      const moe_line_sample *s, double *out) {                                 \
    moe__lines_answer(lines, which, n, s, out);                                \
  }                                                                            \
  TARGET static void learn_all_##NAME(                                         \
      const moe_line *lines, const int32_t *which, size_t n,                   \
      const moe_line_sample *s, double y, const double *weights,               \
      const double *answers) {                                                 \
    moe__lines_learn(lines, which, n, s, y, weights, answers);                 \
  }                                                                            \
  static const kernels NAME = {learn_##NAME, answer_all_##NAME,                \
                               learn_all_##NAME};

MOE_COMPILE_QUAD_KERNELS

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
