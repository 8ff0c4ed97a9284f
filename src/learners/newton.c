#include "newton.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "threads.h"

/* ------------------------------------------------------------------- units */

/* Bits that hold numbers up to n. */
static int bits_of(size_t n) {
  int bits = 0;
  for (; n > 0; n /= 2) bits++;
  return bits;
}

/* The largest power of 2 that `total` has fewer than 2^bits units of. */
static double unit_of(double total, int bits) {
  int exponent;
  if (!(total >= DBL_MIN)) return DBL_MIN;
  frexp(total, &exponent);
  return ldexp(1, exponent > bits - 1022 ? exponent - bits : -1022);
}

enum { BITS = 62 }; /* of a sum */

static void choose_units(moe_newton *w, const moe_sample *samples, size_t n) {
  double g = 0, h = 0;
  for (size_t i = 0; i < n; i++) {
    g += fabs(w->slopes[samples[i].row].g);
    h += w->slopes[samples[i].row].h;
  }
  w->count_bits = bits_of(n);
  w->g_unit = unit_of(g, BITS - 1);
  w->h_unit = unit_of(h, BITS - 1 - w->count_bits);
  w->lambda = fmin(w->l2 / w->h_unit, 0x1p200);
  w->floor = fmax(w->least_weight / w->h_unit, w->lambda > 0 ? 0 : 1);
}

moe_cell moe_newton_round(moe_newton *w, const moe_sample *samples, size_t n) {
  moe_cell sum = {0, 0};
  choose_units(w, samples, n);
  double g_scale = 1 / w->g_unit, h_scale = 1 / w->h_unit;
  for (size_t i = 0; i < n; i++) {
    moe_slope slope = w->slopes[samples[i].row];
    moe_cell cell = {llrint(slope.g * g_scale),
                     llrint(slope.h * h_scale) << w->count_bits | 1};
    w->cells[samples[i].row] = cell;
    sum.g += cell.g;
    sum.h += cell.h;
  }
  return sum;
}

double moe_newton_answer(const moe_newton *w, moe_cell sum) {
  double h = moe_newton_weight(w, sum) * w->h_unit + w->l2;
  double answer = -((double)sum.g * w->g_unit) / h;
  return isfinite(answer) ? answer : 0;
}

/* G² / (H + l2), without the checks. */
static inline double worth(double g, double h, double lambda) {
  return g * g / (h + lambda);
}

double moe_newton_worth(const moe_newton *w, moe_cell sum) {
  double h = moe_newton_weight(w, sum);
  return h + w->lambda > 0 ? worth((double)sum.g, h, w->lambda) : 0;
}

bool moe_newton_divides(const moe_newton *w, moe_cell sum) {
  return w->n_columns > 0 && moe_newton_count(w, sum) / 2 >= w->least &&
         moe_newton_count(w, sum) > 1 &&
         moe_newton_weight(w, sum) >= 2 * w->floor;
}

/* ----------------------------------------------------------------- summing */

/* Columns that are summed up together: their cells stay in the cache. */
enum { GROUP = 64 };

/* A judgement, the rows that are added to it now, and how the columns are
   divided into groups. */
typedef struct part {
  moe_newton *w;
  const moe_judgement *j;
  size_t first, n; /* of the samples */
  bool last;
  size_t groups;
} part;

/* A group's columns. */
typedef struct range {
  size_t from, to;
} range;

static range range_of(const part *p, size_t group) {
  size_t n = p->w->n_columns;
  return (range){n * group / p->groups, n * (group + 1) / p->groups};
}

static moe_cell *cells_of(const moe_newton *w, int32_t block) {
  return w->blocks + (size_t)block * w->block_size;
}

/* Both numbers of a cell at once. */
typedef int64_t pair __attribute__((vector_size(16), aligned(8), may_alias));

