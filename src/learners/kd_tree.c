#include "kd_tree.h"

#include <string.h>

#include "threads.h"

enum {
  LEAF = 16,       /* points of a leaf, at most */
  SAMPLE = 64,     /* points by which a node's spread is judged */
  FILLED = 1 << 18 /* numbers that are copied between two looks at the clock */
};

static size_t n_leaves(const moe_kd_tree *t) { return (size_t)1 << t->height; }
static size_t n_places(const moe_kd_tree *t) { return n_leaves(t) * t->width; }
static size_t n_nodes(const moe_kd_tree *t) { return 2 * n_leaves(t) - 1; }

/* Where part i of 2^level begins in the halving order. */
static size_t part(const moe_kd_tree *t, size_t level, size_t i) {
  return (size_t)(((uint64_t)t->n * i) >> level);
}

static float *box_of(const moe_kd_tree *t, size_t node) {
  return t->box + node * 2 * t->d;
}

/* -------------------------------------------------------------------- life */

moe_status moe_kd_tree_visit(moe_kd_tree *t, moe_visitor *v) {
  size_t places = t->n > 0 ? n_places(t) : 0;
  size_t nodes = t->n > 0 ? n_nodes(t) : 0;
  MOE_TRY(moe_visit_derived(v, "index", MOE_I32, &t->index, places));
  MOE_TRY(moe_visit_derived(v, "place", MOE_I32, &t->place, t->n));
  MOE_TRY(moe_visit_derived(v, "points", MOE_F32, &t->points, places * t->d));
  MOE_TRY(moe_visit_derived(v, "box", MOE_F32, &t->box, nodes * 2 * t->d));
  return moe_visit_derived(v, "order", MOE_I64, &t->order, t->n);
}

void moe_kd_tree_free(moe_kd_tree *t) {
  moe_free(t->index);
  moe_free(t->place);
  moe_free(t->points);
  moe_free(t->box);
  moe_free(t->order);
  *t = (moe_kd_tree){0};
}

moe_status moe_kd_tree_new(moe_call *call, size_t n, size_t d,
                           moe_kd_tree *out) {
  moe_kd_tree t = {.n = n, .d = d};
  while (part(&t, t.height, 1) > LEAF || (n - 1) >> t.height >= LEAF)
    t.height++;
  t.width = (((n - 1) >> t.height) + MOE_LANES) / MOE_LANES * MOE_LANES;
  size_t places = n_places(&t);
  *out = t;
  MOE_TRY(moe_new_array(call, &out->index, places, sizeof *t.index));
  MOE_TRY(moe_new_array(call, &out->place, n, sizeof *t.place));
  MOE_TRY(
      moe_new_array(call, &out->points, moe_size(places, d), sizeof *t.points));
  MOE_TRY(moe_new_array(call, &out->box, moe_size(n_nodes(&t), 2 * d),
                        sizeof *t.box));
  MOE_TRY(moe_new_array(call, &out->order, n, sizeof *t.order));
  for (size_t i = 0; i < n; i++) out->order[i] = (int64_t)i;
  return MOE_OK;
}

/* ----------------------------------------------------------------- halving */

/* Orders points by a coordinate, and by their index where that is equal. */
static uint64_t key_of(float x, uint32_t index) {
  float positive = x + 0.0f; /* -0 is 0 */
  uint32_t bits;
  memcpy(&bits, &positive, sizeof bits);
  bits ^= bits >> 31 ? UINT32_MAX : UINT32_C(1) << 31;
  return (uint64_t)bits << 32 | index;
}

static uint64_t median_of_three(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t low = a < b ? a : b, high = a < b ? b : a;
  return c < low ? low : c > high ? high : c;
}

/* Puts what is below the pivot first, and says how many these are. */
static size_t partition(uint64_t *key, size_t n, uint64_t pivot) {
  size_t below = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t x = key[i];
    key[i] = key[below];
    key[below] = x;
    below += x < pivot;
  }
  return below;
}

/* Quickselect: the `first` least of n different keys come first. */
static void halve(uint64_t *key, size_t n, size_t first) {
  moe_random random;
  moe_random_seed(&random, n);
  while (first > 0 && first < n) {
    uint64_t pivot = median_of_three(key[moe_random_below(&random, n)],
                                     key[moe_random_below(&random, n)],
                                     key[moe_random_below(&random, n)]);
    size_t below = partition(key, n, pivot);
    if (below == 0) below = partition(key, n, pivot + 1);
    if (below <= first) {
      key += below;
      first -= below;
      n -= below;
    } else {
      n = below;
    }
  }
}

/* What is being built: the tree's own fields, and what it is built of. */
typedef struct building {
  moe_kd_tree *tree;
  const float *points;
  const double *scale;
} building;

static size_t point_at(const moe_kd_tree *t, size_t i) {
  return (size_t)(uint32_t)t->order[i];
}

/* The column in which some of the points are spread farthest. */
static size_t widest(const building *b, size_t first, size_t n) {
  const moe_kd_tree *t = b->tree;
  size_t step = n / SAMPLE + 1, found = 0;
  double most = -1;
  for (size_t j = 0; j < t->d; j++) {
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i += step) {
      float x = b->points[point_at(t, first + i) * t->d + j];
      low = x < low ? x : low;
      high = x > high ? x : high;
    }
    double spread = ((double)high - (double)low) * b->scale[j];
    if (spread > most) {
      most = spread;
      found = j;
    }
  }
  return found;
}

