#include "intake.h"

#include <math.h>
#include <string.h>

static moe_status new_arrays(moe_call *call, moe_intake *in) {
  MOE_TRY(moe_new_array(call, &in->nominal, in->n, 1));
  MOE_TRY(moe_new_array(call, &in->start, in->n + 1, sizeof *in->start));
  return moe_new_array(call, &in->mean, in->n, sizeof *in->mean);
}

/* Closed again where there was no memory for all of it. */
static moe_status or_close(moe_intake *in, moe_status status) {
  if (status == MOE_OK) return MOE_OK;
  for (size_t k = 0; k < in->levels.n; k++) moe_free(in->levels.items[k]);
  moe_free(in->levels.items);
  moe_free(in->nominal);
  moe_free(in->start);
  moe_free(in->mean);
  *in = (moe_intake){0};
  return status;
}

moe_status moe_intake_open(moe_call *call, moe_intake *in, const moe_rows *x,
                           bool keeps_holes, bool keeps_codes) {
  *in = (moe_intake){.open = true,
                     .keeps_holes = keeps_holes,
                     .keeps_codes = keeps_codes,
                     .n = x->d};
  MOE_TRY(or_close(in, new_arrays(call, in)));
  for (size_t j = 0; x->source == MOE_FROM_COLUMNS && j < x->d; j++) {
    const moe_column *c = moe_rows_column(x, j);
    in->nominal[j] = c->numbers == NULL || c->vacant;
  }
  in->spreads = moe_intake_width(in) != in->n;
  return MOE_OK;
}

moe_status moe_intake_copy(moe_call *call, const moe_intake *from,
                           moe_intake *to, bool keeps_holes, bool keeps_codes) {
  *to = (moe_intake){.open = from->open,
                     .keeps_holes = keeps_holes,
                     .keeps_codes = keeps_codes,
                     .n = from->n};
  if (!from->open) return MOE_OK;
  MOE_TRY(or_close(to, new_arrays(call, to)));
  memcpy(to->nominal, from->nominal, from->n);
  to->spreads = moe_intake_width(to) != to->n;
  return or_close(to, moe_intake_follow(call, to, from));
}

moe_status moe_intake_visit(moe_intake *in, moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "intake", MOE_U8, &in->open));
  if (!in->open) return MOE_OK;
  MOE_TRY(moe_visit_scalar(v, "keeps_holes", MOE_U8, &in->keeps_holes));
  MOE_TRY(moe_visit_scalar(v, "keeps_codes", MOE_U8, &in->keeps_codes));
  MOE_TRY(moe_visit_scalar(v, "spreads", MOE_U8, &in->spreads));
  MOE_TRY(moe_visit_scalar(v, "intake_columns", MOE_I64, &in->n));
  MOE_TRY(moe_visit_array(v, "nominal", MOE_U8, &in->nominal, in->n));
  MOE_TRY(moe_visit_array(v, "level_start", MOE_I64, &in->start, in->n + 1));
  MOE_TRY(moe_visit_texts(v, "levels", &in->levels));
  MOE_TRY(moe_visit_scalar(v, "intake_rows", MOE_F64, &in->rows));
  return moe_visit_array(v, "means", MOE_F64, &in->mean, in->n);
}

static size_t count_levels(const moe_intake *in, size_t column) {
  return (size_t)(in->start[column + 1] - in->start[column]);
}

bool moe_intake_is_sound(const moe_intake *in) {
  if (!in->open) return true;
  if (in->open > 1 || in->keeps_holes > 1 || in->keeps_codes > 1 ||
      in->spreads != (moe_intake_width(in) != in->n))
    return false;
  if (in->start[0] != 0 || (size_t)in->start[in->n] != in->levels.n ||
      !(in->rows >= 0) || isinf(in->rows))
    return false;
  for (size_t j = 0; j < in->n; j++) {
    int64_t n = in->start[j + 1] - in->start[j];
    if (n < 0 || n > MOE_MOST_LEVELS || (n > 0 && !in->nominal[j]) ||
        in->nominal[j] > 1 || !isfinite(in->mean[j]))
      return false;
  }
  return true;
}

