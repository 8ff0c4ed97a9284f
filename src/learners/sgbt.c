/* Streaming gradient-boosted trees: F = base + lr Σ_s tree_s, where each tree
   is grown row by row, as Hoeffding trees are, on the first and second
   derivatives of the loss at what those before it add up to (Gouk, Pfahringer &
   Frank 2019, "Stochastic gradient trees"; Gunasekara et al. 2024, doi
   10.1007/s10994-024-06517-y).  A leaf answers −G / (H + l2), at every row
   anew.  The base is fitted to the first `grace` rows, which the trees then
   learn from too. */
#include <math.h>
#include <string.h>

#include "sgbt.h"
#include "vector.h"

static const char *const losses[] = {"squared", "absolute", "huber", "quantile",
                                     NULL};
static const char *const bounds[] = {"variance", "hoeffding", "original", NULL};

static const moe_param params[] = {
    MOE_P_TASK(moe_sgbt_params),
    MOE_P_CHOICE(moe_sgbt_params, loss, MOE_SGBT_SQUARED, losses,
                 "what is made small in regression; of classes it is the log "
                 "loss"),
    MOE_P_ABOVE(moe_sgbt_params, quantile, 0.5, 0, 1,
                "the quantile that loss = 'quantile' estimates"),
    {"delta", MOE_REAL, offsetof(moe_sgbt_params, delta), NAN, 0, 1e100, NULL,
     NULL, MOE_OPTIONAL | MOE_ABOVE_MIN,
     "the error beyond which loss = 'huber' grows no faster than itself; "
     "absent: nine of ten of the first targets are that near to their median"},
    MOE_P_INT(moe_sgbt_params, trees, 50, 1, 1e5,
              "stages: trees for each score, of which there is one, or with "
              "more than two classes one a class"),
    MOE_P_ABOVE(moe_sgbt_params, lr, 0.2, 0, 1,
                "what each tree's answers are multiplied by"),
    MOE_P_INT(moe_sgbt_params, max_depth, 6, 1, 60,
              "most splits between a root and a leaf"),
    MOE_P_INT(moe_sgbt_params, max_leaves, 64, 2, 0x1p20,
              "most leaves of a tree"),
    MOE_P_INT(moe_sgbt_params, max_bins, 64, 3, 256,
              "bins a column, of about equally many of the last rows; missing "
              "values take one"),
    MOE_P_INT(moe_sgbt_params, grace, 25, 1, 1e9,
              "weight that comes to a leaf between two looks for a split; as "
              "many rows (512 at most) wait for the trees to begin"),
    MOE_P_CHOICE(moe_sgbt_params, bound, MOE_SGBT_VARIANCE, bounds,
                 "when a split is sure enough: its gain is beyond what chance "
                 "gives under the gradients' variance; its share is ahead of "
                 "the next column's by Hoeffding's bound; or (original) the "
                 "gain itself is"),
    MOE_P_ABOVE(moe_sgbt_params, significance, 0.5, 0, 1,
                "how often chance may pass for a split"),
    MOE_P_REAL(moe_sgbt_params, min_gain, 0, 0, 1e300,
               "what a split has to gain, in loss, at least"),
    MOE_P_REAL(moe_sgbt_params, min_child_weight, 1, 0, 1e300,
               "sum of the loss's second derivatives on each side of a split, "
               "at least; of squared errors it is that of the weights"),
    MOE_P_REAL(moe_sgbt_params, l2, 1, 0, 1e300,
               "added to that sum where a leaf's answer is computed: the "
               "larger, the nearer it is to 0"),
    MOE_P_ABOVE(moe_sgbt_params, column_sample, 0.5, 0, 1,
                "share of the columns that each leaf draws"),
    MOE_P_REAL(moe_sgbt_params, memory, 1000, 0, 1e300,
               "weight after which what a leaf knows has faded to a third; 0: "
               "it does not fade"),
    MOE_P_CHOICE(moe_sgbt_params, detector, MOE_PAGE_HINKLEY,
                 moe_detector_choices,
                 "what watches each tree's gradients: where they grow, another "
                 "tree learns beside it, and replaces it when it does better"),
    MOE_P_SEED(moe_sgbt_params),
    {0}};

