/* Trees of streaming boosting, in runs of nodes of one flat array. */
#include <math.h>
#include <string.h>

#include "sgbt.h"

/* -------------------------------------------------------------------- growth
 */

moe_status moe_sgbt_widen(moe_call *call, void *array, size_t from, size_t to,
                          size_t width, size_t size) {
  char *block;
  memcpy(&block, array, sizeof block);
  block = moe_resize(block, moe_size(to, width), size);
  if (block == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for a tree to grow");
  memcpy(array, &block, sizeof block);
  memset(block + from * width * size, 0, (to - from) * width * size);
  return MOE_OK;
}

static size_t count_free_slots(const moe_sgbt_state *m) {
  size_t n = 0;
  for (size_t s = 0; s < m->slots; s++) n += m->holder[s] < 0;
  return n;
}

static size_t count_free_runs(const moe_sgbt_state *m) {
  size_t n = 0;
  for (size_t r = 0; r < m->runs; r++) n += m->owner[r] < 0;
  return n;
}

/* By an eighth at least, so that growing is rare and little is left over. */
static size_t grown_size(size_t now, size_t more) {
  return now + (more > now / 8 ? more : now / 8);
}

moe_status moe_sgbt_reserve_slots(moe_call *call, moe_sgbt_state *m, size_t n) {
  size_t from = m->slots, free = count_free_slots(m);
  if (free >= n) return MOE_OK;
  size_t to = grown_size(from, n - free);
  size_t cells = moe_size(moe_size(m->width, m->bins), 2);
  MOE_TRY(moe_sgbt_widen(call, &m->holder, from, to, 1, sizeof *m->holder));
  MOE_TRY(
      moe_sgbt_widen(call, &m->column, from, to, m->width, sizeof *m->column));
  MOE_TRY(moe_sgbt_widen(call, &m->cell, from, to, cells, sizeof *m->cell));
  for (size_t s = from; s < to; s++) m->holder[s] = -1;
  m->slots = to;
  return MOE_OK;
}

moe_status moe_sgbt_reserve_runs(moe_call *call, moe_sgbt_state *m, size_t n) {
  size_t from = m->runs, free = count_free_runs(m), w = m->nodes;
  if (free >= n) return MOE_OK;
  size_t to = grown_size(from, n - free);
  MOE_TRY(moe_sgbt_widen(call, &m->owner, from, to, 1, sizeof *m->owner));
  MOE_TRY(moe_sgbt_widen(call, &m->n_nodes, from, to, 1, sizeof *m->n_nodes));
  MOE_TRY(
      moe_sgbt_widen(call, &m->threshold, from, to, w, sizeof *m->threshold));
  MOE_TRY(moe_sgbt_widen(call, &m->levels, from, to, w, sizeof *m->levels));
  MOE_TRY(moe_sgbt_widen(call, &m->link, from, to, w, sizeof *m->link));
  MOE_TRY(moe_sgbt_widen(call, &m->sums, from, to, w, sizeof *m->sums));
  MOE_TRY(moe_sgbt_widen(call, &m->slot, from, to, w, sizeof *m->slot));
  MOE_TRY(moe_sgbt_widen(call, &m->depth, from, to, w, sizeof *m->depth));
  MOE_TRY(moe_sgbt_widen(call, &m->lost, from, to, w, sizeof *m->lost));
  for (size_t r = from; r < to; r++) m->owner[r] = -1;
  m->runs = to;
  return MOE_OK;
}

/* -------------------------------------------------------------------- leaves
 */

/* `width` columns drawn without replacement: Floyd's (Bentley & Floyd 1987, doi
   10.1145/30401.315746). */
static void draw_columns(moe_sgbt_state *m, const moe_sgbt_params *p,
                         int32_t *column) {
  size_t d = m->fitted.n_features, n = m->width;
  uint64_t seed = p->seed == MOE_NO_INT ? 0 : (uint64_t)p->seed;
  moe_random r;
  moe_random_seed(&r, moe_seed_at(seed, (uint64_t)m->draws++));
  for (size_t k = 0; k < n; k++) {
    size_t top = d - n + k, j = n == d ? k : moe_random_below(&r, top + 1);
    for (size_t i = 0; i < k; i++)
      if ((size_t)column[i] == j) j = top;
    column[k] = (int32_t)j;
  }
}

static void give_slot(moe_sgbt_state *m, const moe_sgbt_params *p,
                      size_t node) {
  size_t s = 0, cells = m->width * m->bins * 2;
  while (m->holder[s] >= 0) s++;
  m->holder[s] = (int64_t)node;
  m->slot[node] = (int32_t)s;
  memset(m->cell + s * cells, 0, cells * sizeof *m->cell);
  draw_columns(m, p, m->column + s * m->width);
}

static void take_slot(moe_sgbt_state *m, size_t node) {
  if (m->slot[node] >= 0) m->holder[m->slot[node]] = -1;
  m->slot[node] = -1;
}

static void make_leaf(moe_sgbt_state *m, size_t node, int32_t depth) {
  m->link[node] = (moe_sgbt_link){-1, 0};
  m->sums[node] = (moe_sgbt_sums){0};
  m->slot[node] = -1;
  m->lost[node] = 0;
  m->depth[node] = depth;
}

int32_t moe_sgbt_plant(moe_sgbt_state *m, const moe_sgbt_params *p,
                       size_t tree) {
  size_t run = 0;
  while (m->owner[run] >= 0) run++;
  m->owner[run] = (int32_t)tree;
  m->n_nodes[run] = 1;
  make_leaf(m, run * m->nodes, 0);
  if (p->max_depth > 0) give_slot(m, p, run * m->nodes);
  return (int32_t)run;
}

void moe_sgbt_fell(moe_sgbt_state *m, int32_t run) {
  size_t first = (size_t)run * m->nodes;
  for (size_t i = 0; i < (size_t)m->n_nodes[run]; i++) take_slot(m, first + i);
  m->owner[run] = -1;
}

/* ------------------------------------------------------------------- routing
 */

static bool is_second(const moe_sgbt_state *m, size_t node, size_t j,
                      double x) {
  if (moe_sgbt_is_nominal(m, j))
    return !((uint64_t)m->levels[node] >> moe_sgbt_bin_of(m, j, x) & 1);
  return x == x ? x > m->threshold[node] : m->lost[node];
}

size_t moe_sgbt_route(const moe_sgbt_state *m, int32_t run, const double *x) {
  size_t first = (size_t)run * m->nodes, node = first;
  while (m->link[node].feature >= 0) {
    size_t j = (size_t)m->link[node].feature;
    node = first + (size_t)m->link[node].child + is_second(m, node, j, x[j]);
  }
  return node;
}

/* ------------------------------------------------------------------ learning
 */

static double step_of(const moe_sgbt_state *m, const moe_sgbt_params *p,
                      const moe_sgbt_sums *s) {
  double limit = m->fitted.task == MOE_CLASSIFICATION ? 10 : 1e100;
  double value = s->h + p->l2 > 0 ? -s->g / (s->h + p->l2) : 0;
  return value > limit ? limit : value < -limit ? -limit : value;
}

/* Of losses that Newton's step tells nothing of: the quantile of the residuals,
   approached by steps of 1/n (Robbins & Monro 1951). */
static double nearer(const moe_sgbt_state *m, const moe_sgbt_params *p,
                     const moe_sgbt_sums *s, const moe_sgbt_slope *slope,
                     double weight) {
  double step = 4 * m->scale * weight / (s->weight + p->l2);
  double q = moe_sgbt_quantile(p);
  double value = s->value + step * (slope->residual < s->value ? q - 1 : q);
  return value > 1e100 ? 1e100 : value < -1e100 ? -1e100 : value;
}

static void add_to_sums(moe_sgbt_sums *s, const moe_sgbt_params *p, double g,
                        double h, double weight) {
  double keep = p->memory == 0       ? 1
                : weight < p->memory ? 1 - weight / p->memory
                                     : 0;
  s->g = keep * s->g + weight * g;
  s->h = keep * s->h + weight * h;
  s->squares = keep * s->squares + weight * g * g;
  s->weight = keep * s->weight + weight;
  s->since += weight;
  s->seen += weight;
}

static void add_to_cells(moe_sgbt_state *m, size_t slot, double g, double h) {
  const int32_t *column = m->column + slot * m->width;
  double *cells = moe_sgbt_cells(m, slot, 0);
  for (size_t k = 0; k < m->width; k++, cells += 2 * m->bins) {
    double *cell = cells + 2 * m->bin[column[k]];
    cell[0] += g;
    cell[1] += h;
  }
}

/* The share of the parent's sums that goes to a child with these of the
   histogram's. */
static void inherit(moe_sgbt_state *m, const moe_sgbt_params *p, size_t child,
                    const moe_sgbt_sums *parent, double g, double h,
                    double all_h) {
  moe_sgbt_sums *s = &m->sums[child];
  double share = h / all_h;
  s->g = g;
  s->h = h;
  s->squares = parent->squares * share;
  s->weight = parent->weight * share;
  s->value = moe_sgbt_is_flat(m, p) ? parent->value : step_of(m, p, s);
}

static bool may_grow(const moe_sgbt_state *m, const moe_sgbt_params *p,
                     size_t node, size_t run) {
  return m->depth[node] < p->max_depth &&
         (size_t)m->n_nodes[run] + 2 <= m->nodes;
}

static void split(moe_sgbt_state *m, const moe_sgbt_params *p, size_t node,
                  const moe_sgbt_split *s) {
  size_t run = node / m->nodes, first = run * m->nodes;
  size_t child = first + (size_t)m->n_nodes[run];
  m->link[node] = (moe_sgbt_link){s->feature, m->n_nodes[run]};
  m->threshold[node] = s->threshold;
  m->levels[node] = s->levels;
  m->lost[node] = s->lost;
  m->n_nodes[run] += 2;
  take_slot(m, node);
  for (size_t c = child; c < child + 2; c++) {
    double g = c == child ? s->g : s->all_g - s->g;
    double h = c == child ? s->h : s->all_h - s->h;
    make_leaf(m, c, m->depth[node] + 1);
    inherit(m, p, c, &m->sums[node], g, h, s->all_h);
    if (may_grow(m, p, c, run)) give_slot(m, p, c);
  }
  if ((size_t)m->n_nodes[run] + 2 > m->nodes)
    for (size_t i = first; i < first + m->nodes; i++) take_slot(m, i);
}

/* Histograms fade as the sums do. */
static void fade(moe_sgbt_state *m, const moe_sgbt_params *p, size_t node) {
  moe_sgbt_sums *s = &m->sums[node];
  size_t cells = m->width * m->bins * 2;
  double keep = s->since < p->memory ? 1 - s->since / p->memory : 0;
  if (p->memory == 0) return;
  double *cell = m->cell + (size_t)m->slot[node] * cells;
  for (size_t i = 0; i < cells; i++) cell[i] *= keep;
  s->seen *= keep;
}

static void look_for_split(moe_sgbt_state *m, const moe_sgbt_params *p,
                           size_t node) {
  moe_sgbt_split found;
  if (moe_sgbt_find_split(m, p, node, &found)) {
    split(m, p, node, &found);
    return;
  }
  fade(m, p, node);
  m->sums[node].since = 0;
}

void moe_sgbt_teach(moe_sgbt_state *m, const moe_sgbt_params *p, size_t node,
                    const moe_sgbt_slope *slope, double weight) {
  moe_sgbt_sums *s = &m->sums[node];
  add_to_sums(s, p, slope->g, slope->h, weight);
  s->value = moe_sgbt_is_flat(m, p) ? nearer(m, p, s, slope, weight)
                                    : step_of(m, p, s);
  if (m->slot[node] < 0) return;
  add_to_cells(m, (size_t)m->slot[node], weight * slope->g, weight * slope->h);
  if (s->since >= (double)p->grace) look_for_split(m, p, node);
}
