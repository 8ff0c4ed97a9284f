/* A window of the file moves over it: whole records, and the beginning of one
   that is read again when the window has more of it. */
#include "csv_stream.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "csv_layout.h"
#include "file.h"
#include "memory.h"

enum {
  WINDOW = 256 << 10,
  LONGEST = 64 << 20 /* a record: a quote that nothing closes is told of */
};

struct moe_csv_stream {
  moe_call own;   /* its scratch holds names and options */
  char name[256]; /* for messages */
  char *path;
  int file;
  size_t place; /* in the file, behind what the window holds */
  bool ended;   /* nothing is left behind it */
  char *window;
  size_t room;       /* in the window, its zero byte included */
  moe_csv_text text; /* what the window holds */
  const char *at;    /* behind the last row */
  moe_csv_options options;
  moe_csv_layout layout;
  moe_csv_cell *cells;   /* layout.d of the record */
  moe_csv_value *values; /* n of the row */
  char *undone;          /* cells of the row without their doubled quotes … */
  size_t undone_room, undone_size;
  size_t *places; /* names.n columns that are kept */
  moe_texts names;
  ptrdiff_t target;
};

/* ------------------------------------------------------------------ window */

/* The window from `keep` on moves to its beginning.  A carriage return stays
   with what may be its line feed. */
static void slide(moe_csv_stream *s) {
  const char *keep = s->at;
  size_t left;
  if (keep == s->text.end && keep > s->text.start && keep[-1] == '\r') keep--;
  left = (size_t)(s->text.end - keep);
  s->text.line = moe_csv_line_of(&s->text, keep);
  memmove(s->window, keep, left + 1);
  s->text.start = s->window;
  s->text.end = s->window + left;
  s->at = s->window + (s->at - keep);
}

static moe_status check_bytes(moe_call *call, moe_csv_stream *s, char *from,
                              size_t size) {
  const char *zero = memchr(from, 0, size);
  size_t line;
  if (zero == NULL) return MOE_OK;
  line = moe_csv_line_of(&s->text, zero);
  *from = 0; /* the window ends where it did */
  return moe_fail(call, MOE_EFORMAT,
                  "%s, line %zu: a zero byte; expected text, in UTF-8 or "
                  "another encoding without zero bytes",
                  s->name, line);
}

static moe_status make_room(moe_call *call, moe_csv_stream *s) {
  size_t used = (size_t)(s->text.end - s->window);
  size_t after = (size_t)(s->at - s->window);
  if (used + 1 < s->room) return MOE_OK;
  if (used >= LONGEST)
    return moe_fail(call, MOE_EFORMAT,
                    "%s, line %zu: a row of more than %d MB; is a quote not "
                    "closed?",
                    s->name, moe_csv_line_of(&s->text, s->at), LONGEST >> 20);
  MOE_TRY(moe_reserve(call, &s->window, &s->room, used + 1, WINDOW, 1));
  s->text.start = s->window;
  s->text.end = s->window + used;
  s->at = s->window + after;
  return MOE_OK;
}

/* The mark of UTF-8 at the beginning of the file. */
static void skip_mark(moe_csv_stream *s) {
  if (s->text.end - s->at >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0)
    s->at = s->text.start = s->at + 3;
}

/* More of the file, behind what is left of the window. */
static moe_status refill(moe_call *call, moe_csv_stream *s) {
  bool first = s->place == 0;
  size_t got, used;
  slide(s);
  MOE_TRY(make_room(call, s));
  used = (size_t)(s->text.end - s->window);
  while (!s->ended && used + 1 < s->room) {
    MOE_TRY(moe_file_read_at(call, s->file, s->path, s->place, s->window + used,
                             s->room - 1 - used, &got));
    MOE_TRY(check_bytes(call, s, s->window + used, got));
    s->place += got;
    used += got;
    s->ended = got == 0;
    s->text.end = s->window + used;
    s->window[used] = 0;
  }
  if (first) skip_mark(s);
  return MOE_OK;
}

/* ----------------------------------------------------------------- records */

/* Finds the cells of the record at `record`, and how many there are; fewer are
   kept than there are beyond d.  Returns the stop behind it. */
static const char *find_cells(const moe_csv_stream *s, const char *record,
                              size_t *n) {
  const char *p = record;
  for (*n = 0;; p++) {
    moe_csv_cell cell = moe_csv_cell_at(&s->text, p);
    if (*n < s->layout.d) s->cells[*n] = cell;
    ++*n;
    p = cell.next;
    if (*p != s->text.separator) return p;
  }
}

