/* A table: named columns of numbers or of strings, equally long.  Neither a
   table nor a column ever changes once it is made, so that the tables cut from
   a table share its columns, and any thread may read them. */
#ifndef MOE_TABLE_H
#define MOE_TABLE_H

#include "levels.h"
#include "rows.h"

/* ----------------------------------------------------------------- columns
   A counted column: numbers, NaN where missing; or codes into levels, -1 where
   missing.  The constructors take over the arrays, also when they fail. */
typedef struct moe_series moe_series;

moe_status moe_series_of_numbers(moe_call *call, double *numbers, size_t n,
                                 moe_series **out);
moe_status moe_series_of_codes(moe_call *call, int32_t *codes, size_t n,
                               moe_levels *levels, moe_series **out);
moe_series *moe_series_retain(moe_series *s);
void moe_series_release(moe_series *s); /* accepts NULL */

/* ------------------------------------------------------------------ tables */
typedef struct moe_table moe_table;

enum { MOE_NO_TARGET = -1 };

/* At most 2^31 − 1 rows; names distinct and not empty, else MOE_EARG.  Takes
   over the references to the columns, also when it fails; copies the names. */
moe_status moe_table_new(moe_call *call, const moe_texts *names,
                         moe_series *const *columns, size_t n_rows,
                         ptrdiff_t target, moe_table **out);
moe_table *moe_table_retain(moe_table *t);
void moe_table_release(moe_table *t); /* accepts NULL */

size_t moe_table_length(const moe_table *t);
const moe_texts *moe_table_names(const moe_table *t);
ptrdiff_t moe_table_target(const moe_table *t);

/* Column j, and the place in it of the table's row i. */
const moe_column *moe_table_column(const moe_table *t, size_t j);
size_t moe_table_at(const moe_table *t, size_t i);

/* The column of that name: -1 where there is none, or refused with the
   nearest name there is. */
ptrdiff_t moe_table_find(const moe_table *t, const char *name);
moe_status moe_table_find_or_fail(moe_call *call, const moe_table *t,
                                  const char *name, size_t *column);

/* All columns but the target, as rows of which row i is the table's row i,
   unpicked: what selections of rows share is copied into the call's scratch.
   Otherwise the rows live as long as the table. */
moe_status moe_table_rows(moe_call *call, const moe_table *t, moe_rows *out);

/* Bytes that came with this table, not counting what it shares with the one
   it was cut from. */
size_t moe_table_bytes(const moe_table *t);

/* -------------------------------------------------------------- selections */

/* The rows rows[0 … n−1], each below the length. */
moe_status moe_table_pick(moe_call *call, const moe_table *t,
                          const int32_t *rows, size_t n, moe_table **out);

/* The columns columns[0 … n−1], distinct.  The target stays it if it is among
   them. */
moe_status moe_table_select(moe_call *call, const moe_table *t,
                            const int32_t *columns, size_t n, moe_table **out);

/* The same rows and columns with another target, or MOE_NO_TARGET. */
moe_status moe_table_with_target(moe_call *call, const moe_table *t,
                                 ptrdiff_t target, moe_table **out);

/* ids[i] = ids[k] if and only if rows i and k hold the same value of the
   column; counted from 0, and -1 where it is missing. */
moe_status moe_table_ids(moe_call *call, const moe_table *t, size_t column,
                         int32_t *ids);

/* ------------------------------------------------------------------- names
   Names in order, for what has to look them up: order[i] is the place of the
   i-th by byte. */
moe_status moe__names_order(moe_call *call, const moe_texts *names,
                            int32_t *order);
ptrdiff_t moe__names_find(const moe_texts *names, const int32_t *order,
                          const char *name);

/* The place of a name that occurred before, or -1. */
ptrdiff_t moe__names_repeated(const moe_texts *names, const int32_t *order);

/* MOE_EARG: "no column 'agee'; did you mean 'age'?". */
moe_status moe__names_unknown(moe_call *call, const moe_texts *names,
                              const char *name);

#endif
