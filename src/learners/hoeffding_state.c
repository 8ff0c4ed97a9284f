/* Storage of streaming trees: room for nodes and leaves, in flat arrays that
   grow; and whether a file's may be trusted. */
#include <math.h>
#include <string.h>

#include "hoeffding.h"

/* Room that every tree finds at each sample: for a split in it and in trees
   beside it, and for new ones of those. */
enum { SPARE_NODES = 8, SPARE_LEAVES = 6, FEWEST_LEVELS = 4 };

static size_t work_size(const moe_hoeffding *h) {
  return moe_hoeffding_sort_of(h)->work(&h->shape);
}

static size_t scale_size(const moe_hoeffding *h) {
  return moe_size(4, h->shape.columns + 1);
}

moe_hoeffding_scale moe_hoeffding_scale_of(const moe_hoeffding *h) {
  size_t n = h->shape.columns + 1;
  return (moe_hoeffding_scale){h->scale, h->scale + n, h->scale + 2 * n,
                               h->scale + 3 * n};
}

/* ------------------------------------------------------------------ growing
 */

/* Arrays of n places, the new ones free. */
static moe_status grow_nodes(moe_call *call, moe_hoeffding *h, size_t n) {
  size_t size = h->detector;
  moe_hoeffding_node *nodes = moe_resize(h->nodes, n, sizeof *nodes);
  if (nodes != NULL) h->nodes = nodes;
  moe_hoeffding_tally *tallies = moe_resize(h->tallies, n, sizeof *tallies);
  if (tallies != NULL) h->tallies = tallies;
  double *detectors = h->detectors;
  if (size > 0) detectors = moe_resize(detectors, n, size * sizeof *detectors);
  h->detectors = detectors != NULL ? detectors : h->detectors;
  if (nodes == NULL || tallies == NULL || (size > 0 && detectors == NULL))
    return moe_fail(call, MOE_ENOMEM, "not enough memory for %zu nodes", n);
  for (size_t i = h->n_nodes; i < n; i++) {
    nodes[i] = (moe_hoeffding_node){MOE_H_FREE, -1, {-1, -1}, -1, -1, 0};
    tallies[i] = (moe_hoeffding_tally){0};
  }
  if (size > 0)
    memset(detectors + h->n_nodes * size, 0,
           (n - h->n_nodes) * size * sizeof *detectors);
  h->n_nodes = n;
  return MOE_OK;
}

