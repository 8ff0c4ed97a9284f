#include "frame.h"

moe_status moe_frame_new(moe_call *call, size_t n, size_t d, bool sparse,
                         moe_frame *out) {
  *out = (moe_frame){.n = n, .d = d};
  if (!sparse)
    return moe_new_array(call, &out->dense, moe_size(n, d), sizeof *out->dense);
  return moe_new_array(call, &out->start, n + 1, sizeof *out->start);
}

static moe_status append(moe_call *call, moe_frame *f, size_t row,
                         size_t column, float value) {
  if (value == 0) return MOE_OK;
  MOE_TRY(moe_reserve(call, &f->index, &f->index_room, f->used, 1,
                      sizeof *f->index));
  MOE_TRY(moe_reserve(call, &f->value, &f->value_room, f->used, 1,
                      sizeof *f->value));
  f->index[f->used] = (int32_t)column;
  f->value[f->used] = value;
  f->start[row + 1] = (int64_t)++f->used;
  return MOE_OK;
}

moe_status moe_frame_set(moe_call *call, moe_frame *f, size_t row,
                         size_t column, float value) {
  if (f->dense == NULL) return append(call, f, row, column, value);
  f->dense[row * f->d + column] = value;
  return MOE_OK;
}

/* Rows without a number end where the row before them does. */
void moe_frame_end(moe_frame *f) {
  if (f->dense != NULL) return;
  for (size_t i = 0; i < f->n; i++)
    if (f->start[i + 1] < f->start[i]) f->start[i + 1] = f->start[i];
  f->csr = (moe_csr){.rows = f->n,
                     .columns = f->d,
                     .start = f->start,
                     .index = f->index,
                     .value = f->value};
}

void moe_frame_free(moe_frame *f) {
  moe_free(f->dense);
  moe_free(f->start);
  moe_free(f->index);
  moe_free(f->value);
  *f = (moe_frame){0};
}

moe_rows moe_frame_rows(const moe_frame *f, const moe_schema *schema) {
  moe_rows rows = f->dense != NULL
                      ? moe_rows_of_floats(f->dense, f->n, f->d, f->d)
                      : moe_rows_of_csr(&f->csr);
  rows.schema = schema;
  return rows;
}
