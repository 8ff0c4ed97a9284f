/* Page and Hinkley's test, DDM, ADWIN and KSWIN.  Each is a struct of doubles,
   which a caller's run of doubles is taken as, and four functions about it. */
#include "detector.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const moe_detector_choices[] = {"none", "adwin", "page_hinkley",
                                            "ddm",  "kswin", NULL};
const char *const moe_deviation_choices[] = {"mean", "numbers", NULL};
const char *const moe_bound_choices[] = {"variance", "range", NULL};

/* Squares of larger numbers have no place in a double. */
static const double LARGEST = 1e150;

/* Where sums of such numbers and of their squares end. */
static const double LARGEST_SUM = 1e200, LARGEST_SQUARES = 1e307;
static const double MOST_SAMPLES = 0x1p60;
static const double LN_2 = 0.6931471805599453;

static double or_else(double given, double otherwise) {
  return isnan(given) ? otherwise : given;
}

static double size_or(int64_t given, double otherwise) {
  return given == MOE_NO_INT || given == 0 ? otherwise : (double)given;
}

static bool is_count(double n, double most) {
  return n >= 0 && n <= most && n == floor(n);
}

/* Some room for rounding. */
static bool is_mean(double x) { return fabs(x) <= 1.001 * LARGEST; }

static bool all_within(const double *x, size_t n, double most) {
  for (size_t k = 0; k < n; k++)
    if (!(fabs(x[k]) <= most)) return false;
  return true;
}

/* ------------------------------------------------------------- Page–Hinkley
   The sums of what the numbers exceed their mean by, less the change that is
   allowed, and of what they fall short of it: a drift where one has risen by λ
   above its least, a warning at half of that. */

typedef struct page_hinkley {
  double n, mean;
  double above, least_above, below, least_below;
} page_hinkley;

static moe_signal update_page_hinkley(const moe_detector_config *c, double *at,
                                      double x) {
  page_hinkley *p = (page_hinkley *)at;
  double allowed = or_else(c->delta, 0.005), limit = or_else(c->threshold, 50);
  p->n++;
  p->mean += (x - p->mean) / p->n;
  p->above = fmax(p->above + (x - p->mean - allowed), -LARGEST_SUM);
  p->below = fmax(p->below + (p->mean - x - allowed), -LARGEST_SUM);
  p->least_above = fmin(p->least_above, p->above);
  p->least_below = fmin(p->least_below, p->below);
  double risen = fmax(p->above - p->least_above, p->below - p->least_below);
  if (p->n < size_or(c->window, 30) || !(risen > limit / 2)) return MOE_STABLE;
  if (!(risen > limit)) return MOE_WARNING;
  *p = (page_hinkley){0};
  return MOE_DRIFT;
}

static double mean_of_page_hinkley(const moe_detector_config *c,
                                   const double *at) {
  (void)c;
  return ((const page_hinkley *)at)->mean;
}

static bool page_hinkley_is_sound(const moe_detector_config *c,
                                  const double *at) {
  const page_hinkley *p = (const page_hinkley *)at;
  (void)c;
  return is_count(p->n, MOST_SAMPLES) && is_mean(p->mean) &&
         all_within(&p->above, 4, LARGEST_SUM);
}

/* ---------------------------------------------------------------------- DDM
   The mean m of the numbers and a deviation s, that of m or that of the
   numbers: a drift where m + s has risen above where it was least, m' + s', to
   m' + 3 s' (Gama et al.), or with the numbers' deviation by 3 s'; a warning at
   2 in the place of 3.  Numbers that were all alike then have no deviation; the
   error of a mean over the range that there is now stands for it. */

typedef struct ddm {
  double n, mean, squares, low, high;
  double least, deviation, rows; /* of m + s, and what s and n were there */
} ddm;

static void take(ddm *d, double x) {
  double from_mean = x - d->mean;
  d->low = d->n > 0 ? fmin(d->low, x) : x;
  d->high = d->n > 0 ? fmax(d->high, x) : x;
  d->n++;
  d->mean += from_mean / d->n;
  d->squares = fmin(d->squares + from_mean * (x - d->mean), LARGEST_SQUARES);
}

