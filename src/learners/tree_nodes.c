#include "tree_nodes.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "threads.h"

#define INLINE static inline __attribute__((always_inline))

/* ---------------------------------------------------------------- building */

void moe_tree_arrays_free(moe_tree_arrays *t) {
  moe_free(t->nodes);
  moe_free(t->missing);
  moe_free(t->share);
  moe_free(t->values);
  *t = (moe_tree_arrays){0};
}

static moe_status reserve(moe_call *call, moe_trees *t, size_t nodes,
                          size_t values) {
  if (nodes > INT32_MAX - t->n_nodes || values > INT32_MAX - t->n_values)
    return moe_fail(call, MOE_EDATA, "the trees have more than 2^31 nodes");
  MOE_TRY(moe_reserve(call, &t->roots, &t->roots_room, t->n_trees, 1,
                      sizeof *t->roots));
  MOE_TRY(moe_reserve(call, &t->nodes, &t->nodes_room, t->n_nodes, nodes,
                      sizeof *t->nodes));
  MOE_TRY(moe_reserve(call, &t->missing, &t->missing_room, t->n_nodes, nodes,
                      sizeof *t->missing));
  MOE_TRY(moe_reserve(call, &t->share, &t->share_room, t->n_nodes, nodes,
                      sizeof *t->share));
  return moe_reserve(call, &t->values, &t->values_room, t->n_values, values,
                     t->width * sizeof *t->values);
}

moe_status moe_trees_new(moe_call *call, moe_trees *t, size_t width,
                         bool certain) {
  *t = (moe_trees){.width = width, .certain = certain ? width : 0};
  MOE_TRY(reserve(call, t, t->certain, 0));
  for (int32_t c = 0; c < (int32_t)t->certain; c++) {
    t->nodes[c] = (moe_tree_node){.child = {c, c}};
    t->missing[c] = 0;
    t->share[c] = 0;
  }
  t->n_nodes = t->certain;
  return MOE_OK;
}

static bool is_leaf(const moe_tree_node *node, size_t i) {
  return node->child[0] == (int32_t)i && node->child[1] == (int32_t)i;
}

static int32_t relocate(int32_t child, size_t first) {
  return child < 0 ? ~child : child + (int32_t)first;
}

moe_status moe_trees_append(moe_call *call, moe_trees *t,
                            const moe_tree_arrays *tree) {
  size_t row = t->width * sizeof *t->values, first = t->n_nodes;
  MOE_TRY(reserve(call, t, tree->n_nodes, tree->n_values));
  for (size_t i = 0; i < tree->n_nodes; i++) {
    moe_tree_node node = tree->nodes[i];
    if (is_leaf(&node, i)) node.value += (int32_t)t->n_values;
    node.child[0] = relocate(node.child[0], first);
    node.child[1] = relocate(node.child[1], first);
    t->nodes[first + i] = node;
    t->missing[first + i] = tree->missing[i];
    t->share[first + i] = is_leaf(&tree->nodes[i], i) ? 0 : tree->share[i];
  }
  if (tree->n_values > 0)
    memcpy(t->values + t->n_values * t->width, tree->values,
           tree->n_values * row);
  t->roots[t->n_trees++] = relocate(tree->root, first);
  t->n_nodes += tree->n_nodes;
  t->n_values += tree->n_values;
  return MOE_OK;
}

void moe_trees_truncate(moe_trees *t, size_t n) {
  if (n >= t->n_trees) return;
  size_t first = (size_t)t->roots[n];
  for (size_t i = first; i < t->n_nodes; i++)
    t->n_values -= is_leaf(&t->nodes[i], i);
  t->n_nodes = first;
  t->n_trees = n;
}

static void trim(void *array, size_t *room, size_t n, size_t size) {
  void **at = array, *smaller = n < *room ? moe_resize(*at, n, size) : NULL;
  if (smaller == NULL) return;
  *at = smaller;
  *room = n;
}

