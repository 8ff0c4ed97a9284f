/* Shapley values of the features, where a coalition S of them is worth what the
   tree answers if a split by a feature outside S sends the row down both sides,
   in proportion to the rows that it was grown on (Lundberg et al. 2020, doi
   10.1038/s42256-019-0138-9).

   A path to a leaf of value v asks something of the features of a set P: o_k is
   1 where the row does as asked of feature k, else 0, and z_k the share of the
   rows that did.  To feature j it contributes
     v (o_j − z_j) Σ_{S ⊆ P∖j} |S|! (|P|−|S|−1)! / |P|! Π_S o_k Π_{P∖j∖S} z_k.
   Those factors are Beta integrals, so that the sum over all sets is
     ∫₀¹ Π_{k ∈ P∖j} ((1 − t) z_k + t o_k) dt,
   a polynomial of degree |P| − 1: Gauss and Legendre's rule of ⌈|P|/2⌉ points
   is exact, and all that it adds up is positive. */
#include "tree_contribute.h"

#include <math.h>

#include "threads.h"

/* What a path asks of one feature: low < x <= high, where not missing. */
typedef struct demand {
  int32_t feature;
  float low, high; /* low is NaN where nothing is asked */
  bool missing;    /* whether rows without it come here */
  double share;
} demand;

typedef struct turn {
  int32_t node;
  int side;
} turn;

/* What is the same for all rows. */
typedef struct plan {
  const moe_trees *trees;
  const moe_rows *x;
  const int32_t *score;
  size_t n_scores, depth, demands, points, block;
  double factor;
  double *point, *weight; /* of the rule on [0, 1] */
  double *out;
} plan;

/* A worker's memory, and the block of rows in its hands. */
typedef struct desk {
  const plan *plan;
  size_t first, n; /* rows */
  float *rows;     /* block × d */
  turn *turns;     /* depth: the way to the leaf */
  demand *demands; /* the same by feature */
  size_t n_demands;
  int32_t *place;   /* d: of each feature's demand, from 1; 0: none */
  bool *followed;   /* of each demand, by the row in hand */
  double *before;   /* of each demand, the product of the factors before it */
  double *integral; /* of each demand */
} desk;

/* ------------------------------------------------------------- quadrature */

/* Legendre's polynomial of degree n at x, and its derivative. */
static double legendre(size_t n, double x, double *slope) {
  double before = 1, p = x;
  for (size_t k = 2; k <= n; k++) {
    double degree = (double)k;
    double next = ((2 * degree - 1) * x * p - (degree - 1) * before) / degree;
    before = p;
    p = next;
  }
  *slope = (double)n * (x * p - before) / (x * x - 1);
  return p;
}

/* The rule of n points on [0, 1], each found by Newton's method. */
static void find_rule(size_t n, double *point, double *weight) {
  const double pi = 3.14159265358979323846;
  for (size_t i = 0; i < n; i++) {
    double x = cos(pi * ((double)i + 0.75) / ((double)n + 0.5)), slope;
    for (int step = 0; step < 8; step++) x -= legendre(n, x, &slope) / slope;
    legendre(n, x, &slope);
    point[i] = (1 - x) / 2;
    weight[i] = 1 / ((1 - x * x) * slope * slope);
  }
}

/* --------------------------------------------------------------- the paths */

static void demand_side(desk *k, turn t) {
  const moe_trees *trees = k->plan->trees;
  const moe_tree_node *node = &trees->nodes[t.node];
  double left = (double)trees->share[t.node];
  int32_t *place = &k->place[node->feature];
  if (*place == 0) {
    *place = (int32_t)++k->n_demands;
    k->demands[*place - 1] = (demand){.feature = node->feature,
                                      .low = NAN,
                                      .high = INFINITY,
                                      .missing = true,
                                      .share = 1};
  }
  demand *d = &k->demands[*place - 1];
  if (t.side == 0)
    d->high = fminf(d->high, node->threshold);
  else
    d->low = fmaxf(d->low, node->threshold);
  d->missing = d->missing && trees->missing[t.node] == t.side;
  d->share *= t.side == 0 ? left : 1 - left;
}

static double collect_demands(desk *k, size_t depth) {
  double share = 1;
  for (size_t i = 0; i < k->n_demands; i++) k->place[k->demands[i].feature] = 0;
  k->n_demands = 0;
  for (size_t i = 0; i < depth; i++) demand_side(k, k->turns[i]);
  for (size_t i = 0; i < k->n_demands; i++) share *= k->demands[i].share;
  return share;
}

/* ------------------------------------------------------------ one leaf, rows
 */

static void follow(desk *k, const float *row) {
  for (size_t i = 0; i < k->n_demands; i++) {
    const demand *d = &k->demands[i];
    float x = row[d->feature];
    k->followed[i] = isnan(x) ? d->missing : !(x <= d->low || x > d->high);
  }
}

static double factor_at(const desk *k, size_t i, double t) {
  return (1 - t) * k->demands[i].share + (k->followed[i] ? t : 0);
}

