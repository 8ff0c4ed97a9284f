#include "route.h"

#include <math.h>
#include <string.h>

const char *const moe_score_choices[] = {"softmax", "sigmoid",
                                         "softmax_selected", NULL};

size_t moe_route_width(const moe_route_config *config, size_t experts) {
  if (config->top_k == MOE_NO_INT || (size_t)config->top_k > experts)
    return experts;
  return (size_t)config->top_k;
}

/* exp(z_i − max z) / sum over the n logits; never NaN for finite logits. */
#define DEFINE_ROW_KERNEL(NAME, T, EXP)                                      \
  static void NAME##_softmax(size_t n, const T *z, T temperature, T *out) {  \
    T top = z[0], sum = 0;                                                   \
    for (size_t i = 1; i < n; i++)                                           \
      if (z[i] > top) top = z[i];                                            \
    for (size_t i = 0; i < n; i++)                                           \
      sum += out[i] = EXP((z[i] - top) / temperature);                       \
    for (size_t i = 0; i < n; i++) out[i] /= sum;                            \
  }                                                                          \
                                                                             \
  static void NAME##_scores(const moe_route_config *c, size_t n, const T *z, \
                            T *out) {                                        \
    T temperature = (T)c->temperature;                                       \
    if (c->score != MOE_SIGMOID) {                                           \
      NAME##_softmax(n, z, temperature, out);                                \
      return;                                                                \
    }                                                                        \
    for (size_t i = 0; i < n; i++)                                           \
      out[i] = 1 / (1 + EXP(-z[i] / temperature));                           \
  }                                                                          \
                                                                             \
  /* The k best of scores + bias by insertion: k is small, and a later equal \
     never passes an earlier one. */                                         \
  static void NAME##_top(size_t n, size_t k, const T *scores, const T *bias, \
                         int32_t *indices, T *keys) {                        \
    size_t held = 0;                                                         \
    for (size_t i = 0; i < n; i++) {                                         \
      T key = scores[i] + (bias != NULL ? bias[i] : 0);                      \
      size_t at = held < k ? held++ : k;                                     \
      if (at == k && !(key > keys[k - 1])) continue;                         \
      if (at == k) at = k - 1;                                               \
      for (; at > 0 && key > keys[at - 1]; at--) {                           \
        keys[at] = keys[at - 1];                                             \
        indices[at] = indices[at - 1];                                       \
      }                                                                      \
      keys[at] = key;                                                        \
      indices[at] = (int32_t)i;                                              \
    }                                                                        \
  }                                                                          \
                                                                             \
  /* Keeps the fewest of the k selected whose scores reach the threshold. */ \
  static size_t NAME##_cut(const moe_route_config *c, size_t k,              \
                           const T *probs, const int32_t *indices) {         \
    T sum = 0, enough = (T)c->threshold;                                     \
    if (isnan(c->threshold)) return k;                                       \
    for (size_t i = 0; i < k; i++)                                           \
      if ((sum += probs[indices[i]]) >= enough) return i + 1;                \
    return k;                                                                \
  }                                                                          \
                                                                             \
  static void NAME##_weigh(const moe_route_config *c, size_t n,              \
                           const T *logits, const T *probs,                  \
                           const int32_t *indices, T *weights) {             \
    T sum = 0;                                                               \
    for (size_t i = 0; i < n; i++) {                                         \
      weights[i] = c->score == MOE_SOFTMAX_SELECTED ? logits[indices[i]]     \
                                                    : probs[indices[i]];     \
      sum += weights[i];                                                     \
    }                                                                        \
    if (c->score == MOE_SOFTMAX_SELECTED)                                    \
      NAME##_softmax(n, weights, (T)c->temperature, weights);                \
    else if (c->renormalize)                                                 \
      for (size_t i = 0; i < n; i++)                                         \
        weights[i] = sum > 0 ? weights[i] / sum : 1 / (T)n;                  \
  }                                                                          \
                                                                             \
  void NAME(const moe_route_config *c, size_t experts, const T *logits,      \
            const T *bias, T *probs, int32_t *indices, T *weights) {         \
    size_t width = moe_route_width(c, experts), n;                           \
    NAME##_scores(c, experts, logits, probs);                                \
    NAME##_top(experts, width, probs, bias, indices, weights);               \
    n = NAME##_cut(c, width, probs, indices);                                \
    NAME##_weigh(c, n, logits, probs, indices, weights);                     \
    for (size_t i = n; i < width; i++) {                                     \
      indices[i] = -1;                                                       \
      weights[i] = 0;                                                        \
    }                                                                        \
  }
DEFINE_ROW_KERNEL(moe_route_row, double, exp)
DEFINE_ROW_KERNEL(moe_route_row_float, float, expf)

size_t moe_routing_rows(const moe_routing *r, size_t e, int32_t *rows,
                        double *weights) {
  size_t n = 0;
  for (size_t i = 0; i < r->n; i++)
    for (size_t k = 0; k < r->width; k++)
      if (r->indices[i * r->width + k] == (int32_t)e) {
        rows[n] = (int32_t)i;
        weights[n++] = r->weights[i * r->width + k];
      }
  return n;
}

/* Standard deviation of the population over the mean; 0 of nothing. */
static double variation(const double *x, size_t n) {
  double mean = 0, square = 0;
  for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
  for (size_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
  return mean > 0 ? sqrt(square / (double)n) / mean : 0;
}

static double normal_entropy(const double *p, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    if (p[i] > 0) sum -= p[i] * log(p[i]);
  return n > 1 ? sum / log((double)n) : 0;
}

static void divide(double *x, size_t n, double by) {
  for (size_t i = 0; by > 0 && i < n; i++) x[i] /= by;
}

void moe_routing_balance(const moe_routing *r, moe_balance *out) {
  size_t n = r->experts;
  double chosen = 0, mass = 0, largest = 0;
  memset(out->load, 0, n * sizeof *out->load);
  memset(out->importance, 0, n * sizeof *out->importance);
  out->rows = r->n;
  out->confidence = 0;
  for (size_t i = 0; i < r->n * r->width; i++)
    if (r->indices[i] >= 0) {
      out->load[r->indices[i]]++;
      chosen++;
    }
  for (size_t i = 0; i < r->n; i++) {
    const double *p = r->probs + i * n;
    double best = 0;
    for (size_t e = 0; e < n; e++) {
      out->importance[e] += p[e];
      mass += p[e];
      best = p[e] > best ? p[e] : best;
    }
    out->confidence += best / (double)r->n;
  }
  divide(out->load, n, chosen);
  divide(out->importance, n, mass);
  for (size_t e = 0; e < n; e++)
    largest = out->load[e] > largest ? out->load[e] : largest;
  out->cv_load = variation(out->load, n);
  out->cv_importance = variation(out->importance, n);
  out->maxvio = chosen > 0 ? largest * (double)n - 1 : 0;
  out->entropy = normal_entropy(out->importance, n);
}
