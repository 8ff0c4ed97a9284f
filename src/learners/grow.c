#include "grow.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agenda.h"

/* Rows × columns in one piece: about a quarter of a millisecond. */
enum { PIECE = 1 << 17 };

/* The rows of a leaf. */
typedef struct extent {
  size_t first, n;
} extent;

struct moe_grower {
  const moe_grow_plan *plan;
  moe_call own; /* receives errors, for any thread may be growing */
  moe_histograms histograms;
  moe_newton newton;
  moe_sample *samples, *others; /* rows of the bins */
  int32_t *order;               /* n_columns: those drawn come first */
  moe_random random;
  moe_agenda agenda; /* the larger of two children is dealt with first, so
                        that it lies next to its parent */
  bool open;         /* the last node of the agenda is being judged: */
  size_t n_examined;
  moe_judgement judgement;
  moe_tree_arrays tree;
  size_t nodes_room, missing_room, share_room, values_room;
  uint8_t *cuts; /* derivatives: the last bin of each split's left side, … */
  extent *extents; /* … and the rows behind each value */
  size_t cuts_room, extents_room;
  double *gains; /* of each column of the bins */
  double gain_unit;
};

static bool by_derivatives(const moe_grower *g) {
  return g->plan->objective == NULL;
}

/* ------------------------------------------------------------------- nodes */

/* Gives the tree up where memory has run out. */
static bool is_fine(moe_grower *g, moe_status status) {
  if (status != MOE_OK) g->agenda.n = 0;
  return status == MOE_OK;
}

/* Hangs a node, or ~class, where the span was. */
static void hang(moe_grower *g, const moe_span *s, int32_t what) {
  if (s->parent == MOE_ROOT)
    g->tree.root = what;
  else
    g->tree.nodes[s->parent].child[s->side] = what;
}

/* A new node in the span's place; NULL without memory. */
static moe_tree_node *add_node(moe_grower *g, const moe_span *s,
                               uint8_t missing, float share) {
  moe_tree_arrays *t = &g->tree;
  size_t i = t->n_nodes;
  if (!is_fine(g, moe_reserve(&g->own, &t->nodes, &g->nodes_room, i, 1,
                              sizeof *t->nodes)) ||
      !is_fine(g, moe_reserve(&g->own, &t->missing, &g->missing_room, i, 1,
                              sizeof *t->missing)) ||
      !is_fine(g, moe_reserve(&g->own, &t->share, &g->share_room, i, 1,
                              sizeof *t->share)) ||
      !is_fine(g, moe_reserve(&g->own, &g->cuts, &g->cuts_room, i, 1,
                              sizeof *g->cuts)))
    return NULL;
  t->n_nodes++;
  t->missing[i] = missing;
  t->share[i] = share;
  hang(g, s, (int32_t)i);
  return &t->nodes[i];
}

static double *add_values(moe_grower *g) {
  moe_tree_arrays *t = &g->tree;
  size_t row = g->plan->width * sizeof *t->values;
  if (!is_fine(g, moe_reserve(&g->own, &t->values, &g->values_room, t->n_values,
                              1, row)) ||
      !is_fine(g, moe_reserve(&g->own, &g->extents, &g->extents_room,
                              t->n_values, 1, sizeof *g->extents)))
    return NULL;
  return memset(t->values + t->n_values++ * g->plan->width, 0, row);
}

