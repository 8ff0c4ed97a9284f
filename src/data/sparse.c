#include "sparse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

moe_sparse *moe_sparse_retain(moe_sparse *s) {
  atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void moe_sparse_release(moe_sparse *s) {
  if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1) return;
  if (s->base == NULL) {
    moe_free((void *)s->csr.start);
    moe_free((void *)s->csr.index);
    moe_free((void *)s->csr.value);
  }
  moe_sparse_release(s->base);
  moe_names_release(s->names);
  moe_free(s);
}

size_t moe_sparse_entries(const moe_sparse *s) {
  return (size_t)(s->csr.start[s->csr.rows] - s->csr.start[0]);
}

size_t moe_sparse_bytes(const moe_sparse *s) {
  return (s->csr.rows + 1) * sizeof *s->csr.start +
         moe_sparse_entries(s) * (sizeof *s->csr.index + sizeof *s->csr.value);
}

/* ------------------------------------------------------------- construction */

static moe_status check_row(moe_call *call, const moe_csr *m, size_t row) {
  for (int64_t e = m->start[row]; e < m->start[row + 1]; e++) {
    if (m->index[e] < 0 || (size_t)m->index[e] >= m->columns)
      return moe_fail(call, MOE_EARG,
                      "sparse: row %zu has an entry in column %lld, outside "
                      "[1, %zu]",
                      row + 1, (long long)m->index[e] + 1, m->columns);
    if (e > m->start[row] && m->index[e] <= m->index[e - 1])
      return moe_fail(call, MOE_EARG, "sparse: row %zu has %s in column %lld",
                      row + 1,
                      m->index[e] < m->index[e - 1] ? "an entry out of order"
                                                    : "two entries",
                      (long long)m->index[e] + 1);
    if (!isfinite(m->value[e]))
      return moe_fail(call, MOE_EARG,
                      "sparse: row %zu, column %lld is not a finite number",
                      row + 1, (long long)m->index[e] + 1);
  }
  return MOE_OK;
}

static moe_status check(moe_call *call, const moe_csr *m) {
  if (m->columns > INT32_MAX)
    return moe_fail(call, MOE_EARG,
                    "sparse: %zu columns; at most %d are possible", m->columns,
                    INT32_MAX);
  if (m->start[0] != 0)
    return moe_fail(call, MOE_EARG, "sparse: the first row starts at %lld",
                    (long long)m->start[0]);
  for (size_t i = 0; i < m->rows; i++)
    if (m->start[i + 1] < m->start[i])
      return moe_fail(call, MOE_EARG, "sparse: row %zu ends before it starts",
                      i + 1);
  for (size_t i = 0; i < m->rows; i++) MOE_TRY(check_row(call, m, i));
  return MOE_OK;
}

moe_status moe_sparse_adopt(moe_call *call, size_t rows, size_t columns,
                            int64_t *start, int32_t *index, float *value,
                            moe_sparse **out) {
  moe_csr csr = {rows, columns, start, index, value};
  moe_status status = check(call, &csr);
  *out = NULL;
  if (status == MOE_OK) status = moe_new_array(call, out, 1, sizeof **out);
  if (status != MOE_OK) {
    moe_free(start);
    moe_free(index);
    moe_free(value);
    return status;
  }
  atomic_init(&(*out)->refs, 1);
  (*out)->csr = csr;
  return MOE_OK;
}

/* An adopted matrix of these lengths whose parts the caller fills. */
typedef struct parts {
  int64_t *start;
  int32_t *index;
  float *value;
} parts;

static moe_status new_parts(moe_call *call, size_t rows, size_t entries,
                            parts *out) {
  moe_status status;
  *out = (parts){NULL, NULL, NULL};
  status = moe_new_array(call, &out->start, rows + 1, sizeof *out->start);
  if (status == MOE_OK)
    status = moe_new_array(call, &out->index, entries, sizeof *out->index);
  if (status == MOE_OK)
    status = moe_new_array(call, &out->value, entries, sizeof *out->value);
  if (status == MOE_OK) return MOE_OK;
  moe_free(out->start);
  moe_free(out->index);
  return status;
}

