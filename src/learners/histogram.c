#include "histogram.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum {
  CHUNK = 256,          /* rows whose codes stay cached from column to column */
  MOST_BYTES = 1 << 18, /* of the sums that are filled together */
  SPARSE = 4, /* a node with fewer rows than bins / SPARSE lists its bins */
  WORDS = MOE_MAX_BINS / 64
};

typedef struct column_list {
  const int32_t *items;
  size_t n;
} column_list;

struct moe_objective {
  void (*fill)(moe_histograms *h, const moe_sample *samples, size_t n,
               column_list c);
  void (*scan)(moe_histograms *h, size_t slot, int32_t column, size_t n,
               moe_split *best);
  double (*score)(const moe_histograms *h);
};

/* ---------------------------------------------------------------- one side
   Of what `sum` holds, less what another sum holds (NULL: nothing). */

INLINE double part(const double *sum, const double *less, size_t k) {
  return less != NULL ? sum[k] - less[k] : sum[k];
}

INLINE double gini(const double *sum, const double *less, size_t cell) {
  double weight = 0, squares = 0;
  for (size_t c = 0; c < cell; c++) {
    double w = part(sum, less, c);
    weight += w;
    squares += w * w;
  }
  return squares / weight;
}

INLINE double x_log_x(double x) { return x > 0 ? x * log(x) : 0; }

INLINE double entropy(const double *sum, const double *less, size_t cell) {
  double weight = 0, logs = 0;
  for (size_t c = 0; c < cell; c++) {
    double w = part(sum, less, c);
    weight += w;
    logs += x_log_x(w);
  }
  return logs - x_log_x(weight);
}

/* The sum's first number is the weight. */
INLINE double squared_error(const double *sum, const double *less,
                            size_t cell) {
  double squares = 0;
  for (size_t k = 1; k < cell; k++) {
    double y = part(sum, less, k);
    squares += y * y;
  }
  return squares / part(sum, less, 0);
}

/* ----------------------------------------------------------------- filling */

static size_t chunk_at(size_t from, size_t n) {
  return n - from < CHUNK ? n - from : CHUNK;
}

INLINE void fill_with_classes(moe_histograms *h, const moe_sample *samples,
                              size_t n, column_list c, size_t cell) {
  for (size_t from = 0; from < n; from += CHUNK, samples += CHUNK) {
    size_t m = chunk_at(from, n);
    for (size_t k = 0; k < c.n; k++) {
      const uint8_t *codes = h->bins->codes + c.items[k];
      double *sums = h->sums + k * MOE_MAX_BINS * cell;
      uint32_t *counts = h->counts + k * MOE_MAX_BINS;
      for (size_t i = 0; i < m; i++) {
        size_t code = codes[(size_t)samples[i].row * h->bins->d];
        sums[code * cell + (size_t)samples[i].class] += samples[i].weight;
        counts[code]++;
      }
    }
  }
}

/* Weighted targets, side by side, for all columns of a chunk. */
INLINE void gather(moe_histograms *h, const moe_sample *samples, size_t n,
                   size_t width) {
  for (size_t i = 0; i < n; i++) {
    const double *y = h->values + (size_t)samples[i].row * width;
    for (size_t k = 0; k < width; k++)
      h->targets[i * width + k] = samples[i].weight * (y[k] - h->shift[k]);
  }
}

INLINE void fill_with_values(moe_histograms *h, const moe_sample *samples,
                             size_t n, column_list c, size_t cell) {
  size_t width = cell - 1;
  for (size_t from = 0; from < n; from += CHUNK, samples += CHUNK) {
    size_t m = chunk_at(from, n);
    gather(h, samples, m, width);
    for (size_t k = 0; k < c.n; k++) {
      const uint8_t *codes = h->bins->codes + c.items[k];
      double *sums = h->sums + k * MOE_MAX_BINS * cell;
      uint32_t *counts = h->counts + k * MOE_MAX_BINS;
      for (size_t i = 0; i < m; i++) {
        size_t code = codes[(size_t)samples[i].row * h->bins->d];
        double *sum = sums + code * cell;
        sum[0] += samples[i].weight;
        for (size_t j = 0; j < width; j++)
          sum[1 + j] += h->targets[i * width + j];
        counts[code]++;
      }
    }
  }
}

