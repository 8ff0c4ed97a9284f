#include "neighbours.h"

#include <string.h>

#include "frame.h"
#include "gemm.h"
#include "threads.h"

const char *const moe_search_choices[] = {"auto", "kd_tree", "brute", NULL};
const char *const moe_metric_choices[] = {"euclidean", "manhattan", NULL};

enum {
  MOST_COLUMNS = 20, /* of a tree by itself: with 16 it takes half as long as
                        products, with 64 four times as long */
  BLOCK = 1024,      /* points that are multiplied at once … */
  ASKED = 128,       /* … with so many rows */
  ASKED_ONE = 64,    /* rows of a piece where they are searched one by one */
  FEW = 8,           /* rows for which it does not pay */
  CHUNK = 16,        /* products that are looked at together */
  FEW_POINTS = 64    /* for which a tree does not pay */
};

/* -------------------------------------------------------------------- life */

moe_status moe_neighbours_visit(moe_neighbours *s, moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "search", MOE_I32, &s->search));
  MOE_TRY(moe_visit_scalar(v, "metric", MOE_I32, &s->metric));
  MOE_TRY(moe_visit_scalar(v, "standardize", MOE_U8, &s->standardize));
  MOE_TRY(moe_visit_scalar(v, "points", MOE_I64, &s->n));
  MOE_TRY(moe_visit_scalar(v, "width", MOE_I64, &s->d));
  MOE_TRY(moe_visit_scalar(v, "slots", MOE_I64, &s->slots));
  MOE_TRY(moe_visit_scalar(v, "oldest", MOE_I64, &s->oldest));
  MOE_TRY(
      moe_visit_array(v, "x", MOE_F32, &s->points, moe_size(s->slots, s->d)));
  MOE_TRY(moe_visit_derived(v, "centre", MOE_F64, &s->centre, s->d));
  MOE_TRY(moe_visit_derived(v, "scale", MOE_F64, &s->scale, s->d));
  MOE_TRY(moe_visit_derived(v, "fresh", MOE_I32, &s->fresh, s->slots));
  return moe_kd_tree_visit(&s->tree, v);
}

static bool finite_points(const moe_neighbours *s) {
  for (size_t i = 0; i < s->n * s->d; i++)
    if (!isfinite(s->points[i])) return false;
  return true;
}

bool moe_neighbours_sound(const moe_neighbours *s, size_t columns) {
  return s->d == columns && s->n <= s->slots && s->slots <= INT32_MAX &&
         (s->points != NULL || s->slots == 0) &&
         (s->oldest < s->n || s->oldest == 0) &&
         (s->metric == MOE_EUCLIDEAN || s->metric == MOE_MANHATTAN) &&
         s->search >= MOE_SEARCH_AUTO && s->search <= MOE_SEARCH_BRUTE &&
         finite_points(s);
}

/* Rows as they are compared: doubles that float32 can hold. */
static void read_rows(const moe_rows *x, size_t first, size_t n, double *out) {
  moe_rows_doubles(x, first, n, out);
  if (x->source == MOE_FROM_FLOATS) return;
  for (size_t i = 0; i < n * x->d; i++) out[i] = (double)moe_narrow(out[i]);
}

moe_status moe_neighbours_open(moe_call *call, moe_neighbours *s, size_t d) {
  s->d = d;
  if (s->scale != NULL) return MOE_OK;
  MOE_TRY(moe_new_array(call, &s->centre, d, sizeof *s->centre));
  MOE_TRY(moe_new_array(call, &s->scale, d, sizeof *s->scale));
  for (size_t j = 0; j < d; j++) s->scale[j] = 1;
  return MOE_OK;
}

moe_status moe_neighbours_reserve(moe_call *call, moe_neighbours *s, size_t n,
                                  size_t d) {
  if (n > INT32_MAX)
    return moe_fail(call, MOE_EDATA, "%zu rows are more than can be kept", n);
  MOE_TRY(moe_neighbours_open(call, s, d));
  MOE_TRY(moe_new_array(call, &s->points, moe_size(n, d), sizeof *s->points));
  s->n = s->slots = n;
  return MOE_OK;
}

