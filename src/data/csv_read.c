/* The reader: one pass finds the records, cut into blocks; a second one, over
   the blocks at once, reads numbers where the column seems numeric and notes
   where the cell is where it does not; a third gives texts their codes, over
   the columns at once.  What a column seems to be is learned from its first
   rows; one that proves nominal later is passed over once more. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "csv_layout.h"
#include "file.h"
#include "threads.h"

enum plan { SKIP, NUMBER, TEXT };

/* A cell on its way into a column: numeric columns are arrays of these when
   all is done. */
typedef union slot {
  double number;
  const char *text; /* its first byte */
} slot;

typedef struct reader {
  moe_call *call;
  moe_csv_layout layout;
  moe_csv_text text;
  moe_csv_block *blocks;
  const char **uneven; /* for each block, its first record of another width */
  size_t n_blocks, n_rows;
  unsigned char *plan;   /* what the running pass does with each column */
  atomic_uchar *refuted; /* columns in which it met something else */
  slot **slots;          /* n_rows for each column kept */
  moe_series **series;
  atomic_bool failed; /* memory was short in a piece */
} reader;

/* The names are a record, which the blocks leave out. */
static moe_status take_columns(reader *r) {
  moe_csv_block *first = &r->blocks[0];
  MOE_TRY(moe_csv_layout_columns(r->call, &r->layout, &r->text, first->first,
                                 &first->first));
  if (!r->layout.options->header) return MOE_OK;
  first->n--;
  for (size_t b = 1; b < r->n_blocks; b++) r->blocks[b].row--;
  r->n_rows--;
  return MOE_OK;
}

/* -------------------------------------------------------------------- cells */

/* A cell of a numeric column that is not simply a number. */
static const char *take_odd_cell(const reader *r, const char *p, size_t j,
                                 slot *out) {
  moe_csv_cell cell = moe_csv_cell_at(&r->text, p);
  if (!moe_csv_cell_number(&r->layout, &cell, &out->number))
    atomic_store_explicit(&r->refuted[j], 1, memory_order_relaxed);
  return cell.next;
}

/* Takes the cell at p as the plan has it; returns the stop behind it. */
static inline const char *take_cell(const reader *r, const char *p, size_t row,
                                    size_t j) {
  if (r->plan[j] == NUMBER) {
    slot *out = &r->slots[j][row];
    const char *after =
        moe_csv_plain_number(&r->layout, &r->text, p, &out->number);
    return after != NULL ? after : take_odd_cell(r, p, j, out);
  }
  if (r->plan[j] == TEXT) r->slots[j][row].text = p;
  return moe_csv_cell_at(&r->text, p).next;
}

/* Stops at the first record that has not d cells, and returns it. */
static const char *take_rows(const reader *r, const char *p, size_t row,
                             size_t n) {
  for (size_t last = row + n; row < last; row++) {
    const char *record = p = moe_csv_skip_lines(&r->text, p);
    for (size_t j = 0; j < r->layout.d; j++) {
      if (j > 0 && *p++ != r->text.separator) return record;
      p = take_cell(r, p, row, j);
    }
    if (*p == r->text.separator) return record;
  }
  return NULL;
}

/* ------------------------------------------------------------------- passes */

static bool is_cancelled(const moe_call *call) {
  const moe_host *h = call->host;
  return h->cancelled != NULL && h->cancelled(h->data);
}

static void take_block(void *context, size_t index, int worker) {
  const reader *r = context;
  const moe_csv_block *b = &r->blocks[index];
  (void)worker;
  if (is_cancelled(r->call)) return;
  r->uneven[index] = take_rows(r, b->first, b->row, b->n);
}

static moe_status take_blocks(reader *r) {
  moe_parallel(r->call, r->n_blocks, take_block, r);
  MOE_TRY(moe_call_check(r->call));
  for (size_t b = 0; b < r->n_blocks; b++)
    if (r->uneven[b] != NULL)
      return moe_csv_refuse_width(r->call, &r->layout, &r->text, r->uneven[b]);
  return MOE_OK;
}