/* --------------------------------------------------------------------- state
 */

static size_t outputs_of(const moe_sgbt_state *m) {
  return m->fitted.n_outputs + 1;
}

/* Targets to keep a row. */
static size_t targets_of(const moe_sgbt_state *m) {
  return m->fitted.task == MOE_REGRESSION ? m->fitted.n_outputs : 0;
}

static moe_status visit_rows(moe_sgbt_state *m, moe_visitor *v) {
  size_t n = m->bins > 0 ? MOE_SGBT_RECENT : 0;
  size_t d = m->bins > 0 ? m->fitted.n_features : 0;
  MOE_TRY(moe_visit_scalar(v, "kept", MOE_I64, &m->kept));
  MOE_TRY(moe_visit_scalar(v, "next", MOE_I64, &m->next));
  MOE_TRY(moe_visit_array(v, "recent", MOE_F64, &m->recent, moe_size(n, d)));
  MOE_TRY(moe_visit_array(v, "recent_y", MOE_F64, &m->recent_y,
                          moe_size(n, targets_of(m))));
  MOE_TRY(moe_visit_array(v, "recent_weight", MOE_F64, &m->recent_weight, n));
  MOE_TRY(moe_visit_array(v, "recent_class", MOE_I32, &m->recent_class, n));
  MOE_TRY(moe_visit_array(v, "edge", MOE_F64, &m->edge, moe_size(d, m->bins)));
  return moe_visit_array(v, "n_edges", MOE_I32, &m->n_edges, d);
}

static moe_status visit_trees(moe_sgbt_state *m, moe_visitor *v) {
  size_t trees = moe_size(m->groups, m->stages);
  MOE_TRY(moe_visit_array(v, "live", MOE_I32, &m->live, trees));
  MOE_TRY(moe_visit_array(v, "shadow", MOE_I32, &m->shadow, trees));
  MOE_TRY(moe_visit_array(v, "contest", MOE_F64, &m->contest,
                          moe_size(trees, MOE_SGBT_CONTEST)));
  MOE_TRY(moe_visit_array(v, "detectors", MOE_F64, &m->detectors,
                          moe_size(trees, m->detector_size)));
  return moe_visit_scalar(v, "replaced", MOE_I64, &m->replaced);
}

static moe_status visit_nodes(moe_sgbt_state *m, moe_visitor *v) {
  size_t n;
  MOE_TRY(moe_visit_scalar(v, "runs", MOE_I64, &m->runs));
  MOE_TRY(moe_visit_array(v, "owner", MOE_I32, &m->owner, m->runs));
  MOE_TRY(moe_visit_array(v, "n_nodes", MOE_I32, &m->n_nodes, m->runs));
  n = moe_size(m->runs, m->nodes);
  MOE_TRY(moe_visit_array(v, "threshold", MOE_F64, &m->threshold, n));
  MOE_TRY(moe_visit_array(v, "level_sets", MOE_I64, &m->levels, n));
  MOE_TRY(moe_visit_array(v, "link", MOE_I32, &m->link, moe_size(n, 2)));
  MOE_TRY(moe_visit_array(v, "sums", MOE_F64, &m->sums,
                          moe_size(n, MOE_SGBT_SUMS)));
  MOE_TRY(moe_visit_array(v, "slot", MOE_I32, &m->slot, n));
  MOE_TRY(moe_visit_array(v, "depth", MOE_I32, &m->depth, n));
  return moe_visit_array(v, "lost", MOE_U8, &m->lost, n);
}

