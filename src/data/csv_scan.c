#include "csv_scan.h"

#include <string.h>

#include "memory.h"

moe_status moe_csv_text_init(moe_call *call, moe_csv_text *t, const char *name,
                             const char *text, size_t size, char separator) {
  const char *zero = memchr(text, 0, size);
  *t = (moe_csv_text){name, text, text + size, 1, separator, {false}};
  t->stops[(unsigned char)separator] = true;
  t->stops['\r'] = t->stops['\n'] = t->stops[0] = true;
  if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) t->start += 3;
  if (zero == NULL) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "%s, line %zu: a zero byte; expected text, in UTF-8 or "
                  "another encoding without zero bytes",
                  name, moe_csv_line_of(t, zero));
}

static inline bool is_line_end(char c) { return c == '\n' || c == '\r'; }

/* The quote that closes the cell whose opening quote is at p, or the end. */
static const char *closing_quote(const char *p, const char *end) {
  for (p++; p < end; p += 2) {
    p = memchr(p, '"', (size_t)(end - p));
    if (p == NULL) return end;
    if (p[1] != '"') return p;
  }
  return end;
}

moe_csv_cell moe_csv_cell_at(const moe_csv_text *t, const char *p) {
  const char *q = p;
  if (*p == '"') {
    q = closing_quote(p, t->end);
    return (moe_csv_cell){p + 1, q, true, q < t->end ? q + 1 : q};
  }
  while (!t->stops[(unsigned char)*q]) q++;
  return (moe_csv_cell){p, q, false, q};
}

size_t moe_csv_copy_cell(const moe_csv_cell *cell, char *out) {
  const char *p = cell->first;
  char *to = out;
  while (p < cell->last) {
    size_t left = (size_t)(cell->last - p);
    const char *quote = cell->quoted ? memchr(p, '"', left) : NULL;
    size_t part = quote != NULL ? (size_t)(quote - p) + 1 : left;
    memcpy(to, p, part);
    to += part;
    p += quote != NULL ? part + 1 : part;
  }
  return (size_t)(to - out);
}

const char *moe_csv_skip_lines(const moe_csv_text *t, const char *p) {
  while (p < t->end && is_line_end(*p)) p++;
  return p;
}

size_t moe_csv_count_cells(const moe_csv_text *t, const char *p) {
  size_t n = 1;
  for (;; n++) {
    p = moe_csv_cell_at(t, p).next;
    if (*p != t->separator) return n;
    p++;
  }
}

size_t moe_csv_line_of(const moe_csv_text *t, const char *p) {
  size_t line = t->line;
  for (const char *q = t->start; q < p; q++)
    line += *q == '\n' ? !(q > t->start && q[-1] == '\r') : *q == '\r';
  return line;
}

moe_status moe_csv_check_quotes(moe_call *call, const moe_csv_text *t,
                                const char *first, const char *last) {
  if (last == t->end)
    return moe_fail(call, MOE_EFORMAT,
                    "%s, line %zu: a cell opens with a quote that nothing "
                    "closes; expected '\"' before the end",
                    t->name, moe_csv_line_of(t, first));
  if (t->stops[(unsigned char)last[1]]) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "%s, line %zu: a cell goes on after its closing quote; "
                  "expected '%c' or the end of the line (or \"\" for a quote "
                  "inside)",
                  t->name, moe_csv_line_of(t, last), t->separator);
}

/* The next byte of each kind that matters, searched again only when passed:
   each byte of the text is looked at once a kind. */
typedef struct cursor {
  char byte;
  const char *at;
} cursor;

static inline const char *advance(cursor *c, const char *p, const char *end) {
  if (c->at >= p) return c->at;
  c->at = p < end ? memchr(p, c->byte, (size_t)(end - p)) : NULL;
  if (c->at == NULL) c->at = end;
  return c->at;
}

typedef struct survey {
  moe_call *call;
  const moe_csv_text *text;
  cursor feed, carriage, quote;
  moe_csv_block *blocks;
  size_t n, room;
} survey;

/* A quote opens a cell only at the cell's beginning; `*p` moves behind it. */
static moe_status pass_quote(survey *s, const char *record, const char **p) {
  const moe_csv_text *t = s->text;
  const char *quote = *p, *last;
  *p = quote + 1;
  if (quote != record && quote[-1] != t->separator) return MOE_OK;
  last = closing_quote(quote, t->end);
  MOE_TRY(moe_csv_check_quotes(s->call, t, quote, last));
  *p = last + 1;
  return MOE_OK;
}

/* Moves `*p`, at the first byte of a record, to the line end behind it. */
static moe_status pass_record(survey *s, const char **p) {
  const char *record = *p, *end = s->text->end;
  for (;;) {
    const char *stop = advance(&s->feed, *p, end);
    const char *carriage = advance(&s->carriage, *p, end);
    const char *quote = advance(&s->quote, *p, end);
    if (carriage < stop) stop = carriage;
    *p = quote < stop ? quote : stop;
    if (*p == stop) return MOE_OK;
    MOE_TRY(pass_quote(s, record, p));
  }
}

static moe_status open_block(survey *s, const char *p, size_t row) {
  MOE_TRY(moe_call_check(s->call));
  MOE_TRY(
      moe_reserve(s->call, &s->blocks, &s->room, s->n, 1, sizeof *s->blocks));
  s->blocks[s->n++] = (moe_csv_block){p, row, 0};
  return MOE_OK;
}

static moe_status find(survey *s, const char *p) {
  const moe_csv_text *t = s->text;
  moe_csv_block *block = NULL;
  for (p = moe_csv_skip_lines(t, p); p < t->end; p = moe_csv_skip_lines(t, p)) {
    if (block == NULL || p - block->first >= MOE_CSV_BLOCK) {
      MOE_TRY(open_block(s, p, block != NULL ? block->row + block->n : 0));
      block = &s->blocks[s->n - 1];
    }
    block->n++;
    MOE_TRY(pass_record(s, &p));
  }
  return MOE_OK;
}

moe_status moe_csv_find_blocks(moe_call *call, const moe_csv_text *t,
                               const char *p, moe_csv_block **blocks,
                               size_t *n) {
  survey s = {.call = call,
              .text = t,
              .feed = {'\n', NULL},
              .carriage = {'\r', NULL},
              .quote = {'"', NULL}};
  moe_status status = find(&s, p);
  *blocks = s.blocks;
  *n = s.n;
  return status;
}