void moe_trees_trim(moe_trees *t) {
  trim(&t->roots, &t->roots_room, t->n_trees, sizeof *t->roots);
  trim(&t->nodes, &t->nodes_room, t->n_nodes, sizeof *t->nodes);
  trim(&t->missing, &t->missing_room, t->n_nodes, sizeof *t->missing);
  trim(&t->share, &t->share_room, t->n_nodes, sizeof *t->share);
  trim(&t->values, &t->values_room, t->n_values, t->width * sizeof(double));
}

float moe_tree_share(double a, double b) {
  const float least = 0x1p-24F;
  float share = (float)(a / (a + b));
  if (!(share >= 0 && share <= 1)) return 0.5F;
  return fminf(fmaxf(share, least), 1 - least);
}

/* ------------------------------------------------------- saving and loading */

/* A node is saved as four numbers of 32 bits: the bits of its threshold (of a
   leaf, its value), its feature, its children. */
moe_status moe_trees_visit(moe_trees *t, moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "n_trees", MOE_I64, &t->n_trees));
  MOE_TRY(moe_visit_scalar(v, "n_nodes", MOE_I64, &t->n_nodes));
  MOE_TRY(moe_visit_scalar(v, "n_values", MOE_I64, &t->n_values));
  MOE_TRY(moe_visit_scalar(v, "width", MOE_I64, &t->width));
  MOE_TRY(moe_visit_scalar(v, "certain", MOE_I64, &t->certain));
  MOE_TRY(moe_visit_array(v, "roots", MOE_I32, &t->roots, t->n_trees));
  MOE_TRY(
      moe_visit_array(v, "nodes", MOE_I32, &t->nodes, moe_size(t->n_nodes, 4)));
  MOE_TRY(moe_visit_array(v, "missing", MOE_U8, &t->missing, t->n_nodes));
  MOE_TRY(moe_visit_array(v, "share", MOE_F32, &t->share, t->n_nodes));
  return moe_visit_array(v, "values", MOE_F64, &t->values,
                         moe_size(t->n_values, t->width));
}

/* Certain, or behind the parent: so every walk ends. */
static bool is_sound_child(const moe_trees *t, size_t parent, int32_t child) {
  return child >= 0 && (size_t)child < t->n_nodes &&
         ((size_t)child < t->certain || (size_t)child > parent);
}

static bool is_sound(const moe_trees *t, size_t i, size_t d) {
  const moe_tree_node *n = &t->nodes[i];
  if (i < t->certain) return is_leaf(n, i) && n->feature == 0;
  if (is_leaf(n, i))
    return n->feature == 0 && n->value >= 0 && (size_t)n->value < t->n_values;
  return n->feature >= 0 && (size_t)n->feature < d && !isnan(n->threshold) &&
         is_sound_child(t, i, n->child[0]) &&
         is_sound_child(t, i, n->child[1]) && t->share[i] > 0 &&
         t->share[i] < 1;
}

/* Notes that a walk comes to the node, and whether one had before. */
static bool comes_again(const moe_trees *t, uint8_t *led, int32_t node) {
  bool again = led[node] != 0 && (size_t)node >= t->certain;
  led[node] = 1;
  return again;
}

/* Nothing but the certain leaves is led to twice: so there are no more paths
   through the trees than leaves. */
static moe_status check_paths(moe_call *call, const moe_trees *t) {
  moe_scratch_mark mark = moe_scratch_now(call);
  uint8_t *led;
  bool again = false;
  MOE_SCRATCH(call, led, t->n_nodes);
  for (size_t k = 0; k < t->n_trees; k++)
    again |= comes_again(t, led, t->roots[k]);
  for (size_t i = t->certain; i < t->n_nodes; i++)
    for (int side = 0; side < 2 && !is_leaf(&t->nodes[i], i); side++)
      again |= comes_again(t, led, t->nodes[i].child[side]);
  moe_scratch_drop(call, mark);
  return again ? moe_fail(call, MOE_EFORMAT, "two paths of the trees meet")
               : MOE_OK;
}