static moe_status check_cells(moe_call *call, const moe_csv_stream *s,
                              const char *record, size_t n) {
  size_t known = n < s->layout.d ? n : s->layout.d;
  for (size_t j = 0; j < known; j++)
    if (s->cells[j].quoted)
      MOE_TRY(moe_csv_check_quotes(call, &s->text, s->cells[j].first - 1,
                                   s->cells[j].last));
  if (n == s->layout.d) return MOE_OK;
  return moe_csv_refuse_width(call, &s->layout, &s->text, record);
}

/* The next record, wholly in the window: its n cells, and the stop behind it,
   or NULL at the end of the file.  `at` is its beginning. */
static moe_status find_record(moe_call *call, moe_csv_stream *s,
                              const char **stop, size_t *n) {
  *stop = NULL;
  for (;;) {
    s->at = moe_csv_skip_lines(&s->text, s->at);
    if (s->at < s->text.end) {
      *stop = find_cells(s, s->at, n);
      if (*stop < s->text.end || s->ended) return MOE_OK;
    } else if (s->ended) {
      return MOE_OK;
    }
    *stop = NULL;
    MOE_TRY(refill(call, s));
  }
}

/* ------------------------------------------------------------------- cells */

/* All of a row's doubled quotes are undone in room for a whole window, which
   does not move meanwhile. */
static moe_status undo_quotes(moe_call *call, moe_csv_stream *s,
                              const moe_csv_cell *cell, moe_csv_value *out) {
  if (s->undone_room < s->room)
    MOE_TRY(moe_reserve(call, &s->undone, &s->undone_room, 0, s->room, 1));
  out->text = s->undone + s->undone_size;
  out->size = moe_csv_copy_cell(cell, s->undone + s->undone_size);
  s->undone_size += out->size;
  return MOE_OK;
}

static moe_status take_text(moe_call *call, moe_csv_stream *s,
                            const moe_csv_cell *cell, moe_csv_value *out) {
  const char *first = cell->first, *last = cell->last;
  *out = (moe_csv_value){NAN, NULL, 0};
  moe_csv_trim(&first, &last);
  if (moe_csv_is_missing(&s->layout, first, last)) return MOE_OK;
  out->text = cell->first;
  out->size = (size_t)(cell->last - cell->first);
  if (!cell->quoted || memchr(out->text, '"', out->size) == NULL) return MOE_OK;
  return undo_quotes(call, s, cell, out);
}

static moe_status take_number(moe_call *call, const moe_csv_stream *s, size_t j,
                              moe_csv_value *out) {
  const moe_csv_cell *cell = &s->cells[j];
  double *x = &out->number;
  *out = (moe_csv_value){NAN, NULL, 0};
  if (moe_csv_plain_number(&s->layout, &s->text, cell->first, x) == cell->last)
    return MOE_OK;
  if (moe_csv_cell_number(&s->layout, cell, x)) return MOE_OK;
  return moe_fail(
      call, MOE_EFORMAT,
      "%s, line %zu, column '%.100s': '%.*s'; expected a number, as "
      "in the first rows (or categorical = {'%.100s'})",
      s->name, moe_csv_line_of(&s->text, cell->first), s->layout.names.items[j],
      (int)(cell->last - cell->first < 40 ? cell->last - cell->first : 40),
      cell->first, s->layout.names.items[j]);
}

static moe_status take_row(moe_call *call, moe_csv_stream *s) {
  s->undone_size = 0;
  for (size_t k = 0; k < s->names.n; k++) {
    size_t j = s->places[k];
    MOE_TRY(s->layout.nominal[j]
                ? take_text(call, s, &s->cells[j], &s->values[k])
                : take_number(call, s, j, &s->values[k]));
  }
  return MOE_OK;
}

moe_status moe_csv_stream_next(moe_call *call, moe_csv_stream *s,
                               const moe_csv_value **row) {
  const char *stop;
  size_t n;
  *row = NULL;
  MOE_TRY(find_record(call, s, &stop, &n));
  if (stop == NULL) return MOE_OK;
  MOE_TRY(check_cells(call, s, s->at, n));
  MOE_TRY(take_row(call, s));
  s->at = stop;
  *row = s->values;
  return MOE_OK;
}

/* ----------------------------------------------------------------- columns */

/* Columns become nominal by the rows in the window; those that are bad will be
   refused when their turn comes. */
static void learn_kinds(moe_csv_stream *s) {
  const char *p = s->at;
  size_t n;
  double ignored;
  for (;;) {
    p = moe_csv_skip_lines(&s->text, p);
    if (p == s->text.end) return;
    p = find_cells(s, p, &n);
    if ((p == s->text.end && !s->ended) || n != s->layout.d) return;
    for (size_t j = 0; j < n; j++)
      s->layout.nominal[j] |=
          !moe_csv_cell_number(&s->layout, &s->cells[j], &ignored);
  }
}