static moe_status grow_leaves(moe_call *call, moe_hoeffding *h, size_t n) {
  size_t size = moe_hoeffding_sort_of(h)->size(&h->shape);
  size_t slots = moe_hoeffding_slots(h), more = n - h->n_leaves;
  int32_t *owners = moe_resize(h->owners, n, sizeof *owners);
  if (owners != NULL) h->owners = owners;
  int32_t *features =
      moe_resize(h->features, moe_size(n, slots), sizeof *features);
  if (features != NULL) h->features = features;
  double *sums = moe_resize(h->sums, moe_size(n, size), sizeof *sums);
  if (sums != NULL) h->sums = sums;
  if (owners == NULL || features == NULL || sums == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for %zu leaves", n);
  memset(owners + h->n_leaves, -1, more * sizeof *owners);
  memset(features + h->n_leaves * slots, -1, more * slots * sizeof *features);
  memset(sums + h->n_leaves * size, 0, more * size * sizeof *sums);
  h->n_leaves = n;
  return MOE_OK;
}

static size_t spare(const moe_hoeffding *h, size_t a_tree) {
  return a_tree * h->n_trees;
}

bool moe_hoeffding_has_room(const moe_hoeffding *h) {
  return h->n_nodes - h->nodes_used >= 2 && h->n_leaves - h->leaves_used >= 2;
}

static moe_status make_room(moe_call *call, moe_hoeffding *h) {
  size_t nodes = h->nodes_used + spare(h, SPARE_NODES);
  size_t leaves = h->leaves_used + spare(h, SPARE_LEAVES);
  if (nodes > h->n_nodes)
    MOE_TRY(grow_nodes(call, h, nodes + h->nodes_used / 2));
  if (leaves > h->n_leaves)
    MOE_TRY(grow_leaves(call, h, leaves + h->leaves_used / 2));
  return MOE_OK;
}

/* All leaves in another shape. */
static moe_status reshape(moe_call *call, moe_hoeffding *h,
                          const moe_hoeffding_shape *to, size_t position) {
  const moe_hoeffding_sort *sort = moe_hoeffding_sort_of(h);
  size_t before = sort->size(&h->shape), after = sort->size(to);
  double *wider = moe_resize(h->work, sort->work(to), sizeof *wider), *sums;
  if (wider == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for a tree");
  h->work = wider;
  MOE_TRY(moe_new_array(call, &sums, h->n_leaves, after * sizeof *sums));
  for (size_t i = 0; i < h->n_leaves; i++)
    sort->widen(&h->shape, h->sums + i * before, to, sums + i * after,
                position);
  moe_free(h->sums);
  h->sums = sums;
  h->shape = *to;
  return MOE_OK;
}

moe_status moe_hoeffding_add_class(moe_call *call, moe_object *o,
                                   size_t position) {
  moe_hoeffding *h = o->state;
  moe_hoeffding_shape to = h->shape;
  if (h->nodes == NULL) return MOE_OK;
  to.outputs++;
  return reshape(call, h, &to, position);
}

/* The most levels of the sample's, where there is no room for them. */
static size_t count_levels(const moe_hoeffding *h, const double *x) {
  size_t levels = h->shape.levels;
  for (size_t j = 0; j < h->shape.columns; j++)
    if (moe_hoeffding_is_nominal(h, j) &&
        moe_hoeffding_level(x[j]) >= (int32_t)levels)
      levels = (size_t)moe_hoeffding_level(x[j]) + 1;
  return levels;
}

moe_status moe_hoeffding_admit(moe_call *call, moe_hoeffding *h,
                               const double *x) {
  if (h->shape.nominal > 0) {
    size_t levels = count_levels(h, x);
    moe_hoeffding_shape to = h->shape;
    while (to.levels < levels) to.levels *= 2;
    if (to.levels > h->shape.levels) MOE_TRY(reshape(call, h, &to, SIZE_MAX));
  }
  return make_room(call, h);
}

/* ----------------------------------------------------------------- beginning
 */

size_t moe_hoeffding_count_observed(double share, size_t d) {
  double n =
      isnan(share) ? round(sqrt((double)d)) + 1 : ceil(share * (double)d);
  return n < (double)d ? (size_t)n : d;
}

static void lay_out(moe_hoeffding *h) {
  size_t d = h->fitted.n_features, nominal = 0;
  for (size_t j = 0; j < d; j++) nominal += moe_hoeffding_is_nominal(h, j);
  size_t numeric = d - nominal;
  h->shape = (moe_hoeffding_shape){
      .outputs = h->fitted.n_outputs,
      .columns = d,
      .numeric = numeric < h->observed ? numeric : h->observed,
      .nominal = nominal < h->observed ? nominal : h->observed,
      .levels = FEWEST_LEVELS};
}

static moe_status new_arrays(moe_call *call, moe_hoeffding *h) {
  if (!moe_hoeffding_classifies(h))
    MOE_TRY(moe_new_array(call, &h->scale, scale_size(h), sizeof *h->scale));
  MOE_TRY(moe_new_array(call, &h->work, work_size(h), sizeof *h->work));
  MOE_TRY(moe_new_array(call, &h->trees, h->n_trees, sizeof *h->trees));
  for (size_t i = 0; i < h->n_trees; i++)
    h->trees[i] = (moe_hoeffding_root){-1, 0};
  return make_room(call, h);
}

static void drop_arrays(moe_hoeffding *h) {
  void **arrays[] = {
      (void **)&h->scale,  (void **)&h->work,     (void **)&h->trees,
      (void **)&h->nodes,  (void **)&h->tallies,  (void **)&h->detectors,
      (void **)&h->owners, (void **)&h->features, (void **)&h->sums};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    moe_free(*arrays[i]);
    *arrays[i] = NULL;
  }
  h->n_trees = h->n_nodes = h->n_leaves = 0;
}

moe_status moe_hoeffding_prepare(moe_call *call, moe_hoeffding *h,
                                 const moe_hoeffding_plan *plan) {
  if (h->nodes != NULL) return MOE_OK;
  h->observed =
      moe_hoeffding_count_observed(plan->observed, h->fitted.n_features);
  h->detector = plan->detector;
  h->n_trees = plan->trees;
  moe_random_seed(&h->random, plan->seed);
  lay_out(h);
  moe_status status = new_arrays(call, h);
  if (status != MOE_OK) drop_arrays(h);
  return status;
}

/* --------------------------------------------------------------------- files
 */

static moe_status visit_shape(moe_hoeffding *h, moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "outputs", MOE_I64, &h->shape.outputs));
  MOE_TRY(moe_visit_scalar(v, "columns", MOE_I64, &h->shape.columns));
  MOE_TRY(moe_visit_scalar(v, "numeric", MOE_I64, &h->shape.numeric));
  MOE_TRY(moe_visit_scalar(v, "nominal_columns", MOE_I64, &h->shape.nominal));
  MOE_TRY(moe_visit_scalar(v, "level_room", MOE_I64, &h->shape.levels));
  MOE_TRY(moe_visit_scalar(v, "observed", MOE_I64, &h->observed));
  MOE_TRY(moe_visit_scalar(v, "detector", MOE_I64, &h->detector));
  MOE_TRY(moe_visit_scalar(v, "n_nodes", MOE_I64, &h->n_nodes));
  MOE_TRY(moe_visit_scalar(v, "n_leaves", MOE_I64, &h->n_leaves));
  MOE_TRY(moe_visit_scalar(v, "nodes_used", MOE_I64, &h->nodes_used));
  MOE_TRY(moe_visit_scalar(v, "leaves_used", MOE_I64, &h->leaves_used));
  return moe_visit_scalar(v, "n_trees", MOE_I64, &h->n_trees);
}

