/* Walks through streaming trees, how they grow, and how a subtree gives way to
   its rival. */
#include <math.h>
#include <string.h>

#include "hoeffding.h"

/* The lowest free place is taken, so that a file needs no list of them. */
static int32_t take_node(moe_hoeffding *h) {
  size_t i = 0;
  while (h->nodes[i].feature != MOE_H_FREE) i++;
  h->nodes_used++;
  return (int32_t)i;
}

static int32_t take_leaf(moe_hoeffding *h) {
  size_t i = 0;
  while (h->owners[i] != -1) i++;
  h->leaves_used++;
  return (int32_t)i;
}

/* Columns drawn without replacement, in their order. */
static void draw_columns(moe_hoeffding *h, int32_t *out) {
  size_t d = h->shape.columns, wanted = h->observed;
  size_t at[2] = {0, h->shape.numeric};
  for (size_t i = 0; i < moe_hoeffding_slots(h); i++) out[i] = -1;
  for (size_t j = 0; j < d && wanted > 0; j++) {
    if (wanted < d - j && moe_random_below(&h->random, d - j) >= wanted)
      continue;
    out[at[moe_hoeffding_is_nominal(h, j)]++] = (int32_t)j;
    wanted--;
  }
}

int32_t moe_hoeffding_plant(moe_hoeffding *h, moe_hoeffding_root *tree,
                            int32_t depth) {
  int32_t node = take_node(h), leaf = take_leaf(h);
  size_t size = moe_hoeffding_sort_of(h)->size(&h->shape);
  h->owners[leaf] = node;
  h->nodes[node] =
      (moe_hoeffding_node){MOE_H_LEAF, -1, {-1, -1}, leaf, -1, depth};
  h->tallies[node] = (moe_hoeffding_tally){0};
  if (h->detector > 0)
    memset(h->detectors + (size_t)node * h->detector, 0,
           h->detector * sizeof(double));
  memset(h->sums + (size_t)leaf * size, 0, size * sizeof(double));
  draw_columns(h, h->features + (size_t)leaf * moe_hoeffding_slots(h));
  tree->leaves++;
  return node;
}

static void free_leaf(moe_hoeffding *h, moe_hoeffding_root *tree,
                      int32_t leaf) {
  h->owners[leaf] = -1;
  h->leaves_used--;
  tree->leaves--;
}

void moe_hoeffding_fell(moe_hoeffding *h, moe_hoeffding_root *tree,
                        int32_t node) {
  moe_hoeffding_node *n = &h->nodes[node];
  if (n->rival >= 0) moe_hoeffding_fell(h, tree, n->rival);
  if (n->feature == MOE_H_LEAF) {
    free_leaf(h, tree, n->leaf);
  } else {
    moe_hoeffding_fell(h, tree, n->below[0]);
    moe_hoeffding_fell(h, tree, n->below[1]);
  }
  *n = (moe_hoeffding_node){MOE_H_FREE, -1, {-1, -1}, -1, -1, 0};
  h->nodes_used--;
}

/* ------------------------------------------------------------------ splitting
 */

/* ε of the bound: with probability 1 − δ a mean of n numbers within `range` is
   no further from what it estimates. */
static double bound(double range, double delta, double n) {
  return range * sqrt(-log(delta) / (2 * n));
}

static void split(moe_hoeffding *h, const moe_hoeffding_params *p,
                  moe_hoeffding_root *tree, int32_t node,
                  const moe_hoeffding_split *s) {
  int32_t leaf = h->nodes[node].leaf, depth = h->nodes[node].depth + 1;
  int32_t left = moe_hoeffding_plant(h, tree, depth);
  int32_t right = moe_hoeffding_plant(h, tree, depth);
  moe_hoeffding_node *n = &h->nodes[node];
  moe_hoeffding_sort_of(h)->divide(h, p, (size_t)leaf, s,
                                   (size_t)h->nodes[left].leaf,
                                   (size_t)h->nodes[right].leaf);
  n->feature = moe_hoeffding_features(h, (size_t)leaf)[s->slot];
  n->level = s->level;
  n->below[0] = left;
  n->below[1] = right;
  n->leaf = -1;
  h->tallies[node].threshold = s->threshold;
  for (int side = 0; side < 2; side++)
    h->tallies[node].passed[side] = moe_hoeffding_sums(
        h, (size_t)h->nodes[n->below[side]].leaf)[MOE_H_SEEN];
  free_leaf(h, tree, leaf);
}