/* Two numbers a bin, the most frequent case, are worth a copy of their own. */
static void fill_classes(moe_histograms *h, const moe_sample *samples, size_t n,
                         column_list c) {
  if (h->cell == 2)
    fill_with_classes(h, samples, n, c, 2);
  else
    fill_with_classes(h, samples, n, c, h->cell);
}

static void fill_values(moe_histograms *h, const moe_sample *samples, size_t n,
                        column_list c) {
  if (h->cell == 2)
    fill_with_values(h, samples, n, c, 2);
  else
    fill_with_values(h, samples, n, c, h->cell);
}

/* ---------------------------------------------------------------- scanning */

typedef double (*side_function)(const double *sum, const double *less,
                                size_t cell);

/* A boundary between bins, on its way from the first to the last. */
typedef struct boundary {
  const double *left;          /* what lies left of it … */
  size_t n_left, n_missing, n; /* … in so many of n rows */
  moe_split split, *best;
} boundary;

INLINE void consider(const moe_histograms *h, boundary b, size_t cell,
                     side_function side) {
  if (b.n_left < h->least || b.n - b.n_left < h->least) return;
  b.split.score = side(b.left, NULL, cell) + side(h->total, b.left, cell);
  if (b.split.score > b.best->score && b.split.score <= DBL_MAX)
    *b.best = b.split;
}

/* The boundary before bin `right`, missing numbers on the right of it or, where
   there are some, on the left. */
INLINE void consider_both(moe_histograms *h, boundary b, int right, size_t cell,
                          side_function side) {
  if (b.n_left == 0) return;
  b.split.right = right;
  b.split.missing = b.n_missing > 0 ? MOE_MISSING_RIGHT : MOE_MISSING_NONE;
  consider(h, b, cell, side);
  if (b.n_missing == 0 || right < 0) return;
  for (size_t k = 0; k < cell; k++) h->both[k] = h->left[k] + h->missing[k];
  b.left = h->both;
  b.n_left += b.n_missing;
  b.split.missing = MOE_MISSING_LEFT;
  consider(h, b, cell, side);
}

/* Moves a bin's sum to `to`, and leaves zero behind. */
INLINE size_t take(moe_histograms *h, size_t bin, double *to, size_t cell) {
  double *sum = h->sums + bin * cell;
  size_t count = h->counts[bin];
  for (size_t k = 0; k < cell; k++) {
    to[k] += sum[k];
    sum[k] = 0;
  }
  h->counts[bin] = 0;
  return count;
}

INLINE void scan(moe_histograms *h, size_t slot, boundary b, size_t cell,
                 side_function side) {
  const moe_bin_column *c = &h->bins->columns[b.split.column];
  size_t first = slot * MOE_MAX_BINS;
  memset(h->left, 0, cell * sizeof *h->left);
  if (c->missing) {
    memset(h->missing, 0, cell * sizeof *h->missing);
    b.n_missing = take(h, first + (size_t)c->n, h->missing, cell);
  }
  for (int word = 0; word < WORDS; word++) {
    uint64_t bits = h->occupied[slot * WORDS + (size_t)word];
    for (; bits != 0; bits &= bits - 1) {
      int bin = word * 64 + __builtin_ctzll(bits);
      if (h->counts[first + (size_t)bin] == 0) continue;
      consider_both(h, b, bin, cell, side);
      b.n_left += take(h, first + (size_t)bin, h->left, cell);
      b.split.left = bin;
    }
  }
  if (b.n_missing > 0) consider_both(h, b, -1, cell, side);
}

/* Lists the bins that may hold rows: one by one in a small node, else all. */
static void occupy(moe_histograms *h, size_t slot, int32_t column,
                   const moe_sample *samples, size_t n) {
  uint64_t bits[WORDS] = {0};
  size_t bins = (size_t)moe_bins_count(h->bins, (size_t)column);
  const uint8_t *codes = h->bins->codes + column;
  for (size_t i = 0; n < bins / SPARSE && i < n; i++) {
    size_t code = codes[(size_t)samples[i].row * h->bins->d];
    bits[code / 64] |= UINT64_C(1) << code % 64;
  }
  for (size_t bin = 0; n >= bins / SPARSE && bin < bins; bin += 64)
    bits[bin / 64] =
        bins - bin < 64 ? (UINT64_C(1) << (bins - bin)) - 1 : UINT64_MAX;
  memcpy(h->occupied + slot * WORDS, bits, sizeof bits);
}