static moe_signal update_ddm(const moe_detector_config *c, double *at,
                             double x) {
  ddm *d = (ddm *)at;
  take(d, x);
  if (d->n < size_or(c->window, 30)) return MOE_STABLE;
  bool of_numbers = c->deviation == MOE_OF_NUMBERS;
  double s = sqrt(d->squares / d->n / (of_numbers ? 1 : d->n));
  double level = d->mean + s;
  if (d->rows == 0 || level <= d->least) {
    d->least = level;
    d->deviation = s;
    d->rows = d->n;
    return MOE_STABLE;
  }
  double unit =
      d->deviation > 0 ? d->deviation : (d->high - d->low) / sqrt(d->rows);
  double most = or_else(c->threshold, 3), from = of_numbers ? 0 : 1;
  double risen = (level - d->least) / unit;
  if (!(risen >= most * 2 / 3 - from && risen > 0)) return MOE_STABLE;
  if (risen < most - from) return MOE_WARNING;
  *d = (ddm){0};
  return MOE_DRIFT;
}

static double mean_of_ddm(const moe_detector_config *c, const double *at) {
  (void)c;
  return ((const ddm *)at)->mean;
}

static bool ddm_is_sound(const moe_detector_config *c, const double *at) {
  const ddm *d = (const ddm *)at;
  (void)c;
  return is_count(d->n, MOST_SAMPLES) && is_count(d->rows, d->n) &&
         is_mean(d->mean) && d->squares >= 0 && d->squares <= LARGEST_SQUARES &&
         d->low <= d->high && all_within(&d->low, 2, LARGEST) &&
         all_within(&d->least, 2, LARGEST_SQUARES) && d->deviation >= 0;
}

/* -------------------------------------------------------------------- ADWIN
   A window of as many numbers as there have been since their mean last changed,
   kept as an exponential histogram: row r has up to five buckets of 2^r
   numbers, the oldest first.  Its two parts about a cut have changed where
   their means differ by
     √(2 v L / m) + 2 R L / (3 m),   L = ln(2 ln n / δ),  1/m = 1/n₀ + 1/n₁
   with v the variance of the whole and R its range (Bernstein's bound), or by
   √(L / (2 m)), L = ln(4 ln n / δ), for numbers within [0, 1] (Hoeffding's).
   What is older than the cut that exceeds its bound the most is dropped. */

enum {
  ROWS = 22,      /* the window ends at 5 (2^22 - 1) numbers */
  BUCKETS = 5,    /* in a row */
  LEAST_PART = 5, /* numbers on either side of a cut */
  LEAST_WINDOW = 32
};

typedef struct bucket {
  double total, spread; /* the sum, and that of squares about the mean */
} bucket;

typedef struct adwin {
  double n, total, untested;
  double low, high; /* of the numbers in the window, nearly so after a cut */
  double count[ROWS];
  bucket rows[ROWS][BUCKETS];
} adwin;

/* Numbers in a bucket of row r. */
static double size_of(int r) { return (double)((int64_t)1 << r); }

/* Of two neighbours with n and m numbers. */
static bucket join(bucket a, double n, bucket b, double m) {
  double gap = a.total / n - b.total / m;
  return (bucket){a.total + b.total,
                  a.spread + b.spread + gap * gap * (n * m / (n + m))};
}

static void drop_first(adwin *a, int r, int how_many) {
  bucket *row = a->rows[r];
  a->count[r] -= how_many;
  memmove(row, row + how_many, (size_t)a->count[r] * sizeof *row);
}

/* Where a row is full its two oldest become one of the next; in the last row
   they are forgotten. */
static void insert(adwin *a, double x) {
  bucket b = {x, 0};
  for (int r = 0; r < ROWS; r++) {
    bucket *row = a->rows[r], older = {0, 0};
    bool full = a->count[r] == BUCKETS;
    if (full) {
      older = join(row[0], size_of(r), row[1], size_of(r));
      drop_first(a, r, 2);
    }
    row[(int)a->count[r]++] = b;
    if (!full) return;
    b = older;
  }
  a->n -= size_of(ROWS);
  a->total -= b.total;
}