/* The best two columns; to split none is among them, with a merit of 0. */
static moe_hoeffding_split choose(moe_hoeffding *h,
                                  const moe_hoeffding_params *p, size_t leaf,
                                  double *second) {
  moe_hoeffding_split best = {0};
  *second = 0;
  for (size_t k = 0; k < moe_hoeffding_slots(h); k++) {
    moe_hoeffding_split s = {.slot = (int32_t)k, .level = -1};
    if (moe_hoeffding_features(h, leaf)[k] < 0) continue;
    moe_hoeffding_sort_of(h)->propose(h, p, leaf, &s);
    if (s.merit > best.merit) {
      *second = best.merit;
      best = s;
    } else if (s.merit > *second) {
      *second = s.merit;
    }
  }
  return best;
}

static bool is_due(const moe_hoeffding *h, const moe_hoeffding_params *p,
                   const moe_hoeffding_root *tree, int32_t node) {
  const moe_hoeffding_node *n = &h->nodes[node];
  const double *sums = moe_hoeffding_sums(h, (size_t)n->leaf);
  return sums[MOE_H_SEEN] - sums[MOE_H_TRIED] >= (double)p->grace_period &&
         n->depth < p->max_depth && tree->leaves < p->max_leaves &&
         moe_hoeffding_has_room(h);
}

void moe_hoeffding_try_split(moe_hoeffding *h, const moe_hoeffding_params *p,
                             moe_hoeffding_root *tree, int32_t node) {
  const moe_hoeffding_sort *sort = moe_hoeffding_sort_of(h);
  if (!is_due(h, p, tree, node)) return;
  size_t leaf = (size_t)h->nodes[node].leaf;
  double *sums = moe_hoeffding_sums(h, leaf), second;
  sums[MOE_H_TRIED] = sums[MOE_H_SEEN];
  double range = sort->range(h, p, leaf);
  if (range == 0) return;
  moe_hoeffding_split best = choose(h, p, leaf, &second);
  if (best.merit <= 0) return;
  double lead = best.merit - second;
  if (sort->relative) lead /= best.merit;
  double needed = bound(range, p->delta, sums[MOE_H_SEEN]);
  if (lead > needed || needed < p->tau) split(h, p, tree, node, &best);
}

/* ------------------------------------------------------------------- walking
 */

static int32_t find_leaf(const moe_hoeffding *h, int32_t node,
                         const double *x) {
  while (h->nodes[node].feature >= 0)
    node = h->nodes[node].below[moe_hoeffding_side(h, node, x)];
  return node;
}

void moe_hoeffding_ask(const moe_hoeffding *h, const moe_hoeffding_params *p,
                       const moe_hoeffding_root *tree, const double *x,
                       double *out) {
  int32_t node = find_leaf(h, tree->node, x);
  moe_hoeffding_sort_of(h)->predict(h, p, (size_t)h->nodes[node].leaf, x, out);
}

/* The same, and counts the sample on its way. */
static int32_t send(moe_hoeffding *h, int32_t node, const double *x,
                    double weight) {
  while (h->nodes[node].feature >= 0) {
    int side = moe_hoeffding_side(h, node, x);
    double *passed = &h->tallies[node].passed[side];
    *passed = moe_hoeffding_bounded(*passed + weight);
    node = h->nodes[node].below[side];
  }
  return node;
}

static double learn_below(moe_hoeffding *h, const moe_hoeffding_params *p,
                          moe_hoeffding_root *tree, int32_t root,
                          const moe_example *s, double weight) {
  int32_t node = send(h, root, s->x, weight);
  double loss = moe_hoeffding_sort_of(h)->learn(
      h, p, (size_t)h->nodes[node].leaf, s, weight);
  if (weight > 0) moe_hoeffding_try_split(h, p, tree, node);
  return loss;
}

/* -------------------------------------------------------------------- rivals
   Bifet & Gavaldà 2009 (doi 10.1007/978-3-642-03915-7_22): where the losses of
   the answers that came through a node have changed for the worse, a tree
   begins beside it and takes its place once it is better, with confidence 0.95,
   on the same samples. */

enum { FEWEST_TRIALS = 300 };