void moe_histograms_examine(moe_histograms *h, const moe_sample *samples,
                            size_t n, const int32_t *columns, size_t n_columns,
                            moe_split *best) {
  for (size_t from = 0; from < n_columns; from += h->room, columns += h->room) {
    size_t m = n_columns - from < h->room ? n_columns - from : h->room;
    h->objective->fill(h, samples, n, (column_list){columns, m});
    for (size_t slot = 0; slot < m; slot++) {
      occupy(h, slot, columns[slot], samples, n);
      h->objective->scan(h, slot, columns[slot], n, best);
    }
  }
}

/* ------------------------------------------------------------- whole nodes */

static bool total_classes(moe_histograms *h, const moe_sample *samples,
                          size_t n) {
  bool same = true;
  for (size_t i = 0; i < n; i++) {
    h->total[samples[i].class] += samples[i].weight;
    same &= samples[i].class == samples[0].class;
  }
  return same;
}

static bool total_values(moe_histograms *h, const moe_sample *samples,
                         size_t n) {
  const double *first = h->values + (size_t)samples[0].row * h->width;
  bool same = true;
  for (size_t i = 0; i < n; i++) {
    const double *y = h->values + (size_t)samples[i].row * h->width;
    h->total[0] += samples[i].weight;
    for (size_t k = 0; k < h->width; k++) {
      h->total[1 + k] += samples[i].weight * (y[k] - h->shift[k]);
      same &= y[k] == first[k];
    }
  }
  return same;
}

bool moe_histograms_total(moe_histograms *h, const moe_sample *samples,
                          size_t n) {
  memset(h->total, 0, h->cell * sizeof *h->total);
  return (h->values == NULL ? total_classes : total_values)(h, samples, n);
}

double moe_histograms_score(const moe_histograms *h) {
  return h->objective->score(h);
}

/* -------------------------------------------------------------- objectives */

#define OBJECTIVE(NAME, FILL)                                             \
  static void scan_##NAME(moe_histograms *h, size_t slot, int32_t column, \
                          size_t n, moe_split *best) {                    \
    boundary b = {.left = h->left, .n = n, .best = best};                 \
    b.split = (moe_split){.column = column, .left = -1, .right = -1};     \
    if (h->cell == 2)                                                     \
      scan(h, slot, b, 2, NAME);                                          \
    else                                                                  \
      scan(h, slot, b, h->cell, NAME);                                    \
  }                                                                       \
  static double score_##NAME(const moe_histograms *h) {                   \
    return NAME(h->total, NULL, h->cell);                                 \
  }                                                                       \
  const moe_objective moe_##NAME = {FILL, scan_##NAME, score_##NAME};
OBJECTIVE(gini, fill_classes)
OBJECTIVE(entropy, fill_classes)
OBJECTIVE(squared_error, fill_values)

/* ------------------------------------------------------------------ memory */

static moe_status allocate(moe_call *call, moe_histograms *h) {
  size_t bins = moe_size(h->room, MOE_MAX_BINS), cell = sizeof(double);
  MOE_TRY(moe_new_array(call, &h->sums, moe_size(bins, h->cell), cell));
  MOE_TRY(moe_new_array(call, &h->counts, bins, sizeof *h->counts));
  MOE_TRY(moe_new_array(call, &h->occupied, bins / 64, sizeof *h->occupied));
  MOE_TRY(moe_new_array(call, &h->total, h->cell, cell));
  MOE_TRY(moe_new_array(call, &h->left, h->cell, cell));
  MOE_TRY(moe_new_array(call, &h->missing, h->cell, cell));
  MOE_TRY(moe_new_array(call, &h->both, h->cell, cell));
  return moe_new_array(call, &h->targets, moe_size(CHUNK, h->width), cell);
}

moe_status moe_histograms_new(moe_call *call, moe_histograms *h,
                              size_t columns) {
  size_t bytes = moe_size(MOE_MAX_BINS * sizeof(double), h->width + 1);
  h->cell = h->values == NULL ? h->width : h->width + 1;
  h->room = MOST_BYTES / bytes;
  if (h->room > columns) h->room = columns;
  if (h->room == 0) h->room = 1;
  return allocate(call, h);
}

void moe_histograms_free(moe_histograms *h) {
  moe_free(h->sums);
  moe_free(h->counts);
  moe_free(h->occupied);
  moe_free(h->total);
  moe_free(h->left);
  moe_free(h->missing);
  moe_free(h->both);
  moe_free(h->targets);
}