typedef void (*visit_bucket)(void *context, int r, int i, const bucket *b);

/* From the newest to the oldest. */
static void each_bucket(const adwin *a, visit_bucket visit, void *context) {
  for (int r = 0; r < ROWS && a->count[r] > 0; r++)
    for (int i = (int)a->count[r] - 1; i >= 0; i--)
      visit(context, r, i, &a->rows[r][i]);
}

typedef struct part {
  double n;
  bucket all;
} part;

static void add_to_part(void *context, int r, int i, const bucket *b) {
  part *p = context;
  double n = size_of(r);
  (void)i;
  p->all = p->n > 0 ? join(p->all, p->n, *b, n) : *b;
  p->n += n;
}

typedef struct search {
  const adwin *window;
  bool by_range;                    /* Hoeffding's bound */
  double variance, range, log_term; /* L */
  part newer;
  moe_signal signal;
  double margin; /* the means' difference over its bound, at the best cut */
  int row, item; /* the oldest bucket after it */
} search;

static double bound_of(const search *s, double inverse_m, double log_term) {
  if (s->by_range) return sqrt(log_term * inverse_m / 2);
  return sqrt(2 * s->variance * log_term * inverse_m) +
         2.0 / 3 * s->range * log_term * inverse_m;
}

/* Is there a change just before this bucket? */
static void try_cut(void *context, int r, int i, const bucket *b) {
  search *s = context;
  s->newer.n += size_of(r);
  s->newer.all.total += b->total;
  double n = s->newer.n, rest = s->window->n - n;
  if (n < LEAST_PART || rest < LEAST_PART) return;
  double inverse_m = 1 / n + 1 / rest;
  double gap = fabs(s->newer.all.total / n -
                    (s->window->total - s->newer.all.total) / rest);
  if (gap == 0 || gap < bound_of(s, inverse_m, s->log_term - LN_2)) return;
  if (s->signal == MOE_STABLE) s->signal = MOE_WARNING;
  double bound = bound_of(s, inverse_m, s->log_term);
  if (gap < bound || gap <= s->margin * bound) return;
  s->signal = MOE_DRIFT;
  s->margin = gap / bound;
  s->row = r;
  s->item = i;
}

/* About what range the bucket's numbers have: that of a uniform distribution of
   their variance. */
static void widen(void *context, int r, int i, const bucket *b) {
  adwin *a = context;
  double mean = b->total / size_of(r), most = sqrt(3 * b->spread / size_of(r));
  (void)i;
  a->low = fmin(a->low, mean - most);
  a->high = fmax(a->high, mean + most);
}

/* Drops all that is older than bucket `item` of row `row`. */
static void cut(adwin *a, int row, int item) {
  part left = {0};
  adwin bounds = {.low = DBL_MAX, .high = -DBL_MAX};
  drop_first(a, row, item);
  for (int r = row + 1; r < ROWS; r++) a->count[r] = 0;
  each_bucket(a, add_to_part, &left);
  each_bucket(a, widen, &bounds);
  a->n = left.n;
  a->total = left.all.total;
  a->low = fmax(a->low, bounds.low);
  a->high = fmin(a->high, bounds.high);
}

static moe_signal test(const moe_detector_config *c, adwin *a) {
  double delta = or_else(c->delta, 0.002);
  part whole = {0};
  search s = {.window = a,
              .by_range = c->bound == MOE_BOUND_RANGE,
              .range = a->high - a->low};
  each_bucket(a, add_to_part, &whole);
  s.variance = whole.all.spread / whole.n;
  s.log_term = log((s.by_range ? 4 : 2) * log(a->n) / delta);
  each_bucket(a, try_cut, &s);
  if (s.signal == MOE_DRIFT) cut(a, s.row, s.item);
  return s.signal;
}

