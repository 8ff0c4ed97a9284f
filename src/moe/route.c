/* One row: scores, the best of them, and their weights. */
#include "route.h"

#include <string.h>

#include "vector.h"

size_t moe_route_width(const moe_route_config *config, size_t experts) {
  if (config->router == MOE_SWITCH) return 1;
  if (config->router == MOE_SOFT || config->router == MOE_EXPERT_CHOICE)
    return experts;
  if (config->top_k == MOE_NO_INT || (size_t)config->top_k > experts)
    return experts;
  return (size_t)config->top_k;
}

/* ------------------------------------------------------------------- scores
 */

/* exp((z_i − max z) / t) over their sum: never NaN for logits below +Inf. */
static void softmax(size_t n, double t, double *z) {
  if (t == 1) {
    moe_softmax(z, 1, n);
    return;
  }
  double top = -INFINITY;
  for (size_t i = 0; i < n; i++) top = z[i] > top ? z[i] : top;
  for (size_t i = 0; i < n; i++) z[i] = top > -INFINITY ? z[i] - top : 0;
  for (size_t i = 0; i < n; i++) z[i] /= t;
  moe_exp(z, n);
  moe_normalise(z, 1, n);
}

static void sigmoid(size_t n, double t, const double *z, double *out) {
  for (size_t i = 0; i < n; i++) out[i] = fmin(-z[i] / t, 709);
  moe_exp(out, n);
  for (size_t i = 0; i < n; i++)
    out[i] = z[i] > -INFINITY ? 1 / (1 + out[i]) : 0;
}

/* √ln(1 + e^z), which is e^(z/2) to the last bit where z is low, and bounded
   far below where sums of it could overflow. */
static void sqrt_softplus(size_t n, double t, const double *z, double *out) {
  for (size_t i = 0; i < n; i++) {
    double x = fmin(z[i] / t, 1e70);
    out[i] = x < -40 ? exp(x / 2) : sqrt(fmax(x, 0) + log1p(exp(-fabs(x))));
  }
}

void moe__route_scores(const moe_route_config *config, size_t experts,
                       const double *logits, double *probs) {
  double t = config->temperature;
  switch (moe__route_score(config)) {
    case MOE_SIGMOID: sigmoid(experts, t, logits, probs); break;
    case MOE_SQRT_SOFTPLUS: sqrt_softplus(experts, t, logits, probs); break;
    default:
      memcpy(probs, logits, experts * sizeof *probs);
      softmax(experts, t, probs);
  }
}

/* ---------------------------------------------------------------- selection
 */

/* What is compared.  A key is a score and its bias; -Inf is no candidate. */
typedef struct candidates {
  const double *keys;
  size_t stride;
  const double *bias;          /* or NULL */
  const double *logits;        /* or NULL; -Inf: not allowed */
  const unsigned char *closed; /* or NULL */
} candidates;

static double key_of(const candidates *c, size_t i) {
  if (c->closed != NULL && c->closed[i]) return -INFINITY;
  if (c->logits != NULL && c->logits[i] == -INFINITY) return -INFINITY;
  return c->keys[i * c->stride] + (c->bias != NULL ? c->bias[i] : 0);
}

enum { FEW = 16 };

/* The best so far: a few are kept in order with their keys beside them, more in
   a heap with the worst at its root, which is sorted in the end. */
typedef struct best {
  candidates c;
  size_t k, n;
  int32_t *held;
  double floor; /* of the worst once k are held, else -Inf */
  double keys[FEW];
} best;

static void insert(best *b, size_t i, double key) {
  int32_t *held = b->held;
  size_t at = b->n;
  while (at > 0 && (key > b->keys[at - 1] ||
                    (key == b->keys[at - 1] && (int32_t)i < held[at - 1])))
    at--;
  if (at == b->k) return;
  if (b->n < b->k) b->n++;
  for (size_t to = b->n - 1; to > at; to--) {
    b->keys[to] = b->keys[to - 1];
    held[to] = held[to - 1];
  }
  b->keys[at] = key;
  held[at] = (int32_t)i;
  if (b->n == b->k) b->floor = b->keys[b->k - 1];
}

static bool is_worse(const best *b, int32_t one, int32_t other) {
  double x = key_of(&b->c, (size_t)one), y = key_of(&b->c, (size_t)other);
  return x < y || (x == y && one > other);
}

