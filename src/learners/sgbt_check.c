/* Whether the state of streaming boosted trees, as a file tells it, leads
   nowhere outside its arrays. */
#include <float.h>
#include <math.h>

#include "sgbt.h"

/* What values and what sums of products of them can have come to. */
static const double LARGEST_VALUE = 1e101, LARGEST_SUM = 1e280;

static bool all_within(const double *x, size_t n, double most) {
  size_t outside = 0;
  for (size_t i = 0; i < n; i++) outside += !(fabs(x[i]) <= most);
  return outside == 0;
}

static bool within(const int32_t *x, size_t n, int32_t low, size_t high) {
  for (size_t i = 0; i < n; i++)
    if (x[i] < low || (x[i] >= 0 && (size_t)x[i] >= high)) return false;
  return true;
}

/* ---------------------------------------------------------------- the shape */

static bool is_empty(const moe_sgbt_state *m) {
  return !m->grown && m->groups == 0 && m->runs == 0 && m->slots == 0 &&
         m->bins == 0 && m->kept == 0 && m->next == 0 && m->met == NULL &&
         m->recent == NULL && m->edge == NULL && m->recent_y == NULL &&
         m->recent_weight == NULL && m->recent_class == NULL &&
         m->n_edges == NULL;
}

static bool shape_is_sound(const moe_sgbt_state *m) {
  size_t outputs = m->fitted.n_outputs;
  size_t groups =
      m->fitted.task == MOE_REGRESSION || outputs > 2 ? outputs : outputs - 1;
  moe_detector_config config = moe_sgbt_detector(m);
  return m->stages >= 1 && m->stages <= 100000 && m->grown <= 1 &&
         m->groups == (m->grown ? groups : 0) && m->nodes >= 3 &&
         m->nodes < (size_t)1 << 22 && m->nodes % 2 == 1 && m->bins >= 3 &&
         m->bins <= 256 && m->width >= 1 && m->width <= m->fitted.n_features &&
         m->detector >= MOE_NO_DETECTOR && m->detector <= MOE_KSWIN &&
         m->detector_size == moe_detector_size(&config) &&
         moe_is_count(m->draws) && moe_is_count(m->replaced);
}

static bool all_there(const moe_sgbt_state *m) {
  bool trees = m->groups == 0 ||
               (m->live != NULL && m->shadow != NULL && m->contest != NULL &&
                (m->detectors != NULL || m->detector_size == 0));
  bool runs = m->runs == 0 ||
              (m->owner != NULL && m->n_nodes != NULL && m->threshold != NULL &&
               m->levels != NULL && m->link != NULL && m->sums != NULL &&
               m->slot != NULL && m->depth != NULL && m->lost != NULL);
  bool slots = m->slots == 0 ||
               (m->holder != NULL && m->column != NULL && m->cell != NULL);
  return trees && runs && slots && m->met != NULL && m->recent != NULL &&
         (m->recent_y != NULL || m->fitted.task == MOE_CLASSIFICATION) &&
         m->recent_weight != NULL && m->recent_class != NULL &&
         m->edge != NULL && m->n_edges != NULL;
}

/* ----------------------------------------------------------------- the rows */

static bool rows_are_sound(const moe_sgbt_state *m) {
  size_t n = MOE_SGBT_RECENT, d = m->fitted.n_features;
  size_t outputs = m->fitted.n_outputs;
  bool values = m->fitted.task == MOE_REGRESSION;
  if (m->kept > n || m->next >= n || (!m->grown && m->next != m->kept))
    return false;
  for (size_t i = 0; i < n * d; i++)
    if (isinf(m->recent[i])) return false;
  for (size_t i = 0; i < n; i++)
    if (!(m->recent_weight[i] >= 0)) return false;
  return all_within(m->recent_weight, n, DBL_MAX) &&
         (!values || all_within(m->recent_y, n * outputs, DBL_MAX)) &&
         within(m->recent_class, n, 0, outputs + 1);
}

static bool edges_are_sound(const moe_sgbt_state *m) {
  size_t d = m->fitted.n_features;
  return within(m->n_edges, d, 0, m->bins - 1) &&
         all_within(m->edge, d * m->bins, DBL_MAX);
}

/* Each class has a group of its own; a lone one waits for a second. */
static bool groups_are_sound(const moe_sgbt_state *m) {
  size_t n = m->fitted.n_outputs;
  if (!all_within(m->base, n + 1, LARGEST_VALUE) ||
      !(m->scale >= 0 && m->scale <= LARGEST_VALUE) ||
      !(m->huber >= 0 && m->huber <= LARGEST_VALUE))
    return false;
  if (m->fitted.task == MOE_REGRESSION) return true;
  if (n == 1) return m->met[0] == 1;
  for (size_t k = 0; k < n; k++)
    for (size_t i = 0; i <= k; i++)
      if (m->met[k] < 0 || (size_t)m->met[k] >= n ||
          (i < k && m->met[i] == m->met[k]))
        return false;
  return true;
}