static moe_status visit_slots(moe_sgbt_state *m, moe_visitor *v) {
  size_t columns, cells;
  MOE_TRY(moe_visit_scalar(v, "slots", MOE_I64, &m->slots));
  columns = moe_size(m->slots, m->width);
  cells = moe_size(moe_size(columns, m->bins), 2);
  MOE_TRY(moe_visit_array(v, "holder", MOE_I64, &m->holder, m->slots));
  MOE_TRY(moe_visit_array(v, "column", MOE_I32, &m->column, columns));
  return moe_visit_array(v, "cell", MOE_F64, &m->cell, cells);
}

static moe_status visit_hand(moe_sgbt_state *m, moe_visitor *v) {
  size_t trees = moe_size(m->groups, m->stages), n = outputs_of(m);
  MOE_TRY(moe_visit_derived(v, "bin", MOE_U8, &m->bin, m->fitted.n_features));
  MOE_TRY(moe_visit_derived(v, "score", MOE_F64, &m->score, n));
  MOE_TRY(moe_visit_derived(v, "slope", MOE_F64, &m->slope, moe_size(n, 3)));
  MOE_TRY(moe_visit_derived(v, "chance", MOE_F64, &m->chance, n));
  MOE_TRY(moe_visit_derived(v, "leaf", MOE_I64, &m->leaf, moe_size(trees, 2)));
  return moe_visit_derived(v, "room", MOE_F64, &m->room, MOE_SGBT_RECENT * 2);
}

static moe_status visit(void *state, moe_visitor *v) {
  moe_sgbt_state *m = state;
  size_t n;
  MOE_TRY(moe_fitted_visit(&m->fitted, v));
  MOE_TRY(moe_visit_scalar(v, "stages", MOE_I64, &m->stages));
  MOE_TRY(moe_visit_scalar(v, "groups", MOE_I64, &m->groups));
  MOE_TRY(moe_visit_scalar(v, "nodes", MOE_I64, &m->nodes));
  MOE_TRY(moe_visit_scalar(v, "bins", MOE_I64, &m->bins));
  MOE_TRY(moe_visit_scalar(v, "width", MOE_I64, &m->width));
  MOE_TRY(moe_visit_scalar(v, "detector", MOE_I32, &m->detector));
  MOE_TRY(moe_visit_scalar(v, "detector_size", MOE_I64, &m->detector_size));
  MOE_TRY(moe_visit_scalar(v, "grown", MOE_U8, &m->grown));
  MOE_TRY(moe_visit_scalar(v, "draws", MOE_I64, &m->draws));
  n = m->bins > 0 ? outputs_of(m) : 0;
  MOE_TRY(moe_visit_array(v, "met", MOE_I32, &m->met, n));
  MOE_TRY(moe_visit_array(v, "base", MOE_F64, &m->base, n));
  MOE_TRY(moe_visit_scalar(v, "scale", MOE_F64, &m->scale));
  MOE_TRY(moe_visit_scalar(v, "huber", MOE_F64, &m->huber));
  MOE_TRY(visit_rows(m, v));
  MOE_TRY(visit_trees(m, v));
  MOE_TRY(visit_nodes(m, v));
  MOE_TRY(visit_slots(m, v));
  return visit_hand(m, v);
}

/* ---------------------------------------------------------------- allocation
 */

static size_t share_of(double share, size_t n) {
  size_t part = (size_t)ceil(share * (double)n);
  return part < 1 ? 1 : part < n ? part : n;
}

static void shape(moe_sgbt_state *m, const moe_sgbt_params *p) {
  m->stages = (size_t)p->trees;
  m->nodes = 2 * (size_t)p->max_leaves - 1;
  m->bins = (size_t)p->max_bins;
  m->width = share_of(p->column_sample, m->fitted.n_features);
  m->detector = p->detector;
  moe_detector_config config = moe_sgbt_detector(m);
  m->detector_size = moe_detector_size(&config);
}

/* The class met first has no trees of its own until there is a third: of two,
   the other has a score alone. */
static int32_t group_of(size_t nth) {
  return (int32_t)(nth < 2 ? 1 - nth : nth);
}