/* Columns in which the last pass met something else than numbers become
   nominal; true if there are any. */
static bool learn_kinds(reader *r) {
  bool any = false;
  for (size_t j = 0; j < r->layout.d; j++) {
    if (!r->refuted[j]) continue;
    r->refuted[j] = 0;
    r->layout.nominal[j] = any = true;
  }
  return any;
}

static void plan_all(reader *r) {
  for (size_t j = 0; j < r->layout.d; j++)
    r->plan[j] = !r->layout.kept[j]     ? SKIP
                 : r->layout.nominal[j] ? TEXT
                                        : NUMBER;
}

/* Only for columns that just became nominal. */
static void plan_rest(reader *r) {
  for (size_t j = 0; j < r->layout.d; j++)
    r->plan[j] = r->plan[j] == NUMBER && r->layout.nominal[j] ? TEXT : SKIP;
}

static moe_status take_all(reader *r) {
  enum { SAMPLE = 64 };
  const moe_csv_block *b = &r->blocks[0];
  plan_all(r);
  take_rows(r, b->first, 0, b->n < SAMPLE ? b->n : SAMPLE);
  learn_kinds(r);
  plan_all(r);
  MOE_TRY(take_blocks(r));
  if (!learn_kinds(r)) return MOE_OK;
  plan_rest(r);
  return take_blocks(r);
}

static moe_status new_slots(reader *r) {
  MOE_SCRATCH(r->call, r->uneven, r->n_blocks);
  MOE_SCRATCH(r->call, r->plan, r->layout.d);
  MOE_SCRATCH(r->call, r->refuted, r->layout.d);
  MOE_SCRATCH(r->call, r->series, r->layout.d);
  MOE_SCRATCH(r->call, r->slots, r->layout.d);
  for (size_t j = 0; j < r->layout.d; j++)
    if (r->layout.kept[j])
      MOE_TRY(moe_new_array(r->call, &r->slots[j], r->n_rows, sizeof(slot)));
  return MOE_OK;
}

/* ------------------------------------------------------------------ columns */

static moe_status code_cell(moe_call *call, const reader *r, const char *p,
                            moe_levels *levels, int32_t *code) {
  moe_csv_cell cell = moe_csv_cell_at(&r->text, p);
  const char *first = cell.first, *last = cell.last;
  char *room;
  *code = -1;
  moe_csv_trim(&first, &last);
  if (moe_csv_is_missing(&r->layout, first, last)) return MOE_OK;
  MOE_TRY(
      moe_levels_room(call, levels, (size_t)(cell.last - cell.first), &room));
  return moe_levels_code(call, levels, moe_csv_copy_cell(&cell, room), code);
}

static moe_status code_cells(moe_call *call, const reader *r, size_t j,
                             moe_levels *levels, int32_t *codes) {
  for (size_t i = 0; i < r->n_rows; i++)
    MOE_TRY(code_cell(call, r, r->slots[j][i].text, levels, &codes[i]));
  return MOE_OK;
}

static moe_status code_column(moe_call *call, reader *r, size_t j) {
  moe_levels levels = {0};
  int32_t *codes;
  moe_status status;
  MOE_TRY(moe_new_array(call, &codes, r->n_rows, sizeof *codes));
  status = code_cells(call, r, j, &levels, codes);
  if (status == MOE_OK)
    return moe_series_of_codes(call, codes, r->n_rows, &levels, &r->series[j]);
  moe_levels_free(&levels);
  moe_free(codes);
  return status;
}

/* Each column has a call of its own: errors are written there. */
static void finish_column(void *context, size_t j, int worker) {
  reader *r = context;
  moe_call call;
  (void)worker;
  if (!r->layout.kept[j] || is_cancelled(r->call)) return;
  moe_call_init(&call, NULL, 1);
  if (r->layout.nominal[j]) {
    if (code_column(&call, r, j) != MOE_OK) r->failed = true;
    moe_free(r->slots[j]);
    r->slots[j] = NULL;
  } else {
    double *numbers = &r->slots[j]->number;
    r->slots[j] = NULL;
    if (moe_series_of_numbers(&call, numbers, r->n_rows, &r->series[j]) !=
        MOE_OK)
      r->failed = true;
  }
  moe_call_end(&call);
}

