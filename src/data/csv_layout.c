#include "csv_layout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

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

moe_status moe_csv_layout_init(moe_call *call, moe_csv_layout *l,
                               const moe_csv_options *options,
                               char *separator) {
  const moe_texts *missing = &options->missing;
  *l = (moe_csv_layout){.options = options, .target = MOE_NO_TARGET};
  MOE_TRY(moe__csv_separator(call, options->separator, separator));
  for (size_t i = 0; i < missing->n; i++) {
    const char *spelling = missing->items[i];
    if (strchr(spelling, '"') != NULL)
      return moe_fail(call, MOE_EPARAM,
                      "missing: a spelling may not hold a quote; got '%.100s'",
                      spelling);
    l->numeric_missing |= is_number(spelling, spelling + strlen(spelling));
  }
  return MOE_OK;
}

static moe_status find_column(moe_call *call, const moe_csv_layout *l,
                              const char *name, size_t *out) {
  ptrdiff_t found = moe__names_find(&l->names, l->order, name);
  if (found < 0) return moe__names_unknown(call, &l->names, name);
  *out = (size_t)found;
  return MOE_OK;
}

static moe_status mark_columns(moe_call *call, const moe_csv_layout *l,
                               const moe_texts *names, bool *marks, bool mark) {
  for (size_t i = 0; i < names->n; i++) {
    size_t j = 0;
    MOE_TRY(find_column(call, l, names->items[i], &j));
    marks[j] = mark;
  }
  return MOE_OK;
}

static moe_status resolve_options(moe_call *call, moe_csv_layout *l) {
  const moe_csv_options *o = l->options;
  size_t j = 0;
  MOE_SCRATCH(call, l->kept, l->d);
  MOE_SCRATCH(call, l->nominal, l->d);
  memset(l->kept, true, l->d * sizeof *l->kept);
  MOE_TRY(mark_columns(call, l, &o->drop, l->kept, false));
  MOE_TRY(mark_columns(call, l, &o->categorical, l->nominal, true));
  l->target = MOE_NO_TARGET;
  if (o->target == NULL) return MOE_OK;
  MOE_TRY(find_column(call, l, o->target, &j));
  l->target = (ptrdiff_t)j;
  if (l->kept[j]) return MOE_OK;
  return moe_fail(call, MOE_EPARAM, "the target '%.100s' is also in drop",
                  o->target);
}

/* ------------------------------------------------------------------- header */

static moe_status number_names(moe_call *call, moe_csv_layout *l) {
  enum { SIZE = 24 };
  char *room;
  MOE_SCRATCH(call, room, moe_size(l->d, SIZE));
  for (size_t j = 0; j < l->d; j++, room += SIZE) {
    snprintf(room, SIZE, "V%zu", j + 1);
    l->names.items[j] = room;
  }
  return MOE_OK;
}

/* Takes the first record's cells; `*rows` is the line end behind it. */
static moe_status take_header(moe_call *call, moe_csv_layout *l,
                              const moe_csv_text *t, const char **rows) {
  const char *p = *rows;
  char *room;
  for (size_t j = 0; j < l->d; j++) {
    moe_csv_cell cell = moe_csv_cell_at(t, p);
    MOE_SCRATCH(call, room, (size_t)(cell.last - cell.first) + 1);
    moe_csv_copy_cell(&cell, room);
    if (room[0] == '\0')
      return moe_fail(call, MOE_EFORMAT,
                      "%s, line %zu: column %zu has no name; expected one (or "
                      "header = false)",
                      t->name, moe_csv_line_of(t, p), j + 1);
    l->names.items[j] = room;
    p = cell.next + 1;
  }
  *rows = p - 1;
  return MOE_OK;
}

static moe_status take_names(moe_call *call, moe_csv_layout *l,
                             const moe_csv_text *t, const char **rows) {
  const char *record = *rows;
  ptrdiff_t again;
  l->names.n = l->d = moe_csv_count_cells(t, record);
  MOE_SCRATCH(call, l->names.items, l->d);
  MOE_SCRATCH(call, l->order, l->d);
  MOE_TRY(l->options->header ? take_header(call, l, t, rows)
                             : number_names(call, l));
  MOE_TRY(moe__names_order(call, &l->names, l->order));
  again = moe__names_repeated(&l->names, l->order);
  if (again < 0) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "%s, line %zu: two columns are named '%.100s'; expected "
                  "different names",
                  t->name, moe_csv_line_of(t, record), l->names.items[again]);
}

moe_status moe_csv_layout_columns(moe_call *call, moe_csv_layout *l,
                                  const moe_csv_text *t, const char *record,
                                  const char **rows) {
  *rows = record;
  MOE_TRY(take_names(call, l, t, rows));
  return resolve_options(call, l);
}

moe_status moe_csv_refuse_width(moe_call *call, const moe_csv_layout *l,
                                const moe_csv_text *t, const char *record) {
  return moe_fail(call, MOE_EFORMAT,
                  "%s, line %zu: %zu cells; expected %zu, as in the first line",
                  t->name, moe_csv_line_of(t, record),
                  moe_csv_count_cells(t, record), l->d);
}

moe_status moe_csv_refuse_nothing(moe_call *call, const moe_csv_layout *l,
                                  const moe_csv_text *t) {
  return moe_fail(call, MOE_EFORMAT, "%s, line 1: nothing; expected %s",
                  t->name, l->options->header ? "the columns' names" : "cells");
}

/* -------------------------------------------------------------------- cells */

static inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

void moe_csv_trim(const char **first, const char **last) {
  while (*first < *last && is_blank(**first)) ++*first;
  while (*last > *first && is_blank((*last)[-1])) --*last;
}

bool moe_csv_is_missing(const moe_csv_layout *l, const char *first,
                        const char *last) {
  const moe_texts *missing = &l->options->missing;
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

bool moe_csv_cell_number(const moe_csv_layout *l, const moe_csv_cell *cell,
                         double *out) {
  const char *first = cell->first, *last = cell->last;
  moe_csv_trim(&first, &last);
  *out = NAN;
  return moe_csv_is_missing(l, first, last) || is_nan(first, last) ||
         moe_number_read(first, last, out) == last;
}