static size_t count_groups(const moe_sgbt_state *m, size_t outputs) {
  if (m->fitted.task == MOE_REGRESSION) return outputs;
  return outputs < 3 ? outputs - 1 : outputs;
}

static moe_status allocate_hand(moe_call *call, moe_sgbt_state *m) {
  size_t n = outputs_of(m), trees = m->groups * m->stages;
  MOE_TRY(moe_new_array(call, &m->bin, m->fitted.n_features, 1));
  MOE_TRY(moe_new_array(call, &m->score, n, sizeof *m->score));
  MOE_TRY(moe_new_array(call, &m->slope, n, sizeof *m->slope));
  MOE_TRY(moe_new_array(call, &m->chance, n, sizeof *m->chance));
  MOE_TRY(moe_new_array(call, &m->leaf, 2 * trees, sizeof *m->leaf));
  return moe_new_array(call, &m->room, MOE_SGBT_RECENT, sizeof *m->room);
}

static moe_status allocate_rows(moe_call *call, moe_sgbt_state *m) {
  size_t n = MOE_SGBT_RECENT, d = m->fitted.n_features, f = sizeof(double);
  MOE_TRY(moe_new_array(call, &m->recent, moe_size(n, d), f));
  MOE_TRY(moe_new_array(call, &m->recent_y, moe_size(n, targets_of(m)), f));
  MOE_TRY(moe_new_array(call, &m->recent_weight, n, f));
  MOE_TRY(moe_new_array(call, &m->recent_class, n, sizeof(int32_t)));
  MOE_TRY(moe_new_array(call, &m->edge, moe_size(d, m->bins), f));
  return moe_new_array(call, &m->n_edges, d, sizeof *m->n_edges);
}

static moe_status allocate_outputs(moe_call *call, moe_sgbt_state *m) {
  size_t n = outputs_of(m);
  MOE_TRY(moe_new_array(call, &m->met, n, sizeof *m->met));
  for (size_t k = 0; k < n; k++) m->met[k] = group_of(k);
  return moe_new_array(call, &m->base, n, sizeof *m->base);
}

/* All or nothing: `base` tells which. */
static moe_status prepare(moe_call *call, moe_sgbt_state *m,
                          const moe_sgbt_params *p) {
  if (m->base != NULL) return MOE_OK;
  shape(m, p);
  moe_status status = allocate_rows(call, m);
  if (status == MOE_OK) status = allocate_hand(call, m);
  if (status == MOE_OK) status = allocate_outputs(call, m);
  if (status == MOE_OK) return MOE_OK;
  void *arrays[] = {m->recent, m->recent_y, m->recent_weight, m->recent_class,
                    m->edge,   m->n_edges,  m->bin,           m->score,
                    m->slope,  m->leaf,     m->room,          m->met,
                    m->chance};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    moe_free(arrays[i]);
  moe_fitted fitted = m->fitted;
  *m = (moe_sgbt_state){.fitted = fitted};
  return status;
}

/* Trees for all of `to` groups; the `from` first have theirs. */
static moe_status plant_groups(moe_call *call, moe_sgbt_state *m,
                               const moe_sgbt_params *p, size_t to) {
  size_t from = m->groups * m->stages, all = to * m->stages;
  moe_detector_config config = moe_sgbt_detector(m);
  if (all == from) return MOE_OK;
  MOE_TRY(moe_sgbt_widen(call, &m->live, from, all, 1, sizeof *m->live));
  MOE_TRY(moe_sgbt_widen(call, &m->shadow, from, all, 1, sizeof *m->shadow));
  MOE_TRY(moe_sgbt_widen(call, &m->contest, from, all, 1, sizeof *m->contest));
  MOE_TRY(moe_sgbt_widen(call, &m->detectors, from, all, m->detector_size,
                         sizeof *m->detectors));
  MOE_TRY(
      moe_sgbt_widen(call, &m->leaf, 2 * from, 2 * all, 1, sizeof *m->leaf));
  MOE_TRY(moe_sgbt_reserve_runs(call, m, all - from));
  MOE_TRY(moe_sgbt_reserve_slots(call, m, all - from));
  for (size_t t = from; t < all; t++) {
    m->live[t] = moe_sgbt_plant(m, p, t);
    m->shadow[t] = -1;
    m->contest[t].trust = 1;
    moe_detector_reset(&config, m->detectors + t * m->detector_size);
  }
  m->groups = to;
  return MOE_OK;
}