static moe_status finish_columns(reader *r) {
  moe_parallel(r->call, r->layout.d, finish_column, r);
  MOE_TRY(moe_call_check(r->call));
  if (!r->failed) return MOE_OK;
  return moe_fail(r->call, MOE_ENOMEM,
                  "not enough memory for the columns of %s", r->text.name);
}

/* Closes the gaps that the dropped columns leave, and hands over the rest. */
static moe_status make_table(reader *r, moe_table **out) {
  size_t kept = 0;
  ptrdiff_t target = r->layout.target;
  for (size_t j = 0; j < r->layout.d; j++) {
    if (!r->layout.kept[j]) continue;
    if ((ptrdiff_t)j == r->layout.target) target = (ptrdiff_t)kept;
    r->layout.names.items[kept] = r->layout.names.items[j];
    r->series[kept++] = r->series[j];
  }
  r->layout.names.n = kept;
  r->layout.d = 0; /* nothing is left to free */
  return moe_table_new(r->call, &r->layout.names, r->series, r->n_rows, target,
                       out);
}

/* ----------------------------------------------------------------- the whole
 */

static moe_status find_records(reader *r) {
  MOE_TRY(moe_csv_find_blocks(r->call, &r->text, r->text.start, &r->blocks,
                              &r->n_blocks));
  if (r->n_blocks == 0)
    return moe_csv_refuse_nothing(r->call, &r->layout, &r->text);
  r->n_rows = r->blocks[r->n_blocks - 1].row + r->blocks[r->n_blocks - 1].n;
  if (r->n_rows <= INT32_MAX) return MOE_OK;
  return moe_fail(r->call, MOE_EFORMAT,
                  "%s: %zu lines; expected at most 2^31 - 1", r->text.name,
                  r->n_rows);
}

static moe_status read_all(reader *r, const char *name, const char *text,
                           size_t size, const moe_csv_options *options,
                           moe_table **out) {
  char separator;
  MOE_TRY(moe_csv_layout_init(r->call, &r->layout, options, &separator));
  MOE_TRY(moe_csv_text_init(r->call, &r->text, name, text, size, separator));
  MOE_TRY(find_records(r));
  MOE_TRY(take_columns(r));
  MOE_TRY(new_slots(r));
  MOE_TRY(take_all(r));
  MOE_TRY(finish_columns(r));
  return make_table(r, out);
}

static moe_status read_text(moe_call *call, const char *name, const char *text,
                            size_t size, const moe_csv_options *options,
                            moe_table **out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  reader r = {.call = call};
  moe_status status = read_all(&r, name, text, size, options, out);
  for (size_t j = 0; j < r.layout.d; j++) {
    if (r.slots != NULL) moe_free(r.slots[j]);
    if (r.slots != NULL) moe_series_release(r.series[j]);
  }
  moe_free(r.blocks);
  moe_scratch_drop(call, mark);
  return status;
}

moe_status moe_csv_parse(moe_call *call, const char *text, size_t size,
                         const moe_csv_options *options, moe_table **out) {
  *out = NULL;
  return read_text(call, "the text", text, size, options, out);
}

moe_status moe_csv_read(moe_call *call, const char *path,
                        const moe_csv_options *options, moe_table **out) {
  char name[256];
  unsigned char *bytes;
  size_t size;
  moe_status status;
  *out = NULL;
  snprintf(name, sizeof name, "'%.250s'", path);
  MOE_TRY(moe_file_read(call, path, PTRDIFF_MAX - 2, &bytes, &size));
  status = read_text(call, name, (const char *)bytes, size, options, out);
  moe_free(bytes);
  return status;
}
