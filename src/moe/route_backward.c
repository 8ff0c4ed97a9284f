/* The gradient of a row's weights and probabilities by its logits.  The
   selection itself is piecewise constant and has none. */
#include <string.h>

#include "route.h"

/* From the gradient by the scores to that by the logits, in place.  Where z is
   not allowed all scores and so all gradients are 0. */
static void through_scores(const moe_route_config *config, size_t experts,
                           const double *s, double *g) {
  double t = config->temperature, mean = 0;
  switch (moe__route_score(config)) {
    case MOE_SIGMOID:
      for (size_t e = 0; e < experts; e++) g[e] *= s[e] * (1 - s[e]) / t;
      break;
    case MOE_SQRT_SOFTPLUS: /* s² = ln(1 + e^z), so ds/dz = (1 − e^−s²) / 2s */
      for (size_t e = 0; e < experts; e++)
        g[e] *= s[e] > 0 ? -expm1(-s[e] * s[e]) / (2 * s[e]) / t : 0;
      break;
    default:
      for (size_t e = 0; e < experts; e++) mean += s[e] * g[e];
      for (size_t e = 0; e < experts; e++) g[e] = s[e] * (g[e] - mean) / t;
  }
}

/* The scores of what was selected, dropped selections included: what the
   weights were divided by. */
static double sum_selected(size_t width, const double *probs,
                           const int32_t *indices) {
  double sum = 0;
  for (size_t k = 0; k < width; k++)
    if (moe_selected(indices[k]) >= 0) sum += probs[moe_selected(indices[k])];
  return sum;
}

/* Σ w g over the selections that were kept. */
static double mean_gradient(size_t width, const int32_t *indices,
                            const double *weights, const double *by_weights) {
  double sum = 0;
  for (size_t k = 0; k < width; k++)
    if (indices[k] >= 0) sum += weights[k] * by_weights[k];
  return sum;
}

/* w_k = s_k, or s_k / Σ s. */
static void add_by_scores(const moe_route_config *config, size_t width,
                          const double *probs, const int32_t *indices,
                          const double *weights, const double *by_weights,
                          double *g) {
  bool divides = moe__route_renormalizes(config);
  double sum = divides ? sum_selected(width, probs, indices) : 1;
  double mean =
      divides ? mean_gradient(width, indices, weights, by_weights) : 0;
  for (size_t k = 0; sum > MOE__LEAST_SUM && k < width; k++)
    if (moe_selected(indices[k]) >= 0)
      g[moe_selected(indices[k])] +=
          ((indices[k] >= 0 ? by_weights[k] : 0) - mean) / sum;
}

/* Whether w is the softmax of the selected logits: softmax over all, divided by
   the sum of what was selected, is the same. */
static bool is_softmax_of_selected(const moe_route_config *config) {
  int score = moe__route_score(config);
  return score == MOE_SOFTMAX_SELECTED ||
         (score == MOE_SOFTMAX && moe__route_renormalizes(config));
}

static void add_by_selected(const moe_route_config *config, size_t width,
                            const double *probs, const int32_t *indices,
                            const double *weights, const double *by_weights,
                            double *g) {
  double sum = sum_selected(width, probs, indices);
  double mean = mean_gradient(width, indices, weights, by_weights);
  for (size_t k = 0; k < width; k++) {
    int32_t e = moe_selected(indices[k]);
    if (indices[k] >= 0)
      g[e] += weights[k] * (by_weights[k] - mean) / config->temperature;
    else if (e >= 0 && sum > MOE__LEAST_SUM)
      g[e] -= probs[e] / sum * mean / config->temperature;
  }
}

void moe_route_backward(const moe_route_config *config, size_t experts,
                        size_t width, const double *probs,
                        const int32_t *indices, const double *weights,
                        const double *by_weights, const double *by_probs,
                        double *by_logits) {
  bool selected = is_softmax_of_selected(config);
  memset(by_logits, 0, experts * sizeof *by_logits);
  if (config->router == MOE_HASH) return;
  if (by_probs != NULL)
    memcpy(by_logits, by_probs, experts * sizeof *by_logits);
  if (by_weights != NULL && !selected)
    add_by_scores(config, width, probs, indices, weights, by_weights,
                  by_logits);
  through_scores(config, experts, probs, by_logits);
  if (by_weights != NULL && selected)
    add_by_selected(config, width, probs, indices, weights, by_weights,
                    by_logits);
}