/* ------------------------------------------------------------------- classes
 */

static double log_sum(const double *base, size_t n, bool pinned) {
  double most = pinned ? 0 : base[0], sum;
  for (size_t k = 0; k < n; k++) most = base[k] > most ? base[k] : most;
  sum = pinned ? exp(-most) : 0;
  for (size_t k = 0; k < n; k++) sum += exp(base[k] - most);
  return most + log(sum);
}

/* A class that comes late begins as rare as half a row among those seen, and
   its trees as if they had learned from these, none of which was of it. */
static moe_status open_groups(moe_call *call, moe_sgbt_state *m,
                              const moe_sgbt_params *p, size_t outputs) {
  size_t from = m->groups, to = count_groups(m, outputs), last = to - 1;
  double all = log_sum(m->base, from, from < 2);
  double seen = (double)m->fitted.n_seen;
  MOE_TRY(plant_groups(call, m, p, to));
  if (from == 1) m->base[1] = 0;
  m->base[last] = all - log(1 + 2 * seen);
  for (size_t t = last * m->stages; t < to * m->stages; t++) {
    moe_sgbt_sums *root = &m->sums[(size_t)m->live[t] * m->nodes];
    root->g = root->h = 0.5;
    root->weight = seen;
  }
  return MOE_OK;
}

static moe_status add_class(moe_call *call, moe_object *o, size_t position) {
  moe_sgbt_state *m = o->state;
  size_t n = outputs_of(m);
  if (m->base == NULL) return MOE_OK;
  MOE_TRY(moe_sgbt_widen(call, &m->met, n, n + 1, 1, sizeof *m->met));
  MOE_TRY(moe_sgbt_widen(call, &m->base, n, n + 1, 1, sizeof *m->base));
  MOE_TRY(moe_sgbt_widen(call, &m->score, n, n + 1, 1, sizeof *m->score));
  MOE_TRY(moe_sgbt_widen(call, &m->slope, n, n + 1, 1, sizeof *m->slope));
  MOE_TRY(moe_sgbt_widen(call, &m->chance, n, n + 1, 1, sizeof *m->chance));
  if (m->grown) MOE_TRY(open_groups(call, m, o->params, n));
  memmove(m->met + position + 1, m->met + position,
          (n - 1 - position) * sizeof *m->met);
  m->met[position] = group_of(n - 1);
  return MOE_OK;
}

/* ------------------------------------------------------------------ learning
 */

static void route(moe_sgbt_state *m, const double *x) {
  for (size_t t = 0; t < m->groups * m->stages; t++) {
    m->leaf[2 * t] = (int64_t)moe_sgbt_route(m, m->live[t], x);
    m->leaf[2 * t + 1] =
        m->shadow[t] < 0 ? -1 : (int64_t)moe_sgbt_route(m, m->shadow[t], x);
  }
}

static bool is_due(const moe_sgbt_state *m, const moe_sgbt_params *p,
                   int64_t leaf, double weight) {
  return leaf >= 0 && m->slot[leaf] >= 0 &&
         m->sums[leaf].since + weight >= (double)p->grace;
}

/* Room for every split that this row may bring about: all that can fail. */
static moe_status make_room(moe_call *call, moe_sgbt_state *m,
                            const moe_sgbt_params *p, double weight) {
  size_t due = 0;
  for (size_t i = 0; i < 2 * m->groups * m->stages; i++)
    due += is_due(m, p, m->leaf[i], weight);
  return due > 0 ? moe_sgbt_reserve_slots(call, m, due) : MOE_OK;
}