bool moe_intake_agrees(const moe_intake *in, const moe_intake *from) {
  if (!in->open) return true;
  if (from->open && from->n != in->n) return false;
  for (size_t j = 0; j < in->n; j++)
    if (in->nominal[j] != (from->open && from->nominal[j])) return false;
  return true;
}

size_t moe_intake_width(const moe_intake *in) {
  size_t width = 0;
  for (size_t j = 0; j < in->n; j++)
    width += in->nominal[j] && !in->keeps_codes ? MOE_LEVEL_SLOTS : 1;
  return width;
}

/* ------------------------------------------------------------------- levels */

int32_t moe_intake_code(const moe_intake *in, size_t column,
                        const char *level) {
  size_t n = count_levels(in, column);
  char *const *known = in->levels.items + in->start[column];
  for (size_t k = 0; k < n; k++)
    if (strcmp(known[k], level) == 0) return (int32_t)k;
  return n == MOE_MOST_LEVELS ? MOE_MOST_LEVELS - 1 : -1;
}

moe_status moe_intake_add(moe_call *call, moe_intake *in, size_t column,
                          const char *level, int32_t *code) {
  size_t at = (size_t)in->start[column + 1], n = in->levels.n;
  char **items, *text;
  *code = moe_intake_code(in, column, level);
  if (*code >= 0) return MOE_OK;
  items = moe_resize(in->levels.items, n + 1, sizeof *items);
  if (items != NULL) in->levels.items = items;
  text = items != NULL ? moe_copy_text(level) : NULL;
  if (text == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for a level");
  memmove(items + at + 1, items + at, (n - at) * sizeof *items);
  items[at] = text;
  in->levels.n++;
  *code = (int32_t)count_levels(in, column);
  for (size_t j = column; j < in->n; j++) in->start[j + 1]++;
  return MOE_OK;
}

bool moe_intake_shares_codes(const moe_intake *a, const moe_intake *b) {
  for (size_t j = 0; a->open && b->open && j < a->n; j++) {
    char *const *one = a->levels.items + a->start[j];
    char *const *other = b->levels.items + b->start[j];
    size_t n = count_levels(a, j), m = count_levels(b, j);
    for (size_t k = 0; k < n && k < m; k++)
      if (strcmp(one[k], other[k]) != 0) return false;
  }
  return true;
}

moe_status moe_intake_follow(moe_call *call, moe_intake *in,
                             const moe_intake *from) {
  int32_t code;
  if (!in->open || in->levels.n == from->levels.n) return MOE_OK;
  for (size_t j = 0; j < in->n; j++)
    for (size_t k = count_levels(in, j); k < count_levels(from, j); k++)
      MOE_TRY(moe_intake_add(
          call, in, j, from->levels.items[(size_t)from->start[j] + k], &code));
  return MOE_OK;
}

/* --------------------------------------------------------------------- rows */

void moe_intake_count(moe_intake *in, const double *x) {
  double share = 1 / ++in->rows, rest = 1 - share;
  for (size_t j = 0; j < in->n; j++)
    if (x[j] == x[j]) in->mean[j] = rest * in->mean[j] + share * x[j];
}

/* One indicator of MOE_LEVEL_SLOTS; none where the value is missing. */
static void spread(double code, double *out) {
  memset(out, 0, MOE_LEVEL_SLOTS * sizeof *out);
  if (code >= 0)
    out[code < MOE_LEVEL_SLOTS ? (size_t)code : MOE_LEVEL_SLOTS - 1] = 1;
}

void moe_intake_encode(const moe_intake *in, const double *x, double *out) {
  for (size_t j = 0; j < in->n; j++) {
    if (in->nominal[j] && !in->keeps_codes) {
      spread(x[j], out);
      out += MOE_LEVEL_SLOTS;
    } else {
      *out++ = x[j] == x[j] || in->keeps_holes ? x[j] : in->mean[j];
    }
  }
}