static void halve_node(void *context, size_t i, int worker) {
  const building *b = context;
  const moe_kd_tree *t = b->tree;
  size_t first = part(t, t->level, i), end = part(t, t->level, i + 1);
  size_t column = widest(b, first, end - first);
  uint64_t *key = (uint64_t *)t->order;
  (void)worker;
  for (size_t at = first; at < end; at++) {
    uint32_t index = (uint32_t)point_at(t, at);
    key[at] = key_of(b->points[(size_t)index * t->d + column], index);
  }
  halve(key + first, end - first, part(t, t->level + 1, 2 * i + 1) - first);
}

/* ------------------------------------------------------------------ leaves */

static void widen(float *box, size_t d, const float *low, const float *high) {
  for (size_t j = 0; j < d; j++) {
    box[j] = low[j] < box[j] ? low[j] : box[j];
    box[d + j] = high[j] > box[d + j] ? high[j] : box[d + j];
  }
}

static void copy_point(const moe_kd_tree *t, size_t place, const float *x) {
  float *out = t->points + place / MOE_LANES * MOE_LANES * t->d;
  for (size_t j = 0; j < t->d; j++)
    out[j * MOE_LANES + place % MOE_LANES] = x[j];
}

static void fill_leaf(void *context, size_t index, int worker) {
  const building *b = context;
  const moe_kd_tree *t = b->tree;
  size_t leaf = t->filled + index;
  size_t first = part(t, t->height, leaf), end = part(t, t->height, leaf + 1);
  float *box = box_of(t, n_leaves(t) - 1 + leaf);
  (void)worker;
  for (size_t i = 0; i < t->width; i++) {
    size_t place = leaf * t->width + i;
    t->index[place] = -1;
    if (first + i >= end) continue;
    size_t point = point_at(t, first + i);
    const float *x = b->points + point * t->d;
    t->index[place] = (int32_t)point;
    t->place[point] = (int32_t)place;
    copy_point(t, place, x);
    if (i == 0) {
      memcpy(box, x, t->d * sizeof *box);
      memcpy(box + t->d, x, t->d * sizeof *box);
    }
    widen(box, t->d, x, x);
  }
}

static void join_boxes(const moe_kd_tree *t) {
  for (size_t v = n_leaves(t) - 1; v-- > 0;) {
    float *box = box_of(t, v);
    memcpy(box, box_of(t, 2 * v + 1), 2 * t->d * sizeof *box);
    widen(box, t->d, box_of(t, 2 * v + 2), box_of(t, 2 * v + 2) + t->d);
  }
}

/* The next leaves; true once all of them are filled. */
static bool fill_some(moe_call *call, building *b) {
  moe_kd_tree *t = b->tree;
  size_t some = FILLED / (t->width * t->d) + 1, left = n_leaves(t) - t->filled;
  size_t n = some < left ? some : left;
  moe_parallel(call, n, fill_leaf, b);
  t->filled += n;
  return n == left;
}

bool moe_kd_tree_build(moe_call *call, moe_kd_tree *t, const float *points,
                       const double *scale, bool may_pause) {
  building b = {t, points, scale};
  while (t->level < t->height) {
    moe_parallel(call, (size_t)1 << t->level, halve_node, &b);
    t->level++;
    if (may_pause && moe_call_pausing(call)) return false;
  }
  while (!fill_some(call, &b))
    if (may_pause && moe_call_pausing(call)) return false;
  join_boxes(t);
  moe_free(t->order);
  t->order = NULL;
  return true;
}

bool moe_kd_tree_remove(moe_kd_tree *t, size_t point) {
  int32_t *index = point < t->n ? t->index + t->place[point] : NULL;
  if (index == NULL || *index < 0) return false;
  *index = -1;
  return true;
}

/* --------------------------------------------------------------- searching */

typedef struct searching {
  const moe_kd_tree *tree;
  const moe_asked *asked;
  moe_nearest *list;
  double safe; /* below 1 by more than the roundings of a box's distance */
} searching;

static void search_leaf(const searching *s, size_t leaf) {
  const moe_kd_tree *t = s->tree;
  for (size_t place = leaf * t->width; place < (leaf + 1) * t->width;
       place += MOE_LANES) {
    double distance[MOE_LANES];
    moe__block_distances(s->asked, t->points + place * t->d, distance);
    moe_nearest_offer_block(s->list, t->index + place, distance);
  }
}

static void search_node(const searching *s, size_t node, double distance) {
  const moe_kd_tree *t = s->tree;
  size_t inner = n_leaves(t) - 1, left = 2 * node + 1, right = left + 1;
  if (distance * s->safe > moe_nearest_reach(s->list)) return;
  if (node >= inner) {
    search_leaf(s, node - inner);
    return;
  }
  const float *box = box_of(t, left);
  double to_left = moe__box_distance(s->asked, box, box + t->d);
  box += 2 * t->d;
  double to_right = moe__box_distance(s->asked, box, box + t->d);
  if (to_left <= to_right) {
    search_node(s, left, to_left);
    search_node(s, right, to_right);
  } else {
    search_node(s, right, to_right);
    search_node(s, left, to_left);
  }
}

void moe_kd_tree_search(const moe_kd_tree *t, const moe_asked *q,
                        moe_nearest *list) {
  searching s = {t, q, list, 1 - 0x1p-51 * (double)(t->d + 8)};
  search_node(&s, 0, 0);
}