static void swap(int32_t *a, int32_t *b) {
  int32_t kept = *a;
  *a = *b;
  *b = kept;
}

static void sink(const best *b, size_t at, size_t n) {
  int32_t *held = b->held;
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && is_worse(b, held[child + 1], held[child])) child++;
    if (!is_worse(b, held[child], held[at])) return;
    swap(&held[child], &held[at]);
  }
}

static void make_heap(const best *b) {
  for (size_t at = b->n / 2; at-- > 0;) sink(b, at, b->n);
}

static void heap(best *b, size_t i) {
  if (b->n < b->k) {
    b->held[b->n++] = (int32_t)i;
    if (b->n < b->k) return;
    make_heap(b);
  } else if (is_worse(b, b->held[0], (int32_t)i)) {
    b->held[0] = (int32_t)i;
    sink(b, 0, b->n);
  }
  b->floor = key_of(&b->c, (size_t)b->held[0]);
}

enum { BLOCK = 8 };

static bool any_above(const double *keys, size_t n, double floor) {
  int any = 0;
  for (size_t i = 0; i < n; i++) any |= keys[i] > floor;
  return any;
}

/* Most keys are below the worst that is held: where they lie bare in a row,
   blocks of them are passed over at once.  (An equal one that comes later is
   worse.) */
static void offer(best *b, size_t first, size_t end) {
  const candidates c = b->c;
  bool bare = c.stride == 1 && c.bias == NULL && c.closed == NULL &&
              (c.logits == NULL || c.logits == c.keys);
  for (size_t at = first; at < end; at += BLOCK) {
    size_t stop = end - at < BLOCK ? end : at + BLOCK;
    if (bare && !any_above(c.keys + at, stop - at, b->floor)) continue;
    for (size_t i = at; i < stop; i++) {
      double key = bare ? c.keys[i] : key_of(&c, i);
      if (key < b->floor || key == -INFINITY) continue;
      if (b->k <= FEW)
        insert(b, i, key);
      else
        heap(b, i);
    }
  }
}

static size_t sort(best *b) {
  if (b->k <= FEW) return b->n;
  if (b->n < b->k) make_heap(b);
  for (size_t end = b->n; end-- > 1;) {
    swap(&b->held[0], &b->held[end]);
    sink(b, 0, end);
  }
  return b->n;
}

size_t moe_top(const double *keys, size_t stride, size_t n, size_t k,
               int32_t *held) {
  best b = {.c = {.keys = keys, .stride = stride},
            .k = k,
            .held = held,
            .floor = -INFINITY};
  if (k == 0) return 0;
  offer(&b, 0, n);
  return sort(&b);
}

/* A group is worth the sum of its two best keys, and -Inf without a candidate,
   so that a group that lost can never win by a bias below 0. */
static void score_groups(const candidates *c, size_t groups, size_t size,
                         double *scores) {
  for (size_t g = 0; g < groups; g++) {
    double first = -INFINITY, second = -INFINITY;
    for (size_t i = g * size; i < (g + 1) * size; i++) {
      double key = key_of(c, i);
      if (key > first) {
        second = first;
        first = key;
      } else if (key > second) {
        second = key;
      }
    }
    scores[g] = second > -INFINITY ? first + second : first;
  }
}

/* The experts of a row's best groups (DeepSeek-V3, arXiv 2412.19437, 2.1.2). */
static void offer_groups(best *b, size_t groups, size_t kept, size_t experts) {
  candidates all = b->c;
  double scores[MOE_MAX_GROUPS];
  int32_t held[MOE_MAX_GROUPS];
  size_t size = experts / groups, n;
  all.closed = NULL; /* who is full does not change where a row belongs */
  score_groups(&all, groups, size, scores);
  n = moe_top(scores, 1, groups, kept, held);
  for (size_t g = 0; g < n; g++)
    offer(b, (size_t)held[g] * size, ((size_t)held[g] + 1) * size);
}

/* The same of bare keys that are not many, where there is nothing to pass over.
 */
static size_t select_bare(const double *keys, size_t experts, size_t k,
                          int32_t *held) {
  double floor = -INFINITY;
  size_t n = 0;
  if (experts <= MOE_FEW_EXPERTS)
    return moe__select_few(keys, experts, k, held);
  for (size_t i = 0; i < experts; i++) {
    double key = keys[i];
    if (!(key > floor)) continue;
    size_t at = n < k ? n++ : n - 1;
    for (; at > 0 && key > keys[held[at - 1]]; at--) held[at] = held[at - 1];
    held[at] = (int32_t)i;
    if (n == k) floor = keys[held[k - 1]];
  }
  return n;
}

