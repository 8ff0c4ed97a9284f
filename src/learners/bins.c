#include "bins.h"

#include <math.h>
#include <string.h>

#include "threads.h"

/* ----------------------------------------------------------------- sorting */

/* Unsigned numbers in the order of the floats. */
static uint32_t key_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits ^ (bits >> 31 != 0 ? UINT32_MAX : 0x80000000u);
}

static float value_of(uint32_t key) {
  uint32_t bits = key ^ (key >> 31 != 0 ? 0x80000000u : UINT32_MAX);
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

enum { DIGIT = 11, DIGITS = 3, RADIX = 1 << DIGIT };

static size_t digit_of(uint32_t key, int digit) {
  return (key >> (digit * DIGIT)) & (RADIX - 1);
}

/* Least significant digit first; a digit that all keys share is skipped.
   Returns the array that holds the sorted keys. */
static uint32_t *sort_keys(uint32_t *keys, uint32_t *other, size_t n) {
  uint32_t start[DIGITS][RADIX] = {{0}};
  for (size_t i = 0; i < n; i++)
    for (int k = 0; k < DIGITS; k++) start[k][digit_of(keys[i], k)]++;
  for (int k = 0; k < DIGITS; k++) {
    uint32_t *swap, sum = 0;
    if (n == 0 || start[k][digit_of(keys[0], k)] == n) continue;
    for (size_t r = 0; r < RADIX; r++) {
      uint32_t count = start[k][r];
      start[k][r] = sum;
      sum += count;
    }
    for (size_t i = 0; i < n; i++)
      other[start[k][digit_of(keys[i], k)]++] = keys[i];
    swap = keys, keys = other, other = swap;
  }
  return keys;
}

/* -------------------------------------------------------------------- bins */

/* Distinct values and how often each occurs, in place of the sorted keys. */
typedef struct distinct {
  uint32_t *keys, *counts;
  size_t n;
} distinct;

static distinct find_distinct(uint32_t *keys, uint32_t *counts, size_t n) {
  distinct d = {keys, counts, 0};
  for (size_t i = 0; i < n; i++) {
    if (d.n == 0 || d.keys[d.n - 1] != keys[i]) {
      d.keys[d.n] = keys[i];
      d.counts[d.n++] = 0;
    }
    d.counts[d.n - 1]++;
  }
  return d;
}

/* A bin closes before the value that would take it further beyond its share of
   the rows left than it is short of it now.  The last one, whose share is all
   of them, never does. */
static bool is_full(size_t rows, size_t more, size_t rows_left,
                    size_t bins_left) {
  double share = (double)rows_left / (double)bins_left;
  return (double)rows + (double)more / 2 >= share;
}

static void cut(moe_bin_column *c, const distinct *d, size_t n, size_t limit) {
  size_t rows = 0, left = n;
  for (int i = 0; i < MOE_MAX_BINS; i++) c->high[i] = INFINITY;
  c->n = 0;
  for (size_t k = 0; k < d->n; k++) {
    float value = value_of(d->keys[k]);
    if (rows == 0 || d->n <= limit ||
        is_full(rows, d->counts[k], left, limit + 1 - (size_t)c->n)) {
      left -= rows;
      rows = 0;
      c->low[c->n++] = value;
    }
    rows += d->counts[k];
    c->high[c->n - 1] = value;
  }
}

static moe_rows only_column(const moe_rows *x, const int32_t *column) {
  moe_rows one = *x;
  one.d = 1;
  one.map = x->map != NULL ? x->map + *column : column;
  return one;
}

/* Finds the bins of one column; `space` holds three numbers a row. */
static void find(moe_bins *b, const moe_rows *x, size_t column, void *space) {
  float *values = space;
  uint32_t *keys = (uint32_t *)space + x->n, *other = keys + x->n, *sorted;
  moe_bin_column *c = &b->columns[column];
  int32_t index = (int32_t)column;
  moe_rows one = only_column(x, &index);
  size_t n = 0;
  moe_rows_floats(&one, 0, x->n, values);
  for (size_t i = 0; i < x->n; i++)
    if (!isnan(values[i])) keys[n++] = key_of(values[i] + 0.0f);
  c->missing = n < x->n;
  sorted = sort_keys(keys, other, n);
  distinct d = find_distinct(sorted, sorted == keys ? other : keys, n);
  cut(c, &d, n, (size_t)(b->limit - c->missing));
}

/* The number of bins that end below x, by halving steps without a branch. */
static uint8_t code_of(const moe_bin_column *c, float x) {
  int at = 0;
  for (int step = MOE_MAX_BINS / 2; step > 0; step /= 2)
    at += step * (c->high[at + step - 1] < x);
  return (uint8_t)(isnan(x) ? c->n : at);
}

enum { MOST_BLOCK = 512, MOST_NUMBERS = 1 << 16 };

/* Encodes the rows from index × block on; `space` holds block × d numbers. */
static void encode(moe_bins *b, const moe_rows *x, size_t index, void *space) {
  float *values = space;
  size_t first = index * b->block;
  size_t n = b->n - first < b->block ? b->n - first : b->block;
  uint8_t *codes = b->codes + first * b->d;
  moe_rows_floats(x, first, n, values);
  for (size_t j = 0; j < b->d; j++)
    for (size_t i = 0; i < n; i++)
      codes[i * b->d + j] = code_of(&b->columns[j], values[i * b->d + j]);
}

size_t moe_bins_list(const moe_bins *b, int32_t *out) {
  size_t n = 0;
  for (size_t j = 0; j < b->d; j++)
    if (moe_bins_count(b, j) > 1) out[n++] = (int32_t)j;
  return n;
}

float moe_bins_between(const moe_bins *b, size_t column, int left, int right) {
  float low = b->columns[column].high[left];
  float high = b->columns[column].low[right];
  float middle = (float)(((double)low + (double)high) / 2);
  return middle >= low && middle < high ? middle : low;
}

/* -------------------------------------------------------------------- steps */

typedef void (*piece)(moe_bins *b, const moe_rows *x, size_t index,
                      void *space);

typedef struct stage {
  moe_bins *b;
  const moe_rows *x;
  piece piece;
  size_t first; /* what piece 0 of the region is */
  char *space;  /* of each worker … */
  size_t size;  /* … so many bytes */
} stage;

static void run_piece(void *context, size_t index, int worker) {
  const stage *s = context;
  s->piece(s->b, s->x, s->first + index, s->space + (size_t)worker * s->size);
}

/* Runs the pieces from *next to n − 1, one for each thread at a time. */
static moe_status run(moe_call *call, stage s, size_t *next, size_t n,
                      size_t numbers) {
  moe_scratch_mark mark = moe_scratch_now(call);
  size_t width = (size_t)moe_parallel_width(call, n);
  s.size = moe_size(numbers, sizeof(float));
  MOE_SCRATCH(call, s.space, moe_size(width, s.size));
  while (*next < n) {
    size_t count = n - *next < width ? n - *next : width;
    s.first = *next;
    moe_parallel(call, count, run_piece, &s);
    *next += count;
    if (*next < n && moe_call_pausing(call)) break;
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe_bins_step(moe_call *call, moe_bins *b, const moe_rows *x,
                         bool *done) {
  size_t blocks = (b->n + b->block - 1) / b->block;
  stage finding = {.b = b, .x = x, .piece = find};
  stage encoding = {.b = b, .x = x, .piece = encode};
  *done = false;
  if (b->n_found < b->d) {
    MOE_TRY(run(call, finding, &b->n_found, b->d, moe_size(b->n, 3)));
    if (b->n_found < b->d || moe_call_pausing(call)) return MOE_OK;
  }
  MOE_TRY(run(call, encoding, &b->n_encoded, blocks, moe_size(b->block, b->d)));
  *done = b->n_encoded == blocks;
  return MOE_OK;
}

moe_status moe_bins_new(moe_call *call, moe_bins *b, const moe_rows *x,
                        int limit) {
  size_t block = MOST_NUMBERS / x->d + 1;
  *b = (moe_bins){.n = x->n, .d = x->d, .limit = limit};
  b->block = block < MOST_BLOCK ? block : MOST_BLOCK;
  MOE_TRY(moe_new_array(call, &b->columns, b->d, sizeof *b->columns));
  return moe_new_array(call, &b->codes, b->n, b->d);
}

void moe_bins_free(moe_bins *b) {
  moe_free(b->columns);
  moe_free(b->codes);
  *b = (moe_bins){0};
}
