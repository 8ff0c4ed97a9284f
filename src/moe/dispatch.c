#include "dispatch.h"

#include <string.h>

size_t moe_capacity(const moe_route_config *config, size_t n, size_t experts,
                    bool training) {
  double factor =
      training ? config->capacity_factor : config->eval_capacity_factor;
  double selections = (double)n * (double)moe_route_width(config, experts);
  double least = config->min_capacity > 1 ? (double)config->min_capacity : 1;
  double most;
  if (!(factor > 0) || config->router == MOE_EXPERT_CHOICE) return SIZE_MAX;
  /* 1.1 · 10 is 11, not a little more */
  most = ceil(factor * selections / (double)experts * (1 - 1e-12));
  most = fmax(most, least);
  return most < 0x1p53 ? (size_t)most : SIZE_MAX;
}

/* The working memory of moe_limit. */
typedef struct limit {
  const moe_route_config *config;
  const moe_route_input *in;
  size_t capacity;
  double *keys;          /* n: the largest probability of a row */
  size_t *used;          /* experts */
  int32_t *order;        /* n: the rows as they are served */
  unsigned char *closed; /* experts that have no room */
} limit;

size_t moe_limit_room(size_t n, size_t experts) {
  size_t rows = moe_size(n, sizeof(double) + sizeof(int32_t));
  size_t own = moe_size(experts, sizeof(size_t) + 1);
  return rows > SIZE_MAX - own ? SIZE_MAX : rows + own;
}

static void divide_room(limit *l, size_t n, size_t experts, void *room) {
  l->keys = room;
  l->used = (size_t *)(void *)(l->keys + n);
  l->order = (int32_t *)(void *)(l->used + experts);
  l->closed = (unsigned char *)(l->order + n);
  memset(l->used, 0, experts * sizeof *l->used);
  memset(l->closed, 0, experts);
}

static double largest(const double *p, size_t n) {
  double top = p[0];
  for (size_t i = 1; i < n; i++) top = p[i] > top ? p[i] : top;
  return top;
}

/* Batch prioritised routing (Riquelme et al. 2021, arXiv 2106.05974) orders by
   the largest probability. */
static void order_rows(limit *l, const moe_routing *r) {
  moe_random random;
  if (l->config->drop_order == MOE_BY_SCORE) {
    for (size_t i = 0; i < r->n; i++)
      l->keys[i] = largest(r->probs + i * r->experts, r->experts);
    moe_top(l->keys, 1, r->n, r->n, l->order);
    return;
  }
  for (size_t i = 0; i < r->n; i++) l->order[i] = (int32_t)i;
  if (l->config->drop_order != MOE_AT_RANDOM) return;
  moe_random_seed(&random, l->in->seed);
  moe_random_shuffle(&random, l->order, r->n);
}

static void take(limit *l, size_t e) {
  l->closed[e] = ++l->used[e] >= l->capacity;
}

static void drop(limit *l, moe_routing *r) {
  for (size_t k = 0; k < r->width; k++)
    for (size_t i = 0; i < r->n; i++) {
      size_t at = (size_t)l->order[i] * r->width + k;
      int32_t e = r->indices[at];
      if (e < 0) continue;
      if (!l->closed[e]) {
        take(l, (size_t)e);
        continue;
      }
      r->indices[at] = -2 - e;
      r->weights[at] = 0;
      r->dropped++;
    }
}

static size_t count_selected(const int32_t *indices, size_t width) {
  size_t n = 0;
  while (n < width && indices[n] >= 0) n++;
  return n;
}

static bool overflows(const limit *l, const int32_t *indices, size_t n) {
  for (size_t k = 0; k < n; k++)
    if (l->closed[indices[k]]) return true;
  return false;
}

static void serve(limit *l, moe_routing *r, size_t i) {
  const double *z = r->logits + i * r->experts;
  const double *probs = r->probs + i * r->experts;
  int32_t *indices = r->indices + i * r->width;
  double *weights = r->weights + i * r->width;
  size_t wanted = count_selected(indices, r->width), n = wanted;
  if (overflows(l, indices, wanted)) {
    n = moe__route_select(l->config, r->experts, wanted, z,
                          moe_bias_of(l->in, i), probs, l->closed, indices);
    moe__route_weigh(l->config, n, z, probs, indices, weights);
    r->dropped += wanted - n;
  }
  for (size_t k = 0; k < n; k++) take(l, (size_t)indices[k]);
  for (size_t k = n; k < wanted; k++) {
    indices[k] = -1;
    weights[k] = 0;
  }
}

void moe_limit(const moe_route_config *config, const moe_route_input *in,
               size_t capacity, void *room, moe_routing *r) {
  limit l = {.config = config, .in = in, .capacity = capacity};
  r->dropped = 0;
  if (capacity == SIZE_MAX || r->n == 0) return;
  divide_room(&l, r->n, r->experts, room);
  order_rows(&l, r);
  if (config->overflow == MOE_DROP || config->router == MOE_HASH) {
    drop(&l, r);
    return;
  }
  for (size_t i = 0; i < r->n; i++) serve(&l, r, (size_t)l.order[i]);
}

void moe_dispatch_sort(const moe_routing *r, moe_dispatch *out) {
  size_t slots = r->n * r->width;
  memset(out->counts, 0, r->experts * sizeof *out->counts);
  for (size_t s = 0; s < slots; s++)
    if (r->indices[s] >= 0) out->counts[r->indices[s]]++;
  out->offsets[0] = 0;
  for (size_t e = 0; e < r->experts; e++) {
    out->offsets[e + 1] = out->offsets[e] + out->counts[e];
    out->counts[e] = 0;
  }
  for (size_t s = 0; s < slots; s++)
    if (r->indices[s] >= 0) {
      int32_t e = r->indices[s];
      out->slots[out->offsets[e] + out->counts[e]++] = (int64_t)s;
    }
}

bool moe_route_needs_logits(const moe_route_config *config,
                            const moe_route_input *in) {
  return config->overflow == MOE_NEXT_BEST || in->noise != NULL ||
         config->noise > 0;
}

moe_status moe_route_batch(moe_call *call, const moe_route_config *config,
                           const moe_route_input *in, moe_routing *r,
                           moe_dispatch *out) {
  size_t capacity = moe_capacity(config, r->n, r->experts, in->training);
  moe_scratch_mark mark = moe_scratch_now(call);
  double *row;
  void *room = moe_scratch(call, moe_limit_room(r->n, r->experts), 1);
  if (room == NULL) return MOE_ENOMEM;
  MOE_SCRATCH(call, row, r->experts);
  if (config->router == MOE_EXPERT_CHOICE)
    moe_route_columns(config, in, r->n, row, room, r);
  else
    MOE_TRY(moe_route_all(call, config, in, r->n, r));
  moe_limit(config, in, capacity, room, r);
  moe_dispatch_sort(r, out);
  moe_scratch_drop(call, mark);
  return MOE_OK;
}