static void sum_up(const part *p, range r, pair *restrict sums) {
  enum { AHEAD = 8 };
  const moe_newton *w = p->w;
  const moe_sample *samples = p->j->samples + p->first;
  size_t d = w->bins->d;
  for (size_t i = 0; i < p->n; i++) {
    size_t row = (size_t)samples[i].row;
    size_t next = (size_t)samples[i + AHEAD < p->n ? i + AHEAD : i].row;
    const uint8_t *codes = w->bins->codes + row * d;
    pair cell = *(const pair *)&w->cells[row];
    __builtin_prefetch(w->bins->codes + next * d + (size_t)w->columns[r.from]);
    __builtin_prefetch(&w->cells[next]);
    for (size_t k = r.from; k < r.to; k++)
      sums[w->offset[k] + codes[w->columns[k]]] += cell;
  }
}

static size_t count_cells(const moe_newton *w, range r) {
  return w->offset[r.to] - w->offset[r.from];
}

static void clear(const moe_newton *w, range r, moe_cell *sums) {
  memset(sums + w->offset[r.from], 0, count_cells(w, r) * sizeof *sums);
}

static void subtract(const moe_newton *w, range r, const moe_cell *less,
                     moe_cell *sums) {
  for (size_t c = w->offset[r.from]; c < w->offset[r.to]; c++)
    sums[c] = moe_newton_rest(sums[c], less[c]);
}

/* ---------------------------------------------------------------- scanning */

static moe_cell add(moe_cell a, moe_cell b) {
  return (moe_cell){a.g + b.g, a.h + b.h};
}

/* The split that sends `left` of the node's sum to the left. */
static void consider(const moe_newton *w, moe_cell sum, moe_cell left,
                     moe_split split, moe_verdict *best) {
  moe_cell right = moe_newton_rest(sum, left);
  double h_left = moe_newton_weight(w, left);
  double h_right = moe_newton_weight(w, right);
  if (h_left < w->floor || h_right < w->floor ||
      moe_newton_count(w, left) < w->least ||
      moe_newton_count(w, right) < w->least)
    return;
  split.score = worth((double)left.g, h_left, w->lambda) +
                worth((double)right.g, h_right, w->lambda);
  if (split.score > best->split.score) *best = (moe_verdict){split, left};
}

/* The boundaries of one column between bins that hold rows; missing numbers
   are tried on both sides of each. */
static void scan(const moe_newton *w, size_t k, const moe_cell *cells,
                 moe_cell sum, moe_verdict *best) {
  const moe_bin_column *c = &w->bins->columns[w->columns[k]];
  moe_cell left = {0, 0}, missing = {0, 0};
  moe_split split = {.column = w->columns[k], .left = -1};
  cells += w->offset[k];
  if (c->missing) missing = cells[c->n];
  bool some = missing.h != 0;
  split.missing = some ? MOE_MISSING_RIGHT : MOE_MISSING_NONE;
  for (int bin = 0; bin < c->n; bin++) {
    if (cells[bin].h == 0) continue;
    split.right = bin;
    if (split.left >= 0) consider(w, sum, left, split, best);
    if (split.left >= 0 && some) {
      moe_split other = split;
      other.missing = MOE_MISSING_LEFT;
      consider(w, sum, add(left, missing), other, best);
    }
    left = add(left, cells[bin]);
    split.left = bin;
  }
  split.right = -1;
  if (some && split.left >= 0) consider(w, sum, left, split, best);
}

static const moe_verdict undecided = {
    .split = {.score = -DBL_MAX, .column = -1}};

static void scan_all(const moe_newton *w, range r, int32_t block, moe_cell sum,
                     moe_verdict *best) {
  *best = undecided;
  for (size_t k = r.from; k < r.to; k++)
    scan(w, k, cells_of(w, block), sum, best);
}

/* ----------------------------------------------------------------- judging */

static void judge_group(void *context, size_t group, int worker) {
  const part *p = context;
  const moe_judgement *j = p->j;
  range r = range_of(p, group);
  moe_verdict *verdicts = &p->w->verdicts[2 * group];
  (void)worker;
  if (p->first == 0) clear(p->w, r, cells_of(p->w, j->block));
  sum_up(p, r, (pair *)cells_of(p->w, j->block));
  if (!p->last) return;
  if (j->wanted) scan_all(p->w, r, j->block, j->sum, &verdicts[0]);
  if (j->other == MOE_NO_BLOCK) return;
  subtract(p->w, r, cells_of(p->w, j->block), cells_of(p->w, j->other));
  scan_all(p->w, r, j->other, j->other_sum, &verdicts[1]);
}