static bool has_sound_shape(const moe_trees *t) {
  if (t->n_trees == 0 || t->n_nodes > INT32_MAX || t->certain > t->n_nodes ||
      (t->certain != 0 && t->certain != t->width))
    return false;
  for (size_t k = 0; k < t->n_trees; k++)
    if (t->roots[k] < 0 || (size_t)t->roots[k] >= t->n_nodes) return false;
  return true;
}

/* Values of classes are shares. */
static bool is_sound_value(const moe_trees *t, double value) {
  return isfinite(value) && (t->certain == 0 || (value >= 0 && value <= 1));
}

moe_status moe_trees_check(moe_call *call, const moe_trees *t, size_t d) {
  if (!has_sound_shape(t))
    return moe_fail(call, MOE_EFORMAT,
                    "the trees' sizes contradict each other");
  for (size_t i = 0; i < t->n_nodes; i++)
    if (!is_sound(t, i, d) || t->missing[i] > 1)
      return moe_fail(call, MOE_EFORMAT, "node %zu of the trees is corrupt",
                      i + 1);
  for (size_t i = 0; i < t->n_values * t->width; i++)
    if (!is_sound_value(t, t->values[i]))
      return moe_fail(call, MOE_EFORMAT, "value %zu of the trees is %g", i + 1,
                      t->values[i]);
  return check_paths(call, t);
}

size_t moe_trees_count_splits(const moe_trees *t) {
  size_t n = 0;
  for (size_t i = t->certain; i < t->n_nodes; i++)
    n += !is_leaf(&t->nodes[i], i);
  return n;
}