static moe_signal update_adwin(const moe_detector_config *c, double *at,
                               double x) {
  adwin *a = (adwin *)at;
  a->low = a->n > 0 ? fmin(a->low, x) : x;
  a->high = a->n > 0 ? fmax(a->high, x) : x;
  a->n++;
  a->total += x;
  a->untested++;
  insert(a, x);
  if (a->n <= LEAST_WINDOW || a->untested < size_or(c->every, 32))
    return MOE_STABLE;
  a->untested = 0;
  return test(c, a);
}

static double mean_of_adwin(const moe_detector_config *c, const double *at) {
  const adwin *a = (const adwin *)at;
  (void)c;
  return a->n > 0 ? a->total / a->n : 0;
}

static bool are_buckets_sound(const adwin *a, int r) {
  for (int i = 0; i < (int)a->count[r]; i++) {
    const bucket *b = &a->rows[r][i];
    if (!is_mean(b->total / size_of(r)) ||
        !(b->spread >= 0 && is_mean(sqrt(b->spread / size_of(r)))))
      return false;
  }
  return true;
}

/* Rows are in use from the first on. */
static bool adwin_is_sound(const moe_detector_config *c, const double *at) {
  const adwin *a = (const adwin *)at;
  double n = 0;
  (void)c;
  for (int r = 0; r < ROWS; r++) {
    if (!is_count(a->count[r], BUCKETS) || !are_buckets_sound(a, r) ||
        (r > 0 && a->count[r] > 0 && a->count[r - 1] == 0))
      return false;
    n += a->count[r] * size_of(r);
  }
  return a->n == n && is_count(a->untested, MOST_SAMPLES) &&
         (n > 0 ? is_mean(a->total / n) : a->total == 0) &&
         all_within(&a->low, 2, 3 * LARGEST);
}

/* -------------------------------------------------------------------- KSWIN
   A window of n numbers, of which the newest 3 in 10 are compared with all the
   others (Raab et al. draw as many of these at random): a drift where their
   distribution functions differ by more than √(−½ ln(α/2) (1/n₀ + 1/n₁)), a
   warning at twice α.  A drift leaves the newest ones.  The state is how many
   there are, the numbers by age, and, once they are n, both parts by size. */

static size_t window_of(const moe_detector_config *c) {
  double n = size_or(c->window, 100);
  return n < MOE_LEAST_KSWIN ? MOE_LEAST_KSWIN : (size_t)n;
}

