#include "kmeans.h"

#include <math.h>
#include <string.h>

#include "vector.h"

enum { MEANS, VARIANCES, SEED, ASSIGN };

static bool is_sparse(const moe_kmeans *s) {
  return s->plan.x->source == MOE_FROM_CSR;
}

static double weight_of(const moe_kmeans *s, size_t i) {
  return s->plan.weight != NULL ? s->plan.weight[moe_rows_at(s->plan.x, i)] : 1;
}

/* ---------------------------------------------------------------- beginning */

/* A tally of `length` sums over rows of x̃, with `width` numbers a row. */
static moe_status begin_tally(moe_call *call, moe_kmeans *s, size_t length,
                              size_t width) {
  const moe_rows *x = s->plan.x;
  moe_tally_plan plan = {.rows = x,
                         .columns = is_sparse(s) ? 0 : x->d,
                         .centre = s->stage == MEANS ? NULL : s->centre,
                         .factor = s->stage == MEANS ? NULL : s->factor,
                         .width = width,
                         .length = length,
                         .cost = moe_size(x->d, width + 1)};
  moe_tally_free(&s->tally);
  moe_free(s->sums);
  s->sums = NULL;
  MOE_TRY(moe_new_array(call, &s->sums, length, sizeof *s->sums));
  return moe_tally_new(call, &plan, &s->tally);
}

static void begin_search(moe_kmeans *s) {
  moe_random_seed(&s->random, moe_seed_at(s->plan.seed, (uint64_t)s->run));
  for (size_t i = 0; i < s->plan.x->n; i++) s->nearest[i] = weight_of(s, i) > 0;
  s->placed = 0;
  s->measured = true;
  s->round = 0;
  s->stage = SEED;
}

/* The columns' scales are known: from here on rows meet centres. */
static moe_status begin_searches(moe_call *call, moe_kmeans *s) {
  begin_search(s);
  return begin_tally(call, s, moe_size(s->plan.k, s->plan.x->d + 1) + 2,
                     s->plan.k);
}

moe_status moe_kmeans_begin(moe_call *call, const moe_kmeans_plan *plan,
                            moe_kmeans *out) {
  size_t n = plan->x->n, d = plan->x->d, all = moe_size(plan->k, d);
  size_t size = sizeof(double);
  *out = (moe_kmeans){.plan = *plan, .stage = MEANS, .inertia = INFINITY};
  MOE_TRY(moe_new_array(call, &out->centre, d, size));
  MOE_TRY(moe_new_array(call, &out->factor, d, size));
  MOE_TRY(moe_new_array(call, &out->means, all, size));
  MOE_TRY(moe_new_array(call, &out->best_means, all, size));
  MOE_TRY(moe_new_array(call, &out->lengths, plan->k, size));
  MOE_TRY(moe_new_array(call, &out->nearest, n, size));
  MOE_TRY(moe_new_array(call, &out->cluster, n, sizeof *out->cluster));
  MOE_TRY(moe_new_array(call, &out->best, n, sizeof *out->best));
  for (size_t j = 0; j < d; j++) out->factor[j] = 1;
  return is_sparse(out) ? begin_searches(call, out)
                        : begin_tally(call, out, moe_size(2, d), 0);
}

/* --------------------------------------------------------- scales of columns
 */

/* Weighted values of each column, then the weights of those that are there. */
static void add_means(const void *context, const moe_tile *tile, double *sum) {
  const moe_kmeans *s = context;
  size_t d = s->plan.x->d;
  for (size_t i = 0; i < tile->n; i++) {
    double w = weight_of(s, tile->first + i);
    for (size_t j = 0; j < d; j++) {
      double x = tile->x[i * d + j];
      if (x != x) continue;
      sum[j] += w * x;
      sum[d + j] += w;
    }
  }
}

static void add_squares(const void *context, const moe_tile *tile,
                        double *sum) {
  const moe_kmeans *s = context;
  size_t d = s->plan.x->d;
  for (size_t i = 0; i < tile->n; i++) {
    double w = weight_of(s, tile->first + i);
    for (size_t j = 0; j < d; j++) {
      double x = tile->x[i * d + j];
      sum[j] += w * x * x;
      sum[d + j] += w;
    }
  }
}

static double mean_at(const moe_kmeans *s, size_t j) {
  double weight = s->sums[s->plan.x->d + j];
  double mean = weight > 0 ? s->sums[j] / weight : 0;
  return isfinite(mean) ? mean : 0;
}