/* What is kept, in order, and where the target is in it. */
static moe_status keep_columns(moe_call *call, moe_csv_stream *s) {
  const moe_csv_layout *l = &s->layout;
  MOE_SCRATCH(call, s->cells, l->d);
  MOE_SCRATCH(call, s->values, l->d);
  MOE_SCRATCH(call, s->places, l->d);
  MOE_SCRATCH(call, s->names.items, l->d);
  for (size_t j = 0; j < l->d; j++) {
    if (!l->kept[j]) continue;
    if ((ptrdiff_t)j == l->target) s->target = (ptrdiff_t)s->names.n;
    s->places[s->names.n] = j;
    s->names.items[s->names.n++] = l->names.items[j];
  }
  return MOE_OK;
}

static moe_status read_columns(moe_call *call, moe_csv_stream *s) {
  const char *stop, *rows;
  size_t n;
  MOE_TRY(find_record(call, s, &stop, &n));
  if (stop == NULL) return moe_csv_refuse_nothing(call, &s->layout, &s->text);
  MOE_TRY(moe_csv_layout_columns(call, &s->layout, &s->text, s->at, &rows));
  MOE_TRY(keep_columns(call, s));
  find_cells(s, s->at, &n);
  MOE_TRY(check_cells(call, s, s->at, n));
  s->at = rows;
  MOE_TRY(find_record(call, s, &stop, &n)); /* one row at least is there */
  learn_kinds(s);
  return MOE_OK;
}

/* ------------------------------------------------------------------ streams */

/* What is needed of the options outlives them. */
static moe_status copy_options(moe_csv_stream *s,
                               const moe_csv_options *options) {
  const moe_texts *from = &options->missing;
  moe_texts *to = &s->options.missing;
  s->options = *options;
  MOE_SCRATCH(&s->own, to->items, from->n);
  for (size_t i = 0; i < from->n; i++) {
    size_t size = strlen(from->items[i]) + 1;
    MOE_SCRATCH(&s->own, to->items[i], size);
    memcpy(to->items[i], from->items[i], size);
  }
  return MOE_OK;
}

static void begin(moe_csv_stream *s) {
  s->place = 0;
  s->ended = false;
  s->text.start = s->text.end = s->at = s->window;
  s->text.line = 1;
}

static moe_status open_stream(moe_call *call, moe_csv_stream *s,
                              const char *path,
                              const moe_csv_options *options) {
  char separator;
  size_t ignored;
  MOE_SCRATCH(call, s->path, strlen(path) + 1);
  memcpy(s->path, path, strlen(path));
  MOE_TRY(copy_options(s, options));
  MOE_TRY(moe_csv_layout_init(call, &s->layout, &s->options, &separator));
  MOE_TRY(moe_file_open(call, path, &s->file, &ignored));
  MOE_TRY(moe_new_array(call, &s->window, WINDOW, 1));
  s->room = WINDOW;
  MOE_TRY(moe_csv_text_init(call, &s->text, s->name, s->window, 0, separator));
  begin(s);
  MOE_TRY(read_columns(call, s));
  s->options.target = s->options.separator = NULL;
  s->options.categorical.n = s->options.drop.n = 0;
  return MOE_OK;
}

moe_status moe_csv_stream_open(moe_call *call, const char *path,
                               const moe_csv_options *options,
                               moe_csv_stream **out) {
  moe_csv_stream *s;
  moe_status status;
  *out = NULL;
  MOE_TRY(moe_new_array(call, &s, 1, sizeof *s));
  s->file = -1;
  s->target = MOE_NO_TARGET;
  moe_call_init(&s->own, NULL, 1);
  snprintf(s->name, sizeof s->name, "'%.250s'", path);
  status = open_stream(&s->own, s, path, options);
  if (status == MOE_OK) {
    *out = s;
    return MOE_OK;
  }
  call->error = s->own.error;
  moe_csv_stream_close(s);
  return status;
}

moe_status moe_csv_stream_rewind(moe_call *call, moe_csv_stream *s) {
  const char *stop;
  size_t n;
  begin(s);
  if (!s->options.header) return MOE_OK;
  MOE_TRY(find_record(call, s, &stop, &n));
  if (stop != NULL) s->at = stop;
  return MOE_OK;
}

const moe_texts *moe_csv_stream_names(const moe_csv_stream *s) {
  return &s->names;
}

bool moe_csv_stream_nominal(const moe_csv_stream *s, size_t column) {
  return s->layout.nominal[s->places[column]];
}

ptrdiff_t moe_csv_stream_target(const moe_csv_stream *s) { return s->target; }

size_t moe_csv_stream_bytes(const moe_csv_stream *s) {
  return sizeof *s + s->room + s->undone_room;
}

void moe_csv_stream_close(moe_csv_stream *s) {
  if (s == NULL) return;
  if (s->file >= 0) close(s->file);
  moe_call_end(&s->own);
  moe_free(s->window);
  moe_free(s->undone);
  moe_free(s);
}
