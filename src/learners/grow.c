#include "grow.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Rows × columns in one piece: about a quarter of a millisecond. */
enum { PIECE = 1 << 17 };

/* A node that is still to be split or made a leaf: where it hangs, and its
   samples.  The larger of two children is dealt with first, so that it lies
   next to its parent. */
typedef struct span {
  int32_t parent; /* or ROOT */
  int side;
  size_t first, n, depth;
} span;
enum { ROOT = -1 };

struct moe_grower {
  const moe_grow_plan *plan;
  moe_call own; /* receives errors, for any thread may be growing */
  moe_histograms histograms;
  moe_sample *samples, *others; /* rows of the bins */
  int32_t *order;               /* n_columns: those drawn come first */
  moe_random random;
  span *waiting;
  size_t n_waiting, waiting_room;
  bool open; /* the last node that waits is being examined: */
  size_t n_examined;
  double score;
  moe_split best;
  moe_tree_arrays tree;
  size_t nodes_room, missing_room, values_room;
  double *gains; /* of each column of the bins */
};

/* ------------------------------------------------------------------- nodes */

/* Gives the tree up where memory has run out. */
static bool is_fine(moe_grower *g, moe_status status) {
  if (status != MOE_OK) g->n_waiting = 0;
  return status == MOE_OK;
}

/* Hangs a node, or ~class, where the span was. */
static void hang(moe_grower *g, const span *s, int32_t what) {
  if (s->parent == ROOT)
    g->tree.root = what;
  else
    g->tree.nodes[s->parent].child[s->side] = what;
}

/* A new node in the span's place; NULL without memory. */
static moe_tree_node *add_node(moe_grower *g, const span *s, uint8_t missing) {
  moe_tree_arrays *t = &g->tree;
  size_t i = t->n_nodes;
  if (!is_fine(g, moe_reserve(&g->own, &t->nodes, &g->nodes_room, i, 1,
                              sizeof *t->nodes)) ||
      !is_fine(g, moe_reserve(&g->own, &t->missing, &g->missing_room, i, 1,
                              sizeof *t->missing)))
    return NULL;
  t->n_nodes++;
  t->missing[i] = missing;
  hang(g, s, (int32_t)i);
  return &t->nodes[i];
}

static double *add_values(moe_grower *g) {
  moe_tree_arrays *t = &g->tree;
  size_t row = g->plan->width * sizeof *t->values;
  if (!is_fine(g, moe_reserve(&g->own, &t->values, &g->values_room, t->n_values,
                              1, row)))
    return NULL;
  return memset(t->values + t->n_values++ * g->plan->width, 0, row);
}

/* The mean of the targets. */
static void average(const moe_grower *g, const span *s, double *out) {
  const moe_grow_plan *p = g->plan;
  const moe_sample *sample = g->samples + s->first;
  double weight = 0;
  for (size_t i = 0; i < s->n; i++, sample++) {
    const double *y = p->values + (size_t)sample->row * p->width;
    weight += sample->weight;
    for (size_t k = 0; k < p->width; k++)
      out[k] += sample->weight * (y[k] - p->shift[k]);
  }
  for (size_t k = 0; k < p->width; k++) out[k] = out[k] / weight + p->shift[k];
}

/* The classes' shares of the weight. */
static void share_out(const moe_grower *g, const span *s, double *out) {
  const moe_sample *sample = g->samples + s->first;
  double weight = 0;
  for (size_t i = 0; i < s->n; i++, sample++) {
    weight += sample->weight;
    out[sample->class] += sample->weight;
  }
  for (size_t c = 0; c < g->plan->width; c++) out[c] /= weight;
}