/* Each demand's integral over the product of the others' factors. */
static void integrate(desk *k) {
  const plan *p = k->plan;
  for (size_t i = 0; i < k->n_demands; i++) k->integral[i] = 0;
  for (size_t q = 0; q < p->points; q++) {
    double product = p->weight[q];
    for (size_t i = 0; i < k->n_demands; i++) {
      k->before[i] = product;
      product *= factor_at(k, i, p->point[q]);
    }
    product = 1;
    for (size_t i = k->n_demands; i-- > 0;) {
      k->integral[i] += k->before[i] * product;
      product *= factor_at(k, i, p->point[q]);
    }
  }
}

/* Adds `value` times what the row's features contribute, and the bias. */
static void add_row(const desk *k, double value, double share, double *out) {
  out[k->plan->x->d] += value * share;
  for (size_t i = 0; i < k->n_demands; i++)
    out[k->demands[i].feature] +=
        value * k->integral[i] *
        ((k->followed[i] ? 1 : 0) - k->demands[i].share);
}

static void add_leaf(desk *k, size_t tree, int32_t leaf, size_t depth) {
  const plan *p = k->plan;
  const moe_trees *t = p->trees;
  static const double one[1] = {1};
  const double *values = one;
  size_t d = p->x->d, width = 1;
  size_t score = p->score != NULL ? (size_t)p->score[tree] : 0;
  double share = collect_demands(k, depth);
  if ((size_t)leaf < t->certain) {
    score += (size_t)leaf;
  } else {
    values = t->values + (size_t)t->nodes[leaf].value * t->width;
    width = t->width;
  }
  for (size_t i = 0; i < k->n; i++) {
    double *out = p->out + ((k->first + i) * p->n_scores + score) * (d + 1);
    follow(k, k->rows + i * d);
    integrate(k);
    for (size_t c = 0; c < width; c++, out += d + 1)
      add_row(k, p->factor * values[c], share, out);
  }
}

/* Goes to every leaf, left ones first. */
static void add_tree(desk *k, size_t tree) {
  const moe_trees *t = k->plan->trees;
  int32_t at = t->roots[tree];
  size_t depth = 0;
  for (;;) {
    while (t->nodes[at].child[0] != at) {
      k->turns[depth++] = (turn){at, 0};
      at = t->nodes[at].child[0];
    }
    add_leaf(k, tree, at, depth);
    while (depth > 0 && k->turns[depth - 1].side == 1) depth--;
    if (depth == 0) return;
    k->turns[depth - 1].side = 1;
    at = t->nodes[k->turns[depth - 1].node].child[1];
  }
}

/* ----------------------------------------------------------------- blocks */

typedef struct room {
  const plan *plan;
  desk *desks; /* one a worker */
} room;

static void add_block(void *context, size_t index, int worker) {
  const room *r = context;
  const plan *p = r->plan;
  desk *k = &r->desks[worker];
  k->first = index * p->block;
  k->n = p->x->n - k->first < p->block ? p->x->n - k->first : p->block;
  moe_rows_floats(p->x, k->first, k->n, k->rows);
  for (size_t tree = 0; tree < p->trees->n_trees; tree++) add_tree(k, tree);
}

static moe_status set_desk(moe_call *call, const plan *p, desk *k) {
  k->plan = p;
  MOE_SCRATCH(call, k->rows, moe_size(p->block, p->x->d));
  MOE_SCRATCH(call, k->turns, p->depth);
  MOE_SCRATCH(call, k->demands, p->demands);
  MOE_SCRATCH(call, k->place, p->x->d);
  MOE_SCRATCH(call, k->followed, p->demands);
  MOE_SCRATCH(call, k->before, p->demands);
  MOE_SCRATCH(call, k->integral, p->demands);
  return MOE_OK;
}

static moe_status run(moe_call *call, plan *p) {
  size_t blocks = (p->x->n + p->block - 1) / p->block;
  size_t workers = (size_t)moe_parallel_width(call, blocks);
  room r = {.plan = p};
  MOE_TRY(moe_trees_depth(call, p->trees, &p->depth));
  p->demands = p->depth < p->x->d ? p->depth : p->x->d;
  p->points = (p->demands + 1) / 2;
  MOE_SCRATCH(call, p->point, p->points);
  MOE_SCRATCH(call, p->weight, p->points);
  find_rule(p->points, p->point, p->weight);
  MOE_SCRATCH(call, r.desks, workers);
  for (size_t i = 0; i < workers; i++) MOE_TRY(set_desk(call, p, &r.desks[i]));
  moe_parallel(call, blocks, add_block, &r);
  return MOE_OK;
}

moe_status moe_trees_contribute(moe_call *call, const moe_trees *t,
                                const moe_rows *x, const int32_t *score,
                                size_t n_scores, double factor, double *out) {
  enum { ROWS = 64, NUMBERS = 1 << 18 };
  moe_scratch_mark mark = moe_scratch_now(call);
  plan p = {.trees = t,
            .x = x,
            .score = score,
            .n_scores = n_scores,
            .block = x->d < NUMBERS / ROWS ? ROWS : NUMBERS / x->d + 1,
            .factor = factor,
            .out = out};
  moe_status status = run(call, &p);
  moe_scratch_drop(call, mark);
  return status;
}
