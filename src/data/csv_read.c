/* The reader: one pass finds the records, cut into blocks; a second one, over
   the blocks at once, reads numbers where the column seems numeric and notes
   where the cell is where it does not; a third gives texts their codes, over
   the columns at once.  What a column seems to be is learned from its first
   rows; one that proves nominal later is passed over once more. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "csv.h"
#include "csv_scan.h"
#include "file.h"
#include "number.h"
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
  const moe_csv_options *options;
  char separator;
  moe_csv_text text;
  moe_csv_block *blocks;
  const char **uneven; /* for each block, its first record of another width */
  size_t n_blocks, n_rows, d;
  moe_texts names;
  int32_t *order; /* of the names */
  bool *kept, *nominal;
  ptrdiff_t target;
  bool numeric_missing;  /* a spelling of missing looks like a number */
  unsigned char *plan;   /* what the running pass does with each column */
  atomic_uchar *refuted; /* columns in which it met something else */
  slot **slots;          /* n_rows for each column kept */
  moe_series **series;
  atomic_bool failed; /* memory was short in a piece */
} reader;

/* ------------------------------------------------------------------ options */

/* clang-format off */
static const moe_param params[] = {
  {"sep", MOE_TEXT, offsetof(moe_csv_options, separator), NAN, 0, 0, NULL,
   NULL, MOE_OPTIONAL, "character between cells; absent: a comma"},
  MOE_P_FLAG(moe_csv_options, header, true,
             "the first line has the names; otherwise they are V1, V2, …"),
  MOE_P_LIST(moe_csv_options, missing, MOE_TEXTS, 0, 0,
             "what a missing value looks like, beside nothing"),
  MOE_P_LIST(moe_csv_options, categorical, MOE_TEXTS, 0, 0,
             "columns to read as strings, whatever they hold"),
  MOE_P_LIST(moe_csv_options, drop, MOE_TEXTS, 0, 0, "columns to leave out"),
  MOE_P_TEXT(moe_csv_options, target, "column to be predicted"),
  {.name = NULL},
};
/* clang-format on */

const moe_type moe_csv_type = {.name = "read_csv",
                               .family = "reader",
                               .doc = "a table from comma-separated values",
                               .params_size = sizeof(moe_csv_options),
                               .params = params};

moe_status moe__csv_separator(moe_call *call, const char *text, char *out) {
  unsigned char c = (unsigned char)(text != NULL ? text[0] : ',');
  *out = (char)c;
  if (c != 0 && c < 0x80 && strchr("\"\r\n.+-0123456789", c) == NULL &&
      !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
      (text == NULL || text[1] == '\0'))
    return MOE_OK;
  return moe_fail(call, MOE_EPARAM,
                  "sep must be one ASCII character that is not a letter, a "
                  "digit, a quote, a line end or one of . + -; got '%.20s'",
                  text);
}

static bool is_number(const char *first, const char *last) {
  double ignored;
  return moe_number_read(first, last, &ignored) == last;
}

static moe_status check_options(reader *r) {
  const moe_texts *missing = &r->options->missing;
  MOE_TRY(moe__csv_separator(r->call, r->options->separator, &r->separator));
  for (size_t i = 0; i < missing->n; i++) {
    const char *spelling = missing->items[i];
    if (strchr(spelling, '"') != NULL)
      return moe_fail(r->call, MOE_EPARAM,
                      "missing: a spelling may not hold a quote; got '%.100s'",
                      spelling);
    r->numeric_missing |= is_number(spelling, spelling + strlen(spelling));
  }
  return MOE_OK;
}

static moe_status find_column(const reader *r, const char *name, size_t *out) {
  ptrdiff_t found = moe__names_find(&r->names, r->order, name);
  if (found < 0) return moe__names_unknown(r->call, &r->names, name);
  *out = (size_t)found;
  return MOE_OK;
}

static moe_status mark_columns(const reader *r, const moe_texts *names,
                               bool *marks, bool mark) {
  for (size_t i = 0; i < names->n; i++) {
    size_t j = 0;
    MOE_TRY(find_column(r, names->items[i], &j));
    marks[j] = mark;
  }
  return MOE_OK;
}

static moe_status resolve_options(reader *r) {
  const moe_csv_options *o = r->options;
  size_t j = 0;
  MOE_SCRATCH(r->call, r->kept, r->d);
  MOE_SCRATCH(r->call, r->nominal, r->d);
  memset(r->kept, true, r->d * sizeof *r->kept);
  MOE_TRY(mark_columns(r, &o->drop, r->kept, false));
  MOE_TRY(mark_columns(r, &o->categorical, r->nominal, true));
  r->target = MOE_NO_TARGET;
  if (o->target == NULL) return MOE_OK;
  MOE_TRY(find_column(r, o->target, &j));
  r->target = (ptrdiff_t)j;
  if (r->kept[j]) return MOE_OK;
  return moe_fail(r->call, MOE_EPARAM, "the target '%.100s' is also in drop",
                  o->target);
}

