/* Rows of a few experts, each in one kernel. */
#include "route_kernels.h"

typedef struct kernels {
  size_t (*select)(const double *, size_t, size_t, int32_t *);
  void (*choose)(const double *, size_t, size_t, bool, int32_t *, double *);
  bool (*route)(const double *, size_t, size_t, bool, double *, int32_t *,
                double *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                            \
  TARGET static size_t select_##NAME(const double *keys, size_t n, size_t k, \
                                     int32_t *held) {                        \
    return moe__select_row(keys, n, k, held);                                \
  }                                                                          \
  TARGET static void choose_##NAME(const double *probs, size_t n, size_t k,  \
                                   bool renormalizes, int32_t *indices,      \
                                   double *weights) {                        \
    moe__choose_row(probs, probs, n, k, renormalizes, indices, weights);     \
  }                                                                          \
  TARGET static bool route_##NAME(const double *logits, size_t n, size_t k,  \
                                  bool renormalizes, double *probs,          \
                                  int32_t *indices, double *weights) {       \
    return moe__route_row(logits, n, k, renormalizes, probs, indices,        \
                          weights);                                          \
  }                                                                          \
  static const kernels NAME = {select_##NAME, choose_##NAME, route_##NAME};

MOE_COMPILE_QUAD_KERNELS

size_t moe__select_few(const double *keys, size_t n, size_t k, int32_t *held) {
  return best()->select(keys, n, k, held);
}

void moe__choose_few(const double *probs, size_t n, size_t k, bool renormalizes,
                     int32_t *indices, double *weights) {
  best()->choose(probs, n, k, renormalizes, indices, weights);
}

bool moe__route_few(const double *logits, size_t n, size_t k, bool renormalizes,
                    double *probs, int32_t *indices, double *weights) {
  return best()->route(logits, n, k, renormalizes, probs, indices, weights);
}
