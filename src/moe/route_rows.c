/* Many rows: what is done to logits before they are compared, the routers that
   do not compare them row by row, and the loop. */
#include <float.h>
#include <string.h>

#include "route.h"
#include "threads.h"

/* -------------------------------------------------------------- preparation
 */

static bool is_noisy(const moe_route_config *config,
                     const moe_route_input *in) {
  return in->training && (in->noise != NULL || config->noise > 0);
}

static bool is_jittered(const moe_route_config *config,
                        const moe_route_input *in) {
  return in->training && config->jitter > 0;
}

static void seed_row(const moe_route_input *in, size_t i, moe_random *random) {
  moe_random_seed(random, moe_seed_at(in->seed, i));
}

static double deviation(const moe_route_config *config,
                        const moe_route_input *in, size_t i, size_t e) {
  double own = in->noise != NULL ? in->noise[i * in->experts + e] : 0;
  return own + config->noise;
}

/* The next factor and deviate of a row's generator; 1 and 0 where off. */
static void draw(const moe_route_config *config, const moe_route_input *in,
                 moe_random *random, double *factor, double *deviate) {
  *factor = 1;
  *deviate = 0;
  if (is_jittered(config, in))
    *factor += config->jitter * (2 * moe_random_unit(random) - 1);
  if (is_noisy(config, in)) *deviate = moe_random_normal(random);
}

/* z · U(1 ± jitter) + N(0, σ²): proportional to the logit, and not. */
static void disturb(const moe_route_config *config, const moe_route_input *in,
                    size_t i, moe_random *random, double *z) {
  double factor, deviate;
  for (size_t e = 0; e < in->experts; e++) {
    draw(config, in, random, &factor, &deviate);
    z[e] = z[e] * factor + deviate * deviation(config, in, i, e);
    z[e] = fmax(-DBL_MAX, fmin(z[e], DBL_MAX));
  }
}

static void forbid(const moe_route_input *in, size_t i, double *z) {
  const unsigned char *allowed = in->allowed + i * in->allowed_stride;
  for (size_t e = 0; e < in->experts; e++)
    if (!allowed[e]) z[e] = -INFINITY;
}

/* The draw that keeps its expert though it may be below the share: the highest
   of those that may be selected. */
static size_t find_spared(size_t experts, moe_random random, const double *z) {
  double highest = -1;
  size_t spared = experts;
  for (size_t e = 0; e < experts; e++) {
    double drawn = moe_random_unit(&random);
    if (z[e] == -INFINITY || drawn <= highest) continue;
    highest = drawn;
    spared = e;
  }
  return spared;
}

void moe_route_drop(double share, size_t experts, moe_random *random,
                    double *z) {
  size_t spared = find_spared(experts, *random, z);
  for (size_t e = 0; e < experts; e++)
    if (moe_random_unit(random) < share && e != spared) z[e] = -INFINITY;
}

/* The logits of row i as they are compared, in out->logits or in `room`. */
static double *prepare(const moe_route_config *config,
                       const moe_route_input *in, size_t i, double *room,
                       const moe_routing *out) {
  size_t n = in->experts;
  double *z = out->logits != NULL ? out->logits + i * n : room;
  bool drops = in->training && config->expert_dropout > 0;
  moe_random random;
  if (in->logits != NULL)
    memcpy(z, in->logits + i * in->stride, n * sizeof *z);
  else
    for (size_t e = 0; e < n; e++)
      z[e] = (double)in->floats[i * in->stride + e];
  if (drops || is_noisy(config, in) || is_jittered(config, in))
    seed_row(in, i, &random);
  if (is_noisy(config, in) || is_jittered(config, in))
    disturb(config, in, i, &random, z);
  if (in->allowed != NULL) forbid(in, i, z);
  if (drops) moe_route_drop(config->expert_dropout, n, &random, z);
  return z;
}

void moe_route_unprepare(const moe_route_config *config,
                         const moe_route_input *in, size_t i, double *gradient,
                         double *by_noise) {
  moe_random random;
  double factor, deviate;
  if (by_noise != NULL) memset(by_noise, 0, in->experts * sizeof *by_noise);
  if (!is_noisy(config, in) && !is_jittered(config, in)) return;
  seed_row(in, i, &random);
  for (size_t e = 0; e < in->experts; e++) {
    draw(config, in, &random, &factor, &deviate);
    if (by_noise != NULL) by_noise[e] = gradient[e] * deviate;
    gradient[e] *= factor;
  }
}

/* ------------------------------------------------------------- other routers
 */

static size_t count_allowed(const double *z, size_t n) {
  size_t count = 0;
  for (size_t e = 0; e < n; e++) count += z[e] > -INFINITY;
  return count;
}

/* Hash layers (Roller et al. 2021, arXiv 2106.04426): different experts drawn
   by a generator that the id alone seeds, of one weight. */
