#include "adam.h"

#include <math.h>

#include "instructions.h"

#define KERNEL static inline __attribute__((always_inline))

static const float LARGEST = 0x1p62f;

/* The rule in the numbers that a step needs: both corrections are in `length`
   and `epsilon`. */
typedef struct numbers {
  float old1, new1, old2, new2, length, epsilon, kept;
} numbers;

KERNEL void step(const numbers *c, const float *restrict g, size_t n,
                 float *restrict w, float *restrict m, float *restrict v) {
  const numbers q = *c;
  for (size_t k = 0; k < n; k++) {
    float below = g[k] > LARGEST ? LARGEST : g[k];
    float slope = below < -LARGEST ? -LARGEST : below;
    m[k] = q.old1 * m[k] + q.new1 * slope;
    v[k] = q.old2 * v[k] + q.new2 * (slope * slope);
    w[k] = q.kept * w[k] - q.length * m[k] / (sqrtf(v[k]) + q.epsilon);
  }
}

typedef struct kernels {
  void (*step)(const numbers *c, const float *g, size_t n, float *w, float *m,
               float *v);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                            \
  TARGET static void step_##NAME(const numbers *c, const float *g, size_t n, \
                                 float *w, float *m, float *v) {             \
    step(c, g, n, w, m, v);                                                  \
  }                                                                          \
  static const kernels NAME = {step_##NAME};

MOE_COMPILE_KERNELS

void moe_adam_step(const moe_adam *rule, int64_t t, const float *g, size_t n,
                   float *w, float *m, float *v) {
  double first = 1 - pow(rule->beta1, (double)t);
  double second = sqrt(1 - pow(rule->beta2, (double)t));
  numbers c = {.old1 = (float)rule->beta1,
               .new1 = (float)(1 - rule->beta1),
               .old2 = (float)rule->beta2,
               .new2 = (float)(1 - rule->beta2),
               .length = (float)(rule->lr * second / first),
               .epsilon = (float)(rule->epsilon * second),
               .kept = (float)(1 - rule->lr * rule->decay)};
  best()->step(&c, g, n, w, m, v);
}
