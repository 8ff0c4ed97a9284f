/* The columns of a CSV text, what is wanted of them, and what a cell says:
   what reading at once and reading row by row have in common. */
#ifndef MOE_CSV_LAYOUT_H
#define MOE_CSV_LAYOUT_H

#include "csv.h"
#include "csv_scan.h"
#include "number.h"

typedef struct moe_csv_layout {
  const moe_csv_options *options;
  size_t d;
  moe_texts names;
  int32_t *order; /* of the names */
  bool *kept, *nominal;
  ptrdiff_t target;
  bool numeric_missing; /* a spelling of missing looks like a number */
} moe_csv_layout;

/* Checks the options, and tells their separator. */
moe_status moe_csv_layout_init(moe_call *call, moe_csv_layout *l,
                               const moe_csv_options *options, char *separator);

/* Names and options of the columns, in the call's scratch, by the first record,
   which is the names or like every other; `*rows` is where the rows begin. */
moe_status moe_csv_layout_columns(moe_call *call, moe_csv_layout *l,
                                  const moe_csv_text *t, const char *record,
                                  const char **rows);

/* MOE_EFORMAT: a record of another width. */
moe_status moe_csv_refuse_width(moe_call *call, const moe_csv_layout *l,
                                const moe_csv_text *t, const char *record);

/* MOE_EFORMAT: there is no record. */
moe_status moe_csv_refuse_nothing(moe_call *call, const moe_csv_layout *l,
                                  const moe_csv_text *t);

/* Without the blanks around it. */
void moe_csv_trim(const char **first, const char **last);

/* Of a cell that has been trimmed. */
bool moe_csv_is_missing(const moe_csv_layout *l, const char *first,
                        const char *last);

/* The number in a cell, NaN if it is missing; false where it is something
   else. */
bool moe_csv_cell_number(const moe_csv_layout *l, const moe_csv_cell *cell,
                         double *out);

/* The same of the cell at p where it is simply a number; returns the stop
   behind it, or NULL. */
static inline const char *moe_csv_plain_number(const moe_csv_layout *l,
                                               const moe_csv_text *t,
                                               const char *p, double *out) {
  const char *after = moe_number_read(p, t->end, out);
  return after != NULL && t->stops[(unsigned char)*after] && !l->numeric_missing
             ? after
             : NULL;
}

#endif