/* The best of the groups' verdicts; of equal ones the first. */
static moe_verdict find_best(const moe_verdict *verdicts, size_t groups) {
  moe_verdict best = undecided;
  for (size_t k = 0; k < groups; k++, verdicts += 2)
    if (verdicts->split.score > best.split.score) best = *verdicts;
  return best;
}

/* Threads are worth waking for so many additions. */
enum { WORTHWHILE = 1 << 15, MOST_ADDITIONS = 1 << 21 };

static size_t count_groups(const moe_newton *w, const moe_call *call,
                           size_t rows) {
  size_t least = (w->n_columns + GROUP - 1) / GROUP;
  size_t width = (size_t)moe_parallel_width(call, w->n_columns);
  if (rows * w->n_columns < WORTHWHILE) return least;
  return (least + width - 1) / width * width;
}

bool moe_newton_judge(moe_newton *w, const moe_call *call, moe_judgement *j) {
  part p = {.w = w, .j = j, .first = j->n_done, .n = j->n - j->n_done};
  size_t most = MOST_ADDITIONS / (w->n_columns + 1) + 1;
  if (p.n > most) p.n = most;
  p.last = p.first + p.n == j->n;
  p.groups = count_groups(w, call, p.n);
  moe_parallel(call, p.groups, judge_group, &p);
  j->n_done += p.n;
  if (!p.last) return false;
  if (j->wanted) j->verdict = find_best(w->verdicts, p.groups);
  if (j->other != MOE_NO_BLOCK)
    j->other_verdict = find_best(w->verdicts + 1, p.groups);
  return true;
}

/* ------------------------------------------------------------------ blocks */

int32_t moe_newton_take(moe_newton *w) {
  return w->n_idle > 0 ? w->idle[--w->n_idle] : MOE_NO_BLOCK;
}

void moe_newton_give(moe_newton *w, int32_t block) {
  if (block > MOE_SPARE_BLOCK) w->idle[w->n_idle++] = block;
}

void moe_newton_open(moe_newton *w, const int32_t *columns, size_t n) {
  uint32_t cells = 0;
  for (size_t k = 0; k < n; k++) {
    w->columns[k] = columns[k];
    w->offset[k] = cells;
    cells += (uint32_t)moe_bins_count(w->bins, (size_t)columns[k]);
  }
  w->offset[n] = cells;
  w->n_columns = n;
}

enum {
  MOST_BLOCKS = 64,
  MOST_BYTES = 1 << 26 /* in blocks, where that is room for two */
};

moe_status moe_newton_new(moe_call *call, moe_newton *w, size_t n_columns,
                          size_t n_blocks) {
  w->block_size = moe_size(n_columns + 1, MOE_MAX_BINS);
  size_t most = MOST_BYTES / moe_size(w->block_size, sizeof *w->blocks);
  if (most > MOST_BLOCKS) most = MOST_BLOCKS;
  if (n_blocks > most) n_blocks = most;
  if (n_blocks < 2) n_blocks = 2;
  MOE_TRY(moe_new_array(call, &w->columns, n_columns, sizeof *w->columns));
  MOE_TRY(moe_new_array(call, &w->offset, n_columns + 1, sizeof *w->offset));
  MOE_TRY(moe_new_array(call, &w->cells, w->bins->n, sizeof *w->cells));
  MOE_TRY(moe_new_array(call, &w->blocks, moe_size(n_blocks, w->block_size),
                        sizeof *w->blocks));
  MOE_TRY(moe_new_array(call, &w->idle, n_blocks, sizeof *w->idle));
  for (int32_t block = MOE_SPARE_BLOCK + 1; block < (int32_t)n_blocks; block++)
    moe_newton_give(w, block);
  return moe_new_array(call, &w->verdicts, moe_size(n_columns + GROUP, 2),
                       sizeof *w->verdicts);
}

void moe_newton_free(moe_newton *w) {
  moe_free(w->columns);
  moe_free(w->offset);
  moe_free(w->cells);
  moe_free(w->blocks);
  moe_free(w->idle);
  moe_free(w->verdicts);
}