/* As in a batch, what comes next sees what is left once the tree has learned
   the row: a row that is the first of its kind is fitted once, not by all. */
static double teach(moe_sgbt_state *m, const moe_sgbt_params *p, size_t t,
                    const moe_sgbt_slope *slope, double weight) {
  int64_t live = m->leaf[2 * t], shadow = m->leaf[2 * t + 1];
  double values[2] = {m->sums[live].value, 0};
  double trust = m->contest[t].trust;
  if (!moe_sgbt_is_flat(m, p)) moe_sgbt_weigh(m, t, slope, weight, values[0]);
  moe_sgbt_teach(m, p, (size_t)live, slope, weight);
  if (shadow >= 0) {
    values[1] = m->sums[shadow].value;
    moe_sgbt_teach(m, p, (size_t)shadow, slope, weight);
  }
  moe_sgbt_watch(m, p, t, slope, weight, values);
  return trust * m->sums[live].value;
}

/* A row, its target y or its class's group. */
static moe_status learn_row(moe_call *call, moe_sgbt_state *m,
                            const moe_sgbt_params *p, const moe_example *s,
                            int32_t group) {
  double weight = s->weight < 1e50 ? s->weight : 1e50;
  route(m, s->x);
  MOE_TRY(make_room(call, m, p, weight));
  moe_sgbt_find_bins(m, s->x);
  memcpy(m->score, m->base, m->groups * sizeof *m->score);
  for (size_t i = 0; i < m->stages; i++) {
    moe_sgbt_slopes(m, p, s, group);
    for (size_t k = 0; k < m->groups; k++)
      m->score[k] +=
          p->lr * teach(m, p, k * m->stages + i, m->slope + k, weight);
  }
  moe_sgbt_scale(m, p, s);
  return MOE_OK;
}

static size_t group_of_output(const moe_sgbt_state *m, size_t k) {
  return m->fitted.task == MOE_CLASSIFICATION ? (size_t)m->met[k] : k;
}

static void keep_first(moe_sgbt_state *m, const moe_example *s) {
  size_t i = m->next, n = m->fitted.n_outputs;
  m->recent_weight[i] = s->weight;
  m->recent_class[i] = (int32_t)group_of_output(m, (size_t)s->id);
  if (m->fitted.task == MOE_REGRESSION)
    memcpy(m->recent_y + i * n, s->y, n * sizeof *s->y);
  moe_sgbt_keep(m, s->x);
}

static moe_status replay(moe_call *call, moe_sgbt_state *m,
                         const moe_sgbt_params *p) {
  for (size_t i = 0; i < m->kept; i++) {
    moe_example s = {.x = m->recent + i * m->fitted.n_features,
                     .y = m->recent_y + i * m->fitted.n_outputs,
                     .weight = m->recent_weight[i]};
    MOE_TRY(learn_row(call, m, p, &s, m->recent_class[i]));
  }
  return MOE_OK;
}

/* The trees begin with the rows kept so far. */
static moe_status begin_trees(moe_call *call, moe_sgbt_state *m,
                              const moe_sgbt_params *p) {
  moe_sgbt_draw_edges(m, (double *)m->room);
  MOE_TRY(plant_groups(call, m, p, count_groups(m, m->fitted.n_outputs)));
  return replay(call, m, p);
}

static void forget_trees(moe_sgbt_state *m) {
  for (size_t r = 0; r < m->runs; r++)
    if (m->owner[r] >= 0) moe_sgbt_fell(m, (int32_t)r);
  m->groups = 0;
  m->draws = 0;
}

static moe_status learn_first(moe_call *call, moe_sgbt_state *m,
                              const moe_sgbt_params *p, const moe_example *s) {
  size_t warm = p->grace < MOE_SGBT_RECENT ? (size_t)p->grace : MOE_SGBT_RECENT;
  keep_first(m, s);
  moe_sgbt_fit_base(m, p, m->room);
  if (m->kept < warm) return MOE_OK;
  moe_status status = begin_trees(call, m, p);
  m->grown = status == MOE_OK;
  if (m->grown) return MOE_OK;
  forget_trees(m);
  m->next = --m->kept;
  return status;
}