enum {
  NODE_INTS = sizeof(moe_hoeffding_node) / sizeof(int32_t),
  ROOT_INTS = sizeof(moe_hoeffding_root) / sizeof(int32_t),
  TALLY_REALS = sizeof(moe_hoeffding_tally) / sizeof(double)
};

moe_status moe_hoeffding_visit_random(moe_random *r, moe_visitor *v,
                                      const char *const names[4]) {
  for (size_t i = 0; i < 4; i++)
    MOE_TRY(moe_visit_scalar(v, names[i], MOE_I64, &r->s[i]));
  return MOE_OK;
}

moe_status moe_hoeffding_visit(void *state, moe_visitor *v) {
  static const char *const names[] = {"random_1", "random_2", "random_3",
                                      "random_4"};
  moe_hoeffding *h = state;
  MOE_TRY(moe_fitted_visit(&h->fitted, v));
  MOE_TRY(visit_shape(h, v));
  size_t nodes = h->n_nodes, leaves = h->n_leaves;
  size_t size = moe_hoeffding_sort_of(h)->size(&h->shape);
  MOE_TRY(moe_visit_array(v, "nodes", MOE_I32, &h->nodes,
                          moe_size(nodes, NODE_INTS)));
  MOE_TRY(moe_visit_array(v, "tallies", MOE_F64, &h->tallies,
                          moe_size(nodes, TALLY_REALS)));
  MOE_TRY(moe_visit_array(v, "detectors", MOE_F64, &h->detectors,
                          moe_size(nodes, h->detector)));
  MOE_TRY(moe_visit_array(v, "owners", MOE_I32, &h->owners, leaves));
  MOE_TRY(moe_visit_array(v, "features", MOE_I32, &h->features,
                          moe_size(leaves, moe_hoeffding_slots(h))));
  MOE_TRY(
      moe_visit_array(v, "sums", MOE_F64, &h->sums, moe_size(leaves, size)));
  MOE_TRY(moe_visit_array(v, "trees", MOE_I32, &h->trees,
                          moe_size(h->n_trees, ROOT_INTS)));
  if (!moe_hoeffding_classifies(h))
    MOE_TRY(moe_visit_array(v, "scale", MOE_F64, &h->scale,
                            h->n_trees > 0 ? scale_size(h) : 0));
  MOE_TRY(moe_hoeffding_visit_random(&h->random, v, names));
  return moe_visit_derived(v, "work", MOE_F64, &h->work, work_size(h));
}

