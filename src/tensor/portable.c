/* The blocked product of Goto & van de Geijn 2008
   (doi 10.1145/1356052.1356053): a block of A stays in the second cache, a
   panel of B in the first, a tile of C in the registers.  Every element of C is
   summed in the order of k within a slab of DEPTH terms, and the slabs are
   added in order, by separate multiplications and additions.  So the bits
   depend neither on the width of the vectors nor on how rows and columns are
   cut; only the dot products of a single row with a transposed B are summed in
   another order. */
#include "portable.h"

#include <string.h>

#define KERNEL static inline __attribute__((always_inline))

/* So that no option of the compiler decides what stays in registers. */
#define UNROLLED _Pragma("GCC unroll 16")

enum {
  DEPTH = 256,  /* terms of a slab: a panel of B takes 16 KB */
  COLUMNS = 16, /* of a tile: a line of the cache */
  ROWS = 12,    /* of a tile, at most */
  BLOCK = 48,   /* rows of A that are packed: 48 KB */
  FEW = 8,      /* rows for which packing B does not pay */
  STEP = 8,     /* rows of B that these use in turn, and columns: 16 KB */
  SPAN = 512,
  LARGE = 1 << 16, /* elements of a B that is hardly in the cache */
  LANES = 16       /* sums of a dot product */
};

/* How op(A) lies, and the transpose of op(B): element p of line i is
   at[i × line + p × step]. */
typedef struct lines {
  const float *at;
  size_t line, step;
} lines;

static lines lines_of(const float *at, size_t ld, bool across) {
  return across ? (lines){at, 1, ld} : (lines){at, ld, 1};
}