static void route_hashed(size_t experts, size_t width, int64_t id,
                         const double *z, double *probs, int32_t *indices,
                         double *weights) {
  size_t allowed = count_allowed(z, experts), n = 0;
  size_t k = width < allowed ? width : allowed;
  moe_random random;
  moe_random_seed(&random, moe_seed_at(0, (uint64_t)id));
  memset(probs, 0, experts * sizeof *probs);
  while (n < k) {
    size_t e = moe_random_below(&random, experts);
    if (z[e] == -INFINITY || probs[e] > 0) continue;
    probs[e] = weights[n] = 1 / (double)k;
    indices[n++] = (int32_t)e;
  }
  for (; n < width; n++) {
    indices[n] = -1;
    weights[n] = 0;
  }
}

void moe_route_rows(const moe_route_config *config, const moe_route_input *in,
                    size_t first, size_t n, double *room, moe_routing *out) {
  for (size_t i = first; i < first + n; i++) {
    const double *z = prepare(config, in, i, room, out);
    double *probs = out->probs + i * in->experts;
    double *weights = out->weights + i * out->width;
    int32_t *indices = out->indices + i * out->width;
    if (config->router == MOE_HASH)
      route_hashed(in->experts, out->width, in->ids[i], z, probs, indices,
                   weights);
    else
      moe_route_row(config, in->experts, z, moe_bias_of(in, i), probs, indices,
                    weights);
  }
}

enum { BAND = 128 /* rows */ };

typedef struct all_rows {
  const moe_route_config *config;
  const moe_route_input *in;
  size_t n;
  double *room; /* a row's logits for each worker */
  moe_routing *out;
} all_rows;

static void route_band(void *context, size_t index, int worker) {
  const all_rows *a = context;
  size_t first = index * BAND, rest = a->n - first;
  moe_route_rows(a->config, a->in, first, rest < BAND ? rest : BAND,
                 a->room + (size_t)worker * a->in->experts, a->out);
}

moe_status moe_route_all(moe_call *call, const moe_route_config *config,
                         const moe_route_input *in, size_t n,
                         moe_routing *out) {
  size_t bands = (n + BAND - 1) / BAND;
  size_t room = moe_size((size_t)moe_parallel_width(call, bands), in->experts);
  all_rows a = {config, in, n, moe_scratch(call, room, sizeof *a.room), out};
  if (a.room == NULL) return MOE_ENOMEM;
  moe_parallel(call, bands, route_band, &a);
  return MOE_OK;
}

/* ------------------------------------------------------------- expert choice
 */

size_t moe_route_choice(const moe_route_config *config, size_t n,
                        size_t experts, bool training) {
  double factor =
      training ? config->capacity_factor : config->eval_capacity_factor;
  double k = config->top_k == MOE_NO_INT ? 1 : (double)config->top_k;
  double share = (factor > 0 ? factor : 1) * k * (double)n / (double)experts;
  double least = config->min_capacity > 1 ? (double)config->min_capacity : 1;
  double taken = fmax(floor(share * (1 + 1e-12)), least);
  return taken < (double)n ? (size_t)taken : n;
}

/* Puts an expert in the place that its score has among those of the row. */
static void insert(const double *probs, int32_t *indices, int32_t e) {
  size_t at = 0;
  while (indices[at] >= 0) at++;
  for (; at > 0 && probs[e] > probs[indices[at - 1]]; at--)
    indices[at] = indices[at - 1];
  indices[at] = e;
}

void moe_route_columns(const moe_route_config *config,
                       const moe_route_input *in, size_t n, double *room,
                       int32_t *held, moe_routing *out) {
  size_t experts = in->experts;
  size_t rows = moe_route_choice(config, n, experts, in->training);
  memset(out->weights, 0, n * experts * sizeof *out->weights);
  for (size_t i = 0; i < n * experts; i++) out->indices[i] = -1;
  for (size_t i = 0; i < n; i++)
    moe__route_scores(config, experts, prepare(config, in, i, room, out),
                      out->probs + i * experts);
  for (size_t e = 0; e < experts; e++) {
    size_t taken = moe_top(out->probs + e, experts, n, rows, held);
    for (size_t i = 0; i < taken; i++) {
      size_t at = (size_t)held[i] * experts;
      if (out->probs[at + e] > 0)
        insert(out->probs + at, out->indices + at, (int32_t)e);
    }
  }
  for (size_t i = 0, k; i < n; i++) {
    const int32_t *indices = out->indices + i * experts;
    for (k = 0; k < experts && indices[k] >= 0;) k++;
    moe__route_weigh(config, k, prepare(config, in, i, room, out),
                     out->probs + i * experts, indices,
                     out->weights + i * experts);
  }
}