moe_status moe_hoeffding_rebuild(moe_call *call, moe_object *o) {
  moe_hoeffding *h = o->state;
  if (h->nodes == NULL) return MOE_OK;
  return moe_new_array(call, &h->work, work_size(h), sizeof *h->work);
}

/* What the walk over all trees has met. */
typedef struct census {
  const moe_hoeffding *h;
  uint8_t *met; /* of each node */
  size_t nodes, leaves, of_tree;
} census;

static bool is_place(int32_t i, size_t n) { return i >= 0 && (size_t)i < n; }

static bool take_leaf(census *c, int32_t node, const moe_hoeffding_node *n) {
  c->leaves++;
  c->of_tree++;
  return is_place(n->leaf, c->h->n_leaves) && c->h->owners[n->leaf] == node;
}

/* Every node is met once, below its parent. */
static bool is_tree(census *c, int32_t node, int32_t depth, bool rival) {
  const moe_hoeffding *h = c->h;
  if (!is_place(node, h->n_nodes) || c->met[node]++ || depth > MOE_H_DEEPEST)
    return false;
  const moe_hoeffding_node *n = &h->nodes[node];
  c->nodes++;
  if (n->depth != depth || (n->rival >= 0 && rival)) return false;
  if (n->rival >= 0 && !is_tree(c, n->rival, depth, true)) return false;
  if (n->feature == MOE_H_LEAF) return take_leaf(c, node, n);
  return is_place(n->feature, h->shape.columns) && n->level < MOE_MOST_LEVELS &&
         is_tree(c, n->below[0], depth + 1, rival) &&
         is_tree(c, n->below[1], depth + 1, rival);
}

static bool is_forest(census *c) {
  const moe_hoeffding *h = c->h;
  for (size_t i = 0; i < h->n_trees; i++) {
    c->of_tree = 0;
    if (h->trees[i].node != -1 && !is_tree(c, h->trees[i].node, 0, false))
      return false;
    if (h->trees[i].leaves < 0 || (size_t)h->trees[i].leaves != c->of_tree)
      return false;
  }
  for (size_t i = 0; i < h->n_nodes; i++)
    if (!c->met[i] && h->nodes[i].feature != MOE_H_FREE) return false;
  size_t owned = 0;
  for (size_t i = 0; i < h->n_leaves; i++) owned += h->owners[i] != -1;
  return owned == c->leaves && c->nodes == h->nodes_used &&
         c->leaves == h->leaves_used;
}

static bool observes_columns(const moe_hoeffding *h) {
  size_t slots = moe_hoeffding_slots(h);
  for (size_t i = 0; i < h->n_leaves * slots; i++) {
    int32_t j = h->features[i];
    bool nominal = i % slots >= h->shape.numeric;
    if (j != -1 && (!is_place(j, h->shape.columns) ||
                    moe_hoeffding_is_nominal(h, (size_t)j) != nominal))
      return false;
  }
  return true;
}