static lines from(lines x, size_t i, size_t p) {
  x.at += i * x.line + p * x.step;
  return x;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* c ← α·sum + β·c on the rows and columns that c has; β = 0 does not read. */
static void merge(size_t rows, size_t columns, float alpha, const float *sum,
                  size_t width, float beta, float *c, size_t ldc) {
  for (size_t i = 0; i < rows; i++, sum += width, c += ldc)
    for (size_t j = 0; j < columns; j++)
      c[j] = alpha * sum[j] + (beta == 0 ? 0 : beta * c[j]);
}

/* ----------------------------------------------------------------- kernels */

/* For one instruction set; `rows` is the height of its tile. */
typedef struct kernels {
  size_t rows;
  void (*tile)(size_t depth, const float *a, const float *b, float *out);
  void (*add_rows)(size_t n, size_t depth, const float *a, size_t a_step,
                   const float *b, size_t ldb, bool ahead, float *sum);
  float (*dot)(size_t n, const float *a, const float *b);
} kernels;

/* sum ← sum + Σ a·b over `depth` rows of b, four rows at a time; `ahead`: b
   comes from memory, so the next four are called for. */
KERNEL void add_rows(size_t n, size_t depth, const float *a, size_t a_step,
                     const float *restrict b, size_t ldb, bool ahead,
                     float *restrict sum) {
  for (; depth >= 4; depth -= 4, a += 4 * a_step, b += 4 * ldb) {
    float a0 = a[0], a1 = a[a_step], a2 = a[2 * a_step], a3 = a[3 * a_step];
    const float *b1 = b + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
    size_t j = 0;
    for (; ahead && j + COLUMNS <= n; j += COLUMNS) {
      for (int row = 4; row < 8; row++)
        __builtin_prefetch(b + (size_t)row * ldb + j, 0, 2);
      for (size_t i = j; i < j + COLUMNS; i++)
        sum[i] = sum[i] + a0 * b[i] + a1 * b1[i] + a2 * b2[i] + a3 * b3[i];
    }
    for (; j < n; j++)
      sum[j] = sum[j] + a0 * b[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
  }
  for (; depth > 0; depth--, a += a_step, b += ldb)
    for (size_t j = 0; j < n; j++) sum[j] += *a * b[j];
}

KERNEL float dot(size_t n, const float *a, const float *b) {
  float sum[LANES] = {0};
  size_t p = 0;
  for (; p + LANES <= n; p += LANES)
    for (int i = 0; i < LANES; i++) sum[i] += a[p + i] * b[p + i];
  for (int i = 0; p < n; p++, i++) sum[i] += a[p] * b[p];
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) sum[i] += sum[i + half];
  return sum[0];
}

/* clang-format off */
#define COMPILE_FOR(name, target, tile_rows, width)                            \
  /* out ← Σ a·b over `depth` steps, tile_rows elements of a and COLUMNS of b a\
     step.  Unrolled, so that the sums stay in registers. */                   \
  target static void tile_##name(size_t depth, const float *a, const float *b, \
                                 float *out) {                                 \
    typedef float vector __attribute__((vector_size(width), may_alias));       \
    enum { VECTORS = 64 / width };                                             \
    vector sum[tile_rows][VECTORS] = {{{0}}};                                  \
    for (; depth > 0; depth--, a += tile_rows, b += COLUMNS) {                 \
      const vector *row = (const vector *)b;                                   \
      UNROLLED for (int i = 0; i < tile_rows; i++) {                           \
        UNROLLED for (int j = 0; j < VECTORS; j++) sum[i][j] += a[i] * row[j]; \
      }                                                                        \
    }                                                                          \
    memcpy(out, sum, sizeof sum);                                              \
  }                                                                            \
  target static void rows_##name(size_t n, size_t depth, const float *a,       \
                                 size_t a_step, const float *b, size_t ldb,    \
                                 bool ahead, float *sum) {                     \
    if (ahead)                                                                 \
      add_rows(n, depth, a, a_step, b, ldb, true, sum);                        \
    else                                                                       \
      add_rows(n, depth, a, a_step, b, ldb, false, sum);                       \
  }                                                                            \
  target static float dot_##name(size_t n, const float *a, const float *b) {   \
    return dot(n, a, b);                                                       \
  }                                                                            \
  static const kernels name = {tile_rows, tile_##name, rows_##name, dot_##name};

COMPILE_FOR(plain, , 6, 16)
#ifdef __x86_64__
COMPILE_FOR(avx2, __attribute__((target("avx2"))), 6, 32)
COMPILE_FOR(avx512, __attribute__((target("avx512f"))), 12, 64)
#endif
/* clang-format on */

static const kernels *best(void) {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f")) return &avx512;
  if (__builtin_cpu_supports("avx2")) return &avx2;
#endif
  return &plain;
}

/* --------------------------------------------------------------- many rows */

/* n lines side by side, `width` elements a step; zeros take the place of the
   lines that are not there.  Reads in the order in which the lines lie. */
static void pack(lines x, size_t n, size_t width, size_t depth, float *out) {
  if (n > width) n = width;
  if (n < width) memset(out, 0, depth * width * sizeof *out);
  if (x.line == 1)
    for (size_t p = 0; p < depth; p++)
      for (size_t i = 0; i < n; i++) out[p * width + i] = x.at[p * x.step + i];
  else
    for (size_t i = 0; i < n; i++)
      for (size_t p = 0; p < depth; p++)
        out[p * width + i] = x.at[i * x.line + p];
}

/* One slab of the product for the rows of one block: lines of a and b that
   begin at the slab, elements of c at the block. */
typedef struct slab {
  lines a, b;
  size_t rows, columns, depth;
  float alpha, beta, *c;
  size_t ldc;
} slab;

/* The 64 KB of packed elements are on the stack, so that a product cannot
   fail. */
static void add_slab(const slab *x, const kernels *k) {
  _Alignas(64) float a[BLOCK * DEPTH], b[DEPTH * COLUMNS];
  float out[ROWS * COLUMNS];
  for (size_t i = 0; i < x->rows; i += k->rows)
    pack(from(x->a, i, 0), x->rows - i, k->rows, x->depth, a + i * x->depth);
  for (size_t j = 0; j < x->columns; j += COLUMNS) {
    size_t columns = least(x->columns - j, COLUMNS);
    pack(from(x->b, j, 0), columns, COLUMNS, x->depth, b);
    for (size_t i = 0; i < x->rows; i += k->rows) {
      k->tile(x->depth, a + i * x->depth, b, out);
      merge(least(x->rows - i, k->rows), columns, x->alpha, out, COLUMNS,
            x->beta, x->c + i * x->ldc + j, x->ldc);
    }
  }
}

static void many_rows(const moe__product *x, lines a, lines b) {
  const kernels *k = best();
  for (size_t p = 0; p < x->k; p += DEPTH)
    for (size_t i = 0; i < x->m; i += BLOCK) {
      slab part = {.a = from(a, i, p),
                   .b = from(b, 0, p),
                   .rows = least(x->m - i, BLOCK),
                   .columns = x->n,
                   .depth = least(x->k - p, DEPTH),
                   .alpha = x->alpha,
                   .beta = p == 0 ? x->beta : 1,
                   .c = x->c + i * x->ldc,
                   .ldc = x->ldc};
      add_slab(&part, k);
    }
}

/* ---------------------------------------------------------------- few rows */

/* The sums of one slab in `n` columns; B is read a few rows at a time, as it
   lies. */
static void sum_slab(const moe__product *x, lines a, lines b, size_t n,
                     size_t depth, float *sum) {
  const kernels *k = best();
  bool ahead = x->m == 1 && x->n * x->k >= LARGE;
  for (size_t p = 0; p < depth; p += STEP)
    for (size_t i = 0; i < x->m; i++) {
      lines row = from(a, i, p);
      k->add_rows(n, least(depth - p, STEP), row.at, row.step,
                  b.at + p * b.step, b.step, ahead, sum + i * n);
    }
}

/* The fewer the rows, the more columns at once: memory gives most where it is
   read on and on. */
static void few_rows(const moe__product *x, lines a, lines b) {
  float sum[FEW * SPAN];
  size_t span = FEW * SPAN / x->m;
  for (size_t j = 0; j < x->n; j += span) {
    size_t n = least(x->n - j, span);
    for (size_t p = 0; p < x->k; p += DEPTH) {
      memset(sum, 0, x->m * n * sizeof *sum);
      sum_slab(x, from(a, 0, p), from(b, j, p), n, least(x->k - p, DEPTH), sum);
      merge(x->m, n, x->alpha, sum, n, p == 0 ? x->beta : 1, x->c + j, x->ldc);
    }
  }
}

static void dots(const moe__product *x, lines a, lines b) {
  const kernels *k = best();
  for (size_t j = 0; j < x->n; j++) {
    float sum = k->dot(x->k, a.at, b.at + j * b.line);
    merge(1, 1, x->alpha, &sum, 1, x->beta, x->c + j, 0);
  }
}

/* ------------------------------------------------------------------- entry */

static void scale(const moe__product *x) {
  for (size_t i = 0; i < x->m; i++)
    for (size_t j = 0; j < x->n; j++)
      x->c[i * x->ldc + j] = x->beta == 0 ? 0 : x->beta * x->c[i * x->ldc + j];
}

/* A single column is a single row of the transposed product. */
void moe__portable_gemm(const moe__product *given) {
  moe__product x = *given;
  lines a = lines_of(x.a, x.lda, x.transa);
  lines b = lines_of(x.b, x.ldb, !x.transb);
  if (x.n == 1 && x.ldc == 1) {
    lines swap = a;
    a = b;
    b = swap;
    x.n = x.m;
    x.m = 1;
  }
  if (x.m == 0) return;
  if (x.k == 0 || x.alpha == 0)
    scale(&x);
  else if (x.m <= FEW && b.line == 1)
    few_rows(&x, a, b);
  else if (x.m == 1 && a.step == 1)
    dots(&x, a, b);
  else
    many_rows(&x, a, b);
}