static MOE_RARE size_t select_among(const candidates *all, size_t experts,
                                    size_t k, int32_t *held) {
  double keys[FEW];
  best b = {.c = *all, .k = k, .held = held, .floor = -INFINITY};
  if (k > 0 && experts <= FEW) {
    for (size_t i = 0; i < experts; i++) keys[i] = key_of(all, i);
    return select_bare(keys, experts, k, held);
  }
  offer(&b, 0, experts);
  return sort(&b);
}

static MOE_RARE size_t select_in_groups(const moe_route_config *config,
                                        const candidates *all, size_t experts,
                                        size_t k, int32_t *held) {
  best b = {.c = *all, .k = k, .held = held, .floor = -INFINITY};
  offer_groups(&b, (size_t)config->groups, (size_t)config->top_groups, experts);
  return sort(&b);
}

/* Without a bias the logits are compared: they keep apart what the scores,
   once they saturate, do not. */
size_t moe__route_select(const moe_route_config *config, size_t experts,
                         size_t k, const double *logits, const double *bias,
                         const double *probs, const unsigned char *closed,
                         int32_t *indices) {
  bool grouped = moe__route_is_grouped(config);
  if (bias == NULL && closed == NULL && !grouped && k > 0 && experts <= FEW)
    return select_bare(logits, experts, k, indices);
  const candidates all = {.keys = bias != NULL || grouped ? probs : logits,
                          .stride = 1,
                          .bias = bias,
                          .logits = logits,
                          .closed = closed};
  return grouped ? select_in_groups(config, &all, experts, k, indices)
                 : select_among(&all, experts, k, indices);
}

/* ------------------------------------------------------------------ weights
 */

/* Keeps the fewest of the k selected whose scores reach the threshold. */
static size_t cut(const moe_route_config *config, size_t k, const double *probs,
                  const int32_t *indices) {
  double sum = 0;
  if (!(config->threshold > 0)) return k;
  for (size_t i = 0; i < k; i++)
    if ((sum += probs[indices[i]]) >= config->threshold) return i + 1;
  return k;
}

void moe__route_weigh(const moe_route_config *config, size_t n,
                      const double *logits, const double *probs,
                      const int32_t *indices, double *weights) {
  bool selected = moe__route_score(config) == MOE_SOFTMAX_SELECTED;
  const double *from = selected ? logits : probs;
  for (size_t i = 0; i < n; i++) weights[i] = from[indices[i]];
  if (selected)
    softmax(n, config->temperature, weights);
  else if (moe__route_renormalizes(config))
    moe_normalise(weights, 1, n);
}

/* Selects and weighs, once there are scores. */
static void choose(const moe_route_config *config, size_t experts,
                   const double *logits, const double *bias,
                   const double *probs, const unsigned char *closed,
                   int32_t *indices, double *weights) {
  size_t width = moe_route_width(config, experts);
  size_t n = moe__route_select(config, experts, width, logits, bias, probs,
                               closed, indices);
  n = cut(config, n, probs, indices);
  moe__route_weigh(config, n, logits, probs, indices, weights);
  for (; n < width; n++) {
    indices[n] = -1;
    weights[n] = 0;
  }
}

void moe_route_probs(const moe_route_config *config, size_t experts,
                     const double *probs, const double *bias,
                     const unsigned char *closed, int32_t *indices,
                     double *weights) {
  if (bias == NULL && closed == NULL && moe__route_is_few(config, experts))
    moe__choose_few(probs, experts, moe_route_width(config, experts),
                    moe__route_renormalizes(config), indices, weights);
  else
    choose(config, experts, probs, bias, probs, closed, indices, weights);
}

void moe_route_row(const moe_route_config *config, size_t experts,
                   const double *logits, const double *bias, double *probs,
                   int32_t *indices, double *weights) {
  if (bias == NULL && moe__route_is_few(config, experts) &&
      moe__route_few(logits, experts, moe_route_width(config, experts),
                     moe__route_renormalizes(config), probs, indices, weights))
    return;
  moe__route_scores(config, experts, logits, probs);
  choose(config, experts, logits, bias, probs, NULL, indices, weights);
}

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
