#include "rows.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vector.h"
#include "vector_kernels.h"

/* ------------------------------------------------------------------ schema */

moe_status moe_schema_copy(moe_call *call, const moe_schema *from,
                           moe_schema *to) {
  *to = (moe_schema){.n = from->n};
  if (from->names.n == 0) return MOE_OK;
  MOE_TRY(moe_new_array(call, &to->names.items, from->n, sizeof(char *)));
  to->names.n = from->n;
  for (size_t i = 0; i < from->n; i++) {
    to->names.items[i] = moe_copy_text(from->names.items[i]);
    if (to->names.items[i] == NULL) {
      moe_schema_free(to);
      return moe_fail(call, MOE_ENOMEM, "not enough memory for column names");
    }
  }
  return MOE_OK;
}

void moe_schema_free(moe_schema *s) {
  for (size_t i = 0; i < s->names.n; i++) moe_free(s->names.items[i]);
  moe_free(s->names.items);
  *s = (moe_schema){0};
}

moe_status moe_schema_visit(moe_schema *s, moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "columns", MOE_I64, &s->n));
  return moe_visit_texts(v, "names", &s->names);
}

void moe_schema_print(const moe_schema *s, size_t column, char *out,
                      size_t size) {
  if (s != NULL && column < s->names.n)
    snprintf(out, size, "column '%.80s'", s->names.items[column]);
  else
    snprintf(out, size, "column %zu", column + 1);
}

/* -------------------------------------------------------------------- rows */

moe_rows moe_rows_of_floats(const float *x, size_t n, size_t d, size_t stride) {
  return (moe_rows){
      .n = n, .d = d, .source = MOE_FROM_FLOATS, .floats = x, .stride = stride};
}

moe_rows moe_rows_of_doubles(const double *x, size_t n, size_t d) {
  return (moe_rows){
      .n = n, .d = d, .source = MOE_FROM_DOUBLES, .doubles = x, .stride = d};
}

moe_rows moe_rows_of_csr(const moe_csr *csr) {
  return (moe_rows){
      .n = csr->rows, .d = csr->columns, .source = MOE_FROM_CSR, .csr = csr};
}

moe_status moe_rows_select(moe_call *call, const moe_rows *r,
                           const int32_t *pick, size_t n, moe_rows *out) {
  int32_t *composed;
  MOE_SCRATCH(call, composed, n);
  for (size_t i = 0; i < n; i++)
    composed[i] = (int32_t)moe_rows_at(r, (size_t)pick[i]);
  *out = *r;
  out->pick = composed;
  out->n = n;
  return MOE_OK;
}

moe_rows moe_rows_range(const moe_rows *r, size_t first, size_t n) {
  moe_rows out = *r;
  out.n = n;
  if (r->pick != NULL)
    out.pick += first;
  else
    out.origin += first;
  return out;
}

static inline size_t column_of(const int32_t *map, size_t j) {
  return map != NULL ? (size_t)map[j] : j;
}

static inline double cell(const moe_column *c, size_t i) {
  return c->numbers != NULL ? c->numbers[i] : (double)c->codes[i];
}

/* A row's entry in a column, by halving; 0 where there is none. */
static float find_entry(const moe_entries *e, int32_t column) {
  size_t low = 0, high = e->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (e->index[middle] < column)
      low = middle + 1;
    else
      high = middle;
  }
  return low < e->n && e->index[low] == column ? e->value[low] : 0;
}

/* Whether the rows lie one after the other as they are wanted: then all of them
   are read as one long row. */
static bool is_run(const moe_rows *r) {
  bool dense = r->source == MOE_FROM_FLOATS || r->source == MOE_FROM_DOUBLES;
  return dense && r->stride == r->d && r->pick == NULL && r->map == NULL;
}

/* ------------------------------------------------------- floats as they lie
   Most rows are: these loops are compiled for each instruction set. */

MOE_KERNEL void widen(const float *restrict x, size_t n, double *restrict out) {
  for (size_t j = 0; j < n; j++) out[j] = (double)x[j];
}

MOE_KERNEL bool are_finite(const float *x, size_t n) {
  int other = 0;
  for (size_t j = 0; j < n; j++) other |= !(fabsf(x[j]) <= FLT_MAX);
  return !other;
}