/* Pure leaves answer exactly what their rows have in common. */
static void make_leaf(moe_grower *g, const span *s, bool pure) {
  const moe_grow_plan *p = g->plan;
  const moe_sample *first = g->samples + s->first;
  if (pure && p->values == NULL) {
    hang(g, s, ~first->class);
    return;
  }
  moe_tree_node *leaf = add_node(g, s, 0);
  double *values = leaf != NULL ? add_values(g) : NULL;
  if (values == NULL) return;
  int32_t itself = (int32_t)(g->tree.n_nodes - 1);
  *leaf = (moe_tree_node){.value = (int32_t)(g->tree.n_values - 1),
                          .child = {itself, itself}};
  if (p->values == NULL)
    share_out(g, s, values);
  else if (pure)
    memcpy(values, p->values + (size_t)first->row * p->width,
           p->width * sizeof *values);
  else
    average(g, s, values);
}

/* --------------------------------------------------------------- splitting */

/* Samples of the left side first, both sides in the order that they had. */
static size_t part(moe_grower *g, const span *s) {
  const moe_bins *b = g->plan->bins;
  const uint8_t *codes = b->codes + g->best.column;
  int missing =
      g->best.missing == MOE_MISSING_LEFT ? b->columns[g->best.column].n : -1;
  moe_sample *samples = g->samples + s->first;
  size_t left = 0, right = 0;
  for (size_t i = 0; i < s->n; i++) {
    moe_sample sample = samples[i];
    int code = codes[(size_t)sample.row * b->d];
    bool goes_left = (code <= g->best.left) | (code == missing);
    samples[left] = sample;
    g->others[right] = sample;
    left += goes_left;
    right += !goes_left;
  }
  memcpy(samples + left, g->others, right * sizeof *samples);
  return left;
}

static float find_threshold(const moe_grower *g) {
  const moe_split *best = &g->best;
  if (best->right < 0) return INFINITY;
  return moe_bins_between(g->plan->bins, (size_t)best->column, best->left,
                          best->right);
}

/* Missing numbers that no row of the node had go where most rows go. */
static void split(moe_grower *g, span s) {
  const moe_split *best = &g->best;
  size_t left = part(g, &s), right = s.n - left;
  bool larger = right > left;
  uint8_t missing = best->missing == MOE_MISSING_NONE
                        ? larger
                        : best->missing == MOE_MISSING_RIGHT;
  moe_tree_node *node = add_node(g, &s, missing);
  if (node == NULL ||
      !is_fine(g, moe_reserve(&g->own, &g->waiting, &g->waiting_room,
                              g->n_waiting, 2, sizeof *g->waiting)))
    return;
  int32_t parent = (int32_t)(g->tree.n_nodes - 1);
  span children[] = {{parent, 0, s.first, left, s.depth + 1},
                     {parent, 1, s.first + left, right, s.depth + 1}};
  *node =
      (moe_tree_node){.threshold = find_threshold(g), .feature = best->column};
  g->gains[best->column] += fmax(best->score - g->score, 0);
  g->waiting[g->n_waiting++] = children[!larger];
  g->waiting[g->n_waiting++] = children[larger];
}

/* ------------------------------------------------------------------ growing */

static size_t open_node(moe_grower *g) {
  const moe_grow_plan *p = g->plan;
  span s = g->waiting[g->n_waiting - 1];
  bool pure = moe_histograms_total(&g->histograms, g->samples + s.first, s.n);
  if (pure || s.depth >= p->max_depth || s.n < p->min_samples_split ||
      s.n / 2 < p->min_samples_leaf) {
    g->n_waiting--;
    make_leaf(g, &s, pure);
    return s.n;
  }
  g->open = true;
  g->n_examined = 0;
  g->score = moe_histograms_score(&g->histograms);
  g->best = (moe_split){.score = -DBL_MAX, .column = -1};
  return s.n;
}

/* Brings n columns that were not examined yet to the front, at random. */
static const int32_t *draw(moe_grower *g, size_t n) {
  int32_t *order = g->order + g->n_examined;
  size_t left = g->plan->n_columns - g->n_examined;
  for (size_t k = 0; k < n && g->plan->n_candidates < g->plan->n_columns; k++) {
    size_t j = k + moe_random_below(&g->random, left - k);
    int32_t swap = order[k];
    order[k] = order[j];
    order[j] = swap;
  }
  return order;
}