static moe_status learn_one(moe_call *call, moe_object *o,
                            const moe_example *s) {
  const moe_sgbt_params *p = o->params;
  moe_sgbt_state *m = o->state;
  MOE_TRY(prepare(call, m, p));
  if (!m->grown) return learn_first(call, m, p, s);
  MOE_TRY(moe_sgbt_plant_shadows(call, m, p));
  MOE_TRY(learn_row(call, m, p, s, (int32_t)group_of_output(m, (size_t)s->id)));
  moe_sgbt_keep(m, s->x);
  if (m->kept < MOE_SGBT_RECENT ? (m->kept & (m->kept - 1)) == 0 : m->next == 0)
    moe_sgbt_redraw_edges(m, (double *)m->room);
  return MOE_OK;
}

/* ------------------------------------------------------------------- answers
 */

static double score_of(const moe_sgbt_state *m, double lr, size_t group,
                       const double *x) {
  double score = m->base[group];
  for (size_t t = group * m->stages; t < (group + 1) * m->stages; t++)
    score += lr * m->contest[t].trust *
             m->sums[moe_sgbt_route(m, m->live[t], x)].value;
  return score;
}

/* Before there are trees the base is all there is. */
static double answer_of(const moe_sgbt_state *m, double lr, size_t group,
                        const double *x) {
  if (group < m->groups) return score_of(m, lr, group, x);
  bool pinned = m->grown || (m->fitted.n_outputs == 2 && group == 1);
  return pinned ? 0 : m->base[group];
}

static moe_status predict_one(moe_call *call, const moe_object *o,
                              const double *x, double *out) {
  const moe_sgbt_params *p = o->params;
  const moe_sgbt_state *m = o->state;
  size_t n = m->fitted.n_outputs;
  (void)call;
  memset(out, 0, n * sizeof *out);
  for (size_t k = 0; m->base != NULL && k < n; k++)
    out[k] = answer_of(m, p->lr, group_of_output(m, k), x);
  if (m->fitted.task == MOE_CLASSIFICATION) moe_softmax(out, 1, n);
  return MOE_OK;
}

static moe_status rebuild(moe_call *call, moe_object *o) {
  moe_sgbt_state *m = o->state;
  return m->base != NULL ? allocate_hand(call, m) : MOE_OK;
}

static moe_status count_leaves(moe_call *call, const moe_object *o,
                               moe_value *out) {
  const moe_sgbt_state *m = o->state;
  size_t n = 0;
  (void)call;
  for (size_t t = 0; t < m->groups * m->stages; t++)
    n += ((size_t)m->n_nodes[m->live[t]] + 1) / 2;
  *out = moe_number_value((double)n);
  return MOE_OK;
}

static moe_status count_replaced(moe_call *call, const moe_object *o,
                                 moe_value *out) {
  const moe_sgbt_state *m = o->state;
  (void)call;
  *out = moe_number_value((double)m->replaced);
  return MOE_OK;
}

static const moe_gauge gauges[] = {
    {"leaves", "leaves of all trees", count_leaves},
    {"replaced", "trees that another has taken the place of", count_replaced},
    {0}};

const moe_learner_type moe_sgbt = {
    .type = {.name = "sgbt",
             .family = "learner",
             .doc = "Gradient-boosted trees that grow with a stream, row by "
                    "row.",
             .params_size = sizeof(moe_sgbt_params),
             .state_size = sizeof(moe_sgbt_state),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = moe_sgbt_check,
             .rebuild = rebuild},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT |
              MOE_TAKES_MISSING | MOE_TAKES_NOMINAL | MOE_ONLINE,
    .begin = moe_stream_begin,
    .step = moe_stream_step,
    .learn = moe_stream_learn,
    .predict = moe_stream_predict,
    .learn_one = learn_one,
    .predict_one = predict_one,
    .add_class = add_class};