/* ------------------------------------------------------------------- header */

static moe_status number_names(reader *r) {
  enum { SIZE = 24 };
  char *room;
  MOE_SCRATCH(r->call, room, moe_size(r->d, SIZE));
  for (size_t j = 0; j < r->d; j++, room += SIZE) {
    snprintf(room, SIZE, "V%zu", j + 1);
    r->names.items[j] = room;
  }
  return MOE_OK;
}

/* Takes the first record's cells, and leaves the blocks what is behind it. */
static moe_status take_header(reader *r) {
  moe_csv_block *first = &r->blocks[0];
  const char *p = first->first;
  char *room;
  for (size_t j = 0; j < r->d; j++) {
    moe_csv_cell cell = moe_csv_cell_at(&r->text, p);
    MOE_SCRATCH(r->call, room, (size_t)(cell.last - cell.first) + 1);
    moe_csv_copy_cell(&cell, room);
    if (room[0] == '\0')
      return moe_fail(r->call, MOE_EFORMAT,
                      "%s, line %zu: column %zu has no name; expected one (or "
                      "header = false)",
                      r->text.name, moe_csv_line_of(&r->text, p), j + 1);
    r->names.items[j] = room;
    p = cell.next + 1;
  }
  first->first = p - 1;
  first->n--;
  for (size_t b = 1; b < r->n_blocks; b++) r->blocks[b].row--;
  r->n_rows--;
  return MOE_OK;
}

static moe_status take_names(reader *r) {
  const char *start = r->blocks[0].first;
  ptrdiff_t again;
  r->names.n = r->d = moe_csv_count_cells(&r->text, start);
  MOE_SCRATCH(r->call, r->names.items, r->d);
  MOE_SCRATCH(r->call, r->order, r->d);
  MOE_TRY(r->options->header ? take_header(r) : number_names(r));
  MOE_TRY(moe__names_order(r->call, &r->names, r->order));
  again = moe__names_repeated(&r->names, r->order);
  if (again < 0) return MOE_OK;
  return moe_fail(r->call, MOE_EFORMAT,
                  "%s, line %zu: two columns are named '%.100s'; expected "
                  "different names",
                  r->text.name, moe_csv_line_of(&r->text, start),
                  r->names.items[again]);
}

/* -------------------------------------------------------------------- cells */

static inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

static void trim(const char **first, const char **last) {
  while (*first < *last && is_blank(**first)) ++*first;
  while (*last > *first && is_blank((*last)[-1])) --*last;
}

static bool is_missing(const reader *r, const char *first, const char *last) {
  const moe_texts *missing = &r->options->missing;
  size_t size = (size_t)(last - first);
  if (size == 0) return true;
  for (size_t i = 0; i < missing->n; i++)
    if (strncmp(first, missing->items[i], size) == 0 &&
        missing->items[i][size] == '\0')
      return true;
  return false;
}

static bool is_nan(const char *first, const char *last) {
  return last - first == 3 && (first[0] | 0x20) == 'n' &&
         (first[1] | 0x20) == 'a' && (first[2] | 0x20) == 'n';
}

/* A cell of a numeric column that is not simply a number. */
static const char *take_odd_cell(const reader *r, const char *p, size_t j,
                                 slot *out) {
  moe_csv_cell cell = moe_csv_cell_at(&r->text, p);
  const char *first = cell.first, *last = cell.last;
  trim(&first, &last);
  if (is_missing(r, first, last) || is_nan(first, last))
    out->number = NAN;
  else if (moe_number_read(first, last, &out->number) != last)
    atomic_store_explicit(&r->refuted[j], 1, memory_order_relaxed);
  return cell.next;
}

/* Takes the cell at p as the plan has it; returns the stop behind it. */
static inline const char *take_cell(const reader *r, const char *p, size_t row,
                                    size_t j) {
  if (r->plan[j] == NUMBER) {
    slot *out = &r->slots[j][row];
    const char *after = moe_number_read(p, r->text.end, &out->number);
    if (after != NULL && r->text.stops[(unsigned char)*after] &&
        !r->numeric_missing)
      return after;
    return take_odd_cell(r, p, j, out);
  }
  if (r->plan[j] == TEXT) r->slots[j][row].text = p;
  return moe_csv_cell_at(&r->text, p).next;
}