static bool scale_fits(const moe_hoeffding *h) {
  moe_hoeffding_scale scale = moe_hoeffding_scale_of(h);
  for (size_t j = 0; j <= h->shape.columns; j++)
    if (!moe_hoeffding_is_weight(scale.weight[j]) ||
        !moe_hoeffding_is_value(scale.mean[j]) ||
        !moe_hoeffding_is_variance(scale.variance[j]) ||
        !(scale.factor[j] >= 0 && scale.factor[j] <= 1e101))
      return false;
  return true;
}

static bool numbers_fit(const moe_hoeffding *h) {
  const double *tallies = (const double *)h->tallies;
  if (!moe_hoeffding_classifies(h) && !scale_fits(h)) return false;
  for (size_t i = 0; i < h->n_nodes * TALLY_REALS; i++)
    if (!isfinite(tallies[i])) return false;
  for (size_t i = 0; i < h->n_leaves; i++)
    if (h->owners[i] != -1 && !moe_hoeffding_sort_of(h)->is_sound(h, i))
      return false;
  return true;
}

static bool shape_fits(const moe_hoeffding *h) {
  moe_hoeffding like = *h;
  if (h->shape.columns != h->fitted.n_features ||
      h->shape.outputs != h->fitted.n_outputs || h->observed < 1 ||
      h->observed > h->shape.columns || h->n_trees < 1 ||
      h->n_nodes > INT32_MAX || h->n_leaves > INT32_MAX ||
      h->shape.levels > MOE_MOST_LEVELS || h->shape.levels < FEWEST_LEVELS)
    return false;
  lay_out(&like);
  return like.shape.numeric == h->shape.numeric &&
         like.shape.nominal == h->shape.nominal &&
         moe_hoeffding_is_random(&h->random);
}

static moe_status refuse(moe_call *call, const moe_object *o,
                         const char *what) {
  return moe_fail(call, MOE_EFORMAT, "%s: %s", o->type->name, what);
}

/* Nothing was learned, nothing is there. */
static bool is_empty(const moe_hoeffding *h) {
  return h->n_nodes == 0 && h->n_leaves == 0 && h->n_trees == 0 &&
         h->tallies == NULL && h->detectors == NULL && h->owners == NULL &&
         h->features == NULL && h->sums == NULL && h->trees == NULL &&
         h->scale == NULL;
}

moe_status moe_hoeffding_check(moe_call *call, const moe_object *o) {
  const moe_hoeffding *h = o->state;
  census c = {.h = h};
  if (h->nodes == NULL)
    return is_empty(h) ? MOE_OK : refuse(call, o, "the nodes are missing");
  if (h->tallies == NULL || h->owners == NULL || h->features == NULL ||
      h->sums == NULL || h->trees == NULL ||
      (h->scale == NULL && !moe_hoeffding_classifies(h)) ||
      (h->detector > 0 && h->detectors == NULL))
    return refuse(call, o, "an array is missing");
  if (!shape_fits(h)) return refuse(call, o, "the shape is not possible");
  MOE_SCRATCH(call, c.met, h->n_nodes);
  if (!is_forest(&c)) return refuse(call, o, "the nodes are not trees");
  if (!observes_columns(h)) return refuse(call, o, "a column is not there");
  if (!numbers_fit(h)) return refuse(call, o, "a number is not usable");
  return MOE_OK;
}

moe_status moe_hoeffding_check_detectors(moe_call *call, const moe_object *o,
                                         const moe_detector_config *c) {
  const moe_hoeffding *h = o->state;
  bool good = h->nodes == NULL || h->detector == moe_detector_size(c);
  for (size_t i = 0; good && i < h->n_nodes; i++)
    good = moe_detector_is_sound(c, h->detectors + i * h->detector);
  return good ? MOE_OK : refuse(call, o, "a detector is not usable");
}
