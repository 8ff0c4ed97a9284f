#include "transpose.h"

#include <string.h>

enum { PIECE = 1 << 18 /* entries between two looks at the clock */ };

moe_status moe_transpose_new(moe_call *call, const moe_rows *rows,
                             moe_transpose *out) {
  *out = (moe_transpose){.rows = rows};
  MOE_TRY(moe_new_array(call, &out->place, rows->d, sizeof *out->place));
  return moe_new_array(call, &out->count, rows->d, sizeof *out->count);
}

void moe_transpose_free(moe_transpose *t) {
  moe_free(t->place);
  moe_free(t->column);
  moe_free(t->start);
  moe_free(t->row);
  moe_free(t->value);
  moe_free(t->count);
  *t = (moe_transpose){0};
}

/* Zeros and missing values count as absent. */
static inline bool is_present(float value) { return value < 0 || value > 0; }

static void count_row(moe_transpose *t, size_t i, moe_entries e) {
  (void)i;
  for (size_t k = 0; k < e.n; k++)
    t->count[e.index[k]] += is_present(e.value[k]);
}

static void place_row(moe_transpose *t, size_t i, moe_entries e) {
  for (size_t k = 0; k < e.n; k++) {
    if (!is_present(e.value[k])) continue;
    int64_t at = t->count[e.index[k]]++;
    t->row[at] = (int32_t)i;
    t->value[at] = e.value[k];
  }
}

/* A pass over the rows; true at its end. */
static bool pass(moe_call *call, moe_transpose *t,
                 void (*visit)(moe_transpose *, size_t, moe_entries)) {
  size_t seen = 0;
  while (t->next < t->rows->n) {
    moe_entries e = moe_rows_entries(t->rows, t->next);
    visit(t, t->next++, e);
    seen += e.n + 1;
    if (seen < PIECE) continue;
    if (moe_call_pausing(call)) return false;
    seen = 0;
  }
  t->next = 0;
  return true;
}

/* Numbers the columns that have entries and finds where each one's begin. */
static moe_status number_columns(moe_call *call, moe_transpose *t) {
  int64_t total = 0;
  size_t n = 0;
  for (size_t j = 0; j < t->rows->d; j++) n += t->count[j] > 0;
  MOE_TRY(moe_new_array(call, &t->column, n, sizeof *t->column));
  MOE_TRY(moe_new_array(call, &t->start, n + 1, sizeof *t->start));
  for (size_t j = 0; j < t->rows->d; j++) {
    int64_t count = t->count[j];
    t->count[j] = total;
    t->place[j] = count > 0 ? (int32_t)t->n : -1;
    if (count == 0) continue;
    t->column[t->n] = (int32_t)j;
    t->start[t->n++] = total;
    total += count;
  }
  t->start[n] = total;
  MOE_TRY(moe_new_array(call, &t->row, (size_t)total, sizeof *t->row));
  return moe_new_array(call, &t->value, (size_t)total, sizeof *t->value);
}

moe_status moe_transpose_run(moe_call *call, moe_transpose *t, bool *done) {
  *done = false;
  if (!t->counted) {
    if (!pass(call, t, count_row)) return MOE_OK;
    MOE_TRY(number_columns(call, t));
    t->counted = true;
  }
  if (!pass(call, t, place_row)) return MOE_OK;
  moe_free(t->count);
  t->count = NULL;
  *done = true;
  return MOE_OK;
}
