#include <math.h>
#include <string.h>

#include "csv.h"
#include "file.h"
#include "number.h"

typedef struct output {
  moe_call *call;
  moe_writer *writer;
  char separator;
} output;

static moe_status put(output *o, const char *text, size_t size) {
  return moe_writer_append(o->call, o->writer, text, size);
}

static bool needs_quotes(const char *text, char separator) {
  const char special[] = {separator, '"', '\r', '\n', '\0'};
  return strpbrk(text, special) != NULL;
}

static moe_status put_text(output *o, const char *text) {
  const char *quote;
  if (!needs_quotes(text, o->separator)) return put(o, text, strlen(text));
  MOE_TRY(put(o, "\"", 1));
  for (; (quote = strchr(text, '"')) != NULL; text = quote + 1) {
    MOE_TRY(put(o, text, (size_t)(quote - text) + 1));
    MOE_TRY(put(o, "\"", 1));
  }
  MOE_TRY(put(o, text, strlen(text)));
  return put(o, "\"", 1);
}

static moe_status put_cell(output *o, const moe_column *c, size_t at) {
  char text[MOE_NUMBER_SIZE];
  if (c->numbers == NULL)
    return c->codes[at] < 0 ? MOE_OK : put_text(o, c->levels[c->codes[at]]);
  if (isnan(c->numbers[at])) return MOE_OK;
  return put(o, text, moe_number_print(c->numbers[at], text));
}

static bool is_missing(const moe_column *c, size_t at) {
  return c->numbers != NULL ? isnan(c->numbers[at]) : c->codes[at] < 0;
}

/* An empty line would not be a row, where a table has but one column. */
static moe_status put_row(output *o, const moe_table *t, size_t i) {
  size_t at = moe_table_at(t, i), d = moe_table_names(t)->n;
  if (d == 1 && is_missing(moe_table_column(t, 0), at))
    return put(o, "\"\"\n", 3);
  for (size_t j = 0; j < d; j++) {
    if (j > 0) MOE_TRY(put(o, &o->separator, 1));
    MOE_TRY(put_cell(o, moe_table_column(t, j), at));
  }
  return put(o, "\n", 1);
}

static moe_status put_table(output *o, const moe_table *t) {
  const moe_texts *names = moe_table_names(t);
  for (size_t j = 0; j < names->n; j++) {
    if (j > 0) MOE_TRY(put(o, &o->separator, 1));
    MOE_TRY(put_text(o, names->items[j]));
  }
  MOE_TRY(put(o, "\n", 1));
  for (size_t i = 0; i < moe_table_length(t); i++) MOE_TRY(put_row(o, t, i));
  return moe_writer_commit(o->call, o->writer);
}

moe_status moe_csv_write(moe_call *call, const char *path, const moe_table *t,
                         const char *separator) {
  output o = {.call = call};
  moe_status status;
  MOE_TRY(moe__csv_separator(call, separator, &o.separator));
  MOE_TRY(moe_writer_new(call, path, &o.writer));
  status = put_table(&o, t);
  moe_writer_release(o.writer);
  return status;
}