/* ---------------------------------------------------------------- the trees */

static bool owns(const moe_sgbt_state *m, int32_t run, size_t tree) {
  return run >= 0 && (size_t)run < m->runs && m->owner[run] == (int32_t)tree;
}

static bool tree_is_sound(const moe_sgbt_state *m, size_t t) {
  const moe_sgbt_contest *c = &m->contest[t];
  moe_detector_config config = moe_sgbt_detector(m);
  const double *state = m->detectors + t * m->detector_size;
  if (!owns(m, m->live[t], t)) return false;
  if (m->shadow[t] != -1 &&
      (!owns(m, m->shadow[t], t) || m->shadow[t] == m->live[t]))
    return false;
  return all_within((const double *)c, MOE_SGBT_CONTEST, LARGEST_SUM) &&
         c->trust >= 0 && c->trust <= 1 && c->length >= 0 && c->tried >= 0 &&
         c->level >= 0 && c->squares >= 0 && c->rounds >= -1 &&
         c->rounds <= 64 && c->rounds == floor(c->rounds) &&
         (c->rounds >= 0 || m->shadow[t] == -1) &&
         (m->detector_size == 0 || moe_detector_is_sound(&config, state));
}

/* Node i of the n that begin with node `first`. */
static bool node_is_sound(const moe_sgbt_state *m, size_t first, int32_t i,
                          int32_t n) {
  size_t node = first + (size_t)i;
  moe_sgbt_link link = m->link[node];
  int32_t slot = m->slot[node];
  if (link.feature < -1 || link.feature >= (int32_t)m->fitted.n_features)
    return false;
  if (link.feature >= 0 && (link.child <= i || link.child >= n - 1))
    return false;
  if (slot != -1 && (slot < 0 || (size_t)slot >= m->slots ||
                     m->holder[slot] != (int64_t)node))
    return false;
  return m->depth[node] >= 0 && m->depth[node] < n && m->lost[node] <= 1;
}

static bool run_is_sound(const moe_sgbt_state *m, size_t r) {
  int32_t n = m->n_nodes[r], t = m->owner[r];
  if (t == -1) return true;
  if (t < 0 || (size_t)t >= m->groups * m->stages || n < 1 || n % 2 == 0 ||
      (size_t)n > m->nodes)
    return false;
  if (m->live[t] != (int32_t)r && m->shadow[t] != (int32_t)r) return false;
  for (int32_t i = 0; i < n; i++)
    if (!node_is_sound(m, r * m->nodes, i, n)) return false;
  return true;
}

static bool slot_is_sound(const moe_sgbt_state *m, size_t s) {
  int64_t node = m->holder[s];
  if (node == -1) return true;
  if (node < 0 || (size_t)node >= m->runs * m->nodes) return false;
  size_t run = (size_t)node / m->nodes, i = (size_t)node % m->nodes;
  return m->owner[run] >= 0 && i < (size_t)m->n_nodes[run] &&
         m->slot[node] == (int32_t)s;
}

static bool trees_are_sound(const moe_sgbt_state *m) {
  size_t nodes = m->runs * m->nodes, columns = m->slots * m->width;
  for (size_t t = 0; t < m->groups * m->stages; t++)
    if (!tree_is_sound(m, t)) return false;
  for (size_t r = 0; r < m->runs; r++)
    if (!run_is_sound(m, r)) return false;
  for (size_t s = 0; s < m->slots; s++)
    if (!slot_is_sound(m, s)) return false;
  return all_within(m->threshold, nodes, DBL_MAX) &&
         all_within((const double *)m->sums, nodes * MOE_SGBT_SUMS,
                    LARGEST_SUM) &&
         within(m->column, columns, 0, m->fitted.n_features) &&
         all_within(m->cell, columns * m->bins * 2, LARGEST_SUM);
}

moe_status moe_sgbt_check(moe_call *call, const moe_object *o) {
  const moe_sgbt_state *m = o->state;
  const char *wrong =
      m->base == NULL      ? (is_empty(m) ? NULL : "its arrays")
      : !shape_is_sound(m) ? "its shape"
      : !all_there(m)      ? "its arrays"
      : !rows_are_sound(m) || !edges_are_sound(m)   ? "its rows or bins"
      : !groups_are_sound(m) || !trees_are_sound(m) ? "its trees"
                                                    : NULL;
  if (wrong == NULL) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "sgbt: %s cannot be", wrong);
}
