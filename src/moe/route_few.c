/* Rows of a few experts, each in one kernel: softmax, the places of the scores
   among themselves, and the weights of the best.  An expert's place is the
   number of those that come before it, which takes no branch that a row could
   turn another way. */
#include "instructions.h"
#include "route.h"
#include "vector_kernels.h"

typedef int64_t places __attribute__((vector_size(sizeof(moe_quad))));

/* The places of the four keys from `first` on, among all `length`: highest
   first, equal ones by index.  What is -Inf or NaN is in none, but beyond all.
 */
MOE_KERNEL void find_places(const double *keys, int length, int first,
                            places *out) {
  const moe_quad own = MOE_QUAD(keys + first);
  const places index = (places){0, 1, 2, 3} + first,
               beyond = (places){0} + MOE_LANES;
  places place = {0};
#pragma GCC unroll 8
  for (int i = 0; i < length; i++) {
    const double key = keys[i];
    const moe_quad other = {key, key, key, key};
    place -= (places)(other > own) | ((places)(other == own) & (index > i));
  }
  const places counts = (places)(own > -INFINITY);
  *out = (place & counts) | (beyond & ~counts);
}

/* The experts in the order of their places; -1 where there is none. */
MOE_KERNEL void order_run(const double *keys, size_t n, int length,
                          int32_t *order) {
  places place[MOE_LANES / MOE_FOUR];
  for (int i = 0; i < length; i += MOE_FOUR)
    find_places(keys, length, i, &place[i / MOE_FOUR]);
  for (int i = 0; i <= MOE_LANES; i++) order[i] = -1;
  for (size_t i = 0; i < n; i++)
    order[place[i / MOE_FOUR][i % MOE_FOUR]] = (int32_t)i;
}

MOE_KERNEL void order_few(const double *keys, size_t n, int32_t *order) {
  double x[MOE_LANES];
  if (n == MOE_FOUR) {
    order_run(keys, MOE_FOUR, MOE_FOUR, order);
    return;
  }
  for (size_t i = 0; i < MOE_LANES; i++) x[i] = i < n ? keys[i] : -INFINITY;
  order_run(x, n, n < MOE_FOUR ? MOE_FOUR : MOE_LANES, order);
}

MOE_KERNEL size_t select_few(const double *keys, size_t n, size_t k,
                             int32_t *held) {
  int32_t order[MOE_LANES + 1];
  size_t count = 0;
  order_few(keys, n, order);
  for (size_t i = 0; i < k; i++) {
    held[i] = order[i];
    count += order[i] >= 0;
  }
  return count;
}

/* Of probabilities that all are 0. */
static MOE_RARE void even_out(const int32_t *indices, size_t k,
                              double *weights) {
  double n = 0;
  for (size_t i = 0; i < k; i++) n += indices[i] >= 0;
  for (size_t i = 0; i < k; i++) weights[i] = indices[i] >= 0 ? 1 / n : 0;
}

MOE_KERNEL void weigh_few(const double *probs, const int32_t *order, size_t k,
                          bool renormalizes, int32_t *indices,
                          double *weights) {
  double sum = 0;
  for (size_t i = 0; i < k; i++) {
    indices[i] = order[i];
    weights[i] = order[i] < 0 ? 0 : probs[order[i]];
    sum += weights[i];
  }
  if (!renormalizes) return;
  if (sum > 0 && sum < INFINITY)
    for (size_t i = 0; i < k; i++) weights[i] /= sum;
  else
    even_out(indices, k, weights);
}

MOE_KERNEL void choose_few(const double *keys, const double *probs, size_t n,
                           size_t k, bool renormalizes, int32_t *indices,
                           double *weights) {
  int32_t order[MOE_LANES + 1];
  order_few(keys, n, order);
  if (k == 1)
    weigh_few(probs, order, 1, renormalizes, indices, weights);
  else if (k == 2)
    weigh_few(probs, order, 2, renormalizes, indices, weights);
  else
    weigh_few(probs, order, k, renormalizes, indices, weights);
}

MOE_KERNEL bool route_few(const double *restrict logits, size_t n, size_t k,
                          bool renormalizes, double *restrict probs,
                          int32_t *indices, double *weights) {
  for (size_t i = 0; i < n; i++) probs[i] = logits[i];
  if (!moe__softmax_row(probs, n)) return false;
  choose_few(logits, probs, n, k, renormalizes, indices, weights);
  return true;
}

typedef struct kernels {
  size_t (*select)(const double *, size_t, size_t, int32_t *);
  void (*choose)(const double *, size_t, size_t, bool, int32_t *, double *);
  bool (*route)(const double *, size_t, size_t, bool, double *, int32_t *,
                double *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                            \
  TARGET static size_t select_##NAME(const double *keys, size_t n, size_t k, \
                                     int32_t *held) {                        \
    return select_few(keys, n, k, held);                                     \
  }                                                                          \
  TARGET static void choose_##NAME(const double *probs, size_t n, size_t k,  \
                                   bool renormalizes, int32_t *indices,      \
                                   double *weights) {                        \
    choose_few(probs, probs, n, k, renormalizes, indices, weights);          \
  }                                                                          \
  TARGET static bool route_##NAME(const double *logits, size_t n, size_t k,  \
                                  bool renormalizes, double *probs,          \
                                  int32_t *indices, double *weights) {       \
    return route_few(logits, n, k, renormalizes, probs, indices, weights);   \
  }                                                                          \
  static const kernels NAME = {select_##NAME, choose_##NAME, route_##NAME};

MOE_COMPILE_KERNELS

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