static int compare(const void *a, const void *b) {
  const moe_triplet *x = a, *y = b;
  if (x->row != y->row) return x->row < y->row ? -1 : 1;
  return (x->column > y->column) - (x->column < y->column);
}

static moe_status check_triplets(moe_call *call, size_t rows, size_t columns,
                                 size_t n, const moe_triplet *t) {
  for (size_t i = 0; i < n; i++)
    if (t[i].row < 0 || (uint64_t)t[i].row >= rows || t[i].column < 0 ||
        (uint64_t)t[i].column >= columns)
      return moe_fail(call, MOE_EARG,
                      "sparse: an entry in row %lld, column %lld is outside "
                      "%zu×%zu",
                      (long long)t[i].row + 1, (long long)t[i].column + 1, rows,
                      columns);
  return MOE_OK;
}

moe_status moe_sparse_from_triplets(moe_call *call, size_t rows, size_t columns,
                                    size_t n, const moe_triplet *triplets,
                                    moe_sparse **out) {
  moe_triplet *sorted;
  parts p;
  *out = NULL;
  MOE_TRY(check_triplets(call, rows, columns, n, triplets));
  MOE_SCRATCH(call, sorted, n);
  if (n != 0) memcpy(sorted, triplets, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, compare);
  MOE_TRY(new_parts(call, rows, n, &p));
  for (size_t i = 0; i < n; i++) {
    p.start[sorted[i].row + 1]++;
    p.index[i] = (int32_t)sorted[i].column;
    p.value[i] = (float)sorted[i].value;
  }
  for (size_t i = 0; i < rows; i++) p.start[i + 1] += p.start[i];
  return moe_sparse_adopt(call, rows, columns, p.start, p.index, p.value, out);
}

/* ------------------------------------------------------- views and selection
 */

moe_status moe_sparse_rows(moe_call *call, moe_sparse *s, int64_t first,
                           int64_t n, moe_sparse **out) {
  size_t rows = s->csr.rows;
  *out = NULL;
  if (first < 0 || n < 0 || (uint64_t)first > rows ||
      (uint64_t)n > rows - (uint64_t)first)
    return moe_fail(call, MOE_EARG,
                    "rows: %lld rows from row %lld are not in [1, %zu]",
                    (long long)n, (long long)first + 1, rows);
  MOE_TRY(moe_new_array(call, out, 1, sizeof **out));
  atomic_init(&(*out)->refs, 1);
  (*out)->csr = s->csr;
  (*out)->csr.rows = (size_t)n;
  (*out)->csr.start += first;
  (*out)->names = moe_names_retain(s->names);
  (*out)->base = moe_sparse_retain(s->base != NULL ? s->base : s);
  return MOE_OK;
}

moe_status moe_sparse_select(moe_call *call, const moe_sparse *s,
                             const int32_t *pick, size_t n, moe_sparse **out) {
  const moe_csr *m = &s->csr;
  size_t entries = 0;
  parts p;
  *out = NULL;
  for (size_t i = 0; i < n; i++) {
    if (pick[i] < 0 || (size_t)pick[i] >= m->rows)
      return moe_fail(call, MOE_EARG, "select: row %lld is not in [1, %zu]",
                      (long long)pick[i] + 1, m->rows);
    entries += (size_t)(m->start[pick[i] + 1] - m->start[pick[i]]);
  }
  MOE_TRY(new_parts(call, n, entries, &p));
  for (size_t i = 0; i < n; i++) {
    int64_t from = m->start[pick[i]], to = p.start[i];
    size_t length = (size_t)(m->start[pick[i] + 1] - from);
    memcpy(p.index + to, m->index + from, length * sizeof *p.index);
    memcpy(p.value + to, m->value + from, length * sizeof *p.value);
    p.start[i + 1] = to + (int64_t)length;
  }
  MOE_TRY(
      moe_sparse_adopt(call, n, m->columns, p.start, p.index, p.value, out));
  (*out)->names = moe_names_retain(s->names);
  return MOE_OK;
}

moe_status moe_sparse_set_names(moe_call *call, moe_sparse *s,
                                moe_names *names) {
  MOE_TRY(moe_names_check(call, names, s->csr.columns));
  moe_names_retain(names);
  moe_names_release(s->names);
  s->names = names;
  return MOE_OK;
}
