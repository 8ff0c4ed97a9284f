/* Rows of a few experts: softmax, the places of the scores among themselves,
   and the weights of the best.  An expert's place is the number of those that
   come before it, which takes no branch that a row could turn another way. */
#ifndef MOE_ROUTE_KERNELS_H
#define MOE_ROUTE_KERNELS_H

#include "route.h"
#include "vector_kernels.h"

typedef int64_t moe_places __attribute__((vector_size(sizeof(moe_quad))));

/* How many of `length` come before each of the four keys from `first` on, with
   a minus: those that are higher, and equal ones of a lower index. */
MOE_KERNEL void moe__count_before(const double *keys, int length, int first,
                                  moe_places *out) {
  const moe_quad own = MOE_QUAD(keys + first);
  const moe_places index = (moe_places){0, 1, 2, 3} + first;
  moe_places before = {0};
#pragma GCC unroll 8
  for (int i = 0; i < length; i++) {
    const double key = keys[i];
    const moe_quad other = {key, key, key, key};
    before +=
        (moe_places)(other > own) | ((moe_places)(other == own) & (index > i));
  }
  *out = before;
}

/* What is -Inf or NaN is never chosen. */
MOE_KERNEL void moe__find_countable(const double *keys, moe_places *out) {
  *out = (moe_places)(MOE_QUAD(keys) > -INFINITY);
}

/* The experts in the order of their places; -1 where there is none.  Who is in
   none is put beyond all. */
MOE_KERNEL void moe__order_run(const double *keys, size_t n, int length,
                               int32_t *order) {
  moe_places place[MOE_LANES / MOE_FOUR], before, countable;
  for (int i = 0; i < length; i += MOE_FOUR) {
    moe__count_before(keys, length, i, &before);
    moe__find_countable(keys + i, &countable);
    place[i / MOE_FOUR] = -before | (~countable & MOE_LANES);
  }
  for (int i = 0; i < MOE_LANES; i++) order[i] = -1;
  for (size_t i = 0; i < n; i++)
    order[place[i / MOE_FOUR][i % MOE_FOUR]] = (int32_t)i;
}

MOE_KERNEL void moe__order_few(const double *keys, size_t n, int32_t *order) {
  double x[MOE_LANES];
  if (n == MOE_FOUR) {
    moe__order_run(keys, MOE_FOUR, MOE_FOUR, order);
    return;
  }
  for (size_t i = 0; i < MOE_LANES; i++) x[i] = i < n ? keys[i] : -INFINITY;
  moe__order_run(x, n, MOE_LANES, order);
}

MOE_KERNEL size_t moe__select_row(const double *keys, size_t n, size_t k,
                                  int32_t *held) {
  int32_t order[2 * MOE_LANES];
  size_t count = 0;
  moe__order_few(keys, n, order);
  for (size_t i = 0; i < k; i++) {
    held[i] = order[i];
    count += order[i] >= 0;
  }
  return count;
}

/* Of probabilities that all are 0. */
static MOE_RARE void moe__even_out(const int32_t *indices, size_t k,
                                   double *weights) {
  double n = 0;
  for (size_t i = 0; i < k; i++) n += indices[i] >= 0;
  for (size_t i = 0; i < k; i++) weights[i] = indices[i] >= 0 ? 1 / n : 0;
}

MOE_KERNEL void moe__weigh_row(const double *probs, const int32_t *order,
                               size_t k, bool renormalizes, int32_t *indices,
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
    moe__even_out(indices, k, weights);
}

MOE_KERNEL void moe__choose_row(const double *keys, const double *probs,
                                size_t n, size_t k, bool renormalizes,
                                int32_t *indices, double *weights) {
  int32_t order[2 * MOE_LANES];
  moe__order_few(keys, n, order);
  if (k == 1)
    moe__weigh_row(probs, order, 1, renormalizes, indices, weights);
  else if (k == 2)
    moe__weigh_row(probs, order, 2, renormalizes, indices, weights);
  else
    moe__weigh_row(probs, order, k, renormalizes, indices, weights);
}

MOE_KERNEL bool moe__route_row(const double *restrict logits, size_t n,
                               size_t k, bool renormalizes,
                               double *restrict probs, int32_t *indices,
                               double *weights) {
  if (!moe__softmax_few(logits, n, probs)) return false;
  moe__choose_row(logits, probs, n, k, renormalizes, indices, weights);
  return true;
}

/* ----------------------------------------------------------- two of four
   The sum of two has the same bits whichever comes first: so the two that are
   chosen need no order, and stay where they are among the four. */

/* Those before whom there are none or one, 0 or −1 above −2; nothing is above
   0 of what is not countable. */
MOE_KERNEL void moe__choose_two(const double *keys, moe_mask *chosen) {
  moe_places before, countable;
  moe__count_before(keys, MOE_FOUR, 0, &before);
  moe__find_countable(keys, &countable);
  *chosen = (moe_mask)(before > countable << 1);
}

/* moe_quad_sum, in each of the four. */
MOE_KERNEL void moe__sum_across(const moe_quad *x, moe_quad *out) {
  const moe_quad a = *x, b = a + (moe_quad){a[2], a[3], a[0], a[1]};
  *out = b + (moe_quad){b[1], b[0], b[3], b[2]};
}

/* The weights of moe__weigh_row, and 0 of the others. */
MOE_KERNEL void moe__weigh_two(const double *probs, const moe_mask *chosen,
                               bool renormalizes, moe_quad *weights) {
  const moe_quad none = {0};
  moe_quad sum, own = MOE_WHERE(*chosen, MOE_QUAD(probs), none);
  *weights = own;
  if (!renormalizes) return;
  moe__sum_across(&own, &sum);
  if (!(sum[0] > sum[0] - sum[0])) { /* 0 of what is finite, or NaN */
    own = MOE_WHERE(*chosen, none + 1, none);
    moe__sum_across(&own, &sum);
  }
  *weights = own / sum;
}

#endif