/* The mean of the targets. */
static void average(const moe_grower *g, const moe_span *s, double *out) {
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
static void share_out(const moe_grower *g, const moe_span *s, double *out) {
  const moe_sample *sample = g->samples + s->first;
  double weight = 0;
  for (size_t i = 0; i < s->n; i++, sample++) {
    weight += sample->weight;
    out[sample->class] += sample->weight;
  }
  for (size_t c = 0; c < g->plan->width; c++) out[c] /= weight;
}

/* Pure leaves answer exactly what their rows have in common. */
static void answer(const moe_grower *g, const moe_span *s, double *out) {
  const moe_grow_plan *p = g->plan;
  const moe_sample *first = g->samples + s->first;
  if (by_derivatives(g))
    *out = moe_newton_answer(&g->newton, s->sum);
  else if (p->values == NULL)
    share_out(g, s, out);
  else if (s->pure)
    memcpy(out, p->values + (size_t)first->row * p->width,
           p->width * sizeof *out);
  else
    average(g, s, out);
}

static void make_leaf(moe_grower *g, const moe_span *s) {
  if (s->pure && !by_derivatives(g) && g->plan->values == NULL) {
    hang(g, s, ~g->samples[s->first].class);
    return;
  }
  moe_tree_node *leaf = add_node(g, s, 0, 0);
  double *values = leaf != NULL ? add_values(g) : NULL;
  if (values == NULL) return;
  int32_t itself = (int32_t)(g->tree.n_nodes - 1);
  size_t value = g->tree.n_values - 1;
  *leaf = (moe_tree_node){.value = (int32_t)value, .child = {itself, itself}};
  g->extents[value] = (extent){s->first, s->n};
  answer(g, s, values);
}

/* --------------------------------------------------------------- splitting */

/* Samples of the left side first, both sides in the order that they had. */
static size_t part(moe_grower *g, const moe_span *s) {
  const moe_bins *b = g->plan->bins;
  const uint8_t *codes = b->codes + s->best.column;
  int missing =
      s->best.missing == MOE_MISSING_LEFT ? b->columns[s->best.column].n : -1;
  moe_sample *samples = g->samples + s->first;
  size_t left = 0, right = 0;
  for (size_t i = 0; i < s->n; i++) {
    moe_sample sample = samples[i];
    int code = codes[(size_t)sample.row * b->d];
    bool goes_left = (code <= s->best.left) | (code == missing);
    samples[left] = sample;
    g->others[right] = sample;
    left += goes_left;
    right += !goes_left;
  }
  memcpy(samples + left, g->others, right * sizeof *samples);
  return left;
}

/* The last bin whose numbers are all at most the threshold. */
static int find_cut(const moe_grower *g, const moe_split *best) {
  const moe_bin_column *c = &g->plan->bins->columns[best->column];
  int cut = best->left;
  if (best->right < 0) return c->n - 1;
  float threshold = moe_bins_between(g->plan->bins, (size_t)best->column,
                                     best->left, best->right);
  while (cut + 1 < best->right && c->high[cut + 1] <= threshold) cut++;
  return cut;
}

/* Midway between what the node's rows have on both sides; of derivatives, at
   the end of a bin near there, so that bins tell where a row goes. */
static float find_threshold(const moe_grower *g, const moe_split *best) {
  int left = best->left, right = best->right;
  if (right < 0) return INFINITY;
  if (by_derivatives(g)) {
    left = find_cut(g, best);
    right = left + 1;
  }
  return moe_bins_between(g->plan->bins, (size_t)best->column, left, right);
}

static double weigh(const moe_sample *samples, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += samples[i].weight;
  return sum;
}

/* The share of the left side, `left` rows. */
static float share_left(const moe_grower *g, const moe_span *s, size_t left) {
  const moe_sample *samples = g->samples + s->first;
  const moe_newton *w = &g->newton;
  if (!by_derivatives(g))
    return moe_tree_share(weigh(samples, left),
                          weigh(samples + left, s->n - left));
  double h_left = moe_newton_weight(w, s->left);
  return moe_tree_share(h_left, moe_newton_weight(w, s->sum) - h_left);
}

static bool is_divisible(const moe_grower *g, const moe_span *s) {
  return s->depth < g->plan->max_depth &&
         moe_newton_divides(&g->newton, s->sum);
}

/* A node's block of sums goes to the larger child, for as long as it takes to
   derive that child's from it and the smaller one's; where there are no blocks
   left, both children are summed up anew. */
static void hand_down(moe_grower *g, const moe_span *s, moe_span *smaller,
                      moe_span *larger) {
  moe_newton *w = &g->newton;
  int32_t block = MOE_NO_BLOCK;
  if (s->block != MOE_NO_BLOCK && is_divisible(g, larger))
    block = moe_newton_take(w);
  if (block == MOE_NO_BLOCK) {
    moe_newton_give(w, s->block);
    return;
  }
  larger->block = s->block;
  larger->derived = true;
  smaller->block = block;
}

/* The split node; missing numbers that none of its rows had go where most rows
   go. */
static bool add_split(moe_grower *g, const moe_span *s, size_t left) {
  const moe_split *best = &s->best;
  uint8_t missing = best->missing == MOE_MISSING_NONE
                        ? s->n - left > left
                        : best->missing == MOE_MISSING_RIGHT;
  moe_tree_node *node = add_node(g, s, missing, share_left(g, s, left));
  if (node == NULL) return false;
  *node = (moe_tree_node){.threshold = find_threshold(g, best),
                          .feature = best->column};
  if (by_derivatives(g))
    g->cuts[g->tree.n_nodes - 1] = (uint8_t)find_cut(g, best);
  g->gains[best->column] += fmax(best->score - s->score, 0) * g->gain_unit;
  return true;
}

static void split(moe_grower *g, moe_span s) {
  size_t left = part(g, &s), right = s.n - left;
  bool larger = right > left;
  moe_agenda *a = &g->agenda;
  if (!add_split(g, &s, left) ||
      !is_fine(g, moe_reserve(&g->own, &a->items, &a->room, a->n, 2,
                              sizeof *a->items)))
    return;
  moe_span child = {.parent = (int32_t)(g->tree.n_nodes - 1),
                    .first = s.first,
                    .n = left,
                    .depth = s.depth + 1,
                    .sum = s.left,
                    .block = MOE_NO_BLOCK};
  moe_span children[] = {child, child};
  children[1].side = 1;
  children[1].first += left;
  children[1].n = right;
  children[1].sum = moe_newton_rest(s.sum, s.left);
  if (by_derivatives(g))
    hand_down(g, &s, &children[!larger], &children[larger]);
  a->items[a->n++] = children[!larger];
  a->items[a->n++] = children[larger];
}

/* ------------------------------------------------- judging, by targets */

static const moe_split undecided = {.score = -DBL_MAX, .column = -1};

static size_t open_node(moe_grower *g) {
  const moe_grow_plan *p = g->plan;
  moe_span *s = moe_agenda_last(&g->agenda);
  s->pure = moe_histograms_total(&g->histograms, g->samples + s->first, s->n);
  s->best = undecided;
  s->judged = s->pure || s->depth >= p->max_depth ||
              s->n < p->min_samples_split || s->n / 2 < p->min_samples_leaf;
  g->open = !s->judged;
  g->n_examined = 0;
  if (g->open) s->score = moe_histograms_score(&g->histograms);
  return s->n;
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

static bool wants_more(const moe_grower *g, const moe_span *s) {
  return g->n_examined < g->plan->n_candidates ||
         (s->best.column < 0 && g->n_examined < g->plan->n_columns);
}

static size_t examine(moe_grower *g) {
  size_t candidates = g->plan->n_candidates, n = 1;
  moe_span *s = moe_agenda_last(&g->agenda);
  if (!wants_more(g, s)) {
    g->open = false;
    s->judged = true;
    return 0;
  }
  if (g->n_examined < candidates) n = candidates - g->n_examined;
  if (n > PIECE / s->n + 1) n = PIECE / s->n + 1;
  moe_histograms_examine(&g->histograms, g->samples + s->first, s->n,
                         draw(g, n), n, &s->best);
  g->n_examined += n;
  return n * (s->n + MOE_MAX_BINS / 4);
}

/* --------------------------------------------- judging, by derivatives */

/* Less than this share of a node's worth is a rounding error. */
static const double least_gain = 1e-10;

static void refuse(moe_span *s) {
  s->judged = true;
  s->best = undecided;
}

static void accept(moe_grower *g, moe_span *s, const moe_verdict *v) {
  s->judged = true;
  s->derived = false;
  s->best = v->split;
  s->left = v->left;
  s->score = moe_newton_worth(&g->newton, s->sum);
  if (s->best.score - s->score <= least_gain * s->score) s->best.column = -1;
}

/* The last node that waits is summed up or, where it has its parent's sums, the
   one before it, which is its smaller sibling. */
static void begin_judgement(moe_grower *g) {
  moe_span *s = moe_agenda_last(&g->agenda), *summed = s->derived ? s - 1 : s;
  if (summed->block == MOE_NO_BLOCK)
    summed->block = moe_newton_take(&g->newton);
  g->judgement = (moe_judgement){
      .samples = g->samples + summed->first,
      .n = summed->n,
      .block = summed->block != MOE_NO_BLOCK ? summed->block : MOE_SPARE_BLOCK,
      .other = s->derived ? s->block : MOE_NO_BLOCK,
      .sum = summed->sum,
      .other_sum = s->sum,
      .wanted = is_divisible(g, summed)};
  g->open = true;
}

static size_t judge(moe_grower *g, const moe_call *call) {
  moe_span *s = moe_agenda_last(&g->agenda);
  moe_judgement *j = &g->judgement;
  if (!is_divisible(g, s)) {
    refuse(s);
    return 1;
  }
  if (!g->open) begin_judgement(g);
  g->open = !moe_newton_judge(&g->newton, call, j);
  if (g->open) return PIECE;
  moe_span *summed = s->derived ? s - 1 : s;
  if (s->derived) accept(g, s, &j->other_verdict);
  if (j->wanted)
    accept(g, summed, &j->verdict);
  else
    refuse(summed);
  return j->n * g->newton.n_columns;
}

/* ------------------------------------------------------------------ growing */

static bool is_choosy(const moe_grower *g) {
  return by_derivatives(g) && g->plan->max_leaves < SIZE_MAX;
}

static bool may_split(const moe_grower *g) {
  return g->agenda.n + g->tree.n_values < g->plan->max_leaves;
}

static size_t close_node(moe_grower *g) {
  bool more = !by_derivatives(g) || may_split(g);
  moe_span s = g->agenda.items[--g->agenda.n];
  if (s.best.column >= 0 && more) {
    split(g, s);
    return 2 * s.n;
  }
  if (by_derivatives(g)) moe_newton_give(&g->newton, s.block);
  make_leaf(g, &s);
  return s.n;
}

bool moe_grower_step(moe_grower *g, const moe_call *call) {
  size_t done = 0;
  while (done < PIECE && g->agenda.n > 0) {
    if (is_choosy(g)) moe_agenda_rank(&g->agenda);
    if (moe_agenda_last(&g->agenda)->judged)
      done += close_node(g);
    else if (by_derivatives(g))
      done += judge(g, call);
    else
      done += g->open ? examine(g) : open_node(g);
  }
  return g->agenda.n == 0;
}

/* ---------------------------------------------------------------- lifetime */

static moe_status prepare_histograms(moe_call *call, moe_grower *g) {
  const moe_grow_plan *p = g->plan;
  g->histograms = (moe_histograms){.bins = p->bins,
                                   .objective = p->objective,
                                   .width = p->width,
                                   .values = p->values,
                                   .shift = p->shift,
                                   .least = p->min_samples_leaf};
  return moe_histograms_new(call, &g->histograms, p->n_candidates);
}

/* While the larger child is always the next, no more nodes hold sums than the
   tree is deep, and two. */
static moe_status prepare_newton(moe_call *call, moe_grower *g) {
  const moe_grow_plan *p = g->plan;
  size_t blocks = p->max_leaves < SIZE_MAX ? p->max_leaves : p->max_depth;
  g->newton = (moe_newton){.bins = p->bins,
                           .l2 = p->l2,
                           .least_weight = p->least_weight,
                           .least = p->min_samples_leaf};
  return moe_newton_new(call, &g->newton, p->n_columns,
                        blocks < SIZE_MAX - 2 ? blocks + 2 : blocks);
}

static moe_status allocate(moe_call *call, moe_grower *g) {
  const moe_grow_plan *p = g->plan;
  size_t n = p->bins->n;
  MOE_TRY(by_derivatives(g) ? prepare_newton(call, g)
                            : prepare_histograms(call, g));
  MOE_TRY(moe_new_array(call, &g->samples, n, sizeof *g->samples));
  MOE_TRY(moe_new_array(call, &g->others, n, sizeof *g->others));
  MOE_TRY(moe_new_array(call, &g->order, p->n_columns, sizeof *g->order));
  MOE_TRY(moe_reserve(call, &g->agenda.items, &g->agenda.room, 0, 1,
                      sizeof *g->agenda.items));
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
  moe_newton_free(&g->newton);
  moe_free(g->samples);
  moe_free(g->others);
  moe_free(g->order);
  moe_free(g->agenda.items);
  moe_free(g->gains);
  moe_free(g->cuts);
  moe_free(g->extents);
  moe_tree_arrays_free(&g->tree);
  moe_free(g);
}

moe_sample *moe_grower_samples(moe_grower *g) { return g->samples; }
moe_slope *moe_grower_slopes(moe_grower *g) { return g->newton.slopes; }

static int compare_columns(const void *a, const void *b) {
  int32_t first = *(const int32_t *)a, second = *(const int32_t *)b;
  return (first > second) - (first < second);
}

/* The whole tree's columns and derivatives. */
static void open_newton(moe_grower *g, moe_span *root) {
  size_t n = g->plan->n_candidates;
  g->n_examined = 0;
  draw(g, n);
  qsort(g->order, n, sizeof *g->order, compare_columns);
  moe_newton_open(&g->newton, g->order, n);
  root->sum = moe_newton_round(&g->newton, g->samples, root->n);
  root->block = moe_newton_take(&g->newton);
  g->gain_unit = g->newton.g_unit * g->newton.g_unit / g->newton.h_unit;
}

void moe_grower_start(moe_grower *g, size_t n_samples, moe_random random) {
  const moe_grow_plan *p = g->plan;
  if (p->n_columns > 0)
    memcpy(g->order, p->columns, p->n_columns * sizeof *g->order);
  memset(g->gains, 0, p->bins->d * sizeof *g->gains);
  g->gain_unit = 1;
  g->random = random;
  g->open = false;
  g->tree.n_nodes = g->tree.n_values = 0;
  g->agenda.items[0] = (moe_span){.parent = MOE_ROOT, .n = n_samples};
  g->agenda.n = 1;
  g->agenda.n_ranked = 0;
  if (by_derivatives(g)) open_newton(g, &g->agenda.items[0]);
}

bool moe_grower_result(const moe_grower *g, moe_tree_arrays *tree,
                       const double **gains) {
  *tree = g->tree;
  *gains = g->gains;
  return g->own.error.status == MOE_OK;
}

/* -------------------------------------------------------- a complete tree */

moe_sample *moe_grower_leaf(moe_grower *g, size_t value, size_t *n) {
  *n = g->extents[value].n;
  return g->samples + g->extents[value].first;
}

double *moe_grower_value(moe_grower *g, size_t value) {
  return &g->tree.values[value];
}

size_t moe_grower_find(const moe_grower *g, size_t row) {
  const moe_bins *b = g->plan->bins;
  const uint8_t *codes = b->codes + row * b->d;
  int32_t at = g->tree.root;
  const moe_tree_node *node = &g->tree.nodes[at];
  while (node->child[0] != at) {
    int code = codes[node->feature];
    int side = code == b->columns[node->feature].n ? g->tree.missing[at]
                                                   : code > g->cuts[at];
    at = node->child[side];
    node = &g->tree.nodes[at];
  }
  return (size_t)node->value;
}
