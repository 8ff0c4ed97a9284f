#include "split.h"

#include <math.h>
#include <string.h>

#include "memory.h"
#include "random.h"

/* One more than the largest id, counted from `least`. */
static size_t count_ids(const int32_t *ids, size_t n, int32_t least) {
  int32_t largest = least - 1;
  for (size_t i = 0; i < n; i++)
    if (ids[i] > largest) largest = ids[i];
  return (size_t)((int64_t)largest - least + 1);
}

static moe_status shuffle(moe_call *call, size_t n, uint64_t seed,
                          int32_t **out) {
  moe_random random;
  MOE_SCRATCH(call, *out, n);
  for (size_t i = 0; i < n; i++) (*out)[i] = (int32_t)i;
  moe_random_seed(&random, seed);
  moe_random_shuffle(&random, *out, n);
  return MOE_OK;
}

/* Brings rows of equal id together, in the order in which the ids occur first
   and within an id as they were.  `starts`, which may be NULL, gets the
   beginning of each run and n behind the last. */
static moe_status gather(moe_call *call, size_t n, const int32_t *ids,
                         int32_t least, int32_t *rows, size_t *starts,
                         size_t *n_runs) {
  size_t n_ids = count_ids(ids, n, least), end = 0, runs = 0;
  size_t *counts, *next;
  int32_t *old;
  MOE_SCRATCH(call, counts, n_ids);
  MOE_SCRATCH(call, next, n_ids);
  MOE_SCRATCH(call, old, n);
  memcpy(old, rows, n * sizeof *old);
  for (size_t i = 0; i < n; i++) counts[ids[i] - least]++;
  for (size_t i = 0; i < n; i++) {
    size_t id = (size_t)(ids[old[i]] - least);
    if (next[id] == 0) { /* its first: behind the runs so far, one-based */
      if (starts != NULL) starts[runs] = end;
      runs++;
      next[id] = end + 1;
      end += counts[id];
    }
    rows[next[id]++ - 1] = old[i];
  }
  if (starts != NULL) starts[runs] = n;
  if (n_runs != NULL) *n_runs = runs;
  return MOE_OK;
}

/* All rows in random order, but strata together: whatever takes every k-th of
   them takes the k-th part of each stratum. */
static moe_status order_rows(moe_call *call, size_t n, uint64_t seed,
                             const int32_t *strata, int32_t **rows) {
  MOE_TRY(shuffle(call, n, seed, rows));
  if (strata == NULL) return MOE_OK;
  return gather(call, n, strata, -1, *rows, NULL, NULL);
}

/* ------------------------------------------------------------------- groups
   Dealing groups to parts that want shares w of everything: each group goes
   where it adds least to the sum, over parts and strata and over the rows as a
   whole, of x²/(w m): x of the m rows of a stratum that are in the part, at
   its lowest when all are shared out as wanted. */
typedef struct dealer {
  size_t n, n_groups, n_strata, parts;
  const int32_t *strata; /* of the rows; NULL: one */
  int32_t *rows;         /* groups together, … */
  size_t *starts;        /* … beginning here */
  const double *wanted;  /* shares of the parts */
  double *sizes;         /* of the strata; behind the last, of all rows */
  double *held;          /* parts × (n_strata + 1) rows dealt so far */
  double *brought;       /* the group in hand, the same way */
  int32_t *part;         /* of each row: the result */
} dealer;

static size_t stratum_of(const dealer *d, int32_t row) {
  return d->strata != NULL ? (size_t)(d->strata[row] + 1) : 0;
}

static void weigh(dealer *d, size_t group, double sign) {
  for (size_t i = d->starts[group]; i < d->starts[group + 1]; i++) {
    d->brought[stratum_of(d, d->rows[i])] += sign;
    d->brought[d->n_strata] += sign;
  }
}

/* What the rows brought add to the sum of a part.  Strata are met once for
   each of their rows, so that a term is divided among these. */
static double cost_of(const dealer *d, size_t group, size_t part) {
  const double *held = d->held + part * (d->n_strata + 1);
  const double *g = d->brought, *m = d->sizes;
  size_t all = d->n_strata;
  double cost = g[all] * (2 * held[all] + g[all]) / m[all];
  for (size_t i = d->starts[group]; i < d->starts[group + 1]; i++) {
    size_t c = stratum_of(d, d->rows[i]);
    cost += (2 * held[c] + g[c]) / m[c];
  }
  return cost / d->wanted[part];
}

static void put(dealer *d, size_t group, size_t part) {
  double *held = d->held + part * (d->n_strata + 1);
  for (size_t i = d->starts[group]; i < d->starts[group + 1]; i++) {
    held[stratum_of(d, d->rows[i])]++;
    held[d->n_strata]++;
    d->part[d->rows[i]] = (int32_t)part;
  }
}

static void deal(dealer *d, size_t group) {
  size_t best = 0;
  double least = INFINITY;
  weigh(d, group, 1);
  for (size_t p = 0; p < d->parts; p++) {
    double cost = cost_of(d, group, p);
    if (cost >= least) continue;
    least = cost;
    best = p;
  }
  weigh(d, group, -1);
  put(d, group, best);
}