typedef struct kernels {
  void (*widen)(const float *, size_t, double *);
  bool (*are_finite)(const float *, size_t);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                          \
  TARGET static void widen_##NAME(const float *x, size_t n, double *out) { \
    widen(x, n, out);                                                      \
  }                                                                        \
  TARGET static bool are_finite_##NAME(const float *x, size_t n) {         \
    return are_finite(x, n);                                               \
  }                                                                        \
  static const kernels NAME = {widen_##NAME, are_finite_##NAME};

MOE_COMPILE_KERNELS

/* ------------------------------------------------------------------ gathering
 */

static void take_doubles(const float *x, size_t n, double *out) {
  best()->widen(x, n, out);
}

static void take_floats(const float *x, size_t n, float *out) {
  memcpy(out, x, n * sizeof *out);
}

/* The three dense sources and the sparse one, gathered as the type T. */
#define DEFINE_GATHER(NAME, T, TAKE)                                       \
  void NAME(const moe_rows *r, size_t first, size_t n, T *out) {           \
    bool run = is_run(r) && n > 0;                                         \
    size_t rows = run ? 1 : n, d = run ? n * r->d : r->d;                  \
    const int32_t *map = r->map;                                           \
    const float *floats = r->floats;                                       \
    const double *doubles = r->doubles;                                    \
    if (r->source == MOE_FROM_CSR) memset(out, 0, n * r->d * sizeof *out); \
    for (size_t i = 0; i < rows; i++, out += d) {                          \
      size_t at = moe_rows_at(r, first + i), start = at * r->stride;       \
      moe_entries e;                                                       \
      switch (r->source) {                                                 \
        case MOE_FROM_FLOATS:                                              \
          if (map == NULL) TAKE(floats + start, d, out);                   \
          for (size_t j = 0; map != NULL && j < d; j++)                    \
            out[j] = (T)floats[start + (size_t)map[j]];                    \
          break;                                                           \
        case MOE_FROM_DOUBLES:                                             \
          for (size_t j = 0; j < d; j++)                                   \
            out[j] = (T)doubles[start + column_of(map, j)];                \
          break;                                                           \
        case MOE_FROM_COLUMNS:                                             \
          for (size_t j = 0; j < d; j++)                                   \
            out[j] = (T)cell(moe_rows_column(r, j), at);                   \
          break;                                                           \
        case MOE_FROM_CSR:                                                 \
          e = moe_rows_entries(r, first + i);                              \
          for (size_t k = 0; map == NULL && k < e.n; k++)                  \
            out[e.index[k]] = (T)e.value[k];                               \
          for (size_t j = 0; map != NULL && j < d; j++)                    \
            out[j] = (T)find_entry(&e, map[j]);                            \
          break;                                                           \
      }                                                                    \
    }                                                                      \
  }
DEFINE_GATHER(moe_rows_doubles, double, take_doubles)
DEFINE_GATHER(moe_rows_floats, float, take_floats)

moe_entries moe_rows_entries(const moe_rows *r, size_t i) {
  size_t at = moe_rows_at(r, i);
  int64_t start = r->csr->start[at];
  return (moe_entries){(size_t)(r->csr->start[at + 1] - start),
                       r->csr->index + start, r->csr->value + start};
}

/* ------------------------------------------------------------------ checks */

static moe_status refuse_cell(moe_call *call, const moe_rows *r, size_t row,
                              size_t column, double value) {
  char name[100];
  moe_schema_print(r->schema, column, name, sizeof name);
  if (isnan(value))
    return moe_fail(call, MOE_EDATA,
                    "row %zu, %s is missing (NaN), which this learner does not "
                    "take; impute it first (transforms.impute)",
                    row + 1, name);
  return moe_fail(call, MOE_EDATA, "row %zu, %s is infinite", row + 1, name);
}

/* Whether a look at the source shows it: rows of floats, all of them finite. */
static bool are_plainly_finite(const moe_rows *r) {
  bool finite = r->source == MOE_FROM_FLOATS && r->map == NULL;
  if (finite && is_run(r))
    return best()->are_finite(r->floats + r->origin * r->d, r->n * r->d);
  for (size_t i = 0; finite && i < r->n; i++)
    finite =
        best()->are_finite(r->floats + moe_rows_at(r, i) * r->stride, r->d);
  return finite;
}

static moe_status check_cells(moe_call *call, const moe_rows *r, bool missing) {
  enum { BLOCK = 4096 };
  if (are_plainly_finite(r)) return MOE_OK;
  moe_scratch_mark mark = moe_scratch_now(call);
  size_t rows = r->d < BLOCK ? BLOCK / (r->d + 1) + 1 : 1;
  double *x;
  MOE_SCRATCH(call, x, moe_size(rows, r->d));
  for (size_t first = 0; first < r->n; first += rows) {
    size_t n = r->n - first < rows ? r->n - first : rows;
    moe_rows_doubles(r, first, n, x);
    if (moe_is_finite(x, n * r->d)) continue;
    for (size_t k = 0; k < n * r->d; k++)
      if (isinf(x[k]) || (isnan(x[k]) && !missing))
        return refuse_cell(call, r, first + k / r->d, k % r->d, x[k]);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

static moe_status check_entries(moe_call *call, const moe_rows *r,
                                bool missing) {
  for (size_t i = 0; i < r->n; i++) {
    moe_entries e = moe_rows_entries(r, i);
    for (size_t k = 0; k < e.n; k++) {
      double value = (double)e.value[k];
      if (isinf(value) || (isnan(value) && !missing))
        return refuse_cell(call, r, i, (size_t)e.index[k], value);
    }
  }
  return MOE_OK;
}

static moe_status check_columns(moe_call *call, const moe_rows *r) {
  for (size_t j = 0; j < r->d; j++) {
    char name[100];
    if (moe_rows_column(r, j)->numbers != NULL) continue;
    moe_schema_print(r->schema, column_of(r->map, j), name, sizeof name);
    return moe_fail(call, MOE_EDATA,
                    "%s holds strings; turn it into numbers first "
                    "(transforms.one_hot, ordinal or text_hasher)",
                    name);
  }
  return MOE_OK;
}

moe_status moe_rows_check(moe_call *call, const moe_rows *r, bool missing) {
  if (r->source == MOE_FROM_CSR) return check_entries(call, r, missing);
  if (r->source == MOE_FROM_COLUMNS) MOE_TRY(check_columns(call, r));
  return check_cells(call, r, missing);
}

moe_status moe_rows_check_mixed(moe_call *call, const moe_rows *r) {
  if (r->source != MOE_FROM_COLUMNS) return moe_rows_check(call, r, true);
  for (size_t j = 0; j < r->d; j++) {
    const double *numbers = moe_rows_column(r, j)->numbers;
    for (size_t i = 0; numbers != NULL && i < r->n; i++)
      if (isinf(numbers[moe_rows_at(r, i)]))
        return refuse_cell(call, r, i, j, numbers[moe_rows_at(r, i)]);
  }
  return MOE_OK;
}

typedef struct named {
  const char *name;
  int32_t column;
} named;

static int compare_named(const void *a, const void *b) {
  return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static moe_status map_names(moe_call *call, moe_rows *r,
                            const moe_schema *schema) {
  named *sorted;
  int32_t *map;
  MOE_SCRATCH(call, sorted, r->d);
  MOE_SCRATCH(call, map, r->d);
  for (size_t j = 0; j < r->d; j++)
    sorted[j] = (named){r->schema->names.items[j], (int32_t)j};
  qsort(sorted, r->d, sizeof *sorted, compare_named);
  for (size_t j = 0; j < r->d; j++) {
    named key = {schema->names.items[j], 0};
    const named *found =
        bsearch(&key, sorted, r->d, sizeof *sorted, compare_named);
    if (found == NULL)
      return moe_fail(call, MOE_EDATA,
                      "the data has no column '%.80s', which the model was "
                      "trained on",
                      key.name);
    map[j] = (int32_t)column_of(r->map, (size_t)found->column);
  }
  r->map = map;
  r->schema = schema;
  return MOE_OK;
}

moe_status moe_rows_follow(moe_call *call, moe_rows *r,
                           const moe_schema *schema) {
  if (r->d != schema->n)
    return moe_fail(call, MOE_EARG,
                    "the model was trained on %zu columns, the data has %zu",
                    schema->n, r->d);
  if (r->schema == NULL || r->schema->names.n == 0 || schema->names.n == 0)
    return MOE_OK;
  for (size_t j = 0; j < r->d; j++) {
    if (strcmp(r->schema->names.items[j], schema->names.items[j]) == 0)
      continue;
    if (r->source == MOE_FROM_CSR)
      return moe_fail(call, MOE_EARG,
                      "sparse data must have the model's columns in its order; "
                      "column %zu is '%.60s', not '%.60s'",
                      j + 1, r->schema->names.items[j], schema->names.items[j]);
    return map_names(call, r, schema);
  }
  return MOE_OK;
}