moe_status moe_neighbours_fill(moe_call *call, moe_neighbours *s,
                               const moe_rows *x, size_t first) {
  moe_scratch_mark mark = moe_scratch_now(call);
  float *to = s->points + first * s->d;
  double *row;
  MOE_SCRATCH(call, row, s->d);
  for (size_t i = 0; i < x->n; i++, to += s->d) {
    read_rows(x, i, 1, row);
    for (size_t j = 0; j < s->d; j++) to[j] = (float)row[j];
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* ---------------------------------------------------------------- preparing */

static void find_centre(moe_neighbours *s) {
  double *centre = s->centre;
  memset(centre, 0, s->d * sizeof *centre);
  for (size_t i = 0; i < s->n; i++)
    for (size_t j = 0; j < s->d; j++)
      centre[j] += (double)s->points[i * s->d + j];
  for (size_t j = 0; s->n > 0 && j < s->d; j++) centre[j] /= (double)s->n;
}

/* A column that is constant has a deviation of 1. */
static void find_scale(moe_neighbours *s) {
  double *sum = s->scale;
  memset(sum, 0, s->d * sizeof *sum);
  for (size_t i = 0; i < s->n; i++)
    for (size_t j = 0; j < s->d; j++) {
      double away = (double)s->points[i * s->d + j] - s->centre[j];
      sum[j] += away * away;
    }
  for (size_t j = 0; j < s->d; j++)
    s->scale[j] = sum[j] > 0 ? sqrt((double)s->n / sum[j]) : 1;
}

void moe_neighbours_measure(moe_neighbours *s) {
  if (s->standardize) {
    find_centre(s);
    find_scale(s);
  } else {
    for (size_t j = 0; j < s->d; j++) s->scale[j] = 1;
  }
}

static bool wants_tree(const moe_neighbours *s) {
  if (s->search == MOE_SEARCH_BRUTE || s->n <= FEW_POINTS) return false;
  return s->search == MOE_SEARCH_KD_TREE || s->metric == MOE_MANHATTAN ||
         s->d <= MOST_COLUMNS;
}

static moe_status open_tree(moe_call *call, moe_neighbours *s) {
  if (s->fresh == NULL)
    MOE_TRY(moe_new_array(call, &s->fresh, s->slots, sizeof *s->fresh));
  return moe_kd_tree_new(call, s->n, s->d, &s->tree);
}

moe_status moe_neighbours_build(moe_call *call, moe_neighbours *s, bool *done) {
  if (done != NULL) *done = true;
  if (s->tree.n == 0) {
    MOE_TRY(moe_neighbours_open(call, s, s->d));
    find_centre(s);
    if (s->standardize) find_scale(s);
    if (!wants_tree(s)) return MOE_OK;
    MOE_TRY(open_tree(call, s));
    if (done != NULL) *done = !moe_call_pausing(call);
    if (done != NULL && !*done) return MOE_OK;
  }
  bool built =
      moe_kd_tree_build(call, &s->tree, s->points, s->scale, done != NULL);
  if (done != NULL) *done = built;
  return MOE_OK;
}

/* ------------------------------------------------------------------- a ring */

size_t moe_neighbours_room(const moe_neighbours *s, size_t most) {
  size_t twice = s->slots < FEW_POINTS / 2 ? FEW_POINTS : 2 * s->slots;
  if (s->n < s->slots || s->n >= most) return s->slots;
  return twice < most ? twice : most;
}

static moe_status make_room(moe_call *call, moe_neighbours *s, size_t slots) {
  size_t size = moe_size(slots, s->d);
  if (slots <= s->slots) return MOE_OK;
  float *points =
      slots <= INT32_MAX ? moe_resize(s->points, size, sizeof *points) : NULL;
  if (points == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for %zu rows", slots);
  s->points = points;
  int32_t *fresh = moe_resize(s->fresh, slots, sizeof *fresh);
  if (fresh == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for %zu rows", slots);
  s->fresh = fresh;
  memset(points + s->slots * s->d, 0,
         (slots - s->slots) * s->d * sizeof *points);
  s->slots = slots;
  return MOE_OK;
}

/* So many points outside of the tree that a search of them costs about what a
   new tree does, if there is a search for each that comes. */
static bool is_stale(const moe_neighbours *s) {
  size_t most = FEW_POINTS + 8 * (size_t)sqrt((double)s->n);
  return (s->tree.n > 0 ? s->n_fresh : s->n) > most;
}

static moe_status renew(moe_call *call, moe_neighbours *s) {
  moe_kd_tree before = s->tree;
  if (!wants_tree(s) || !is_stale(s)) return MOE_OK;
  moe_status status = open_tree(call, s);
  if (status != MOE_OK) {
    moe_kd_tree_free(&s->tree);
    s->tree = before;
    return status;
  }
  moe_kd_tree_free(&before);
  moe_kd_tree_build(call, &s->tree, s->points, s->scale, false);
  s->n_fresh = 0;
  return MOE_OK;
}

moe_status moe_neighbours_add(moe_call *call, moe_neighbours *s,
                              const double *x, size_t most, size_t *slot) {
  MOE_TRY(make_room(call, s, moe_neighbours_room(s, most)));
  MOE_TRY(renew(call, s));
  bool added = s->n < most;
  size_t at = added ? s->n++ : s->oldest;
  bool leaves_tree = !added && moe_kd_tree_remove(&s->tree, at);
  if (!added) s->oldest = (at + 1) % s->n;
  if (s->tree.n > 0 && (added || leaves_tree))
    s->fresh[s->n_fresh++] = (int32_t)at;
  for (size_t j = 0; j < s->d; j++) s->points[at * s->d + j] = moe_narrow(x[j]);
  *slot = at;
  return MOE_OK;
}

static void swap(unsigned char *a, unsigned char *b, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char held = a[i];
    a[i] = b[i];
    b[i] = held;
  }
}

static void reverse(unsigned char *array, size_t n, size_t size) {
  for (size_t i = 0; i < n / 2; i++)
    swap(array + i * size, array + (n - 1 - i) * size, size);
}

void moe_neighbours_turn(void *array, size_t n, size_t size, size_t by) {
  unsigned char *items = array;
  if (by == 0) return;
  reverse(items, by, size);
  reverse(items + by * size, n - by, size);
  reverse(items, n, size);
}

size_t moe_neighbours_keep(moe_neighbours *s, size_t most) {
  size_t kept = s->n < most ? s->n : most;
  size_t by = s->n == most ? 0 : (s->oldest + s->n - kept) % (s->n + !s->n);
  if (by == 0 && kept == s->n) return 0;
  moe_neighbours_turn(s->points, s->n, s->d * sizeof *s->points, by);
  memset(s->points + kept * s->d, 0, (s->n - kept) * s->d * sizeof *s->points);
  moe_kd_tree_free(&s->tree);
  s->n = kept;
  s->oldest = s->n_fresh = 0;
  return by;
}

/* ------------------------------------------------------------ point by point
 */

/* Offers the points at `rows` (NULL: all of them, in order). */
static void scan(const moe_neighbours *s, const moe_asked *q,
                 const int32_t *rows, size_t n, moe_nearest *list) {
  for (size_t first = 0; first < n; first += MOE_LANES) {
    int32_t point[MOE_LANES], at[MOE_LANES];
    double distance[MOE_LANES];
    for (size_t l = 0; l < MOE_LANES; l++) {
      size_t i = first + l;
      point[l] = i >= n ? -1 : rows != NULL ? rows[i] : (int32_t)i;
      at[l] = i >= n ? 0 : point[l];
    }
    moe__row_distances(q, s->points, at, distance);
    moe_nearest_offer_block(list, point, distance);
  }
}

static void search_one(const moe_neighbours *s, const moe_asked *q,
                       moe_nearest *list) {
  if (s->tree.n == 0) {
    scan(s, q, NULL, s->n, list);
    return;
  }
  scan(s, q, s->fresh, s->n_fresh, list);
  moe_kd_tree_search(&s->tree, q, list);
}

/* What a search is of; each worker has memory of its own. */
typedef struct finding {
  const moe_neighbours *s;
  const moe_rows *x;
  size_t k;
  int32_t *nearest;
  double *distance;
  double *asked; /* a worker: ASKED × d */

  /* By products. */
  size_t first, n; /* points of the block */
  float *block;    /* BLOCK × (d + 1) */
  double radius;   /* the largest norm among them */
  float *turned;   /* a worker: ASKED × (d + 1) */
  float *product;  /* a worker: ASKED × BLOCK */
} finding;

static moe_asked asked_at(const finding *f, const double *x) {
  return (moe_asked){x, f->s->scale, f->s->d, f->s->metric};
}

static moe_nearest list_at(const finding *f, size_t row, size_t n) {
  return (moe_nearest){.k = f->k,
                       .n = n < f->k ? n : f->k,
                       .points = f->s->n,
                       .oldest = f->s->oldest,
                       .index = f->nearest + row * f->k,
                       .distance = f->distance + row * f->k};
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static void search_rows(void *context, size_t piece, int worker) {
  const finding *f = context;
  double *x = f->asked + (size_t)worker * f->s->d;
  size_t first = piece * ASKED_ONE, end = least(first + ASKED_ONE, f->x->n);
  for (size_t i = first; i < end; i++) {
    moe_asked q = asked_at(f, x);
    moe_nearest list = list_at(f, i, 0);
    read_rows(f->x, i, 1, x);
    search_one(f->s, &q, &list);
  }
}

/* --------------------------------------------------------------- by products

   With p and q centred and scaled, |p − q|² − |q|² = |p|² − 2 p·q: the product
   of (p, |p|²) and (−2q, 1).  In float32 its error is bounded, so it tells the
   few points whose distance is worth computing. */

/* (v − c) s of one row, rounded; the sum of squares of that. */
static double place(const moe_neighbours *s, const double *v, float *out) {
  double sum = 0;
  for (size_t j = 0; j < s->d; j++) {
    out[j] = moe_narrow((v[j] - s->centre[j]) * s->scale[j]);
    sum += (double)out[j] * (double)out[j];
  }
  return sum;
}

static void load_block(finding *f, double *row) {
  size_t d = f->s->d;
  double most = 0;
  for (size_t i = 0; i < f->n; i++) {
    const float *point = f->s->points + (f->first + i) * d;
    float *out = f->block + i * (d + 1);
    for (size_t j = 0; j < d; j++) row[j] = (double)point[j];
    double square = place(f->s, row, out);
    out[d] = moe_narrow(square);
    most = square > most ? square : most;
  }
  f->radius = sqrt(most);
}

/* No point whose product is above this is within reach.  A term of the product
   is off by 2^-24 of itself for each addition that it goes through; below
   2^-126 there are fewer bits, and beyond 2^125 nothing is known. */
static float threshold(const finding *f, double square, double reach) {
  double span = (sqrt(square) + f->radius) * (sqrt(square) + f->radius);
  double terms = (double)f->s->d + 10;
  if (!(span < 0x1p125)) return INFINITY;
  double most = reach - square + terms * (0x1p-24 * span + 0x1p-126);
  return most < 0x1p126 ? nextafterf((float)most, INFINITY) : INFINITY;
}

/* Whether one of a chunk may be within reach. */
static bool any_below(const float *product, float most) {
  int any = 0;
  for (int l = 0; l < CHUNK; l++) any |= !(product[l] > most);
  return any;
}

/* Measures the block's points whose products are not above the threshold. */
static void sift(const finding *f, const moe_asked *q, const float *product,
                 double square, moe_nearest *list) {
  int32_t candidate[MOE_LANES];
  size_t n = 0;
  float most = threshold(f, square, moe_nearest_reach(list));
  for (size_t i = 0; i < f->n; i++) {
    if (i % CHUNK == 0 && i + CHUNK <= f->n && !any_below(product + i, most)) {
      i += CHUNK - 1;
      continue;
    }
    if (product[i] > most) continue;
    candidate[n++] = (int32_t)(f->first + i);
    if (n < MOE_LANES) continue;
    scan(f->s, q, candidate, n, list);
    most = threshold(f, square, moe_nearest_reach(list));
    n = 0;
  }
  scan(f->s, q, candidate, n, list);
}

static void multiply_rows(void *context, size_t piece, int worker) {
  const finding *f = context;
  size_t d = f->s->d, first = piece * ASKED, w = (size_t)worker;
  size_t n = least(ASKED, f->x->n - first);
  double *x = f->asked + w * ASKED * d, square[ASKED];
  float *turned = f->turned + w * ASKED * (d + 1);
  float *product = f->product + w * ASKED * BLOCK;
  read_rows(f->x, first, n, x);
  for (size_t i = 0; i < n; i++) {
    square[i] = place(f->s, x + i * d, turned + i * (d + 1));
    for (size_t j = 0; j < d; j++) turned[i * (d + 1) + j] *= -2;
    turned[i * (d + 1) + d] = 1;
  }
  moe_gemm(false, true, n, f->n, d + 1, 1, turned, d + 1, f->block, d + 1, 0,
           product, BLOCK);
  for (size_t i = 0; i < n; i++) {
    moe_asked q = asked_at(f, x + i * d);
    moe_nearest list = list_at(f, first + i, f->first);
    sift(f, &q, product + i * BLOCK, square[i], &list);
  }
}

static moe_status find_by_products(moe_call *call, finding *f) {
  size_t d = f->s->d, n = (f->x->n + ASKED - 1) / ASKED;
  size_t workers = (size_t)moe_parallel_width(call, n);
  MOE_SCRATCH(call, f->asked, moe_size(workers * ASKED, d));
  MOE_SCRATCH(call, f->turned, moe_size(workers * ASKED, d + 1));
  MOE_SCRATCH(call, f->product, workers * ASKED * BLOCK);
  MOE_SCRATCH(call, f->block, moe_size(BLOCK, d + 1));
  for (f->first = 0; f->first < f->s->n; f->first += BLOCK) {
    f->n = least(BLOCK, f->s->n - f->first);
    load_block(f, f->asked);
    moe_parallel(call, n, multiply_rows, f);
  }
  return MOE_OK;
}

static moe_status find_one_by_one(moe_call *call, finding *f) {
  size_t n = (f->x->n + ASKED_ONE - 1) / ASKED_ONE;
  size_t workers = (size_t)moe_parallel_width(call, n);
  MOE_SCRATCH(call, f->asked, moe_size(workers, f->s->d));
  moe_parallel(call, n, search_rows, f);
  return MOE_OK;
}

moe_status moe_neighbours_find(moe_call *call, const moe_neighbours *s,
                               const moe_rows *x, size_t k, int32_t *nearest,
                               double *distance) {
  moe_scratch_mark mark = moe_scratch_now(call);
  finding f = {
      .s = s, .x = x, .k = k, .nearest = nearest, .distance = distance};
  bool multiplies = s->tree.n == 0 && s->metric == MOE_EUCLIDEAN && x->n >= FEW;
  moe_status status =
      multiplies ? find_by_products(call, &f) : find_one_by_one(call, &f);
  moe_scratch_drop(call, mark);
  return status;
}