static void replace(moe_hoeffding *h, moe_hoeffding_root *tree, int32_t node) {
  int32_t rival = h->nodes[node].rival, leaf;
  moe_hoeffding_node winner = h->nodes[rival];
  moe_hoeffding_tally tally = h->tallies[rival];
  h->nodes[rival] = (moe_hoeffding_node){MOE_H_FREE, -1, {-1, -1}, -1, -1, 0};
  h->nodes[node].rival = -1;
  moe_hoeffding_fell(h, tree, node);
  h->nodes[node] = winner;
  h->tallies[node] = tally;
  memset(h->detectors + (size_t)node * h->detector, 0,
         h->detector * sizeof(double));
  leaf = winner.leaf;
  if (leaf >= 0) h->owners[leaf] = node;
}

/* True where the rival has taken the node's place. */
static bool compare(moe_hoeffding *h, moe_hoeffding_root *tree, int32_t node) {
  moe_hoeffding_tally *t = &h->tallies[node];
  double n = t->trials, own = t->loss / n, other = t->rival_loss / n;
  double apart = sqrt(4 * own * (1 - own) * log(2 / 0.05) / n);
  if (n < FEWEST_TRIALS || fabs(own - other) <= apart) return false;
  if (other < own) {
    replace(h, tree, node);
    return true;
  }
  moe_hoeffding_fell(h, tree, h->nodes[node].rival);
  h->nodes[node].rival = -1;
  return false;
}

moe_detector_config moe_hoeffding_adwin(double delta) {
  return (moe_detector_config){.kind = MOE_ADWIN,
                               .delta = delta,
                               .threshold = NAN,
                               .alpha = NAN,
                               .window = MOE_NO_INT};
}

bool moe_hoeffding_has_risen(const moe_detector_config *c, double *state,
                             double loss) {
  double before = moe_detector_mean(c, state);
  return moe_detector_update(c, state, loss) == MOE_DRIFT &&
         moe_detector_mean(c, state) > before;
}

static bool contend(moe_hoeffding *h, const moe_hoeffding_params *p,
                    moe_hoeffding_root *tree, int32_t node,
                    const moe_example *s, double weight, double loss) {
  double other = learn_below(h, p, tree, h->nodes[node].rival, s, weight);
  moe_hoeffding_tally *t = &h->tallies[node];
  t->trials++;
  t->loss += loss;
  t->rival_loss += other;
  return compare(h, tree, node);
}

static void watch(moe_hoeffding *h, const moe_hoeffding_params *p,
                  const moe_detector_config *c, moe_hoeffding_root *tree,
                  const moe_example *s, double weight, double loss) {
  for (int32_t node = tree->node;;
       node = h->nodes[node].below[moe_hoeffding_side(h, node, s->x)]) {
    double *state = h->detectors + (size_t)node * h->detector;
    bool worse = moe_hoeffding_has_risen(c, state, loss);
    if (h->nodes[node].rival >= 0) {
      if (contend(h, p, tree, node, s, weight, loss)) return;
    } else if (worse && moe_hoeffding_has_room(h)) {
      h->nodes[node].rival = moe_hoeffding_plant(h, tree, h->nodes[node].depth);
      h->tallies[node].trials = 0;
      h->tallies[node].loss = h->tallies[node].rival_loss = 0;
    }
    if (h->nodes[node].feature < 0) return;
  }
}

double moe_hoeffding_learn(moe_hoeffding *h, const moe_hoeffding_params *p,
                           const moe_detector_config *detector,
                           moe_hoeffding_root *tree, const moe_example *s,
                           double weight) {
  if (tree->node < 0) tree->node = moe_hoeffding_plant(h, tree, 0);
  double loss = learn_below(h, p, tree, tree->node, s, weight);
  if (detector != NULL) watch(h, p, detector, tree, s, weight, loss);
  return loss;
}

/* ------------------------------------------------------------------- scaling
 */

static void count(moe_hoeffding_scale *scale, size_t j, double x, double w) {
  if (x != x) return;
  moe_hoeffding_add_moment(&scale->weight[j], &scale->mean[j],
                           &scale->variance[j], moe_hoeffding_limited(x), w);
  double v = scale->variance[j];
  scale->factor[j] = v > 1e-200 ? 1 / sqrt(v) : 0;
}

void moe_hoeffding_count(moe_hoeffding *h, const moe_example *s) {
  if (moe_hoeffding_classifies(h)) return;
  moe_hoeffding_scale scale = moe_hoeffding_scale_of(h);
  size_t d = h->shape.columns;
  for (size_t j = 0; j < d; j++) count(&scale, j, s->x[j], s->weight);
  count(&scale, d, s->y[0], s->weight);
}