static moe_status take_means(moe_call *call, moe_kmeans *s) {
  size_t d = s->plan.x->d;
  for (size_t j = 0; j < d; j++) s->centre[j] = mean_at(s, j);
  if (!s->plan.standardize) return begin_searches(call, s);
  s->stage = VARIANCES;
  return begin_tally(call, s, moe_size(2, d), 0);
}

/* A column that is constant up to rounding, or too large to square, is left
   out. */
static moe_status take_variances(moe_call *call, moe_kmeans *s) {
  for (size_t j = 0; j < s->plan.x->d; j++) {
    double variance = mean_at(s, j), rounding = 1e-13 * s->centre[j];
    s->factor[j] = variance > rounding * rounding ? 1 / sqrt(variance) : 0;
  }
  return begin_searches(call, s);
}

/* ---------------------------------------------------------- rows and centres
 */

/* Products of row i of the tile with `k` centres. */
static double multiply_row(const moe_kmeans *s, const moe_tile *tile, size_t i,
                           const double *means, size_t k, double *z) {
  size_t d = s->plan.x->d;
  double length = 0;
  memset(z, 0, k * sizeof *z);
  if (!is_sparse(s)) {
    moe_products(tile->x + i * d, 1, d, means, k, z);
    return moe_dot(tile->x + i * d, tile->x + i * d, d);
  }
  moe_entries e = moe_rows_entries(s->plan.x, tile->first + i);
  for (size_t at = 0; at < e.n; at++) {
    double x = (double)e.value[at];
    if (x != x) continue;
    length += x * x;
    for (size_t c = 0; c < k; c++)
      z[c] += x * means[c * d + (size_t)e.index[at]];
  }
  return length;
}

static void add_row(const moe_kmeans *s, const moe_tile *tile, size_t i,
                    double w, double *sum) {
  size_t d = s->plan.x->d;
  if (!is_sparse(s)) {
    moe_axpy(w, tile->x + i * d, sum, d);
    return;
  }
  moe_entries e = moe_rows_entries(s->plan.x, tile->first + i);
  for (size_t at = 0; at < e.n; at++)
    if (e.value[at] == e.value[at]) sum[e.index[at]] += w * (double)e.value[at];
}

/* The squared distance to the nearest of centres first … first+k−1. */
static double find_nearest(const moe_kmeans *s, const moe_tile *tile, size_t i,
                           size_t first, size_t k, size_t *which) {
  const double *lengths = s->lengths + first;
  double *z = tile->work + i * s->plan.k, least = INFINITY;
  double own = multiply_row(s, tile, i, s->means + first * s->plan.x->d, k, z);
  *which = first;
  for (size_t c = 0; c < k; c++) {
    double distance = own - 2 * z[c] + lengths[c];
    if (distance >= least) continue;
    least = distance;
    *which = first + c;
  }
  return least > 1e-14 * own ? least : 0;
}

/* The centre placed last may be nearer than those before it. */
static void add_distances(const void *context, const moe_tile *tile,
                          double *sum) {
  const moe_kmeans *s = context;
  size_t unused;
  (void)sum;
  for (size_t i = 0; i < tile->n; i++) {
    double *nearest = s->nearest + tile->first + i;
    double own = find_nearest(s, tile, i, s->placed - 1, 1, &unused);
    if (s->placed == 1 || own < *nearest) *nearest = own;
  }
}

/* Of each centre the sum of its rows and their weight; then the sum of squared
   distances, and the rows that changed. */
static void add_to_centres(const void *context, const moe_tile *tile,
                           double *sum) {
  const moe_kmeans *s = context;
  size_t d = s->plan.x->d, k = s->plan.k, c;
  double *weights = sum + k * d, *rest = weights + k;
  for (size_t i = 0; i < tile->n; i++) {
    size_t row = tile->first + i;
    double w = weight_of(s, row);
    s->nearest[row] = find_nearest(s, tile, i, 0, k, &c);
    add_row(s, tile, i, w, sum + c * d);
    weights[c] += w;
    rest[0] += w * s->nearest[row];
    rest[1] += s->cluster[row] != (int32_t)c;
    s->cluster[row] = (int32_t)c;
  }
}

/* -------------------------------------------------------------------- seeding
 */

/* A row drawn by its weight times `nearest`; the last that can be, where
   rounding leaves none. */
static size_t draw_row(moe_kmeans *s) {
  double total = 0, left;
  size_t n = s->plan.x->n, last = 0;
  for (size_t i = 0; i < n; i++) total += weight_of(s, i) * s->nearest[i];
  left = moe_random_unit(&s->random) * total;
  for (size_t i = 0; i < n; i++) {
    double chance = weight_of(s, i) * s->nearest[i];
    if (!(chance > 0)) continue;
    last = i;
    left -= chance;
    if (left < 0) break;
  }
  return last;
}