static bool wants_more(const moe_grower *g) {
  return g->n_examined < g->plan->n_candidates ||
         (g->best.column < 0 && g->n_examined < g->plan->n_columns);
}

static size_t examine(moe_grower *g) {
  size_t candidates = g->plan->n_candidates, n = 1;
  const span *s = &g->waiting[g->n_waiting - 1];
  if (g->n_examined < candidates) n = candidates - g->n_examined;
  if (n > PIECE / s->n + 1) n = PIECE / s->n + 1;
  moe_histograms_examine(&g->histograms, g->samples + s->first, s->n,
                         draw(g, n), n, &g->best);
  g->n_examined += n;
  return n * (s->n + MOE_MAX_BINS / 4);
}

static size_t close_node(moe_grower *g) {
  span s = g->waiting[--g->n_waiting];
  g->open = false;
  if (g->best.column < 0)
    make_leaf(g, &s, false);
  else
    split(g, s);
  return 2 * s.n;
}

bool moe_grower_step(moe_grower *g) {
  size_t done = 0;
  while (done < PIECE && g->n_waiting > 0) {
    if (!g->open)
      done += open_node(g);
    else
      done += wants_more(g) ? examine(g) : close_node(g);
  }
  return g->n_waiting == 0;
}

/* ---------------------------------------------------------------- lifetime */

static moe_status allocate(moe_call *call, moe_grower *g) {
  const moe_grow_plan *p = g->plan;
  size_t n = p->bins->n;
  g->histograms = (moe_histograms){.bins = p->bins,
                                   .objective = p->objective,
                                   .width = p->width,
                                   .values = p->values,
                                   .shift = p->shift,
                                   .least = p->min_samples_leaf};
  MOE_TRY(moe_histograms_new(call, &g->histograms, p->n_candidates));
  MOE_TRY(moe_new_array(call, &g->samples, n, sizeof *g->samples));
  MOE_TRY(moe_new_array(call, &g->others, n, sizeof *g->others));
  MOE_TRY(moe_new_array(call, &g->order, p->n_columns, sizeof *g->order));
  MOE_TRY(moe_reserve(call, &g->waiting, &g->waiting_room, 0, 1,
                      sizeof *g->waiting));
  return moe_new_array(call, &g->gains, p->bins->d, sizeof *g->gains);
}

moe_status moe_grower_new(moe_call *call, const moe_grow_plan *plan,
                          moe_grower **out) {
  moe_grower *g;
  *out = NULL;
  MOE_TRY(moe_new_array(call, &g, 1, sizeof *g));
  g->plan = plan;
  moe_call_init(&g->own, NULL, 1);
  moe_status status = allocate(call, g);
  if (status != MOE_OK) {
    moe_grower_free(g);
    return status;
  }
  *out = g;
  return MOE_OK;
}

void moe_grower_free(moe_grower *g) {
  if (g == NULL) return;
  moe_histograms_free(&g->histograms);
  moe_free(g->samples);
  moe_free(g->others);
  moe_free(g->order);
  moe_free(g->waiting);
  moe_free(g->gains);
  moe_tree_arrays_free(&g->tree);
  moe_free(g);
}

moe_sample *moe_grower_samples(moe_grower *g) { return g->samples; }

void moe_grower_start(moe_grower *g, size_t n_samples, moe_random random) {
  const moe_grow_plan *p = g->plan;
  if (p->n_columns > 0)
    memcpy(g->order, p->columns, p->n_columns * sizeof *g->order);
  memset(g->gains, 0, p->bins->d * sizeof *g->gains);
  g->random = random;
  g->open = false;
  g->tree.n_nodes = g->tree.n_values = 0;
  g->waiting[0] = (span){.parent = ROOT, .n = n_samples};
  g->n_waiting = 1;
}

bool moe_grower_result(const moe_grower *g, moe_tree_arrays *tree,
                       const double **gains) {
  *tree = g->tree;
  *gains = g->gains;
  return g->own.error.status == MOE_OK;
}