/* Stops at the first record that has not d cells, and returns it. */
static const char *take_rows(const reader *r, const char *p, size_t row,
                             size_t n) {
  for (size_t last = row + n; row < last; row++) {
    const char *record = p = moe_csv_skip_lines(&r->text, p);
    for (size_t j = 0; j < r->d; j++) {
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
  for (size_t b = 0; b < r->n_blocks; b++) {
    const char *record = r->uneven[b];
    if (record == NULL) continue;
    return moe_fail(r->call, MOE_EFORMAT,
                    "%s, line %zu: %zu cells; expected %zu, as in the first "
                    "line",
                    r->text.name, moe_csv_line_of(&r->text, record),
                    moe_csv_count_cells(&r->text, record), r->d);
  }
  return MOE_OK;
}

/* Columns in which the last pass met something else than numbers become
   nominal; true if there are any. */
static bool learn_kinds(reader *r) {
  bool any = false;
  for (size_t j = 0; j < r->d; j++) {
    if (!r->refuted[j]) continue;
    r->refuted[j] = 0;
    r->nominal[j] = any = true;
  }
  return any;
}

static void plan_all(reader *r) {
  for (size_t j = 0; j < r->d; j++)
    r->plan[j] = !r->kept[j] ? SKIP : r->nominal[j] ? TEXT : NUMBER;
}

/* Only for columns that just became nominal. */
static void plan_rest(reader *r) {
  for (size_t j = 0; j < r->d; j++)
    r->plan[j] = r->plan[j] == NUMBER && r->nominal[j] ? TEXT : SKIP;
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
  MOE_SCRATCH(r->call, r->plan, r->d);
  MOE_SCRATCH(r->call, r->refuted, r->d);
  MOE_SCRATCH(r->call, r->series, r->d);
  MOE_SCRATCH(r->call, r->slots, r->d);
  for (size_t j = 0; j < r->d; j++)
    if (r->kept[j])
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
  trim(&first, &last);
  if (is_missing(r, first, last)) return MOE_OK;
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
  if (!r->kept[j] || is_cancelled(r->call)) return;
  moe_call_init(&call, NULL, 1);
  if (r->nominal[j]) {
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
  moe_parallel(r->call, r->d, finish_column, r);
  MOE_TRY(moe_call_check(r->call));
  if (!r->failed) return MOE_OK;
  return moe_fail(r->call, MOE_ENOMEM,
                  "not enough memory for the columns of %s", r->text.name);
}

/* Closes the gaps that the dropped columns leave, and hands over the rest. */
static moe_status make_table(reader *r, moe_table **out) {
  size_t kept = 0;
  ptrdiff_t target = r->target;
  for (size_t j = 0; j < r->d; j++) {
    if (!r->kept[j]) continue;
    if ((ptrdiff_t)j == r->target) target = (ptrdiff_t)kept;
    r->names.items[kept] = r->names.items[j];
    r->series[kept++] = r->series[j];
  }
  r->names.n = kept;
  r->d = 0; /* nothing is left to free */
  return moe_table_new(r->call, &r->names, r->series, r->n_rows, target, out);
}

/* ----------------------------------------------------------------- the whole
 */

static moe_status find_records(reader *r) {
  MOE_TRY(moe_csv_find_blocks(r->call, &r->text, r->text.start, &r->blocks,
                              &r->n_blocks));
  if (r->n_blocks == 0)
    return moe_fail(r->call, MOE_EFORMAT, "%s, line 1: nothing; expected %s",
                    r->text.name,
                    r->options->header ? "the columns' names" : "cells");
  r->n_rows = r->blocks[r->n_blocks - 1].row + r->blocks[r->n_blocks - 1].n;
  if (r->n_rows <= INT32_MAX) return MOE_OK;
  return moe_fail(r->call, MOE_EFORMAT,
                  "%s: %zu lines; expected at most 2^31 - 1", r->text.name,
                  r->n_rows);
}

static moe_status read_all(reader *r, const char *name, const char *text,
                           size_t size, moe_table **out) {
  MOE_TRY(check_options(r));
  MOE_TRY(moe_csv_text_init(r->call, &r->text, name, text, size, r->separator));
  MOE_TRY(find_records(r));
  MOE_TRY(take_names(r));
  MOE_TRY(resolve_options(r));
  MOE_TRY(new_slots(r));
  MOE_TRY(take_all(r));
  MOE_TRY(finish_columns(r));
  return make_table(r, out);
}

static moe_status read_text(moe_call *call, const char *name, const char *text,
                            size_t size, const moe_csv_options *options,
                            moe_table **out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  reader r = {.call = call, .options = options};
  moe_status status = read_all(&r, name, text, size, out);
  for (size_t j = 0; j < r.d; j++) {
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