/* Row i becomes centre c. */
static void place_centre(moe_kmeans *s, size_t i, size_t c) {
  size_t d = s->plan.x->d;
  double *mean = s->means + c * d;
  memset(mean, 0, d * sizeof *mean);
  if (is_sparse(s)) {
    moe_tile tile = {.first = i, .n = 1};
    add_row(s, &tile, 0, 1, mean);
  } else {
    moe_rows_doubles(s->plan.x, i, 1, mean);
    moe_standardize(mean, 1, d, s->centre, s->factor);
  }
  s->lengths[c] = moe_dot(mean, mean, d);
}

/* Places the next centre, or tells the rows how near the last one is. */
static void seed(moe_call *call, moe_kmeans *s) {
  if (s->measured) {
    place_centre(s, draw_row(s), s->placed++);
    s->measured = false;
  }
  if (!moe_tally_run(call, &s->tally, add_distances, s, s->sums)) return;
  s->measured = true;
  if (s->placed < s->plan.k) return;
  memset(s->cluster, 0xff, s->plan.x->n * sizeof *s->cluster);
  s->stage = ASSIGN;
}

/* --------------------------------------------------------------------- rounds
 */

/* A centre without rows goes where a row is farthest from its own. */
static void revive(moe_kmeans *s, size_t c) {
  size_t far = 0;
  for (size_t i = 1; i < s->plan.x->n; i++)
    if (weight_of(s, i) > 0 && s->nearest[i] > s->nearest[far]) far = i;
  place_centre(s, far, c);
  s->nearest[far] = 0;
}

static void move_centres(moe_kmeans *s) {
  size_t d = s->plan.x->d, k = s->plan.k;
  const double *weights = s->sums + k * d;
  for (size_t c = 0; c < k; c++) {
    double *mean = s->means + c * d;
    if (!(weights[c] > 0)) {
      revive(s, c);
      continue;
    }
    memcpy(mean, s->sums + c * d, d * sizeof *mean);
    moe_scale(1 / weights[c], mean, d);
    s->lengths[c] = moe_dot(mean, mean, d);
  }
}

static void end_search(moe_kmeans *s, double inertia) {
  size_t n = s->plan.x->n, all = s->plan.k * s->plan.x->d;
  if (inertia < s->inertia || s->run == 0) {
    s->inertia = inertia;
    memcpy(s->best, s->cluster, n * sizeof *s->best);
    memcpy(s->best_means, s->means, all * sizeof *s->best_means);
  }
  s->done = ++s->run >= s->plan.restarts;
  if (!s->done) begin_search(s);
}

static void assign(moe_call *call, moe_kmeans *s) {
  const double *rest = s->sums + s->plan.k * (s->plan.x->d + 1);
  if (!moe_tally_run(call, &s->tally, add_to_centres, s, s->sums)) return;
  if (rest[1] == 0 || ++s->round >= s->plan.rounds)
    end_search(s, rest[0]);
  else
    move_centres(s);
}

/* --------------------------------------------------------------------- the job
 */

static moe_status advance(moe_call *call, moe_kmeans *s) {
  switch (s->stage) {
    case MEANS:
      return moe_tally_run(call, &s->tally, add_means, s, s->sums)
                 ? take_means(call, s)
                 : MOE_OK;
    case VARIANCES:
      return moe_tally_run(call, &s->tally, add_squares, s, s->sums)
                 ? take_variances(call, s)
                 : MOE_OK;
    case SEED: seed(call, s); return MOE_OK;
    default: assign(call, s); return MOE_OK;
  }
}

moe_status moe_kmeans_step(moe_call *call, moe_kmeans *s) {
  do MOE_TRY(advance(call, s));
  while (!s->done && !moe_call_pausing(call));
  return MOE_OK;
}

void moe_kmeans_centres(const moe_kmeans *s, double *out) {
  size_t d = s->plan.x->d;
  for (size_t c = 0; c < s->plan.k; c++)
    for (size_t j = 0; j < d; j++) {
      double f = s->factor[j], own = s->best_means[c * d + j];
      out[c * d + j] = s->centre[j] + (f > 0 ? own / f : 0);
    }
}

void moe_kmeans_free(moe_kmeans *s) {
  void *const owned[] = {s->centre,  s->factor,  s->means,
                         s->lengths, s->nearest, s->cluster,
                         s->sums,    s->best,    s->best_means};
  moe_tally_free(&s->tally);
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) moe_free(owned[i]);
  *s = (moe_kmeans){0};
}