static moe_status prepare(moe_call *call, dealer *d, const int32_t *groups,
                          uint64_t seed) {
  for (size_t i = 0; i < d->n; i++)
    if (groups[i] < 0)
      return moe_fail(call, MOE_EDATA, "row %zu belongs to no group", i + 1);
  d->n_strata = d->strata != NULL ? count_ids(d->strata, d->n, -1) : 1;
  MOE_TRY(shuffle(call, d->n, seed, &d->rows));
  MOE_SCRATCH(call, d->starts, d->n + 1);
  MOE_TRY(gather(call, d->n, groups, 0, d->rows, d->starts, &d->n_groups));
  if (d->n_groups < d->parts)
    return moe_fail(call, MOE_EDATA, "%zu groups cannot be cut into %zu parts",
                    d->n_groups, d->parts);
  MOE_SCRATCH(call, d->sizes, d->n_strata + 1);
  MOE_SCRATCH(call, d->brought, d->n_strata + 1);
  MOE_SCRATCH(call, d->held, moe_size(d->parts, d->n_strata + 1));
  for (size_t i = 0; i < d->n; i++) d->sizes[stratum_of(d, (int32_t)i)]++;
  d->sizes[d->n_strata] = (double)d->n;
  return MOE_OK;
}

/* ------------------------------------------------------------------ the two */

static moe_status check_size(moe_call *call, size_t n, size_t parts) {
  if (n >= parts && n <= INT32_MAX) return MOE_OK;
  return moe_fail(call, MOE_EDATA, "%zu rows cannot be cut into %zu parts", n,
                  parts);
}

/* In random order, so that no group is always on the same side.  The last one
   makes sure that there are two sides. */
static moe_status split_groups(moe_call *call, dealer *d, size_t first_size) {
  double share = (double)first_size / (double)d->n;
  const double wanted[2] = {share, 1 - share};
  d->wanted = wanted;
  for (size_t g = 0; g < d->n_groups; g++) {
    bool last = g + 1 == d->n_groups;
    if (last && d->held[d->n_strata] == 0)
      put(d, g, 0);
    else if (last && d->held[2 * d->n_strata + 1] == 0)
      put(d, g, 1);
    else
      deal(d, g);
  }
  return moe_call_check(call);
}

static moe_status split(moe_call *call, size_t n, size_t first_size,
                        uint64_t seed, const int32_t *strata,
                        const int32_t *groups, int32_t *part) {
  int32_t *rows;
  if (groups != NULL) {
    dealer d = {.n = n, .parts = 2, .strata = strata, .part = part};
    MOE_TRY(prepare(call, &d, groups, seed));
    return split_groups(call, &d, first_size);
  }
  MOE_TRY(order_rows(call, n, seed, strata, &rows));
  for (size_t i = 0; i < n; i++) /* first_size of n, evenly spaced */
    part[rows[i]] = (i + 1) * first_size / n == i * first_size / n;
  return MOE_OK;
}

moe_status moe_split(moe_call *call, size_t n, double share, uint64_t seed,
                     const int32_t *strata, const int32_t *groups,
                     int32_t *part) {
  moe_scratch_mark mark = moe_scratch_now(call);
  size_t first_size;
  moe_status status;
  if (!(share > 0 && share < 1))
    return moe_fail(call, MOE_EPARAM,
                    "the share of the first part must lie between 0 and 1; "
                    "got %g",
                    share);
  MOE_TRY(check_size(call, n, 2));
  first_size = (size_t)floor(share * (double)n + 0.5);
  if (first_size < 1) first_size = 1;
  if (first_size > n - 1) first_size = n - 1;
  status = split(call, n, first_size, seed, strata, groups, part);
  moe_scratch_drop(call, mark);
  return status;
}

/* The largest groups first: the small ones can then even out.  Sorted by
   counting, so that groups of a size stay in random order. */
static moe_status fold_groups(moe_call *call, dealer *d) {
  size_t *order, *places;
  double *wanted;
  MOE_SCRATCH(call, order, d->n_groups);
  MOE_SCRATCH(call, places, d->n + 2);
  MOE_SCRATCH(call, wanted, d->parts);
  for (size_t p = 0; p < d->parts; p++) wanted[p] = 1 / (double)d->parts;
  d->wanted = wanted;
  for (size_t g = 0; g < d->n_groups; g++)
    places[d->n - (d->starts[g + 1] - d->starts[g]) + 1]++;
  for (size_t s = 1; s < d->n + 2; s++) places[s] += places[s - 1];
  for (size_t g = 0; g < d->n_groups; g++)
    order[places[d->n - (d->starts[g + 1] - d->starts[g])]++] = g;
  for (size_t g = 0; g < d->n_groups; g++) deal(d, order[g]);
  return moe_call_check(call);
}

static moe_status fold(moe_call *call, size_t n, size_t k, uint64_t seed,
                       const int32_t *strata, const int32_t *groups,
                       int32_t *out) {
  int32_t *rows;
  if (groups != NULL) {
    dealer d = {.n = n, .parts = k, .strata = strata, .part = out};
    MOE_TRY(prepare(call, &d, groups, seed));
    return fold_groups(call, &d);
  }
  MOE_TRY(order_rows(call, n, seed, strata, &rows));
  for (size_t i = 0; i < n; i++) out[rows[i]] = (int32_t)(i % k);
  return MOE_OK;
}

moe_status moe_folds(moe_call *call, size_t n, size_t k, uint64_t seed,
                     const int32_t *strata, const int32_t *groups,
                     int32_t *out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_status status;
  if (k < 2)
    return moe_fail(call, MOE_EPARAM, "folds must be at least 2; got %zu", k);
  MOE_TRY(check_size(call, n, k));
  status = fold(call, n, k, seed, strata, groups, out);
  moe_scratch_drop(call, mark);
  return status;
}
