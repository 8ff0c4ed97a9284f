#include "bfloat.h"

#include <string.h>

#include "float_math.h"
#include "gemm.h"
#include "instructions.h"

/* ------------------------------------------------------------------- kernels
 */

KERNEL float wide(moe_bfloat x) {
  uint32_t bits = (uint32_t)x << 16;
  float y;
  memcpy(&y, &bits, sizeof y);
  return y;
}

/* What is cut off decides; the carry may go up into the exponent, but not to
   that of infinity. */
KERNEL moe_bfloat narrow(float x) {
  const uint32_t infinity = 0x7f800000, largest = 0x7f7f0000;
  uint32_t bits, size, rounded;
  memcpy(&bits, &x, sizeof bits);
  size = bits & 0x7fffffff;
  rounded = size + 0x7fff + (size >> 16 & 1);
  rounded = rounded >= infinity ? largest : rounded;
  rounded = size >= infinity ? size : rounded;
  rounded = size > infinity ? size | 0x400000 : rounded;
  return (moe_bfloat)((rounded | (bits ^ size)) >> 16);
}

KERNEL void round_all(const float *x, moe_bfloat *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = narrow(x[i]);
}

KERNEL void widen_all(const moe_bfloat *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = wide(x[i]);
}

enum { TOGETHER = 8, LINE = 64 / sizeof(moe_bfloat) };

/* sum ← sum + Σ a·b of n columns of TOGETHER rows of b. */
KERNEL void add_columns(size_t n, const float *a, const moe_bfloat *restrict b,
                        size_t ldb, float *restrict sum) {
  const moe_bfloat *b1 = b + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb,
                   *b4 = b3 + ldb, *b5 = b4 + ldb, *b6 = b5 + ldb,
                   *b7 = b6 + ldb;
  for (size_t j = 0; j < n; j++)
    sum[j] = sum[j] + a[0] * wide(b[j]) + a[1] * wide(b1[j]) +
             a[2] * wide(b2[j]) + a[3] * wide(b3[j]) + a[4] * wide(b4[j]) +
             a[5] * wide(b5[j]) + a[6] * wide(b6[j]) + a[7] * wide(b7[j]);
}

/* sum ← sum + Σ a·b over `depth` rows of b.  The rows' ends are near: what the
   next ones will be is fetched by hand, for the processor learns of it late. */
KERNEL void add_rows(size_t n, size_t depth, const float *a,
                     const moe_bfloat *b, size_t ldb, float *sum) {
  for (; depth >= TOGETHER; depth -= TOGETHER) {
    const moe_bfloat *next = b + TOGETHER * ldb;
    size_t j = 0;
    for (; j + LINE <= n; j += LINE) {
      for (size_t i = 0; depth >= 2 * TOGETHER && i < TOGETHER; i++)
        __builtin_prefetch(next + i * ldb + j, 0, 2);
      add_columns(LINE, a, b + j, ldb, sum + j);
    }
    add_columns(n - j, a, b + j, ldb, sum + j);
    a += TOGETHER;
    b = next;
  }
  for (; depth > 0; depth--, a++, b += ldb)
    for (size_t j = 0; j < n; j++) sum[j] += *a * wide(b[j]);
}

typedef struct kernels {
  void (*round)(const float *x, moe_bfloat *y, size_t n);
  void (*widen)(const moe_bfloat *x, float *y, size_t n);
  void (*add)(size_t n, size_t depth, const float *a, const moe_bfloat *b,
              size_t ldb, float *sum);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                              \
  TARGET static void round_##NAME(const float *x, moe_bfloat *y, size_t n) {   \
    round_all(x, y, n);                                                        \
  }                                                                            \
  TARGET static void widen_##NAME(const moe_bfloat *x, float *y, size_t n) {   \
    widen_all(x, y, n);                                                        \
  }                                                                            \
  TARGET static void add_##NAME(size_t n, size_t depth, const float *a,        \
                                const moe_bfloat *b, size_t ldb, float *sum) { \
    add_rows(n, depth, a, b, ldb, sum);                                        \
  }                                                                            \
  static const kernels NAME = {round_##NAME, widen_##NAME, add_##NAME};

MOE_COMPILE_KERNELS

void moe_bfloat_round(const float *x, moe_bfloat *y, size_t n) {
  best()->round(x, y, n);
}
void moe_bfloat_widen(const moe_bfloat *x, float *y, size_t n) {
  best()->widen(x, y, n);
}

/* ------------------------------------------------------------------- product
 */

enum { DEPTH = 256, COLUMNS = 256 /* of a widened part: it stays in cache */ };

typedef struct product {
  size_t m, n, k;
  const float *a;
  size_t lda;
  const moe_bfloat *b;
  size_t ldb;
  float beta, *c;
  size_t ldc;
} product;

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static void add_few(const product *x) {
  for (size_t i = 0; i < x->m; i++) {
    float *c = x->c + i * x->ldc;
    if (x->beta == 0) memset(c, 0, x->n * sizeof *c);
    for (size_t j = 0; x->beta != 0 && x->beta != 1 && j < x->n; j++)
      c[j] *= x->beta;
    best()->add(x->n, x->k, x->a + i * x->lda, x->b, x->ldb, c);
  }
}

static void multiply_part(const product *x, size_t from, size_t first,
                          float *room) {
  size_t k = least(x->k - from, DEPTH), n = least(x->n - first, COLUMNS);
  const moe_bfloat *b = x->b + from * x->ldb + first;
  for (size_t i = 0; i < k; i++)
    moe_bfloat_widen(b + i * x->ldb, room + i * n, n);
  moe_gemm(false, false, x->m, n, k, 1, x->a + from, x->lda, room, n,
           from == 0 ? x->beta : 1, x->c + first, x->ldc);
}

static void multiply_widened(const product *x, float *room) {
  for (size_t from = 0; from < x->k; from += DEPTH)
    for (size_t first = 0; first < x->n; first += COLUMNS)
      multiply_part(x, from, first, room);
}

static bool multiply_rounded(const product *x, float *room) {
  moe_bfloat *a = (moe_bfloat *)(void *)room;
  if (!moe__multiplies_bfloat()) return false;
  for (size_t i = 0; i < x->m; i++)
    moe_bfloat_round(x->a + i * x->lda, a + i * x->k, x->k);
  return moe__gemm_bfloat(x->m, x->n, x->k, a, x->k, x->b, x->ldb, x->beta,
                          x->c, x->ldc);
}

size_t moe_bfloat_room(size_t m, size_t k) {
  size_t rounded = m * k / 2 + 1;
  if (m <= MOE_BFLOAT_FEW) return 0;
  return rounded > DEPTH * COLUMNS ? rounded : DEPTH * COLUMNS;
}

void moe_bfloat_gemm(size_t m, size_t n, size_t k, const float *a, size_t lda,
                     const moe_bfloat *b, size_t ldb, float beta, float *c,
                     size_t ldc, float *room) {
  const product x = {m, n, k, a, lda, b, ldb, beta, c, ldc};
  if (m <= MOE_BFLOAT_FEW)
    add_few(&x);
  else if (!multiply_rounded(&x, room))
    multiply_widened(&x, room);
}