static size_t newest_of(const moe_detector_config *c) {
  return window_of(c) * 3 / 10;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void sort_parts(double *sorted, const double *items, size_t older,
                       size_t newer) {
  memcpy(sorted, items, (older + newer) * sizeof *sorted);
  qsort(sorted, older, sizeof *sorted, compare);
  qsort(sorted + older, newer, sizeof *sorted, compare);
}

/* How many of n numbers by size are below x. */
static size_t count_below(const double *x, size_t n, double limit) {
  size_t low = 0;
  while (n > 0) {
    size_t half = n / 2;
    bool above = x[low + half] < limit;
    low += above ? half + 1 : 0;
    n = above ? n - half - 1 : half;
  }
  return low;
}

/* Puts a number in the place of another, among n by size. */
static void exchange(double *x, size_t n, double out, double in) {
  size_t from = count_below(x, n, out);
  if (from == n) from--;
  memmove(x + from, x + from + 1, (n - from - 1) * sizeof *x);
  size_t to = count_below(x, n - 1, in);
  memmove(x + to + 1, x + to, (n - 1 - to) * sizeof *x);
  x[to] = in;
}

/* The largest difference of two distribution functions, n m times. */
static double distance(const double *a, size_t n, const double *b, size_t m) {
  double most = 0, gap = 0;
  for (size_t i = 0, j = 0; i < n && j < m;) {
    double x = a[i] < b[j] ? a[i] : b[j];
    for (; i < n && a[i] <= x; i++) gap += (double)m;
    for (; j < m && b[j] <= x; j++) gap -= (double)n;
    most = fabs(gap) > most ? fabs(gap) : most;
  }
  return most;
}

static double critical(double alpha, size_t n, size_t m) {
  return sqrt(-log(alpha / 2) / 2 * (1 / (double)n + 1 / (double)m));
}

static moe_signal update_kswin(const moe_detector_config *c, double *at,
                               double x) {
  size_t n = window_of(c), newer = newest_of(c), older = n - newer;
  double *items = at + 1, *sorted = items + n, alpha = or_else(c->alpha, 0.005);
  if (*at < (double)n) {
    items[(size_t)(*at)++] = x;
    if (*at == (double)n) sort_parts(sorted, items, older, newer);
  } else {
    exchange(sorted, older, items[0], items[older]);
    exchange(sorted + older, newer, items[older], x);
    memmove(items, items + 1, (n - 1) * sizeof *items);
    items[n - 1] = x;
  }
  if (*at < (double)n) return MOE_STABLE;
  double gap = distance(sorted, older, sorted + older, newer) /
               ((double)older * (double)newer);
  if (gap <= critical(fmin(2 * alpha, 1), older, newer)) return MOE_STABLE;
  if (gap <= critical(alpha, older, newer)) return MOE_WARNING;
  memmove(items, items + older, newer * sizeof *items);
  *at = (double)newer;
  return MOE_DRIFT;
}

/* Of the newest ones. */
static double mean_of_kswin(const moe_detector_config *c, const double *at) {
  size_t n = (size_t)*at, newer = newest_of(c);
  double sum = 0;
  if (n < newer) newer = n;
  for (size_t k = n - newer; k < n; k++) sum += at[1 + k] / (double)newer;
  return sum;
}

static bool is_sorted(const double *x, size_t n) {
  for (size_t k = 1; k < n; k++)
    if (x[k - 1] > x[k]) return false;
  return true;
}

static bool kswin_is_sound(const moe_detector_config *c, const double *at) {
  size_t n = window_of(c), newer = newest_of(c), older = n - newer;
  const double *sorted = at + 1 + n;
  return is_count(*at, (double)n) && all_within(at + 1, 2 * n, LARGEST) &&
         (*at < (double)n ||
          (is_sorted(sorted, older) && is_sorted(sorted + older, newer)));
}

/* ----------------------------------------------------------------- dispatch */

#define DOUBLES(T) (sizeof(T) / sizeof(double))

static const struct {
  size_t size;
  moe_signal (*update)(const moe_detector_config *c, double *at, double x);
  double (*mean)(const moe_detector_config *c, const double *at);
  bool (*is_sound)(const moe_detector_config *c, const double *at);
} kinds[] = {
    [MOE_ADWIN] = {DOUBLES(adwin), update_adwin, mean_of_adwin, adwin_is_sound},
    [MOE_PAGE_HINKLEY] = {DOUBLES(page_hinkley), update_page_hinkley,
                          mean_of_page_hinkley, page_hinkley_is_sound},
    [MOE_DDM] = {DOUBLES(ddm), update_ddm, mean_of_ddm, ddm_is_sound},
    [MOE_KSWIN] = {1, update_kswin, mean_of_kswin, kswin_is_sound}};

size_t moe_detector_size(const moe_detector_config *c) {
  return kinds[c->kind].size + (c->kind == MOE_KSWIN ? 2 * window_of(c) : 0);
}

void moe_detector_reset(const moe_detector_config *c, double *state) {
  memset(state, 0, moe_detector_size(c) * sizeof *state);
}

moe_signal moe_detector_update(const moe_detector_config *c, double *state,
                               double x) {
  if (c->kind == MOE_NO_DETECTOR) return MOE_STABLE;
  return kinds[c->kind].update(c, state, fmax(-LARGEST, fmin(x, LARGEST)));
}

double moe_detector_mean(const moe_detector_config *c, const double *state) {
  return c->kind == MOE_NO_DETECTOR ? 0 : kinds[c->kind].mean(c, state);
}

bool moe_detector_is_sound(const moe_detector_config *c, const double *state) {
  return c->kind == MOE_NO_DETECTOR || kinds[c->kind].is_sound(c, state);
}