moe_status moe_trees_depth(moe_call *call, const moe_trees *t, size_t *out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  uint32_t *depth; /* of each node; roots have 0 */
  MOE_SCRATCH(call, depth, t->n_nodes);
  *out = 0;
  for (size_t i = t->certain; i < t->n_nodes; i++) {
    if (is_leaf(&t->nodes[i], i)) continue;
    if (depth[i] + 1 > *out) *out = depth[i] + 1;
    for (int side = 0; side < 2; side++)
      depth[t->nodes[i].child[side]] = depth[i] + 1;
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* ----------------------------------------------------------------- walking */

INLINE int32_t step_from(const moe_trees *t, int32_t at, const float *x,
                         bool missing) {
  const moe_tree_node *node = &t->nodes[at];
  float number = x[node->feature];
  int side = number > node->threshold;
  if (missing && isnan(number)) side = t->missing[at];
  return node->child[side];
}

/* Walks side by side, for so many steps or until all of them stay where they
   are: the processor waits for memory in all of them at once, and guesses no
   branch.  Unrolled, so that their number and their addresses are constants. */
enum { LANES = 16 };
INLINE void walk_lanes(const moe_trees *t, const float *const *x, int32_t *at,
                       int steps, bool missing) {
  int32_t place[LANES], moved;
  memcpy(place, at, sizeof place);
  do {
    moved = 0;
#pragma GCC unroll 16
    for (int lane = 0; lane < LANES; lane++) {
      int32_t next = step_from(t, place[lane], x[lane], missing);
      moved |= next ^ place[lane];
      place[lane] = next;
    }
  } while (moved != 0 && --steps > 0);
  memcpy(at, place, sizeof place);
}

static void walk(const moe_trees *t, const float *const *x, int32_t *at,
                 int steps, bool missing) {
  if (missing)
    walk_lanes(t, x, at, steps, true);
  else
    walk_lanes(t, x, at, steps, false);
}

static void add_answer(const moe_trees *t, int32_t leaf, double *sums) {
  if ((size_t)leaf < t->certain) {
    sums[leaf] += 1;
    return;
  }
  const double *values = t->values + (size_t)t->nodes[leaf].value * t->width;
  for (size_t k = 0; k < t->width; k++) sums[k] += values[k];
}

static bool misses(const float *x, size_t d) {
  bool some = false;
  for (size_t j = 0; j < d; j++) some |= isnan(x[j]);
  return some;
}

/* ------------------------------------------------------------------ blocks */

moe_status moe_walk_new(moe_call *call, moe_walk *w, const moe_rows *x,
                        size_t room) {
  bool in_place = x->source == MOE_FROM_FLOATS && x->map == NULL;
  *w = (moe_walk){.room = room};
  MOE_TRY(moe_new_array(call, &w->rows, room, sizeof *w->rows));
  MOE_TRY(moe_new_array(call, &w->picked, room, sizeof *w->picked));
  return in_place ? MOE_OK
                  : moe_new_array(call, &w->copies, room,
                                  moe_size(x->d, sizeof *w->copies));
}

void moe_walk_free(moe_walk *w) {
  moe_free(w->rows);
  moe_free(w->picked);
  moe_free(w->copies);
}

void moe_walk_open(moe_walk *w, const moe_rows *x, size_t first, size_t n) {
  w->n = w->n_picked = n;
  w->missing = false;
  if (w->copies != NULL) moe_rows_floats(x, first, n, w->copies);
  for (size_t i = 0; i < n; i++) {
    w->rows[i] = w->copies != NULL
                     ? w->copies + i * x->d
                     : x->floats + moe_rows_at(x, first + i) * x->stride;
    w->picked[i] = (int32_t)i;
    w->missing = w->missing || misses(w->rows[i], x->d);
  }
}

/* Lanes beyond the last row repeat it. */
void moe_walk_tree(const moe_walk *w, const moe_trees *t, size_t tree,
                   double *sums, size_t stride) {
  const float *rows[LANES];
  int32_t at[LANES];
  for (size_t i = 0; i < w->n_picked; i += LANES) {
    size_t n = w->n_picked - i < LANES ? w->n_picked - i : LANES;
    for (size_t k = 0; k < LANES; k++) {
      rows[k] = w->rows[w->picked[k < n ? i + k : i]];
      at[k] = t->roots[tree];
    }
    walk(t, rows, at, INT_MAX, w->missing);
    for (size_t k = 0; k < n; k++)
      add_answer(t, at[k], sums + (size_t)w->picked[i + k] * stride);
  }
}

/* -------------------------------------------------------------- predicting */

/* One row: the lanes are trees.  Their paths differ in length, so those that
   have not arrived are put together anew after some steps.  `at` and `moving`
   have room for all trees. */
enum { CACHED = 1 << 17 /* nodes, 2 MB */ };
static void walk_near(const moe_trees *t, const float *const *row, bool missing,
                      int32_t *at, int32_t *moving) {
  enum { STEPS = 8 };
  int32_t place[LANES];
  for (size_t n = t->n_trees, left; n > 0; n = left) {
    left = 0;
    for (size_t i = 0; i < n; i += LANES) {
      size_t lanes = n - i < LANES ? n - i : LANES;
      for (size_t k = 0; k < LANES; k++)
        place[k] = at[moving[k < lanes ? i + k : i]];
      walk(t, row, place, STEPS, missing);
      for (size_t k = 0; k < lanes; k++) {
        int32_t tree = moving[i + k];
        at[tree] = place[k];
        moving[left] = tree;
        left += t->nodes[place[k]].child[0] != place[k];
      }
    }
  }
}

/* The same where the trees do not fit the cache: a step in each that is still
   moving, then another.  When a tree's turn comes again, its node is there. */
INLINE void step_trees(const moe_trees *t, const float *x, bool missing,
                       int32_t *at, int32_t *moving) {
  for (size_t n = t->n_trees, left; n > 0; n = left) {
    left = 0;
    for (size_t i = 0; i < n; i++) {
      int32_t tree = moving[i], here = at[tree];
      int32_t next = step_from(t, here, x, missing);
      __builtin_prefetch(&t->nodes[next]);
      at[tree] = next;
      moving[left] = tree;
      left += next != here;
    }
  }
}

static void walk_far(const moe_trees *t, const float *x, bool missing,
                     int32_t *at, int32_t *moving) {
  if (missing)
    step_trees(t, x, true, at, moving);
  else
    step_trees(t, x, false, at, moving);
}

/* Where the answers go. */
typedef struct adding {
  const moe_trees *t;
  const moe_rows *x;
  const int32_t *at; /* of each tree, or NULL */
  size_t stride;
  double *sums;
  size_t block;
  moe_walk *walks; /* one a worker */
} adding;

static double *place_of(const adding *a, size_t row, size_t tree) {
  return a->sums + row * a->stride + (a->at != NULL ? a->at[tree] : 0);
}

static moe_status add_few(moe_call *call, adding *a) {
  moe_scratch_mark mark = moe_scratch_now(call);
  const moe_trees *t = a->t;
  const float *rows[LANES];
  int32_t *at, *moving;
  float *row;
  MOE_SCRATCH(call, row, a->x->d);
  MOE_SCRATCH(call, at, t->n_trees);
  MOE_SCRATCH(call, moving, t->n_trees);
  for (size_t k = 0; k < LANES; k++) rows[k] = row;
  for (size_t i = 0; i < a->x->n; i++) {
    moe_rows_floats(a->x, i, 1, row);
    for (size_t k = 0; k < t->n_trees; k++) {
      at[k] = t->roots[k];
      moving[k] = (int32_t)k;
    }
    bool missing = misses(row, a->x->d);
    if (t->n_nodes > CACHED)
      walk_far(t, row, missing, at, moving);
    else
      walk_near(t, rows, missing, at, moving);
    for (size_t k = 0; k < t->n_trees; k++)
      add_answer(t, at[k], place_of(a, i, k));
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* Many rows: block after block of them goes through each tree while the tree
   is in the cache. */
enum {
  LEAST_BLOCK = 1024,
  MOST_BLOCK = 4096,
  BLOCKS = 8, /* where they are of neither size */
  MOST_NUMBERS = 1 << 20
};

size_t moe_walk_block(const moe_rows *x) {
  size_t block = x->n / BLOCKS, most = MOST_NUMBERS / x->d + 1;
  if (block < LEAST_BLOCK) block = LEAST_BLOCK;
  if (block > MOST_BLOCK) block = MOST_BLOCK;
  return block < most ? block : most;
}

static void add_block(void *context, size_t index, int worker) {
  const adding *a = context;
  moe_walk *w = &a->walks[worker];
  size_t first = index * a->block;
  moe_walk_open(w, a->x, first,
                a->x->n - first < a->block ? a->x->n - first : a->block);
  for (size_t k = 0; k < a->t->n_trees; k++)
    moe_walk_tree(w, a->t, k, place_of(a, first, k), a->stride);
}

static moe_status add_many(moe_call *call, adding *a) {
  a->block = moe_walk_block(a->x);
  size_t blocks = (a->x->n + a->block - 1) / a->block;
  size_t workers = (size_t)moe_parallel_width(call, blocks);
  moe_status status = MOE_OK;
  MOE_TRY(moe_new_array(call, &a->walks, workers, sizeof *a->walks));
  for (size_t k = 0; k < workers && status == MOE_OK; k++)
    status = moe_walk_new(call, &a->walks[k], a->x, a->block);
  if (status == MOE_OK) moe_parallel(call, blocks, add_block, a);
  for (size_t k = 0; k < workers; k++) moe_walk_free(&a->walks[k]);
  moe_free(a->walks);
  return status;
}

moe_status moe_trees_add(moe_call *call, const moe_trees *t, const moe_rows *x,
                         const int32_t *at, size_t stride, double *sums) {
  adding a = {.t = t, .x = x, .at = at, .stride = stride, .sums = sums};
  return (x->n < LANES ? add_few : add_many)(call, &a);
}

moe_status moe_trees_mean(moe_call *call, const moe_trees *t, const moe_rows *x,
                          double *out) {
  size_t n = x->n * t->width;
  memset(out, 0, n * sizeof *out);
  MOE_TRY(moe_trees_add(call, t, x, NULL, t->width, out));
  for (size_t i = 0; i < n; i++) out[i] /= (double)t->n_trees;
  return MOE_OK;
}
